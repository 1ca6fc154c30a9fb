# SPDX-License-Identifier: MIT
"""What a cluster costs: one machine alone, beside 1, 2 and 3 nodes over three servers of
NATS; how long another node needs to lead, and a new one to have all that there is."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request

import cpu
from harness import (Engine, Failed, Receiver, disk_bytes, free_ports, note, now_us, request,
                     spawn, stop, wait_until)
from scenarios import (PAYLOAD_BYTES, STACKS, backlog, drain_once, goal, latency_once, median,
                       stack_hooks, verdict)

SERVERS = 3
RATES = {200: 15, 1000: 15}  # events/s: seconds
WARM = 200


class Nats:
    """Three servers on loopback that sync each entry."""

    def __init__(self, bench):
        program = shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin")
        if program is None:
            raise Failed("nats-server is missing: deploy/install-deps --cluster brings it")
        where = bench.temp_dir("nats")
        first = free_ports(3 * SERVERS)
        self.ports, self.peers, self.monitors = (
            [first + 3 * i + k for i in range(SERVERS)] for k in range(3))
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self.peers)
        self.processes = []
        for i in range(SERVERS):
            (where / f"n{i}.conf").write_text(f"""
                server_name: n{i}
                listen: "127.0.0.1:{self.ports[i]}"
                http: "127.0.0.1:{self.monitors[i]}"
                max_payload: 1MB
                jetstream {{ store_dir: "{where}/n{i}", sync_interval: always,
                    max_memory_store: 64MB, max_file_store: 16GB }}
                cluster {{ name: bench, listen: "127.0.0.1:{self.peers[i]}",
                    routes: [{routes}] }}
                """)
            with open(where / f"n{i}.log", "wb") as log:
                self.processes.append(spawn([program, "-c", where / f"n{i}.conf"],
                                            stdout=log, stderr=log))
            bench.stack.callback(stop, self.processes[-1])
        wait_until("the servers have a leader", 30, self.are_ready)

    def ask(self, i, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitors[i]}/{path}",
                                        timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return {}

    def are_ready(self):
        return all(self.ask(i, "jsz").get("meta_cluster", {}).get("leader")
                   for i in range(SERVERS))

    def pids(self):
        return [process.pid for process in self.processes]

    def settings(self):
        servers = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        monitors = ",".join(f"http://127.0.0.1:{port}" for port in self.monitors)
        return [f"cluster=nats://{servers}", f"cluster_monitors={monitors}"]

    def stored(self):
        """Entries, and their bytes, of one replica of all streams."""
        streams = {}
        for i in range(SERVERS):
            for account in self.ask(i, "jsz?streams=true").get("account_details", ()):
                for detail in account.get("stream_detail", ()):
                    state = detail["state"]
                    best = streams.get(detail["name"], (0, 0))
                    streams[detail["name"]] = max(best, (state["messages"], state["bytes"]))
        return (sum(messages for messages, _ in streams.values()),
                sum(size for _, size in streams.values()))

    def wire_bytes(self):
        return sum(self.ask(i, "varz").get(name, 0) for i in range(SERVERS)
                   for name in ("in_bytes", "out_bytes"))


class Cluster:
    def __init__(self, bench, n_nodes):
        self.bench = bench
        self.nats = Nats(bench)
        self.key = bench.temp_dir("key") / "secret.key"
        self.nodes = []
        for _ in range(n_nodes):
            self.add()

    def add(self):
        name = f"n{len(self.nodes)}"
        self.nodes.append(Engine(self.bench, [*self.nats.settings(), f"node={name}",
                                              f"secret_key_file={self.key}"]))
        return self.nodes[-1]

    def lead(self):
        """The node whose roles run; None while none does."""
        for node in self.nodes:
            if node.process is not None and any(
                    title.startswith("posthorn: dispatcher")
                    for title in node.roles().values()):
                return node
        return None

    def follows(self, node):
        """Whether the node's copy is at the end of every chain."""
        sets = [word for setting in node.settings for word in ("--set", setting)]
        said = subprocess.run([node.program, "cluster", "status", "--json", *sets, "--set",
                               f"data_dir={node.data_dir}"], capture_output=True, text=True,
                              timeout=60, check=False)
        name = next(s[5:] for s in node.settings if s.startswith("node="))
        parts = [part for shown in json.loads(said.stdout or "{}").get("nodes", ())
                 if shown["node"] == name for part in shown["parts"]]
        return bool(parts) and all(part["state"] == "follows" for part in parts)

    def others(self):
        return [pid for node in self.nodes if node is not self.lead()
                for pid in node.roles()]


def figures(engine, receiver, cluster, count, seq, is_quick):
    """A drain and the latencies, of an engine alone or of a cluster's lead."""
    nats = cluster.nats if cluster else None
    row = {}
    before = (nats.stored(), nats.wire_bytes()) if nats else None
    others = cpu.Meter(followers=cluster.others(), nats=nats.pids()) if nats else None
    row["drain"] = drain_once(engine, receiver, count, seq)
    if nats:
        row["others"] = others.stop(count)["us_per_delivery"]
        after = nats.stored(), nats.wire_bytes()
        entries, size = (after[0][i] - before[0][i] for i in range(2))
        row["entries"] = entries
        row["events_per_entry"] = count / max(entries, 1)
        row["stored_ratio"] = size / count / PAYLOAD_BYTES
        row["wire_ratio"] = (after[1] - before[1]) / count / PAYLOAD_BYTES
    row["latency"] = {}
    for rate, seconds in RATES.items():
        row["latency"][rate] = latency_once(
            receiver, lambda **o: engine.post(connections=16, stacks=STACKS,
                                              bytes=PAYLOAD_BYTES, **o),
            rate, 4 if is_quick else seconds, engine)["delivery"]
    return row


