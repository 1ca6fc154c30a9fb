# SPDX-License-Identifier: MIT
"""A pause: what matches waits and is kept, nothing is sent, nothing is lost."""

import json
import random
import subprocess
import time

import pytest

from engine import Engine
from pauses import (  # noqa: F401
    change, create_akinon, pause, post, posthorn, resume, shown, status_of)
from receiver import Answer
from support import ROOT, wait_for

pytestmark = pytest.mark.shared


def numbers(requests):
    return [json.loads(r.body)["n"] for r in requests]


def wait_pending(engine, count, seconds=30):
    """Waits until all events are matched and so many deliveries wait."""
    def waits():
        books = engine.verify()
        return (books["unmatched"] == 0 and books["pending"] == count
                and books)
    return wait_for(waits, f"{count} deliveries wait", seconds)


# --- the field ---

@pytest.mark.parametrize("api", ["pulumi", "akinon"])
@pytest.mark.alone
def test_a_pause_is_kept_until_it_is_ended(engine, receiver, api):
    make = engine.create_hook if api == "pulumi" else (
        lambda url, **fields: create_akinon(engine, url, **fields))
    plain = make(receiver.url())
    assert "paused" not in shown(engine, plain)
    hook = make(receiver.url(), paused=True)
    before = shown(engine, hook)
    assert before["paused"] is True
    # The whole state as a client sends it that knows of no pause.
    known = (("displayName", "payloadUrl", "active", "format", "filters",
              "groups") if api == "pulumi" else
             ("name", "url", "active", "events", "headers"))
    whole = {key: before[key] for key in known if key in before}
    assert engine.api("PATCH", hook, whole).json()["paused"] is True
    assert engine.stop() == 0
    engine.start()
    assert shown(engine, hook)["paused"] is True
    listed = engine.api("GET", hook.rsplit("/", 1)[0]).json()
    assert sorted(h.get("paused", False) for h in listed) == [False, True]
    assert "paused" not in resume(engine, hook)
    # Nobody who refreshes sees a change.
    same = {k: v for k, v in shown(engine, hook).items() if k != "updatedAt"}
    assert same == {k: v for k, v in before.items()
                    if k not in ("updatedAt", "paused", "waiting")}
    for value in ("yes", 1, []):
        reply = engine.api("PATCH", hook, {"paused": value})
        assert reply.status == 400, reply
        assert "paused must be true or false" in reply.json()["message"]


# --- what waits ---

@pytest.mark.smoke
@pytest.mark.shared(books=True)
def test_what_matches_waits_and_goes_on_in_order(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), paused=True, maxInFlight=1)
    other = engine.create_hook(receiver.url("/other"))
    ids = post(engine, 300)
    receiver.wait(300, "/other", 30)
    books = wait_pending(engine, 300)
    assert books["cancelled"] == 0
    assert receiver.got("/in") == []
    assert status_of(engine, hook)["state"] == "paused"
    assert status_of(engine, other)["state"] == "ok"
    resume(engine, hook)
    requests = receiver.wait(300, "/in", 30)
    assert [r.id for r in requests] == ids
    books = engine.wait_settled()
    assert (books["delivered"], books["cancelled"]) == (600, 0)
    assert status_of(engine, hook)["state"] == "ok"


@pytest.mark.shared(books=True)
def test_a_pause_in_the_middle_of_a_backlog_sends_each_once(engine, receiver):
    receiver.script("/", Answer(delay=0.003))
    hook = engine.create_hook(receiver.url(), maxInFlight=4)
    ids = post(engine, 3000)
    for _ in range(4):
        at = len(receiver.got())
        receiver.wait(min(at + 200, 3000))
        pause(engine, hook)
        # What is in flight ends; then nothing comes any more.
        wait_for(lambda: status_of(engine, hook)["inFlight"] == 0,
                 "nothing is in flight")
        at = len(receiver.got())
        time.sleep(0.1)
        assert len(receiver.got()) == at
        resume(engine, hook)
    assert engine.wait_settled(60)["delivered"] == 3000
    got = [r.id for r in receiver.got()]
    assert len(got) == 3000 and set(got) == set(ids)


