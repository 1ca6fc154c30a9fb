# SPDX-License-Identifier: MIT
"""TLS on the engine's own listeners: whom clients reach, and what bad ones get."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from clock import HOUR, Clock
from engine import Engine
from support import PATIENCE_S, compact, wait_for

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


# --- clients ---

@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
@pytest.mark.parametrize("key", ["rsa:2048", "ec"])
def test_events_hooks_and_long_answers_go_over_tls(make, files, version, key, tmp_path):
    if key == "ec":
        curve = tmp_path / "curve"
        curve.write_text(subprocess.run(
            ["openssl", "ecparam", "-name", "prime256v1"], check=True, text=True,
            capture_output=True).stdout)
        files.take(*files.certificates.issue("ec", key=f"ec:{curve}"))
    engine = make(max_event_bytes="4MiB").start()
    engine.context = context_for(files.certificates, version)
    event = compact({"kind": "order.created", "payload": {"x": "y" * 1_000_000}}).encode()
    reply = engine.intake(event)
    assert reply.status == 202, reply
    events = [{"kind": "order.created", "payload": {"number": i}} for i in range(500)]
    assert len(set(engine.post_batch(events))) == 500
    document = engine.api("GET", "/api/openapi.json", token=None)
    assert json.loads(document.body)["openapi"], "a long answer is whole"
    with connect(engine.api_port, engine.context) as tls:
        assert tls.version() == {TLS12: "TLSv1.2", TLS13: "TLSv1.3"}[version]
        assert tls.selected_alpn_protocol() == "http/1.1"
        for _ in range(3):  # one connection for several
            tls.sendall(HEALTH)
            assert read_answer(tls)[0] == 200
        tls.sendall(HEALTH * 20)  # at once
        buffered = b""
        while buffered.count(b"HTTP/1.1 200") < 20:
            more = tls.recv(65536)
            assert more
            buffered += more


def test_curl_and_s_client_are_served(engine, files):
    curl = subprocess.run(
        ["curl", "-sS", "--cacert", files.certificates.ca,
         f"https://127.0.0.1:{engine.api_port}/healthz"], check=True,
        capture_output=True, timeout=PATIENCE_S)
    assert json.loads(curl.stdout)["status"] == "ok"
    client = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{engine.api_port}", "-CAfile",
         files.certificates.ca, "-verify_return_error", "-ign_eof", "-alpn", "http/1.1"],
        input=LAST, capture_output=True, timeout=PATIENCE_S)
    assert b"HTTP/1.1 200" in client.stdout and b"Verification: OK" in client.stdout
    assert b"Secure Renegotiation" not in client.stderr


def test_a_byte_at_a_time_is_as_good_as_all_at_once(engine):
    """Records that come in pieces, from a client with a slow line."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = engine.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    plain = socket.create_connection(("127.0.0.1", engine.api_port), timeout=PATIENCE_S)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send_slowly():
        for byte in outgoing.read():
            plain.send(bytes([byte]))

    def until_done(call):
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                send_slowly()
                incoming.write(plain.recv(65536))

    with plain:
        until_done(tls.do_handshake)
        tls.write(HEALTH)
        send_slowly()
        assert b"200 OK" in until_done(lambda: tls.read(4096))


def test_a_client_that_does_not_read_slows_nobody(engine):
    """Its answer stays encrypted in bounded memory, and comes when it reads."""
    ask = b"GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\n"
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(PATIENCE_S)
    plain.connect(("127.0.0.1", engine.api_port))
    with engine.context.wrap_socket(plain, server_hostname="localhost",
                                    suppress_ragged_eofs=False) as tls:
        tls.sendall((ask + b"\r\n") * 29 + ask + b"Connection: close\r\n\r\n")
        for _ in range(5):
            is_fine(engine)
        data = read_end(tls)
    assert data.count(b"HTTP/1.1 200 OK") == 30
    assert data.count(b'"openapi"') >= 30 and data.endswith(b"\r\n0\r\n\r\n")


