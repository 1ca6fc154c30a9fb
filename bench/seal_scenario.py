# SPDX-License-Identifier: MIT
"""What encrypted payloads cost: intake and deliveries with seal_payloads on, beside off."""

import cpu
from harness import Engine, Failed, Receiver, disk_bytes, note
from scenarios import INTAKE_KINDS, PAYLOAD_BYTES, drain_once, median, stack_hooks

WARM = 200  # events before the rounds
BEHIND = 100  # events, as many as a post has
OTHER = "other"  # an organization without webhooks


def n_rounds(bench):
    return bench.rounds or (2 if bench.is_quick else 5)


class Kind:
    """An engine and its receiver."""

    def __init__(self, bench, settings, count):
        self.engine = Engine(bench, settings)
        self.receiver = Receiver(bench, track=WARM + n_rounds(bench) * (count + BEHIND))
        stack_hooks(self.engine, [self.receiver.port])
        drain_once(self.engine, self.receiver, WARM, 0)  # connections are made
        self.n_accepted = WARM
        self.rounds = []

    def measure(self, bench, count):
        """A round: posts that no webhook wants, then a drain."""
        row = {}
        for name, options in INTAKE_KINDS.items():
            meter = cpu.Meter(self.engine)
            got = self.engine.post(org=OTHER, seconds=2 if bench.is_quick else 4,
                                   bytes=PAYLOAD_BYTES, **options)
            self.n_accepted += got["accepted"]
            row[name] = {"per_second": got["per_second"],
                         "us": meter.stop(got["accepted"])["engine_us_per_delivery"]}
        # All posts are matched once events behind them are delivered.
        seq = WARM + len(self.rounds) * (count + BEHIND)
        drain_once(self.engine, self.receiver, BEHIND, seq)
        row["drain"] = drain_once(self.engine, self.receiver, count, seq + BEHIND)
        self.n_accepted += BEHIND + count
        self.rounds.append(row)
        return row

    def end(self):
        self.disk_bytes = disk_bytes(self.engine.data_dir)
        self.engine.stop()
        if (found := self.engine.verify()["accepted"]) != self.n_accepted:
            raise Failed(f"{self.n_accepted} were answered 202, and {found} are in "
                         "the log")


def figure(row, name):
    """Processor time of an event or a delivery, and the rate."""
    if name == "drain":
        return row["drain"]["cpu"]["engine_us_per_delivery"], row["drain"]["per_second"]
    return row[name]["us"], row[name]["per_second"]


def seal(bench):
    count = 4000 if bench.is_quick else 40000
    kinds = {"off": Kind(bench, [], count),
             "on": Kind(bench, ["seal_payloads=on",
                                f"payload_keys_dir={bench.temp_dir('keys')}"], count)}
    for i in range(n_rounds(bench)):
        for name, kind in list(kinds.items())[::1 if i % 2 else -1]:
            row = kind.measure(bench, count)
            note(f"round {i + 1}, {name}: {cpu.words(row['drain']['cpu'])}; NDJSON "
                 f"{row['batch']['us']:.1f} µs, one by one {row['single']['us']:.1f} µs")
    for kind in kinds.values():
        kind.end()
    ratios, words = {}, []
    for name, what in (("batch", "an event of NDJSON"), ("single", "an event alone"),
                       ("drain", "a delivery")):
        pairs = [(figure(on, name), figure(off, name))
                 for on, off in zip(kinds["on"].rounds, kinds["off"].rounds)]
        ratios[name] = {"us": median([on[0] / off[0] for on, off in pairs]),
                        "per_second": median([on[1] / off[1] for on, off in pairs])}
        words.append(f"{what}: {median([on[0] for on, _ in pairs]):.1f} µs of processor "
                     f"time on, {median([off[0] for _, off in pairs]):.1f} off, ratio "
                     f"{ratios[name]['us']:.2f}; rate x {ratios[name]['per_second']:.2f}")
    return {"events": count, "ratios": ratios, "goals": [],
            **{name: {"rounds": kind.rounds, "disk_bytes": kind.disk_bytes}
               for name, kind in kinds.items()},
            "line": "sealed payloads: " + " || ".join(words)}
