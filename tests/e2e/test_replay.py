# SPDX-License-Identifier: MIT
"""Replays: what failed is sent again, at a pace, each once, whatever dies."""

import os
import random
import signal
import time

import pytest

from receiver import Answer
from support import wait_for

pytestmark = pytest.mark.shared

SCHEDULE = "50ms,50ms"
DOWN, UP = Answer(status=500), Answer(status=200)


@pytest.fixture
def settings():
    return {"retry_schedule": SCHEDULE, "breaker_failures": "0"}


def replay(engine, owner, status=202, **body):
    reply = engine.api("POST", f"{owner}/replay", body)
    assert reply.status == status, reply
    return reply.json()


def progress(engine, owner, replay_id):
    reply = engine.api("GET", f"{owner}/replays/{replay_id}")
    assert reply.status == 200, reply
    return reply.json()


def wait_done(engine, owner, replay_id, seconds=30):
    def done():
        state = progress(engine, owner, replay_id)
        return state["state"] == "done" and state
    return wait_for(done, "the replay is done", seconds)


def dead_letters(engine, hook):
    rows, query = [], "?state=dead&limit=1000"
    while query:
        reply = engine.api("GET", f"{hook}/deliveries{query}")
        rows += reply.json()
        token = reply.headers.get("x-continuation-token")
        query = token and f"?state=dead&limit=1000&continuationToken={token}"
    return rows


def make_dead(engine, receiver, hook, count, path="/in", **event):
    """So many events whose deliveries die; their ids."""
    receiver.script(path, DOWN)
    ids = engine.post_batch([{"kind": "order.created", "payload": {"n": n},
                              **event} for n in range(count)])
    wait_for(lambda: len(dead_letters(engine, hook)) == count,
             f"{count} dead letters", 30)
    receiver.script(path, UP)
    with receiver.lock:
        receiver.requests.clear()
    return ids


@pytest.mark.smoke
@pytest.mark.shared(books=True)
def test_dead_letters_are_sent_again(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), secret="s")
    ids = make_dead(engine, receiver, hook, 5)
    answer = replay(engine, hook)
    assert answer["matched"] == 5
    state = wait_done(engine, hook, answer["replayId"])
    assert (state["delivered"], state["dead"], state["queued"]) == (5, 0, 0)
    assert sorted(r.id for r in receiver.wait(5, "/in")) == sorted(ids)
    assert dead_letters(engine, hook) == []
    row = engine.deliveries(hook, f"?id={ids[0]}")[0]
    assert (row["attempt"], row["state"]) == (4, "delivered")
    assert engine.wait_settled()["delivered"] == 5


def test_a_dry_run_counts_and_sends_nothing(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, hook, 3)
    assert replay(engine, hook, 200, dryRun=True) == {"matched": 3}
    time.sleep(0.3)
    assert receiver.got("/in") == []
    assert engine.api("GET", f"{hook}/replays").json() == []


