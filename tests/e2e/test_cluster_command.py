# SPDX-License-Identifier: MIT
"""`posthorn cluster`: what it shows of a cluster, which node leads, and a data directory
into a cluster and out of it. The journal is a directory, so no servers are needed."""

import contextlib
import http.client
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from engine import BINARY, children_of
from receiver import Answer
from support import PATIENCE_S, ROOT, wait_for

# The commands are looked at with sanitizers; the nodes beside them need not be.
RELEASE = ROOT / "build/posthorn"
NODE = os.environ.get("POSTHORN_RELEASE", str(RELEASE) if RELEASE.exists() else BINARY)


class Cluster:
    """Nodes that share a journal and a file of keys, and commands with their settings."""

    def __init__(self, directory, make_engine):
        self.directory = directory / "cluster"
        self.make_engine = make_engine
        for place in ("journal", "keys"):
            (self.directory / place).mkdir(parents=True)

    def settings(self, name):
        return {"cluster": f"lmdb:{self.directory}/journal", "node": name,
                "secret_key_file": f"{self.directory}/keys/key",
                "max_queue_bytes": "256MiB", "dispatchers": "1",
                "cluster_nodes": "127.0.0.1/32", "max_connections_per_address": "6"}

    def node(self, name):
        node = self.make_engine(**self.settings(name), retry_schedule="50ms",
                                breaker_failures="0")
        node.binary = NODE
        node.check_books = False  # of what other nodes did, too
        return node

    def run(self, *words, status=0, program=BINARY, **settings):
        """`posthorn cluster WORDS` on a machine with the settings of a node."""
        sets = {**self.settings("n1"), "data_dir": str(self.directory / "none"), **settings}
        return posthorn("cluster", *words, *(f"--set={k}={v}" for k, v in sets.items()
                                             if v is not None),
                        status=status, program=program)

    def status(self, status=0, **settings):
        return json.loads(self.run("status", "--json", status=status, **settings).stdout)

    def wait_status(self, *roles):
        """Until the nodes do this, by name, and nothing is wrong."""
        def is_so():
            shown = self.status(status=..., program=NODE)  # often: the quick one
            return not shown["faults"] and roles == tuple(
                node["role"] for node in shown["nodes"])
        wait_for(is_so, f"the nodes are {roles}")


def posthorn(*words, status=0, program=BINARY):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True,
                          timeout=PATIENCE_S)
    assert status in (..., done.returncode), (words, done.stdout, done.stderr)
    return done


@pytest.fixture
def cluster(tmp_path, make_engine):
    return Cluster(tmp_path, make_engine)


def replicator(engine):
    return next(pid for pid, title in children_of(engine.process.pid)
                if title.startswith("posthorn: replicator"))


def clients_have_their_addresses(follower):
    """More clients than one address may have connections come through a relay."""
    with contextlib.ExitStack() as stack:
        for i in range(10, 22):
            client = http.client.HTTPConnection("127.0.0.1", follower.api_port, timeout=10,
                                                source_address=(f"127.0.0.{i}", 0))
            stack.callback(client.close)
            client.request("GET", "/readyz")
            answer = client.getresponse()
            assert answer.status == 200, (i, answer.read())
            answer.read()


