# SPDX-License-Identifier: MIT
"""The scenarios. Each returns figures, goals and one line for people."""

import statistics
import subprocess
import threading
import time

import cpu
import rivals
from harness import ORG, SECRET, Engine, Failed, Receiver, disk_bytes, \
    free_ports, note, now_us, rate_of

MIB = 1 << 20
STACKS = 8
PAYLOAD_BYTES = 1024


def median(values):
    return statistics.median(values) if values else None


def goal(name, value, limit, at_least):
    met = value >= limit if at_least else value <= limit
    return {"name": name, "value": value, "goal": limit,
            "at_least": at_least, "met": met}


def verdict(g):
    sign = ">=" if g["at_least"] else "<="
    return f"goal {sign} {g['goal']:g}: {'met' if g['met'] else 'NOT met'}"


def stack_hooks(engine, ports, org=ORG):
    """One hook per stack, so that each event has exactly one delivery."""
    for i in range(STACKS):
        engine.hook_create(f"http://127.0.0.1:{ports[i % len(ports)]}/h/0",
                           org=org, stack=f"s{i:03d}")


def backlog(engine, count, first_seq=0, org=ORG, before=None):
    """Accepts events while nothing is delivered; returns when it goes on. Calls
    `before` right before that."""
    with engine.dispatchers_stopped():
        engine.post(org=org, count=count, first_seq=first_seq, batch=100,
                    connections=4, stacks=STACKS, bytes=PAYLOAD_BYTES)
        # What ingest still does for the last batch is not the drain's.
        time.sleep(0.2)
        if before is not None:
            before()
    return now_us()


def signatures_checked(bench, engine, port):
    """A small backlog against a receiver that checks each signature."""
    count = 2000
    receiver = Receiver(bench, port=port, ports=2, verify=SECRET, track=count)
    backlog(engine, count)
    stats = receiver.wait_for(count, "distinct")
    receiver.stop()
    if stats["bad_signatures"] > 0:
        raise Failed(f"{stats['bad_signatures']} signatures are wrong")
    note(f"{count} signatures checked")


def drain_once(engine, receiver, count, first_seq, org=ORG):
    meters = []
    receiver.reset()
    resumed_us = backlog(engine, count, first_seq, org, before=lambda: meters.append(
        cpu.Meter(engine, receiver=receiver)))
    stats = receiver.wait_for(count, "distinct")
    return {"cpu": meters[0].stop(count),
            "per_second": rate_of(stats),
            "per_second_from_resume":
                count * 1e6 / (stats["last_us"] - resumed_us),
            "duplicates": stats["duplicates"]}


def bare_once(bench, port, ports=2):
    with cpu.of_children() as used:
        result = bench.call("bareloop", port=port, ports=ports,
                            seconds=2 if bench.is_quick else 4,
                            bytes=PAYLOAD_BYTES)
    if result["failed"] > 0:
        raise Failed(f"bareloop: {result['failed']} requests failed")
    return result["per_second"], used["seconds"] * 1e6 / result["done"]


def drain(bench):
    count = 20000 if bench.is_quick else 100000
    n_bull = 5000 if bench.is_quick else 30000
    n_rounds = bench.rounds or (2 if bench.is_quick else 3)
    port = free_ports(2)
    why_not = rivals.missing()
    bull = None if why_not else rivals.BullMQ(bench)
    engine = Engine(bench)
    rounds = []

    stack_hooks(engine, [port, port + 1])
    signatures_checked(bench, engine, port)
    receiver = Receiver(bench, port=port, ports=2, track=count * n_rounds)
    for i in range(n_rounds):
        row = drain_once(engine, receiver, count, i * count)
        row["bare"], row["bare_us"] = bare_once(bench, port)
        row["bullmq"] = bull.drain(receiver, n_bull) if bull else None
        rounds.append(row)
        note(f"round {i + 1}: posthorn {row['per_second']:,.0f}/s, "
             f"bare loop {row['bare']:,.0f}/s, BullMQ "
             + (f"{row['bullmq']:,.0f}/s" if bull else why_not))
        note(f"{cpu.words(row['cpu'])}; the bare loop {row['bare_us']:.1f} µs")
    engine.stop()
    balance = engine.verify()
    ratio = median([r["per_second"] / r["bare"] for r in rounds])
    goals = [goal("bare loop ratio", ratio, 0.9, True)]
    ours = median([r["per_second"] for r in rounds])
    line = (f"posthorn {ours:,.0f} deliveries/s | bare loop "
            f"{median([r['bare'] for r in rounds]):,.0f}/s, ratio "
            f"{ratio:.2f} ({verdict(goals[0])})")
    if bull:
        against = median([r["per_second"] / r["bullmq"] for r in rounds])
        goals.append(goal("BullMQ ratio", against, 2, True))
        line += (f" | BullMQ {median([r['bullmq'] for r in rounds]):,.0f}/s, "
                 f"ratio {against:.1f} ({verdict(goals[1])})")
    else:
        line += f" | BullMQ not measured: {why_not}"
    return {"events": count, "rounds": rounds, "goals": goals,
            "balance": balance, "line": line}


