# SPDX-License-Identifier: MIT
"""The scenario `hooks`: very many hooks of one organization."""

import http.client
import json
import pathlib
import re
import threading
import time

from harness import ORG, Engine, Failed, Receiver, note, request
from scenarios import MIB, goal, latency_once, median, verdict

HOOKS = f"/api/orgs/{ORG}/hooks"
PAGE = 1000


def of_api(engine):
    """The api process: its id."""
    return next(pid for pid, title in engine.roles().items()
                if title.startswith("posthorn: api"))


def heap_bytes(pid):
    """What it holds in memory of its own: pages of files do not count."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", text).group(1)) * 1024


class Peak(threading.Thread):
    """Samples it every 2 ms; the greatest is what counts."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid = pid
        self.over = threading.Event()
        self.before = self.bytes = heap_bytes(pid)

    def run(self):
        while not self.over.wait(0.002):
            self.bytes = max(self.bytes, heap_bytes(self.pid))

    def grown(self):
        self.over.set()
        self.join()
        return self.bytes - self.before


def timed(engine, path):
    """One GET: milliseconds, the hooks."""
    start = time.monotonic()
    status, text = request(engine.api_port, "GET", path, token=engine.token,
                           seconds=60)
    took = (time.monotonic() - start) * 1e3
    if status != 200:
        raise Failed(f"GET {path}: {status} {text[:200]}")
    return took, text


def walk(engine):
    """All pages: the names, milliseconds of each."""
    names, times, path = [], [], f"{HOOKS}?limit={PAGE}"
    connection = http.client.HTTPConnection("127.0.0.1", engine.api_port)
    while path:
        start = time.monotonic()
        connection.request("GET", path, headers={
            "Authorization": f"token {engine.token}"})
        answer = connection.getresponse()
        body = answer.read()
        times.append((time.monotonic() - start) * 1e3)
        names += [hook["name"] for hook in json.loads(body)]
        path = (answer.headers.get("Link") or "").partition(">")[0][1:]
    connection.close()
    return names, times


def create(bench, engine, count):
    made = bench.load(engine.api_port, path=HOOKS, token=engine.token,
                      hooks_of=ORG, count=count, connections=16)
    alone = bench.call("lmdb_append", dir=bench.temp_dir("lmdb"), batch=1,
                       bytes=256, count=count)
    note(f"created {made['per_second']:,.0f}/s, LMDB alone "
         f"{alone['per_second']:,.0f} commits/s")
    return made, alone


def lists(engine, count):
    """The whole list, its pages, and one hook of it."""
    whole = [timed(engine, HOOKS) for _ in range(5)]
    peak = Peak(of_api(engine))
    peak.start()
    timed(engine, HOOKS)
    grown = peak.grown()
    names = [hook["name"] for hook in json.loads(whole[0][1])]
    paged, page_ms = walk(engine)
    if names != paged or len(set(names)) != count:
        raise Failed(f"{count} hooks: {len(names)} listed, {len(paged)} in "
                     "pages")
    get_ms = [timed(engine, f"{HOOKS}/{name}")[0]
              for name in names[::count // 100]]
    return {"list_ms": median([row[0] for row in whole]),
            "list_bytes": len(whole[0][1]), "list_memory_bytes": grown,
            "page_ms": median(page_ms), "page_ms_max": max(page_ms),
            "get_ms": median(get_ms)}


def hooks(bench):
    count = 10000 if bench.is_quick else 100000
    receiver = Receiver(bench, latency=1)
    engine = Engine(bench)
    made, alone = create(bench, engine, count - 1)
    status, text = request(engine.api_port, "POST", HOOKS, {
        "organizationName": ORG, "displayName": "wants it", "active": True,
        "payloadUrl": f"http://127.0.0.1:{receiver.port}/h/0",
        "filters": ["update_succeeded"]}, engine.token)
    if status != 201:
        raise Failed(f"POST {HOOKS}: {status} {text}")
    figures = lists(engine, count)
    latency = latency_once(receiver, lambda **o: engine.post(
        connections=16, **{**o, "seconds": 3}), 1000, 3)["delivery"]
    engine.stop()
    engine.verify()
    ratio = made["per_second"] / alone["per_second"]
    goals = [goal("creations/s", made["per_second"], 2000, True)]
    line = (f"{count:,} hooks of one organization: created "
            f"{made['per_second']:,.0f}/s ({verdict(goals[0])}), p99 "
            f"{made['latency_us']['p99'] / 1e3:.1f} ms | LMDB alone "
            f"{alone['per_second']:,.0f} commits/s, ratio {ratio:.2f} || whole "
            f"list {figures['list_ms']:.0f} ms, "
            f"{figures['list_bytes'] / MIB:.0f} MiB, memory "
            f"{figures['list_memory_bytes'] / MIB:.0f} MiB; page of {PAGE} "
            f"{figures['page_ms']:.1f} ms; one {figures['get_ms']:.1f} ms; an "
            f"event among them delivered in p50 {latency['p50'] / 1e3:.2f} ms")
    return {"hooks": count, "created": made, "lmdb": alone, "ratio": ratio,
            **figures, "delivery_us": latency, "goals": goals, "line": line}
