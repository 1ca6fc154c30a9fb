# SPDX-License-Identifier: MIT
"""Bad receivers that speak HTTP/2: each costs an attempt, and no other delivery."""

import os
import time

import pytest
from h2.settings import SettingCodes
from hyperframe.frame import (ContinuationFrame, DataFrame, HeadersFrame, PingFrame,
                              PriorityFrame, PushPromiseFrame, SettingsFrame,
                              WindowUpdateFrame)

from engine import stat_fields
from h2_world import Sub, answer, engine, make_receiver, reset
from support import wait_for

__all__ = ["engine", "make_receiver"]  # fixtures


def frames(*made):
    """Bytes past the library, with the stream's number."""
    return lambda c, s: c.send(b"".join(
        make(s.number).serialize() for make in made))


def head(number, data, *flags):
    return HeadersFrame(number, data=data,
                        flags=["END_HEADERS", "END_STREAM", *flags])


def text(name, value):
    """A header of HPACK, as it is."""
    return (b"\x00" + bytes([len(name)]) + name.encode()
            + bytes([len(value)]) + value.encode())


STATUS_200 = b"\x88"
LONG = 3900
BOMB = (STATUS_200 + b"\x40\x01a\x7f" + bytes([(LONG - 127) & 127 | 128,
                                                (LONG - 127) >> 7])
        + b"x" * LONG + b"\xbe" * 10000)

BAD = {
    "closes": (lambda c, s: c.close(), "reset"),
    "leaves in the middle": (lambda c, s: (c.go_away(2), c.close()), "reset"),
    "resets without an error": (reset(0), "reset"),
    "resets for a protocol error": (reset(1), "reset"),
    "resets for an error of its own": (reset(2), "reset"),
    "cancels": (reset(8), "reset"),
    "wants calm": (reset(11), "reset"),
    "speaks HTTP/1.1": (lambda c, s: c.send(b"HTTP/1.1 200 OK\r\n\r\n" * 20), "protocol"),
    "frame too large": (
        lambda c, s: c.send(b"\x7f\xff\xff\0\0\0\0\0\1" + b"z" * 100000), "protocol"),
    "no status": (frames(lambda n: head(n, text("a", "b"))), "reset"),
    "status of letters": (frames(lambda n: head(n, text(":status", "abc"))), "reset"),
    "capital letters": (
        frames(lambda n: head(n, STATUS_200 + text("X-Up", "b"))), "reset"),
    "a header of connections": (
        frames(lambda n: head(n, STATUS_200 + text("transfer-encoding", "chunked"))),
        "reset"),
    "wrong length": (
        lambda c, s: c.answer(s, headers=[("content-length", "10")]), None),
    "pushes": (
        frames(lambda n: PushPromiseFrame(n, promised_stream_id=2, data=STATUS_200,
                                          flags=["END_HEADERS"])), "protocol or timeout"),
    "data of a stream that is not open": (
        frames(lambda n: DataFrame(n + 100, data=b"x")), "protocol"),
    "window too large": (
        frames(lambda n: WindowUpdateFrame(0, window_increment=2**31 - 1)), "protocol"),
    "settings out of bounds": (
        frames(lambda n: SettingsFrame(0, settings={4: 2**31})), "protocol"),
    "broken header compression": (frames(lambda n: head(n, b"\xff\xff\xff\xff\xff")),
                                  "protocol"),
    "header list too large": (
        lambda c, s: c.answer(s, headers=[(f"x-{i}", "y" * 1000)
                                          for i in range(200)]), "protocol"),
    "too many headers": (
        lambda c, s: c.answer(s, headers=[(f"x-{i}", "y") for i in range(2000)]),
        "protocol"),
    "header that unpacks to 39 MB": (frames(lambda n: head(n, BOMB)), "protocol"),
}