def test_a_stream_that_ends_early_is_not_closed_as_if_it_were_whole(engine):
    """A follower of deliveries sees the engine stop as a cut, not as an end."""
    tls = connect(engine.api_port, engine.context, suppress_ragged_eofs=False)
    tls.sendall(b"GET /api/orgs/acme/tail HTTP/1.1\r\nHost: localhost\r\n"
                b"Authorization: token " + engine.token.encode() + b"\r\n\r\n")
    first = tls.recv(65536)
    assert b" 200 " in first or b" 404 " in first, first
    if b" 404 " in first:
        pytest.fail("the route of followers has another name")
    engine.stop()
    with pytest.raises((ssl.SSLEOFError, ConnectionError)):
        while tls.recv(65536):
            pass


# --- ends ---

@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
def test_the_end_of_a_connection_is_announced(engine, files, version):
    """close_notify: a client tells the end from a cut."""
    context = context_for(files.certificates, version)
    with connect(engine.api_port, context, suppress_ragged_eofs=False) as tls:
        tls.sendall(LAST)
        status, _ = read_answer(tls)
        assert status == 200
        assert tls.recv(100) == b"", "an SSLEOFError would be a cut"


def test_a_client_that_has_said_all_still_gets_its_answer(engine):
    """close_notify and half a close, sent with the request."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = engine.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", engine.api_port),
                                  timeout=PATIENCE_S) as plain:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
        tls.write(HEALTH)
        with pytest.raises(ssl.SSLWantReadError):
            tls.unwrap()
        plain.sendall(outgoing.read())
        plain.shutdown(socket.SHUT_WR)
        while more := plain.recv(65536):
            incoming.write(more)
        assert b"200 OK" in tls.read(65536)


# --- bad clients, as the catalogue has bad receivers ---

def raw(engine, *pieces, reads=True):
    """Sends bytes without TLS; returns what comes until the end."""
    with socket.create_connection(("127.0.0.1", engine.api_port),
                                  timeout=PATIENCE_S) as plain:
        for piece in pieces:
            plain.sendall(piece)
        return read_end(plain) if reads else b""


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


def old_version(engine):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    fails(engine, context, "protocol version|unsupported protocol|internal error|no protocols")


def weak_cipher(engine):
    context = context_for(engine.certificates, TLS12)
    context.set_ciphers("AES128-SHA")  # no forward secrecy
    fails(engine, context, "handshake failure")


def only_http2(engine):
    context = context_for(engine.certificates)
    context.set_alpn_protocols(["h2"])
    fails(engine, context, "no application protocol")


def unknown_server(engine):
    fails(engine, ssl.create_default_context(), "verify failed")


def wrong_name(engine):
    with socket.create_connection(("127.0.0.1", engine.api_port)) as plain:
        with pytest.raises(ssl.SSLCertVerificationError):
            engine.context.wrap_socket(plain, server_hostname="other.example")


def cut_in_the_hello(engine):
    raw(engine, hello()[:40], reads=False)


def reset_in_the_handshake(engine):
    plain = socket.create_connection(("127.0.0.1", engine.api_port))
    plain.sendall(hello())
    plain.recv(100)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plain.close()


def garbage_for_a_record(engine):
    with connect(engine.api_port, engine.context) as tls:
        os.write(tls.fileno(), b"\x17\x03\x03\x00\x40" + bytes(64))
        assert read_end(tls) == b""


def not_tls_at_all(engine):
    assert raw(engine, b"\x00\x01\x02\x03" * 20) == b""


def oversized_record(engine):
    answer = raw(engine, b"\x16\x03\x01\xff\xff" + bytes(5000))
    assert answer == b"" or answer[0] == 21  # an alert


def plain_http(engine):
    answer = raw(engine, HEALTH)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"https://" in answer


def renegotiation(engine):
    """openssl's R asks for it; the connection is of no more use, or goes on."""
    client = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{engine.api_port}", "-tls1_2"],
        input=b"R\n", capture_output=True, timeout=PATIENCE_S)
    assert b"RENEGOTIATING" in client.stdout + client.stderr
    assert (b"no renegotiation" in client.stderr or b"error" in client.stderr.lower()
            or b"closed" in client.stdout + client.stderr), client.stderr


def empty_records(engine):
    """Whoever only makes the server work gets no further."""
    with connect(engine.api_port, context_for(engine.certificates, TLS12)) as tls:
        for _ in range(2000):
            try:
                os.write(tls.fileno(), b"\x15\x03\x03\x00\x02\x01\x64")
            except ConnectionError:
                break
        assert read_end(tls) == b""