def test_nodes_are_shown_and_the_lead_moves(cluster, tmp_path):
    refused = cluster.run("status", cluster=f"lmdb:{tmp_path}/nowhere", status=1)
    assert f"there is no cluster in {tmp_path}/nowhere" in refused.stderr
    assert not (tmp_path / "nowhere").exists()
    assert "name no cluster" in cluster.run("status", cluster=None, node=None, status=1).stderr
    assert "no node has joined" in cluster.run("status", status=1).stderr
    one = cluster.node("n1").start()
    cluster.wait_status("leads")
    # Alone, it cannot hand over.
    for verb in ("drain", "leave"):
        assert "no other node can lead" in cluster.run(verb, "n1", status=1).stderr
    two = cluster.node("n2").start()
    cluster.wait_status("leads", "follows")
    shown = cluster.status()
    assert shown["dispatchers"] == 1 and shown["faults"] == []
    assert [(n["node"], n["live"], n["lead"], n["drained"]) for n in shown["nodes"]] == [
        ("n1", True, True, False), ("n2", True, False, False)]
    assert [p["part"] for p in shown["nodes"][1]["parts"]] == ["events", "hooks", "deliveries/0"]
    assert f"127.0.0.1:{two.api_port}" in shown["nodes"][1]["api"]
    table = cluster.run("status").stdout
    assert "dispatchers: 1" in table and table.count("owns") == 3
    # Who has other keys than the nodes.
    other = tmp_path / "other.key"
    other.write_text("ab" * 32 + "\n")
    other.chmod(0o400)
    assert "other keys than the cluster" in cluster.run(
        "status", secret_key_file=other, status=1).stderr
    for node, why in (("n3", "has no node n3; it has n1, n2"), ("a.b", "cannot be the name")):
        assert why in cluster.run("drain", node, status=...).stderr

    began = time.monotonic()
    assert "n2 leads" in cluster.run("drain", "n1").stdout
    assert time.monotonic() - began < 5
    one.wait_ready()
    one.post_event()  # which its relay passes on
    clients_have_their_addresses(one)
    assert [(n["role"], n["drained"]) for n in cluster.status()["nodes"]] == [
        ("follows", True), ("leads", False)]
    assert "no other node can lead" in cluster.run("drain", "n2", status=1).stderr
    assert "n1 may lead" in cluster.run("join", "n1").stdout

    # A node that hangs: its lease has not ended.
    hung = replicator(one)
    os.kill(hung, signal.SIGSTOP)
    try:
        assert "n1 did not answer within 3 s" in cluster.run("status", status=1).stderr
        assert "does not answer" in cluster.run("leave", "n1", status=1).stderr
    finally:
        os.kill(hung, signal.SIGCONT)
    # The lead leaves, and is stopped.
    assert "n1 leads\nn2 is not of the cluster any more; stop its engine" in cluster.run(
        "leave", "n2").stdout
    assert two.stop() == 0
    assert [n["node"] for n in cluster.status()["nodes"]] == ["n1"]
    # A node that is gone keeps what it is told until it starts again.
    assert one.stop() == 0
    shown = cluster.status(status=1)
    assert shown["faults"] == ["n1 is gone", "no node leads: nothing is taken in or delivered"]
    for verb, told, is_drained in (("drain", "n1 is drained\n", True),
                                   ("join", "n1 may lead\n", False)):
        assert cluster.run(verb, "n1").stdout == told
        assert cluster.status(status=1)["nodes"][0]["drained"] is is_drained
    one.start()
    cluster.wait_status("leads")
    # One that died a moment ago still has its lease.
    one.kill9()
    assert "n1 does not answer; its lease has not ended" in cluster.run("status", status=1).stderr
    assert "--force removes it now" in cluster.run("leave", "n1", status=1).stderr
    assert "not of the cluster any more" in cluster.run("leave", "n1", "--force").stdout
    assert cluster.status(status=1)["nodes"] == []


def test_a_first_start_that_was_killed_goes_on(cluster):
    """In the middle of making the cluster: the directory has a queue, and nobody's."""
    node = cluster.node("n1")
    settings = dict(node.settings)
    node.restart(cluster=None, node=None, cluster_nodes=None)
    assert node.stop() == 0
    node.settings = settings
    refused = node.spawn()
    assert refused.process.wait(PATIENCE_S) == 1
    assert "not part of a cluster" in node.log()
    (node.data_dir / "cluster.making").touch()
    node.start()
    cluster.wait_status("leads")
    assert not (node.data_dir / "cluster.making").exists()


def test_a_node_that_waits_for_servers_ends_when_it_is_told(cluster):
    if not (pathlib.Path(BINARY).parent / "posthorn-nats.so").exists():
        pytest.skip("posthorn was built without libnats: deploy/install-deps --cluster")
    node = cluster.node("n1")
    node.binary = BINARY
    node.settings["cluster"] = "nats://127.0.0.1:1"
    node.spawn()
    wait_for(lambda: "the cluster is waited for" in node.log(), "it waits")
    assert node.stop(seconds=10) == 0