@pytest.mark.shared(books=True)
def test_a_large_backlog_of_a_paused_hook_takes_no_memory(engine, receiver):
    """The first events of a hook are in memory; a pause puts them away."""
    hook = engine.create_hook(receiver.url("/in"))
    other = engine.create_hook(receiver.url("/other"))
    receiver.script("/in", Answer(held=True))
    post(engine, 100)
    pause(engine, hook)
    post(engine, 2000, start=100)
    receiver.wait(2100, "/other", 60)
    receiver.release()
    wait_for(lambda: status_of(engine, hook)["inFlight"] == 0,
             "nothing is in flight")
    status = wait_for(
        lambda: (lambda s: s["waiting"] > 2000 and s)(status_of(engine, hook)),
        "all wait")
    assert (status["state"], status["more"]) == ("paused", True)
    assert status_of(engine, other)["state"] == "ok"
    receiver.script("/in", Answer())
    resume(engine, hook)
    assert engine.wait_settled(60)["delivered"] == 4200


@pytest.mark.shared(books=True)
def test_retries_wait_and_go_on(engine, receiver):
    """A retry that was due during the pause, and one whose attempt was in
    flight when it began."""
    receiver.script("/", Answer(500), Answer(500, held=True), Answer(200))
    hook = engine.create_hook(receiver.url(), retrySchedule=["300ms", "300ms"],
                              maxInFlight=1)
    first, second = post(engine, 2)
    receiver.wait(2)
    pause(engine, hook)
    receiver.release()
    rows = engine.wait_deliveries(hook, 2)  # the one in flight ran to its end
    assert [r["state"] for r in rows] == ["retrying", "retrying"]
    time.sleep(0.6)  # both are due by now
    assert len(receiver.got()) == 2
    assert engine.verify()["pending"] == 2
    resume(engine, hook)
    assert [r.id for r in receiver.wait(4)[2:]] == [first, second]
    assert engine.wait_settled()["delivered"] == 2


@pytest.mark.shared(books=True)
def test_an_ordered_hook_keeps_its_order_over_pauses(engine, receiver):
    receiver.script("/", *[Answer(500 if n % 9 == 4 else 200, delay=0.002)
                           for n in range(90)], Answer(200))
    hook = engine.create_hook(receiver.url(), ordered=True, orderKey="lane",
                              retrySchedule=["20ms"] * 10)
    events = [{"kind": "a.b", "payload": {"n": n, "lane": n % 3}}
              for n in range(900)]
    for at in range(0, 900, 100):
        engine.post_batch(events[at:at + 100])
        if at % 300 == 0:
            receiver.wait(at // 300 + 1)
            pause(engine, hook)
        if at % 300 == 200:
            resume(engine, hook)
    assert engine.wait_settled(60)["delivered"] == 900
    for lane in range(3):
        got = [n for n in numbers(receiver.got()) if n % 3 == lane]
        assert got == sorted(got)


@pytest.mark.shared(books=True)
def test_resuming_begins_slowly(engine, receiver):
    """Fifty answers have opened the window wide; after the pause it is as
    narrow as that of a new hook."""
    hook = engine.create_hook(receiver.url("/in"))
    post(engine, 100)
    receiver.wait(100, "/in")
    wait_for(lambda: status_of(engine, hook)["window"] == 16, "it is wide")
    pause(engine, hook)
    post(engine, 100, start=100)
    wait_pending(engine, 100)
    receiver.hold()
    assert engine.api("PATCH", hook, {"paused": False}).status == 200
    receiver.wait(102, "/in")
    time.sleep(0.4)
    assert len(receiver.got("/in")) == 102
    receiver.release()
    assert engine.wait_settled()["delivered"] == 200


@pytest.mark.settings(max_inflight_per_endpoint="3")
@pytest.mark.shared(books=True)
def test_hooks_that_resume_together_spare_their_endpoint(engine, receiver):
    hooks = [engine.create_hook(receiver.url(f"/{n}"), paused=True)
             for n in range(6)]
    post(engine, 20)
    wait_pending(engine, 120)
    for n in range(6):
        receiver.script(f"/{n}", Answer(delay=0.02))
    for hook in hooks:
        engine.api("PATCH", hook, {"paused": False})
    requests = receiver.wait(120, seconds=30)
    times = sorted(r.time for r in requests)
    # Four within the time of one answer would be one too many.
    assert all(b - a > 0.015 for a, b in zip(times, times[3:]))
    engine.wait_settled()


def on_a_slow_disk(engine, tmp_path, commit_us):
    """Starts an engine whose deliveries are committed so slowly. It is not the
    one that is built with a sanitizer, which wants to be loaded first."""
    shim = tmp_path / "slow_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim,
                    ROOT / "tests" / "e2e" / "slow_disk.c", "-ldl"], check=True)
    engine.command = lambda: [
        "env", "POSTHORN_DEBUG_ENV=1", f"LD_PRELOAD={shim}", f"SLOW_DISK_US={commit_us}",
        str(ROOT / "build" / "posthorn"), *Engine.command(engine)[1:]]
    return engine.start()


