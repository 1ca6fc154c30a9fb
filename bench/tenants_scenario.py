# SPDX-License-Identifier: MIT
"""The scenario `tenants`: one organization asks for all it can, another one's
deliveries are timed.

Each attack runs by itself, with the live deliveries of the other organization
beside it; in turns with a quiet time of the same length.
"""

import contextlib
import http.client
import json
import socket
import threading
import time
import uuid

from harness import Engine, Failed, Receiver, note, request
from scenarios import PAYLOAD_BYTES, goal, median, verdict

EVIL, GOOD = "evil", "bench"
RATE = 500          # events/s of the other organization
HOOKS = 1000        # of the one that attacks
EXPLAINED_BYTES = 240000
MEMORY_MAX_MIB = 200
RATIO_MAX, MORE_MS = 2.0, 10.0


class Field:
    """An engine with both organizations, and what the attacks need."""

    def __init__(self, bench):
        self.bench = bench
        self.receiver = Receiver(bench, latency=1)
        self.sink = Receiver(bench)
        self.engine = Engine(bench, ["dispatchers=1"])
        self.engine.hook_create(
            f"http://127.0.0.1:{self.receiver.port}/h/0", org=GOOD)
        self.hooks = HOOKS // 5 if bench.is_quick else HOOKS
        for i in range(self.hooks):
            status, text = self.ask("POST", f"/api/orgs/{EVIL}/hooks", {
                "organizationName": EVIL, "displayName": "d" * 100,
                "name": f"h{i:04d}", "active": True, "format": "raw",
                "groups": ["stacks"], "secret": "s" * 32,
                "payloadUrl": f"http://127.0.0.1:{self.sink.port}/{i}"})
            if status != 201:
                raise Failed(f"hook: {status} {text}")
        self.fill()

    def ask(self, method, path, body=None, seconds=120):
        return request(self.engine.api_port, method, path, body,
                       self.engine.token, seconds)

    def fill(self):
        """A history of the one that attacks: of one hook, by a kind of its own."""
        self.ask("POST", f"/api/orgs/{EVIL}/hooks", {
            "organizationName": EVIL, "displayName": "history", "active": True,
            "name": "history", "filters": ["fill.it"], "format": "raw",
            "payloadUrl": f"http://127.0.0.1:{self.sink.port}/h/0"})
        n = 2000 if self.bench.is_quick else 20000
        lines = b"".join(b'{"kind":"fill.it","payload":{"n":%d}}\n' % i
                         for i in range(n))
        for part in range(0, n, 5000):
            chunk = b"\n".join(lines.split(b"\n")[part:part + 5000]) + b"\n"
            self.post_raw(chunk)
        self.sink.wait_for(n)

    def post_raw(self, body):
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.engine.ingest_port, timeout=60)
        with contextlib.closing(connection):
            connection.request(
                "POST", f"/api/orgs/{EVIL}/events", body,
                {"Authorization": f"token {self.engine.token}",
                 "Content-Type": "application/x-ndjson"})
            return connection.getresponse().status

    def latency(self, seconds):
        self.receiver.reset()
        sent = self.engine.post(org=GOOD, rate=RATE, seconds=seconds,
                                connections=4, bytes=PAYLOAD_BYTES)
        return self.receiver.wait_for(sent["accepted"])["latency_us"]["p99"]

    def api_bytes(self):
        """Resident bytes of the api process."""
        for pid, title in self.engine.roles().items():
            if title.startswith("posthorn: api"):
                with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
                    return int(statm.read().split()[1]) * 4096
        raise Failed("no api process")

    def stop(self):
        self.engine.stop()
        self.receiver.stop()
        self.sink.stop()


# --- attacks: each is called again and again by some threads ---

def explain(field, _held):
    field.ask("POST", f"/api/orgs/{EVIL}/explain?limit=1000", {
        "kind": "stack_update",
        "payload": {"text": "x" * EXPLAINED_BYTES, "kind": "update",
                    "result": "succeeded", "organizationName": EVIL,
                    "projectName": "p", "stackName": "s"}})


def redeliver(field, _held):
    field.ask("POST", f"/api/orgs/{EVIL}/hooks/history/deliveries/"
                      f"{uuid.uuid4()}/redeliver")


def count_replay(field, _held):
    field.ask("POST", f"/api/orgs/{EVIL}/replay",
              {"dryRun": True, "state": "delivered"})


def batch(field, _held):
    line = b'{"kind":"no.body","payload":{"t":"' + b"x" * 700 + b'"}}\n'
    field.post_raw(line * 10000)
    time.sleep(0.1)


