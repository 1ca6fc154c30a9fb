# SPDX-License-Identifier: MIT
"""Receivers that do everything wrong: what comes of each, and what it costs.

Each row is a raw answer, or a function that plays the receiver; what must come
of it is a status, an error class, and whether the body counts as cut."""

import gzip
import itertools
import json
import socket
import ssl
import struct
import threading
import time

import pytest

from certificates import Certificates
from engine import read_proc
from receiver import Answer
from support import wait_for

pytestmark = pytest.mark.shared

TIMEOUT_S = 1.0
OK_HEAD = b"HTTP/1.1 200 OK\r\n"
CLEAN = OK_HEAD + b"Content-Length: 2\r\n\r\nok"


# --- the server ---

class RawServer:
    """Plays `plays[path]` for each connection's first request of that path. With
    a `context` it speaks TLS."""

    def __init__(self, context=None):
        self.context = context
        self.plays = {}
        self.requests = []
        self.connections = 0
        self.over = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path):
        scheme = "https" if self.context else "http"
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def accept(self):
        while not self.over.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,),
                             daemon=True).start()

    def serve(self, connection):
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True)
        with connection:
            try:
                while True:
                    path = self.read(connection)
                    if path is None or not self.play(connection, path):
                        return
            except OSError:
                pass

    def read(self, connection):
        """The path of the next request, read to its end."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                      if line.lower().startswith(b"content-length"))
        while len(body) < length:
            body += connection.recv(65536)
        path = head.split(b" ")[1].decode()
        self.requests.append(path)
        return path

    def play(self, connection, path):
        """True: the connection may go on."""
        play = self.plays[path]
        if callable(play):
            return play(self, connection)
        connection.sendall(play)
        self.over.wait(0.05 if play is not CLEAN else 0)
        return play is CLEAN

    def stop(self):
        self.over.set()
        self.socket.close()


@pytest.fixture
def raw():
    server = RawServer()
    yield server
    server.stop()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    connection.close()


def drip(parts, pause):
    def play(server, connection):
        for part in parts:
            connection.sendall(part)
            if server.over.wait(pause):
                break
    return play


def hang(server, _):
    server.over.wait()


def then_hang(data):
    def play(server, connection):
        connection.sendall(data)
        server.over.wait()
    return play


def then_reset(data):
    def play(server, connection):
        connection.sendall(data)
        server.over.wait(0.1)
        reset(connection)
    return play


def endless(head, part):
    def play(server, connection):
        connection.sendall(head)
        while not server.over.is_set():
            connection.sendall(part)
    return play


def chunked(rest):
    return OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + rest


BOMB = gzip.compress(b"\0" * 50_000_000)
TIMEOUT, RESET, PROTOCOL = "timeout", "reset", "protocol"

# name: what it does, response code, error class, truncated
ROWS = {
    "clean": (CLEAN, 200, None, False),
    "close after request": (lambda s, c: None, 0, RESET, False),
    "reset after request": (lambda s, c: reset(c), 0, RESET, False),
    "never answers": (hang, 0, TIMEOUT, False),
    "headers byte by byte": (drip([b"%c" % b for b in CLEAN * 9], 0.3), 0,
                             TIMEOUT, False),
    "headers then stall": (then_hang(
        OK_HEAD + b"Content-Length: 9\r\n\r\n"), 200, None, True),
    "body drips": (drip([OK_HEAD + b"Content-Length: 99\r\n\r\n"]
                        + [b"x"] * 99, 0.1), 200, None, True),
    "endless body": (endless(OK_HEAD + b"\r\n", b"x" * 4096), 200, None, True),
    "endless chunks": (endless(chunked(b""), b"400\r\n" + b"x" * 1024
                               + b"\r\n"), 200, None, True),
    "huge length": (OK_HEAD + b"Content-Length: 99999999999999\r\n\r\nx", 200,
                    None, True),
    "length overflows": (OK_HEAD + b"Content-Length: "
                         b"99999999999999999999999\r\n\r\nx", 0, PROTOCOL,
                         False),
    "length negative": (OK_HEAD + b"Content-Length: -5\r\n\r\n", 0, PROTOCOL,
                        False),
    "length in words": (OK_HEAD + b"Content-Length: two\r\n\r\nok", 0,
                        PROTOCOL, False),
    "two lengths": (OK_HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n"
                    b"\r\nabc", 200, None, False),
    "chunked and a length": (OK_HEAD + b"Transfer-Encoding: chunked\r\n"
                             b"Content-Length: 99\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                             200, None, False),
    "body too short": (OK_HEAD + b"Content-Length: 9\r\n\r\nok", 200, None,
                       True),
    "chunk cut": (chunked(b"9\r\nok"), 200, None, True),
    "chunk size in letters": (chunked(b"zz\r\nok\r\n"), 200, None, True),
    "chunk size overflows": (chunked(b"fffffffffffffffff\r\nok\r\n"), 200,
                             None, True),
    "no last chunk": (chunked(b"2\r\nok\r\n"), 200, None, True),
    "one header of a MiB": (OK_HEAD + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n",
                            0, PROTOCOL, False),
    "10,000 headers": (OK_HEAD + b"".join(
        b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n", 0, PROTOCOL,
        False),
    "endless headers": (endless(OK_HEAD, b"X: " + b"y" * 997 + b"\r\n"), 0,
                        PROTOCOL, False),
    "endless 100": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), 0,
                    PROTOCOL, False),
    "103 then 200": (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + CLEAN,
                     200, None, False),
    "HTTP/0.9": (b"hello", 0, PROTOCOL, False),
    "binary garbage": (bytes(range(256)) * 4, 0, PROTOCOL, False),
    "TLS alert": (b"\x15\x03\x01\x00\x02\x02\x50", 0, PROTOCOL, False),
    "SSH banner": (b"SSH-2.0-OpenSSH_9.2p1 canary\r\n", 0, PROTOCOL, False),
    "status 999": (b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n", 999,
                   "status", False),
    "status 000": (b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n", 0, PROTOCOL,
                   False),
    "HTTP/9.9": (b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n", 0, PROTOCOL,
                 False),
    "NUL in a header": (OK_HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n", 0,
                        PROTOCOL, False),
    "folded header": (OK_HEAD + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
                      200, None, False),
    "bare LF": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, None, False),
    "gzip bomb": (OK_HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d"
                  b"\r\n\r\n" % len(BOMB) + BOMB, 200, None, False),
    "unasked transfer encoding": (OK_HEAD + b"Transfer-Encoding: gzip\r\n\r\n"
                                  + gzip.compress(b"ok"), 0, PROTOCOL, False),
    "204 with a body": (b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\nok", 204,
                        None, False),
    "413 and reset": (then_reset(b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n"
                                 b"\r\n"), 413, "status", False),
    "101 upgrade": (b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: Upgrade\r\n"
                    b"\r\n", 0, RESET, False),
    "two answers at once": (CLEAN + b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n"
                            b"\r\n", 200, None, False),
    "500 with cookies": (b"HTTP/1.1 500 X\r\n" + b"".join(
        b"Set-Cookie: a%d=b\r\n" % n for n in range(500))
        + b"Content-Length: 0\r\n\r\n", 500, "status", False),
    "2,000 lines of cookies": (b"HTTP/1.1 500 X\r\n" + b"".join(
        b"Set-Cookie: a%d=b\r\n" % n for n in range(2000)) + b"\r\n", 0,
        PROTOCOL, False),
    "half an answer and a reset at once": (
        lambda s, c: (c.sendall(OK_HEAD), reset(c))[1], 0, RESET, False),
    "200 then reset": (then_reset(OK_HEAD + b"Content-Length: 9\r\n\r\nok"),
                       200, None, True),
    "hostile bytes": (OK_HEAD + b"X: <b>\x1b[31m\r\nContent-Length: 39\r\n\r\n"
                      b"<script>alert(1)</script>\x1b[31m\xff\xfe\r\nX: y\r\n",
                      200, None, False),
}


def deliver(engine, url, **fields):
    hook = engine.create_hook(url, retrySchedule=["1h"], **fields)
    engine.post_event(payload={"text": "x" * 20_000})
    return hook


@pytest.mark.settings(request_timeout="1s", connect_timeout="1s", breaker_failures="0",
                      max_inflight_per_endpoint="128")
def test_every_row(engine, raw, receiver):
    check_every_row(engine, raw, receiver)


def check_every_row(engine, raw, receiver, most_s=TIMEOUT_S + 5,
                    most_bytes=256 * 1024):
    """All at once, beside a receiver that is well: each comes to its own end,
    none lasts longer than it may, and the good one never waits."""
    path_of = {name: f"/{n}" for n, name in enumerate(ROWS)}
    raw.plays = {path_of[name]: row[0] for name, row in ROWS.items()}
    hooks = {name: engine.create_hook(
        raw.url(path), f"/api/stacks/acme/p/s{path[1:]}/hooks",
        retrySchedule=["1h"]) for name, path in path_of.items()}
    engine.create_hook(receiver.url("/good"),
                       "/api/stacks/acme/p/good/hooks")
    before = memory_of(engine)
    engine.post_batch([{"kind": "order.created", "payload": {
        "projectName": "p", "stackName": f"s{n}", "text": "x" * 20_000}}
        for n in range(len(ROWS))])
    for _ in range(20):
        engine.post_event(payload={"projectName": "p", "stackName": "good"})
        time.sleep(0.05)
    good = receiver.wait(20)
    assert len(good) == 20
    faults = []
    for name, (_, code, error, truncated) in ROWS.items():
        row = engine.wait_deliveries(hooks[name], 1)[0]
        wanted = (code, error, truncated,
                  "retrying" if error else "delivered")
        got = (row["responseCode"], row["error"] and row["error"]["class"],
               row["responseTruncated"], row["state"])
        if got != wanted:
            faults.append(f"{name}: {got}, not {wanted}; {row['error']}")
        if row["timing"]["totalUs"] > most_s * 1e6:
            faults.append(f"{name}: {row['timing']['totalUs']} us")
        if "canary" in json.dumps(row["error"]):
            faults.append(f"{name}: its banner is told")
        if len(row["responseBody"]) > 3 * 65536:
            faults.append(f"{name}: {len(row['responseBody'])} bytes kept")
    assert not faults, "\n".join(faults)
    assert memory_of(engine) - before < len(ROWS) * most_bytes


def memory_of(engine):
    return sum(int(next(line.split()[1] for line in
                        read_proc(pid, "status").splitlines()
                        if line.startswith("RssAnon"))) * 1024
               for pid in engine.pids("sender"))


@pytest.mark.settings(request_timeout="12s")
def test_body_has_a_grace_of_5_s(engine, raw):
    raw.plays["/"] = ROWS["headers then stall"][0]
    hook = deliver(engine, raw.url("/"))
    row = engine.wait_deliveries(hook, 1)[0]
    assert row["state"] == "delivered" and row["responseTruncated"]
    assert 4.9e6 < row["timing"]["totalUs"] < 11e6


@pytest.mark.parametrize("play", ["accept", "accept-reset", "never reads"])
def test_before_the_request_is_read(engine, play):
    """Closed or reset on accept; or nothing is read, so that a large body
    stalls."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    kept = []

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if play == "never reads":
                kept.append(connection)
            elif play == "accept-reset":
                reset(connection)
            else:
                connection.close()

    threading.Thread(target=accept, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    hook = engine.create_hook(url, retrySchedule=["1h"], timeout="1s")
    engine.post_event(payload={"n": ["y" * 50_000] * 4})
    row = engine.wait_deliveries(hook, 1)[0]
    # A reset may come before the connection counts as made.
    wanted = {"accept": ["reset"], "accept-reset": ["reset", "connect"],
              "never reads": ["timeout"]}[play]
    assert row["error"]["class"] in wanted and row["responseCode"] == 0
    assert row["timing"]["totalUs"] < 10e6
    listener.close()


@pytest.mark.parametrize("target", [
    "http://169.254.169.254/latest", "file:///etc/passwd", None])
def test_redirects_are_not_followed(engine, raw, target):
    raw.plays["/"] = (b"HTTP/1.1 302 Found\r\nLocation: "
                      + (target or raw.url("/")).encode()
                      + b"\r\nContent-Length: 0\r\n\r\n")
    hook = deliver(engine, raw.url("/"))
    row = engine.wait_deliveries(hook, 1)[0]
    assert row["responseCode"] == 302 and row["error"]["class"] == "status"
    time.sleep(0.2)
    assert raw.requests == ["/"]


@pytest.mark.parametrize("value, least_s, most_s", [
    ("-1", 3600 * 0.8, 3600 * 1.2),
    ("99999999999999999999", 24 * 3600, 24 * 3600),
    ("Fri, 01 Jan 2100 00:00:00 GMT", 24 * 3600, 24 * 3600),
    ("7200", 7200, 7200),
])
@pytest.mark.parametrize("status", [429, 503])
def test_wishes_for_later(engine, receiver, status, value, least_s, most_s):
    receiver.script("/", Answer(status, headers={"Retry-After": value}))
    hook = deliver(engine, receiver.url())
    row = engine.wait_deliveries(hook, 1)[0]
    wait_s = row["nextAttemptAt"] / 1000 - time.time()
    assert least_s - 5 < wait_s < most_s + 5


# --- connections ---

def test_kept_connection_that_was_closed_costs_no_attempt(engine, raw):
    """It is closed just as the next request comes: one fresh connection, no
    second copy of the request."""
    turns = itertools.count()

    def play(server, connection):
        if next(turns) == 1:
            reset(connection)  # the request is read, nothing answered
            return False
        connection.sendall(CLEAN)
        return True

    raw.plays["/"] = play
    hook = engine.create_hook(raw.url("/"), maxInFlight=1)
    engine.post_event()
    engine.wait_deliveries(hook, 1)
    engine.post_event()
    rows = engine.wait_deliveries(hook, 2)
    assert [r["state"] for r in rows] == ["delivered"] * 2
    assert [r["attempt"] for r in rows] == [1, 1]
    assert len(raw.requests) == 3 and raw.connections == 2


def test_kept_connection_that_dies_in_its_answer_is_a_failure(engine, raw):
    """A line was answered: what was done with the request is not known."""
    turns = itertools.count()

    def play(server, connection):
        if next(turns) == 1:
            connection.sendall(OK_HEAD)
            server.over.wait(0.1)
            reset(connection)
            return False
        connection.sendall(CLEAN)
        return True

    raw.plays["/"] = play
    hook = engine.create_hook(raw.url("/"), maxInFlight=1,
                              retrySchedule=["50ms"])
    engine.post_event()
    engine.wait_deliveries(hook, 1)
    engine.post_event()
    rows = engine.wait_deliveries(hook, 3)
    assert [r["state"] for r in rows] == ["delivered", "retrying", "delivered"]
    assert rows[1]["error"]["class"] in ("reset", "protocol")
    assert len(raw.requests) == 3


@pytest.mark.parametrize("name", ["two lengths", "chunked and a length",
                                  "two answers at once", "204 with a body"])
def test_doubtful_connections_are_not_used_again(engine, raw, name):
    """What follows such an answer is never taken for the next one."""
    data = ROWS[name][0]
    if name == "two lengths":
        data = data.replace(b"abc", CLEAN + b"c")

    def play(server, connection):
        connection.sendall(data)
        server.over.wait()

    raw.plays["/"] = play
    hook = engine.create_hook(raw.url("/"), maxInFlight=1)
    for n in range(1, 4):
        engine.post_event()
        rows = engine.wait_deliveries(hook, n)
        assert rows[0]["state"] == "delivered"
    assert raw.connections == 3


def test_early_answer_is_an_answer(engine, raw):
    """200 before the body is read."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        connection, _ = listener.accept()
        connection.recv(100)
        connection.sendall(CLEAN)
        while connection.recv(65536):
            pass

    threading.Thread(target=accept, daemon=True).start()
    hook = deliver(engine, f"http://127.0.0.1:{listener.getsockname()[1]}/")
    assert engine.wait_deliveries(hook, 1)[0]["state"] == "delivered"
    listener.close()


@pytest.mark.parametrize("delay, state", [(0.8, "delivered"),
                                          (1.3, "retrying")])
def test_just_in_time_and_just_too_late(engine, receiver, delay, state):
    receiver.script("/", Answer(200, delay=delay))
    hook = deliver(engine, receiver.url(), timeout="1s")
    assert engine.wait_deliveries(hook, 1)[0]["state"] == state


@pytest.mark.shared(books=True)
def test_one_connection_at_a_time(engine):
    """A receiver that takes the next only after the last is gone."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1)

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                data = b""
                while b"}" not in data:
                    data += connection.recv(65536)
                connection.sendall(OK_HEAD + b"Content-Length: 0\r\n"
                                   b"Connection: close\r\n\r\n")

    threading.Thread(target=accept, daemon=True).start()
    engine.create_hook(f"http://127.0.0.1:{listener.getsockname()[1]}/",
                       retrySchedule=["200ms"] * 20, timeout="2s")
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(40)])
    assert engine.wait_settled(60)["delivered"] == 40
    listener.close()


