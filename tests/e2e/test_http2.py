# SPDX-License-Identifier: MIT
"""HTTP/2: receivers that offer it get it, and may change their mind."""

import hashlib
import hmac
import signal
import ssl
import threading
import time

import pytest
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame

from h2_receiver import H2Receiver
from h2_world import Sub, answer, engine, make_receiver, orgs, reset, warm
from receiver import tls_context
from support import wait_for

__all__ = ["engine", "make_receiver"]  # fixtures


# --- good receivers ---

def test_request_and_history_are_those_of_http_1_1(engine, make_receiver,
                                                   tls_receiver):
    """The same event to two hooks with the same secret, by either protocol."""
    two = make_receiver()
    org = next(orgs)
    hooks = [Sub(engine, url, org, secret="s3cret", headers={"X-Own": "v"})
             for url in (two.url("/x"), tls_receiver.url("/x"))]
    hooks[0].post(payload={"total": 12})
    by_two, by_one = (hook.rows(1)[0] for hook in hooks)
    stream, request = two.wait(1)[0], tls_receiver.wait(1)[0]
    assert stream.connection.protocol == "h2"
    assert stream.body == request.body
    signature = hmac.new(b"s3cret", stream.body, hashlib.sha256).hexdigest()
    assert stream.header("pulumi-webhook-signature") == signature
    assert request.headers["pulumi-webhook-signature"] == signature
    names = {name for name, _ in stream.headers if name[0] != ":"}
    assert names == {name.lower() for name in names}
    assert names == set(request.headers) - {"host"}
    assert set(by_two) == set(by_one)
    assert [line.split(": ")[0] for line in by_two["requestHeaders"].split("\r\n")] \
        == [line.split(": ")[0] for line in by_one["requestHeaders"].split("\r\n")]
    assert (by_two["responseCode"], by_two["responseBody"], by_two["state"]) == (
        200, "ok", "delivered")


def test_permission_is_asked_for_as_well(engine, make_receiver):
    def play(connection, stream):
        connection.answer(stream, headers=[("webhook-allowed-origin", "*")])

    receiver = make_receiver(play)
    sub = Sub(engine, receiver.url("/p?q=1"), handshake=True)
    sub.post()
    sub.rows(1)
    assert [(dict(s.headers)[":method"], s.path, s.header("webhook-request-origin"), s.body != b"")
            for s in receiver.got()] == [
        ("OPTIONS", "/p?q=1", "engine.example.com", False), ("POST", "/p?q=1", "engine.example.com", True)]


def test_requests_of_a_hook_share_a_connection(engine, make_receiver):
    may_answer = threading.Event()
    may_answer.set()

    def play(connection, stream):
        threading.Thread(target=lambda: (
            may_answer.wait(), connection.answer(stream))).start()

    receiver = make_receiver(play)
    sub = Sub(engine, receiver.url())
    warm(sub, receiver)
    may_answer.clear()
    sub.post(4)  # as many as a hook may have in flight before one was answered
    try:
        receiver.wait(6)
        assert len({s.connection.number for s in receiver.got()[2:]}) == 1
    finally:
        may_answer.set()
    rows = sub.rows(6)
    assert {row["state"] for row in rows} == {"delivered"}
    for row in rows[:4]:
        assert row["timing"]["reusedConnection"]
        assert row["timing"]["connectUs"] == row["timing"]["tlsUs"] == 0
        assert 0 < row["timing"]["firstByteUs"] <= row["timing"]["totalUs"]


def test_hook_whose_body_is_not_read_does_not_stop_another_ones(
        engine, make_receiver):
    """All requests of a connection share a window, which one body can fill."""
    receiver = make_receiver(
        grants=False, play=lambda c, s: s.path == "/stuck" or c.answer(s))
    stuck, other = (Sub(engine, receiver.url(path)) for path in ("/stuck", "/b"))
    warm(other, receiver)
    stuck.post(payload={"text": "x" * 150000})
    wait_for(lambda: [s for s in receiver.streams if s.path == "/stuck"
                      and len(s.body) > 60000], "the window is full")
    other.post(20)
    assert {row["state"] for row in other.rows(22)} == {"delivered"}
    stuck_on = {s.connection for s in receiver.streams if s.path == "/stuck"}
    assert not stuck_on & {s.connection for s in receiver.streams[3:]
                           if s.path == "/b"}


