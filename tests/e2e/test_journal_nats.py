# SPDX-License-Identifier: MIT
"""The journal on real servers of NATS: its contract, and what is kept when a server dies."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

from certificates import Certificates
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


def begin(servers, replicas, *words, **files):
    return subprocess.Popen(
        [PROGRAM, servers.url, servers.monitors, str(replicas), *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **{name: str(path) for name, path in files.items()}})


def end(process, status=0):
    """What it printed, once it has ended by itself."""
    try:
        said, faults = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == status, said + faults
    return said


def run(servers, replicas, *words, status=0, **files):
    return end(begin(servers, replicas, *words, **files), status)


def keep_contract(three, one, is_long):
    # Seeds that follow each other share ids, which a server knows for two minutes.
    for seed in range(1, 40_000 if is_long else 2, 1001):
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


def see_values_while_a_server_dies(three):
    process = begin(three, 3, "watch", 20)
    lines = [process.stdout.readline() for _ in range(3)]
    leader = three.leader_of("POSTHORN_VALUES")
    three.kill(leader)
    lines += end(process).splitlines()
    three.start(leader)
    three.wait()
    assert len(lines) == 20
    for line in lines:
        assert float(re.fullmatch(r"seen after (.*) ms\n?", line)[1]) < 6000


def keep_a_lease_while_a_leader_dies(three):
    process = begin(three, 3, "lease")
    assert process.stdout.readline() == "kept\n"
    leader = three.leader_of("POSTHORN_LEASES")
    three.kill(leader)
    assert "the lease ended after" in end(process)
    three.start(leader)
    three.wait()


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
        see_values_while_a_server_dies(three)
        keep_a_lease_while_a_leader_dies(three)


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


@pytest.mark.parametrize("replicas", [1, pytest.param(3, marks=pytest.mark.long)])
def test_what_is_full_keeps_what_it_has(start_servers, replicas):
    said = run(start_servers(replicas), replicas, "full", MAX_BYTES=20_000_000)
    assert said == "full after 7 entries\n"


def test_connections_are_encrypted_and_need_a_user(start_servers, tmp_path):
    certificates = Certificates(tmp_path)
    chain, key = certificates.issue("node", usage="clientAuth")
    servers = start_servers(1, access="tls://posthorn:secret@", more=f"""
        tls {{ cert_file: "{certificates.chain}", key_file: "{certificates.key}",
            ca_file: "{certificates.ca}", verify: true }}
        authorization {{ user: posthorn, password: secret }}""")
    files = {"AUTHORITIES": certificates.ca, "CERTIFICATE": chain, "KEY": key}
    assert run(servers, 1, "judge", **files) == ""
    assert "10 appends" in run(servers, 1, "append", 10, 200, **files)
    without = begin(servers, 1, "judge", **{**files, "AUTHORITIES": tmp_path / "none"})
    _, faults = without.communicate(timeout=60)
    assert without.returncode == 1 and f"{tmp_path}/none cannot be used" in faults


@pytest.mark.long
def test_who_is_refused_gets_no_answer(start_servers, tmp_path):
    certificates = Certificates(tmp_path)
    servers = start_servers(1, access="tls://posthorn:secret@", more=f"""
        tls {{ cert_file: "{certificates.chain}", key_file: "{certificates.key}" }}
        authorization {{ user: posthorn, password: secret }}""")
    begun = [begin(servers, 1, "append", 1, 200)]
    servers.access = "tls://posthorn:wrong@"
    begun.append(begin(servers, 1, "append", 1, 200, AUTHORITIES=certificates.ca))
    for process in begun:
        _, faults = process.communicate(timeout=60)
        assert process.returncode == 1 and "wrong" not in faults
        assert faults == "last: not now, try again\n" or "cannot be used" in faults


def test_servers_that_are_not_there_are_one_fault(start_servers):
    servers = start_servers(1)
    servers.end()
    said = run(servers, 1, "judge", status=1)
    assert said == f"no server of {servers.url[len('nats://'):]} can be reached\n"
