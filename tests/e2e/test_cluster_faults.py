# SPDX-License-Identifier: MIT
"""Each row of what can fail in a cluster, three times, and a soak with all of it. After
each time the same must hold as in test_cluster."""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from cluster_cases import (  # noqa: F401: fixtures, too
    PLANNED_S, SERVER_S, TAKEOVER_S, cluster_of, kill_one, kill_roles, kill_the_lead,
    kill_the_server_that_leads, on_one_machine, on_servers, on_wires, servers,
    stop_and_wake_the_lead, stop_the_lead, wires)
from cluster_world import WINDOW
from engine import BINARY
from lmdb_rows import parts_of
from nats_servers import NatsServers
from pages import LEAF, Pages
from support import wait_for
from test_full_disk import fill

ROUNDS = 3
pytestmark = [pytest.mark.long, pytest.mark.slow]


def three_times(name, cluster, case, *more, repeats=WINDOW):
    for n in range(ROUNDS):
        said = case(cluster, *more)
        count = cluster.judge(repeats)
        print(f"{name} {n + 1}: {said}, {count} repeats, {cluster.accepted} events so far",
              flush=True)


def lead_and_wire(cluster, wires):  # noqa: F811
    lead = wait_for(cluster.lead, "a node leads")
    return lead, wires[cluster.nodes.index(lead)]


# --- servers ---

def kill_all_servers(cluster, servers):  # noqa: F811
    producer = cluster.produce()
    producer.wait_more(50)
    began = time.monotonic()
    for number in servers.numbers:
        servers.kill(number)
    for number in servers.numbers:
        servers.start(number)
    producer.wait_more(50)
    producer.stop()
    servers.wait()
    gap = producer.gap(began)
    assert gap <= TAKEOVER_S + SERVER_S, f"no post was accepted for {gap:.1f} s"
    return f"gap {gap:.1f} s"


def lose_two_servers(cluster, servers, seconds=30):  # noqa: F811
    """No majority: nothing is accepted, and after 15 s nothing is sent."""
    producer = cluster.produce()
    producer.wait_more(50)
    began = time.monotonic()
    for number in (0, 1):
        servers.kill(number)
    time.sleep(20)
    assert cluster.lead() is None, "a node leads without servers"
    sent = len(cluster.receiver.got())
    time.sleep(seconds - 20)
    assert len(cluster.receiver.got()) == sent, "something is sent without servers"
    assert producer.refused[503] > 0, producer.refused
    assert all(at < began + 2 for _, at in producer.accepted.values())
    back = time.monotonic()
    for number in (0, 1):
        servers.start(number)
    producer.wait_more(20)
    producer.stop()
    servers.wait()
    gap = producer.gap(back)
    assert gap <= TAKEOVER_S + SERVER_S, f"not back for {gap:.1f} s"
    return f"back after {gap:.1f} s"


def test_a_server_dies(on_servers, servers):  # noqa: F811
    three_times("server that leads", on_servers, kill_the_server_that_leads, servers)
    three_times("all servers", on_servers, kill_all_servers, servers)
    three_times("two servers", on_servers, lose_two_servers, servers)


# --- nodes ---

def test_the_lead_hangs(on_servers):  # noqa: F811
    three_times("lead hangs", on_servers, stop_and_wake_the_lead)


def test_the_lead_dies(on_servers):  # noqa: F811
    three_times("lead stops", on_servers, stop_the_lead, repeats=0)
    three_times("lead dies", on_servers, kill_the_lead)
    three_times("roles die", on_servers, kill_roles, repeats=2 * WINDOW)


def restart_all(cluster):
    """As for an upgrade, one node after the other."""
    producer = cluster.produce()
    producer.wait_more(50)
    began = time.monotonic()
    for node in cluster.nodes:
        assert node.stop() == 0
        producer.wait_more(10)
        node.start()
        producer.wait_more(10)
    producer.stop()
    gap = producer.gap(began)
    assert gap <= 10, f"no post was accepted for {gap:.1f} s"
    return f"gap {gap:.2f} s"


