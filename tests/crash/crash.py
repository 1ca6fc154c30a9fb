#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""crash.py — kill -9 under load, again and again: nothing acknowledged is lost.

    tests/crash/crash.py [--binary build/posthorn] [--rounds 60] [--only KIND] [--seed N]

Producers post events, one by one and in batches, and note each that was
acknowledged; a receiver notes each that arrived. Every round kills a role, the
supervisor, or the whole process group at a random moment, and waits until the
engine is ready again. At the end the engine drains, and the notes are
compared. Exit status: 0 all is well; 3 events were lost; 1 anything else.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import engine as engine_module  # noqa: E402
from engine import Engine, group_members  # noqa: E402
from support import ROOT, free_ports, wait_for  # noqa: E402

KINDS = ("group", "supervisor", "ingest", "dispatcher", "sender", "api")
READY_LIMIT_S = 2.0
MIN_EVENTS = 100  # a round, or the kills meet no work
N_PRODUCERS = 2
LOSS = 3


class Child:
    """A part of the load: crash_load.py in a process of its own."""

    def __init__(self, *args):
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/crash/crash_load.py"),
             *map(str, args)])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, "a part of the load failed"


class Crash:
    def __init__(self, options, directory):
        self.random = random.Random(options.seed)
        self.rounds = options.rounds
        self.kinds = [options.only] if options.only else KINDS
        self.directory = directory
        self.engine = Engine(directory, max_queue_bytes="8GiB",
                             retry_schedule=",".join(["1s"] * 30))
        self.engine.check_exit = False
        self.port = free_ports(1)[0]
        self.slowest = defaultdict(float)
        self.up_seconds = 0.0

    def start(self):
        self.started = time.monotonic()
        self.receiver = Child("receive", self.port, self.directory / "arrived")
        self.engine.start()
        self.engine.create_hook(f"http://127.0.0.1:{self.port}/")
        self.producers = [
            Child("produce", self.engine.ingest_port, self.engine.token,
                  self.directory / f"producer{n}", n)
            for n in range(N_PRODUCERS)]

    # --- killing ---

    def pause(self):
        seconds = self.random.uniform(0.1, 1.2)
        time.sleep(seconds)
        self.up_seconds += seconds

    def kill_all(self, kind):
        """The supervisor alone, or all at once; then a new start."""
        engine = self.engine
        if kind == "group":
            engine.kill9()
        else:
            engine.process.kill()
            engine.process.wait(10)
            wait_for(lambda: not group_members(engine.process.pid),
                     "no role outlives the supervisor", READY_LIMIT_S)
        started = time.monotonic()
        engine.start()
        return time.monotonic() - started

    def kill_role(self, kind):
        victim = self.random.choice(self.engine.pids(kind))
        n_before = len(self.engine.pids(kind))
        started = time.monotonic()
        os.kill(victim, signal.SIGKILL)

        def is_back():
            pids = self.engine.pids(kind)
            return (victim not in pids and len(pids) == n_before
                    and self.engine.is_ready())
        wait_for(is_back, f"{kind} is back", 10)
        return time.monotonic() - started

    def run(self):
        for number in range(self.rounds):
            self.pause()
            kind = self.random.choice(self.kinds)
            is_whole = kind in ("group", "supervisor")
            kill = self.kill_all if is_whole else self.kill_role
            seconds = kill(kind)
            self.slowest[kind] = max(self.slowest[kind], seconds)
            if sys.stdout.isatty():
                print(f"\rround {number + 1} of {self.rounds}", end="")
        if sys.stdout.isatty():
            print()
        self.pause()

    # --- judging ---

    def finish(self):
        """Ends the load, waits until all is delivered, ends the engine."""
        started = time.monotonic()
        for producer in self.producers:
            producer.stop()
        self.books = self.engine.wait_settled(60)
        self.listed = self.count_listed()
        status = self.engine.stop()
        self.receiver.stop()
        assert status == 0, f"the last drain ended with status {status}"
        self.engine.check_log()
        print(f"load: {started - self.started:.0f} s; "
              f"then until all was settled: {time.monotonic() - started:.0f} s")

    def count_listed(self):
        """How many events the list has by the number of webhooks that they matched."""
        path, counts = "/api/orgs/acme/events?limit=1000", defaultdict(int)
        token = ""
        while token is not None:
            reply = self.engine.api("GET", path + (token and f"&continuationToken={token}"))
            assert reply.status == 200, reply
            for event in reply.json():
                counts[event["matched"]] += 1
            token = reply.headers.get("x-continuation-token")
        return dict(counts)

    def notes(self, name):
        return [line for path in sorted(self.directory.glob(f"producer*.{name}"))
                for line in path.read_text().splitlines()]

    def judge(self):
        acknowledged = set(self.notes("acknowledged"))
        posted = set(self.notes("posted"))
        arrivals = defaultdict(list)
        for line in (self.directory / "arrived").read_text().splitlines():
            tag, event_id = line.split(" ")
            arrivals[tag].append(event_id)
        n_arrived = sum(map(len, arrivals.values()))
        self.report(acknowledged, posted, arrivals, n_arrived)

        lost = acknowledged - set(arrivals)
        invented = set(arrivals) - posted
        changed = {t for t, ids in arrivals.items() if len(set(ids)) > 1}
        slow = {k: s for k, s in self.slowest.items() if s > READY_LIMIT_S}
        faults = []
        if invented:
            faults.append(f"{len(invented)} arrived that nobody posted")
        if changed:
            faults.append(f"{len(changed)} arrived under different ids")
        if slow:
            faults.append(f"not ready again within {READY_LIMIT_S} s: {slow}")
        if self.books["dead"] or self.books["cancelled"]:
            faults.append(f"the books have dead or cancelled: {self.books}")
        if self.listed != {1: self.books["accepted"]}:
            faults.append(f"{self.listed} events are listed by matches, but the books have "
                          f"{self.books['accepted']}")
        if len(posted) < MIN_EVENTS * self.rounds:
            faults.append(f"the load was only {len(posted)} events")
        # Repeated may be what was in flight when something was killed, and
        # what was delivered in the last commits: a share of the load that
        # does not grow with the queue.
        if n_arrived - len(arrivals) > 2000 * self.rounds:
            faults.append("too many were repeated")
        return lost, faults

    def report(self, acknowledged, posted, arrivals, n_arrived):
        times = ", ".join(f"{k} {s:.2f} s"
                          for k, s in sorted(self.slowest.items()))
        print(f"rounds: {self.rounds}; slowest until ready again: {times}")
        print(f"events: {len(posted)} posted, {len(acknowledged)} acknowledged,"
              f" {len(arrivals)} arrived; {n_arrived - len(arrivals)} repeated;"
              f" {len(posted) / max(self.up_seconds, 0.1):.0f} a second")

    def clean_up(self):
        for child in [self.receiver, *self.producers]:
            if child.process.poll() is None:
                child.process.kill()
        if self.engine.is_running():
            self.engine.kill9()


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", default=str(ROOT / "build" / "posthorn"))
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--seed", type=int,
                        default=random.SystemRandom().randrange(1 << 32))
    return parser.parse_args()


def main():
    options = read_options()
    engine_module.BINARY = str(Path(options.binary).resolve())
    directory = Path(tempfile.mkdtemp(prefix="posthorn-crash-"))
    print(f"seed: {options.seed}; directory: {directory}")
    crash = Crash(options, directory)
    crash.start()
    try:
        crash.run()
        crash.finish()
        lost, faults = crash.judge()
    except BaseException:
        print(crash.engine.log()[-5000:])
        raise
    finally:
        crash.clean_up()
    for fault in faults:
        print(f"fault: {fault}")
    if lost:
        print(f"lost: {len(lost)} acknowledged events never arrived, like "
              f"{sorted(lost)[:3]}")
    print(f"result: {'lost' if lost else 'faulty' if faults else 'ok'}")
    if not lost and not faults:
        shutil.rmtree(directory)
        return 0
    return LOSS if lost else 1


if __name__ == "__main__":
    sys.exit(main())
