# SPDX-License-Identifier: MIT
"""Replays beside live deliveries, and beside each other."""

from receiver import Answer
from test_replay import make_dead, replay, wait_done


def test_a_replay_at_a_full_endpoint_stops_nothing(make_engine, receiver):
    """Live deliveries hold all places of the endpoint when a replay of another
    hook asks for one."""
    engine = make_engine(retry_schedule="50ms,50ms", breaker_failures="0",
                         max_inflight_per_endpoint="2").start()
    dead = engine.create_hook(receiver.url("/dead"), filters=["a.dead"])
    make_dead(engine, receiver, dead, 10, "/dead", kind="a.dead")
    receiver.script("/slow", Answer(delay=0.05))
    live = engine.create_hook(receiver.url("/slow"), filters=["a.live"])
    engine.post_batch([{"kind": "a.live", "payload": {"n": n}}
                       for n in range(40)])
    receiver.wait(1, "/slow")
    answer = replay(engine, dead)
    assert answer["matched"] == 10
    assert wait_done(engine, dead, answer["replayId"])["delivered"] == 10
    receiver.wait(40, "/slow", seconds=30)
    assert len(engine.wait_deliveries(live, 40, "?limit=1000")) == 40
    assert engine.wait_settled()["delivered"] == 50
    assert engine.stop() == 0


def test_a_replay_goes_on_beside_hooks_that_hang(make_engine, receiver):
    engine = make_engine(retry_schedule="50ms", breaker_failures="0").start()
    dead = engine.create_hook(receiver.url("/dead"), filters=["a.dead"])
    make_dead(engine, receiver, dead, 10, "/dead", kind="a.dead")
    receiver.script("/hangs", Answer(do="hang"))
    for _ in range(4):
        engine.create_hook(receiver.url("/hangs"), filters=["a.live"],
                           timeout="300ms")
    engine.post_batch([{"kind": "a.live", "payload": {"n": n}}
                       for n in range(4)])
    receiver.wait(8, "/hangs")
    answer = replay(engine, dead)
    state = wait_done(engine, dead, answer["replayId"])
    assert (state["delivered"], state["queued"]) == (10, 0)
    assert engine.wait_settled(60)["dead"] == 16
    assert engine.stop() == 0


def test_overlapping_replays_of_what_never_matched_send_each_once(
        make_engine, receiver):
    """Both have read the same events ahead; the receiver fails, so what one of
    them sent leaves the memory and waits in the index."""
    engine = make_engine(retry_schedule="300ms,300ms",
                         breaker_failures="0").start()
    receiver.script("/in", Answer(status=500))
    ids = engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                             for n in range(40)])
    hook = engine.create_hook(receiver.url("/in"))
    replays = [replay(engine, hook, unmatched=True, since=1,
                      ratePerSecond=40)
               for _ in range(3)]
    for one in replays:
        wait_done(engine, hook, one["replayId"], 60)
    books = engine.wait_settled(60)
    assert (books["matched"], books["dead"]) == (40, 40)
    sent = [r.id for r in receiver.got("/in")]
    assert set(sent) == set(ids)
    assert max(sent.count(i) for i in ids) == 3  # one schedule each
    # And those that matched since are not sent again, either.
    again = engine.api("POST", f"{hook}/replay", {"unmatched": True, "since": 1})
    assert (again.status, again.json()["matched"]) == (200, 0)