LATENCY_RATES = {1000: 20, 100: 20, 10: 30}  # events/s: seconds


def latency_once(receiver, post, rate, seconds, engine=None):
    post(rate=rate, seconds=3, first_seq=0)
    time.sleep(0.3)  # the warm-up's last ones
    receiver.reset()
    meter = cpu.Meter(engine, receiver=receiver)
    with cpu.of_children() as client:
        sent = post(rate=rate, seconds=seconds, first_seq=100000)
    stats = receiver.wait_for(sent["accepted"])
    return {"delivery": stats["latency_us"], "answer": sent["latency_us"],
            "client_us": client["seconds"] * 1e6 / sent["accepted"],
            "cpu": meter.stop(sent["accepted"])}


def latency_words(rate, row):
    """Milliseconds, and how many times the bare post's."""
    def part(key):
        ours, bare = (row[who]["delivery"][key] for who in ("posthorn", "bare"))
        return f"{key} {ours / 1000:.2f} ms (x {ours / max(bare, 1):.0f})"

    return (f"{rate}/s: " + ", ".join(part(key) for key in (
        "p50", "p90", "p99", "p999", "max"))
        + "; answered p50 {:.2f} ms".format(
            row["posthorn"]["answer"]["p50"] / 1000))


def latency(bench):
    receiver = Receiver(bench, ports=2, latency=1)
    engine = Engine(bench)
    common = {"connections": 16, "stacks": STACKS, "bytes": PAYLOAD_BYTES}
    rounds = []

    stack_hooks(engine, receiver.ports)
    for _ in range(bench.rounds or 1):
        for rate, seconds in LATENCY_RATES.items():
            if bench.is_quick:
                seconds = 5
            row = {"rate": rate,
                   "posthorn": latency_once(
                       receiver, lambda **o: engine.post(**common, **o), rate,
                       seconds, engine),
                   "bare": latency_once(
                       receiver,
                       lambda **o: bench.load(receiver.port, path="/h/0",
                                              **common, **o), rate, seconds)}
            rounds.append(row)
            note(latency_words(rate, row))
            note(cpu.words(row["posthorn"]["cpu"])
                 + f"; the client {row['posthorn']['client_us']:.1f} µs")

    def of(who, key, rate=1000):
        return median([r[who]["delivery"][key] for r in rounds
                       if r["rate"] == rate]) / 1000

    def times(key):
        return of("posthorn", key) / of("bare", key)

    goals = [goal("p50, times the bare post", times("p50"), 12, False),
             goal("p99, times the bare post", times("p99"), 30, False)]
    slower = ", ".join(f"at {rate}/s p50 {of('posthorn', 'p50', rate):.2f}, "
                       f"p99 {of('posthorn', 'p99', rate):.2f}"
                       for rate in LATENCY_RATES if rate != 1000)
    line = (f"posthorn at 1,000/s p50 {of('posthorn', 'p50'):.2f} ms, p99 "
            f"{of('posthorn', 'p99'):.2f}, p99.9 {of('posthorn', 'p999'):.2f}, "
            f"max {of('posthorn', 'max'):.2f}; {slower} | bare POST p50 "
            f"{of('bare', 'p50'):.3f} ms, p99 {of('bare', 'p99'):.3f}: p50 "
            f"x {times('p50'):.1f} ({verdict(goals[0])}), p99 "
            f"x {times('p99'):.1f} ({verdict(goals[1])})")
    return {"rounds": rounds, "goals": goals, "p50_ratio": times("p50"),
            "line": line}


def certificate_of(bench):
    """Settings of an engine whose intake speaks TLS: ECDSA with P-256."""
    where = bench.temp_dir("tls")
    chain, key = where / "chain.pem", where / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-keyout", str(key), "-out", str(chain)],
        check=True, capture_output=True)
    return [f"ingest_tls_cert={chain}", f"ingest_tls_key={key}"]


