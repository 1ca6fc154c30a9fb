# SPDX-License-Identifier: MIT
"""The least that a page can be: one module, one request, one line of text. What a browser takes
for it, it takes for every page. Prints its port."""

import http.server

PAGE = (b'<!doctype html><title>plain</title><link rel="icon" href="data:,">'
        b'<script type="module" src="/~1/plain.js"></script>')
MODULE = b"""
const { text } = await (await fetch('/deliveries?')).json();
const line = document.createElement('p');
line.className = 'region';
line.textContent = text;
document.body.append(document.createElement('main'));
document.querySelector('main').append(line);
"""
FILES = {
    "/": ("text/html", "no-store", PAGE),
    "/~1/plain.js": ("text/javascript", "public, max-age=31536000, immutable", MODULE),
    "/deliveries": ("application/json", "no-store", b'{"text":"plain"}'),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        kind, kept, content = FILES[self.path.split("?")[0]]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", kept)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()
