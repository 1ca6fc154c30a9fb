# SPDX-License-Identifier: MIT
"""Bad clients of the engine's TLS listeners, as the catalogue has bad receivers, and floods."""

import os
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from support import PATIENCE_S, wait_for
from tls_world import (HEALTH, TLS12, connect, context_for, engine, fails, files, hello,
                       is_fine, make, read_answer, read_end)

__all__ = ["engine", "files", "make"]  # fixtures


def raw(engine, *pieces, reads=True):
    """Sends bytes without TLS; returns what comes until the end."""
    with socket.create_connection(("127.0.0.1", engine.api_port),
                                  timeout=PATIENCE_S) as plain:
        for piece in pieces:
            plain.sendall(piece)
        return read_end(plain) if reads else b""


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
