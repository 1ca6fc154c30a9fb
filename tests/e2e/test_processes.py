# SPDX-License-Identifier: MIT
"""The processes: who they are, how they end, what that costs."""

import os
import re
import signal
import socket
import subprocess
import time

import pytest

from engine import BINARY, SANITIZER, group_members
from receiver import Answer
from support import SECRET, parse_log_line, wait_for

CANARY = "body-canary-94c1"


def run_serve(*args, cwd, **environment):
    """`posthorn serve` that is expected to refuse: (status, output). It ends
    without freeing what it has: leaks are not looked for."""
    result = subprocess.run(
        [BINARY, "serve", *args], cwd=cwd, capture_output=True, text=True,
        timeout=20, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0",
                         **environment})
    output = result.stdout + result.stderr
    assert not SANITIZER.search(output), output
    return result.returncode, output


def sets(engine, **changes):
    values = {**engine.settings, **changes}
    return [f"--set={k}={v}" for k, v in values.items() if v is not None]


def wait_restarted(engine, role, old_pids):
    def is_back():
        pids = engine.pids(role)
        return (len(pids) == len(old_pids) and not set(pids) & set(old_pids)
                and engine.is_ready())
    wait_for(is_back, f"{role} is running again")


# --- roles ---

@pytest.mark.smoke
@pytest.mark.settings(dispatchers=2, senders=3)
def test_titles_and_counts(engine):
    assert len(engine.pids("ingest")) == 1
    assert len(engine.pids("dispatcher")) == 2
    assert len(engine.pids("sender")) == 3
    assert len(engine.pids("api")) == 1
    assert len(group_members(engine.process.pid)) == 8
    with open(f"/proc/{engine.process.pid}/cmdline", "rb") as file:
        assert file.read().startswith(b"posthorn: supervisor")


@pytest.mark.settings(retry_schedule="200ms,200ms,200ms")
@pytest.mark.parametrize("role", ["ingest", "dispatcher", "sender", "api"])
def test_killed_role_is_restarted_and_works(engine, receiver, role):
    hook = engine.create_hook(receiver.url())
    engine.post_event()
    receiver.wait(1)
    engine.wait_settled()
    for round_no in range(2):
        old = engine.pids(role)
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_restarted(engine, role, old)
        event_id = engine.post_event()
        wait_for(lambda: event_id in {r.id for r in receiver.got()},
                 "the event is delivered")
        assert engine.api("GET", hook).status == 200
    books = engine.wait_settled()
    assert (books["accepted"], books["delivered"]) == (3, 3)


def test_no_role_outlives_the_supervisor(engine):
    group = engine.process.pid
    assert len(group_members(group)) == 6
    engine.process.kill()
    engine.process.wait(10)
    wait_for(lambda: not group_members(group), "all roles have ended", 20)
    engine.start()


def test_role_is_not_to_be_started_by_hand(tmp_path):
    result = subprocess.run([BINARY, "role", "ingest", "0"], cwd=tmp_path,
                            capture_output=True, text=True, timeout=10)
    assert result.returncode == 2
    assert "serve" in result.stderr


# --- refusals ---

def test_second_engine_on_the_same_directory(engine, make_engine):
    other = make_engine(data_dir=engine.settings["data_dir"])
    status, output = run_serve(*sets(other), cwd=other.directory)
    assert status == 1
    assert "data_dir" in output and "in use" in output
    engine.post_event()


@pytest.mark.parametrize("setting", ["api_listen", "ingest_listen"])
def test_port_in_use(engine, make_engine, setting):
    other = make_engine()
    status, output = run_serve(
        *sets(other, **{setting: engine.settings[setting]}),
        cwd=other.directory)
    assert status == 1
    assert setting in output and engine.settings[setting] in output


def test_address_that_is_let_go_in_time_is_taken(make_engine):
    """What was killed in an fsync holds its sockets for a moment longer."""
    engine = make_engine()
    host, port = engine.settings["ingest_listen"].rsplit(":", 1)
    with socket.create_server((host, int(port))):
        engine.spawn()
        time.sleep(0.5)
        assert engine.is_running()
    engine.wait_ready()


def test_bad_settings_are_listed_all_at_once(tmp_path):
    config = tmp_path / "posthorn.conf"
    config.write_text("senders = many\nno_such_setting = 1\n")
    status, output = run_serve(
        "--config", str(config), "--set", "retry_schedule=soon",
        "--set", "api_listen=nowhere", cwd=tmp_path,
        POSTHORN_DISPATCHERS="0")
    assert status == 1
    for name in ("senders", "no_such_setting", "retry_schedule", "api_listen",
                 "dispatchers"):
        assert name in output, output
    assert list(tmp_path.iterdir()) == [config]


def test_wrong_usage(tmp_path):
    assert run_serve("--nonsense", cwd=tmp_path)[0] == 2


def test_foreign_directory_is_left_alone(make_engine):
    """A directory with somebody else's files is refused and not touched."""
    engine = make_engine()
    engine.data_dir.mkdir()
    (engine.data_dir / "thesis.txt").write_text("precious")
    status, output = run_serve(*sets(engine), cwd=engine.directory)
    assert status == 1
    assert str(engine.data_dir) in output
    assert [p.name for p in engine.data_dir.iterdir()] == ["thesis.txt"]
    assert (engine.data_dir / "thesis.txt").read_text() == "precious"


