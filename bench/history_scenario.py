# SPDX-License-Identifier: MIT
"""The scenarios `history`, `replay` and `retention`: much of it."""

import http.client
import json
import os
import random
import subprocess
import time

from harness import ORG, Engine, Failed, Receiver, note, pss_of, request
from scenarios import PAYLOAD_BYTES, goal, median, verdict

HOOKS = 100
EVENTS = 10000
PAGE = 100


def fill(bench, engine, **options):
    """Attempts of hooks that are there; the engine is stopped meanwhile."""
    engine.stop()
    words = [str(word) for name, value in options.items()
             for word in (f"--{name.replace('_', '-')}", value)]
    done = subprocess.run([bench.program("history_fill"), "--data-dir",
                           engine.data_dir, "--org", ORG, *words],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"history_fill: {done.stdout}{done.stderr}")
    os.sync()  # its pages are on the disk before anything is timed
    engine.start()
    return json.loads(done.stdout)


def names_of_hooks(engine):
    _, text = request(engine.api_port, "GET", f"/api/orgs/{ORG}/hooks",
                      token=engine.token)
    return [hook["name"] for hook in json.loads(text)]


class Client:
    """One connection; times each request."""

    def __init__(self, engine):
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", engine.api_port, timeout=60)
        self.headers = {"Authorization": f"token {engine.token}"}

    def get(self, path):
        start = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
        reply = self.connection.getresponse()
        text = reply.read()
        took_ms = (time.perf_counter() - start) * 1000
        if reply.status != 200:
            raise Failed(f"{path}: {reply.status} {text[:200]}")
        return took_ms, json.loads(text), reply.getheader(
            "X-Continuation-Token")


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def queries(names, span_s):
    """What is asked, with the rows that a full page has."""
    def hook():
        return f"/api/orgs/{ORG}/hooks/{random.choice(names)}/deliveries"

    def window():
        until = time.time() - random.random() * span_s
        return f"until={int(until)}"
    org = f"/api/orgs/{ORG}/deliveries"
    return {
        "newest of a hook": (lambda: f"{hook()}?limit={PAGE}", PAGE),
        "dead letters of a hook": (
            lambda: f"{hook()}?limit={PAGE}&state=dead", None),
        "one kind of a hook": (
            lambda: f"{hook()}?limit={PAGE}&kind=bench.even", None),
        "a hook at some time": (
            lambda: f"{hook()}?limit={PAGE}&{window()}", None),
        "newest of an organization": (lambda: f"{org}?limit={PAGE}", PAGE),
        "errors of an organization": (
            lambda: f"{org}?limit={PAGE}&error=status", None),
    }


def ask(engine, count, span_s):
    client = Client(engine)
    names = names_of_hooks(engine)
    api = [pid for pid, title in engine.roles().items()
           if title == "posthorn: api"]
    found = {}
    for what, (path, n_rows) in queries(names, span_s).items():
        times, rows = [], []
        for i in range(count + 10):
            took_ms, page, _ = client.get(path())
            if i >= 10:  # the first ones warm up
                times.append(took_ms)
                rows.append(len(page))
        if n_rows is not None and min(rows) < n_rows:
            raise Failed(f"{what}: a page had {min(rows)} rows")
        found[what] = {"p50_ms": percentile(times, 50),
                       "p99_ms": percentile(times, 99),
                       "rows": sum(rows) / len(rows)}
    # Deep in a hook's history, page by page.
    times, token = [], None
    path = f"/api/orgs/{ORG}/hooks/{names[0]}/deliveries?limit={PAGE}"
    for _ in range(count):
        took_ms, _, token = client.get(
            path + (f"&continuationToken={token}" if token else ""))
        times.append(took_ms)
    found["page after page"] = {"p50_ms": percentile(times, 50),
                                "p99_ms": percentile(times, 99), "rows": PAGE}
    return found, pss_of(api)


def history_of(bench, attempts, count):
    engine = Engine(bench, ["retention_bytes=16TiB", "max_queue_bytes=64GiB"])
    engine.post(count=EVENTS, batch=100, connections=2, bytes=PAYLOAD_BYTES,
                stacks=1)
    for _ in range(HOOKS):
        engine.hook_create("http://127.0.0.1:1029/in")
    filled = fill(bench, engine, attempts=attempts, hooks=HOOKS,
                  events=EVENTS)
    note(f"{attempts} attempts written in {filled['seconds']:.0f} s")
    found, memory = ask(engine, count, attempts * 100 / 1e6)
    time.sleep(3)
    rest = pss_of(pid for pid, title in engine.roles().items()
                  if title == "posthorn: api")
    engine.stop()
    return found, (memory, rest)


def history(bench):
    count = 100 if bench.is_quick else 500
    large = 200000 if bench.is_quick else 10000000
    few, memory_few = history_of(bench, 10000, count)
    many, memory_many = history_of(bench, large, count)
    rows, goals = [], []
    for what, much in many.items():
        little = few[what]
        row = {"query": what, "rows": much["rows"], "p50_ms": much["p50_ms"],
               "p99_ms": much["p99_ms"], "at 10,000 p99_ms": little["p99_ms"],
               "ratio": much["p99_ms"] / little["p99_ms"]}
        rows.append(row)
        goals.append(goal(f"{what} p99 ms", much["p99_ms"], 2, False))
        note(f"{what}: p50 {much['p50_ms']:.2f} ms, p99 {much['p99_ms']:.2f} "
             f"({verdict(goals[-1])}); at 10,000 attempts p99 "
             f"{little['p99_ms']:.2f}, ratio {row['ratio']:.1f}; "
             f"{much['rows']:.0f} rows")
    worst = max(rows, key=lambda row: row["p99_ms"])
    line = (f"a page of {PAGE} at {large} attempts: p99 at most "
            f"{worst['p99_ms']:.2f} ms ({worst['query']}), median of the "
            f"ratios to 10,000 attempts "
            f"{median([r['ratio'] for r in rows]):.1f}; the api process "
            f"{memory_many[0] >> 20} MiB at the end of the queries and "
            f"{memory_many[1] >> 20} three seconds later, at 10,000 "
            f"{memory_few[0] >> 20} and {memory_few[1] >> 20}")
    return {"attempts": large, "rounds": rows, "goals": goals, "line": line,
            "api_bytes": [memory_few, memory_many]}


