# SPDX-License-Identifier: MIT
"""The scenario `spread`: the drain again, with few and many endpoints, senders and
dispatchers, each beside the bare loop over as many endpoints."""

import ipaddress
import threading
import time

import cpu
from harness import Engine, Failed, Receiver, note, rate_of
from scenarios import PAYLOAD_BYTES, STACKS, goal, median, verdict

ENDPOINTS = (1, 2, 8, 100, 10000)
PROCESSES = (1, 2, 4)
USUAL = 8          # endpoints, where the number of processes changes
N_CREATING = 8     # connections that create hooks
MANY = 200         # endpoints for which the engine keeps enough connections by itself
LEAST_MAX_INFLIGHT = 256


class Case:
    """One engine's size. None: what the engine chooses."""

    def __init__(self, endpoints, senders=None, dispatchers=None):
        self.endpoints = endpoints
        self.senders = senders
        self.dispatchers = dispatchers

    def name(self):
        more = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in
                ((self.senders, "sender"), (self.dispatchers, "dispatcher")) if n]
        return ", ".join([f"{self.endpoints} endpoint{'s' if self.endpoints > 1 else ''}",
                          *more])

    def settings(self):
        found = [f"{name}={n}" for name, n in (("senders", self.senders),
                                               ("dispatchers", self.dispatchers)) if n]
        if self.endpoints > MANY:  # a sender keeps twice as many connections
            found.append(f"max_inflight={max(LEAST_MAX_INFLIGHT, self.endpoints)}")
        return found


def cases_of(bench):
    """What the options name, or the whole series."""
    if bench.endpoints or bench.senders or bench.dispatchers:
        return [Case(bench.endpoints or USUAL, bench.senders, bench.dispatchers)]
    numbers = ENDPOINTS[:-1] if bench.is_quick else ENDPOINTS
    return ([Case(n) for n in numbers]
            + [Case(USUAL, senders=n) for n in PROCESSES]
            + [Case(USUAL, dispatchers=n) for n in PROCESSES])


def hooks_create(engine, port, n_hooks, n_endpoints):
    """A hook for each stack, so that each event has one delivery."""
    first = ipaddress.IPv4Address("127.0.0.1")
    faults = []

    def create(start):
        try:
            for i in range(start, n_hooks, N_CREATING):
                engine.hook_create(f"http://{first + i % n_endpoints}:{port}/h/0",
                                   stack=f"s{i:03d}")
        except Failed as why:
            faults.append(why)

    threads = [threading.Thread(target=create, args=(i,)) for i in range(N_CREATING)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def drain(engine, receiver, count, first_seq, n_hooks):
    receiver.reset()
    with engine.dispatchers_stopped():
        engine.post(count=count, first_seq=first_seq, batch=100, connections=4,
                    stacks=n_hooks, bytes=PAYLOAD_BYTES)
        time.sleep(0.2)
        meter = cpu.Meter(engine, receiver=receiver)
    stats = receiver.wait_for(count, "distinct")
    return rate_of(stats), meter.stop(count)


def bare(bench, receiver, case):
    """Counts from when each endpoint has its connection, too."""
    result = bench.call("bareloop", port=receiver.port, hosts=case.endpoints,
                        seconds=2 if bench.is_quick else 6, bytes=PAYLOAD_BYTES)
    if result["failed"] > 0:
        raise Failed(f"bareloop: {result['failed']} requests failed")
    return result["per_second"], result["cpu_seconds"] * 1e6 / result["done"]


def measure(bench, case):
    count = max(20000 if bench.is_quick else 100000, case.endpoints)
    n_hooks = max(STACKS, case.endpoints)
    n_warm = max(2000, 2 * n_hooks)
    with bench.part():
        receiver = Receiver(bench, everywhere=1, track=count + n_warm)
        engine = Engine(bench, case.settings())
        hooks_create(engine, receiver.port, n_hooks, case.endpoints)
        drain(engine, receiver, n_warm, 0, n_hooks)  # connections are made
        per_second, used = drain(engine, receiver, count, n_warm, n_hooks)
        engine.stop()
        bare_per_second, bare_us = bare(bench, receiver, case)
    us = used["engine_us_per_delivery"]
    note(f"{case.name()}: {per_second:,.0f}/s, bare loop {bare_per_second:,.0f}/s, "
         f"ratio {per_second / bare_per_second:.2f}; {cpu.words(used)}, the bare loop "
         f"{bare_us:.1f} µs, ratio {us / bare_us:.2f}")
    return {"per_second": per_second, "bare": bare_per_second, "cpu": used,
            "bare_us": bare_us, "ratio": per_second / bare_per_second,
            "cpu_ratio": us / bare_us}


def compared(rows, cases, base, others, limit, key):
    """Goals: how the others' figure compares with the base's, in the same round."""
    goals = []
    for case in others:
        ours, theirs = rows[cases.index(case)], rows[cases.index(base)]
        value = median([a[key] / b[key] for a, b in zip(ours, theirs)])
        goals.append(goal(f"{case.name()} to {base.name()}", value, limit, True))
    return goals


def spread(bench):
    cases = cases_of(bench)
    rows = [[] for _ in cases]
    for i in range(bench.rounds or (1 if bench.is_quick else 3)):
        order = list(range(len(cases)))
        for k in order if i % 2 == 0 else reversed(order):
            rows[k].append(measure(bench, cases[k]))
    goals = []
    if len(cases) > 1:
        by_endpoints = [c for c in cases if not c.senders and not c.dispatchers]
        base = by_endpoints[1]
        goals += compared(rows, cases, base, [c for c in by_endpoints if c is not base],
                          0.9, "ratio")
        for kind in ("senders", "dispatchers"):
            some = [c for c in cases if getattr(c, kind)]
            goals += compared(rows, cases, some[0], some[1:], 0.95, "per_second")
    shares = [f"{case.name()}: ratio {median([r['ratio'] for r in row]):.2f}, "
              f"processor time {median([r['cpu_ratio'] for r in row]):.2f} x"
              for case, row in zip(cases, rows)]
    differences = [f"{g['name']}: x {g['value']:.2f} ({verdict(g)})" for g in goals]
    return {"cases": [{"name": case.name(), "settings": case.settings(), "rounds": row}
                      for case, row in zip(cases, rows)],
            "goals": goals, "line": " | ".join(shares + differences)}