def test_slow_request_gets_no_company(engine, make_receiver):
    """A hook's own requests do not wait behind one that has been stuck for long."""
    receiver = make_receiver(grants=False, play=lambda c, s: c.answer(s))
    sub = Sub(engine, receiver.url())
    warm(sub, receiver)
    sub.post(payload={"text": "x" * 150000})
    wait_for(lambda: any(len(s.body) > 60000 for s in receiver.streams),
             "the window is full")
    time.sleep(1.6)  # it is slow after one second, looked at four times a second
    sub.post(3)
    assert len(sub.rows(5)) == 5
    assert not receiver.streams[2].is_whole


@pytest.mark.parametrize("how", ["reset", "too large", "misdirected"])
def test_request_that_fails_takes_no_other_along(engine, make_receiver, how):
    """Those on the same connection are answered, and none is sent twice."""
    pending = []

    def fail(connection, stream):
        if how == "reset":
            connection.reset(stream, 2)
        elif how == "misdirected":
            connection.answer(stream, 421)
        else:
            connection.h2.send_headers(stream.number, [(":status", "200")])
            connection.flush()
            for _ in range(10):
                connection.send(DataFrame(stream.number,
                                          data=b"z" * 16000).serialize())

    def play(connection, stream):
        pending.append((connection, stream))
        if len(pending) == 4:
            fail(*pending[0])
            time.sleep(0.5)
            for c, s in pending[1:]:
                c.answer(s)

    receiver = make_receiver()
    sub = Sub(engine, receiver.url())
    warm(sub, receiver)
    receiver.play = play
    sub.post(4)
    rows = sub.rows(6)[:4]
    assert len(receiver.streams) == 6
    assert len({c.number for c, _ in pending}) == 1
    bad = [row for row in rows if row["state"] != "delivered"
           or row["responseTruncated"]]
    assert len(bad) == 1


