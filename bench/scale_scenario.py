# SPDX-License-Identifier: MIT
"""The scenario `scale`: very much waits, and there are very many hooks.

Two kinds of pending are measured. Rows lie in the due index: of hooks that hang, of
hooks that are paused, and of deliveries whose next attempt is an hour away. Events lie
in the log, where no dispatcher has read them yet.
"""

import json
import os
import signal
import time

import cpu
from harness import ORG, Engine, Failed, Receiver, note, request, wait_until
from scenarios import MIB, PAYLOAD_BYTES, Peak, goal, median, verdict

FEW = 10000
HANGING, LATER, PAUSED = 40, 30, 30  # hooks that have rows
LIVE = 8                             # hooks that do not
A_DAY_MS = 86400000
SETTINGS = ["drain_timeout=1s", "request_timeout=5m", "overload_wait=10m",
            "retention_bytes=16TiB"]
ROLES = ("dispatcher", "sender")
SMALL_BYTES = 512  # of an event in the log


# --- figures ---

def cost(meter, count):
    """Microseconds of processor time each: of the dispatcher, the senders, and the
    engine."""
    used = meter.stop(count)
    each = used["us_per_delivery"]
    return {**{role: each.get(role, 0) for role in ROLES},
            "engine": used["engine_us_per_delivery"],
            "receiver": each.get("receiver", 0)}


def middle(rows):
    return {name: median([row[name] for row in rows]) for name in rows[0]}


class Report:
    """What was measured, with its baseline, and which goals that meets."""

    def __init__(self):
        self.rows, self.goals, self.parts = [], [], []

    def ratio(self, what, much, little, limit=None, unit="µs"):
        ratio = much / max(little, 1e-9)
        self.rows.append({"what": what, "value": much, "baseline": little,
                          "ratio": ratio, "unit": unit})
        words = f"{what}: {much:.2f} {unit}, baseline {little:.2f}, x {ratio:.2f}"
        if limit is not None:
            self.goals.append(goal(f"{what}, ratio", ratio, limit, False))
            words += f" ({verdict(self.goals[-1])})"
        note(words)
        return ratio

    def costs(self, what, much, little, limit=None):
        """The ratio of the whole engine counts; roles are for information."""
        for role in ROLES:
            self.ratio(f"{what}, {role}", much[role], little[role])
        if much["receiver"] > 0:
            self.ratio(f"{what}, the receiver", much["receiver"],
                       little["receiver"])
        ratio = self.ratio(what, much["engine"], little["engine"], limit)
        self.parts.append(f"{what} {much['engine']:.1f} µs, x {ratio:.2f}")

    def value(self, what, value, little, limit, unit):
        self.rows.append({"what": what, "value": value, "baseline": little,
                          "ratio": value / max(little, 1e-9), "unit": unit})
        words = (f"{what}: {value:.2f} {unit}, baseline {little:.2f}, "
                 f"x {value / max(little, 1e-9):.2f}")
        if limit is not None:
            self.goals.append(goal(f"{what}, {unit}", value, limit, False))
            words += f" ({verdict(self.goals[-1])})"
        self.parts.append(f"{what} {value:.2f} {unit}")
        note(words)


def drained(engine, receiver, count, **options):
    """The cost of a delivery from a backlog of `count` events."""
    receiver.reset()
    with engine.dispatchers_stopped():
        engine.post(count=count, **{"batch": 100, "connections": 4,
                                    "bytes": PAYLOAD_BYTES, **options})
        time.sleep(0.3)
        meter = cpu.Meter(engine, receiver=receiver)
    receiver.wait_for(count, idle_seconds=60)
    return cost(meter, count)


def checked(engine):
    engine.stop()
    begun = time.monotonic()
    books = engine.verify()
    note(f"verify: it adds up ({time.monotonic() - begun:.0f} s)")
    return books


def settle(engine):
    """Until the dispatchers have counted what waits, which they do at the start."""
    pids = [pid for pid, title in engine.roles().items()
            if cpu.role_of(title) == "dispatcher"]
    used = -1.0
    while sum(map(cpu.of_process, pids)) - used > 0.1:
        used = sum(map(cpu.of_process, pids))
        time.sleep(1)


# --- rows in the due index ---

def hooks_at(engine, port):
    """Paths of the organization's hooks at this port."""
    status, text = request(engine.api_port, "GET", f"/api/orgs/{ORG}/hooks",
                           token=engine.token)
    if status != 200:
        raise Failed(f"hooks: {status} {text[:200]}")
    return [f"/api/orgs/{ORG}/hooks/{hook['name']}" for hook in json.loads(text)
            if f":{port}/" in hook["payloadUrl"]]


