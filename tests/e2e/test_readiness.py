# SPDX-License-Identifier: MIT
"""Whether the engine says the truth about its processes: /readyz, /metrics."""

import http.client
import os
import resource
import signal
import subprocess
import threading
import time

import pytest

from engine import BINARY, FAULTY
from receiver import Answer
from support import compact, wait_for

LATE_S = 20  # 5 s are promised; the machine may be busy


def of_role(engine, name, role):
    """A metric's value of one role."""
    values = [value for labels, value in engine.metrics()[name].items()
              if f'role="{role}"' in labels]
    assert len(values) == 1, (name, role, values)
    return values[0]


def readiness(engine):
    """(status, {role: reason}) of /readyz."""
    reply = engine.api("GET", "/readyz", token=None)
    body = reply.json()
    reasons = body.get("reasons", {})
    assert sorted(body.get("waitingFor", [])) == sorted(reasons)
    assert (reply.status == 200) == (not reasons), reply
    return reply.status, reasons


def wait_reason(engine, role, words, seconds=LATE_S):
    """Waits until /readyz names the role with these words; returns all."""
    def reason():
        _, reasons = readiness(engine)
        return words in reasons.get(role, "") and reasons
    return wait_for(reason, f"{role}: {words}", seconds)


def limit_descriptors(pid, soft=None):
    """Leaves a process so many descriptors; None: all that it may have."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE,
                     (hard if soft is None else soft, hard))


def pid_of(engine, role):
    return int(of_role(engine, "posthorn_role_pid", role))


def is_back(engine, role, old_pid):
    """Whether another process has the role, and everything works."""
    try:
        return pid_of(engine, role) not in (0, old_pid) and engine.is_ready()
    except (OSError, http.client.HTTPException):
        return False  # it was api


def in_threads(*calls):
    """The results of all, run side by side."""
    results = [None] * len(calls)

    def run(i):
        results[i] = calls[i]()

    threads = [threading.Thread(target=run, args=(i,), daemon=True)
               for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert None not in results, results
    return results


# --- a role that is gone ---

PROCESS_GAUGES = ("posthorn_role_ready", "posthorn_role_pid",
                  "posthorn_attempts_in_flight",
                  "posthorn_process_resident_memory_bytes",
                  "posthorn_process_proportional_memory_bytes")


@pytest.mark.settings(dispatchers=2)
def test_a_role_that_cannot_be_started_is_named_and_the_engine_goes_on(
        engine, receiver):
    """No descriptors for the supervisor: what dies cannot be started again.
    The others work meanwhile, /readyz and /metrics say which role is missing
    and why; with descriptors it comes back by itself."""
    hook = engine.create_hook(receiver.url())
    limit_descriptors(engine.process.pid, 3)
    for role in ("dispatcher.0", "dispatcher.1"):
        os.kill(pid_of(engine, role), signal.SIGKILL)
        wait_reason(engine, role, "too many open files")
        for name in PROCESS_GAUGES:
            assert of_role(engine, name, role) == 0, name
    assert set(readiness(engine)[1]) == {"dispatcher.0", "dispatcher.1"}
    assert engine.api("GET", hook).status == 200
    event_id = engine.post_event()  # intake goes on
    time.sleep(1)  # some tries to start them
    assert engine.is_running()
    limit_descriptors(engine.process.pid)
    wait_for(engine.is_ready, "all are back", 30)
    for role in ("dispatcher.0", "dispatcher.1"):
        assert of_role(engine, "posthorn_role_ready", role) == 1
        assert of_role(engine, "posthorn_role_restarts_total", role) == 1
    assert not [labels for labels in engine.metrics()["posthorn_role_restarts_total"]
                if "supervisor" in labels]
    wait_for(lambda: event_id in {r.id for r in receiver.got()},
             "the event is delivered")


@pytest.mark.settings(dispatchers=1, senders=1)
@pytest.mark.parametrize("role", ["ingest", "dispatcher.0", "sender.0", "api"])
def test_restarts_are_counted_for_the_role_that_died(engine, role):
    """They stay counted when it dies again, and no other role is blamed."""
    for n_deaths in (1, 2):
        pid = pid_of(engine, role)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: is_back(engine, role, pid), "a new process", 30)
        counts = engine.metrics()["posthorn_role_restarts_total"]
        assert {k: v for k, v in counts.items() if v} == {
            f'role="{role}"': n_deaths}


@pytest.mark.settings(dispatchers=1, senders=1)
def test_a_role_that_has_no_descriptor_for_a_link_gets_it_later(
        engine, receiver):
    """A dispatcher starts anew while ingest is out of descriptors: the socket
    between them cannot arrive. It does once there is room."""
    engine.create_hook(receiver.url())
    ingest = pid_of(engine, "ingest")
    limit_descriptors(ingest, 3)
    os.kill(pid_of(engine, "dispatcher.0"), signal.SIGKILL)
    reasons = wait_reason(engine, "ingest", "lacks a link")
    assert "dispatcher.0" in reasons
    limit_descriptors(ingest)
    wait_for(engine.is_ready, "they are linked", 30)
    event_id = engine.post_event()
    wait_for(lambda: event_id in {r.id for r in receiver.got()},
             "the event is delivered")
    assert pid_of(engine, "ingest") == ingest


# --- a role that does not work ---

@pytest.mark.settings(dispatchers=2, senders=2)
def test_roles_that_are_stopped_are_not_ready(engine):
    """Each is named, the supervisor too; once they go on, all is well."""
    names = ("ingest", "dispatcher.1", "sender.0", "supervisor")
    pids = {name: pid_of(engine, name) for name in names}
    for pid in pids.values():
        os.kill(pid, signal.SIGSTOP)
    try:
        for name in names:
            reasons = wait_reason(engine, name, "has been stopped for")
            assert of_role(engine, "posthorn_role_ready", name) == 0
        assert set(reasons) == set(names)
        shown = subprocess.run(
            [BINARY, "status", "--api", f"http://127.0.0.1:{engine.api_port}",
             "--token", engine.token], capture_output=True, text=True,
            timeout=60)
        assert shown.returncode == 1, shown
        assert "NOT ready" in shown.stdout
        for name in names:
            assert f"{name} has been stopped for" in shown.stdout, shown
    finally:
        for pid in pids.values():
            os.kill(pid, signal.SIGCONT)
    wait_for(engine.is_ready, "they go on")
    for name in names:
        assert of_role(engine, "posthorn_role_ready", name) == 1
        assert pid_of(engine, name) == pids[name]


def test_who_listens_and_does_not_answer_is_stood_in_for(engine):
    """Posts end with 503 while ingest is stopped, and so does /readyz while
    api is: with the role and the reason."""
    pids = [pid_of(engine, role) for role in ("ingest", "api")]
    body = b"x" * 200_000  # is still on its way when the answer comes
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        replies = in_threads(
            lambda: engine.intake(body),
            lambda: engine.api("GET", "/readyz", token=None),
            lambda: engine.api("GET", "/api/orgs/acme/hooks"))
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    for reply, role in zip(replies, ("ingest", "api", "api")):
        assert reply.status == 503, reply
        assert reply.headers["retry-after"]
        assert reply.json()["code"] == 503
        assert reply.json()["waitingFor"] == [role]
        assert "has been stopped" in reply.json()["reasons"][role]
        assert "has been stopped" in reply.json()["message"]
    engine.wait_ready()
    wait_for(lambda: "the role responds again" in engine.log(), "it is seen")
    for _ in range(20):  # none of them meets the stand-in
        engine.post_event()


# --- a disk that hangs ---

@pytest.fixture
def faulty(make_engine, monkeypatch, tmp_path):
    """An engine with faults, and the file that makes its disk hang."""
    disk = tmp_path / "disk-hangs"
    monkeypatch.setenv("FAULTY_DISK", str(disk))
    engine = make_engine()
    engine.binary = FAULTY
    engine.disk = disk
    yield engine.start()
    disk.unlink(missing_ok=True)


def test_a_disk_that_hangs_is_told_and_loses_nothing(faulty, receiver):
    """Posts end with 503 that says what is known; what was posted again under
    its id is delivered once; /readyz names who waits."""
    faulty.create_hook(receiver.url())
    events = [{"kind": "order.created", "payload": {"n": n},
               "id": f"00000000-0000-4000-8000-00000000000{n}"}
              for n in range(8)]

    def post(event):
        return faulty.intake(compact(event).encode())

    faulty.disk.touch()
    replies = in_threads(*[lambda e=e: post(e) for e in events])
    for reply in replies:
        assert reply.status == 503, reply
        assert reply.headers["retry-after"]
    texts = [reply.json()["message"] for reply in replies]
    n_unknown = sum("not known" in text for text in texts)
    assert n_unknown >= 1  # what is in the commit; the others wait for it
    assert sum("nothing was stored" in text for text in texts) == 8 - n_unknown
    wait_reason(faulty, "ingest", "has waited for the disk for")
    late = post(events[0])  # not even tried
    assert late.status == 503
    assert "nothing was stored" in late.json()["message"]
    refused = faulty.metrics()["posthorn_events_refused_total"]
    assert sum(v for k, v in refused.items() if 'reason="disk"' in k) == 9

    faulty.disk.unlink()
    wait_for(faulty.is_ready, "the disk is back", 30)
    for event in events:
        assert post(event).status == 202
    faulty.wait_settled()
    got = [r.id for r in receiver.got()]
    assert sorted(got) == sorted(e["id"] for e in events)


@pytest.mark.slow
def test_a_dispatcher_that_waits_for_the_disk_is_named(faulty, receiver):
    """An attempt ends while the disk hangs, so its outcome has to wait."""
    receiver.script("/", Answer(delay=1))
    faulty.create_hook(receiver.url())
    faulty.post_event()
    receiver.wait(1)
    faulty.disk.touch()
    wait_reason(faulty, "dispatcher.0", "has waited for the disk for")
    faulty.disk.unlink()
    wait_for(faulty.is_ready, "the disk is back", 30)
    assert faulty.wait_settled()["delivered"] == 1
    assert len(receiver.got()) == 1


@pytest.mark.slow
def test_a_role_that_spins_is_named(faulty, receiver):
    hook = faulty.create_hook(receiver.url())
    faulty.post_event("spin.match")
    wait_reason(faulty, "dispatcher.0", "spins")
    assert faulty.api("GET", hook).status == 200
    assert faulty.intake(b'{"kind":"order.created","payload":{}}').status == 202
    faulty.kill9()
