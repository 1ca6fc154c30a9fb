# SPDX-License-Identifier: MIT
"""TLS: whom a delivery trusts, and who it says it is."""

import os
import re
import socket
import ssl
import struct
import subprocess
import threading

import pytest

from certificates import Certificates
from engine import BINARY
from receiver import Receiver
from support import ROOT

pytestmark = pytest.mark.shared

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def settings(certificates):
    return {"ca_file": str(certificates.ca)}


def context_of(chain, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.load_cert_chain(chain, key)
    return context


class Server:
    """Plays one part to each connection."""

    def __init__(self, play):
        self.play = play
        self.got = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,),
                             daemon=True).start()

    def serve(self, connection):
        try:
            self.play(self, connection)
        except OSError:
            connection.close()

    def answer(self, connection, context):
        with context.wrap_socket(connection, server_side=True) as tls:
            self.got.append(tls.recv(65536))
            tls.sendall(OK)
            tls.recv(65536)


def outcome(engine, host, port):
    hook = engine.create_hook(f"https://{host}:{port}/", timeout="3s",
                              retrySchedule=["1h"])
    engine.post_event()
    row = engine.wait_deliveries(hook, 1)[0]
    return row["error"]["class"] if row["error"] else row["state"], row


def with_certificate(chain, key):
    context = context_of(chain, key)
    return lambda server, c: server.answer(c, context)


def long_chain(certificates, length):
    """A chain that is longer than libraries take."""
    chain, key = certificates.issue("long")
    extra = certificates.issue("extra")[0].read_text()
    path = certificates.directory / "long-chain.pem"
    path.write_text(chain.read_text() + extra * (length // len(extra)))
    return path, key


def self_signed(certificates):
    chain, key = (certificates.directory / f"self.{end}"
                  for end in ("pem", "key"))
    certificates.openssl(
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj",
        "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
        key, "-out", chain)
    return chain, key


def cut_handshake(server, connection):
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03")
    connection.close()


def reset_handshake(server, connection):
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    connection.close()


def plain_http(server, connection):
    connection.recv(65536)
    connection.sendall(OK)


def alert(server, connection):
    connection.recv(65536)
    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")
    connection.close()


CASES = {
    "expired": lambda c, _: with_certificate(*c.issue("old", expired=True)),
    "wrong host": lambda c, _: with_certificate(
        *c.issue("other", names="DNS:other.example")),
    "self-signed": lambda c, _: with_certificate(*self_signed(c)),
    "unknown authority": lambda c, other: with_certificate(
        other.chain, other.key),
    "weak key": lambda c, _: with_certificate(
        *c.issue("weak", key="rsa:1024")),
    "for clients only": lambda c, _: with_certificate(
        *c.issue("client", usage="clientAuth")),
    "100 KB of chain": lambda c, _: with_certificate(
        *long_chain(c, 150_000)),
    "handshake cut": lambda c, _: cut_handshake,
    "handshake reset": lambda c, _: reset_handshake,
    "no TLS at all": lambda c, _: plain_http,
    "alert": lambda c, _: alert,
}


# What the history says of them, whatever release of which library is used.
SENTENCES = {
    "expired": "the receiver's certificate has expired",
    "wrong host": "the receiver's certificate is not for the name in the URL",
    "self-signed": "the receiver's certificate is self-signed",
    "unknown authority": "authority that is not trusted",
    "weak key": "too weak",
    "for clients only": "the receiver's certificate is not for servers",
    "100 KB of chain": "",
    "handshake cut": "the receiver closed the connection before the TLS handshake ended",
    "handshake reset": "the receiver closed the connection before the TLS handshake ended",
    "no TLS at all": "what the receiver sent is no valid TLS",
    "alert": "(TLS alert handshake_failure)",
}


@pytest.mark.parametrize("name", CASES)
def test_whom_nobody_should_trust(engine, certificates, tmp_path, name):
    """Nothing of the request is sent; and never without TLS instead."""
    server = Server(CASES[name](certificates, Certificates(tmp_path)))
    what, row = outcome(engine, "127.0.0.1", server.port)
    assert what == "tls", row
    assert row["responseCode"] == 0 and not any(server.got)
    assert SENTENCES[name] in row["error"]["message"], row["error"]
    assert not re.search("SSL|curl|errno|error:", row["error"]["message"]), row["error"]
    server.socket.close()


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "NULL-SHA256", "aNULL"])
def test_weak_ciphers(engine, certificates, ciphers):
    """What does not hide, or does not say who it is, is no agreement."""
    context = context_of(certificates.chain, certificates.key)
    try:
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    except ssl.SSLError:
        pytest.skip("this OpenSSL does not have them")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = Server(lambda s, c: s.answer(c, context))
    what, row = outcome(engine, "127.0.0.1", server.port)
    assert what == ("delivered" if ciphers == "AES128-SHA" else "tls"), row


def test_end_without_close_notify_is_no_failure(engine, certificates):
    context = context_of(certificates.chain, certificates.key)

    def play(server, connection):
        tls = context.wrap_socket(connection, server_side=True)
        tls.recv(65536)
        tls.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        socket.socket(fileno=tls.detach()).close()  # the TCP end alone

    server = Server(play)
    what, row = outcome(engine, "127.0.0.1", server.port)
    assert what == "delivered" and row["responseBody"] == "all of it"


