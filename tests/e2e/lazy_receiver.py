# SPDX-License-Identifier: MIT
"""lazy_receiver.py [CHAIN KEY]: a receiver that answers before it has read the body,
and closes. What lies unread then makes the kernel send a reset behind the answer.

The path says how: /python as http.server does (HTTP/1.0, no word about closing),
/node with `Connection: close`, /<status> that status with the words to close. GET /
says how many requests came by path. With certificates it speaks TLS. Prints its port;
ends with its standard input."""

import collections
import http.server
import json
import socketserver
import ssl
import sys
import threading


counts = collections.Counter()
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    timeout = 60

    def setup(self):
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def do_GET(self):
        with lock:
            body = json.dumps(counts).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        with lock:
            counts[self.path] += 1
        kind = self.path.split("/")[1]
        if kind == "python":
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            return
        status = 200 if kind == "node" else int(kind)
        self.wfile.write(f"HTTP/1.1 {status} Status\r\nConnection: close\r\n"
                         "Content-Length: 2\r\n\r\nok".encode())

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    context = None

    def get_request(self):
        connection, address = super().get_request()
        if self.context is not None:
            connection = self.context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        pass  # a client that goes away is part of the game


def main():
    server = Server(("127.0.0.1", 0), Handler)
    if len(sys.argv) > 1:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(*sys.argv[1:])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


main()
