# SPDX-License-Identifier: MIT
"""How one hook is delivered to: the optional fields, and what they do."""

import json
import time

import pytest

from receiver import Answer
from support import wait_for

pytestmark = pytest.mark.shared

HOOKS = "/api/orgs/acme/hooks"
AKINON = ("/organizations/64b0c0ffee0123456789abcd/projects/"
          "64b0c0ffee0123456789abce/settings/webhooks")
POLICY = {
    "retrySchedule": ["5s", "30s", "2m"],
    "timeout": "10s",
    "maxInFlight": 4,
    "rateLimit": {"perSecond": 10, "burst": 20},
    "ordered": True,
    "orderKey": "customer.id",
}


def fields_of(engine, hook):
    reply = engine.api("GET", hook)
    assert reply.status == 200, reply
    return reply.json()


def create_akinon(engine, url, **fields):
    reply = engine.api("POST", AKINON, {"name": "test", "url": url,
                                        "events": ["a.b"], **fields})
    assert reply.status == 201, reply
    engine.settle_hooks()
    return f"{AKINON}/{reply.json()['_id']}"


# --- the fields ---

@pytest.mark.parametrize("api", ["pulumi", "akinon"])
@pytest.mark.alone
def test_fields_are_kept_and_shown(engine, receiver, api):
    make = engine.create_hook if api == "pulumi" else (
        lambda url, **fields: create_akinon(engine, url, **fields))
    hook = make(receiver.url(), **POLICY)
    shown = fields_of(engine, hook)
    assert {key: shown[key] for key in POLICY} == POLICY
    # Clients that know nothing of them change nothing of them.
    name = {"displayName": "x"} if api == "pulumi" else {"name": "xy"}
    assert engine.api("PATCH", hook, name).status == 200
    assert engine.stop() == 0
    engine.start()
    shown = fields_of(engine, hook)
    assert {key: shown[key] for key in POLICY} == POLICY
    # null: as the settings say.
    assert engine.api("PATCH", hook, dict.fromkeys(POLICY)).status == 200
    assert not set(POLICY) & set(fields_of(engine, hook))


def test_full_state_of_pulumis_clients_leaves_them(engine, receiver):
    hook = engine.create_hook(receiver.url(), headers={"X-A": "b"}, **POLICY)
    state = {key: value for key, value in fields_of(engine, hook).items()
             if key not in POLICY and key != "headers"}
    assert engine.api("PATCH", hook, state).status == 200
    shown = fields_of(engine, hook)
    assert shown["headers"] == {"X-A": "b"}
    assert {key: shown[key] for key in POLICY} == POLICY


@pytest.mark.parametrize("field, value, words", [
    ("retrySchedule", "5s", "retrySchedule must be an array of strings"),
    ("retrySchedule", [], "retrySchedule must be 1 to 64 waits"),
    ("retrySchedule", ["soon"], "retrySchedule must be 1 to 64 waits"),
    ("retrySchedule", [5], "retrySchedule must be an array of strings"),
    ("retrySchedule", ["8d"], "at most 7d"),
    ("retrySchedule", ["1s"] * 65, "retrySchedule must be 1 to 64 waits"),
    ("timeout", 10, "timeout must be a string like"),
    ("timeout", "1ms", "timeout: \"1ms\" is not a duration of 10ms to 5m"),
    ("timeout", "6m", "timeout: \"6m\""),
    ("maxInFlight", 0, "maxInFlight must be a whole number of 1 to 1000"),
    ("maxInFlight", 1001, "maxInFlight must be a whole number"),
    ("maxInFlight", 1.5, "maxInFlight must be a whole number"),
    ("maxInFlight", "4", "maxInFlight must be a number"),
    ("rateLimit", 5, "rateLimit must be an object"),
    ("rateLimit", {}, "rateLimit.perSecond is required"),
    ("rateLimit", {"perSecond": 0}, "rateLimit.perSecond must be"),
    ("rateLimit", {"perSecond": 100001}, "rateLimit.perSecond must be"),
    ("rateLimit", {"perSecond": 1, "burst": -1}, "rateLimit.burst must be"),
    ("rateLimit", {"perSecond": 1, "each": 2}, "no \"each\""),
    ("ordered", "yes", "ordered must be true or false"),
    ("orderKey", "customer.id", "orderKey needs ordered to be true"),
    ("headers", {"Host": "x"}, "Host"),
    ("headers", {"X-A": "b\r\nX-Evil: c"}, "X-A"),
    ("headers", ["X-A"], "headers must be an object"),
    ("clientCertificate", "PEM", "clientCertificate needs clientKey"),
])
def test_absurd_values_are_named(engine, receiver, field, value, words):
    body = {"organizationName": "acme", "displayName": "d", "active": True,
            "payloadUrl": receiver.url(), field: value}
    reply = engine.api("POST", HOOKS, body)
    assert reply.status == 400, reply
    assert words in reply.json()["message"], reply
    hook = engine.create_hook(receiver.url())
    before = fields_of(engine, hook)
    reply = engine.api("PATCH", hook, {field: value})
    assert reply.status == 400 and words in reply.json()["message"], reply
    assert fields_of(engine, hook) == before


