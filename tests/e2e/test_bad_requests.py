# SPDX-License-Identifier: MIT
"""Requests that are wrong, at both addresses of the real program: each gets the
answer of the table, and the next one is served. (The server's own tables, with
every framing fault, are tests/unit/common/test_http*.c.)"""

import http.client
import json
import resource
import socket
import threading

import pytest

from support import compact, connections_to, wait_for

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
GET = b"GET %(path)s HTTP/1.1\r\n" + HOST + b"%(auth)s"
POST = b"POST %(post)s HTTP/1.1\r\n" + HOST + b"%(auth)s" + JSON
CLOSED, KEPT = True, False

# name, request, status (0: closed without an answer), is it closed after?
REQUESTS = [
    # refused by the parser
    ("length and chunked", POST + b"Content-Length: 5\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, CLOSED),
    ("chunked and length", POST + b"Transfer-Encoding: chunked\r\n"
     b"Content-Length: 5\r\n\r\n0\r\n\r\n", 400, CLOSED),
    ("two equal lengths", POST + b"Content-Length: 2\r\n"
     b"Content-Length: 2\r\n\r\n{}", 400, CLOSED),
    ("a list of lengths", POST + b"Content-Length: 2,2\r\n\r\n{}", 400, CLOSED),
    ("length +2", POST + b"Content-Length: +2\r\n\r\n{}", 400, CLOSED),
    ("length -1", POST + b"Content-Length: -1\r\n\r\n", 400, CLOSED),
    ("length 0x2", POST + b"Content-Length: 0x2\r\n\r\n{}", 400, CLOSED),
    ("length overflows", POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
     400, CLOSED),
    ("xchunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501, CLOSED),
    ("chunked, identity", POST + b"Transfer-Encoding: chunked, identity"
     b"\r\n\r\n", (400, 501), CLOSED),
    ("chunk of 0x2", POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n",
     400, CLOSED),
    ("chunk overflows", POST + b"Transfer-Encoding: chunked\r\n\r\n"
     b"fffffffffffffffff\r\n", 400, CLOSED),
    ("bare LF", b"GET / HTTP/1.1\nHost: x\n\n", 400, CLOSED),
    ("bare CR", GET + b"X: a\rb\r\n\r\n", 400, CLOSED),
    ("NUL in a value", GET + b"X: a\0b\r\n\r\n", 400, CLOSED),
    ("folded header", GET + b"X: a\r\n b\r\n\r\n", 400, CLOSED),
    ("no colon", GET + b"abc\r\n\r\n", 400, CLOSED),
    ("unknown method", b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", 400, CLOSED),
    ("8 bits in the target", b"GET /\xc3\xa4 HTTP/1.1\r\n" + HOST + b"\r\n",
     400, CLOSED),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, CLOSED),
    # decided by us
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400, CLOSED),
    ("two Hosts", b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400, CLOSED),
    ("gzip, chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501,
     CLOSED),
    ("chunked in 1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
     400, CLOSED),
    ("HTTP/2.0", b"POST /e HTTP/2.0\r\n" + HOST + b"\r\n", 505, CLOSED),
    ("h2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505), CLOSED),
    ("absolute form", b"GET http://x/ HTTP/1.1\r\n" + HOST + b"\r\n", 400,
     CLOSED),
    ("CONNECT", b"CONNECT x:443 HTTP/1.1\r\n" + HOST + b"\r\n", 405, CLOSED),
    # limits
    ("a line of 8193", b"GET /" + b"a" * 8179 + b" HTTP/1.1\r\n" + HOST +
     b"\r\n", 414, CLOSED),
    ("10,000 parameters", b"GET /?" + b"a=1&" * 10000 + b" HTTP/1.1\r\n" +
     HOST + b"\r\n", 414, CLOSED),
    ("headers of 16 KiB and more", GET + b"X: " + b"a" * 16400 + b"\r\n\r\n",
     431, CLOSED),
    ("65 headers", GET + b"X: y\r\n" * 65 + b"\r\n", 431, CLOSED),
    ("too long a body", POST + b"Content-Length: 99999999999\r\n\r\n", 413,
     CLOSED),
    ("100,000 chunks", POST + b"Transfer-Encoding: chunked\r\n\r\n" +
     b"1\r\n \r\n" * 100_000, (400, 413), CLOSED),
    # types
    ("no type", b"POST %(post)s HTTP/1.1\r\n" + HOST + b"%(auth)s"
     b"Content-Length: 2\r\n\r\n{}", 415, CLOSED),
    ("another type", b"POST %(post)s HTTP/1.1\r\n" + HOST + b"%(auth)s"
     b"Content-Type: text/xml\r\nContent-Length: 2\r\n\r\n{}", 415, CLOSED),
    ("gzip", POST + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
     415, CLOSED),
    ("an empty body", POST + b"Content-Length: 0\r\n\r\n", 400, KEPT),
    # tokens
    ("no token", b"POST %(post)s HTTP/1.1\r\n" + HOST + JSON +
     b"Content-Length: 2\r\n\r\n{}", 401, CLOSED),
    ("a token in the query", b"POST %(post)s?token=x HTTP/1.1\r\n" + HOST +
     b"%(auth)s" + JSON + b"Content-Length: 2\r\n\r\n{}", 400, CLOSED),
    ("Expect before the token", b"POST %(post)s HTTP/1.1\r\n" + HOST + JSON +
     b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", 401, CLOSED),
    # paths
    ("dots", b"GET /api/../etc/passwd HTTP/1.1\r\n" + HOST + b"%(auth)s\r\n",
     404, KEPT),
    ("escaped dots", b"GET /%%2e%%2e/x HTTP/1.1\r\n" + HOST +
     b"%(auth)s\r\n", 404, KEPT),
    ("two slashes", b"GET //api//orgs HTTP/1.1\r\n" + HOST + b"%(auth)s\r\n",
     404, KEPT),
    ("a name with %%00", b"POST /api/orgs/a%%00b/%(last)s HTTP/1.1\r\n" + HOST
     + b"%(auth)s" + JSON + b"Content-Length: 2\r\n\r\n{}", 400, None),
    ("a name with %%2F", b"POST /api/orgs/a%%2Fb/%(last)s HTTP/1.1\r\n" + HOST
     + b"%(auth)s" + JSON + b"Content-Length: 2\r\n\r\n{}", 400, None),
    ("a broken escape", b"POST /api/orgs/a%%zz/%(last)s HTTP/1.1\r\n" + HOST +
     b"%(auth)s" + JSON + b"Content-Length: 2\r\n\r\n{}", 400, None),
    ("another method", b"PUT %(post)s HTTP/1.1\r\n" + HOST + b"%(auth)s"
     b"Content-Length: 0\r\n\r\n", 405, KEPT),
]


class Side:
    """One of the two addresses."""

    def __init__(self, engine, is_api):
        self.engine = engine
        self.port = engine.api_port if is_api else engine.ingest_port
        self.last = "hooks" if is_api else "events"
        self.post = f"/api/orgs/acme/{self.last}"
        self.value = ({"organizationName": "acme", "displayName": "d",
                       "payloadUrl": "http://example.com/", "active": True}
                      if is_api else {"kind": "a.b", "payload": {}})
        self.good = 201 if is_api else 202

    def fill(self, template):
        auth = f"Authorization: token {self.engine.token}\r\n".encode()
        return template % {b"path": b"/api/orgs/acme/nothing",
                           b"post": self.post.encode(), b"auth": auth,
                           b"last": self.last.encode()}

    def send(self, data, patience=0.2):
        """(status, headers, body, closed) of what comes back; `patience`: how
        long to wait for the close."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            try:
                s.sendall(data)
            except OSError:
                pass  # it has stopped listening
            response = http.client.HTTPResponse(s)
            response.begin()
            body = response.read()
            s.settimeout(patience)
            try:
                closed = s.recv(1) == b""
            except TimeoutError:
                closed = False
            except OSError:
                closed = True
            return response.status, response.headers, body, closed

    def check_health(self):
        reply = self.engine.request(
            self.port, "POST", self.post, compact(self.value).encode(),
            {"Content-Type": "application/json"})
        assert reply.status == self.good, reply


@pytest.fixture(params=["api", "ingest"])
def side(engine, request):
    return Side(engine, request.param == "api")


def test_wrong_requests(side):
    for name, template, status, is_closed in REQUESTS:
        got, headers, body, closed = side.send(
            side.fill(template), 5 if is_closed else 0.2)
        wanted = status if isinstance(status, tuple) else (status,)
        assert got in wanted, (name, got, body)
        if is_closed is not None:
            assert closed == is_closed, (name, got, body)
        assert headers["content-type"] == "application/json", name
        error = json.loads(body)
        assert error["code"] == got, (name, error)
        assert ": " in error["message"], (name, error)
        if got == 405:
            assert headers["allow"], name
    side.check_health()


# --- bodies ---

def nested(depth):
    return b'{"x":' * depth + b"1" + b"}" * depth


BODIES = [
    ("an array", b"[]"), ("a string", b'"x"'), ("null", b"null"),
    ("a number", b"-0"), ("cut", b"{"), ("more", b"{} {}"),
    ("a comment", b"{/**/}"), ("33 deep", nested(33)),
    ("1,000,000 deep", b"[" * 60_000),
    ("a million keys", b"{" + b",".join(b'"%d":1' % n for n in range(5000)) +
     b"}"),
    ("a key twice", b'{"a":1,"a":2}'), ("a lone surrogate", b'{"a":"\\ud800"}'),
    ("overlong", b'{"a":"\xc0\xaf"}'), ("not UTF-8", b'{"a":"\xff"}'),
    ("a BOM", b"\xef\xbb\xbf{}"), ("NUL", b'{"a":"\0"}'),
    ("NaN", b'{"a":NaN}'), ("a trailing comma", b'{"a":1,}'),
]


def test_wrong_bodies(side):
    for name, body in BODIES:
        reply = side.engine.request(side.port, "POST", side.post, body,
                                    {"Content-Type": "application/json"})
        assert reply.status == 400, (name, reply)
        assert reply.json()["message"].startswith("Bad Request: "), name
    side.check_health()


def test_odd_numbers_come_through_as_they_are(engine, receiver):
    hook = engine.create_hook(receiver.url())
    numbers = ["1e999", "-0", "9" * 400, "1.0000000000000000001", "1E-5"]
    payload = '{"a":[' + ",".join(numbers) + "]}"
    reply = engine.intake(f'{{"kind":"a.b","payload":{payload}}}'.encode())
    assert reply.status == 202, reply
    assert receiver.wait(1)[0].body == payload.encode()
    (record,) = engine.wait_deliveries(hook, 1)
    assert record["payload"] == payload


@pytest.mark.shared
@pytest.mark.parametrize("kind", [
    "a\r\nX: y", "a.b\0", "a//b", "../a.b", "a." + "b" * 63, "A", "a..b",
    ".a", "a.", " a.b", "a.b c", "é.b"])
def test_wrong_kinds(engine, kind):
    reply = engine.intake(compact({"kind": kind, "payload": {}}).encode())
    assert reply.status == 400 and "kind" in reply.json()["message"]


@pytest.mark.shared
@pytest.mark.parametrize("secret, status", [
    ("", 201), ("x", 201), ("é🍹", 201), ("x" * 1024, 201), ("x" * 1025, 400),
    ("x" * 10240, 400), ("a\0b", 400), (7, 400), ("__remove-secret", 400)])
def test_secrets_at_their_edges(engine, receiver, secret, status):
    reply = engine.api("POST", "/api/orgs/acme/hooks", {
        "organizationName": "acme", "displayName": "d", "active": True,
        "payloadUrl": receiver.url(), "secret": secret})
    assert reply.status == status, reply
    if status == 201:
        assert reply.json()["hasSecret"] == (secret != "")
    else:
        assert "secret" in reply.json()["message"]


# --- connections ---

def test_half_closed_clients_are_answered(side):
    with socket.create_connection(("127.0.0.1", side.port), 10) as s:
        body = compact(side.value).encode()
        s.sendall(side.fill(POST) + b"Content-Length: %d\r\n\r\n" % len(body)
                  + body)
        s.shutdown(socket.SHUT_WR)
        assert b" %d " % side.good in s.recv(4096)


def test_reset_after_the_request_keeps_the_event(engine):
    """Whether it was stored or not, the same id is stored once."""
    side = Side(engine, False)
    number = "7d0a2f6e-3c51-4b6e-9f0a-0c1d2e3f4a5b"
    body = compact({**side.value, "id": number}).encode()
    for _ in range(20):
        s = socket.create_connection(("127.0.0.1", side.port), 10)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.sendall(side.fill(POST) + b"Content-Length: %d\r\n\r\n" % len(body)
                  + body)
        s.close()
    assert engine.intake(body).json()["id"] == number
    assert engine.verify()["accepted"] == 1


@pytest.mark.slow
@pytest.mark.settings(max_connections="20000",
                      max_connections_per_address="20000")
def test_slow_connections_beside_a_healthy_client(engine, request):
    """Each sends a byte now and then and never ends its header."""
    count = 10_000 if request.config.getoption("--long") else 1_000
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < count + 200:
        pytest.skip(f"only {most} open files are allowed here")
    side = Side(engine, False)
    slow = []
    stop = threading.Event()

    def drip():
        while not stop.wait(1.0):
            for s in slow:
                try:
                    s.send(b"a")
                except OSError:
                    pass  # its time is over

    for _ in range(count):
        s = socket.create_connection(("127.0.0.1", side.port), 10)
        s.sendall(b"POST / HTTP/1.1\r\nX: ")
        slow.append(s)
    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        for _ in range(10):
            side.check_health()
        # It did not wait for their end.
        assert connections_to(side.port) >= count

        for _ in range(90):
            side.check_health()

        def all_closed():
            for s in slow[-20:] + slow[:20]:
                s.settimeout(0.01)
                try:
                    while s.recv(4096):
                        pass
                except TimeoutError:
                    return False
                except OSError:
                    pass
            return True
        wait_for(all_closed, "the slow ones are closed")
    finally:
        stop.set()
        dripping.join()
        for s in slow:
            s.close()
    side.check_health()
