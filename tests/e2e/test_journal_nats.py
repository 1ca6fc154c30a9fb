# SPDX-License-Identifier: MIT
"""The journal on real servers of NATS: its contract, and what is kept when a server dies."""

import pathlib
import re
import signal
import subprocess

import pytest

from engine import BINARY
from nats_servers import NatsServers

PROGRAM = pathlib.Path(BINARY).parent / "posthorn-journal"
MODULE = pathlib.Path(BINARY).parent / "posthorn-nats.so"


@pytest.fixture
def start_servers(tmp_path_factory):
    if not MODULE.exists():
        pytest.skip("posthorn was built without libnats: deploy/install-deps --cluster")
    started = []

    def start(*args, **settings):
        started.append(NatsServers(tmp_path_factory.mktemp("nats"), *args, **settings))
        return started[-1].wait()

    yield start
    for servers in started:
        servers.end()


def begin(servers, replicas, *words):
    return subprocess.Popen(
        [PROGRAM, servers.url, servers.monitors, str(replicas), *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process, status=0):
    """What it printed, once it has ended by itself."""
    try:
        said, faults = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == status, said + faults
    return said


def run(servers, replicas, *words, status=0):
    return end(begin(servers, replicas, *words), status)


def keep_contract(three, one, is_long):
    for seed in range(1, 40 if is_long else 2):
        words = "contract", seed, 1000 if is_long else 60
        for process in [begin(three, 3, *words), begin(one, 1, *words)]:
            end(process)


def let_one_writer_of_four_succeed(three, is_long):
    rounds = 2000 if is_long else 100
    assert f"{rounds} rounds" in run(three, 3, "race", rounds)


def see_a_value_at_once(three):
    for line in run(three, 3, "watch", 3).splitlines():
        assert float(re.fullmatch(r"seen after (.*) ms", line)[1]) < 1000


def lose_nothing_with_the_leader(three, count, number, back):
    """The program itself compares the chain with what was acknowledged."""
    process = begin(three, 3, "append", count, 200)
    assert process.stdout.readline() == "half\n"
    leader = three.leader_of("POSTHORN_C1")
    three.kill(leader, number)
    said = end(process)
    back(leader)
    three.wait()
    assert f"{count} appends" in said and int(re.search(r"(\d+) asked again", said)[1]) > 0


@pytest.mark.slow
def test_three_servers_keep_what_is_promised(request, start_servers):
    """One test, as three servers that run are what takes long."""
    is_long = request.config.getoption("--long")
    three = start_servers(3)
    keep_contract(three, start_servers(1), is_long)
    let_one_writer_of_four_succeed(three, is_long)
    see_a_value_at_once(three)
    for _ in range(3 if is_long else 1):
        lose_nothing_with_the_leader(three, 1000 if is_long else 400, signal.SIGKILL,
                                     three.start)
    if is_long:
        lose_nothing_with_the_leader(three, 1000, signal.SIGSTOP, three.go_on)


def test_servers_that_do_not_do_are_refused_with_all_faults(start_servers):
    servers = start_servers(1, sync="30s", max_payload="512KB")
    said = run(servers, 3, "judge", status=1)
    for fault in ("sync_interval of 'jetstream' is not 'always'",
                  "max_payload is 524288, needed is 1048576",
                  "stream POSTHORN_C0: with 3 replicas, it cannot be made",
                  "stream POSTHORN_LEASES: with 3 replicas, it cannot be made"):
        assert fault in said


def test_streams_of_one_replica_are_refused_where_three_are_wanted(start_servers):
    servers = start_servers(1)
    assert run(servers, 1, "judge") == ""
    said = run(servers, 3, "judge", status=1)
    assert "stream POSTHORN_C0: num_replicas is 1, needed is 3" in said
    assert "stream POSTHORN_VALUES: 1 servers have it, needed are 3" in said


def test_servers_that_are_not_there_are_one_fault(start_servers):
    servers = start_servers(1)
    servers.end()
    said = run(servers, 1, "judge", status=1)
    assert said == f"no server of {servers.url[len('nats://'):]} can be reached\n"