def unread(path):
    """Asks for much, and reads nothing of it."""
    def attack(field, held):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.connect(("127.0.0.1", field.engine.api_port))
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: "
                  f"token {field.engine.token}\r\n\r\n".encode())
        held.append(s)
        time.sleep(0.01 if len(held) < 150 else 0.5)
    return attack


ATTACKS = (
    ("explain", explain, 8),
    ("redeliver", redeliver, 8),
    ("replay counts", count_replay, 8),
    ("batches", batch, 2),
    ("unread hook lists", unread(f"/api/orgs/{EVIL}/hooks"), 1),
    ("unread deliveries",
     unread(f"/api/orgs/{EVIL}/deliveries?limit=1000"), 1),
)


class Attack:
    """Threads that do it until the end of the block."""

    def __init__(self, field, attack, n_threads):
        self.field, self.attack = field, attack
        self.is_over = threading.Event()
        self.held = []
        self.n_done = 0
        self.threads = [threading.Thread(target=self.run, daemon=True)
                        for _ in range(n_threads)]

    def run(self):
        while not self.is_over.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.attack(self.field, self.held)
                self.n_done += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        for s in self.held:
            s.close()


def longest_turns(field):
    """By role, in ms: the upper bound of the longest turn's bucket so far."""
    text = request(field.engine.api_port, "GET", "/metrics",
                   token=field.engine.token)[1]
    found = {}
    for line in text.splitlines():
        if not line.startswith("posthorn_loop_turn_duration_seconds_bucket"):
            continue
        labels, value = line.rsplit(" ", 1)
        role, bound = (labels.split(mark)[1].split('"')[0]
                       for mark in ('{role="', ',le="'))
        counts = found.setdefault(role, [])
        counts.append((float(bound), float(value)))
    return found


def longest_since(before, after):
    """Of the turns in between: the bucket of the longest, by role, in ms."""
    out = {}
    for role, counts in after.items():
        old = dict(before.get(role, []))
        total = counts[-1][1] - old.get(counts[-1][0], 0)
        bound = next((b for b, n in counts if n - old.get(b, 0) >= total), 0)
        out[role] = bound * 1000
    return out


def measure(field, name, attack, n_threads, seconds):
    quiet_us = field.latency(seconds)
    before = longest_turns(field)
    most = [0]
    with Attack(field, attack, n_threads) as attacking:
        time.sleep(1)
        watch = threading.Event()

        def watch_memory():
            while not watch.wait(0.1):
                most[0] = max(most[0], field.api_bytes())
        watcher = threading.Thread(target=watch_memory)
        watcher.start()
        busy_us = field.latency(seconds)
        watch.set()
        watcher.join()
    turns = longest_since(before, longest_turns(field))
    note(f"{name}: p99 of the other {busy_us / 1000:.1f} ms (quiet "
         f"{quiet_us / 1000:.1f} ms), {attacking.n_done} done, api "
         f"{most[0] / 2 ** 20:.0f} MiB, longest turns "
         + json.dumps({r: t for r, t in turns.items()
                       if r.split(".")[0] in ("api", "ingest") or
                       r.startswith("dispatcher")}))
    return {"attack": name, "quiet_p99_us": quiet_us, "p99_us": busy_us,
            "attacks": attacking.n_done, "api_bytes": most[0],
            "longest_turns_ms": turns}


def tenants(bench):
    n_rounds = bench.rounds or (1 if bench.is_quick else 3)
    seconds = 3 if bench.is_quick else 8
    field = Field(bench)
    field.latency(2)
    rows, goals, words = [], [], []
    for name, attack, n_threads in ATTACKS:
        rounds = [measure(field, name, attack, n_threads, seconds)
                  for _ in range(n_rounds)]
        quiet_ms = median([r["quiet_p99_us"] for r in rounds]) / 1000
        busy_ms = median([r["p99_us"] for r in rounds]) / 1000
        limit_ms = RATIO_MAX * quiet_ms + MORE_MS
        goals.append(goal(f"{name}: p99 ms", busy_ms, limit_ms, False))
        words.append(f"{name}: {busy_ms:.1f} ms (quiet {quiet_ms:.1f}; "
                     f"{verdict(goals[-1])})")
        rows.append({"attack": name, "rounds": rounds})
    most = max(r["api_bytes"] for row in rows for r in row["rounds"]) / 2 ** 20
    goals.append(goal("api MiB", most, MEMORY_MAX_MIB, False))
    words.append(f"api at most {most:.0f} MiB ({verdict(goals[-1])})")
    field.stop()
    return {"attacks": rows, "goals": goals,
            "line": "p99 of the other organization: " + " | ".join(words)}