@pytest.mark.shared(books=True)
def test_slower_each_time_and_flapping(engine, receiver):
    slower = [Answer(200, delay=0.01 * 2 ** n) for n in range(8)]
    receiver.script("/slower", *slower, Answer(200))
    receiver.script("/flapping", *[Answer(s) for s in (200, 500) * 20],
                    Answer(200))
    engine.create_hook(receiver.url("/slower"))
    engine.create_hook(receiver.url("/flapping"), retrySchedule=["20ms"] * 9)
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(60)])
    assert engine.wait_settled(60)["delivered"] == 120


# --- names ---

def test_black_holes_before_a_good_address(engine, receiver):
    """`localhost` is ::1, where nobody listens, and 127.0.0.1."""
    hook = deliver(engine, f"http://localhost:{receiver.port}/")
    row = engine.wait_deliveries(hook, 1)[0]
    assert row["state"] == "delivered", row


# --- TLS ---

def test_handshake_that_drips(engine):
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        connection, _ = listener.accept()
        for byte in b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" * 100:
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                return
            time.sleep(0.05)

    threading.Thread(target=accept, daemon=True).start()
    hook = deliver(engine, f"https://127.0.0.1:{listener.getsockname()[1]}/",
                   timeout="1s")
    row = engine.wait_deliveries(hook, 1)[0]
    assert row["error"]["class"] == "timeout"
    assert row["timing"]["totalUs"] < 10e6
    listener.close()