def test_client_certificates_do_not_share_a_connection(engine, certificates):
    context = tls_context(certificates)
    context.load_verify_locations(certificates.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    receiver = H2Receiver(context=context)
    who = {}
    for name in ("one", "two", None):
        fields = {}
        if name:
            chain, key = certificates.issue(name, usage="clientAuth")
            fields = {"clientCertificate": chain.read_text(),
                      "clientKey": key.read_text()}
        who[f"/{name}"] = Sub(engine, receiver.url(f"/{name}"), **fields)
    for n in range(1, 4):
        for sub in who.values():
            sub.post()
        for sub in who.values():
            sub.rows(n)
    for stream in receiver.got():
        peer = stream.connection.sock.getpeercert()
        name = dict(x[0] for x in peer["subject"])["commonName"] if peer else None
        assert stream.path == f"/{name}"
    receiver.stop()


def test_sessions_are_resumed_and_counted(engine, make_receiver):
    def count(name, kind=""):
        return sum(n for labels, n in engine.metrics()[name].items()
                   if kind in labels and "sender" in labels)

    receiver = make_receiver()
    sub = Sub(engine, receiver.url())
    warm(sub, receiver)
    made = count("posthorn_receiver_connections_total")
    resumed = count("posthorn_receiver_handshakes_total", "resumed")
    by_two = count("posthorn_http2_responses_total")
    for connection in receiver.connections:
        connection.close_cleanly()
    sub.post()
    sub.rows(3)
    assert receiver.connections[-1].is_resumed
    assert count("posthorn_receiver_connections_total") == made + 1
    assert count("posthorn_receiver_handshakes_total", "resumed") == resumed + 1
    assert count("posthorn_http2_responses_total") == by_two + 1


@pytest.mark.parametrize("alpn", [("http/1.1",), ()])
def test_receiver_that_does_not_offer_it_gets_http_1_1(engine, make_receiver,
                                                       alpn):
    receiver = make_receiver(alpn=alpn)
    sub = Sub(engine, receiver.url(), secret="s")
    sub.post(3)
    assert {row["state"] for row in sub.rows(3)} == {"delivered"}
    stream = receiver.wait(3)[0]
    assert stream.connection.protocol != "h2"
    assert stream.header("Pulumi-Webhook-Signature")  # as documented


def test_switched_off_and_on_by_a_reload(make_engine, make_receiver, certificates,
                                         tmp_path):
    path = tmp_path / "posthorn.conf"
    path.write_text("http2 = off\n")
    engine = make_engine(senders=1, ca_file=str(certificates.ca))
    command = engine.command
    engine.command = lambda: [*command(), "--config", str(path)]
    engine.start()
    receiver = make_receiver()
    sub = Sub(engine, receiver.url())
    for n, (value, protocol) in enumerate((("off", "http/1.1"), ("on", "h2"),
                                           ("off", "http/1.1"))):
        path.write_text(f"http2 = {value}\n")
        engine.process.send_signal(signal.SIGHUP)
        wait_for(lambda: engine.log().count("settings reloaded") > n,
                 "the file was read again")
        time.sleep(0.2)
        for connection in receiver.connections:
            connection.close()  # what is kept is not asked again
        for k in range(3):
            sub.post()
            sub.rows(3 * n + k + 1)
        if value == "on":
            assert receiver.got()[-1].connection.protocol == "h2"
        else:
            assert {s.connection.protocol
                    for s in receiver.got()[-3:]} == {protocol}


def test_wrong_value_of_the_setting(make_engine):
    engine = make_engine(http2="yes")
    engine.check_books = False
    assert engine.spawn().process.wait(30) != 0
    assert "http2: must be on or off" in engine.log()


# --- receivers that change their mind ---

def first(*parts):
    """Plays one part after the other, then answers."""
    left = list(parts)
    return lambda c, s: (left.pop(0) if left else answer)(c, s)


@pytest.mark.parametrize("part", [
    reset(7), lambda c, s: c.go_away(0, 0), lambda c, s: c.go_away(11, 0)],
    ids=["refused", "leaves", "leaves with an error"])
def test_request_that_was_not_looked_at_is_sent_once_more(
        engine, make_receiver, part):
    receiver = make_receiver(first(part))
    sub = Sub(engine, receiver.url())
    sub.post()
    row = sub.rows(1)[0]
    assert (row["state"], row["attempt"]) == ("delivered", 1)
    assert len(receiver.streams) == 2


@pytest.mark.parametrize("part", [
    reset(7), lambda c, s: c.go_away(0, 0), lambda c, s: c.go_away(11, 0)],
    ids=["refused", "leaves", "leaves with an error"])
def test_refused_twice_is_a_failed_attempt(engine, make_receiver, part):
    """libcurl alone would try five times more."""
    receiver = make_receiver(part)
    sub = Sub(engine, receiver.url())
    sub.post()
    row = sub.rows(1)[0]
    assert row["error"]["class"] == "reset" and "refused" in row["error"]["message"]
    assert row["state"] == "retrying" and len(receiver.streams) == 2


def test_kept_connection_that_was_closed_costs_no_attempt(engine,
                                                          make_receiver):
    receiver = make_receiver()
    sub = Sub(engine, receiver.url())
    warm(sub, receiver)
    receiver.play = first(lambda c, s: c.close())
    sub.post()
    row = sub.rows(3)[0]
    assert (row["state"], row["attempt"]) == ("delivered", 1)


def test_graceful_goodbye_moves_to_another_connection(engine, make_receiver):
    receiver = make_receiver(lambda c, s: (c.answer(s), c.go_away()))
    sub = Sub(engine, receiver.url())
    for n in range(4):
        sub.post()
        assert sub.rows(n + 1)[0]["state"] == "delivered"
    assert len(receiver.connections) == 4 and len(receiver.streams) == 4


def test_receiver_that_wants_http_1_1_for_requests_gets_it(engine,
                                                           make_receiver):
    receiver = make_receiver(reset(13))
    sub = Sub(engine, receiver.url())
    for n in range(3):
        sub.post()
        assert sub.rows(n + 1)[0]["state"] == "delivered"
    protocols = [s.connection.protocol for s in receiver.streams]
    assert protocols == ["h2", "http/1.1", "http/1.1", "http/1.1"]


def test_redirect_is_not_followed(engine, make_receiver):
    receiver = make_receiver(lambda c, s: c.answer(
        s, 302, headers=[("location", "/elsewhere")]))
    sub = Sub(engine, receiver.url("/a"))
    sub.post()
    row = sub.rows(1)[0]
    assert (row["responseCode"], row["state"]) == (302, "retrying")
    assert len(receiver.streams) == 1


def test_misdirected_request_goes_over_another_connection(engine,
                                                          make_receiver):
    receiver = make_receiver(lambda c, s: c.answer(s, 421))
    sub = Sub(engine, receiver.url())
    for n in range(3):
        sub.post()
        assert sub.rows(n + 1)[0]["responseCode"] == 421
    assert len(receiver.connections) == 3


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_limit_of_streams_is_kept(engine, make_receiver, limit):
    """0 for a moment only: then nobody may send anything."""
    pending = []

    def play(connection, stream):
        open_now = sum(1 for c, _ in pending if c is connection) + 1
        assert connection.protocol != "h2" or open_now <= max(limit, 1)
        pending.append((connection, stream))
        if len(pending) == 4:
            for c, s in pending:
                c.answer(s)

    receiver = make_receiver()
    sub = Sub(engine, receiver.url())
    if limit > 0:
        receiver.settings = {SettingCodes.MAX_CONCURRENT_STREAMS: limit}
        warm(sub, receiver)
        receiver.play = play
        sub.post(4)
        assert {row["state"] for row in sub.rows(6)} == {"delivered"}
        return
    receiver.settings = {SettingCodes.MAX_CONCURRENT_STREAMS: 0}
    receiver.play = lambda c, s: None
    sub = Sub(engine, receiver.url(), timeout="2s")
    sub.post()
    assert sub.rows(1)[0]["error"]["class"] == "timeout"


# --- responses ---

def test_interim_responses_and_trailers_are_no_answer(engine, make_receiver):
    def play(connection, stream):
        connection.h2.send_headers(
            stream.number, [(":status", "103"), ("link", "</style.css>")])
        connection.answer(stream, headers=[("x-own", "v")],
                          trailers=[("grpc-status", "0")])

    receiver = make_receiver(play)
    sub = Sub(engine, receiver.url())
    sub.post()
    row = sub.rows(1)[0]
    assert (row["state"], row["responseHeaders"]) == ("delivered", "x-own: v\r\n")


def test_large_body_is_cut(engine, make_receiver):
    def play(connection, stream):
        connection.h2.send_headers(stream.number, [(":status", "200")])
        connection.flush()
        for _ in range(600):  # 9.6 MB
            connection.send(DataFrame(stream.number, data=b"z" * 16000).serialize())

    receiver = make_receiver(play)
    sub = Sub(engine, receiver.url())
    sub.post()
    row = sub.rows(1)[0]
    assert row["state"] == "delivered" and row["responseTruncated"]
    assert len(row["responseBody"]) == 65536
    receiver.play = answer
    sub.post(3)
    assert {r["state"] for r in sub.rows(4)} == {"delivered"}


def test_answer_before_the_body_is_read_counts(engine, make_receiver):
    """RFC 9113, 8.1: the response, then a reset without an error."""
    receiver = make_receiver(
        grants=False, play=lambda c, s: None,
        begin=lambda c, s: (c.answer(s, headers=[("content-length", "2")]),
                            c.reset(s, 0)))
    sub = Sub(engine, receiver.url())
    sub.post(payload={"text": "x" * 200000})
    row = sub.rows(1)[0]
    assert (row["state"], row["responseCode"]) == ("delivered", 200)


def test_reset_after_the_headers_is_a_cut_answer(engine, make_receiver):
    def play(connection, stream):
        connection.h2.send_headers(stream.number, [(":status", "200")])
        connection.flush()
        connection.reset(stream, 2)

    receiver = make_receiver(play)
    sub = Sub(engine, receiver.url())
    sub.post()
    row = sub.rows(1)[0]
    assert row["state"] in ("delivered", "retrying")
    assert len(receiver.streams) == 1
