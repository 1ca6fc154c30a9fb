# SPDX-License-Identifier: MIT
"""A receiver that speaks HTTP/2 by ALPN, well or badly, as a test tells it."""

import select
import socket
import ssl
import threading
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from receiver import tls_context
from support import PATIENCE_S, wait_for


@dataclass
class Stream:
    """A request. `raw_headers` without those that begin with a colon."""

    connection: "Connection"
    number: int  # of the stream
    headers: list
    body: bytes = b""
    is_whole: bool = False

    @property
    def path(self):
        return dict(self.headers)[":path"]

    def header(self, name):
        return dict(self.headers).get(name)


class Connection:
    """One connection, served by a thread of its own."""

    def __init__(self, receiver, sock, number):
        self.receiver = receiver
        self.sock = sock
        self.number = number
        self.is_resumed = sock.session_reused
        self.streams = {}
        self.lock = threading.RLock()
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=False, header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False))

    def flush(self):
        with self.lock:
            data = self.h2.data_to_send()
            if data:
                self.sock.sendall(data)

    def send(self, data):
        """Bytes past the library."""
        with self.lock:
            self.sock.sendall(data)

    def run(self):
        self.h2.initiate_connection()
        if self.receiver.settings:
            self.h2.update_settings(self.receiver.settings)
        self.flush()
        while data := self.read():
            for event in self.h2.receive_data(data):
                self.take(event)
            self.flush()

    def read(self):
        """One thread at a time may use a TLS socket; others may answer meanwhile."""
        while True:
            select.select([self.sock], [], [], 0.02)
            with self.lock:
                self.sock.setblocking(False)
                try:
                    return self.sock.recv(65536)
                except ssl.SSLWantReadError:
                    continue
                finally:
                    self.sock.setblocking(True)

    def run_http1(self):
        stream = self.sock.makefile("rb")
        while line := stream.readline():
            method, path, _ = line.decode().split()
            headers = [(":method", method), (":path", path)]
            while (line := stream.readline()) not in (b"\r\n", b""):
                name, value = line.decode().rstrip("\r\n").split(": ", 1)
                headers.append((name, value))
            request = Stream(self, 0, headers, is_whole=True)
            request.body = stream.read(int(request.header("Content-Length")))
            with self.receiver.lock:
                self.receiver.streams.append(request)
                self.receiver.requests.append(request)
            self.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            stream = Stream(self, event.stream_id, event.headers)
            self.streams[event.stream_id] = stream
            self.receiver.began(stream)
        elif isinstance(event, h2.events.DataReceived):
            stream = self.streams.get(event.stream_id)
            if stream:
                stream.body += event.data
            if self.receiver.grants and event.flow_controlled_length:
                self.h2.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            stream = self.streams[event.stream_id]
            stream.is_whole = True
            self.receiver.ended(stream)

    # --- what a part may do ---

    def answer(self, stream, status=200, body=b"ok", headers=(), trailers=None):
        with self.lock:
            self.h2.send_headers(stream.number,
                                 [(":status", str(status)), *headers])
            self.h2.send_data(stream.number, body, end_stream=not trailers)
            if trailers:
                self.h2.send_headers(stream.number, trailers, end_stream=True)
            self.flush()

    def reset(self, stream, code):
        with self.lock:
            self.h2.reset_stream(stream.number, code)
            self.flush()

    def go_away(self, code=0, last=None):
        with self.lock:
            self.h2.close_connection(code, last_stream_id=last)
            self.flush()

    def close_cleanly(self):
        """Says goodbye to TLS: without that, OpenSSL resumes the session no more."""
        with self.lock:
            try:
                self.sock.setblocking(False)
                self.sock.unwrap()
            except (OSError, ssl.SSLError):
                pass  # the peer has not said it yet, or is gone
        self.close()

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class H2Receiver:
    """`play(connection, stream)` gets each whole request, `begin(connection, stream)`
    each as its headers come. By default all are answered 200."""

    def __init__(self, certificates=None, play=None, begin=None, settings=None,
                 grants=True, alpn=("h2", "http/1.1"), context=None):
        self.context = context or tls_context(certificates)
        if alpn:
            self.context.set_alpn_protocols(list(alpn))
        self.play = play or (lambda c, s: c.answer(s))
        self.begin = begin
        self.settings = settings
        self.grants = grants
        self.connections = []
        self.streams = []  # that began
        self.requests = []  # that are whole
        self.faults = []
        self.lock = threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path="/"):
        return f"https://127.0.0.1:{self.port}{path}"

    def accept(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,),
                             daemon=True).start()

    def serve(self, sock):
        try:
            sock = self.context.wrap_socket(sock, server_side=True)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                connection = Connection(self, sock, len(self.connections) + 1)
                self.connections.append(connection)
            connection.protocol = sock.selected_alpn_protocol()
            if connection.protocol == "h2":
                connection.run()
            else:
                connection.run_http1()
        except (OSError, h2.exceptions.ProtocolError, ssl.SSLError) as fault:
            self.faults.append(fault)
        finally:
            sock.close()

    def began(self, stream):
        with self.lock:
            self.streams.append(stream)
        if self.begin:
            self.begin(stream.connection, stream)

    def ended(self, stream):
        with self.lock:
            self.requests.append(stream)
        self.play(stream.connection, stream)

    def got(self, path=None):
        with self.lock:
            return [s for s in self.requests if path in (None, s.path)]

    def wait(self, count, path=None, seconds=PATIENCE_S):
        return wait_for(
            lambda: (lambda rows: len(rows) >= count and rows)(self.got(path)),
            f"{count} requests at the receiver", seconds)

    def stop(self):
        self.socket.close()
        for connection in self.connections:
            connection.close()