def test_all_nodes_are_restarted(on_servers):  # noqa: F811
    three_times("rolling restart", on_servers, restart_all, repeats=0)


# --- wires ---

def cut_the_lead(cluster, wires, seconds=45):  # noqa: F811
    """From the servers, but not from clients and receivers."""
    lead, wire = lead_and_wire(cluster, wires)
    producer = cluster.produce()
    producer.wait_more(50)
    began = time.monotonic()
    wire.mode = "cut"
    try:
        wait_for(lambda: not lead.leads(), "the one that is cut off does not lead")
        gave_up = time.monotonic() - began
        cluster.wait_lead(lead)
        producer.wait_more(20)
        time.sleep(max(0.0, began + seconds - time.monotonic()))
    finally:
        wire.mode = "pass"
    producer.wait_more(20)
    producer.stop()
    gap = producer.gap(began)
    assert gave_up <= 18, f"it led for {gave_up:.1f} s"
    assert gap <= TAKEOVER_S, f"no post was accepted for {gap:.1f} s"
    return f"gave up after {gave_up:.1f} s, takeover {gap:.1f} s"


def cut_a_follower(cluster, wires, seconds=40):  # noqa: F811
    lead, _ = lead_and_wire(cluster, wires)
    wire = wires[cluster.nodes.index(cluster.others(lead)[0])]
    producer = cluster.produce()
    producer.wait_more(50)
    began = time.monotonic()
    wire.mode = "cut"
    time.sleep(seconds)
    wire.mode = "pass"
    producer.wait_more(20)
    producer.stop()
    gap = producer.gap(began)
    assert gap <= PLANNED_S, f"no post was accepted for {gap:.1f} s"
    assert lead.leads()
    return f"gap {gap:.2f} s"


def cut_and_join(cluster, wires, seconds=30):  # noqa: F811
    """Every 3 s."""
    lead, wire = lead_and_wire(cluster, wires)
    producer = cluster.produce()
    producer.wait_more(50)
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        wire.mode = "cut" if wire.mode == "pass" else "pass"
        time.sleep(3)
    wire.mode = "pass"
    producer.wait_more(20)
    producer.stop()
    gap = producer.gap(began)
    assert gap <= TAKEOVER_S, f"no post was accepted for {gap:.1f} s"
    return f"gap {gap:.1f} s, the lead {'stayed' if lead.leads() else 'changed'}"


def lose_answers(cluster, wires):  # noqa: F811
    """For 2 s after a post; what the servers stored must not be stored again."""
    lead, wire = lead_and_wire(cluster, wires)
    producer = cluster.produce()
    producer.wait_more(50)
    began = time.monotonic()
    wire.mode = "deaf"
    time.sleep(2)
    wire.mode = "pass"
    producer.wait_more(50)
    producer.stop()
    gap = producer.gap(began)
    assert gap <= SERVER_S, f"no post was accepted for {gap:.1f} s"
    assert lead.leads(), "the lead changed"
    return f"gap {gap:.1f} s"


def slow_down(cluster, wires, seconds=30):  # noqa: F811
    """100 ms +- 50 each way, at all nodes; nobody takes the lead because of that."""
    lead, _ = lead_and_wire(cluster, wires)
    producer = cluster.produce()
    producer.wait_more(20)
    began = time.monotonic()
    for wire in wires:
        wire.mode = "slow"
    time.sleep(seconds)
    for wire in wires:
        wire.mode = "pass"
    producer.wait_more(20)
    producer.stop()
    assert lead.leads(), "the lead changed"
    return f"gap {producer.gap(began):.1f} s"


def test_the_lead_is_cut_off(on_wires, wires):  # noqa: F811
    three_times("lead is cut off", on_wires, cut_the_lead, wires)


def test_wires_flap_and_lose_answers(on_wires, wires):  # noqa: F811
    three_times("answers are lost", on_wires, lose_answers, wires, repeats=0)
    three_times("flapping", on_wires, cut_and_join, wires)


def test_wires_are_slow(on_wires, wires):  # noqa: F811
    three_times("slow", on_wires, slow_down, wires, repeats=0)
    three_times("follower is cut off", on_wires, cut_a_follower, wires, repeats=0)


