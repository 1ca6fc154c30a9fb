# SPDX-License-Identifier: MIT
"""Every delivery ends in a row that says so, and can be reached from there."""

import os
import subprocess

import pytest

from receiver import Answer
from support import wait_for
from test_replay import replay, wait_done

HOLD = {"retry_schedule": "1h", "breaker_failures": "0"}


def switch(engine, hook, active):
    reply = engine.api("PATCH", hook, {"active": active})
    assert reply.status == 200, reply
    engine.settle_hooks()


def redeliver(engine, hook, event):
    return engine.api("POST", f"{hook}/deliveries/{event}/redeliver")


@pytest.fixture
def engine(make_engine):
    return make_engine(**HOLD).start()


def fail_once(engine, receiver, hook, path="/in"):
    receiver.script(path, Answer(status=500))
    event = engine.post_event()
    engine.wait_deliveries(hook, 1)
    return event


def cancelled(engine, hook):
    return wait_for(lambda: engine.deliveries(hook, "?state=cancelled"),
                    "a row says that the delivery was cancelled")


def test_what_waits_when_its_hook_is_switched_off_says_cancelled(
        engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    event = fail_once(engine, receiver, hook)
    switch(engine, hook, False)
    (row,) = cancelled(engine, hook)
    assert row["id"] == event
    assert (row["state"], row["attempt"]) == ("cancelled", 1)
    assert row["error"] is None
    assert row["reason"] == "the webhook was switched off"
    assert (row["responseCode"], row["requestUrl"]) == (0, "")
    assert row["nextAttemptAt"] is None
    assert engine.deliveries(hook, "?state=retrying") == []
    assert engine.wait_settled()["cancelled"] == 1


def test_what_was_never_tried_says_cancelled_too(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), maxInFlight=1)
    receiver.script("/in", Answer(do="hang"))
    ids = engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                             for n in range(300)])
    receiver.wait(1, "/in")
    switch(engine, hook, False)
    rows = wait_for(
        lambda: (lambda r: len(r) == 299 and r)(
            engine.deliveries(hook, "?state=cancelled&limit=1000")),
        "299 rows", 30)
    assert {r["id"] for r in rows} < set(ids)
    assert {r["attempt"] for r in rows} == {0}
    engine.check_exit = False  # one hangs


def test_hooks_that_are_switched_off_at_once_hold_up_nobody(engine, receiver):
    """Thousands of deliveries are cancelled in slices: every one gets its row,
    and another hook is served in between."""
    receiver.script("/in", Answer(do="hang"))
    hooks = [engine.create_hook(receiver.url("/in"), maxInFlight=1,
                                filters=["a.b"]) for _ in range(4)]
    live = engine.create_hook(receiver.url("/live"), filters=["a.live"])
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(1000)])
    receiver.wait(4, "/in")
    wait_for(lambda: engine.verify()["matched"] == 4000, "all are matched", 60)
    for hook in hooks:
        assert engine.api("PATCH", hook, {"active": False}).status == 200
    engine.post_event("a.live")
    engine.wait_deliveries(live, 1)
    wait_for(lambda: engine.verify()["cancelled"] == 4 * 999,
             "all but those in flight are cancelled", 60)
    for hook in hooks:
        rows = engine.deliveries(hook, "?state=cancelled&limit=1000")
        assert len(rows) == 999
    engine.check_exit = False


