# SPDX-License-Identifier: MIT
"""The event intake: what it takes, what it refuses and how."""

import json
import socket
import time
import uuid

import pytest

from receiver import Answer
from support import compact, event_of, wait_for

pytestmark = pytest.mark.shared(books=True)

EVENT = {"kind": "order.created", "payload": {"number": 1}}
PATH = "/api/orgs/acme/events"
NDJSON = "application/x-ndjson"


def lines(*events):
    return "\n".join(e if isinstance(e, str) else compact(e)
                     for e in events).encode()


def assert_error(reply, status, *words):
    """The error body of both APIs, with what is wrong in it."""
    assert reply.status == status, reply
    assert reply.json()["code"] == status
    for word in words:
        assert word in reply.json()["message"], reply


def accepted(engine):
    return engine.verify()["accepted"]


# --- raw connections ---

class Wire:
    """A connection to the intake, byte by byte."""

    def __init__(self, engine):
        self.token = engine.token
        self.socket = socket.create_connection(
            ("127.0.0.1", engine.ingest_port), 10)
        self.stream = self.socket.makefile("rb")

    def head(self, *headers, path=PATH):
        return "\r\n".join([
            f"POST {path} HTTP/1.1", "Host: test",
            f"Authorization: token {self.token}",
            "Content-Type: application/json", *headers, "", ""]).encode()

    def send(self, data):
        self.socket.sendall(data)

    def read(self):
        """status, headers, body of the next answer."""
        status = int(self.stream.readline().split()[1])
        headers = {}
        while (line := self.stream.readline().decode().strip()):
            name, value = line.split(": ", 1)
            headers[name.lower()] = value
        body = self.stream.read(int(headers.get("content-length", 0)))
        return status, headers, body


@pytest.fixture
def wire(engine):
    w = Wire(engine)
    yield w
    w.socket.close()


# --- what is taken ---

def test_single_event(engine):
    reply = engine.intake(compact(EVENT).encode())
    assert reply.status == 202
    assert reply.headers["content-type"] == "application/json"
    assert list(reply.json()) == ["id"]
    assert str(uuid.UUID(reply.json()["id"])) == reply.json()["id"]


@pytest.mark.smoke
def test_id_of_the_producer_is_kept(engine, receiver):
    engine.create_hook(receiver.url())
    event_id = str(uuid.uuid4())
    assert engine.post_event(id=event_id) == event_id
    assert receiver.wait(1)[0].id == event_id


@pytest.mark.smoke
def test_batch(engine, receiver):
    engine.create_hook(receiver.url())
    body = lines(*({"kind": "order.created", "payload": {"n": n}}
                   for n in range(50))) + b"\n"
    reply = engine.intake(body, content_type=NDJSON)
    assert reply.status == 202, reply
    assert reply.json()["accepted"] == 50
    ids = reply.json()["ids"]
    assert len(set(ids)) == 50
    got = {r.id: json.loads(r.body)["n"] for r in receiver.wait(50)}
    assert [got[i] for i in ids] == list(range(50))


@pytest.mark.parametrize("fault, line_no, word", [
    ('{"kind":"order.created"}', 3, "payload"),
    ('{"kind":"order.created","payload":{}', 3, ""),
    ('{"kind":"nope","payload":{}}', 3, "kind"),
    ("[]", 3, "object")])
def test_batch_is_all_or_nothing(engine, receiver, fault, line_no, word):
    """The fault names its line, and none of the others is stored."""
    engine.create_hook(receiver.url())
    reply = engine.intake(lines(EVENT, EVENT, fault, EVENT),
                          content_type=NDJSON)
    assert_error(reply, 400, f"line {line_no}", word)
    assert accepted(engine) == 0
    assert receiver.got() == []


def test_chunked_body(engine, wire):
    body = compact(EVENT).encode()
    wire.send(wire.head("Transfer-Encoding: chunked"))
    for start in range(0, len(body), 7):
        piece = body[start:start + 7]
        wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    wire.send(b"0\r\n\r\n")
    assert wire.read()[0] == 202
    assert accepted(engine) == 1