@pytest.mark.parametrize("ordered", [False, True])
def test_a_pause_of_a_moment_loses_nothing(make_engine, receiver, tmp_path,
                                           ordered):
    """A pause puts away what waits while its rows are being committed, and ends
    before they are."""
    engine = on_a_slow_disk(make_engine(), tmp_path, 60_000)
    receiver.script("/", Answer(delay=0.002))
    hook = engine.create_hook(receiver.url(), ordered=ordered, maxInFlight=1)
    ids = []
    for at in range(0, 300, 20):
        ids += post(engine, 20, start=at)
        time.sleep(random.random() * 0.1)
        for paused in (True, False):
            reply = engine.api("PATCH", hook, {"paused": paused})
            assert reply.status == 200
    assert engine.wait_settled(60)["delivered"] == 300
    got = [r.id for r in receiver.got()]
    assert len(got) == 300 and set(got) == set(ids)
    if ordered:
        assert got == ids


# --- pause and the rest ---

@pytest.mark.shared(books=True)
def test_switched_off_while_paused_cancels(engine, receiver):
    hook = engine.create_hook(receiver.url(), paused=True)
    post(engine, 50)
    wait_pending(engine, 50)
    change(engine, hook, active=False)
    assert engine.wait_settled()["cancelled"] == 50
    assert status_of(engine, hook)["state"] == "inactive"
    change(engine, hook, active=True)  # and it is still paused
    post(engine, 5)
    wait_pending(engine, 5)
    resume(engine, hook)
    engine.wait_settled()
    assert len(receiver.got()) == 5


@pytest.mark.shared(books=True)
def test_deleted_while_paused_cancels(engine, receiver):
    hook = engine.create_hook(receiver.url(), paused=True)
    post(engine, 50)
    wait_pending(engine, 50)
    assert engine.api("DELETE", hook).status == 204
    assert engine.wait_settled()["cancelled"] == 50
    assert receiver.got() == []


@pytest.mark.settings(breaker_wait="300ms", breaker_failures="3",
                      retry_schedule="200ms,200ms,200ms,200ms,200ms,200ms")
@pytest.mark.shared(books=True)
def test_paused_while_the_receiver_is_away(engine, receiver):
    receiver.script("/", Answer(do="reset"))
    hook = engine.create_hook(receiver.url())
    post(engine, 10)
    wait_for(lambda: status_of(engine, hook)["state"] in ("open", "probing"),
             "the breaker is open")
    pause(engine, hook)
    wait_for(lambda: status_of(engine, hook)["inFlight"] == 0,
             "nothing is in flight")
    count = len(receiver.got())
    time.sleep(0.8)  # a probe would be due
    assert len(receiver.got()) == count
    assert status_of(engine, hook)["state"] == "paused"
    receiver.script("/", Answer())
    resume(engine, hook)
    assert engine.wait_settled()["delivered"] == 10


@pytest.mark.settings(retry_schedule="20ms", breaker_failures="0")
@pytest.mark.shared(books=True)
def test_a_replay_of_a_paused_hook_rests(engine, receiver):
    receiver.script("/", Answer(500))
    hook = engine.create_hook(receiver.url())
    ids = post(engine, 40)
    wait_for(lambda: engine.verify()["dead"] == 40, "all are dead", 30)
    receiver.script("/", Answer())
    pause(engine, hook)
    with receiver.lock:
        receiver.requests.clear()
    replay = engine.api("POST", f"{hook}/replay", {}).json()
    assert replay["matched"] == 40
    time.sleep(0.3)
    assert receiver.got() == []
    path = f"{hook}/replays/{replay['replayId']}"
    state = engine.api("GET", path).json()
    assert (state["state"], state["queued"]) == ("running", 40)
    assert state["paused"] is True
    whole = engine.api("GET", f"/api/orgs/acme/replays").json()
    assert [r["replay"]["paused"] for r in whole] == [True]
    resume(engine, hook)
    assert sorted(r.id for r in receiver.wait(40)) == sorted(ids)
    wait_for(lambda: engine.api("GET", path).json()["state"] == "done",
             "the replay is done")
    assert "paused" not in engine.api("GET", path).json()