def test_what_a_deleted_hook_leaves_is_in_its_organization_s_history(
        engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    event = fail_once(engine, receiver, hook)
    assert engine.api("DELETE", hook).status == 204
    rows = wait_for(
        lambda: engine.api("GET",
                           "/api/orgs/acme/deliveries?state=cancelled").json(),
        "the row is there")
    assert [r["id"] for r in rows] == [event]
    assert rows[0]["reason"] == "the webhook was deleted"


def test_what_was_cancelled_is_delivered_by_hand(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    event = fail_once(engine, receiver, hook)
    switch(engine, hook, False)
    cancelled(engine, hook)
    receiver.script("/in", Answer())
    reply = redeliver(engine, hook, event)
    assert (reply.status, reply.json()["responseCode"]) == (200, 200), reply
    assert engine.deliveries(hook, "?state=cancelled") == []
    books = engine.wait_settled()
    assert (books["delivered"], books["cancelled"]) == (1, 0)


def test_what_was_cancelled_is_replayed(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    event = fail_once(engine, receiver, hook)
    switch(engine, hook, False)
    cancelled(engine, hook)
    receiver.script("/in", Answer())
    switch(engine, hook, True)
    answer = replay(engine, hook, state=["cancelled"])
    assert answer["matched"] == 1
    assert wait_done(engine, hook, answer["replayId"])["delivered"] == 1
    assert [r.id for r in receiver.wait(2, "/in")] == [event, event]
    assert engine.wait_settled()["cancelled"] == 0


def test_what_waits_untried_is_delivered_by_hand(engine, receiver):
    """The delivery waits in the index behind one that hangs."""
    hook = engine.create_hook(receiver.url("/in"), maxInFlight=1)
    receiver.script("/in", Answer(do="hang"), Answer())
    engine.post_event()
    receiver.wait(1, "/in")
    later = engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                               for n in range(700)])[-1]
    reply = wait_for(
        lambda: (lambda r: r.status != 503 and r)(
            redeliver(engine, hook, later)), "it is no more on its way")
    assert (reply.status, reply.json()["responseCode"]) == (200, 200), reply
    row = engine.deliveries(hook, f"?id={later}")[0]
    assert (row["attempt"], row["state"]) == (1, "delivered")
    engine.check_exit = False


def test_rows_without_a_request_are_no_attempts_in_the_statistics(
        engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    fail_once(engine, receiver, hook)
    switch(engine, hook, False)
    cancelled(engine, hook)
    engine.kill9()  # what is not in the statistics yet is read again
    engine.start()

    def attempts():
        stats = engine.api("GET", f"{hook}/stats").json()
        return stats["1h"]["attempts"]
    assert wait_for(attempts, "the attempt is counted", 20) == 1


def test_a_ping_that_is_answered_gone_cancels_nothing_of_a_paused_hook(
        engine, receiver):
    receiver.script("/in", Answer(status=410))
    hook = engine.create_hook(receiver.url("/in"), paused=True)
    for _ in range(3):
        engine.post_event()
    assert engine.api("POST", f"{hook}/ping").status == 200
    receiver.wait(1, "/in")
    engine.settle_hooks()
    fields = engine.api("GET", hook).json()
    assert (fields["active"], fields["paused"]) == (True, True)
    books = wait_for(lambda: (lambda b: b["pending"] == 3 and b)(
        engine.verify()), "all wait")
    assert books["cancelled"] == 0


def test_what_waits_for_a_hook_whose_record_is_damaged_waits(
        engine, receiver):
    """The record is there and cannot be read: that is not the hook's end."""
    name = "Damaged-by-the-test"
    hook = engine.create_hook(receiver.url("/in"), displayName=name)
    fail_once(engine, receiver, hook)
    assert engine.stop() == 0
    file = engine.data_dir / "hooks" / "data.mdb"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(name.encode(), name.upper().encode()))
    engine.start()
    wait_for(lambda: "record of a hook cannot be read" in engine.log(),
             "the engine says so")
    engine.settle_hooks()
    assert engine.stop() == 0
    file.write_bytes(whole)
    engine.start()
    books = engine.verify()
    assert (books["pending"], books["cancelled"]) == (1, 0)
    receiver.script("/in", Answer())
    event = engine.deliveries(hook)[0]["id"]
    assert redeliver(engine, hook, event).json()["responseCode"] == 200


def allow_files(pid, n_files):
    """Whoever is no more than root here asks as the process's own user."""
    status = os.stat(f"/proc/{pid}")
    subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={n_files}:"],
                   user=status.st_uid, group=status.st_gid, extra_groups=[],
                   check=True)


def test_what_could_not_be_sent_for_want_of_descriptors_is_sent_once(
        make_engine, receiver):
    """An attempt by hand comes while the delivery is put off."""
    engine = make_engine(retry_schedule="1s,1h", senders="1",
                         breaker_failures="0").start()
    receiver.script("/in", Answer(status=500, headers={"Connection": "close"}),
                    Answer())
    hook = engine.create_hook(receiver.url("/in"))
    event = engine.post_event()
    engine.wait_deliveries(hook, 1)
    (sender,) = engine.pids("sender")
    allow_files(sender, len(os.listdir(f"/proc/{sender}/fd")))
    wait_for(lambda: "attempt could not be made" in engine.log(),
             "the attempt is put off", 20)
    assert redeliver(engine, hook, event).status == 503
    allow_files(sender, 1024)
    wait_for(lambda: redeliver(engine, hook, event).status == 200,
             "it is sent", 20)
    books = engine.wait_settled()
    assert (books["delivered"], books["cancelled"]) == (1, 0)
    assert engine.deliveries(hook, f"?id={event}")[0]["attempt"] in (2, 3)