def test_expect_100_continue(engine, wire):
    """100 before the body is sent, 202 after it."""
    body = compact(EVENT).encode()
    wire.send(wire.head("Expect: 100-continue",
                        f"Content-Length: {len(body)}"))
    assert wire.stream.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert wire.stream.readline() == b"\r\n"
    wire.send(body)
    assert wire.read()[0] == 202


def test_expect_100_continue_is_not_given_in_vain(engine, wire):
    """What will be refused is refused before the body is sent."""
    wire.send(wire.head("Expect: 100-continue", "Content-Length: 10000000"))
    assert wire.read()[0] == 413


def test_pipelined_posts(engine, wire):
    """Answers in order, each its own event."""
    ids = [str(uuid.uuid4()) for _ in range(20)]
    sent = b""
    for event_id in ids:
        body = compact({**EVENT, "id": event_id}).encode()
        sent += wire.head(f"Content-Length: {len(body)}") + body
    wire.send(sent)
    answers = [wire.read() for _ in ids]
    assert [json.loads(body)["id"] for _, _, body in answers] == ids
    assert {status for status, _, _ in answers} == {202}
    assert accepted(engine) == 20


def test_bytes_one_at_a_time(engine, wire):
    body = compact(EVENT).encode()
    for byte in wire.head(f"Content-Length: {len(body)}") + body:
        wire.send(bytes([byte]))
    assert wire.read()[0] == 202


# --- idempotency ---

def test_same_id_and_body_is_stored_once(engine, receiver):
    engine.create_hook(receiver.url())
    event_id = str(uuid.uuid4())
    for _ in range(3):
        assert engine.post_event(id=event_id) == event_id
    assert accepted(engine) == 1
    engine.wait_settled()
    assert len(receiver.got()) == 1


def test_same_id_and_another_body_is_a_conflict(engine):
    event_id = engine.post_event(id=str(uuid.uuid4()))
    other = {**EVENT, "id": event_id, "payload": {"number": 2}}
    assert_error(engine.intake(compact(other).encode()), 409)
    assert accepted(engine) == 1


def test_idempotency_key(engine):
    key = {"Idempotency-Key": "order-17"}
    body = compact(EVENT).encode()
    first = engine.intake(body, headers=key)
    again = engine.intake(body, headers=key)
    assert (first.status, again.status) == (202, 202)
    assert first.json() == again.json()
    other = compact({**EVENT, "payload": {"number": 2}}).encode()
    assert_error(engine.intake(other, headers=key), 409)
    assert engine.intake(other, "another", headers=key).status == 202
    assert accepted(engine) == 2


@pytest.mark.alone
def test_idempotency_survives_a_restart(engine):
    event_id = str(uuid.uuid4())
    engine.post_event(id=event_id)
    engine.kill9()
    engine.start()
    engine.post_event(id=event_id)
    assert accepted(engine) == 1


# --- what is refused ---

@pytest.mark.parametrize("token", [None, "", "wrong", "x" * 5000],
                         ids=["none", "empty", "wrong", "long"])
def test_without_the_right_token(engine, token):
    reply = engine.intake(compact(EVENT).encode(), token=token)
    assert reply.status in (401, 431), reply
    if reply.status == 401:
        assert reply.json() == {"code": 401, "message": (
            "Unauthorized: No credentials provided or are invalid.")}


@pytest.mark.parametrize("header", ["Authorization: token {}",
                                    "Authorization: Bearer {}",
                                    "x-access-token: {}"])
def test_every_form_of_the_token(engine, header):
    name, value = header.format(engine.token).split(": ", 1)
    reply = engine.intake(compact(EVENT).encode(), token=None,
                          headers={name: value})
    assert reply.status == 202, reply


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", ""])
def test_other_content_types(engine, content_type):
    assert_error(engine.intake(b"{}", content_type=content_type), 415)


def test_content_encoding(engine):
    assert_error(engine.intake(b"x", headers={"Content-Encoding": "gzip"}),
                 415)


@pytest.mark.parametrize("event, field", [
    ({"payload": {}}, "kind"),
    ({"kind": 7, "payload": {}}, "kind"),
    ({"kind": "nodot", "payload": {}}, "kind"),
    ({"kind": "order..created", "payload": {}}, "kind"),
    ({"kind": "order." + "x" * 64, "payload": {}}, "kind"),
    ({"kind": "order.created"}, "payload"),
    ({"kind": "stack", "payload": []}, "payload"),
    ({"kind": "order.created", "payload": {}, "id": "17"}, "id"),
    ({"kind": "stack_update", "payload": {"stackName": "s", "kind": "update",
                                          "result": "failed"}},
     "projectName"),
    ({"kind": "stack_update", "payload": {"projectName": "p",
                                          "stackName": "s"}}, "kind")])
