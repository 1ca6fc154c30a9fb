# SPDX-License-Identifier: MIT
"""Processor time: whose, and how much of the machine.

Ticks of /proc/PID/stat are 10 ms: a measurement has to take a second or more.
"""

import contextlib
import os
import pathlib

TICKS = os.sysconf("SC_CLK_TCK")


def of_process(pid):
    """Seconds of user and kernel time of a process with all its threads; 0 when
    it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = text.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def of_machine():
    """Seconds that all processors together were busy, and that passed on them."""
    line = pathlib.Path("/proc/stat").read_text().splitlines()[0]
    ticks = [int(n) for n in line.split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / TICKS, sum(ticks) / TICKS


def role_of(title):
    """"posthorn: dispatcher 0" is of the role dispatcher."""
    words = title.split(":", 1)
    if words[0] != "posthorn" or len(words) == 1:
        return "supervisor"
    return words[1].split()[0]


class Meter:
    """Of an engine's processes by role, and of others by name: one, or a list of pids. What
    ends before stop() is called is lost."""

    def __init__(self, engine=None, **processes):
        self.pids = {name: p if isinstance(p, list)
                     else [p.process.pid if hasattr(p, "process") else p.pid]
                     for name, p in processes.items()}
        if engine is not None:
            for pid, title in engine.roles().items():
                self.pids.setdefault(role_of(title), []).append(pid)
        self.engine_roles = set(self.pids) - set(processes)
        self.before = self.now()
        self.machine = of_machine()

    def now(self):
        return {name: sum(of_process(pid) for pid in pids)
                for name, pids in self.pids.items()}

    def stop(self, n_deliveries):
        """Microseconds a delivery by name, of the engine together, and how many
        cores of the machine were busy."""
        after, (busy, total) = self.now(), of_machine()
        each = {name: (after[name] - self.before[name]) * 1e6 / n_deliveries
                for name in after}
        part = (busy - self.machine[0]) / max(total - self.machine[1], 1e-9)
        return {"us_per_delivery": {n: round(us, 3) for n, us in each.items()},
                "engine_us_per_delivery":
                    round(sum(each[name] for name in self.engine_roles), 3),
                "busy_cores": round(part * os.cpu_count(), 3)}


@contextlib.contextmanager
def of_children():
    """Seconds that the children which end inside took."""
    took = {}
    before = os.times()
    yield took
    after = os.times()
    took["seconds"] = (after.children_user - before.children_user
                       + after.children_system - before.children_system)


def words(figures):
    """One line for people."""
    parts = ", ".join(f"{name} {us:.1f}" for name, us in
                      sorted(figures["us_per_delivery"].items(),
                             key=lambda item: -item[1]) if us >= 0.05)
    return (f"{figures['engine_us_per_delivery']:.1f} µs of the engine's "
            f"processor time each ({parts}), {figures['busy_cores']:.2f} cores busy")