# --- copies ---

def remove_a_copy(cluster):
    """One part after the other, of a node that is down meanwhile."""
    node = cluster.others(wait_for(cluster.lead, "a node leads"))[0]
    producer = cluster.produce()
    producer.wait_more(20)
    part = random.choice(parts_of(node.data_dir))
    assert node.stop() == 0
    shutil.rmtree(node.data_dir / part)
    node.start()
    producer.wait_more(20)
    producer.stop()
    return part


def damage_a_copy(cluster):
    """The root of a copy's newest tree is another page's kind."""
    node = cluster.others(wait_for(cluster.lead, "a node leads"))[0]
    producer = cluster.produce()
    producer.wait_more(20)
    assert node.stop() == 0
    part = random.choice(parts_of(node.data_dir))
    pages = Pages(node.data_dir / part / "data.mdb")
    pages.data[pages.newest_root() * 4096 + 10] ^= LEAF
    pages.save()
    node.start()
    producer.wait_more(20)
    producer.stop()
    return part


def mend_a_copy(cluster):
    """Bits of rows are flipped, and no page: `verify` finds it, and without the part the
    node makes it anew."""
    node = cluster.others(wait_for(cluster.lead, "a node leads"))[0]
    producer = cluster.produce()
    producer.wait_more(20)
    assert node.stop() == 0
    path = node.data_dir / "events" / "data.mdb"
    damaged = path.read_bytes().replace(b'{"key":', b'{"kex":')
    with open(path, "r+b") as file:
        file.write(damaged)
    found = subprocess.run([BINARY, "verify", "--data-dir", node.data_dir],
                           capture_output=True, text=True, timeout=60)
    assert found.returncode == 1, found
    shutil.rmtree(path.parent)
    node.start()
    producer.wait_more(20)
    producer.stop()
    return found.stderr.splitlines()[0]


def test_a_copy_is_made_anew(on_one_machine):  # noqa: F811
    three_times("a copy is removed", on_one_machine, remove_a_copy, repeats=0)
    three_times("a copy is damaged", on_one_machine, damage_a_copy, repeats=0)
    three_times("a copy is mended", on_one_machine, mend_a_copy, repeats=0)


def test_a_copy_is_older_than_the_chain(on_one_machine):  # noqa: F811
    """While a node is down, so much is written that a snapshot replaces the entries that it
    lacks."""
    cluster = on_one_machine
    lead = cluster.lead()
    node = cluster.others(lead)[0]
    three_times("load", cluster, lambda c: c.produce().wait_more(20), repeats=0)
    assert node.stop() == 0
    event = {"kind": "large.one", "payload": {"text": ["x" * 50_000] * 4}}
    while "a snapshot was written" not in lead.log():
        lead.post_batch([event] * 16, org="zeta")
    lead.post_batch([event], org="zeta")
    node.start()
    cluster.wait_equal()
    assert "a part is made anew from the cluster" in node.log()
    node.verify()


# --- disks ---

needs_mount = pytest.mark.skipif(os.geteuid() != 0, reason="needs mount")


@pytest.fixture
def small_disk():
    """Makes directories file systems of 96 MiB."""
    mounted = []

    def mount(directory):
        directory.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", directory],
                       check=True)
        mounted.append(directory)
        return directory

    yield mount
    for directory in mounted:
        subprocess.run(["umount", "-l", directory], check=True)


def fill_a_server(cluster, servers, disk, number):  # noqa: F811
    producer = cluster.produce()
    producer.wait_more(20)
    began = time.monotonic()
    fill(disk)
    producer.wait_more(100)
    (disk / "ballast").unlink()
    servers.kill(number)  # without space it does not use its disk any more until then
    servers.start(number)
    producer.wait_more(20)
    producer.stop()
    servers.wait()
    gap = producer.gap(began)
    assert gap <= SERVER_S, f"no post was accepted for {gap:.1f} s"
    return f"gap {gap:.1f} s"


