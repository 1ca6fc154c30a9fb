# SPDX-License-Identifier: MIT
"""Receivers that hang, and very many of them: what it costs the others."""

import asyncio
import http.client
import os
import socket
import threading
import time

import pytest

from engine import compact
from receiver import Answer


class Crowd:
    """One listener on every address of 127.0.0.0/8: as many endpoints as one
    likes. Counts connections and requests by address."""

    def __init__(self):
        self.requests = {}
        self.n_open = self.most_open = 0
        self.ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self.serve()),
                         daemon=True).start()
        self.ready.wait(5)

    async def serve(self):
        server = await asyncio.start_server(self.talk, "0.0.0.0", 0,
                                            backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await server.serve_forever()

    async def talk(self, reader, writer):
        address = writer.get_extra_info("sockname")[0]
        self.n_open += 1
        self.most_open = max(self.most_open, self.n_open)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(int(line.split(b":")[1])
                              for line in head.lower().split(b"\r\n")
                              if line.startswith(b"content-length"))
                await reader.readexactly(length)
                self.requests[address] = self.requests.get(address, 0) + 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.n_open -= 1
            writer.close()


def create_many(engine, urls):
    connection = http.client.HTTPConnection("127.0.0.1", engine.api_port)
    for url in urls:
        connection.request("POST", "/api/orgs/acme/hooks", compact({
            "organizationName": "acme", "displayName": "x", "active": True,
            "payloadUrl": url}), {"Content-Type": "application/json",
                                  "Authorization": f"token {engine.token}"})
        reply = connection.getresponse()
        reply.read()
        assert reply.status == 201
    connection.close()


@pytest.mark.slow
def test_very_many_endpoints_within_the_file_limit(make_engine, request):
    """Each has a connection of its own; a process may have 400."""
    count = 10_000 if request.config.getoption("--long") else 1500
    crowd = Crowd()
    engine = make_engine(max_inflight="100")
    command = engine.command()
    engine.command = lambda: ["prlimit", "--nofile=400:400", *command]
    engine.start()
    create_many(engine, (f"http://127.{1 + n // 65025}.{n // 255 % 255}."
                         f"{1 + n % 254}:{crowd.port}/{n}"
                         for n in range(count)))
    engine.settle_hooks()
    for _ in range(3):
        engine.post_event()
    books = engine.wait_settled(120)
    assert books["delivered"] == 3 * count and books["dead"] == 0
    assert sum(crowd.requests.values()) == 3 * count
    assert len(crowd.requests) > count * 0.9
    assert "could not be made" not in engine.log()
    for pid in engine.pids("sender"):
        assert len(os.listdir(f"/proc/{pid}/fd")) < 400


@pytest.mark.settings(request_timeout="5m", max_inflight="32")
def test_hooks_that_hang_do_not_hold_up_the_others(engine, receiver):
    """Nine of ten hang, and there are far more of them than places."""
    receiver.script("/hang", Answer(do="hang"))
    for n in range(90):
        engine.create_hook(receiver.url("/hang"),
                           f"/api/stacks/acme/bad/s{n}/hooks") \
            if n == 0 else create_stack_hook(engine, receiver, n)
    engine.create_hook(receiver.url("/good"))
    events = [{"kind": "order.created", "payload": {
        "projectName": "bad", "stackName": f"s{n % 90}"}} for n in range(900)]
    engine.post_batch(events)
    time.sleep(0.3)
    for _ in range(5):
        engine.post_batch([{"kind": "a.b", "payload": {}}] * 20)
    receiver.wait(1000, "/good")  # before any of them timed out
    engine.check_exit = False
    engine.kill9()


def create_stack_hook(engine, receiver, n):
    reply = engine.api("POST", f"/api/stacks/acme/bad/s{n}/hooks", {
        "organizationName": "acme", "projectName": "bad", "stackName": f"s{n}",
        "displayName": "x", "payloadUrl": receiver.url("/hang"),
        "active": True})
    assert reply.status == 201, reply


@pytest.mark.settings(breaker_failures="3", breaker_wait="300ms",
                      breaker_wait_max="300ms", retry_schedule="10ms,1h")
def test_breaker_spares_what_waits(engine):
    """While nothing listens, attempts are few; once somebody does, all that
    waited is delivered, and not all at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    hook = engine.create_hook(f"http://127.0.0.1:{port}/")
    began = time.monotonic()
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(200)])
    engine.wait_deliveries(hook, 3)
    time.sleep(1.5)
    attempts = engine.deliveries(hook, "?limit=1000")
    # A burst, then one each 300 ms.
    assert len(attempts) <= 15 + (time.monotonic() - began) / 0.3
    status = engine.api("GET", f"{hook}/status").json()
    assert status["state"] in ("open", "probing")
    assert all(r["attempt"] <= 2 for r in attempts)
