# SPDX-License-Identifier: MIT
"""The scenario `isolation`: what hooks whose receiver hangs cost the others: the same
load for these, on an engine where those hooks and their events are absent."""

import threading
import time

import cpu
from harness import Engine, Receiver, note, rate_of
from scenarios import PAYLOAD_BYTES, goal, median, verdict

HOOKS = 100
RATE = 1000        # events/s of the healthy hooks, and as many of the others
A_DAY_MS = 86400000

# How many of the hooks hang, and what that may cost the others.
CASES = (
    (1, "p99 ratio", 1.10, "rate ratio", 0.95),
    (50, "p99 ratio", 2.0, None, None),
    (90, None, None, "rate ratio", 0.5),
)


class Field:
    """An engine with its hooks: `n_bad` of the project `bad`, on a receiver
    that hangs; the others of the project `good`. For comparison, an engine of the same
    size with these others alone."""

    def __init__(self, bench, n_bad, has_bad):
        self.n_bad = n_bad if has_bad else 0
        self.n_good = HOOKS - n_bad
        self.good = Receiver(bench, latency=1)
        self.bad = Receiver(bench, delay_ms=A_DAY_MS)
        self.engine = Engine(bench, ["drain_timeout=1s"])
        for project, count, receiver in (("good", self.n_good, self.good),
                                         ("bad", self.n_bad, self.bad)):
            for i in range(count):
                self.engine.hook_create(
                    f"http://127.0.0.1:{receiver.port}/h/0",
                    stack=f"s{i:03d}", project=project)

    def post(self, project, **more):
        stacks = self.n_good if project == "good" else self.n_bad
        return self.engine.post(project=project, stacks=stacks,
                                bytes=PAYLOAD_BYTES, **more)

    def both(self, **more):
        """The healthy hooks' events and, if there are others, as many for these at
        the same time; what was said of the healthy ones'."""
        if self.n_bad == 0:
            return self.post("good", **more)
        other = threading.Thread(target=lambda: self.post("bad", **more))
        other.start()
        sent = self.post("good", **more)
        other.join()
        return sent

    def latency(self, seconds):
        self.both(rate=RATE, seconds=2, connections=8)
        time.sleep(0.5)
        self.good.reset()
        sent = self.both(rate=RATE, seconds=seconds, connections=8)
        return self.good.wait_for(sent["accepted"])["latency_us"]

    def drain(self, count):
        self.good.reset()
        with self.engine.dispatchers_stopped():
            self.both(count=count, batch=100, connections=2)
            time.sleep(0.2)
            meter = cpu.Meter(self.engine, receiver=self.good)
        rate = rate_of(self.good.wait_for(count))
        return rate, meter.stop(count)

    def stop(self):
        self.engine.stop()
        self.good.stop()
        self.bad.stop()


def measure(bench, n_bad, has_bad):
    count = 5000 if bench.is_quick else 40000
    with bench.part():
        field = Field(bench, n_bad, has_bad)
        latency_us = field.latency(3 if bench.is_quick else 10)
        rate, used = field.drain(count)
        field.stop()
    return {"p50_us": latency_us["p50"], "p99_us": latency_us["p99"],
            "per_second": rate, "cpu": used}


def words_of(n_bad, row):
    there, absent = row["hanging"], row["absent"]
    return (f"{n_bad} of {HOOKS} hang: p99 of the others {there['p99_us'] / 1000:.2f} ms "
            f"(without them {absent['p99_us'] / 1000:.2f} ms), "
            f"{there['per_second']:,.0f}/s ({absent['per_second']:,.0f}/s), "
            f"{there['cpu']['engine_us_per_delivery']:.1f} µs of the engine's processor "
            f"time ({absent['cpu']['engine_us_per_delivery']:.1f} µs)")


def isolation(bench):
    n_rounds = bench.rounds or (1 if bench.is_quick else 3)
    cases, goals, words = [], [], []
    for n_bad, p99_name, p99_limit, rate_name, rate_limit in CASES:
        rounds = []
        for i in range(n_rounds):
            # In turn: whatever else the machine does meets both.
            order = (False, True) if i % 2 == 0 else (True, False)
            got = {has_bad: measure(bench, n_bad, has_bad) for has_bad in order}
            row = {"absent": got[False], "hanging": got[True]}
            rounds.append(row)
            note(words_of(n_bad, row))

        def ratio(figure):
            return median([figure(r["hanging"]) / figure(r["absent"]) for r in rounds])

        p99 = ratio(lambda r: r["p99_us"])
        rate = ratio(lambda r: r["per_second"])
        used = ratio(lambda r: r["cpu"]["engine_us_per_delivery"])
        text = f"{n_bad} of {HOOKS} hang: p99 x {p99:.2f}"
        if p99_name:
            goals.append(goal(f"{n_bad}: {p99_name}", p99, p99_limit, False))
            text += f" ({verdict(goals[-1])})"
        text += f", rate x {rate:.2f}"
        if rate_name:
            goals.append(goal(f"{n_bad}: {rate_name}", rate, rate_limit, True))
            text += f" ({verdict(goals[-1])})"
        words.append(f"{text}, processor time x {used:.2f}")
        cases.append({"hang": n_bad, "rounds": rounds, "p99_ratio": p99,
                      "rate_ratio": rate, "cpu_ratio": used})
    return {"hooks": HOOKS, "cases": cases, "goals": goals,
            "line": " | ".join(words)}