BAD = [old_version, weak_cipher, only_http2, unknown_server, wrong_name, cut_in_the_hello,
       reset_in_the_handshake, garbage_for_a_record, not_tls_at_all, oversized_record,
       plain_http, renegotiation, empty_records]


def test_bad_clients_hurt_nobody(make, files):
    engine = make().start()
    engine.certificates = files.certificates
    with connect(engine.api_port, engine.context) as other:
        for play in BAD:
            play(engine)
            other.sendall(HEALTH)
            assert read_answer(other)[0] == 200, play.__name__
    wait_for(lambda: engine.number("failed") >= 6, "failures are counted")
    lines = [line for line in engine.log().splitlines() if "TLS" in line]
    assert 1 <= len(lines) <= 6, "what clients do is logged rarely"


def test_tls_to_a_port_without_it_is_named(make_engine, certificates):
    engine = make_engine().start()
    with pytest.raises(ssl.SSLError):
        connect(engine.api_port, context_for(certificates))
    with socket.create_connection(("127.0.0.1", engine.api_port),
                                  timeout=PATIENCE_S) as plain:
        plain.sendall(hello())
        answer = read_end(plain)
    assert answer.startswith(b"HTTP/1.1 400 ") and b"use http://" in answer
    assert "a client spoke TLS to a port without TLS" in engine.log()


# --- certificates of clients ---

@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
def test_clients_need_a_certificate_of_the_authority(make, files, version):
    certificates = files.certificates
    engine = make(api_tls_client_ca=str(certificates.ca))
    mine = certificates.issue("client", usage="clientAuth")
    engine.context = context_for(certificates, version, mine)
    engine.start()
    is_fine(engine)
    is_fine(engine)
    # mbedTLS 3.6 seals an alert at this moment of TLS 1.3 with a key of the handshake, so
    # the client cannot read it. Releases of OpenSSL say that in different words.
    sealed = "bad record mac|record layer failure"
    refusal = "handshake failure" if version == TLS12 else f"{sealed}|certificate required"
    fails(engine, context_for(certificates, version), refusal)
    late = certificates.issue("late", usage="clientAuth", expired=True)
    fails(engine, context_for(certificates, version, late), f"certificate|{sealed}")
    foreign = certificates.directory / "foreign.pem", certificates.directory / "foreign.key"
    certificates.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2,
                         "-subj", "/CN=foreign", "-keyout", foreign[1], "-out", foreign[0])
    fails(engine, context_for(certificates, version, foreign),
          f"unknown ca|certificate|{sealed}")
    # Event intake was not told to ask.
    assert engine.request(engine.ingest_port, "GET", "/healthz", token=None).status == 200


# --- reloads ---

def test_a_reload_changes_the_certificate_and_no_connection(engine, files):
    before = serial(engine.api_port, engine.context)
    with connect(engine.api_port, engine.context) as api, \
            connect(engine.ingest_port, engine.context) as ingest:
        for tls in (api, ingest):
            tls.sendall(HEALTH[:20])  # in the middle of a request
        files.take(*files.certificates.issue("next"))
        engine.hup()
        for port in (engine.api_port, engine.ingest_port):
            wait_for(lambda: serial(port, engine.context) != before, "the new certificate")
        for tls in (api, ingest):
            tls.sendall(HEALTH[20:])
            assert read_answer(tls)[0] == 200
            tls.sendall(HEALTH)
            assert read_answer(tls)[0] == 200
    assert engine.log().count("certificate reloaded") == 2


def test_a_reload_with_a_wrong_key_keeps_the_old_certificate(engine, files, tmp_path):
    before = serial(engine.api_port, engine.context)
    chain, _ = files.certificates.issue("one")
    _, key = files.certificates.issue("two")
    files.take(chain, key)
    engine.hup()
    wait_for(lambda: "the old one stays" in engine.log(), "the reason is logged")
    assert "is not the key of the first certificate" in engine.log()
    assert str(files.key) in engine.log()
    wait_for(lambda: "settings reloaded" in engine.log(), "the rest is reloaded")
    assert serial(engine.api_port, engine.context) == before
    # A role that is started again gets the old one, too.
    old = engine.pids("api")
    os.kill(old[0], signal.SIGKILL)
    wait_for(lambda: engine.pids("api") not in ([], old), "api is started again")
    engine.wait_ready()
    assert serial(engine.api_port, engine.context) == before
    files.take(*files.certificates.issue("three"))
    engine.hup()
    wait_for(lambda: serial(engine.api_port, engine.context) != before, "the right one")