def test_directory_that_cannot_be_written(make_engine):
    """A file system that is read-only, even for root."""
    engine = make_engine()
    status, output = run_serve(*sets(engine, data_dir="/proc/posthorn"),
                               cwd=engine.directory)
    assert status == 1
    assert "/proc/posthorn" in output


def test_data_directory_is_private(engine):
    assert engine.data_dir.stat().st_mode & 0o777 == 0o700
    token = engine.data_dir / "admin.token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"\S+\n", token.read_text())


# --- reload ---

def test_sighup_reloads(make_engine, receiver):
    """What may be reloaded counts at once; a wrong value changes nothing."""
    engine = make_engine(max_event_bytes=None)
    config = engine.directory / "posthorn.conf"
    config.write_text("max_event_bytes = 4096\n")
    engine.command = lambda: [BINARY, "serve", "--config", str(config),
                              *sets(engine)]
    engine.start()
    large = b'{"kind":"a.b","payload":{"x":"%s"}}' % (b"y" * 10000)
    assert engine.intake(large).status == 413

    config.write_text("max_event_bytes = plenty\n")
    engine.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "not reloaded" in engine.log(), "the fault is logged")
    assert engine.intake(large).status == 413

    config.write_text("max_event_bytes = 65536\n")
    engine.process.send_signal(signal.SIGHUP)
    wait_for(lambda: engine.intake(large).status == 202, "the new limit counts")


# --- ends ---

@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_drain_while_deliveries_are_in_flight(engine, receiver, signum):
    """What is in flight is awaited; after the restart the rest arrives, and
    nothing twice."""
    receiver.script("/", *[Answer()] * 9, Answer(held=True))
    engine.create_hook(receiver.url())
    ids = engine.post_batch([{"kind": "order.created", "payload": {"n": n}}
                             for n in range(200)])
    receiver.wait(10)
    engine.process.send_signal(signum)
    wait_for(lambda: re.search(r'role=dispatcher\.0 .*"draining"', engine.log()),
             "it drains")
    receiver.release()
    assert engine.process.wait(120) == 0
    assert not group_members(engine.process.pid)
    n_before = len(receiver.got())
    assert 10 <= n_before < 200
    receiver.script("/", Answer())
    engine.start()
    assert engine.wait_settled()["delivered"] == 200
    assert sorted(r.id for r in receiver.got()) == sorted(ids)


@pytest.mark.settings(drain_timeout="5m")
def test_an_idle_drain_waits_for_nothing(engine):
    engine.post_event()
    assert engine.stop(120) == 0


def test_killed_engine_loses_nothing(engine, receiver):
    receiver.script("/", *[Answer()] * 50, Answer(held=True))
    engine.create_hook(receiver.url())
    ids = engine.post_batch([{"kind": "order.created", "payload": {"n": n}}
                             for n in range(500)])
    receiver.wait(51)
    engine.kill9()
    receiver.release()
    engine.start()
    assert engine.wait_settled()["delivered"] == 500
    got = [r.id for r in receiver.got()]
    assert set(got) == set(ids)
    # Repeated are those that were in flight, and those whose success was not
    # committed yet: far fewer than half.
    assert len(got) - len(ids) < 250


@pytest.mark.settings(retry_schedule="1s,1s,1s", dispatchers=1, senders=2)
def test_changing_counts_between_starts_loses_nothing(engine, receiver):
    """Hooks, waiting deliveries, history and events survive other counts."""
    hooks = []
    for number in range(6):
        receiver.script(f"/{number}", Answer(503), Answer())
        hooks.append(engine.create_hook(receiver.url(f"/{number}")))
    ids = engine.post_batch([{"kind": "order.created", "payload": {"n": n}}
                             for n in range(20)])
    receiver.wait(120)
    for counts in ({"dispatchers": 3, "senders": 1},
                   {"dispatchers": 2, "senders": 4},
                   {"dispatchers": 1, "senders": 2}):
        assert engine.stop() == 0
        engine.restart(**counts)
        ids.append(engine.post_event())
    assert engine.wait_settled()["delivered"] == len(ids) * 6
    for number, hook in enumerate(hooks):
        rows = engine.deliveries(hook, "?state=delivered&limit=1000")
        assert sorted(r["id"] for r in rows) == sorted(ids)
        assert {r.id for r in receiver.got(f"/{number}")} == set(ids)


# --- the log ---

@pytest.mark.settings(debug="yes", retry_schedule="100ms")
def test_log_lines(engine, receiver):
    """key=value lines, with neither secrets nor bodies nor tokens."""
    receiver.script("/", Answer(500, CANARY.encode()), Answer())
    engine.create_hook(receiver.url(), secret=SECRET)
    engine.post_event(payload={"text": CANARY})
    receiver.wait(2)
    engine.intake(b'{"kind":"' + CANARY.encode() + b'"', token="wrong-token")
    token = engine.token
    assert engine.stop() == 0
    log = engine.log()
    for line in log.splitlines():
        pairs = parse_log_line(line)
        assert pairs, f"not a line of key=value pairs: {line!r}"
        assert {"time", "level", "role", "pid", "msg"} <= set(pairs)
    assert 'msg="ready"' in log
    for hidden in (SECRET, CANARY, token, "wrong-token"):
        assert hidden not in log
    assert token not in str(subprocess.run(
        ["ps", "axeww"], capture_output=True).stdout)
