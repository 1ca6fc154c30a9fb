# SPDX-License-Identifier: MIT
"""The wall clock is turned, at a start or while the engine runs: what still
holds, what is late, and what is never lost.

Ahead and back by an hour, a day and a year, to 1970 and past 2038. The README of
engine/ says what is expected of each.
"""

import time

import pytest

from clock import DAY, HOUR, YEAR, Clock
from receiver import Answer
from support import wait_for

TO_1970 = -int(time.time()) + HOUR
PAST_2038 = 14 * YEAR
TURNS = [HOUR, -HOUR, DAY, -DAY, YEAR, -YEAR, TO_1970, PAST_2038]


def pytest_generate_tests(metafunc):
    """All turns with --long; else those that a test names first."""
    few = getattr(metafunc.function, "turns", None)
    if few:
        turns = TURNS if metafunc.config.getoption("--long") else few
        metafunc.parametrize("turn", turns, ids=name_of)


def turns(*few):
    def mark(test):
        test.turns = few
        return test
    return mark


@pytest.fixture
def clock(tmp_path_factory):
    return Clock(tmp_path_factory.mktemp("clock"))


@pytest.fixture
def make_clocked(make_engine, clock):
    def make(**settings):
        engine = make_engine(**settings)
        engine.binary = Clock.PROGRAM
        engine.clock = clock
        return engine
    return make


def name_of(seconds):
    return {TO_1970: "to 1970", PAST_2038: "past 2038"}.get(
        seconds, f"{seconds // HOUR:+d} h")


def test_events_and_hooks_of_any_time_find_each_other(
        make_clocked, clock, receiver):
    """A hook that is older or younger than an event by the clock alone."""
    engine = make_clocked(disable_after="0s").start()
    for n, turn in enumerate(TURNS):
        kind = f"turn.n{n}"
        before, after = f"/before{n}", f"/after{n}"
        clock.turn(0)
        engine.create_hook(receiver.url(before), filters=[kind])
        engine.post_event(kind)
        clock.turn(turn)
        engine.post_event(kind)
        engine.create_hook(receiver.url(after), filters=[kind])
        engine.post_event(kind)
        clock.turn(0)
        engine.post_event(kind)
        assert len({r.id for r in receiver.wait(4, before, 20)}) == 4, turn
        assert len({r.id for r in receiver.wait(2, after, 20)}) == 2, turn
    books = engine.wait_settled()
    assert books["delivered"] == books["matched"] == 6 * len(TURNS)


@turns(-DAY, YEAR, TO_1970)
def test_what_failed_is_tried_again_in_its_time(
        make_clocked, clock, receiver, turn):
    """The clock is turned while deliveries wait for their next attempts, in
    order and without."""
    engine = make_clocked(retry_schedule="1500ms,1500ms", disable_after="0s",
                          breaker_failures="0").start()
    for path, more in (("/any", {}), ("/ordered", {"ordered": True})):
        receiver.script(path, Answer(status=500), Answer(status=500), Answer())
        engine.create_hook(receiver.url(path), **more)
    engine.post_event()
    receiver.wait(1, "/any")
    receiver.wait(1, "/ordered")
    clock.turn(turn)
    receiver.wait(3, "/any", 30)
    receiver.wait(3, "/ordered", 30)
    assert engine.wait_settled()["delivered"] == 2
    if turn < 0:  # nor sooner: the waits were whole
        for path in ("/any", "/ordered"):
            times = [r.time for r in receiver.got(path)]
            assert min(b - a for a, b in zip(times, times[1:])) > 1.1