def intake_over_tls(bench):
    """Intake of two engines in turn, one of which speaks TLS."""
    seconds = 2 if bench.is_quick else 4
    engines = {"plain": (Engine(bench), 0),
               "tls": (Engine(bench, certificate_of(bench)), 1)}
    kinds = {"batch": {"batch": 100, "connections": 4},
             "single": {"batch": 1, "connections": 64}}
    n_accepted = dict.fromkeys(engines, 0)
    rounds = []
    for i in range(bench.rounds or (2 if bench.is_quick else 3)):
        row = {kind: {} for kind in kinds}
        for kind, options in kinds.items():
            order = list(engines.items())
            for name, (engine, tls) in order if i % 2 else reversed(order):
                meter = cpu.Meter(engine)
                got = engine.post(seconds=seconds, bytes=PAYLOAD_BYTES,
                                  tls=tls, **options)
                row[kind][name] = {"per_second": got["per_second"],
                                   "answer_us": got["latency_us"],
                                   "cpu": meter.stop(got["accepted"])}
                n_accepted[name] += got["accepted"]
        rounds.append(row)
        for kind in kinds:
            for name in engines:
                note(f"round {i + 1}: {kind}, {name}: "
                     f"{row[kind][name]['per_second']:,.0f}/s, "
                     f"{cpu.words(row[kind][name]['cpu'])}")
    for name, (engine, _) in engines.items():
        engine.stop()
        if engine.verify()["accepted"] != n_accepted[name]:
            raise Failed(f"{n_accepted[name]} were answered 202 by {name}, and "
                         "not as many are in the log")

    def of(kind, name):
        return median([r[kind][name]["per_second"] for r in rounds])

    ratios = {kind: median([r[kind]["tls"]["per_second"]
                            / r[kind]["plain"]["per_second"] for r in rounds])
              for kind in kinds}
    line = " || ".join(
        f"{words}: over TLS {of(kind, 'tls'):,.0f} events/s | without "
        f"{of(kind, 'plain'):,.0f}/s, ratio {ratios[kind]:.2f}"
        for kind, words in (("batch", "NDJSON of 100"), ("single", "one by one")))
    return {"seconds": seconds, "rounds": rounds, "goals": [],
            "ratios": ratios, "line": line}


INTAKE_KINDS = {"batch": {"batch": 100, "connections": 4},
                "single": {"batch": 1, "connections": 64}}
WRK_CONNECTIONS = (64, 256)


def intake_by_generator(bench, engine, receiver, seconds, options):
    """The generator to the engine, then to a server that stores nothing."""
    def commits():
        return engine.metric("posthorn_commit_duration_seconds_count", "ingest")

    before, meter = commits(), cpu.Meter(engine)
    ours = engine.post(seconds=seconds, bytes=PAYLOAD_BYTES, **options)
    used = meter.stop(ours["accepted"])
    bare = bench.load(receiver.port, seconds=seconds, bytes=PAYLOAD_BYTES, **options)
    return {"posthorn": ours["per_second"], "accepted": ours["accepted"],
            "bare": bare["per_second"], "answer_us": ours["latency_us"],
            "events_per_commit": ours["accepted"] / max(commits() - before, 1),
            "cpu": used}


def intake_by_wrk(engine, wrk, nginx, seconds):
    """wrk to the engine, then to nginx, by the number of connections."""
    rows = {}
    path = "/api/orgs/bench/events"
    for connections in WRK_CONNECTIONS:
        meter = cpu.Meter(engine)
        ours = wrk.post(engine.ingest_port, path, engine.token, connections, seconds)
        used = meter.stop(ours["accepted"])
        meter = cpu.Meter(nginx=nginx.process)
        theirs = wrk.post(nginx.port, path, engine.token, connections, seconds)
        rows[connections] = {"posthorn": ours["per_second"],
                             "nginx": theirs["per_second"],
                             "accepted": ours["accepted"], "cpu": used,
                             "nginx_us": meter.stop(theirs["accepted"])
                             ["us_per_delivery"]["nginx"]}
        note(f"wrk, {connections} connections: {ours['per_second']:,.0f}/s, "
             f"{cpu.words(used)}; nginx {theirs['per_second']:,.0f}/s, "
             f"{rows[connections]['nginx_us']:.1f} µs")
    return rows