def test_400_names_the_field(engine, event, field):
    assert_error(engine.intake(compact(event).encode()), 400, field)
    assert accepted(engine) == 0


@pytest.mark.parametrize("body", [
    b"", b"{", b"null", b"[1]", b'{"kind":"a.b","payload":{"x":1,"x":2}}',
    b'{"kind":"a.b","payload":{"x":"\xff"}}',
    b'{"kind":"a.b","payload":' + b'{"x":' * 200 + b"1" + b"}" * 200 + b"}",
    b'{"kind":"a.b","payload":{}} trailing'],
    ids=["empty", "cut", "null", "array", "twice", "utf8", "deep", "more"])
def test_bad_json(engine, body):
    assert_error(engine.intake(body), 400)


@pytest.mark.settings(max_event_bytes="4096")
def test_size_limit(engine):
    assert engine.intake(event_of(4096)).status == 202
    assert_error(engine.intake(event_of(4097)), 413)
    batch = lines(EVENT) + b"\n" + event_of(4097)
    assert_error(engine.intake(batch, content_type=NDJSON), 413, "line 2")
    assert accepted(engine) == 1


def test_too_large_is_refused_before_reading(engine, wire):
    """Only the header is sent, and the answer is there."""
    wire.send(wire.head("Content-Length: 100000000"))
    status, headers, _ = wire.read()
    assert status == 413
    assert headers["connection"] == "close"


def test_too_large_in_chunks(engine, wire):
    wire.send(wire.head("Transfer-Encoding: chunked"))
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    try:
        for _ in range(20):
            wire.send(chunk)
    except OSError:
        pass  # it stopped listening: that is the point
    assert wire.read()[0] == 413


@pytest.mark.parametrize("head", [
    b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /x HTTP/1.1\nHost: a\n\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ids=["two-lengths", "length-and-chunks", "bare-lf", "space", "tls"])
def test_ambiguous_requests_end_the_connection(engine, wire, head):
    wire.send(head)
    status, headers, _ = wire.read()
    assert status == 400
    assert headers["connection"] == "close"
    assert wire.stream.read() == b""


def test_other_paths_and_methods(engine):
    port = engine.ingest_port
    assert engine.request(port, "POST", "/nothing").status == 404
    reply = engine.request(port, "GET", PATH)
    assert reply.status == 405
    assert "POST" in reply.headers["allow"]


# --- quota ---

@pytest.mark.settings(max_queue_bytes="16MiB", retry_schedule="1h")
def test_full_queue_stops_intake_but_not_delivery(engine, receiver):
    """At the quota: 429 or 503 with Retry-After; what was taken arrives, and
    nothing that was refused is stored."""
    engine.create_hook(receiver.url())
    body = event_of(200_000)
    receiver.hold()  # what is delivered makes room for more
    ids = []
    for _ in range(200):
        reply = engine.intake(body)
        if reply.status != 202:
            break
        ids.append(reply.json()["id"])
    receiver.release()
    assert reply.status in (429, 503), reply
    assert int(reply.headers["retry-after"]) > 0
    assert 20 < len(ids) < 100
    assert engine.wait_settled()["delivered"] == len(ids)
    assert {r.id for r in receiver.got()} == set(ids)
    assert accepted(engine) == len(ids)


@pytest.mark.slow
@pytest.mark.settings(max_queue_bytes="16MiB", retention_delivered="1s",
                      retention_dead="1s")
def test_intake_goes_on_when_retention_made_room(engine, receiver):
    """Each time all that is stored becomes free at once."""
    body = event_of(200_000)
    engine.create_hook(receiver.url())
    for _ in range(3):
        receiver.script("/", Answer(204, delay=1))
        while engine.intake(body).status == 202:
            pass
        receiver.script("/", Answer(204))
        wait_for(lambda: engine.intake(body).status == 202,
                 "there is room again", 20)