@turns(-YEAR)
def test_what_waits_over_a_restart_is_tried_again_in_its_time(
        make_clocked, clock, receiver, turn):
    engine = make_clocked(retry_schedule="1s,1s", disable_after="0s",
                          breaker_failures="0").start()
    receiver.script("/in", Answer(status=500), Answer())
    hook = engine.create_hook(receiver.url("/in"))
    event = engine.post_event()
    engine.wait_deliveries(hook, 1)
    assert engine.stop() == 0
    clock.turn(turn)
    engine.start()
    receiver.wait(2, "/in", 30)
    assert engine.wait_settled()["delivered"] == 1
    # And it is found by hand, though its next attempt was noted before.
    reply = engine.api("POST", f"{hook}/deliveries/{event}/redeliver")
    assert reply.status == 200, reply


@turns(YEAR)
@pytest.mark.parametrize("is_running", [True, False],
                         ids=["running", "at a start"])
def test_a_clock_that_is_wrong_for_a_moment_removes_nothing(
        make_clocked, clock, receiver, turn, is_running):
    """Retention is counted in seconds: only that the leap is not believed keeps
    what is there."""
    engine = make_clocked(retention_delivered="1h", retention_dead="2h",
                          retry_schedule="10ms", breaker_failures="0").start()
    receiver.script("/dead", Answer(status=500))
    dead = engine.create_hook(receiver.url("/dead"))
    good = engine.create_hook(receiver.url("/good"))
    body = b'{"kind":"a.b","payload":{}}'
    key = {"Idempotency-Key": "k1"}
    first = engine.intake(body, headers=key).json()["id"]
    engine.wait_deliveries(good, 1)
    engine.wait_deliveries(dead, 2)
    if not is_running:
        assert engine.stop() == 0
    clock.turn(turn)
    if not is_running:
        engine.start()
    time.sleep(3.5)  # retention looks every second
    # Backwards there is no leap: what is repeated is known all the same.
    if turn > 0:
        assert engine.intake(body, headers=key).json()["id"] == first
    clock.turn(0)
    time.sleep(1.2)
    assert len(engine.deliveries(good)) == 1
    assert len(engine.deliveries(dead, "?state=dead")) == 1
    assert engine.intake(body, headers=key).json()["id"] == first
    assert engine.deliveries(good)[0]["payload"] == "{}"
    assert engine.verify()["dead"] == 1


def test_what_is_dated_ahead_keeps_no_old_history(make_clocked, clock,
                                                  receiver):
    """Attempts from a moment in which the clock was ahead lie before others;
    those behind them are removed when they are old, and so are these."""
    engine = make_clocked(retention_delivered="3s",
                          retention_dead="3s").start()
    hook = engine.create_hook(receiver.url("/in"))
    clock.turn(YEAR)
    engine.post_event()
    engine.wait_deliveries(hook, 1)
    clock.turn(0)
    engine.post_event()
    engine.wait_deliveries(hook, 2)
    wait_for(lambda: len(engine.deliveries(hook)) <= 1,
             "what is dated ahead is removed", 30)


def test_a_signature_has_the_time_of_its_attempt(make_clocked, clock, receiver):
    engine = make_clocked(retry_schedule="1s", breaker_failures="0").start()
    receiver.script("/in", Answer(status=500), Answer())
    engine.create_hook(receiver.url("/in"), secret="s")
    engine.post_event()
    receiver.wait(1, "/in")
    clock.turn(-DAY)
    first, second = receiver.wait(2, "/in", 30)[:2]
    stamps = [int(r.headers["webhook-timestamp"]) for r in (first, second)]
    assert abs(stamps[0] - first.time) < 30
    assert abs(stamps[1] - (second.time - DAY)) < 30


def test_a_token_expires_by_the_wall_clock(make_clocked, clock):
    engine = make_clocked().start()
    reply = engine.api("POST", "/api/orgs/acme/tokens",
                       {"name": "t", "scopes": ["read"],
                        "expiresAt": int(time.time()) + HOUR})
    token = reply.json()["token"]

    def status():
        return engine.api("GET", "/api/orgs/acme/hooks", token=token).status

    assert status() == 200
    clock.turn(2 * HOUR)
    assert status() == 401
    clock.turn(0)
    assert status() == 200