@pytest.mark.parametrize("path", ["", ".a", "a.", "a..b", "a b", "a[0]",
                                  "x" * 129])
def test_order_keys_are_paths(engine, receiver, path):
    body = {"organizationName": "acme", "displayName": "d", "active": True,
            "payloadUrl": receiver.url(), "ordered": True, "orderKey": path}
    reply = engine.api("POST", HOOKS, body)
    assert reply.status == 400 and "orderKey must name" in reply.json()[
        "message"], reply


# --- what they do ---

def test_own_schedule_decides_how_often(engine, receiver):
    receiver.script("/", Answer(500))
    hook = engine.create_hook(receiver.url(),
                              retrySchedule=["20ms", "20ms", "20ms"])
    engine.post_event()
    rows = engine.wait_deliveries(hook, 4)
    assert [r["state"] for r in rows] == ["dead", "retrying", "retrying",
                                          "retrying"]


def test_own_timeout_ends_an_attempt(engine, receiver):
    receiver.script("/", Answer(do="hang"))
    hook = engine.create_hook(receiver.url(), timeout="200ms",
                              retrySchedule=["1h"])
    engine.post_event()
    row = engine.wait_deliveries(hook, 1)[0]
    assert row["error"]["class"] == "timeout"
    assert row["timing"]["totalUs"] > 150_000


def most_at_once(requests, delay):
    ends = sorted((r.time, r.time + delay) for r in requests)
    return max(sum(start <= at < end for start, end in ends)
               for at, _ in ends)


def test_no_more_in_flight_than_it_says(engine, receiver):
    receiver.script("/", Answer(delay=0.05))
    engine.create_hook(receiver.url(), maxInFlight=3)
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(60)])
    requests = receiver.wait(60, seconds=30)
    assert most_at_once(requests, 0.045) <= 3


def test_rate_limit_holds_and_bursts(engine, receiver):
    engine.create_hook(receiver.url("/steady"), filters=["a.b"],
                       rateLimit={"perSecond": 20, "burst": 5})
    engine.create_hook(receiver.url("/burst"), filters=["at.once"],
                       rateLimit={"perSecond": 1, "burst": 40})
    began = time.time()
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(45)])
    for count, request in enumerate(receiver.wait(45, "/steady"), 1):
        assert count <= 5 + 20 * (request.time - began) + 1
    began = time.time()
    engine.post_batch([{"kind": "at.once", "payload": {"n": n}} for n in range(40)])
    # Without the burst the last would wait for 39 s.
    assert receiver.wait(40, "/burst")[-1].time - began < 39


# --- order ---

def numbers(requests):
    return [json.loads(r.body)["n"] for r in requests]


def status_of(engine, hook):
    reply = engine.api("GET", f"{hook}/status")
    assert reply.status == 200, reply
    return reply.json()


@pytest.mark.shared(books=True)
def test_ordered_hook_gets_one_after_the_other(engine, receiver):
    receiver.script("/", *[Answer(500 if n % 7 == 3 else 200, delay=0.002)
                           for n in range(60)], Answer(200))
    hook = engine.create_hook(receiver.url(), ordered=True,
                              retrySchedule=["10ms"] * 10)
    for start in range(0, 200, 20):
        engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                           for n in range(start, start + 20)])
    assert engine.wait_settled()["delivered"] == 200
    got = numbers(receiver.got())
    assert got == sorted(got)  # a failed one comes again before the next
    assert len(got) > 200
    assert status_of(engine, hook)["state"] == "ok"


def test_failing_head_blocks_its_hook_only_and_is_shown(engine, receiver):
    receiver.script("/ordered", Answer(500), Answer(500), Answer(200))
    hook = engine.create_hook(receiver.url("/ordered"), ordered=True,
                              retrySchedule=["100ms", "1h"])
    engine.create_hook(receiver.url("/other"))
    ids = [engine.post_event(payload={"n": n}) for n in range(10)]
    receiver.wait(10, "/other")
    receiver.wait(2, "/ordered")
    wait_for(lambda: status_of(engine, hook)["state"] == "blocked", "it is blocked")
    status = status_of(engine, hook)
    assert status["blockedBy"] == ids[0]
    assert status["nextAttemptAt"] > time.time() * 1000
    assert numbers(receiver.got("/ordered")) == [0, 0]
    reply = engine.api("POST", f"{hook}/deliveries/{ids[0]}/redeliver")
    assert reply.status == 200 and reply.json()["state"] == "delivered"
    receiver.wait(12, "/ordered")
    assert numbers(receiver.got("/ordered")) == [0, 0, *range(10)]