def intake_round(bench, engine, receiver, rivals_of, seconds):
    row = {name: intake_by_generator(bench, engine, receiver, seconds, options)
           for name, options in INTAKE_KINDS.items()}
    n_batch = max(1, round(row["batch"]["events_per_commit"]))
    row["lmdb"] = bench.call("lmdb_append", dir=bench.temp_dir("lmdb"),
                             batch=n_batch, bytes=PAYLOAD_BYTES,
                             seconds=2)["per_second"]
    note(f"batches {row['batch']['posthorn']:,.0f}/s, {n_batch} events per commit; "
         f"LMDB alone with as many {row['lmdb']:,.0f}/s; one by one "
         f"{row['single']['posthorn']:,.0f}/s, "
         f"{row['single']['events_per_commit']:.0f} per commit")
    for name in INTAKE_KINDS:
        note(f"{name}: {cpu.words(row[name]['cpu'])}")
    if rivals_of is not None:
        row["wrk"] = intake_by_wrk(engine, *rivals_of, seconds)
    return row


def intake_count_checked(engine, rounds):
    """Every event that was answered is in the log. wrk leaves what is in flight when
    its time is over."""
    accepted = [r[kind]["accepted"] for r in rounds for kind in INTAKE_KINDS]
    by_wrk = [(connections, row["accepted"]) for r in rounds
              for connections, row in r.get("wrk", {}).items()]
    least = sum(accepted) + sum(n for _, n in by_wrk)
    engine.stop()
    balance = engine.verify()
    if not least <= balance["accepted"] <= least + sum(c for c, _ in by_wrk):
        raise Failed(f"{least} were answered 202, {balance['accepted']} are in the "
                     "log")
    return balance


def intake(bench):
    if bench.has_tls:
        return intake_over_tls(bench)
    seconds = 2 if bench.is_quick else 4
    why_not = rivals.nginx_missing()
    receiver = Receiver(bench)
    engine = Engine(bench)
    against = None if why_not else (rivals.Wrk(bench, PAYLOAD_BYTES, STACKS),
                                    rivals.Nginx(bench))
    rounds = [intake_round(bench, engine, receiver, against, seconds)
              for _ in range(bench.rounds or (2 if bench.is_quick else 3))]
    balance = intake_count_checked(engine, rounds)

    def of(kind, who):
        return median([r[kind][who] for r in rounds])

    to_lmdb = median([r["batch"]["posthorn"] / r["lmdb"] for r in rounds])
    goals = [goal("NDJSON events/s", of("batch", "posthorn"), 50000, True),
             goal("single events/s", of("single", "posthorn"), 12000, True),
             goal("LMDB ratio", to_lmdb, 0.9, True)]
    line = (f"NDJSON of 100: posthorn {of('batch', 'posthorn'):,.0f} events/s "
            f"({verdict(goals[0])}) | LMDB alone with as many per commit "
            f"{median([r['lmdb'] for r in rounds]):,.0f}/s, ratio {to_lmdb:.2f} "
            f"({verdict(goals[2])}) || one by one: posthorn "
            f"{of('single', 'posthorn'):,.0f}/s ({verdict(goals[1])}) | storing "
            f"nothing {of('single', 'bare'):,.0f}/s")
    if why_not:
        line += f" | nginx not measured: {why_not}"
    else:
        ratios = {c: median([r["wrk"][c]["posthorn"] / r["wrk"][c]["nginx"]
                             for r in rounds]) for c in WRK_CONNECTIONS}
        goals.append(goal("nginx ratio", ratios[WRK_CONNECTIONS[-1]], 0.5, True))
        line += (" | by wrk, ratio to nginx " + ", ".join(
            f"{ratio:.2f} over {c}" for c, ratio in ratios.items())
            + f" connections ({verdict(goals[-1])})")
    return {"seconds": seconds, "rounds": rounds, "goals": goals,
            "balance": balance, "line": line}


def fanout_once(engine, receiver, n_events, n_hooks, first_seq):
    receiver.reset()
    before = disk_bytes(engine.data_dir)
    with engine.dispatchers_stopped():
        engine.post(org="fan", count=n_events, first_seq=first_seq, batch=100,
                    connections=1, bytes=PAYLOAD_BYTES)
        time.sleep(0.2)
        meter = cpu.Meter(engine, receiver=receiver)
    stats = receiver.wait_for(n_events * n_hooks, "distinct")
    used = meter.stop(n_events * n_hooks)
    time.sleep(1)  # the last commits
    after = disk_bytes(engine.data_dir)
    grown = {name: size - before.get(name, 0) for name, size in after.items()}
    return {"per_second": rate_of(stats), "duplicates": stats["duplicates"],
            "grown_bytes": grown, "cpu": used}