def test_zero_matches_say_so(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    engine.post_event()
    engine.wait_deliveries(hook, 1)
    answer = replay(engine, hook, 200)
    assert (answer["replayId"], answer["matched"]) == (None, 0)
    assert "no delivery matches" in answer["message"]


def test_filters_choose(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    receiver.script("/in", DOWN)
    made = engine.post_batch([{"kind": f"order.{kind}", "payload": {"n": 1}}
                              for kind in ("made", "paid", "made", "sent")])
    wait_for(lambda: len(dead_letters(engine, hook)) == 4, "all are dead")
    receiver.script("/in", UP)
    dry = {"dryRun": True}
    cases = [
        ({"kinds": ["order.made"]}, 2), ({"kinds": "order.made,order.paid"}, 3),
        ({"code": 500}, 4), ({"code": 503}, 0), ({"error": "status"}, 4),
        ({"error": ["dns", "timeout"]}, 0), ({"ids": made[:2]}, 2),
        ({"ids": made[:2], "state": "delivered"}, 0),
        ({"since": int(time.time()) - 3600}, 4),
        ({"until": int(time.time()) - 3600}, 0),
        ({"state": "delivered"}, 0), ({"state": "delivered,dead"}, 4),
        ({}, 4),
    ]
    for body, count in cases:
        assert replay(engine, hook, 200, **body, **dry)["matched"] == count, body
    answer = replay(engine, hook, kinds=["order.paid"])
    assert wait_done(engine, hook, answer["replayId"])["delivered"] == 1
    assert len(dead_letters(engine, hook)) == 3


@pytest.mark.parametrize("body,named", [
    ({"states": "dead"}, "states"), ({"state": "asleep"}, "state"),
    ({"kinds": [1]}, "kinds"), ({"code": "x"}, "code"), ({"code": 700}, "code"),
    ({"since": "yesterday"}, "since"), ({"until": True}, "until"),
    ({"since": 20, "until": 10}, "until"), ({"ids": ["x"]}, "ids"),
    ({"ids": "x"}, "ids"), ({"ratePerSecond": 0}, "ratePerSecond"),
    ({"ratePerSecond": 1.5}, "ratePerSecond"), ({"dryRun": "yes"}, "dryRun"),
    ({"unmatched": 1}, "unmatched"), ({"unmatched": True}, "since"),
    ({"unmatched": True, "since": 1, "state": "dead"}, "unmatched"),
    ({"error": "unlucky"}, "error"), ([], "object"),
    ({"state": None}, "state"), ({"since": None}, "since"),
])
def test_a_bad_replay_names_what_is_wrong(engine, receiver, body, named):
    hook = engine.create_hook(receiver.url("/in"))
    reply = engine.api("POST", f"{hook}/replay", body)
    assert reply.status == 400 and named in reply.json()["message"], reply


def test_what_is_not_there(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    other = "0190a5b8-1111-4222-8333-444455556666"
    for path in (f"{hook}/replays/{other}", f"{hook}/replays/x",
                 f"{hook}x/replays/{other}"):
        assert engine.api("GET", path).status == 404, path
    assert engine.api("DELETE", f"{hook}/replays/{other}").status == 404
    assert engine.api("POST", f"{hook}x/replay", {}).status == 404


def test_an_inactive_hook_is_refused(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, hook, 1)
    engine.api("PATCH", hook, {"active": False})
    engine.settle_hooks()
    reply = engine.api("POST", f"{hook}/replay", {})
    assert reply.status == 409 and "inactive" in reply.json()["message"]


@pytest.mark.shared(books=True)
def test_what_fails_again_is_tried_again_and_dies(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    ids = make_dead(engine, receiver, hook, 2)
    receiver.script("/in", DOWN)
    answer = replay(engine, hook)
    state = wait_done(engine, hook, answer["replayId"])
    assert (state["delivered"], state["dead"]) == (0, 2)
    rows = engine.deliveries(hook, f"?id={ids[0]}")
    assert [r["attempt"] for r in rows] == [6, 5, 4, 3, 2, 1]
    assert [r["state"] for r in rows][:3] == ["dead", "retrying", "retrying"]
    assert len(dead_letters(engine, hook)) == 2
    assert engine.wait_settled()["dead"] == 2


@pytest.mark.shared(books=True)
def test_one_that_fails_once_is_delivered_by_its_retry(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, hook, 1)
    receiver.script("/in", DOWN, UP)
    answer = replay(engine, hook)
    assert wait_done(engine, hook, answer["replayId"])["delivered"] == 1
    assert engine.wait_settled()["delivered"] == 1


@pytest.mark.shared(books=True)
def test_delivered_ones_are_sent_again_if_asked_for(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    ids = engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                             for n in range(4)])
    receiver.wait(4, "/in")
    engine.wait_deliveries(hook, 4)
    answer = replay(engine, hook, state="delivered")
    wait_done(engine, hook, answer["replayId"])
    assert sorted(r.id for r in receiver.got("/in")) == sorted(ids * 2)
    assert engine.wait_settled()["delivered"] == 4


@pytest.mark.shared(books=True)
def test_events_that_the_hook_never_got(engine, receiver):
    since = int(time.time()) - 1
    early = engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                               for n in range(3)])
    hook = engine.create_hook(receiver.url("/in"), filters=["a.*"])
    late = engine.post_event("a.c")
    engine.post_event("z.z")  # it never wants this one
    receiver.wait(1, "/in")
    engine.wait_deliveries(hook, 1)
    engine.api("PATCH", hook, {"active": False})
    engine.settle_hooks()
    missed = engine.post_event("a.d")
    engine.api("PATCH", hook, {"active": True})
    engine.settle_hooks()
    assert replay(engine, hook, 200, dryRun=True, unmatched=True,
                  since=since)["matched"] == 4
    answer = replay(engine, hook, unmatched=True, since=since)
    assert answer["matched"] == 4
    assert wait_done(engine, hook, answer["replayId"])["delivered"] == 4
    first, *others = [r.id for r in receiver.got("/in")]
    assert first == late and sorted(others) == sorted([*early, missed])
    again = replay(engine, hook, 200, unmatched=True, since=since)
    assert again["matched"] == 0
    books = engine.wait_settled()
    assert (books["matched"], books["delivered"]) == (5, 5)


def test_unmatched_leaves_out_what_waits_for_its_first_attempt(
        make_engine, receiver):
    engine = make_engine(max_inflight_per_hook="1").start()
    hook = engine.create_hook(receiver.url("/in"))
    receiver.script("/in", Answer(delay=0.3), UP)
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(30)])
    answer = replay(engine, hook, 200, unmatched=True,
                    since=int(time.time()) - 60)
    assert answer["matched"] == 0
    assert len(receiver.wait(30, "/in")) == 30
    engine.wait_settled()
    assert len(receiver.got("/in")) == 30