def history(engine, hook):
    return sorted((d["id"], d["state"], d["attempt"] if "attempt" in d else 0)
                  for d in engine.deliveries(hook, "?limit=1000"))


def test_a_directory_becomes_a_cluster_and_its_own_again(cluster, receiver, make_engine,
                                                         tmp_path):
    settings = cluster.settings("n1")
    engine = make_engine(**{**settings, "cluster": None, "node": None}, retry_schedule="50ms",
                         breaker_failures="0")
    engine.binary = NODE
    engine.start()
    here = {"data_dir": str(engine.data_dir)}
    assert "an engine runs with" in cluster.run("import", **here, status=1).stderr
    hook = engine.create_hook(receiver.url("/in"), secret="s3cret")
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(20)])
    engine.wait_deliveries(hook, 20)
    receiver.script("/in", Answer(status=500))
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(3)])
    wait_for(lambda: len(engine.deliveries(hook, "?state=dead")) == 3, "dead")
    receiver.script("/in", Answer())
    engine.wait_settled()
    before, token = history(engine, hook), engine.token
    books = balance(engine.data_dir)
    assert engine.stop() == 0

    assert "name no cluster" in cluster.run("import", **here, cluster=None, node=None,
                                            status=1).stderr
    assert "there is no queue in" in cluster.run("import", status=1).stderr
    assert "no copy of a cluster's" in cluster.run("detach", **here, status=1).stderr
    imported = cluster.run("import", **here)
    assert "Start node n1" in imported.stdout and "deliveries/0: " in imported.stderr
    assert "no node has joined" in cluster.run("status", **here, status=1).stderr
    # The directory is a copy now.
    assert "is a copy of a cluster's" in cluster.run(
        "import", **here, cluster=f"lmdb:{tmp_path}/second", status=1).stderr
    rekey = posthorn("rekey", "--config", conf(tmp_path, settings), "--data-dir",
                     engine.data_dir, status=1)
    assert "would not learn of a new key" in rekey.stderr
    assert balance(engine.data_dir) == books
    posthorn("compact", "--data-dir", engine.data_dir)
    copies = [tmp_path / name for name in ("backup", "repaired")]
    posthorn("backup", copies[0], "--data-dir", engine.data_dir)
    posthorn("repair", "--data-dir", engine.data_dir, "--to", copies[1])
    for copy in copies:  # each is a directory of its own
        assert balance(copy) == books
        assert "no copy of a cluster's" in cluster.run("detach", data_dir=copy, status=1).stderr
    assert "holds a cluster already" in cluster.run("import", data_dir=copies[0], status=1).stderr
    exported = posthorn("export", "--config", tmp_path / "node.conf", "--data-dir",
                        engine.data_dir).stdout
    assert exported.count("\n") == 1 and receiver.url("/in") in exported
    refused = engine.spawn().process.wait(PATIENCE_S)
    assert refused != 0 and "is a copy of a cluster's" in engine.log()

    engine.settings.update(settings)
    engine.start()
    assert engine.token == token and history(engine, hook) == before
    engine.post_event()
    engine.wait_deliveries(hook, len(before) + 1)
    before = history(engine, hook)
    assert "an engine runs with" in cluster.run("detach", **here, status=1).stderr
    assert engine.stop() == 0

    assert "of its own" in cluster.run("detach", **here).stdout
    assert "no copy of a cluster's" in cluster.run("detach", **here, status=1).stderr
    # The cluster does not take it back.
    engine.spawn().process.wait(PATIENCE_S)
    assert "is not a copy of the cluster's" in engine.log()
    engine.restart(cluster=None, node=None)
    assert history(engine, hook) == before
    assert len(engine.deliveries(hook, "?state=dead")) == 3
    engine.post_event()
    engine.wait_deliveries(hook, len(before) + 1)


def conf(directory, settings):
    file = directory / "node.conf"
    file.write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))
    return file


def balance(directory):
    books = json.loads(posthorn("verify", directory, "--json").stdout)
    return {k: books[k] for k in ("balanced", "accepted", "delivered", "dead", "pending")}