# --- replay ---

RATE = 500


def replay(bench):
    """Live deliveries beside a replay of 1,000,000 dead letters."""
    count = 20000 if bench.is_quick else 1000000
    seconds = 5 if bench.is_quick else 20
    live = Receiver(bench, latency=1)
    sink = Receiver(bench)
    engine = Engine(bench, ["retention_bytes=16TiB"])
    n_events = count // 10
    engine.post(count=n_events, batch=100, connections=2,
                bytes=PAYLOAD_BYTES, stacks=1)
    for _ in range(10):
        engine.hook_create(f"http://127.0.0.1:{sink.port}/h/0",
                           stack="s999", project="old")
    engine.hook_create(f"http://127.0.0.1:{live.port}/h/0", stack="s000")
    fill(bench, engine, attempts=count, hooks=10, events=n_events,
         dead_one_in=1)

    def measure():
        live.reset()
        sent = engine.post(stacks=1, rate=RATE, seconds=seconds, connections=8,
                           bytes=PAYLOAD_BYTES)
        return live.wait_for(sent["accepted"])["latency_us"]

    rounds = []
    measure()  # warm up
    for _ in range(bench.rounds or 3):
        alone = measure()
        status, text = request(engine.api_port, "POST",
                               f"/api/orgs/{ORG}/replay", {}, engine.token,
                               seconds=300)
        if status != 202:
            raise Failed(f"replay: {status} {text}")
        begun = json.loads(text)
        before, at = sink.stats()["requests"], time.monotonic()
        beside = measure()
        rate = ((sink.stats()["requests"] - before)
                / (time.monotonic() - at))
        request(engine.api_port, "DELETE",
                f"/api/orgs/{ORG}/replays/{begun['replayId']}",
                token=engine.token)
        rounds.append({"alone": alone, "beside": beside, "replayed": rate,
                       "matched": begun["matched"],
                       "ratio": beside["p99"] / alone["p99"]})
        note(f"live p99 {alone['p99'] / 1000:.2f} ms alone, "
             f"{beside['p99'] / 1000:.2f} beside a replay of "
             f"{begun['matched']} at {rate:.0f}/s")
        time.sleep(1)
    ratio = median([r["ratio"] for r in rounds])
    goals = [goal("p99 ratio", ratio, 1.2, False)]
    line = (f"live p99 at {RATE}/s beside a replay of {count}: x {ratio:.2f} "
            f"({verdict(goals[0])}), p50 x "
            f"{median([r['beside']['p50'] / r['alone']['p50'] for r in rounds]):.2f}; "
            f"the replay {median([r['replayed'] for r in rounds]):.0f}/s")
    return {"rounds": rounds, "goals": goals, "line": line}


# --- retention ---

def data_files(engine):
    """Bytes of each environment's file."""
    return {str(f.parent.relative_to(engine.data_dir)): f.stat().st_size
            for f in engine.data_dir.rglob("data.mdb")}


def retention(bench):
    """An hour of steady load: the files end where they were after a quarter."""
    seconds = bench.seconds or (90 if bench.is_quick else 3600)
    rate = 2000
    size_mib = 8 if bench.is_quick else 64
    receiver = Receiver(bench, latency=1)
    engine = Engine(bench, [f"retention_bytes={size_mib}MiB"])
    engine.hook_create(f"http://127.0.0.1:{receiver.port}/h/0", stack="s000")
    samples = []
    began = time.monotonic()
    load = bench.load_start(engine.ingest_port, token=engine.token,
                            path=f"/api/orgs/{ORG}/events", stacks=1,
                            rate=rate, seconds=seconds, connections=8,
                            bytes=PAYLOAD_BYTES)
    while load.poll() is None:
        time.sleep(5)
        samples.append({"at": time.monotonic() - began, **data_files(engine)})
    sent = json.loads(load.communicate()[0])
    stats = receiver.wait_for(sent["accepted"])
    engine.stop()
    books = engine.verify()
    names = [name for name in samples[-1] if name != "at"]
    quarter = samples[len(samples) // 4]
    growth = {name: samples[-1][name] / quarter[name] for name in names}
    worst = max(growth, key=growth.get)
    goals = [goal("growth after a quarter", growth[worst], 1.1, False),
             goal("delivered of accepted",
                  stats["requests"] / sent["accepted"], 1, True)]
    line = (f"{seconds} s at {rate}/s, {sent['accepted']} events, "
            f"retention_bytes {size_mib} MiB: " + ", ".join(
                f"{name} {samples[-1][name] >> 20} MiB" for name in names)
            + f"; since a quarter of the time x {growth[worst]:.2f} "
            f"({verdict(goals[0])}); p99 "
            f"{stats['latency_us']['p99'] / 1000:.2f} ms")
    return {"rounds": samples, "goals": goals, "line": line, "books": books}