def fanout(bench):
    n_hooks = 100
    n_events = 300 if bench.is_quick else 1000
    count = 20000 if bench.is_quick else 100000
    n_rounds = bench.rounds or (1 if bench.is_quick else 3)
    port = free_ports(2)
    receiver = Receiver(bench, port=port, ports=2, paths=n_hooks,
                        track=n_rounds * max(count, n_events))
    engine = Engine(bench)
    rounds = []

    stack_hooks(engine, [port, port + 1])
    for i in range(n_hooks):
        engine.hook_create(f"http://127.0.0.1:{port + i % 2}/h/{i}", org="fan")
    for i in range(n_rounds):
        row = fanout_once(engine, receiver, n_events, n_hooks, i * n_events)
        row["drain"] = drain_once(engine, receiver, count,
                                  i * count)["per_second"]
        rounds.append(row)
        note(f"round {i + 1}: fan-out {row['per_second']:,.0f}/s, drain "
             f"{row['drain']:,.0f}/s; {cpu.words(row['cpu'])}")

    def grown(prefix):
        # The first round fills the new files' slack; the last is the rule.
        return sum(size for name, size in rounds[-1]["grown_bytes"].items()
                   if name.startswith(prefix))

    ratio = median([r["per_second"] / r["drain"] for r in rounds])
    per_event = grown("events") / n_events
    per_delivery = grown("deliveries") / (n_events * n_hooks)
    goals = [goal("event log bytes per event", per_event,
                  4 * PAYLOAD_BYTES, False),
             goal("history bytes per delivery", per_delivery,
                  PAYLOAD_BYTES, False)]
    line = (f"1 event to {n_hooks} hooks: "
            f"{median([r['per_second'] for r in rounds]):,.0f} deliveries/s | "
            f"drain {median([r['drain'] for r in rounds]):,.0f}/s, ratio "
            f"{ratio:.2f} | disk: {per_event:,.0f} bytes per event in the "
            f"event log, {per_delivery:,.0f} per delivery in the history, for "
            f"a payload of {PAYLOAD_BYTES}")
    return {"events": n_events, "hooks": n_hooks, "rounds": rounds,
            "goals": goals, "ratio": ratio, "line": line}


class Peak(threading.Thread):
    """Samples the engine's memory; the greatest is what counts."""

    def __init__(self, engine):
        super().__init__(daemon=True)
        self.engine = engine
        self.over = threading.Event()
        self.bytes = 0

    def run(self):
        while not self.over.wait(0.5):
            self.sample()

    def sample(self):
        if self.engine.process is not None:
            self.bytes = max(self.bytes, self.engine.pss())

    def finish(self):
        self.over.set()
        self.join()
        self.sample()
        return self.bytes


def until_matched(engine, expected, seconds=180):
    """Until nothing but what is in flight has left the due index."""
    end = time.monotonic() + seconds
    last = -1
    while time.monotonic() < end:
        due = engine.metric("posthorn_deliveries_due")
        if due >= expected * 0.999:
            return due
        if due != last and int(end - time.monotonic()) % 10 == 0:
            note(f"{due:,.0f} of {expected:,} deliveries are pending")
        last = due
        time.sleep(1)
    raise Failed(f"only {last:,.0f} of {expected:,} deliveries became pending")


def first_delivery(bench, engine, port):
    """Seconds from the engine's start to the first request."""
    receiver = Receiver(bench, port=port)
    engine.start()
    stats = receiver.wait_for(1, idle_seconds=60)
    seconds = (stats["first_us"] - engine.started_us) / 1e6
    receiver.stop()
    return seconds


def memory_rival(bench, n_jobs):
    why_not = rivals.missing()
    if why_not:
        return None, f"BullMQ not measured: {why_not}"
    receiver = Receiver(bench)
    bull = rivals.BullMQ(bench)
    idle, pending = bull.memory(n_jobs, f"http://127.0.0.1:{receiver.port}/")
    first = bull.first_delivery(receiver)
    bull.stop()
    figures = {"idle_bytes": idle, "pending_bytes": pending,
               "pending": n_jobs, "first_delivery_seconds": first}
    return figures, (f"BullMQ: idle {idle / MIB:.0f} MiB, {n_jobs:,} pending "
                     f"{pending / MIB:.0f} MiB, first delivery {first:.2f} s")