def test_every_hook_of_an_organization(make_engine, receiver):
    engine = make_engine(retry_schedule=SCHEDULE, dispatchers="2",
                         breaker_failures="0").start()
    hooks = [engine.create_hook(receiver.url(f"/{n}")) for n in range(4)]
    hooks.append(engine.create_hook(
        receiver.url("/stack"), "/api/stacks/acme/web/prod/hooks"))
    other = engine.create_hook(receiver.url("/other"), "/api/orgs/zeta/hooks")
    for path in ("/0", "/1", "/2", "/3", "/stack", "/other"):
        receiver.script(path, DOWN)
    for org in ("acme", "zeta"):
        engine.post_batch([{"kind": "a.b", "payload": {
            "projectName": "web", "stackName": "prod"}}] * 3, org)
    for hook in (*hooks, other):
        wait_for(lambda h=hook: len(dead_letters(engine, h)) == 3, "dead", 20)
        receiver.script("/" + hook, UP)
    for path in ("/0", "/1", "/2", "/3", "/stack", "/other"):
        receiver.script(path, UP)
    owner = "/api/orgs/acme"
    assert replay(engine, owner, 200, dryRun=True)["matched"] == 15
    answer = replay(engine, owner)
    assert answer["matched"] == 15
    state = wait_done(engine, owner, answer["replayId"])
    assert (state["delivered"], state["matched"]) == (15, 15)
    assert len(dead_letters(engine, other)) == 3
    assert len(engine.api("GET", f"{owner}/replays").json()) == 5
    (mine,) = engine.api("GET", f"{hooks[0]}/replays").json()
    assert mine["replay"]["delivered"] == 3
    assert engine.api(
        "GET", f"/api/orgs/zeta/replays/{answer['replayId']}").status == 404


def test_a_rate_is_kept(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, hook, 30)
    answer = replay(engine, hook, ratePerSecond=20)
    wait_done(engine, hook, answer["replayId"])
    times = sorted(r.time for r in receiver.got("/in"))
    assert len(times) == 30 and times[-1] - times[0] > 1.3  # 29 waits of 50 ms


def test_cancelled_it_sends_no_more(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, hook, 50)
    answer = replay(engine, hook, ratePerSecond=4) # 12 s for all of them
    receiver.wait(2, "/in")
    reply = engine.api("DELETE", f"{hook}/replays/{answer['replayId']}")
    assert reply.status == 200 and reply.json()["state"] == "cancelled", reply
    # What was on its way arrives, and is settled.
    wait_for(lambda: len(dead_letters(engine, hook)) +
             len(receiver.got("/in")) == 50, "each is dead or was sent", 20)
    sent = len(receiver.got("/in"))
    time.sleep(0.6) # two more would have come
    assert len(receiver.got("/in")) == sent < 50
    assert len(dead_letters(engine, hook)) == 50 - sent
    state = progress(engine, hook, answer["replayId"])
    assert (state["state"], state["queued"]) == ("cancelled", 0)
    reply = engine.api("DELETE", f"{hook}/replays/{answer['replayId']}")
    assert reply.status == 200  # once more changes nothing


def test_live_deliveries_go_first(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, hook, 20)
    receiver.script("/in", Answer(delay=0.02))
    answer = replay(engine, hook, ratePerSecond=1)
    receiver.wait(2, "/in")
    live = engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                              for n in range(20)])
    wait_for(lambda: {r.id for r in receiver.got("/in")} >= set(live),
             "all live ones are there", 20)
    assert len(receiver.got("/in")) < 40
    assert engine.api("DELETE", f"{hook}/replays/{answer['replayId']}"
                      ).status == 200


