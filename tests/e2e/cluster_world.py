# SPDX-License-Identifier: MIT
"""A cluster of three nodes, producers that post to it, and what must hold afterwards."""

import collections
import contextlib
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import threading
import time

from engine import Engine, children_of, group_members
from lmdb_rows import digests
from receiver import Receiver
from support import PATIENCE_S, compact, wait_for

WINDOW = 16  # max_inflight_per_hook
LEAD_LINES = ["this node is the lead of the cluster", "this node leaves the lead",
              "this node is not the lead of the cluster any more"]


class Node(Engine):
    """One node; its data directory, its log and its ports are its own."""

    def spawn(self):
        self.log_from = len(self.log())
        return super().spawn()

    def leads(self):
        """Its supervisor has started the roles of the lead, and not ended them."""
        said = re.findall("|".join(LEAD_LINES), self.log()[self.log_from:])
        return self.is_running() and said[-1:] == LEAD_LINES[:1]

    def all_pids(self, role):
        return [pid for pid, title in children_of(self.process.pid)
                if title.startswith(f"posthorn: {role}")]

    def signal_all(self, number):
        """To all processes of the node, as SIGSTOP for a machine that hangs."""
        for pid in group_members(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class Producer:
    """Threads that post events with a key each, and go on to the next node with the
    same key until they get 202."""

    def __init__(self, nodes, name="", threads=2, pause=0.05):
        self.nodes = list(nodes)
        self.name = name
        self.pause = pause
        self.accepted = {}  # by key: the event's id, and when
        self.refused = collections.Counter()
        self.began = time.monotonic()
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.token = self.nodes[0].token
        self.threads = [threading.Thread(target=self.post_all, args=(i,), daemon=True)
                        for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def post_all(self, number):
        at, connections = number, {}
        for n in itertools.count():
            if self.stopping.is_set():
                break
            at = self.post(f"{self.name}{number}-{n}", at, connections)
            time.sleep(self.pause)
        for connection in connections.values():
            connection.close()

    def post(self, key, at, connections):
        body = compact({"kind": "order.created", "payload": {"key": key}}).encode()
        while True:
            port = self.nodes[at % len(self.nodes)].ingest_port
            status, said = self.post_once(port, key, body, connections)
            if status == 202:
                with self.lock:
                    self.accepted[key] = json.loads(said)["id"], time.monotonic()
                return at
            with self.lock:
                self.refused[status] += 1
            at += 1
            time.sleep(0.1)

    def post_once(self, port, key, body, connections):
        try:
            connection = connections.get(port)
            if connection is None:
                connection = connections[port] = http.client.HTTPConnection(
                    "127.0.0.1", port, timeout=5)
            connection.request("POST", "/api/orgs/acme/events", body, {
                "Authorization": f"token {self.token}", "Content-Type": "application/json",
                "Idempotency-Key": key})
            response = connection.getresponse()
            said = response.read()
            if response.will_close:
                connections.pop(port).close()
            return response.status, said
        except (OSError, http.client.HTTPException) as fault:
            connections.pop(port).close()
            return type(fault).__name__, b""

    def wait_more(self, count):
        goal = len(self.accepted) + count
        wait_for(lambda: len(self.accepted) >= goal, f"{count} more posts are accepted",
                 2 * PATIENCE_S)

    def stop(self):
        """Ends once each thread has the 202 that it waits for."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(2 * PATIENCE_S)
            assert not thread.is_alive(), f"a post gets no 202: {self.refused}"

    def gap(self, since=0.0):
        """The longest time between two 202s, of those after `since`, in seconds."""
        times = sorted(at for _, at in self.accepted.values() if at >= since)
        return max((b - a for a, b in itertools.pairwise([since or self.began, *times])),
                   default=0.0)


class Cluster:
    """Three nodes with the same key, each with the URL of its way to the journal."""

    def __init__(self, directory, urls, **settings):
        self.directory = directory
        self.nodes = []
        self.receiver = Receiver()
        for number, url in enumerate(urls, 1):
            (directory / f"n{number}").mkdir(exist_ok=True)
            self.nodes.append(Node(directory / f"n{number}", cluster=url, senders="1",
                                   node=f"n{number}", **settings))
        self.producers = []
        self.n_repeats = 0  # that were judged

    # --- life ---

    def start(self):
        first = self.nodes[0].start()
        for node in self.nodes[1:]:
            node.data_dir.mkdir(exist_ok=True)
            shutil.copy2(first.data_dir / "secret.key", node.data_dir)
            node.spawn()
        for node in self.nodes:
            node.wait_ready()
        self.hook = first.create_hook(self.receiver.url("/in"))
        return self

    def end(self):
        for producer in self.producers:
            producer.stopping.set()
        self.receiver.stop()
        for node in self.nodes:
            if node.is_running():
                node.signal_all(signal.SIGCONT)
                node.kill9()

    # --- who leads ---

    def lead(self):
        leads = [node for node in self.nodes if node.leads()]
        return leads[0] if len(leads) == 1 else None

    def wait_lead(self, but=None):
        """The node that leads and is not this one; how long it took."""
        began = time.monotonic()
        lead = wait_for(lambda: next((n for n in self.nodes if n is not but and n.leads()),
                                     None), "another node leads")
        return lead, time.monotonic() - began

    def others(self, node):
        return [other for other in self.nodes if other is not node]

    # --- load ---

    def produce(self, nodes=None, **more):
        name = f"{len(self.producers)}-"
        self.producers.append(Producer(nodes or self.nodes, name, **more))
        return self.producers[-1]

    @property
    def accepted(self):
        """How many, of all producers; keys of two producers are not the same."""
        return sum(len(p.accepted) for p in self.producers)

    def numbers(self):
        received = self.receiver.got()
        return len(received), len({r.id for r in received})

    # --- what must hold ---

    def copies_differ(self):
        """None once all nodes have the same rows."""
        first, *rest = [digests(node.data_dir) for node in self.nodes if node.is_running()]
        return [{t: (first.get(t), other.get(t)) for t in first.keys() | other.keys()
                 if first.get(t) != other.get(t)} for other in rest if other != first] or None

    def judge(self, repeats=0):
        """All of it; returns how many deliveries were repeated since the last time."""
        for producer in self.producers:
            producer.stop()
        keys = {key for p in self.producers for key in p.accepted}
        ids = {i for p in self.producers for i, _ in p.accepted.values()}
        assert len(keys) == len(ids) == self.accepted, "two keys share an event"
        wait_for(lambda: not self.missing(keys), "all that was accepted is received")
        self.wait_equal()  # the parts of a copy that catches up are at different points
        for node in self.nodes:
            books = wait_for(lambda node=node: self.settled(node), "nothing is pending")
            assert books["delivered"] == len(keys), books
        self.wait_equal()
        self.judge_history(ids)
        for node in self.nodes:
            node.check_log()
        total, unique = self.numbers()
        assert unique == len(keys)
        found, self.n_repeats = total - unique - self.n_repeats, total - unique
        assert found <= repeats, f"{found} repeats"
        return found

    def wait_equal(self, seconds=60):
        until = time.monotonic() + seconds
        while (found := self.copies_differ()) is not None:
            assert time.monotonic() < until, f"copies differ: {found}"
            time.sleep(0.2)

    def missing(self, keys):
        return keys - {json.loads(r.body)["key"] for r in self.receiver.got()}

    @staticmethod
    def settled(node):
        books = node.verify()
        return books["pending"] == 0 and books["unmatched"] == 0 and books

    def judge_history(self, ids):
        """At each node, every event is delivered once."""
        for node in self.nodes:
            rows, token = [], ""
            while token is not None:
                reply = node.api("GET", f"{self.hook}/deliveries?state=delivered&limit=1000"
                                 + token)
                assert reply.status == 200, reply
                rows += reply.json()
                following = reply.headers.get("x-continuation-token")
                token = f"&continuationToken={following}" if following else None
            seen = collections.Counter(row["id"] for row in rows)
            assert len(seen) == len(ids), (len(seen), len(ids))
            assert set(seen.values()) <= {1}, [i for i, n in seen.items() if n > 1][:3]
