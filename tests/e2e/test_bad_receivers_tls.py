# SPDX-License-Identifier: MIT
"""Receivers that do everything wrong, over TLS: what comes of each is the same as
without, and connections are kept as they are without."""

import itertools
import ssl
import time

import pytest

from certificates import Certificates
from support import wait_for
from test_bad_receivers import CLEAN, OK_HEAD, RawServer, check_every_row, \
    deliver, reset


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def raw(certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain, certificates.key)
    server = RawServer(context)
    yield server
    server.stop()


@pytest.fixture
def tls_engine(make_engine, certificates):
    def start(**settings):
        return make_engine(ca_file=str(certificates.ca), **settings).start()
    return start


def test_every_row(tls_engine, raw, receiver):
    engine = tls_engine(request_timeout="2s", connect_timeout="2s",
                        breaker_failures="0", max_inflight_per_endpoint="128")
    # The sanitizers keep what OpenSSL frees for a while.
    check_every_row(engine, raw, receiver, most_s=7, most_bytes=2 << 20)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2,
                                     ssl.TLSVersion.TLSv1_3])
def test_a_connection_serves_one_request_after_the_other(tls_engine, raw,
                                                         version):
    """With a second between them, in which a receiver's tickets arrive."""
    raw.context.maximum_version = version
    raw.context.minimum_version = version
    raw.plays["/"] = CLEAN
    engine = tls_engine()
    hook = engine.create_hook(raw.url("/"), maxInFlight=1)
    for n in range(1, 4):
        engine.post_event()
        assert len(engine.wait_deliveries(hook, n)) == n
        time.sleep(1)
    rows = engine.deliveries(hook)
    assert [r["state"] for r in rows] == ["delivered"] * 3
    assert [r["timing"]["reusedConnection"] for r in rows].count(True) == 2
    assert raw.connections == 1


def test_kept_connection_that_was_closed_costs_no_attempt(tls_engine, raw):
    turns = itertools.count()

    def play(server, connection):
        if next(turns) == 1:
            reset(connection)  # the request is read, nothing answered
            return False
        connection.sendall(CLEAN)
        return True

    raw.plays["/"] = play
    engine = tls_engine()
    hook = engine.create_hook(raw.url("/"), maxInFlight=1)
    engine.post_event()
    engine.wait_deliveries(hook, 1)
    engine.post_event()
    rows = engine.wait_deliveries(hook, 2)
    assert [(r["state"], r["attempt"]) for r in rows] == [("delivered", 1)] * 2
    assert len(raw.requests) == 3 and raw.connections == 2


def test_what_comes_between_two_requests_answers_none(tls_engine, raw):
    def play(server, connection):
        connection.sendall(CLEAN)
        server.over.wait(0.2)
        connection.sendall(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")
        return True

    raw.plays["/"] = play
    engine = tls_engine()
    hook = engine.create_hook(raw.url("/"), maxInFlight=1)
    for n in range(1, 3):
        engine.post_event()
        engine.wait_deliveries(hook, n)
        time.sleep(1)
    assert [r["responseCode"] for r in engine.deliveries(hook)] == [200, 200]
    assert raw.connections == 2


def test_a_receiver_that_closes_after_each_answer_gets_each_event_once(
        tls_engine, raw):
    def play(server, connection):
        connection.sendall(CLEAN)
        return False

    raw.plays["/"] = play
    engine = tls_engine()
    hook = engine.create_hook(raw.url("/"))
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(40)])
    assert engine.wait_settled(30)["delivered"] == 40
    assert {r["attempt"] for r in engine.deliveries(hook)} == {1}


def test_large_requests_and_responses_pass_whole(tls_engine, raw):
    """More than a TLS record and more than a socket's buffer holds, read slowly."""
    body = b"r" * 60_000
    raw.plays["/"] = lambda server, connection: connection.sendall(
        OK_HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body) or True
    slow_read = raw.read

    def read(connection):
        time.sleep(0.3)
        return slow_read(connection)

    raw.read = read
    engine = tls_engine(max_event_bytes="2097152")
    hook = engine.create_hook(raw.url("/"))
    for size in (40_000, 1_000_000):
        engine.post_event(payload={"text": "x" * size})
    rows = engine.wait_deliveries(hook, 2)
    assert [r["responseCode"] for r in rows] == [200, 200]
    assert [r["responseTruncated"] for r in rows] == [False, False]


def test_a_hook_with_a_hanging_receiver_ends_in_time(tls_engine, raw):
    raw.plays["/"] = lambda server, connection: server.over.wait()
    engine = tls_engine()
    hook = deliver(engine, raw.url("/"), timeout="1s")
    row = engine.wait_deliveries(hook, 1)[0]
    assert row["error"]["class"] == "timeout"
    assert "in time" in row["error"]["message"]
    assert row["timing"]["tlsUs"] > 0
    wait_for(lambda: engine.deliveries(hook)[0]["state"] == "retrying",
             "the next attempt is planned")
