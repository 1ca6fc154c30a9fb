# SPDX-License-Identifier: MIT
"""The engine under a service manager: what it says, how it logs, what it may call."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

from engine import BINARY, Engine, read_proc
from nats_servers import NatsServers
from support import ROOT, wait_for

TESTS = ROOT / "tests/e2e"


def stop_role(engine, role):
    """SIGSTOP to a role; returns its process id."""
    pid = engine.pids(role)[0]
    os.kill(pid, signal.SIGSTOP)
    return pid


# --- notifications ---

def test_a_manager_hears_when_all_roles_work_and_when_they_end(managed):
    engine, manager = managed({"drain_timeout": "200s"})
    engine.spawn()
    manager.wait("READY")
    assert engine.is_ready()
    status = manager.texts("STATUS")[-1]
    assert str(engine.api_port) in status and str(engine.ingest_port) in status
    # A migration could take long: until then the manager is asked for time.
    assert int(manager.texts("EXTEND_TIMEOUT_USEC")[0]) > 10_000_000
    assert manager.texts("WATCHDOG") == []  # there is none
    assert engine.stop() == 0
    assert manager.texts("STOPPING") == ["1"]
    assert int(manager.texts("EXTEND_TIMEOUT_USEC")[-1]) > 200_000_000


def test_a_manager_hears_of_a_reload_and_of_its_end(managed):
    """READY comes once all roles have the new settings, and says so of bad ones."""
    engine, manager = managed()
    file = engine.directory / "posthorn.conf"
    file.write_text("max_event_bytes = 1KiB\n")
    command = engine.command()
    engine.command = lambda: [*command[:2], f"--config={file}", *command[2:]]
    engine.spawn()
    manager.wait("READY")
    engine.wait_ready()
    file.write_text("max_event_bytes = 64KiB\n")
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    engine.process.send_signal(signal.SIGHUP)
    assert int(manager.wait("MONOTONIC_USEC")[0]) >= before_us
    manager.wait("READY", 2)
    engine.post_event(payload={"text": "x" * 4096})  # more than 1 KiB, at once
    order = [name for _, text in manager.hear() for name in text
             if name in ("READY", "RELOADING")]
    assert order == ["READY", "RELOADING", "READY"]

    file.write_text("max_event_bytes = many\n")
    engine.process.send_signal(signal.SIGHUP)
    manager.wait("READY", 3)
    assert "not reloaded" in manager.texts("STATUS")[-1]


def test_a_reload_is_not_over_while_a_role_has_the_old_settings(managed):
    engine, manager = managed()
    engine.spawn()
    manager.wait("READY")
    pid = stop_role(engine, "sender")
    engine.process.send_signal(signal.SIGHUP)
    manager.wait("RELOADING")
    wait_for(lambda: "settings reloaded" in engine.log(), "the reload began")
    time.sleep(0.5)
    assert len(manager.texts("READY")) == 1
    os.kill(pid, signal.SIGCONT)
    manager.wait("READY", 2)


def test_a_role_that_ends_is_in_the_status_until_it_is_back(managed):
    engine, manager = managed()
    engine.spawn()
    manager.wait("READY")
    os.kill(engine.pids("api")[0], signal.SIGKILL)
    manager.wait("READY", 2)
    status = manager.texts("STATUS")
    assert "api" in status[-2] and status[-2].startswith("Not ready")
    assert status[-1].startswith("Ready")


def test_the_watchdog_is_fed_while_all_roles_live(managed):
    """One that is stopped, and so does nothing more, starves it; in time it is fed
    again. The roles know nothing of it."""
    engine, manager = managed(watchdog_seconds=2, is_abstract=True)
    engine.spawn()
    manager.wait("WATCHDOG", 3)
    pids = engine.pids()
    assert len(pids) >= 4
    for pid in pids:
        known = read_proc(pid, "environ")
        assert "NOTIFY_SOCKET" not in known and "WATCHDOG_USEC" not in known
    pid = stop_role(engine, "dispatcher")

    def starves():  # it is fed twice in its time
        count = len(manager.texts("WATCHDOG"))
        time.sleep(2.5)
        return len(manager.texts("WATCHDOG")) == count

    wait_for(starves, "it is not fed")
    n_before = len(manager.texts("WATCHDOG"))
    os.kill(pid, signal.SIGCONT)
    manager.wait("WATCHDOG", n_before + 1)


def test_a_manager_that_reads_late_hears_all_of_it(managed):
    """Its queue is full at the start: nothing waits for it, nothing is lost."""
    engine, manager = managed()
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            filler.sendto(b"FILLER=1", manager.address)
    filler.close()
    engine.start()
    manager.wait("READY")


@pytest.mark.parametrize("address", ["/nowhere/at/all", "/" + "x" * 200])
def test_a_socket_that_is_none_keeps_nothing_from_working(make_engine, address):
    engine = make_engine()
    engine.environment = lambda: {**os.environ, "NOTIFY_SOCKET": address}
    engine.start()


# --- the journal ---

def journal_stream(fd):
    st = os.fstat(fd)
    return f"{st.st_dev}:{st.st_ino}"


def test_lines_for_the_journal_say_how_grave_they_are(make_engine):
    """All processes' lines, once stderr is what JOURNAL_STREAM names."""
    engine = make_engine()
    engine.log_path.touch()
    with open(engine.log_path) as log:
        stream = journal_stream(log.fileno())
    engine.environment = lambda: {**os.environ, "JOURNAL_STREAM": stream}
    engine.start()
    os.kill(engine.pids("sender")[0], signal.SIGKILL)
    wait_for(lambda: "role ended" in engine.log(), "the role has ended")
    lines = engine.log().splitlines()
    assert all(re.match(r"<[2-7]>time=", line) for line in lines), lines
    assert {re.search("level=([a-z]+)", line)[1]: line[:3] for line in lines} == {
        "info": "<6>", "warn": "<4>"}
    assert any("role=sender" in line for line in lines)


