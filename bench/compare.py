# SPDX-License-Identifier: MIT
"""Two builds of posthorn, in turns: which of them needs more time for a delivery?"""

import math
import pathlib
import statistics

import cpu
from harness import Engine, Failed, Receiver, free_ports, note, rate_of
from scenarios import PAYLOAD_BYTES, STACKS, backlog, drain_once, latency_once, \
    stack_hooks

PAIRS = 10


def drain(bench):
    """With one sender, so that which of them gets a delivery plays no part."""
    count = 20000 if bench.is_quick else 100000
    port = free_ports(2)
    receiver = Receiver(bench, port=port, ports=2, track=count + 2000)
    engine = Engine(bench, ["senders=1"])
    stack_hooks(engine, [port, port + 1])
    backlog(engine, 2000)
    receiver.wait_for(2000, "distinct")
    row = drain_once(engine, receiver, count, 2000)
    used = row["cpu"]
    return {"deliveries/s": row["per_second"], "engine µs": used["engine_us_per_delivery"], "cpu": used}


def latency(bench):
    seconds = 3 if bench.is_quick else 10
    receiver = Receiver(bench, ports=2, latency=1)
    engine = Engine(bench)
    stack_hooks(engine, receiver.ports)
    stats = latency_once(receiver, lambda **o: engine.post(
        connections=16, stacks=STACKS, bytes=PAYLOAD_BYTES, **o), 1000,
        seconds, engine)
    used = stats["cpu"]
    return {"p50 ms": stats["delivery"]["p50"] / 1000,
            "p99 ms": stats["delivery"]["p99"] / 1000,
            "engine µs": used["engine_us_per_delivery"], "cpu": used}


def intake(bench, **kind):
    seconds = 2 if bench.is_quick else 5
    engine = Engine(bench)
    engine.post(seconds=1, bytes=PAYLOAD_BYTES, **kind)
    meter = cpu.Meter(engine)
    sent = engine.post(seconds=seconds, bytes=PAYLOAD_BYTES, **kind)
    used = meter.stop(sent["accepted"])
    return {"events/s": sent["per_second"],
            "engine µs": used["engine_us_per_delivery"], "cpu": used}


def match(bench):
    """One event to each of 100 hooks of 1,000, through the whole engine."""
    n_events, n_hooks, n_others = (100, 100, 900) if bench.is_quick else \
        (500, 100, 900)
    port = free_ports(1)
    receiver = Receiver(bench, port=port, paths=n_hooks, track=n_events)
    engine = Engine(bench)
    for i in range(n_hooks):
        engine.hook_create(f"http://127.0.0.1:{port}/h/{i}", stack="s000")
    for i in range(n_others):
        engine.hook_create(f"http://127.0.0.1:{port}/h/0", stack=f"x{i:03d}")
    with engine.dispatchers_stopped():
        engine.post(count=n_events, batch=100, connections=1, stacks=1,
                    bytes=PAYLOAD_BYTES)
        meter = cpu.Meter(engine, receiver=receiver)
    stats = receiver.wait_for(n_events * n_hooks, "distinct")
    used = meter.stop(n_events * n_hooks)
    return {"deliveries/s": rate_of(stats),
            "engine µs": used["engine_us_per_delivery"], "cpu": used}


SCENARIOS = {
    "drain": drain,
    "latency": latency,
    "intake": lambda bench: intake(bench, batch=100, connections=4),
    "single": lambda bench: intake(bench, batch=1, connections=64),
    "match": match,
}


def signed_rank_p(differences):
    """Wilcoxon's signed-rank test, two-sided and exact: how probable a sum of ranks
    as far from the middle is when neither is faster."""
    values = sorted((abs(d), d) for d in differences if d != 0)
    n = len(values)
    if n == 0:
        return 1.0
    ranks = []
    for size, _ in values:  # equal sizes share the mean of their ranks
        same = [i + 1 for i, (other, _) in enumerate(values) if other == size]
        ranks.append(sum(same) / len(same))
    # In halves, so that shared ranks are whole numbers.
    halves = [round(2 * rank) for rank in ranks]
    ways = {0: 1}
    for half in halves:
        more = dict(ways)
        for total, count in ways.items():
            more[total + half] = more.get(total + half, 0) + count
        ways = more
    total = sum(halves)
    plus = sum(half for half, (_, d) in zip(halves, values) if d > 0)
    far = abs(2 * plus - total)
    return sum(count for sum_, count in ways.items()
               if abs(2 * sum_ - total) >= far) / math.pow(2, n)


def verdict(ratio, p):
    if p >= 0.05:
        return f"no difference seen (p = {p:.2f})"
    return f"{'more' if ratio > 1 else 'less'} with the new one (p = {p:.3f})"


def run_once(bench, program, scenario):
    """One engine of that program, with everything of its own; stopped after."""
    bench.posthorn = program
    with bench.part():
        return SCENARIOS[scenario](bench)


def compare(bench, old, new, scenario):
    for path in (old, new):
        if not pathlib.Path(path).is_file():
            raise Failed(f"{path} is not a program")
    n_pairs = bench.rounds or (3 if bench.is_quick else PAIRS)
    pairs = []
    for i in range(n_pairs):
        # Each is the first one in half of the pairs.
        order = ("old", "new") if i % 2 == 0 else ("new", "old")
        programs = {"old": old, "new": new}
        pair = {who: run_once(bench, programs[who], scenario) for who in order}
        pairs.append(pair)
        note(f"pair {i + 1}: " + ", ".join(
            f"{name} {pair['old'][name]:,.2f} and {pair['new'][name]:,.2f}"
            for name in pair["old"] if name != "cpu"))
    figures, words = {}, []
    for name in pairs[0]["old"]:
        if name == "cpu":
            continue
        ratio = statistics.median(p["new"][name] / p["old"][name] for p in pairs)
        p = signed_rank_p([math.log(pair["new"][name] / pair["old"][name])
                           for pair in pairs])
        medians = {who: statistics.median(pair[who][name] for pair in pairs)
                   for who in ("old", "new")}
        figures[name] = {**medians, "ratio": ratio, "p": p}
        words.append(f"{name}: {medians['old']:,.2f} and {medians['new']:,.2f}, "
                     f"x {ratio:.3f}, {verdict(ratio, p)}")
    for who in ("old", "new"):
        note(f"{who}: " + cpu.words(pairs[-1][who]["cpu"]))
    return {"old": str(old), "new": str(new), "of": scenario, "pairs": pairs,
            "figures": figures, "line": f"{scenario}, {n_pairs} pairs, old and new: "
            + " | ".join(words)}