@pytest.mark.shared(books=True)
def test_ping_and_redelivery_by_hand_go_through(engine, receiver):
    receiver.script("/", Answer(500), Answer(200))
    hook = engine.create_hook(receiver.url(), retrySchedule=["1h"])
    failed = engine.post_event()
    engine.wait_deliveries(hook, 1)
    done = engine.post_event()
    engine.wait_deliveries(hook, 2)
    pause(engine, hook)
    reply = engine.api("POST", f"{hook}/ping")
    assert (reply.status, reply.json()["responseCode"]) == (200, 200)
    for event in (failed, done):
        reply = engine.api("POST", f"{hook}/deliveries/{event}/redeliver")
        assert (reply.status, reply.json()["id"]) == (200, event)
    assert engine.verify()["delivered"] == 2
    receiver.script("/", Answer(500))
    waits = engine.post_event()
    wait_pending(engine, 1)
    time.sleep(0.2)
    assert waits not in [r.id for r in receiver.got()]
    receiver.script("/", Answer(200))
    resume(engine, hook)
    assert engine.wait_settled()["delivered"] == 3


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.alone
def test_what_waits_and_was_never_tried_can_be_redelivered(engine, receiver,
                                                           ordered):
    """One of many that came during the pause; after a restart, too."""
    hook = engine.create_hook(receiver.url(), paused=True, ordered=ordered)
    ids = post(engine, 200)
    wait_pending(engine, 200)

    def redeliver(event):
        reply = engine.api("POST", f"{hook}/deliveries/{event}/redeliver")
        assert reply.status == 200, reply
        assert (reply.json()["id"], reply.json()["state"]) == (event,
                                                               "delivered")

    redeliver(ids[150])
    redeliver(ids[150])  # it is delivered: once more
    assert engine.stop() == 0
    engine.start()
    redeliver(ids[3])
    assert [r.id for r in receiver.got()] == [ids[150], ids[150], ids[3]]
    books = wait_pending(engine, 198)
    assert books["delivered"] == 2
    resume(engine, hook)
    assert engine.wait_settled()["delivered"] == 200
    assert len(receiver.got()) == 201


@pytest.mark.settings(disable_after="3s", breaker_failures="0")
@pytest.mark.shared(books=True)
def test_a_pause_is_no_time_of_failing(engine, receiver):
    receiver.script("/", Answer(500))
    hook = engine.create_hook(receiver.url(),
                              retrySchedule=["100ms", "100ms", "10s"])
    engine.post_event()
    engine.wait_deliveries(hook, 3)
    pause(engine, hook)
    time.sleep(3.5)
    resume(engine, hook)
    engine.post_event()
    engine.wait_deliveries(hook, 5)
    engine.settle_hooks()
    assert shown(engine, hook)["active"] is True
    receiver.script("/", Answer(200))
    change(engine, hook, active=False)
    engine.wait_settled()


# --- restarts ---

@pytest.mark.alone
def test_a_pause_outlives_stops_and_kills(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), retrySchedule=["100ms"])
    receiver.script("/in", Answer(500), Answer(200))
    failed = engine.post_event(payload={"n": -1})
    engine.wait_deliveries(hook, 1)
    pause(engine, hook)
    ids = post(engine, 200)
    assert engine.stop() == 0
    engine.start()
    ids += post(engine, 200, start=200)
    engine.check_exit = False
    engine.kill9()
    engine.start()
    ids += post(engine, 100, start=400)
    wait_pending(engine, len(ids) + ("retrying" in [
        r["state"] for r in engine.deliveries(hook)[:1]]))
    assert set(r.id for r in receiver.got()) == {failed}
    resume(engine, hook)
    assert engine.wait_settled(60)["delivered"] == 501
    got = [r.id for r in receiver.got()]
    assert set(got) == {failed, *ids}


@pytest.mark.alone
def test_another_number_of_dispatchers_keeps_what_waits(engine, receiver):
    hooks = [engine.create_hook(receiver.url(f"/{n}"), paused=True)
             for n in range(5)]
    ids = post(engine, 60)
    wait_pending(engine, 300)
    assert engine.stop() == 0
    engine.restart(dispatchers="3")
    wait_pending(engine, 300)
    for hook in hooks[:3]:
        resume(engine, hook)
    wait_pending(engine, 120)
    assert engine.stop() == 0
    engine.restart(dispatchers="1")
    for hook in hooks[3:]:
        resume(engine, hook)
    assert engine.wait_settled(60)["delivered"] == 300
    for n in range(5):
        assert [r.id for r in receiver.got(f"/{n}")].count(ids[0]) == 1