def words(name, row):
    cost = row["drain"]["cpu"]["engine_us_per_delivery"]
    text = f"{name}: {cost:.1f} µs a delivery, {row['drain']['per_second']:,.0f}/s"
    if "others" in row:
        text += (f", followers {row['others']['followers']:.1f} µs, servers "
                 f"{row['others']['nats']:.1f} µs; {row['events_per_entry']:.0f} events an "
                 f"entry; stored x {row['stored_ratio']:.2f}, on the wire x "
                 f"{row['wire_ratio']:.2f}")
    for rate, latency in row["latency"].items():
        text += f"; {rate}/s p50 {latency['p50'] / 1000:.2f} ms, p99 {latency['p99'] / 1000:.2f}"
    return text


def take_over(cluster, receiver, number):
    """Seconds from a signal to the lead until another node's API is ready."""
    lead = cluster.lead()
    other = next(node for node in cluster.nodes
                 if node is not lead and node.process is not None)
    began_us = now_us()
    if number == signal.SIGKILL:
        lead.kill()
    else:
        lead.process.send_signal(number)

    def is_taken():
        now = cluster.lead()
        try:
            return now not in (None, lead) and \
                request(other.api_port, "GET", "/readyz", seconds=2)[0] == 200
        except OSError:
            return False

    wait_until("another node leads", 90, is_taken, step=0.02)
    took = (now_us() - began_us) / 1e6
    if number == signal.SIGTERM:
        lead.process.wait(60)
    lead.start()
    return took


def make_copy(cluster, count):
    """Seconds until a new node has all that there is."""
    began = time.monotonic()
    node = cluster.add()
    wait_until("a new node has all", 300, lambda: cluster.follows(node))
    took = time.monotonic() - began
    size = sum(disk_bytes(node.data_dir).values())
    note(f"a new node: {took:.1f} s for {count:,} deliveries, {size / 2**20:.0f} MiB")
    return {"seconds": took, "bytes": size}


def measure(bench, n_nodes, count, receiver):
    """Rounds of an engine alone (0 nodes) or of a cluster."""
    cluster = Cluster(bench, n_nodes) if n_nodes else None
    if cluster:
        wait_until("a node leads", 60, cluster.lead)
    engine = cluster.lead() if cluster else Engine(bench)
    stack_hooks(engine, [receiver.port])
    drain_once(engine, receiver, WARM, 0)
    rows = [figures(engine, receiver, cluster, count, WARM + i * count, bench.is_quick)
            for i in range(bench.rounds or 1)]
    result = {"rounds": rows}
    if n_nodes == 3:
        result["planned_s"] = take_over(cluster, receiver, signal.SIGTERM)
        result["killed_s"] = take_over(cluster, receiver, signal.SIGKILL)
        result["copy"] = make_copy(cluster, count * len(rows))
        wait_until("all nodes follow", 60, lambda: all(
            node is cluster.lead() or cluster.follows(node) for node in cluster.nodes))
    return result


def middle(result, of):
    return median([of(row) for row in result["rounds"]])


def cluster(bench):
    count = 5000 if bench.is_quick else 40000
    results = {}
    for n_nodes in (0, 1, 2, 3):
        with bench.part():
            receiver = Receiver(bench, latency=1,
                                track=WARM + (bench.rounds or 1) * (count + 40000))
            results[n_nodes] = measure(bench, n_nodes, count, receiver)
        for row in results[n_nodes]["rounds"]:
            note(words(f"{n_nodes} nodes" if n_nodes else "alone", row))

    def cost(row):
        return row["drain"]["cpu"]["engine_us_per_delivery"] + \
            row.get("others", {}).get("followers", 0)

    three = results[3]
    ratios = {n: middle(results[n], cost) / middle(results[0], cost) for n in (1, 2, 3)}
    p99 = middle(three, lambda row: row["latency"][1000]["p99"]) / 1000
    stored = middle(three, lambda row: row["stored_ratio"])
    goals = [goal("processor time, three nodes", ratios[3], 1.3, False),
             goal("p99 at 1,000/s, ms", p99, 25, False),
             goal("bytes stored, times the event", stored, 3.5, False)]
    line = ("processor time of a delivery, all nodes: "
            + ", ".join(f"{n} x {ratio:.2f}" for n, ratio in ratios.items())
            + f" of {middle(results[0], cost):.1f} µs alone ({verdict(goals[0])}); p99 at "
            f"1,000/s {p99:.1f} ms ({verdict(goals[1])}); stored x {stored:.2f} "
            f"({verdict(goals[2])}) | another lead after {three['planned_s']:.1f} s planned, "
            f"{three['killed_s']:.1f} s killed; a new copy in {three['copy']['seconds']:.1f} s")
    return {"events": count, "goals": goals, "line": line,
            **{f"nodes_{n}": result for n, result in results.items()}}