def test_keys_may_be_files_of_root_alone(make, files):
    """Behind links, as Let's Encrypt has them; roles run as another user."""
    live = files.chain.parent / "live"
    live.mkdir(mode=0o700)
    (live / "fullchain.pem").symlink_to("../tls.pem")
    (live / "privkey.pem").symlink_to("../tls.key")
    paths = {f"{p}_tls_{w}": str(live / name) for p in ("api", "ingest")
             for w, name in (("cert", "fullchain.pem"), ("key", "privkey.pem"))}
    engine = make(**paths).start()
    before = serial(engine.api_port, engine.context)
    files.take(*files.certificates.issue("next"))
    engine.hup()
    wait_for(lambda: serial(engine.api_port, engine.context) != before, "the new one")


# --- sessions ---

@pytest.mark.parametrize("version", [TLS12, TLS13], ids=["1.2", "1.3"])
def test_sessions_are_resumed_until_the_certificate_changes(engine, files, version):
    context = context_for(files.certificates, version)

    def visit(session=None):
        with connect(engine.api_port, context, session=session) as tls:
            tls.sendall(HEALTH)
            assert read_answer(tls)[0] == 200
            return tls.session, tls.session_reused

    session, reused = visit()
    assert not reused
    session, reused = visit(session)
    assert reused
    wait_for(lambda: engine.number("resumed") >= 1, "it is counted")
    before = serial(engine.api_port, context)
    files.take(*files.certificates.issue("next"))
    engine.hup()
    wait_for(lambda: serial(engine.api_port, context) != before, "the new certificate")
    assert not visit(session)[1]


def test_the_keys_of_tickets_change(make, tmp_path, certificates):
    """A ticket opens for an hour or two, and not for ever: its key is gone."""
    engine = make()
    engine.clock = Clock(tmp_path)
    engine.binary = Clock.PROGRAM
    engine.start()
    context = context_for(certificates, TLS12)

    def visit(session=None):
        with connect(engine.api_port, context, session=session) as tls:
            tls.sendall(HEALTH)
            read_answer(tls)
            return tls.session, tls.session_reused

    first, _ = visit()
    assert visit(first)[1]
    engine.clock.turn(HOUR + 60)
    second, _ = visit()  # sealed with another key
    engine.clock.turn(2 * HOUR + 120)
    visit()
    assert not visit(first)[1], "its key is gone"
    third, _ = visit()
    assert visit(third)[1]


# --- floods ---

def test_a_flood_of_handshakes_from_one_address_stops_no_other(make, files):
    engine = make(max_handshakes_per_address="5").start()
    first = hello()
    stop = threading.Event()
    counts = [0]

    def flood():
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.2", engine.api_port), 5,
                                              ("127.0.0.3", 0)) as plain:
                    plain.sendall(first)
                    counts[0] += 1
                    plain.settimeout(0.05)
                    plain.recv(100)
            except OSError:
                pass

    engine.stop()
    engine.settings["api_listen"] = f"0.0.0.0:{engine.api_port}"
    engine.start()
    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: counts[0] > 100, "the flood is on")
        for _ in range(3):
            is_fine(engine)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_handshakes_of_one_address_are_limited_and_wait(make, files):
    """Nobody is refused: the last of 12 comes when it may."""
    engine = make(max_handshakes_per_address="4").start()
    time.sleep(1.2)  # what the start took is given back
    began = time.monotonic()
    for _ in range(12):
        with connect(engine.ingest_port, engine.context):
            pass
    assert time.monotonic() - began > 1.5, "4 at once, then 4 a second"


