# SPDX-License-Identifier: MIT
"""TLS on the engine's own listeners: whom clients reach, and how it is kept in order."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

from clock import HOUR, Clock
from support import PATIENCE_S, compact, wait_for
from tls_world import (HEALTH, LAST, TLS12, TLS13, connect, context_for, engine, fails, files,
                       hello, is_fine, make, read_answer, read_end, serial)

__all__ = ["engine", "files", "make"]  # fixtures


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
