# SPDX-License-Identifier: MIT
"""An engine whose listeners speak TLS, its files, and clients of it."""

import http.client
import re
import shutil
import signal
import socket
import ssl

import pytest

from engine import Engine
from support import PATIENCE_S

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class TlsEngine(Engine):
    """An engine whose two listeners speak TLS, and the client for it."""

    context = None

    def connection(self, port):
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S,
                                           context=self.context)

    def hup(self):
        self.process.send_signal(signal.SIGHUP)

    def number(self, name, role="api"):
        family = self.metrics()["posthorn_listener_handshakes_total"]
        return sum(value for labels, value in family.items()
                   if f'kind="{name}"' in labels and f'role="{role}"' in labels)


class Files:
    """The files that the settings of an engine name, which a test replaces."""

    def __init__(self, certificates, directory):
        self.certificates = certificates
        self.chain, self.key = directory / "tls.pem", directory / "tls.key"
        self.take(certificates.chain, certificates.key)

    def take(self, chain, key):
        for source, target in ((chain, self.chain), (key, self.key)):
            fresh = target.with_suffix(".new")
            shutil.copy(source, fresh)
            fresh.chmod(0o600)
            fresh.rename(target)

    def settings(self, *prefixes):
        return {f"{prefix}_tls_{what}": str(path)
                for prefix in prefixes or ("api", "ingest")
                for what, path in (("cert", self.chain), ("key", self.key))}


def context_for(certificates, version=None, chain=None):
    context = ssl.create_default_context(cafile=certificates.ca)
    context.set_alpn_protocols(["http/1.1"])
    if version:
        context.minimum_version = context.maximum_version = version
    if chain:
        context.load_cert_chain(*chain)
    return context


@pytest.fixture
def files(certificates, tmp_path):
    return Files(certificates, tmp_path)


@pytest.fixture
def make(request, tmp_path, make_engine, files):
    """Makes engines that speak TLS; they are judged like others."""
    def build(*prefixes, **settings):
        plain = make_engine()
        engine = TlsEngine(plain.directory, **{**files.settings(*prefixes), **settings})
        engine.context = context_for(files.certificates)
        request.node.engines[request.node.engines.index(plain)] = engine
        return engine
    return build


@pytest.fixture
def engine(make):
    return make().start()


def connect(port, context, **more):
    plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    return context.wrap_socket(plain, server_hostname="localhost", **more)


def read_answer(tls):
    """One answer with a Content-Length: (status, body)."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = tls.recv(65536)
        assert more, data
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    while len(body) < length:
        more = tls.recv(65536)
        assert more, "the answer is cut"
        body += more
    return int(head.split()[1]), body


def read_end(connection):
    """What comes until the end; a reset is an end."""
    data = b""
    try:
        while more := connection.recv(65536):
            data += more
    except (ConnectionError, ssl.SSLError):
        pass
    return data


def serial(port, context):
    with connect(port, context) as tls:
        return tls.getpeercert()["serialNumber"]


def is_fine(engine):
    assert engine.api("GET", "/healthz", token=None).status == 200


def fails(engine, context, reason):
    with pytest.raises(ssl.SSLError) as caught:
        with connect(engine.api_port, context) as tls:
            tls.sendall(HEALTH)  # TLS 1.3 clients learn it with their first read
            assert tls.recv(100) == b"never"
    assert re.search(reason, str(caught.value), re.I), caught.value


def hello():
    """The bytes of a client's first record."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()
