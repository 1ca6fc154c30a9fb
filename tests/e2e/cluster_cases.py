# SPDX-License-Identifier: MIT
"""Clusters of three nodes as fixtures, and what happens to them."""

import os
import pathlib
import signal
import time

import pytest

from cluster_world import WINDOW, Cluster
from engine import BINARY
from nats_servers import NatsServers
from support import wait_for
from wire import Wire

MODULE = pathlib.Path(BINARY).parent / "posthorn-nats.so"
# Roles of a build with sanitizers take this much longer to start.
START_S = 8 if "asan" in BINARY else 0
PLANNED_S, TAKEOVER_S, SERVER_S = 2 + START_S, 45 + START_S, 15 + START_S


@pytest.fixture
def cluster_of(request, tmp_path):
    """Makes one that has started; it and its servers end with the test."""
    made = []

    def make(urls, **settings):
        cluster = Cluster(tmp_path, urls, **settings)
        made.append(cluster)
        request.node.engines = cluster.nodes
        return cluster.start()

    yield make
    for cluster in made:
        cluster.end()


@pytest.fixture
def on_one_machine(cluster_of, tmp_path):
    journal = tmp_path / "journal"
    journal.mkdir()
    journal.chmod(0o777)  # roles of root's nodes have another user
    return cluster_of([f"lmdb:{journal}"] * 3)


@pytest.fixture
def servers(tmp_path):
    if not MODULE.exists():
        pytest.skip("posthorn was built without libnats: deploy/install-deps --cluster")
    (tmp_path / "nats").mkdir()
    servers = NatsServers(tmp_path / "nats", 3).wait()
    yield servers
    servers.end()


@pytest.fixture
def on_servers(cluster_of, servers):
    return cluster_of([servers.url] * 3, cluster_monitors=servers.monitors)


def stop_the_lead(cluster):
    """As for an upgrade: another node leads at once, and nothing is repeated."""
    lead = cluster.lead()
    producer = cluster.produce(cluster.others(lead))
    producer.wait_more(50)
    before, began = cluster.numbers(), time.monotonic()
    assert lead.stop() == 0
    cluster.wait_lead(lead)
    producer.wait_more(50)
    producer.stop()
    gap = producer.gap(began)
    assert gap <= PLANNED_S, f"no post was accepted for {gap:.1f} s"
    wait_for(lambda: not cluster.missing(set(producer.accepted)), "all is received")
    total, unique = cluster.numbers()
    assert total == unique, f"{total - unique} repeats, {before} before"
    lead.start()
    return f"gap {gap:.2f} s"


def kill_the_lead(cluster):
    """All its processes at once; meanwhile the replicator of another node dies, too."""
    lead = cluster.lead()
    producer = cluster.produce(cluster.others(lead))
    producer.wait_more(50)
    began = time.monotonic()
    lead.kill9()
    kill_one(cluster.others(lead)[0], "replicator")
    cluster.wait_lead(lead)
    producer.wait_more(20)
    producer.stop()
    gap = producer.gap(began)
    assert gap <= TAKEOVER_S, f"no post was accepted for {gap:.1f} s"
    lead.start()
    return f"takeover {gap:.1f} s"


def kill_one(node, role):
    os.kill(wait_for(lambda: node.all_pids(role), f"{role} runs")[0], signal.SIGKILL)


def kill_roles(cluster):
    """One process of the lead after the other."""
    producer = cluster.produce()
    for role in ("dispatcher", "ingest", "replicator"):
        producer.wait_more(20)
        kill_one(wait_for(cluster.lead, "a node leads"), role)
    producer.wait_more(20)
    producer.stop()
    return f"gap {producer.gap():.1f} s"


def kill_the_server_that_leads(cluster, servers):
    """The one that the stream of events depends on."""
    producer = cluster.produce()
    producer.wait_more(50)
    number = wait_for(lambda: (lambda n: n is not None and [n])(
        servers.leader_of("POSTHORN_C0")), "a server leads the stream")[0]
    began = time.monotonic()
    servers.kill(number)
    producer.wait_more(100)
    producer.stop()
    gap = producer.gap(began)
    assert gap <= SERVER_S, f"no post was accepted for {gap:.1f} s"
    servers.start(number)
    return f"gap {gap:.1f} s"


def stop_and_wake_the_lead(cluster, seconds=40):
    """Another node leads; the one that wakes up must see that it does not any more."""
    lead = cluster.lead()
    producer = cluster.produce(cluster.others(lead))
    producer.wait_more(50)
    began = time.monotonic()
    lead.signal_all(signal.SIGSTOP)
    try:
        another, _ = cluster.wait_lead(lead)
        producer.wait_more(20)
        time.sleep(max(0.0, began + seconds - time.monotonic()))
    finally:
        lead.signal_all(signal.SIGCONT)
    wait_for(lambda: not lead.leads(), "the node that woke up does not lead")
    producer.wait_more(20)
    producer.stop()
    gap = producer.gap(began)
    assert gap <= TAKEOVER_S, f"no post was accepted for {gap:.1f} s"
    assert another.leads(), "the lead went back"
    assert "this node is not the lead" in lead.log()
    return f"takeover {gap:.1f} s"


@pytest.fixture
def wires(servers):
    """One for each node."""
    made = [Wire(servers.ports) for _ in range(3)]
    yield made
    for wire in made:
        wire.stop()


@pytest.fixture
def on_wires(cluster_of, servers, wires):
    return cluster_of([wire.url for wire in wires], cluster_monitors=servers.monitors)