# The words are the program's own, whatever release of which library it uses. What a push
# costs is up to libcurl: some releases wait on.
SENTENCES = {
    "reset": ("the receiver closed the connection before it answered",
              "the stream ended without a valid answer"),
    "protocol": ("what came is no valid HTTP/2, or too large",),
    "timeout": ("the receiver did not answer in time",),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_receiver_costs_one_attempt(engine, make_receiver, name):
    part, expected = BAD[name]
    receiver = make_receiver(part)
    sub = Sub(engine, receiver.url())
    sub.post()
    row = sub.rows(1)[0]
    if expected is None:  # the header block was whole: it counts
        assert row["state"] in ("delivered", "retrying")
    else:
        assert row["state"] == "retrying" and row["attempt"] == 1
        assert row["error"]["class"] in expected
        assert row["error"]["message"] in SENTENCES[row["error"]["class"]]
    assert len(receiver.streams) == 1
    receiver.play = answer
    later = Sub(engine, receiver.url("/later"))
    later.post()
    assert later.rows(1)[0]["state"] == "delivered"


def forever(make):
    def play(connection, stream):
        block = make(stream.number)
        while True:
            connection.send(block)

    return play


FLOODS = {
    "pings": forever(lambda n: PingFrame(0, b"12345678").serialize() * 2000),
    "settings": forever(lambda n: SettingsFrame(0, settings={3: 100}).serialize() * 2000),
    "windows": forever(
        lambda n: WindowUpdateFrame(n, window_increment=1).serialize() * 2000),
    "priorities": forever(
        lambda n: PriorityFrame(n, depends_on=0, stream_weight=3).serialize() * 2000),
    "empty data": lambda c, s: (
        frames(lambda n: HeadersFrame(n, data=STATUS_200, flags=["END_HEADERS"]))(c, s),
        forever(lambda n: DataFrame(n, data=b"").serialize() * 2000)(c, s)),
    "continuations": lambda c, s: (
        frames(lambda n: HeadersFrame(n, data=STATUS_200))(c, s),
        forever(lambda n: ContinuationFrame(n, data=b"").serialize() * 2000)(c, s)),
    "interim responses": forever(
        lambda n: HeadersFrame(n, data=text(":status", "103"),
                               flags=["END_HEADERS"]).serialize() * 200),
}


@pytest.mark.parametrize("name", FLOODS)
def test_flood_ends_with_its_connection(engine, make_receiver, tls_receiver, name):
    """Others are delivered to meanwhile, and the attempt ends long before its time."""
    receiver = make_receiver(FLOODS[name])
    sub = Sub(engine, receiver.url(), timeout="100s")
    other = Sub(engine, tls_receiver.url())
    sub.post()
    wait_for(lambda: receiver.streams, "the flood begins")
    other.post(5)
    assert {row["state"] for row in other.rows(5)} == {"delivered"}
    row = sub.rows(1)[0]
    if name == "empty data":
        assert row["state"] == "delivered" and row["responseTruncated"]
    else:
        assert row["error"]["class"] == "protocol"
        assert row["error"]["message"] in (
            *SENTENCES["protocol"], "the receiver sent much that belongs to no response")
    assert row["timing"]["totalUs"] < 90_000_000
    assert len(receiver.streams) == 1


@pytest.mark.parametrize("n_bytes", [0, 65535], ids=["never", "once"])
def test_receiver_that_grants_no_window_times_out_without_work(
        engine, make_receiver, n_bytes):
    receiver = make_receiver(grants=False, settings={
        SettingCodes.INITIAL_WINDOW_SIZE: n_bytes})
    sub = Sub(engine, receiver.url(), timeout="3s")
    pid = engine.pids("sender")[0]

    def work_s():
        return sum(int(n) for n in stat_fields(pid)[11:13]) / os.sysconf("SC_CLK_TCK")

    before = work_s()
    sub.post(payload={"text": "x" * 150000})
    row = sub.rows(1)[0]
    assert row["error"]["class"] == "timeout"
    assert work_s() - before < 1


def test_body_that_opens_late_is_sent_whole(engine, make_receiver):
    """The window opens when the receiver gets round to it."""
    receiver = make_receiver(grants=False)
    sub = Sub(engine, receiver.url())
    sub.post(payload={"text": "x" * 200000})
    wait_for(lambda: any(len(s.body) > 60000 for s in receiver.streams),
             "the window is full")
    time.sleep(0.6)
    stream = receiver.streams[0]
    with stream.connection.lock:
        stream.connection.h2.increment_flow_control_window(300000)
        stream.connection.h2.increment_flow_control_window(300000, stream.number)
        stream.connection.flush()
    assert sub.rows(1)[0]["state"] == "delivered"
    assert len(stream.body) > 200000