def fill_a_node(cluster, disk):
    """Of the lead, or of a node that follows, as it comes; it goes on when there is space."""
    producer = cluster.produce()
    producer.wait_more(20)
    fill(disk)
    time.sleep(10)
    during = len(producer.accepted)
    (disk / "ballast").unlink()
    began = time.monotonic()
    producer.wait_more(20)
    producer.stop()
    gap = producer.gap(began)
    assert gap <= 30, f"not back for {gap:.1f} s"
    led = disk.parent.name == cluster.lead().settings["node"]
    return f"back after {gap:.1f} s, led {led}, {during} accepted until then"


@needs_mount
def test_the_disk_of_a_server_is_full(cluster_of, tmp_path, small_disk):  # noqa: F811
    disk = small_disk(tmp_path / "nats" / "n2")
    servers = NatsServers(tmp_path / "nats", 3)  # noqa: F811
    try:
        cluster = cluster_of([servers.wait().url] * 3, cluster_monitors=servers.monitors)
        three_times("disk of a server", cluster, fill_a_server, servers, disk, 2)
    finally:
        servers.end()


@needs_mount
@pytest.mark.parametrize("node", ["n1", "n2"])
def test_the_disk_of_a_node_is_full(cluster_of, tmp_path, small_disk, node):  # noqa: F811
    disk = small_disk(tmp_path / node / "data")
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal").chmod(0o777)
    cluster = cluster_of([f"lmdb:{tmp_path / 'journal'}"] * 3)
    three_times(f"disk of {node}", cluster, fill_a_node, disk)


# --- all of it ---

class Soak:
    """A fault every 20 s, of a node, a server or a wire, until the time is over."""

    def __init__(self, cluster, servers, wires, seed):  # noqa: F811
        self.cluster, self.servers, self.wires = cluster, servers, wires
        self.random = random.Random(seed)
        self.n_deaths = 0

    def wire(self, mode, seconds):
        wire = self.random.choice(self.wires)
        wire.mode = mode
        time.sleep(seconds)
        wire.mode = "pass"

    def cut(self):
        self.wire("cut", self.random.choice([2, 10, 18]))

    def slow(self):
        self.wire("slow", 15)

    def deaf(self):
        self.wire("deaf", 2)

    def server(self):
        number = self.random.choice(self.servers.numbers)
        self.servers.kill(number)
        time.sleep(self.random.choice([0, 8]))
        self.servers.start(number)

    def restart(self):
        node = self.random.choice(self.cluster.nodes)
        assert node.stop() == 0
        node.start()

    def die(self):
        node = self.random.choice(self.cluster.nodes)
        node.kill9()
        node.spawn()

    def hang(self):
        node = self.random.choice(self.cluster.nodes)
        node.signal_all(signal.SIGSTOP)
        time.sleep(self.random.choice([5, 18]))
        node.signal_all(signal.SIGCONT)

    def role(self):
        node = self.random.choice(self.cluster.nodes)
        roles = ["replicator", "relay", "ingest", "dispatcher", "sender", "api"]
        pids = [pid for role in roles for pid in node.all_pids(role)]
        os.kill(self.random.choice(pids), signal.SIGKILL)

    def run(self, seconds):
        faults = [self.cut, self.slow, self.deaf, self.server, self.restart, self.die,
                  self.hang, self.role]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            fault = self.random.choice(faults)
            self.n_deaths += fault in (self.cut, self.die, self.hang, self.role)
            print(f"{fault.__name__} {self.cluster.accepted}", flush=True)
            fault()
            time.sleep(max(0.0, began + 20 - time.monotonic()))


def test_soak(on_wires, servers, wires):  # noqa: F811
    seed = random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    producer = on_wires.produce(pause=0.2)
    soak = Soak(on_wires, servers, wires, seed)
    soak.run(float(os.environ.get("POSTHORN_SOAK_S", "1200")))
    servers.wait()
    producer.stop()
    repeats = on_wires.judge(soak.n_deaths * WINDOW)
    print(f"soak: {on_wires.accepted} events, {repeats} repeats, gap {producer.gap():.1f} s",
          flush=True)
