# SPDX-License-Identifier: MIT
"""Hooks that are switched off by themselves, and the events that tell of it."""

import json
import time

import pytest

from receiver import Answer
from support import wait_for

pytestmark = pytest.mark.shared

OWN = ["posthorn.hook.disabled", "posthorn.hook.failing",
       "posthorn.hook.recovered", "posthorn.delivery.dead"]


def fields_of(engine, hook):
    return engine.api("GET", hook).json()


def told(receiver, kind):
    return [json.loads(r.body) for r in receiver.got("/ops")
            if r.headers["pulumi-webhook-kind"] == kind]


def watch(engine, receiver):
    """A hook that is told what the engine does by itself."""
    return engine.create_hook(receiver.url("/ops"), filters=["posthorn.*"])


def test_410_switches_off_at_once(engine, receiver):
    watch(engine, receiver)
    receiver.script("/gone", Answer(410), Answer(200))
    hook = engine.create_hook(receiver.url("/gone"), name="gone")
    first = engine.post_event()
    rows = engine.wait_deliveries(hook, 1)
    assert rows[0]["id"] == first and rows[0]["state"] == "dead"
    assert rows[0]["error"]["class"] == "gone"
    wait_for(lambda: not fields_of(engine, hook)["active"], "it is off")
    assert fields_of(engine, hook)["disabled"]["reason"] == "gone"
    engine.settle_hooks()
    engine.post_event()
    event = wait_for(lambda: told(receiver, "posthorn.hook.disabled"),
                     "it is told")[0]
    assert event["hook"]["name"] == "gone" and event["reason"] == "gone"
    assert "url" not in json.dumps(event).lower()
    time.sleep(0.3)
    assert len(receiver.got("/gone")) == 1  # nothing more comes
    # Somebody switches it on again.
    assert engine.api("PATCH", hook, {"active": True}).status == 200
    assert "disabled" not in fields_of(engine, hook)
    engine.settle_hooks()
    engine.post_event()
    receiver.wait(2, "/gone")
    assert len(told(receiver, "posthorn.hook.disabled")) == 1


@pytest.mark.settings(disable_after="1s", retry_schedule="200ms,200ms,1h")
@pytest.mark.shared(books=True)
def test_long_failure_switches_off(engine, receiver):
    watch(engine, receiver)
    receiver.script("/bad", Answer(500))
    hook = engine.create_hook(receiver.url("/bad"))

    def is_off():
        engine.post_event()
        return not fields_of(engine, hook)["active"]

    wait_for(is_off, "it is off")
    assert fields_of(engine, hook)["disabled"]["reason"] == "failing"
    wait_for(lambda: told(receiver, "posthorn.hook.disabled"), "it is told")
    books = engine.wait_settled()
    assert books["cancelled"] > 0  # what waited for it


@pytest.mark.settings(disable_after="1500ms", retry_schedule="100ms,1h")
@pytest.mark.alone
def test_success_begins_the_time_anew_also_over_restarts(engine, receiver):
    receiver.script("/", Answer(500))
    hook = engine.create_hook(receiver.url())
    engine.post_event()
    engine.wait_deliveries(hook, 2)
    since = engine.api("GET", f"{hook}/status").json()["failingSince"]
    assert abs(since / 1000 - time.time()) < 60
    assert engine.stop() == 0
    engine.start()
    assert engine.api("GET", f"{hook}/status").json()["failingSince"] == since
    receiver.script("/", Answer(200))
    engine.post_event()
    wait_for(lambda: engine.api("GET", f"{hook}/status").json()[
        "failingSince"] is None, "it succeeded")
    time.sleep(1.6)
    receiver.script("/", Answer(500))
    engine.post_event()
    wait_for(lambda: engine.api("GET", f"{hook}/status").json()[
        "failingSince"], "it fails again")
    assert fields_of(engine, hook)["active"]


@pytest.mark.settings(disable_after="0s", retry_schedule="10ms")
def test_it_can_be_left_on_for_ever(engine, receiver):
    receiver.script("/", Answer(500))
    hook = engine.create_hook(receiver.url())
    for _ in range(5):
        engine.post_event()
        time.sleep(0.05)
    engine.wait_deliveries(hook, 10)
    assert fields_of(engine, hook)["active"]


@pytest.mark.settings(retry_schedule="30ms,30ms")
def test_dead_letters_are_told_but_not_of_the_engines_own(engine, receiver):
    receiver.script("/ops", Answer(500))  # these die themselves
    receiver.script("/bad", Answer(500))
    hook = watch(engine, receiver)
    engine.create_hook(receiver.url("/bad"), name="bad")
    event = engine.post_event(kind="order.created")
    wait_for(lambda: any(r["state"] == "dead" for r in engine.deliveries(hook)),
             "the event died")
    time.sleep(0.5)
    events = told(receiver, "posthorn.delivery.dead")
    assert {e["delivery"]["id"] for e in events} == {event}
    body = events[0]
    assert body["hook"]["name"] == "bad"
    assert body["delivery"]["kind"] == "order.created"
    assert body["delivery"]["attempts"] == 3
    assert body["delivery"]["responseCode"] == 500
    assert body["delivery"]["errorClass"] == "status"


@pytest.mark.settings(breaker_failures="3", retry_schedule="20ms,50ms,50ms,1h")
def test_breaker_tells_of_its_opening_and_closing(engine, receiver):
    watch(engine, receiver)
    receiver.script("/x", *[Answer(do="close")] * 3, Answer(200))
    engine.create_hook(receiver.url("/x"))
    engine.post_event()
    wait_for(lambda: told(receiver, "posthorn.hook.recovered"), "it is told")
    assert len(told(receiver, "posthorn.hook.failing")) == 1
    assert len(told(receiver, "posthorn.hook.recovered")) == 1


def test_own_events_reach_only_who_names_them(engine, receiver):
    engine.create_hook(receiver.url("/all"))
    engine.create_hook(receiver.url("/ops"), filters=["posthorn.hook.disabled"])
    receiver.script("/gone", Answer(410))
    hook = engine.create_hook(receiver.url("/gone"), filters=["a.b"])
    engine.post_event(kind="a.b")
    receiver.wait(1, "/ops")
    engine.post_event(kind="c.d")
    receiver.wait(2, "/all")
    time.sleep(0.2)
    assert {r.headers["pulumi-webhook-kind"] for r in receiver.got("/all")} == {
        "a.b", "c.d"}
    assert not fields_of(engine, hook)["active"]


@pytest.mark.parametrize("kind", OWN)
def test_nobody_posts_them(engine, kind):
    reply = engine.intake(json.dumps({"kind": kind, "payload": {}}).encode())
    assert reply.status == 400 and "posthorn." in reply.json()["message"]


@pytest.mark.alone
def test_what_is_told_outlives_kill_9(engine, receiver):
    """Each is in the log once, however often it was handed over."""
    watch(engine, receiver)
    receiver.script("/gone", Answer(410))
    engine.create_hook(receiver.url("/gone"))
    engine.check_exit = False
    for _ in range(3):
        engine.post_event(kind="a.b")
        receiver.wait(1, "/gone")
        engine.kill9()
        engine.start()
    wait_for(lambda: told(receiver, "posthorn.hook.disabled"), "it is told",
             20)
    for kind in ("posthorn.hook.disabled", "posthorn.delivery.dead"):
        assert len({r.id for r in receiver.got("/ops")
                    if r.headers["pulumi-webhook-kind"] == kind}) == 1