def memory(bench):
    n_hooks = 100
    n_events = 1000 if bench.is_quick else 10000
    pending = n_hooks * n_events
    port = free_ports(1)
    engine = Engine(bench)

    time.sleep(3)
    idle = engine.pss()
    note(f"idle: {idle / MIB:.1f} MiB in {len(engine.roles())} processes")
    hanging = Receiver(bench, port=port, delay_ms=3600000)
    for i in range(n_hooks):
        engine.hook_create(f"http://127.0.0.1:{port}/h/{i}")
    peak = Peak(engine)
    peak.start()
    try:
        engine.post(count=n_events, batch=100, connections=2,
                    bytes=PAYLOAD_BYTES)
        due = until_matched(engine, pending)
    finally:
        loaded = peak.finish()
    settled = engine.pss()
    note(f"{due:,.0f} pending: {loaded / MIB:.1f} MiB at most, "
         f"{settled / MIB:.1f} MiB after")
    hanging.stop()  # what is in flight ends at once, so that the drain does
    engine.stop()
    first = first_delivery(bench, engine, port)
    restarted = engine.pss()
    engine.stop()
    rival, rival_line = memory_rival(bench, min(pending, 100000))
    goals = [goal("idle MiB", idle / MIB, 60, False),
             goal("pending MiB", loaded / MIB, 200, False),
             goal("first delivery s", first, 2, False)]
    line = (f"posthorn idle {idle / MIB:.0f} MiB ({verdict(goals[0])}), "
            f"{due:,.0f} pending {loaded / MIB:.0f} MiB "
            f"({verdict(goals[1])}), from start to the first delivery "
            f"{first:.2f} s ({verdict(goals[2])}) | {rival_line}")
    return {"pending": due, "idle_bytes": idle, "pending_peak_bytes": loaded,
            "pending_bytes": settled, "restarted_bytes": restarted,
            "first_delivery_seconds": first, "bullmq": rival,
            "pss_ratio_idle": rival["idle_bytes"] / idle if rival else None,
            "goals": goals, "line": line}


def match(bench):
    """Finding the hooks of an event: the compiled index, without a process."""
    events = 20000 if bench.is_quick else 200000
    alone, beside = [], []
    for _ in range(bench.rounds or (2 if bench.is_quick else 5)):
        alone.append(bench.call("match", hooks=10000, events=events))
        beside.append(bench.call("match", hooks=10000, others=100000,
                                 events=events))
    patterns, few = [], []
    for _ in range(bench.rounds or 3):
        patterns.append(bench.call("match", hooks=10000, wanted=10000,
                                   patterns=1, events=events // 100))
        few.append(bench.call("match", hooks=10000, wanted=1, patterns=1,
                              events=events // 10))
    all_ms = median([r["p50_ns"] for r in patterns]) / 1e6
    one_us = median([r["p50_ns"] for r in few]) / 1e3
    p50 = median([r["p50_ns"] for r in alone]) / 1e6
    p50_beside = median([r["p50_ns"] for r in beside]) / 1e6
    p99_beside = median([r["p99_ns"] for r in beside]) / 1e6
    goals = [goal("p99 ms", p99_beside, 1, False),
             goal("10,000 patterns ms", all_ms, 3, False)]
    line = (f"an event against 10,000 hooks of its organization: p50 "
            f"{p50 * 1e3:.1f} µs, with 100,000 hooks of others beside them "
            f"{p50_beside * 1e3:.1f} µs, ratio {p50_beside / p50:.2f}; p99 "
            f"{p99_beside * 1e3:.1f} µs (goal <= 1 ms: "
            f"{'met' if goals[0]['met'] else 'NOT met'}); with a pattern each, of "
            f"which one holds, p50 {all_ms:.2f} ms (goal <= 3 ms: "
            f"{'met' if goals[1]['met'] else 'NOT met'}), {all_ms * 100:.0f} ns "
            f"each; a single one {one_us:.1f} µs, with the payload's reading")
    return {"alone": alone, "beside": beside, "ratio": p50_beside / p50,
            "patterns": patterns, "one_pattern": few,
            "goals": goals, "line": line}


SCENARIOS = {"drain": drain, "latency": latency, "intake": intake,
             "fanout": fanout, "memory": memory, "match": match}