class Waiting:
    """An engine in whose due index about `count` rows are: of hooks 1 to 40, whose
    receiver hangs, of 41 to 70, due in an hour, and of 71 to 100, paused."""

    def __init__(self, bench, count):
        self.bench = bench
        self.n_events = count // (HANGING + LATER + PAUSED)
        self.count = count
        self.live, self.resumed = Receiver(bench), Receiver(bench)
        self.hanging = Receiver(bench, delay_ms=A_DAY_MS)
        self.engine = Engine(bench, SETTINGS)
        self.n_posted = max(self.n_events, FEW // PAUSED + 1)
        self.engine.post(project="old", stacks=1, count=self.n_posted // 100 * 100
                         + 100, batch=100, connections=2, bytes=PAYLOAD_BYTES)
        for i in range(HANGING + LATER + PAUSED):
            to = self.hanging if i < HANGING + LATER else self.resumed
            self.engine.hook_create(f"http://127.0.0.1:{to.port}/h/0")
        self.paused = hooks_at(self.engine, self.resumed.port)
        self.set_paused(True)
        self.stop_and_fill()

    def set_paused(self, paused):
        for path in self.paused:
            status, text = request(self.engine.api_port, "PATCH", path,
                                   {"paused": paused}, self.engine.token)
            if status != 200:
                raise Failed(f"PATCH {path}: {status} {text}")

    def fill(self, **options):
        return self.bench.call("backlog_fill", data_dir=self.engine.data_dir,
                               bytes=PAYLOAD_BYTES, timeout_seconds=1200,
                               **options)

    def stop_and_fill(self):
        self.engine.stop()
        seconds = 0
        for first, hooks, due_in_s in (
                (1, HANGING, 0), (1 + HANGING, LATER, 3600),
                (1 + HANGING + LATER, PAUSED, 0)):
            seconds += self.fill(first_hook=first, hooks=hooks,
                                 events=self.n_events,
                                 due_in_s=due_in_s)["seconds"]
        os.sync()
        note(f"{self.count:,} rows written in {seconds:.0f} s")

    def start(self):
        """Seconds from the start to the first delivery."""
        self.hanging.reset()
        self.engine.start()
        stats = self.hanging.wait_for(1, idle_seconds=60)
        return (stats["first_us"] - self.engine.started_us) / 1e6

    def live_hooks(self):
        for i in range(LIVE):
            self.engine.hook_create(f"http://127.0.0.1:{self.live.port}/h/0",
                                    stack=f"s{i:03d}", project="good")

    def live_cost(self, count, org):
        return drained(self.engine, self.live, count, org=org, project="good",
                       stacks=LIVE)

    def put_cost(self, n_events):
        """Of a row: of events that every hook with rows wants."""
        engine, name = self.engine, "posthorn_deliveries_matched_total"
        n_rows = n_events * (HANGING + LATER + PAUSED)
        before = engine.metric(name)
        meter = cpu.Meter(engine)
        engine.post(project="old", stacks=1, count=n_events, batch=100,
                    connections=1, bytes=PAYLOAD_BYTES)
        wait_until("events are matched", 120,
                   lambda: engine.metric(name) >= before + n_rows)
        time.sleep(1)  # the last commits
        used = meter.stop(n_rows)["us_per_delivery"]
        return used["dispatcher"]

    def resume_cost(self, count):
        """Of a delivery whose row was in the index; at least `count` of them."""
        self.resumed.reset()
        settle(self.engine)
        meter = cpu.Meter(self.engine, receiver=self.resumed)
        self.set_paused(False)
        stats = self.resumed.wait_for(count, idle_seconds=60)
        return cost(meter, stats["requests"])

    def refill_paused(self):
        """FEW rows for the hooks that are paused, and nothing else of theirs."""
        self.set_paused(True)
        self.engine.stop()
        self.fill(first_hook=1 + HANGING + LATER, hooks=PAUSED,
                  events=FEW // PAUSED)
        self.engine.start()


def live_rounds(few, many, count, n_rounds):
    """In turns, each first in half of the rounds."""
    costs = {few: [], many: []}
    for i in range(n_rounds):
        for w in (few, many) if i % 2 else (many, few):
            costs[w].append(w.live_cost(count, "live"))
    return middle(costs[many]), middle(costs[few])


def rows(bench, report, many_rows):
    count = 10000 if bench.is_quick else 40000
    n_rounds = bench.rounds or (2 if bench.is_quick else 4)
    few, many = Waiting(bench, FEW), Waiting(bench, many_rows)
    peak = Peak(many.engine)
    peak.start()
    starts = [(few.start(), many.start())]
    note(f"first delivery after {starts[0][1]:.2f} s, at {FEW:,} rows "
         f"{starts[0][0]:.2f} s")
    for w in (few, many):
        for i in range(LIVE):
            w.engine.hook_create(f"http://127.0.0.1:{w.live.port}/h/0",
                                 org="live", stack=f"s{i:03d}", project="good")
        w.live_cost(2000, "live")  # warm up
    live = live_rounds(few, many, count, n_rounds)
    for _ in range(2):
        for w in (few, many):
            w.engine.stop()
        starts.append((few.start(), many.start()))
    resumed = many.resume_cost(count)
    few_pss = few.engine.pss()
    at_few = []
    for _ in range(n_rounds):
        few.refill_paused()
        at_few.append(few.resume_cost(FEW // PAUSED * PAUSED))
    for w in (few, many):
        w.set_paused(True)
    put = many.put_cost(2000), few.put_cost(2000)
    memory = peak.finish()
    much = f"{many_rows:,} rows"
    report.costs(f"a delivery beside {much}", *live, limit=1.2)
    report.costs(f"a delivery of {much}", resumed, middle(at_few), limit=1.2)
    report.ratio(f"a row put into {much}, dispatcher",
                 *put, 1.2)
    report.value(f"start to first delivery with {much}",
                 median([s[1] for s in starts]),
                 median([s[0] for s in starts]), 1, "s")
    report.value(f"memory with {much}", memory / MIB, few_pss / MIB, 200, "MiB")
    for w in (few, many):
        checked(w.engine)


# --- events in the log ---

def from_log(engine, receiver, count):
    """The cost of the next `count` deliveries or more."""
    before = receiver.stats()["requests"]
    meter = cpu.Meter(engine, receiver=receiver)
    stats = receiver.wait_for(before + count, idle_seconds=60)
    return cost(meter, stats["requests"] - before)


def log_engine(bench, port):
    engine = Engine(bench, SETTINGS)
    for i in range(LIVE):
        engine.hook_create(f"http://127.0.0.1:{port}/h/0", stack=f"s{i:03d}")
    return engine


def log(bench, report, n_events):
    count = 10000 if bench.is_quick else 40000
    options = {"stacks": LIVE, "bytes": SMALL_BYTES}
    receiver, other = Receiver(bench), Receiver(bench)
    few, many = log_engine(bench, other.port), log_engine(bench, receiver.port)
    few_costs, many_costs = [], []
    with many.dispatchers_stopped():
        begun = time.monotonic()
        many.post(count=n_events, batch=100, connections=4,
                  timeout_seconds=1200, **options)
        note(f"{n_events:,} events accepted in {time.monotonic() - begun:.0f} s")
        for _ in range(8):
            few_costs.append(drained(few, other, FEW, **options))
        os.sync()
        first_few = time_to_first(few, other, options)
        receiver.reset()
    peak = Peak(many)
    peak.start()
    many_costs.append(from_log(many, receiver, count))
    many.stop()
    receiver.reset()
    many.start()
    stats = receiver.wait_for(1, idle_seconds=60)
    first = (stats["first_us"] - many.started_us) / 1e6
    for _ in range(2):
        many_costs.append(from_log(many, receiver, count))
    n_left = n_events - receiver.stats()["requests"]
    memory = peak.finish()
    many.stop()
    much = f"{n_events:,} events in the log"
    note(f"{n_left:,} of {much} were not delivered")
    report.costs(f"a delivery with {much}", middle(many_costs),
                 middle(few_costs), limit=1.2)
    report.value(f"start to first delivery with {much}", first, first_few, 1,
                 "s")
    report.value(f"memory with {much}", memory / MIB, few.pss() / MIB, 200,
                 "MiB")
    checked(few)
    checked(many)


def time_to_first(engine, receiver, options):
    """Seconds from a start to the first delivery of FEW events in the log."""
    for pid, title in engine.roles().items():
        if title.startswith("posthorn: dispatcher"):
            os.kill(pid, signal.SIGSTOP)
    engine.post(count=FEW, batch=100, connections=4, **options)
    engine.kill()  # a stop would deliver first
    receiver.reset()
    engine.start()
    stats = receiver.wait_for(1, idle_seconds=60)
    receiver.wait_for(FEW - 1000, idle_seconds=60)
    return (stats["first_us"] - engine.started_us) / 1e6


# --- hooks of one organization ---

def match(bench, report):
    events = 200000 if bench.is_quick else 1000000
    # For one that wants it: the others cost. For ten: what finding each costs, too.
    for wanted, limit in ((1, 1.5), (10, None)):
        few, many = [], []
        for _ in range(3):
            few.append(bench.call("match", hooks=10, wanted=wanted,
                                  events=events)["mean_ns"])
            many.append(bench.call("match", hooks=100000, wanted=wanted,
                                   events=events)["mean_ns"])
        report.ratio(f"an event for {wanted} of 100,000 hooks instead of 10",
                     median(many), median(few), limit, "ns")


def many_hooks(bench, report):
    n_hooks = 10000 if bench.is_quick else 100000
    count = 10000 if bench.is_quick else 40000
    receiver = Receiver(bench)
    engines = []
    for n in (10, n_hooks):
        engine = log_engine(bench, receiver.port)
        bench.load(engine.api_port, path=f"/api/orgs/{ORG}/hooks",
                   token=engine.token, hooks_of=ORG, count=n, connections=16)
        drained(engine, receiver, 2000, stacks=LIVE)
        engines.append(engine)
    few, many = [], []
    for _ in range(bench.rounds or 3):
        few.append(drained(engines[0], receiver, count, stacks=LIVE))
        many.append(drained(engines[1], receiver, count, stacks=LIVE))
    report.costs(f"a delivery with {n_hooks:,} hooks of its organization",
                 middle(many), middle(few), limit=1.5)
    for engine in engines:
        checked(engine)


# --- organizations ---

def idle_cost(engine):
    """Milliseconds of processor time in a second without work."""
    meter = cpu.Meter(engine)
    time.sleep(10)
    return meter.stop(10)["engine_us_per_delivery"] / 1000


def organizations_of(bench, count):
    receiver = Receiver(bench)
    engine = Engine(bench, SETTINGS)
    meter = cpu.Meter(engine)
    made = bench.load(engine.api_port, path="/api/orgs/o000000/hooks",
                      token=engine.token, hooks_of="o000000", orgs=count,
                      count=count, connections=16, hooks_port=receiver.port)
    return {"engine": engine, "receiver": receiver, "count": count,
            "created": made["per_second"],
            "created_us": meter.stop(count)["engine_us_per_delivery"],
            "costs": []}


def organizations(bench, report):
    n_orgs = 10000 if bench.is_quick else 100000
    n_events = n_orgs
    few, many = organizations_of(bench, 1000), organizations_of(bench, n_orgs)
    for _ in range(bench.rounds or 2):
        for o in (few, many):
            o["costs"].append(drained(
                o["engine"], o["receiver"], n_events, org="o000000",
                orgs=o["count"], batch=1, connections=64, stacks=1))
    for o in (few, many):
        o["idle_ms"] = idle_cost(o["engine"])
        o["pss"] = o["engine"].pss()
        o["engine"].stop()
        o["engine"].start()
        o["receiver"].reset()
        o["engine"].post(org="o000000", orgs=o["count"], count=1, stacks=1)
        stats = o["receiver"].wait_for(1)
        o["first"] = (stats["first_us"] - o["engine"].started_us) / 1e6
    much = f"{n_orgs:,} organizations"
    report.value(f"a hook created in each of {much}", many["created_us"],
                 few["created_us"], None, "µs")
    report.value("its rate", many["created"], few["created"], None, "/s")
    report.costs(f"a delivery to one of {much}", middle(many["costs"]),
                 middle(few["costs"]), limit=1.2)
    report.value(f"start to first delivery with {much}", many["first"],
                 few["first"], 1, "s")
    report.value(f"a second without work with {much}", many["idle_ms"],
                 few["idle_ms"], None, "ms")
    report.value(f"memory with {much}", many["pss"] / MIB, few["pss"] / MIB,
                 200, "MiB")
    for o in (few, many):
        checked(o["engine"])


def scale(bench):
    n_pending = 300000 if bench.is_quick else 10000000
    report = Report()
    for part in (match, many_hooks, organizations,
                 lambda *of: rows(*of, n_pending),
                 lambda *of: log(*of, n_pending)):
        with bench.part():
            part(bench, report)
    missed = [g["name"] for g in report.goals if not g["met"]]
    line = "; ".join(report.parts) + (
        f" || {len(report.goals) - len(missed)} of {len(report.goals)} goals met"
        + (f", not: {'; '.join(missed)}" if missed else ""))
    return {"pending": n_pending, "rows": report.rows, "goals": report.goals,
            "line": line}