@pytest.mark.settings(retention_delivered="1s", retention_dead="1s",
                      retention_bytes="1MiB")
@pytest.mark.shared(books=True)
def test_retention_never_removes_what_waits(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), paused=True)
    engine.create_hook(receiver.url("/other"))
    ids = [engine.post_event(payload={"pad": "x" * 40000}) for _ in range(60)]
    receiver.wait(60, "/other", 30)
    time.sleep(3)  # past retention, and more than retention_bytes
    wait_pending(engine, 60)
    resume(engine, hook)
    requests = receiver.wait(60, "/in", 30)
    assert sorted(r.id for r in requests) == sorted(ids)
    assert all(len(r.body) > 40000 for r in requests)
    assert engine.wait_settled()["cancelled"] == 0


# --- from a terminal ---

def test_pause_and_resume_from_a_terminal(engine, receiver, posthorn):
    place = ("--org", "acme", "--hook", "audit")
    engine.create_hook(receiver.url(), name="other")
    engine.create_hook(receiver.url(), name="audit")
    assert "paused" in posthorn("hook", "pause", *place)
    assert json.loads(posthorn("hook", "get", *place, "--json"))["paused"] is True
    assert json.loads(posthorn("hook", "status", *place, "--json"))["state"] == "paused"
    rows = {line.split()[0]: line.split()[1]
            for line in posthorn("hook", "list", "--org", "acme").splitlines()}
    assert (rows["audit"], rows["other"]) == ("paused", "active")
    wait_for(lambda: "paused webhooks: 1" in posthorn("status"), "status counts it")
    assert json.loads(posthorn("status", "--json"))["pausedHooks"] == 1
    shown_json = json.loads(posthorn("hook", "resume", *place, "--json"))
    assert "paused" not in shown_json
    posthorn("hook", "update", *place, "--paused", "yes")
    assert json.loads(posthorn("hook", "get", *place, "--json"))["paused"] is True
    posthorn("hook", "update", *place, "--paused", "no")
    assert "paused" not in json.loads(posthorn("hook", "get", *place, "--json"))
    posthorn("hook", "create", "--org", "acme", "--display-name", "x", "--url",
             receiver.url(), "--name", "born", "--paused", "yes")
    assert shown(engine, "/api/orgs/acme/hooks/born")["paused"] is True
    assert "must be yes or no" in posthorn(
        "hook", "update", *place, "--paused", "maybe", status=1)
    assert "--hook is missing" in posthorn("hook", "pause", "--org", "acme",
                                           status=2)
    akinon = create_akinon(engine, receiver.url()).split("/")
    place = ("--akinon", "--org", akinon[2], "--project", akinon[4],
             "--hook", akinon[-1])
    assert "paused" in posthorn("hook", "pause", *place)
    assert "paused" not in posthorn("hook", "resume", *place)


@pytest.mark.alone
def test_export_import_and_backup_carry_a_pause(engine, receiver, posthorn,
                                                make_engine, tmp_path):
    hook = engine.create_hook(receiver.url(), name="audit", paused=True)
    ids = post(engine, 20)
    wait_pending(engine, 20)
    file = tmp_path / "hooks.jsonl"
    posthorn("export", "--data-dir", engine.data_dir, "--output", file)
    assert engine.api("DELETE", hook).status == 204
    posthorn("import", file)
    assert shown(engine, hook)["paused"] is True
    # An import that is undone leaves the others as they were.
    resume(engine, hook)
    bad = json.loads(file.read_text())
    bad["hook"]["payloadUrl"] = "ftp://x/"
    with open(file, "a") as out:
        out.write(json.dumps(bad) + "\n")
    assert "nothing is imported" in posthorn(
        "import", file, "--on-conflict", "update", status=1)
    assert "paused" not in shown(engine, hook)
    # What waits comes back with the backup, and waits.
    pause(engine, hook)
    ids = post(engine, 20)
    wait_pending(engine, 20)
    posthorn("backup", tmp_path / "copy", "--data-dir", engine.data_dir)
    other = make_engine(data_dir=str(tmp_path / "copy"))
    other.data_dir = tmp_path / "copy"
    other.start()
    assert status_of(other, hook)["state"] == "paused"
    wait_pending(other, 20)
    assert receiver.got() == []
    resume(other, hook)
    assert sorted(r.id for r in receiver.wait(20)) == sorted(ids)
    assert other.wait_settled()["delivered"] == 20