@pytest.mark.alone
def test_it_survives_a_clean_restart(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    ids = make_dead(engine, receiver, hook, 60)
    answer = replay(engine, hook, ratePerSecond=50)
    receiver.wait(5, "/in")
    assert engine.stop() == 0
    engine.restart()
    state = wait_done(engine, hook, answer["replayId"])
    assert (state["delivered"], state["cancelled"]) == (60, 0)
    assert sorted(r.id for r in receiver.got("/in")) == sorted(ids)


@pytest.mark.alone
def test_it_survives_kills(engine, receiver, request):
    """Nothing is left out, and only what was in flight comes twice."""
    rounds = 12 if request.config.getoption("--long") else 4
    engine.check_exit = False
    hook = engine.create_hook(receiver.url("/in"))
    ids = make_dead(engine, receiver, hook, 400)
    answer = replay(engine, hook, ratePerSecond=150)
    for _ in range(rounds):
        time.sleep(random.uniform(0.1, 0.4))
        if random.random() < 0.5:
            engine.kill9()
            engine.restart()
        else:
            for pid in engine.pids(random.choice(("dispatcher", "sender"))):
                os.kill(pid, signal.SIGKILL)
            engine.wait_ready()
    state = wait_done(engine, hook, answer["replayId"], 60)
    assert state["delivered"] + state["cancelled"] == 400
    got = [r.id for r in receiver.got("/in")]
    assert set(got) == set(ids)
    assert len(got) - len(ids) <= 32 * (rounds + 1)
    assert dead_letters(engine, hook) == []
    books = engine.wait_settled()
    assert (books["matched"], books["delivered"]) == (400, 400)


@pytest.mark.alone
def test_a_replay_survives_other_dispatchers(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    ids = make_dead(engine, receiver, hook, 60)
    answer = replay(engine, hook, ratePerSecond=50)
    receiver.wait(5, "/in")
    assert engine.stop() == 0
    engine.restart(dispatchers="3")
    state = wait_done(engine, hook, answer["replayId"])
    assert state["delivered"] == 60
    assert sorted(r.id for r in receiver.got("/in")) == sorted(ids)


@pytest.mark.shared(books=True)
def test_an_ordered_hook_is_replayed(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), ordered=True)
    ids = make_dead(engine, receiver, hook, 4)
    receiver.script("/in", UP, DOWN, UP)
    answer = replay(engine, hook)
    assert wait_done(engine, hook, answer["replayId"])["delivered"] == 4
    assert {r.id for r in receiver.got("/in")} == set(ids)
    assert engine.wait_settled()["delivered"] == 4


@pytest.mark.shared(books=True)
def test_a_deleted_hook_ends_its_replays(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, hook, 50)
    replay(engine, hook, ratePerSecond=4)
    receiver.wait(2, "/in")
    engine.api("DELETE", hook)
    engine.wait_settled()
    sent = len(receiver.got("/in"))
    time.sleep(0.6)
    assert len(receiver.got("/in")) == sent
    (row,) = engine.api("GET", "/api/orgs/acme/replays").json()
    assert row["hookName"] is None and row["replay"]["state"] == "cancelled"


def test_payloads_go_when_they_are_too_much_but_not_what_is_needed(
        make_engine, receiver):
    engine = make_engine(retry_schedule="50ms", breaker_failures="0",
                         retention_bytes="2MiB").start()
    hook = engine.create_hook(receiver.url("/in"))
    dead = make_dead(engine, receiver, hook, 1)[0]
    large = {"text": ["y" * 50_000] * 4}
    for _ in range(64):  # they stay: what is needed is counted by 64
        engine.post_event("a.b")
    first = engine.post_event("a.b", large)
    for _ in range(60):
        engine.post_event("a.b", large)

    def is_gone():
        return engine.api("GET", f"/api/orgs/acme/events/{first}").status == 410
    wait_for(is_gone, "the first large event is removed", 20)
    reply = engine.api("POST", f"{hook}/deliveries/{first}/redeliver")
    assert reply.status == 410 and "retention" in reply.json()["message"]
    (row,) = engine.deliveries(hook, f"?id={first}")  # its attempt is there
    assert (row["state"], row["payload"]) == ("delivered", "")
    reply = engine.api("POST", f"{hook}/replay", {"ids": [first]})
    assert reply.status == 410 and "retention" in reply.json()["message"]
    engine.wait_settled()
    answer = replay(engine, hook, 200, dryRun=True, state="delivered")
    assert answer["removed"] >= 1
    assert answer["matched"] + answer["removed"] == 125
    # The dead letter is older than all of them, and still has its payload.
    assert replay(engine, hook)["matched"] == 1
    wait_for(lambda: dead in [r.id for r in receiver.got("/in")], "it is sent")
    wait_for(lambda: dead_letters(engine, hook) == [], "none is dead")
