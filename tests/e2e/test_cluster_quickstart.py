# SPDX-License-Identifier: MIT
"""deploy/cluster-quickstart: three servers and three nodes, of which the leading one is killed;
and nodes that are started all at once."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from engine import Engine, group_members
from nats_servers import NatsServers, find_server
from support import ROOT, wait_for
from test_deploy import heed_ctrl_c

pytestmark = pytest.mark.long


@pytest.fixture
def start(tmp_path):
    """Starts it with a terminal's signals; whatever it leaves behind is ended."""
    find_server()
    directory = pathlib.Path(tempfile.mkdtemp())  # nobody reaches tmp_path but who made it
    directory.chmod(0o755)
    started = []

    def start(*args):
        log = open(tmp_path / "output", "w+")
        process = subprocess.Popen(
            ["deploy/cluster-quickstart", *args], cwd=ROOT, stdout=log, stderr=log,
            start_new_session=True, preexec_fn=heed_ctrl_c,
            env={**os.environ, "TMPDIR": str(directory)})
        process.output = lambda: (tmp_path / "output").read_text()
        process.directory = directory
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
    shutil.rmtree(directory)


def descendants(pid):
    """Also those in sessions of their own."""
    try:
        children = [int(word) for word in
                    pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return set()
    return set(children).union(*map(descendants, children))


def watch(process, until):
    """What it has started until then."""
    seen = set()

    def look():
        seen.update(descendants(process.pid))
        return process.poll() is not None or until()

    wait_for(look, "the quickstart", 600)
    return seen


def assert_nothing_is_left(process, seen):
    assert not list(process.directory.iterdir())
    assert not group_members(process.pid)
    assert not [pid for pid in seen if pathlib.Path(f"/proc/{pid}/cmdline").exists()]


def test_deliveries_go_on_when_the_lead_dies(start):
    process = start("--once")
    seen = watch(process, lambda: False)
    output = process.output()
    assert process.returncode == 0, output
    assert "arrived    all 7 events, each with a valid signature" in output
    assert "history    7 deliveries, asked at n1 n2 n3" in output
    killed, = re.findall(r"^kill +(n\d), which leads", output, re.M)
    leads, after_s = re.search(r"^takeover +(n\d) leads; .* after (\d+) s", output, re.M).groups()
    assert leads != killed and int(after_s) <= 45
    assert_nothing_is_left(process, seen)


def test_ctrl_c_ends_all_of_it(start):
    process = start("--program", "build/posthorn")
    seen = watch(process, lambda: "accepted at n1" in process.output())
    assert process.poll() is None and len(seen) > 10, process.output()
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130, process.output()
    assert_nothing_is_left(process, seen)


def test_what_is_lacking_is_named(start):
    process = start("--program", "/nowhere/posthorn")
    assert process.wait(20) == 1
    assert "there is no program /nowhere/posthorn" in process.output()
    if os.geteuid() == 0:  # its roles are somebody else
        process.directory.chmod(0o700)
        process = start("--program", "build/posthorn")
        assert process.wait(20) == 1
        assert f"{process.directory} may be entered by root alone" in process.output()
    assert_nothing_is_left(process, set())


def test_nodes_that_start_at_once_make_one_cluster(tmp_path_factory):
    """Each has an empty data directory; one makes the cluster, and the others join it."""
    for _ in range(3):
        servers = NatsServers(tmp_path_factory.mktemp("nats"), 3).wait()
        nodes = [Engine(tmp_path_factory.mktemp(f"n{n}"), cluster=servers.url,
                        cluster_monitors=servers.monitors,
                        node=f"n{n}") for n in range(3)]
        for node in nodes:
            node.data_dir.mkdir(mode=0o700)
            (node.data_dir / "secret.key").write_text("ab" * 32)
            (node.data_dir / "secret.key").chmod(0o600)
        try:
            for node in nodes:
                node.spawn()
            for node in nodes:
                node.wait_ready()
            assert len({node.token for node in nodes}) == 1
            assert nodes[0].api("GET", "/api/orgs").status == 200
        finally:
            for node in nodes:
                if node.is_running():
                    node.kill9()
            servers.end()