@pytest.mark.slow
def test_a_handshake_that_does_not_end_is_ended(make, files):
    """No byte at all, half a hello, and a byte now and then: the time of a header."""
    engine = make().start()
    first = hello()
    silent, half, slow = (socket.create_connection(("127.0.0.1", engine.api_port),
                                                   timeout=PATIENCE_S) for _ in range(3))
    half.sendall(first[:50])
    at = 0
    began = time.monotonic()
    slow.settimeout(0.5)
    while time.monotonic() - began < PATIENCE_S:
        try:
            slow.send(first[at:at + 1])
            at += 1
            if slow.recv(100) == b"":
                break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    took = time.monotonic() - began
    assert took < PATIENCE_S, "it is closed"
    for plain in (silent, half):
        assert read_end(plain) == b""
        plain.close()
    slow.close()


# --- settings ---

def start_faults(engine):
    process = subprocess.run(engine.command(), capture_output=True, text=True,
                             timeout=PATIENCE_S, cwd=engine.directory)
    assert process.returncode == 1, process.stderr
    return process.stderr


def test_all_faults_of_certificates_are_named_at_start(make, files, tmp_path):
    certificates = files.certificates
    _, other = certificates.issue("other")
    locked = tmp_path / "locked.key"
    certificates.openssl("genrsa", "-aes128", "-passout", "pass:x", "-out", locked, "2048")
    words = tmp_path / "words.pem"
    words.write_text("no certificate\n")
    missing = tmp_path / "missing.pem"
    broken = tmp_path / "broken.pem"
    text = files.chain.read_text().splitlines()
    broken.write_text("\n".join(text[:5] + text[8:]) + "\n")
    open_key = tmp_path / "open.key"
    shutil.copy(files.key, open_key)
    open_key.chmod(0o644)

    def faults(**settings):
        return start_faults(make(**settings))

    both = faults(api_tls_key="", ingest_tls_cert="")
    assert "api_tls_key: must be set, as api_tls_cert is" in both
    assert "ingest_tls_cert: must be set, as ingest_tls_key is" in both
    assert "api_tls_cert: must be set, as api_tls_client_ca is" in faults(
        api_tls_cert="", api_tls_key="", api_tls_client_ca=str(certificates.ca))
    two = faults(api_tls_key=str(other), ingest_tls_cert=str(words))
    assert f"api_tls_key: {other} is not the key of the first certificate" in two
    assert f"ingest_tls_cert: {words} holds no certificate in PEM" in two
    more = faults(api_tls_cert=str(missing), ingest_tls_key=str(locked))
    assert f"api_tls_cert: {missing} cannot be read: No such file" in more
    assert f"ingest_tls_key: {locked} holds a key with a passphrase" in more
    rest = faults(api_tls_client_ca=str(words), ingest_tls_cert=str(broken))
    assert f"api_tls_client_ca: {words} holds no certificate in PEM" in rest
    assert f"ingest_tls_cert: {broken} holds a certificate that cannot be read" in rest
    assert f"everybody may read {open_key}" in faults(api_tls_key=str(open_key))
    swapped = faults(api_tls_cert=str(files.key), api_tls_key=str(files.chain))
    assert "api_tls_cert" in swapped and "holds no certificate in PEM" in swapped
    assert "api_tls_key" in faults(api_tls_key=str(files.chain.parent))


def test_an_expired_certificate_is_a_warning(make, files):
    files.take(*files.certificates.issue("old", expired=True))
    engine = make()
    engine.context.check_hostname = False
    engine.context.verify_mode = ssl.CERT_NONE
    engine.start()
    assert "has expired on 2020-01-02; clients will refuse it" in engine.log()
    assert "setting=api_tls_cert" in engine.log()


# --- roles that hang ---

def test_a_role_that_hangs_is_not_answered_for_in_plain_text(engine):
    """Who waits gets an alert from the supervisor, which makes no handshake."""
    pid = engine.pids("ingest")[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        def is_refused():
            with socket.create_connection(("127.0.0.1", engine.ingest_port),
                                          timeout=PATIENCE_S) as plain:
                plain.sendall(hello())
                plain.settimeout(1)
                try:
                    return plain.recv(100) == b"\x15\x03\x03\x00\x02\x02\x50"
                except OSError:
                    return False
        wait_for(is_refused, "an alert")
    finally:
        os.kill(pid, signal.SIGCONT)
    engine.wait_ready()
