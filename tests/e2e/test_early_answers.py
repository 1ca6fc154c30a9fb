# SPDX-License-Identifier: MIT
"""Receivers that answer before they have read the request, and close: what they
answered counts, and they are not asked again."""

import json
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from support import event_of, wait_for

LAZY = Path(__file__).with_name("lazy_receiver.py")
NO_ANSWER = "dns,connect,tls,timeout,reset,protocol"
ANSWERS = {"python": 200, "node": 200, "413": 413, "429": 429}
GONE = "410"  # ends its hook, so each request needs one of its own
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Lazy:
    """A process of lazy_receiver.py."""

    def __init__(self, certificates=None):
        files = ([certificates.chain, certificates.key] if certificates
                 else [])
        self.process = subprocess.Popen(
            [sys.executable, LAZY, *map(str, files)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        port = int(self.process.stdout.readline())
        scheme = "https" if certificates else "http"
        self.base = f"{scheme}://127.0.0.1:{port}"
        self.trust = ssl.create_default_context(
            cafile=certificates.ca) if certificates else None

    def url(self, path):
        return f"{self.base}/{path}"

    def count(self, prefix):
        """The requests of all paths that begin so."""
        with urllib.request.urlopen(self.base, context=self.trust) as answer:
            counts = json.load(answer)
        return sum(n for path, n in counts.items()
                   if path.startswith(f"/{prefix}"))

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)


@pytest.fixture
def lazies(certificates):
    both = [Lazy(), Lazy(certificates)]
    yield both
    for lazy in both:
        lazy.stop()


@pytest.fixture
def engine(make_engine, certificates):
    return make_engine(ca_file=str(certificates.ca), retry_schedule="1h",
                       breaker_failures="0").start()


def n_attempts(engine):
    return sum(engine.metrics().get("posthorn_attempts_total", {}).values())


def wait_attempts(engine, count, seconds=120):
    wait_for(lambda: n_attempts(engine) == count,
             f"{count} attempts have ended", seconds)


def make_hook(engine, url, path):
    """One of many: nobody waits until it counts."""
    settle, engine.settle_hooks = engine.settle_hooks, lambda: None
    try:
        return engine.create_hook(url, path)
    finally:
        engine.settle_hooks = settle


def n_lost(engine, hooks):
    """Attempts of these hooks that are said to have had no answer."""
    return sum(len(engine.deliveries(hook, f"?error={NO_ANSWER}&limit=1000"))
               for hook in hooks)


def n_lost_by_curl(certificates, url, body, count):
    done = subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}\n", "-H",
         "Expect:", "-H", "Content-Type: application/json", "--cacert",
         certificates.ca, "--data-binary", f"@{body}", f"{url}/curl/[1-{count}]"],
        capture_output=True, text=True, timeout=300)
    codes = done.stdout.split()
    assert len(codes) == count, done
    return codes.count("000")


def pick(request, few, many):
    return many if request.config.getoption("--long") else few


def sizes(metafunc):
    return [500, 100_000] if not metafunc.config.getoption("--long") else [
        500, 20_000, 100_000, 250_000]


def pytest_generate_tests(metafunc):
    if "n_bytes" in metafunc.fixturenames:
        metafunc.parametrize("n_bytes", sizes(metafunc))


