# SPDX-License-Identifier: MIT
"""Long answers: made while their clients read, counted, and never in the way of
others."""

import http.client
import json
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine import read_proc
from support import PATIENCE_S, compact, wait_for

MIB = 1 << 20
ACME = "/api/orgs/acme/hooks"
URL = "http://127.0.0.1:1029/"
# Of one hook, 62 KiB: few of them make a long list.
HEADERS = {f"X-Note-{i}": "n" * 3900 for i in range(16)}
# An organization may hold 512 KiB, all but the admin 1.75 MiB; a long answer
# counts as 128 KiB at least.
TIGHT = {"max_buffered_bytes": "2MiB", "max_batch_bytes": "512KiB"}


def fill(engine, count, org="acme", **fields):
    """Makes hooks n00000, n00001, … over one connection; returns their names."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.api_port,
                                            timeout=30)
    names = [f"n{i:05}" for i in range(count)]
    for name in names:
        connection.request("POST", f"/api/orgs/{org}/hooks", compact({
            "organizationName": org, "name": name, "displayName": name,
            "payloadUrl": URL, "active": True, **fields}),
            {"Authorization": f"token {engine.token}",
             "Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 201, response.read()
        response.read()
    connection.close()
    return names


def token_of(engine, org):
    reply = engine.api("POST", f"/api/orgs/{org}/tokens",
                       {"scopes": ["ingest", "read", "write"]})
    assert reply.status == 201, reply
    return reply.json()["token"]


class Client:
    """A raw client with a small window, which reads when it is told to."""

    def __init__(self, engine, path, token=None, method="GET", version="1.1",
                 times=1):
        self.was_reset = False
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", engine.api_port))
        self.socket.sendall(
            f"{method} {path} HTTP/{version}\r\nHost: localhost\r\n"
            f"Authorization: token {token or engine.token}\r\n\r\n"
            .encode() * times)

    def status(self):
        """Reads the first line only."""
        line = b""
        while not line.endswith(b"\r\n"):
            line += self.socket.recv(1)
        return int(line.split()[1])

    def response(self):
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        return response

    def rest(self):
        """Reads to the end of the connection."""
        parts = []
        while part := self.socket.recv(1 << 20):
            parts.append(part)
        return b"".join(parts)

    def read_if_open(self, count):
        """Reads so many bytes at most, and notes in was_reset that the server closed."""
        try:
            self.socket.recv(count)
        except ConnectionResetError:
            self.was_reset = True

    def is_closed(self):
        """By the server, with a reset. Reads nothing."""
        return self.socket.getsockopt(socket.SOL_SOCKET,
                                      socket.SO_ERROR) != 0

    def close(self):
        self.socket.close()


def figure(engine, name, role="api"):
    found = engine.metrics()[name]
    return sum(v for labels, v in found.items() if f'role="{role}' in labels)


def output(engine):
    return figure(engine, "posthorn_http_output_bytes")


def wait_output(engine, condition, what, seconds=20):
    return wait_for(lambda: condition(output(engine)), what, seconds)


def resident(engine):
    (pid,) = engine.pids("api")
    return int(read_proc(pid, "statm").split()[1]) * 4096


def read_chunks(stream):
    body = b""
    while n_bytes := int(stream.readline(), 16):
        body += stream.read(n_bytes)
        assert stream.readline() == b"\r\n"
    assert stream.readline() == b"\r\n"
    return body


def names_of(body):
    return [hook["name"] for hook in json.loads(body)]


def test_unread_lists_hold_little(engine):
    names = fill(engine, 100, headers=HEADERS)
    whole = engine.api("GET", ACME)
    assert names_of(whole.body) == names and len(whole.body) > 5 * MIB
    before = resident(engine)
    clients = [Client(engine, ACME) for _ in range(45)]
    wait_output(engine, lambda n: n >= 45 * 128 * 1024, "all lists are begun")
    # 45 lists are 280 MiB.
    assert output(engine) < 45 * MIB / 2
    assert resident(engine) - before < 90 * MIB
    # Others get what they ask for meanwhile.
    assert engine.api("GET", ACME).body == whole.body
    assert engine.api("GET", f"{ACME}/n00007").json()["name"] == "n00007"
    # Those that read after all get all of it.
    assert clients[0].response().read() == whole.body
    for client in clients:
        client.close()
    wait_output(engine, lambda n: n == 0, "what was held is free")


@pytest.mark.settings(**TIGHT)
def test_one_organization_leaves_room_for_others(engine):
    tokens = {}
    for org in ("acme", "beta", "gamma", "delta", "omega"):
        fill(engine, 5, org, headers=HEADERS)
        tokens[org] = token_of(engine, org)

    def unread(org, count):
        path = f"/api/orgs/{org}/hooks"
        return [Client(engine, path, tokens[org]) for _ in range(count)]

    def status(org, path="", token=None):
        return engine.api("GET", f"/api/orgs/{org}/hooks{path}",
                          token=token or tokens[org])

    clients = unread("acme", 4)
    wait_output(engine, lambda n: n >= 4 * 128 * 1024, "four are begun")
    refused = status("acme")
    assert refused.status == 503, refused
    assert int(refused.headers["retry-after"]) > 0
    assert "read slowly" in refused.json()["message"]
    assert status("beta").status == 200
    assert status("acme", "/n00001/stats").status == 200  # it is small
    assert status("acme", token=engine.token).status == 200
    # All organizations together leave something to the admin, and to probes.
    clients += unread("beta", 4) + unread("gamma", 4) + unread("delta", 2)
    wait_output(engine, lambda n: n >= 14 * 128 * 1024, "all are begun")
    assert status("omega").status == 503
    assert status("omega", "/n00001/stats").status == 200
    assert status("acme", token=engine.token).status == 200
    for path in ("/healthz", "/readyz", "/metrics"):
        assert engine.api("GET", path, token=None).status == 200
    for client in clients:
        client.close()
    wait_output(engine, lambda n: n == 0, "what was held is free")
    assert status("acme").status == 200


@pytest.mark.settings(**TIGHT)
def test_the_document_without_a_token_has_a_share_only(engine):
    fill(engine, 3, headers=HEADERS)
    clients = [Client(engine, "/api/openapi.json", "x" * 20)
               for _ in range(30)]
    wait_output(engine, lambda n: n >= 4 * 128 * 1024, "some are begun")
    assert output(engine) <= MIB / 2
    assert engine.api("GET", ACME, token=token_of(engine, "acme")).status == 200
    for client in clients:
        client.close()
    wait_output(engine, lambda n: n == 0, "what was held is free")
    document = engine.api("GET", "/api/openapi.json", token=None)
    assert document.status == 200 and document.json()["openapi"]


def test_unread_pages_of_deliveries_hold_little(engine, receiver):
    hook = engine.create_hook(receiver.url("/"))
    events = [{"kind": "order.created",
               "payload": {"n": i, "text": ["x" * 30000] * 2}}
              for i in range(100)]
    ids = engine.post_batch(events[:50]) + engine.post_batch(events[50:])
    engine.wait_deliveries(hook, 100, seconds=60)
    whole = engine.api("GET", f"{hook}/deliveries")
    assert len(whole.body) > 5 * MIB
    assert {row["id"] for row in whole.json()} == set(ids)
    clients = [Client(engine, f"{hook}/deliveries") for _ in range(75)]
    clients += [Client(engine, "/api/orgs/acme/deliveries")
                for _ in range(75)]
    wait_output(engine, lambda n: n >= 150 * 128 * 1024, "all are begun")
    assert output(engine) < 60 * MIB  # of 900
    assert clients[0].response().read() == whole.body
    for client in clients:
        client.close()
    wait_output(engine, lambda n: n == 0, "what was held is free")


def test_pages_of_deliveries_go_on_where_they_ended(engine, receiver):
    hook = engine.create_hook(receiver.url("/"))
    ids = engine.post_batch([
        {"kind": "order.created", "payload": {"n": i, "text": "x" * 9000}}
        for i in range(60)])
    engine.wait_deliveries(hook, 60, seconds=60)
    for path in (f"{hook}/deliveries", "/api/orgs/acme/deliveries"):
        seen, next_path = [], f"{path}?limit=25"
        while next_path:
            reply = engine.api("GET", next_path)
            assert reply.status == 200
            rows = reply.json()
            assert len(rows) <= 25
            assert all(len(row["payload"]) > 9000 for row in rows)
            seen += [row["id"] for row in rows]
            token = reply.headers.get("x-continuation-token")
            next_path = token and f"{path}?limit=25&continuationToken={token}"
        assert len(seen) == 60 and set(seen) == set(ids)


def test_long_pages_of_hooks_have_each_hook_once(engine):
    names = fill(engine, 25, headers=HEADERS)
    reply = engine.api("GET", f"{ACME}?limit=10")
    assert names_of(reply.body) == names[:10]
    token = reply.headers["x-continuation-token"]
    # Hooks that come while a page is being read move no page.
    client = Client(engine, f"{ACME}?limit=10&continuationToken={token}")
    assert client.status() == 200
    fields = {"organizationName": "acme", "displayName": "new",
              "payloadUrl": URL, "active": True}
    assert engine.api("POST", ACME, {**fields, "name": "n00018a"}).status == 201
    assert engine.api("DELETE", f"{ACME}/n00019").status == 204
    text = client.socket.recv(1 << 16)
    while b"0\r\n\r\n" not in text[-5:]:
        text += client.socket.recv(1 << 16)
    head = text.split(b"\r\n\r\n")[0].decode().lower()
    assert "x-continuation-token: " in head
    seen = [n for n in names + ["n00018a"] if f'"name":"{n}"'.encode() in text]
    assert seen in (names[10:20], names[10:19])
    assert all(text.count(f'"name":"{n}"'.encode()) == 1 for n in seen)


def test_hooks_that_stay_are_in_a_list_once(engine):
    names = fill(engine, 60, headers=HEADERS)
    client = Client(engine, ACME)
    # What comes and goes in front of the reader, and behind.
    fields = {"organizationName": "acme", "displayName": "new",
              "payloadUrl": URL, "active": True}
    for i in range(0, 60, 2):
        assert engine.api("DELETE", f"{ACME}/n{i:05}").status == 204
        assert engine.api("POST", ACME,
                          {**fields, "name": f"n{i:05}a"}).status == 201
        if i == 30:
            response = client.response()
            assert response.status == 200
            part = response.read(MIB)
    seen = names_of(part + response.read())
    assert len(seen) == len(set(seen)) and seen == sorted(seen)
    assert set(names[1::2]) <= set(seen)


@pytest.mark.slow
def test_lists_of_tokens_and_replays_have_each_once(engine, receiver):
    def token(i):
        return engine.api("POST", "/api/orgs/acme/tokens", {
            "scopes": ["read"], "name": f"{i:03}" * 30}).json()["id"]

    with ThreadPoolExecutor(8) as several:
        made = set(several.map(token, range(400)))
    reply = engine.api("GET", "/api/orgs/acme/tokens")
    assert len(reply.body) > 70_000 and "content-length" not in reply.headers
    assert sorted(token["id"] for token in reply.json()) == sorted(made)
    hook, other = (engine.create_hook(receiver.url("/"), name=letter * 32)
                   for letter in "ab")
    engine.post_event()
    for path in (hook, other):
        engine.wait_deliveries(path, 1)

    def replay(path):
        reply = wait_for(
            lambda: (lambda r: r.status == 202 and r)(engine.api(
                "POST", f"{path}/replay", {"state": "delivered"})),
            "a replay is taken")
        return reply.json()["replayId"]

    paths = [hook if i % 4 else other for i in range(290)]
    with ThreadPoolExecutor(8) as several:
        ids = list(several.map(replay, paths))
    made = {path: [i for i, of in zip(ids, paths) if of == path]
            for path in (hook, other)}
    for path, ids in made.items():
        rows = engine.api("GET", f"{path}/replays").json()
        assert sorted(r["replay"]["replayId"] for r in rows) == sorted(ids)
    reply = engine.api("GET", "/api/orgs/acme/replays")
    assert "content-length" not in reply.headers
    assert sorted(r["replay"]["replayId"] for r in reply.json()) == \
        sorted(made[hook] + made[other])


def test_a_tail_that_is_not_read_holds_little_and_misses_nothing(
        engine, receiver):
    engine.create_hook(receiver.url("/"))
    client = Client(engine, "/api/orgs/acme/tail")
    assert client.status() == 200
    ids = []
    for _ in range(6):
        ids += engine.post_batch([{"kind": "order.created",
                                   "payload": {"n": n}} for n in range(500)])
    engine.wait_settled(60)
    time.sleep(1.5)  # the figure is of the last second
    assert output(engine) < 4 * 64 * 1024
    seen, stream = set(), client.socket.makefile("rb")
    while len(seen) < len(ids):
        line = stream.readline()
        assert line, "the tail ended"
        if line.startswith(b"data:"):
            row = json.loads(line[5:])
            assert row["id"] not in seen
            seen.add(row["id"])
    assert seen == set(ids)
    client.close()


def test_http_1_0_head_and_keep_alive(engine):
    names = fill(engine, 10, headers=HEADERS)
    whole = engine.api("GET", ACME).body
    assert names_of(whole) == names
    old = Client(engine, ACME, version="1.0").rest()
    head, body = old.split(b"\r\n\r\n", 1)
    assert body == whole
    assert b"transfer-encoding" not in head.lower()
    assert b"content-length" not in head.lower()
    # One connection: a HEAD without a body, then lists, then a short answer.
    connection = http.client.HTTPConnection("127.0.0.1", engine.api_port,
                                            timeout=30)
    for method, path in (("HEAD", ACME), ("GET", ACME), ("HEAD", ACME),
                         ("GET", ACME), ("GET", f"{ACME}?limit=2"),
                         ("GET", "/api/capabilities")):
        connection.request(method, path,
                           headers={"Authorization": f"token {engine.token}"})
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200
        assert body == b"" if method == "HEAD" else json.loads(body)
        if path == ACME:
            assert response.getheader("transfer-encoding") == "chunked"
            assert response.getheader("content-type") == "application/json"
            assert method == "HEAD" or body == whole
    connection.close()


def test_a_short_list_says_its_length(engine):
    fill(engine, 3)
    reply = engine.api("GET", ACME)
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert "transfer-encoding" not in reply.headers


def test_pipelined_requests_wait_until_answers_are_read(engine):
    fill(engine, 4, headers=HEADERS)
    whole = engine.api("GET", ACME).body
    count = 300
    client = Client(engine, ACME, times=count)
    wait_output(engine, lambda n: n > 0, "the first is begun")
    time.sleep(1.2)  # the figures are of the last second
    before = figure(engine, "posthorn_http_requests_total")
    time.sleep(1.2)
    # No more of them meanwhile, but for the two that asked for figures.
    assert figure(engine, "posthorn_http_requests_total") - before <= 2
    assert output(engine) < MIB
    stream = client.socket.makefile("rb")
    for _ in range(count):
        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
        while stream.readline() != b"\r\n":
            pass
        assert read_chunks(stream) == whole
    client.close()


def test_pipelined_requests_do_not_hold_others(engine):
    fill(engine, 200)
    client = Client(engine, f"{ACME}?limit=1000", times=150)

    def read():
        try:
            client.rest()
        except OSError:
            pass  # it is shut below

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for _ in range(20):
        assert engine.api("GET", "/healthz", token=None).status == 200
    client.socket.shutdown(socket.SHUT_RDWR)
    reader.join(10)
    client.close()


def test_clients_that_go_free_what_was_held(engine):
    fill(engine, 30, headers=HEADERS)
    closes, resets, half = clients = [Client(engine, ACME) for _ in range(3)]
    assert all(client.status() == 200 for client in clients)
    wait_output(engine, lambda n: n >= 3 * 128 * 1024, "all are begun")
    closes.close()
    resets.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
    resets.close()
    wait_output(engine, lambda n: 0 < n < 2 * 128 * 1024, "two are free")
    half.socket.shutdown(socket.SHUT_WR)  # it has said all, and still reads
    assert half.rest().endswith(b"]\r\n0\r\n\r\n")
    half.close()
    wait_output(engine, lambda n: n == 0, "all is free")


@pytest.mark.settings(**TIGHT)
def test_an_unread_answer_of_intake_counts(engine):
    token = token_of(engine, "acme")
    body = b'{"kind":"a.b","payload":{}}\n' * 10000  # its ids are 380 KiB

    def post():
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", engine.ingest_port))
        client.sendall((f"POST /api/orgs/acme/events HTTP/1.1\r\n"
                        f"Host: x\r\nAuthorization: token {token}\r\n"
                        f"Content-Type: application/x-ndjson\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n").encode())
        client.sendall(body)
        return client

    first = post()
    wait_for(lambda: figure(engine, "posthorn_http_output_bytes", "ingest")
             > MIB / 8, "an answer is held")
    refused = engine.intake(body, content_type="application/x-ndjson",
                            token=token)
    assert refused.status == 503 and refused.headers["retry-after"]
    assert engine.post_event("a.b", token=token)  # an event is small
    first.close()
    wait_for(lambda: figure(engine, "posthorn_http_buffered_bytes",
                            "ingest") == 0, "what was held is free")
    accepted = engine.intake(body, content_type="application/x-ndjson",
                             token=token)
    assert accepted.status == 202 and accepted.json()["accepted"] == 10000
    # What was refused was not stored.
    wait_for(lambda: figure(engine, "posthorn_events_accepted_total", "ingest")
             == 20001, "all others are")


@pytest.mark.slow
def test_a_reader_that_stopped_does_not_hold_a_drain(engine):
    fill(engine, 30, headers=HEADERS)
    client = Client(engine, ACME)
    assert client.status() == 200
    wait_output(engine, lambda n: n > 0, "it is begun")
    assert engine.stop() == 0
    # What it got does not look like a whole list.
    try:
        assert not client.rest().endswith(b"0\r\n\r\n")
    except ConnectionResetError:
        pass


@pytest.mark.slow
def test_slow_readers_are_closed_and_steady_ones_are_not(engine):
    fill(engine, 20, headers=HEADERS)
    whole = engine.api("GET", ACME).body
    assert len(whole) > MIB
    still = [Client(engine, ACME) for _ in range(3)]
    trickle = Client(engine, ACME)
    steady = Client(engine, ACME)
    wait_output(engine, lambda n: n >= 5 * 128 * 1024, "all are begun")
    response = steady.response()
    body, end = b"", time.monotonic() + PATIENCE_S
    while output(engine) >= 2 * 128 * 1024:
        assert time.monotonic() < end, "the others are not closed"
        time.sleep(0.25)
        body += response.read(8192)  # 32 KiB/s: the floor is 1 KiB/s
        trickle.read_if_open(32)
    assert trickle.was_reset or trickle.is_closed()
    assert all(client.is_closed() for client in still)
    assert body + response.read() == whole
    wait_output(engine, lambda n: n == 0, "what was held is free")


def test_a_client_that_resets_before_the_first_byte_is_no_fault(engine):
    """The document is long, so it is made in pieces, and anybody may ask for it."""
    request = (b"GET /api/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    for _ in range(200):
        client = socket.create_connection(("127.0.0.1", engine.api_port), 10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
        client.sendall(request)
        client.close()
    wait_for(lambda: output(engine) < 200_000,
             "nothing is held for them", 20)
    assert sum(engine.metrics()["posthorn_role_restarts_total"].values()) == 0