@pytest.mark.shared(books=True)
def test_each_value_of_the_key_has_its_own_order(engine, receiver):
    """Lanes of one hook: b goes on while a's head waits; also after a
    restart, and with more waiting than is held in memory."""
    hook = engine.create_hook(receiver.url(), ordered=True, orderKey="c.id",
                              retrySchedule=["2s", "1h"], maxInFlight=8)
    receiver.script("/", Answer(500), Answer(200))
    engine.post_event(payload={"c": {"id": "a"}, "n": 0})
    receiver.wait(1)
    events = [{"kind": "a.b", "payload": {"c": {"id": "ab"[n % 2]}, "n": n}}
              for n in range(1, 3000)]
    for start in range(0, len(events), 500):
        engine.post_batch(events[start:start + 500])
    receiver.wait(300, seconds=20)
    assert engine.wait_settled(60)["delivered"] == 3000
    for lane in "ab":
        got = [json.loads(r.body)["n"] for r in receiver.got()
               if json.loads(r.body)["c"]["id"] == lane]
        assert got == sorted(got)
    assert status_of(engine, hook)["state"] == "ok"


@pytest.mark.alone
def test_order_outlives_kill_9(engine, receiver):
    receiver.script("/", Answer(500), Answer(200, delay=0.001))
    engine.create_hook(receiver.url(), ordered=True,
                       retrySchedule=["700ms", "1h"])
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(300)])
    receiver.wait(1)
    time.sleep(0.1)
    engine.check_exit = False
    engine.kill9()
    engine.start()
    receiver.wait(100, seconds=20)
    engine.kill9()
    engine.start()
    assert engine.wait_settled(60)["delivered"] == 300
    got = numbers(receiver.got())
    seen = [n for i, n in enumerate(got) if n not in got[:i]]
    assert seen == list(range(300))  # what comes twice comes in order, too


def test_key_that_is_not_there_is_a_lane_of_its_own(engine, receiver):
    engine.create_hook(receiver.url(), ordered=True, orderKey="c.id")
    engine.post_batch([{"kind": "a.b", "payload": payload} for payload in (
        {"n": 0}, {"n": 1, "c": 5}, {"n": 2, "c": {"id": 7}},
        {"n": 3, "c": {"id": None}}, {"n": 4, "c": {"id": "7"}})])
    receiver.wait(5)
    got = numbers(receiver.got())
    assert [n for n in got if n in (0, 1, 3)] == [0, 1, 3]


@pytest.mark.alone
def test_what_holds_up_an_ordered_hook_can_be_sent_by_hand(engine, receiver):
    """Also when the hook was not ordered as it failed, or no longer is."""
    receiver.script("/", Answer(500), Answer(200))
    hook = engine.create_hook(receiver.url(), ordered=True,
                              retrySchedule=["1h"])
    first = engine.post_event(payload={"n": 0})
    engine.wait_deliveries(hook, 1)
    engine.post_event(payload={"n": 1})
    engine.settle_hooks()
    assert numbers(receiver.got()) == [0]
    reply = engine.api("POST", f"{hook}/deliveries/{first}/redeliver")
    assert reply.status == 200 and reply.json()["state"] == "delivered"
    receiver.wait(3)
    assert numbers(receiver.got()) == [0, 0, 1]
    for before, after in ((False, True), (True, False)):
        engine.api("PATCH", hook, {"ordered": before})
        engine.settle_hooks()
        receiver.script("/", Answer(500), Answer(200))
        event = engine.post_event(payload={"n": 2})
        wait_for(lambda: engine.deliveries(hook, f"?id={event}"), "it failed")
        engine.api("PATCH", hook, {"ordered": after})
        assert engine.stop() == 0
        engine.start()
        reply = engine.api("POST", f"{hook}/deliveries/{event}/redeliver")
        assert reply.status == 200 and reply.json()["state"] == "delivered"
    assert engine.wait_settled()["delivered"] == 4


@pytest.mark.shared(books=True)
def test_what_fails_by_hand_is_overtaken_by_nothing(engine, receiver):
    """The first one, whose failure holds up the others, and one of the others."""
    receiver.script("/", Answer(500), Answer(500), Answer(500), Answer(200))
    hook = engine.create_hook(receiver.url(), ordered=True,
                              retrySchedule=["2s", "1s", "1s"])
    ids = [engine.post_event(payload={"n": 0})]
    receiver.wait(1)
    ids += [engine.post_event(payload={"n": n}) for n in range(1, 6)]
    wait_for(lambda: status_of(engine, hook)["state"] == "blocked", "it is blocked")
    for n in (0, 3):
        reply = engine.api("POST", f"{hook}/deliveries/{ids[n]}/redeliver")
        assert reply.status == 200 and reply.json()["state"] == "retrying", reply
    assert engine.wait_settled()["delivered"] == 6
    assert numbers(receiver.got()) == [0, 0, 3, *range(6)]