def test_http2_is_not_offered_if_it_is_switched_off(make_engine, tmp_path):
    """A server that would rather speak it speaks HTTP/1.1 with us: what only
    HTTP/2 can send, nobody has to withstand then."""
    certificates = Certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain, certificates.key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    listener = socket.create_server(("127.0.0.1", 0))
    chosen = []

    def accept():
        connection, _ = listener.accept()
        connection = context.wrap_socket(connection, server_side=True)
        chosen.append(connection.selected_alpn_protocol())
        connection.recv(65536)
        connection.sendall(CLEAN)
        time.sleep(0.5)

    threading.Thread(target=accept, daemon=True).start()
    engine = make_engine(ca_file=str(certificates.ca), http2="off").start()
    hook = deliver(engine, f"https://127.0.0.1:{listener.getsockname()[1]}/")
    assert engine.wait_deliveries(hook, 1)[0]["state"] == "delivered"
    assert chosen == ["http/1.1"]
    listener.close()


# --- ours ---

def test_want_of_descriptors_is_no_attempt(make_engine, receiver):
    """More connections than a process may have: what finds none waits, and the
    receiver is not to blame."""
    engine = make_engine(max_inflight_per_hook="200", senders="1")
    command = engine.command()
    engine.command = lambda: ["prlimit", "--nofile=48:48", *command]
    engine.start()
    receiver.script("/", Answer(200, delay=0.3))
    hook = engine.create_hook(receiver.url())
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(400)])
    wait_for(lambda: "could not be made" in engine.log(), "one was put off", 20)
    assert engine.wait_settled(60)["delivered"] == 400
    for cursor in ("", "?state=retrying", "?state=dead"):
        assert {r["attempt"] for r in engine.deliveries(hook, cursor)} <= {1}