def test_answers_before_the_body_is_read_count(
        request, engine, lazies, certificates, tmp_path, n_bytes):
    """Of as many requests, posthorn loses no more answers than curl does, but
    for one in a hundred; and each is sent once."""
    count = pick(request, 40 if n_bytes > 500 else 15, 200)
    body = tmp_path / "body"
    body.write_bytes(event_of(n_bytes))
    hooks = {(lazy, kind): [make_hook(
        engine, lazy.url(f"{kind}/hook"),
        f"/api/stacks/acme/lazy/{kind}/hooks")]
        for lazy in lazies for kind in ANSWERS}
    engine.settle_hooks()
    for kind in ANSWERS:
        event = json.loads(body.read_bytes())
        event["payload"] |= {"projectName": "lazy", "stackName": kind}
        for _ in range(count):
            engine.post_event(**event)
    wait_attempts(engine, count * len(hooks))
    for lazy in lazies:
        hooks[lazy, GONE] = [make_hook(engine, lazy.url(f"{GONE}/hook/{n}"),
                                       "/api/orgs/gone/hooks")
                             for n in range(count)]
    engine.settle_hooks()
    engine.post_event(**json.loads(body.read_bytes()), org="gone")
    wait_attempts(engine, count * len(hooks))

    faults = []
    for (lazy, kind), of_kind in hooks.items():
        lost = n_lost(engine, of_kind)
        asked = lazy.count(f"{kind}/hook")
        by_curl = n_lost_by_curl(certificates, lazy.url(kind), body, count)
        if lost > by_curl + max(1, count // 100) or asked != count:
            faults.append(f"{lazy.url(kind)}: {lost} lost (curl: {by_curl}), "
                          f"{asked} requests for {count} deliveries")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("n_kilobytes", [1, 100, 250])
def test_missing_client_certificate_is_a_fault_of_tls(
        engine, certificates, n_kilobytes):
    """TLS 1.3 says so after the handshake, when the request is on its way, or just
    before."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain, certificates.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificates.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
                with connection:
                    context.wrap_socket(connection, server_side=True)
            except ssl.SSLError:
                pass
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    hook = engine.create_hook(
        f"https://127.0.0.1:{listener.getsockname()[1]}/")
    for _ in range(10):
        engine.intake(event_of(n_kilobytes * 1000))
    rows = engine.wait_deliveries(hook, 10)
    errors = [(row["error"]["class"], row["error"]["message"]) for row in rows]
    assert all(error == "tls" and words.endswith(("before the TLS handshake ended",
                                                  "certificate_required)"))
               for error, words in errors), errors
    listener.close()


def test_whole_body_is_not_called_cut(engine):
    """The answer came to its end; only the request did not."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        connection.recv(100)
        connection.sendall(OK)  # nothing about closing
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    hook = engine.create_hook(f"http://127.0.0.1:{listener.getsockname()[1]}/")
    engine.intake(event_of(250_000))
    row = engine.wait_deliveries(hook, 1)[0]
    assert row["responseCode"] == 200 and row["responseBody"] == "ok", row
    assert row["responseTruncated"] is False
    listener.close()


class SecondTimeUnlucky:
    """Answers the first request of each connection, the first few of them
    together; at the second it closes without a word, all of it read."""

    def __init__(self, n_together):
        self.together = threading.Barrier(n_together)
        self.n_requests = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,),
                             daemon=True).start()

    def read(self, connection):
        data = b""
        while not data.endswith(b"}"):
            more = connection.recv(65536)
            if not more:
                return False
            data += more
        with self.lock:
            self.n_requests += 1
        return True

    def serve(self, connection):
        with connection:
            if not self.read(connection):
                return
            try:
                self.together.wait(20)
            except threading.BrokenBarrierError:
                pass  # those that come later
            connection.sendall(OK)
            self.read(connection)


def test_dead_connections_cost_one_more_request_at_most(
        make_engine, certificates):
    """Three kept connections, all of which die of the next request: that is sent
    once more, on a fresh one, not on each of them in turn."""
    engine = make_engine(senders="1").start()
    server = SecondTimeUnlucky(3)
    hooks = [engine.create_hook(f"http://127.0.0.1:{server.port}/{n}")
             for n in range(3)]
    engine.post_event()
    wait_attempts(engine, 3)
    server.together.abort()
    for hook in hooks[1:]:
        assert engine.api("DELETE", hook).status == 204
    engine.settle_hooks()
    assert server.n_requests == 3
    engine.post_event()
    rows = engine.wait_deliveries(hooks[0], 2)
    assert server.n_requests == 3 + 2
    assert [row["state"] for row in rows] == ["delivered"] * 2
    server.listener.close()