def test_certificate_that_expires_between_attempts(engine, certificates):
    """Each connection is judged anew."""
    contexts = [context_of(certificates.chain, certificates.key),
                context_of(*certificates.issue("over", expired=True))]

    def play(server, connection):
        context = contexts[min(len(server.got), 1)]
        with context.wrap_socket(connection, server_side=True) as tls:
            server.got.append(tls.recv(65536))
            tls.sendall(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n"
                        b"Connection: close\r\n\r\n")

    server = Server(play)
    hook = engine.create_hook(f"https://127.0.0.1:{server.port}/",
                              retrySchedule=["50ms", "1h"])
    engine.post_event()
    second, first = engine.wait_deliveries(hook, 2)
    assert first["responseCode"] == 500
    assert second["error"]["class"] == "tls", second


def test_name_is_told_to_who_has_many(engine, certificates):
    """SNI: a server that has a certificate for `localhost` only by its name."""
    right = context_of(certificates.chain, certificates.key)
    default = context_of(*certificates.issue("fallback",
                                             names="DNS:other.example"))
    names = []

    def choose(tls, name, _):
        names.append(name)
        if name == "localhost":
            tls.context = right

    default.sni_callback = choose
    server = Server(lambda s, c: s.answer(c, default))
    assert outcome(engine, "localhost", server.port)[0] == "delivered"
    assert names == ["localhost"]


# --- ca_file ---

@pytest.mark.parametrize("content, words", [
    (None, "cannot be read"), ("no certificate", "holds no certificate")])
def test_bad_ca_file_refuses_to_start(make_engine, tmp_path, content, words):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    engine = make_engine(ca_file=str(path))
    done = subprocess.run(engine.command(), capture_output=True, text=True,
                          timeout=20,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode != 0
    assert "ca_file" in done.stderr and words in done.stderr


def test_verification_has_no_switch():
    """No setting, no field, no option: the only words about it in the program
    switch it on."""
    text = subprocess.run([BINARY, "config"], capture_output=True,
                          text=True, timeout=20).stdout
    assert not any(word in text.lower() for word in ("insecure", "verify"))
    source = "".join(p.read_text() for p in (ROOT / "engine").rglob("*.c"))
    assert source.count("CURLOPT_SSL_VERIFYPEER, 1L") == 1
    assert source.count("VERIFYPEER") == 1
    assert source.count("VERIFYHOST") == source.count(
        "CURLOPT_SSL_VERIFYHOST, 2L") == 1


# --- the client's certificate ---

def mutual(certificates):
    context = context_of(certificates.chain, certificates.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificates.ca)
    return context


class Noting:
    """A server's context that notes who came, for each connection."""

    def __init__(self, context):
        self.context = context
        self.names = []

    def wrap_socket(self, *args, **more):
        tls = self.context.wrap_socket(*args, **more)
        self.names.append(dict(
            pair for part in tls.getpeercert()["subject"]
            for pair in part)["commonName"])
        return tls


def client(certificates, name):
    chain, key = certificates.issue(name, usage="clientAuth")
    return {"clientCertificate": chain.read_text(),
            "clientKey": key.read_text()}


def test_client_certificates_of_hooks(engine, certificates):
    """Each hook comes as itself, on connections of its own."""
    wrapped = Noting(mutual(certificates))
    receiver = Receiver(wrapped)
    try:
        for name in ("alice", "bob"):
            engine.create_hook(receiver.url(f"/{name}"),
                               **client(certificates, name))
        nobody = engine.create_hook(receiver.url("/nobody"),
                                    retrySchedule=["1h"])
        for _ in range(5):
            engine.post_event()
            receiver.wait(1, "/alice")
        receiver.wait(5, "/alice")
        receiver.wait(5, "/bob")
        row = engine.wait_deliveries(nobody, 1)[0]
        assert row["error"]["class"] == "tls", row
        assert "client certificate" in row["error"]["message"]
        assert receiver.got("/nobody") == []
        by_connection = {}
        for request in receiver.got():
            by_connection.setdefault(request.connection, set()).add(
                request.path)
        assert all(len(paths) == 1 for paths in by_connection.values())
        assert set(wrapped.names) == {"alice", "bob"}
    finally:
        receiver.stop()


def test_client_key_is_never_shown_and_must_fit(engine, certificates):
    alice, bob = (client(certificates, name) for name in ("a", "b"))
    hook = engine.create_hook("https://127.0.0.1:1029/", **alice)
    shown = engine.api("GET", hook)
    assert shown.json()["hasClientCertificate"] is True
    assert b"PRIVATE" not in shown.body and b"BEGIN" not in shown.body
    for fields, words in (
            ({"clientKey": bob["clientKey"]}, "not the key of"),
            ({"clientCertificate": "x"}, "certificates in PEM"),
            ({"clientKey": "x"}, "private key in PEM"),
            ({"clientKey": None}, "needs clientKey"),
            ({"clientCertificate": "x" * 20_000}, "16 KiB")):
        reply = engine.api("PATCH", hook, fields)
        assert reply.status == 400 and words in reply.json()["message"], reply
    assert engine.api("PATCH", hook, bob).status == 200
    reply = engine.api("PATCH", hook, {"clientCertificate": None})
    assert reply.status == 200 and "hasClientCertificate" not in reply.json()
    for path in engine.data_dir.rglob("data.mdb"):
        assert b"PRIVATE KEY" not in path.read_bytes()
