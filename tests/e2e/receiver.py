# SPDX-License-Identifier: MIT
"""A receiver that does what a test tells it, and remembers what came."""

import socket
import socketserver
import ssl
import struct
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from support import PATIENCE_S, wait_for


@dataclass
class Answer:
    """What a request gets. `do`: answer, close (no answer), reset, or hang
    (until the receiver stops). Held, it is given after the next release()."""

    status: int = 200
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    delay: float = 0.0
    do: str = "answer"
    held: bool = False


@dataclass
class Request:
    method: str
    path: str
    raw_headers: list  # (name, value) as they came
    body: bytes
    connection: int  # which one, counted from 1
    time: float = 0
    n_answered: int = 0  # how many had been answered when it came
    answer: Answer = None  # what it got

    @property
    def headers(self):
        return {name.lower(): value for name, value in self.raw_headers}

    @property
    def id(self):
        return self.headers.get("pulumi-webhook-id")


class Receiver:
    """HTTP/1.1, or HTTPS with `tls` (an ssl.SSLContext)."""

    def __init__(self, tls=None, port=0):
        self.requests = []
        self.scripts = defaultdict(list)
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.released = threading.Event()
        self.n_answered = 0
        self.tls = tls
        self.n_connections = 0
        self.server = _Server(("127.0.0.1", port), _Handler)
        self.server.receiver = self
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05},
            daemon=True)
        self.thread.start()

    def url(self, path="/"):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{path}"

    def script(self, path, *answers):
        """The answers for a path, in order; the last one repeats."""
        with self.lock:
            self.scripts[path] = list(answers)

    def next_answer(self, path):
        with self.lock:
            script = self.scripts[path]
            if not script:
                return Answer()
            return script.pop(0) if len(script) > 1 else script[0]

    def hold(self):
        """No request is answered until release()."""
        self.may_answer.clear()

    def release(self):
        """Gives what was held back, whether by hold() or by its own Answer.held."""
        self.may_answer.set()
        self.released.set()

    def got(self, path=None):
        with self.lock:
            return [r for r in self.requests if path in (None, r.path)]

    def wait(self, count, path=None, seconds=PATIENCE_S):
        """The requests, once there are at least `count`."""
        return wait_for(
            lambda: (lambda rows: len(rows) >= count and rows)(self.got(path)),
            f"{count} requests at the receiver", seconds)

    def stop(self):
        self.stopping.set()
        self.release()
        self.server.shutdown()
        self.server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # a client that goes away is part of the game


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        receiver = self.server.receiver
        if receiver.tls:
            self.request = receiver.tls.wrap_socket(
                self.request, server_side=True)
        with receiver.lock:
            receiver.n_connections += 1
            self.number = receiver.n_connections
        self.stream = self.request.makefile("rb")
        while self.one_request(receiver):
            pass

    def one_request(self, receiver):
        request = self.read_request()
        if request is None:
            return False
        with receiver.lock:  # so that what comes later in the list came later
            request.time, request.n_answered = time.time(), receiver.n_answered
            receiver.requests.append(request)
        receiver.may_answer.wait()
        answer = request.answer = receiver.next_answer(request.path)
        if answer.held:
            receiver.released.wait()
        receiver.stopping.wait(answer.delay)
        if answer.do == "answer":
            with receiver.lock:
                receiver.n_answered += 1
        return self.give(answer)

    def read_request(self):
        line = self.stream.readline().decode()
        if not line:
            return None
        method, path, _ = line.split()
        headers = []
        while (line := self.stream.readline().decode()) not in ("\r\n", ""):
            name, value = line.rstrip("\r\n").split(": ", 1)
            headers.append((name, value))
        length = int(dict((n.lower(), v) for n, v in headers)
                     .get("content-length", 0))
        body = self.stream.read(length)
        return Request(method, path, headers, body, self.number)

    def give(self, answer):
        if answer.do == "hang":
            self.server.receiver.stopping.wait()
        if answer.do == "reset":  # no linger: the close sends RST
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    struct.pack("ii", 1, 0))
            self.request.close()
        if answer.do != "answer":
            return False
        headers = {"Content-Length": len(answer.body), **answer.headers}
        head = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        self.request.sendall(
            f"HTTP/1.1 {answer.status} Status\r\n{head}\r\n".encode()
            + answer.body)
        return answer.headers.get("Connection") != "close"


def tls_context(certificates, minimum=None, maximum=None):
    """A server's context with the test's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if maximum is not None:
        # Old protocols need OpenSSL's guard lifted, or nobody could speak them.
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = minimum
        context.maximum_version = maximum
    context.load_cert_chain(certificates.chain, certificates.key)
    return context