def test_lines_for_a_file_do_not(make_engine):
    """JOURNAL_STREAM of a parent whose stderr was another."""
    engine = make_engine()
    with open(os.devnull) as other:
        stream = journal_stream(other.fileno())
    engine.environment = lambda: {**os.environ, "JOURNAL_STREAM": stream}
    engine.start()
    assert all(line.startswith("time=") for line in engine.log().splitlines())


def test_what_a_command_says_of_a_fault_is_an_error_in_the_journal(tmp_path):
    """ExecStartPre= and timers run commands; each line of a fault is one."""
    file = tmp_path / "posthorn.conf"
    file.write_text("shards = many\nnothing = 1\n")
    for command in (["config", "--check", file], ["serve", "--config", file],
                    ["verify", "--data-dir", tmp_path / "none"]):
        with open(tmp_path / "stderr", "w+") as stderr:
            result = subprocess.run(
                [BINARY, *command], stderr=stderr, stdout=subprocess.DEVNULL,
                env={**os.environ, "JOURNAL_STREAM": journal_stream(stderr.fileno())})
            stderr.seek(0)
            lines = stderr.read().splitlines()
        assert result.returncode != 0
        assert lines and all(line.startswith("<3>") for line in lines), lines


# --- the unit ---

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


def unit_with(directory, binary):
    """The unit as it would be installed, of a program that is there."""
    text = (ROOT / "deploy/posthorn.service").read_text()
    path = directory / "posthorn.service"
    path.write_text(text.replace("/usr/local/bin/posthorn", str(binary)))
    return path


@needs_systemd
def test_systemd_understands_the_unit(tmp_path):
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit_with(tmp_path, BINARY)],
        capture_output=True, text=True)
    said = [line for line in (result.stdout + result.stderr).splitlines()
            if "posthorn.service" in line]
    assert said == []


@needs_systemd
def test_the_unit_takes_away_what_systemd_can_take(tmp_path):
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=25",
         unit_with(tmp_path, BINARY)], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture
def behind_the_filter():
    """A plain build behind the unit's filter, without privileges, as the unit starts
    it."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-unit-"))
    directory.chmod(0o755)
    for path in (ROOT / "build").glob("posthorn*"):
        if path.name in ("posthorn", "posthorn-nats.so"):
            shutil.copy(path, directory)
    engine = Engine(directory)
    command = engine.command
    away = []
    if os.getuid() == 0:
        os.chown(directory, 65534, 65534)
        away = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                "--inh-caps=-all", "--bounding-set=-all"]
    engine.command = lambda: [*away, sys.executable, str(TESTS / "unit_filter.py"),
                              str(directory / "posthorn"), *command()[1:]]
    yield engine
    if engine.is_running():
        engine.kill9()
    shutil.rmtree(directory)


@needs_systemd
def test_the_engine_delivers_behind_the_units_filter(receiver, behind_the_filter):
    """No role complains of a call that the unit forbids, and none ends."""
    engine = behind_the_filter.start()
    engine.create_hook(receiver.url("/it"))
    engine.post_event()
    receiver.wait(1, path="/it")
    engine.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "settings reloaded" in engine.log(), "it was reloaded")
    assert engine.stop() == 0
    engine.check_log()
    assert "seccomp=yes" in engine.log()
    assert "level=warn" not in engine.log() and "level=fatal" not in engine.log()


@needs_systemd
@pytest.mark.long
def test_a_node_of_a_cluster_works_behind_the_units_filter(receiver, behind_the_filter, tmp_path):
    """With the module and its threads."""
    servers = NatsServers(tmp_path, 1).wait()
    try:
        engine = behind_the_filter
        engine.settings |= {"cluster": servers.url, "cluster_monitors": servers.monitors,
                            "cluster_replicas": "1", "node": "a"}
        engine.start()
        engine.create_hook(receiver.url("/it"))
        engine.post_event()
        receiver.wait(1, path="/it")
        assert engine.stop() == 0
        engine.check_log()
        assert "this node is the lead of the cluster" in engine.log()
        assert "level=fatal" not in engine.log()
    finally:
        servers.end()
