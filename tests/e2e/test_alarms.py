# SPDX-License-Identifier: MIT
"""Alarms: hooks that fail whatever the reason, dead letters, and the operator's
hooks, which are told of all organizations."""

import json
import random
import subprocess
import time

import pytest

from clock import DAY, Clock
from engine import BINARY
from receiver import Answer
from support import compact, wait_for

FAILING = "posthorn.hook.failing"
RECOVERED = "posthorn.hook.recovered"
DEAD = "posthorn.delivery.dead"
OPERATORS = "/api/orgs/posthorn/hooks"


def told(receiver, kind, path="/ops"):
    """Bodies of the events of a kind, each id once, oldest first."""
    events = {r.id: json.loads(r.body) for r in receiver.got(path)
              if r.headers["pulumi-webhook-kind"] == kind}
    return list(events.values())


def percents(receiver, path="/ops"):
    return [e["percent"] for e in told(receiver, FAILING, path)]


def watch(engine, receiver, org="acme"):
    return engine.create_hook(receiver.url("/ops"), filters=["posthorn.*"],
                              path=f"/api/orgs/{org}/hooks")


def operator(engine, receiver, **fields):
    return engine.create_hook(receiver.url("/operator"), OPERATORS, **fields)


def status_of(engine, hook):
    reply = engine.api("GET", f"{hook}/status")
    assert reply.status == 200, reply
    return reply.json()


def n_failing(engine):
    return sum(n for labels, n in engine.metrics()["posthorn_hooks"].items()
               if "failing" in labels or "breaker_open" in labels)


def cli(engine, *args):
    return subprocess.run(
        [BINARY, *args, "--data-dir", str(engine.data_dir), "--api",
         f"http://127.0.0.1:{engine.api_port}"], capture_output=True,
        text=True, timeout=60)


def post(engine, count, kind="order.created", org="acme"):
    return engine.post_batch([{"kind": kind, "payload": {"n": n}}
                              for n in range(count)], org)


# --- failing, whatever the reason ---

@pytest.mark.parametrize("code, words", [
    (500, "were answered 500 Internal Server Error"),
    (404, "were answered 404 Not Found"),
    (401, "were answered 401 Unauthorized"),
])
@pytest.mark.settings(retry_schedule="1h")
def test_receiver_that_refuses_everything_is_an_alarm(
        engine, receiver, code, words):
    watch(engine, receiver)
    receiver.script("/bad", Answer(code))
    hook = engine.create_hook(receiver.url("/bad"), name="bad")
    assert status_of(engine, hook)["failing"] is None
    post(engine, 9)
    engine.wait_deliveries(hook, 9)
    assert status_of(engine, hook)["state"] == "ok"  # it may be chance
    post(engine, 1)
    event = wait_for(lambda: told(receiver, FAILING), "it is told")[0]
    assert event["hook"]["name"] == "bad"
    assert event["reason"].startswith(f"the last 10 attempts {words}, since 20")
    assert event["failedAttempts"] == 10
    assert event["responseCode"] == code and event["errorClass"] == "status"
    assert event["percent"] == 0
    assert "url" not in json.dumps(event).lower()
    status = status_of(engine, hook)
    assert status["state"] == "failing"
    assert words in status["failing"]["reason"]
    assert status["failing"]["failedAttempts"] == 10
    # Everybody who looks sees it.
    shown = engine.api("GET", hook).json()["failing"]
    assert words in shown["reason"] and shown["since"].startswith("20")
    listed = {h["name"]: h for h in engine.api(
        "GET", "/api/orgs/acme/hooks").json()}
    assert listed["bad"]["failing"] == shown
    assert [h for h in listed.values() if "failing" in h] == [listed["bad"]]
    wait_for(lambda: n_failing(engine) == 1, "the metric says it")
    assert json.loads(cli(engine, "status", "--json").stdout)[
        "failingHooks"] == 1
    assert "failing webhooks: 1" in cli(engine, "status").stdout
    assert "failing" in cli(engine, "hook", "list", "--org", "acme").stdout
    # Once.
    post(engine, 5)
    engine.wait_deliveries(hook, 15)
    receiver.script("/bad", Answer(200))
    post(engine, 3)
    wait_for(lambda: told(receiver, RECOVERED), "the end is told")
    assert status_of(engine, hook)["failing"] is None
    assert "failing" not in engine.api("GET", hook).json()
    wait_for(lambda: n_failing(engine) == 0, "the metric says it")
    engine.wait_deliveries(hook, 18)
    assert len(told(receiver, FAILING)) == 1
    assert len(told(receiver, RECOVERED)) == 1


@pytest.mark.settings(retry_schedule="1h", failing_after="4")
def test_different_failures_are_an_alarm_too(engine, receiver):
    hook = engine.create_hook(receiver.url("/bad"), maxInFlight=1)
    receiver.script("/bad", Answer(500), Answer(404), Answer(200), Answer(500),
                    Answer(404), Answer(500), Answer(403))
    for n in range(6):  # the success in between begins the row anew
        engine.post_event()
        engine.wait_deliveries(hook, n + 1)
    assert status_of(engine, hook)["failing"] is None
    engine.post_event()
    wait_for(lambda: status_of(engine, hook)["failing"], "it counts as failing")
    assert status_of(engine, hook)["failing"]["reason"].startswith(
        "the last 4 attempts failed; the newest was answered 403 Forbidden")
    wait_for(lambda: n_failing(engine) == 1, "the metric counts it")
    assert engine.api("DELETE", hook).status == 204
    wait_for(lambda: n_failing(engine) == 0, "the metric forgets it")


@pytest.mark.settings(retry_schedule="1h", failing_after="0",
                      disable_after="0s")
def test_alarm_by_number_can_be_left_out(engine, receiver):
    watch(engine, receiver)
    receiver.script("/bad", Answer(500))
    hook = engine.create_hook(receiver.url("/bad"))
    post(engine, 30)
    engine.wait_deliveries(hook, 30)
    assert status_of(engine, hook)["state"] == "ok"
    assert told(receiver, FAILING) == []


@pytest.mark.settings(retry_schedule="1h", failing_after="3")
def test_alarm_and_its_end_come_once_over_restarts_and_kill_9(engine, receiver):
    engine.check_exit = False
    watch(engine, receiver)
    receiver.script("/bad", Answer(500))
    hook = engine.create_hook(receiver.url("/bad"))
    post(engine, 2)
    engine.wait_deliveries(hook, 2)
    engine.kill9()
    engine.start()
    assert status_of(engine, hook)["failing"] is None
    post(engine, 1)  # the third in a row
    wait_for(lambda: told(receiver, FAILING), "it is told", 20)
    engine.kill9()
    engine.start()
    assert status_of(engine, hook)["failing"]["failedAttempts"] == 3
    post(engine, 1)
    engine.wait_deliveries(hook, 4)
    assert engine.stop() == 0
    engine.start()
    wait_for(lambda: n_failing(engine) == 1, "the metric knows it again")
    receiver.script("/bad", Answer(200))
    post(engine, 1)
    wait_for(lambda: told(receiver, RECOVERED), "the end is told", 20)
    engine.kill9()
    engine.start()
    post(engine, 1)
    engine.wait_deliveries(hook, 6)
    assert len(told(receiver, FAILING)) == 1
    assert len(told(receiver, RECOVERED)) == 1
    assert told(receiver, RECOVERED)[0]["failedAttempts"] == 4


@pytest.mark.slow
@pytest.mark.settings(retry_schedule="1h", failing_after="3")
def test_hook_that_fails_again_at_once_is_told_of_within_a_minute(
        engine, receiver, request):
    if not request.config.getoption("--long"):
        pytest.skip("takes more than a minute; with --long")
    watch(engine, receiver)
    receiver.script("/bad", *[Answer(500)] * 3, Answer(200), Answer(500))
    hook = engine.create_hook(receiver.url("/bad"), maxInFlight=1)
    post(engine, 3)
    wait_for(lambda: told(receiver, FAILING), "it is told")
    post(engine, 1)
    wait_for(lambda: told(receiver, RECOVERED), "the end is told")
    post(engine, 3)  # and nothing more comes
    wait_for(lambda: status_of(engine, hook)["state"] == "failing", "it fails")
    assert len(told(receiver, FAILING)) == 1
    engine.stop()
    engine.start()
    wait_for(lambda: len(told(receiver, FAILING)) == 2, "it is told", 90)


# --- on the way to being switched off ---

@pytest.mark.settings(disable_after="4s", retry_schedule=",".join(
    ["150ms"] * 64), failing_after="3")
def test_hook_that_goes_on_failing_is_told_of_until_it_is_switched_off(
        engine, receiver):
    watch(engine, receiver)
    receiver.script("/bad", Answer(500))
    hook = engine.create_hook(receiver.url("/bad"))
    began = time.monotonic()
    engine.post_event()
    wait_for(lambda: not engine.api("GET", hook).json()["active"], "it is off",
             60)
    assert time.monotonic() - began > 3.5
    wait_for(lambda: told(receiver, "posthorn.hook.disabled"), "it is told")
    assert percents(receiver)[0] < 50
    assert percents(receiver)[1:] == [50, 70, 90, 100]
    # Switched on again, it begins anew: as a new alarm, whose end is told.
    assert engine.api("PATCH", hook, {"active": True}).status == 200
    engine.settle_hooks()
    assert status_of(engine, hook)["failing"] is None
    receiver.script("/bad", Answer(200))
    engine.post_event()
    wait_for(lambda: told(receiver, RECOVERED), "the end is told")


@pytest.mark.parametrize("is_off", [True, False], ids=["off", "running"])
def test_days_that_pass_without_attempts_switch_nothing_off(
        make_engine, receiver, tmp_path, is_off):
    """An engine that was off for six days, or whose wall clock leaps."""
    clock = Clock(tmp_path)
    engine = make_engine(retry_schedule="50ms,1h", disable_after="120h")
    engine.binary = Clock.PROGRAM
    engine.clock = clock
    engine.start()
    watch(engine, receiver)
    receiver.script("/bad", Answer(500))
    hook = engine.create_hook(receiver.url("/bad"))
    engine.post_event()
    engine.wait_deliveries(hook, 2)
    if is_off:
        assert engine.stop() == 0
    clock.turn(6 * DAY)
    if is_off:
        engine.start()
    post(engine, 10)
    engine.wait_deliveries(hook, 12)
    # What was asked for a second ago would be done by now.
    time.sleep(1.5)
    assert engine.api("GET", hook).json()["active"]
    assert told(receiver, "posthorn.hook.disabled") == []
    failing = status_of(engine, hook)["failing"]
    assert failing["percent"] == 0 and failing["failedAttempts"] >= 10
    assert percents(receiver) == [0]
    assert engine.verify()["cancelled"] == 0


@pytest.mark.settings(disable_after="40s", failing_after="1",
                      retry_schedule=",".join(["100ms"] * 64))
def test_time_in_which_it_failed_is_kept_and_stands_still_while_off(
        engine, receiver):
    engine.check_exit = False
    receiver.script("/bad", Answer(500))
    hook = engine.create_hook(receiver.url("/bad"))

    def percent():
        failing = status_of(engine, hook)["failing"]
        return failing["percent"] if failing else 0

    engine.post_event()
    before = wait_for(lambda: (lambda p: p >= 4 and p)(percent()),
                      "it failed for some time")
    known_at = time.monotonic()
    # Committed with the next attempt, at the latest.
    engine.wait_deliveries(hook, len(engine.deliveries(hook, "?limit=1000")) + 2,
                           "?limit=1000")
    engine.kill9()
    on_s = time.monotonic() - known_at
    time.sleep(8)  # these are 20 %
    started_at = time.monotonic()
    engine.start()
    after = wait_for(percent, "it is known again")
    on_s += time.monotonic() - started_at
    assert before <= after <= before + on_s / 0.4 + 1
    engine.post_event()
    wait_for(lambda: percent() > after, "it goes on")


# --- dead letters ---

@pytest.mark.settings(retry_schedule="1ms", disable_after="0s",
                      failing_after="0")
def test_many_dead_letters_of_a_hook_are_two_events(engine, receiver):
    hook = watch(engine, receiver)
    receiver.script("/bad", Answer(500))
    bad = engine.create_hook(receiver.url("/bad"), name="bad")
    first = engine.post_event()
    wait_for(lambda: told(receiver, DEAD), "the first is told at once")
    ids = post(engine, 40)
    engine.wait_deliveries(bad, 41, "?state=dead&limit=100")
    assert len(told(receiver, DEAD)) == 1
    assert engine.stop() == 0  # what is counted is told then
    engine.start()
    events = wait_for(lambda: (lambda e: len(e) == 2 and e)(
        told(receiver, DEAD)), "the others are told, together", 20)
    assert [e["count"] for e in events] == [1, 40]
    assert events[0]["firstEventId"] == events[0]["lastEventId"] == first
    assert events[1]["firstEventId"] in ids
    assert events[1]["lastEventId"] in ids
    assert events[1]["delivery"]["id"] == events[1]["lastEventId"]
    assert events[1]["delivery"]["kind"] == "order.created"
    assert events[1]["delivery"]["attempts"] == 2
    assert events[1]["delivery"]["errorMessage"] == "status 500"
    engine.wait_deliveries(hook, 2)
    assert len(engine.deliveries(hook)) == 2


@pytest.mark.settings(retry_schedule="1ms", disable_after="0s",
                      failing_after="0")
def test_each_dead_letter_is_counted_once_whatever_happens(engine, receiver):
    """Over kill -9 at any moment, and to other dispatchers."""
    engine.check_exit = False
    watch(engine, receiver)
    operator(engine, receiver)
    receiver.script("/bad", Answer(500))
    for n in range(3):
        engine.create_hook(receiver.url("/bad"), name=f"bad{n}")
    for dispatchers in (1, 1, 3, 2):
        post(engine, random.randrange(1, 60))
        time.sleep(random.random() * 0.1)
        post(engine, random.randrange(1, 60))
        time.sleep(random.random() * 0.1)
        engine.kill9()
        engine.restart(dispatchers=dispatchers)
    engine.wait_settled(60)
    assert engine.stop() == 0
    engine.start()
    dead = engine.wait_settled()["dead"]
    for path in ("/ops", "/operator"):
        wait_for(lambda: sum(e["count"] for e in told(receiver, DEAD, path))
                 >= dead, "all are told", 20)
        assert sum(e["count"] for e in told(receiver, DEAD, path)) == dead
        assert len(told(receiver, DEAD, path)) <= 9  # of three hooks


@pytest.mark.slow
@pytest.mark.settings(retry_schedule="1ms", disable_after="0s",
                      failing_after="0")
def test_dead_letters_of_a_minute_are_told_at_its_end(engine, receiver,
                                                      request):
    if not request.config.getoption("--long"):
        pytest.skip("takes more than a minute; with --long")
    watch(engine, receiver)
    receiver.script("/bad", Answer(500))
    engine.create_hook(receiver.url("/bad"))
    engine.post_event()
    wait_for(lambda: told(receiver, DEAD), "the first is told at once")
    began = time.monotonic()
    post(engine, 7)
    wait_for(lambda: len(told(receiver, DEAD)) == 2, "the others", 90)
    assert time.monotonic() - began > 55
    assert told(receiver, DEAD)[1]["count"] == 7


# --- the operator's hooks ---

@pytest.mark.settings(retry_schedule="1ms", failing_after="3",
                      disable_after="0s")
def test_operator_is_told_of_all_organizations(engine, receiver):
    made = cli(engine, "hook", "create", "--operator", "--display-name", "ops",
               "--name", "ops", "--url", receiver.url("/operator"))
    assert made.returncode == 0, made.stderr
    engine.settle_hooks()
    receiver.script("/bad", Answer(500))
    for org in ("acme", "globex"):
        engine.create_hook(receiver.url("/bad"), f"/api/orgs/{org}/hooks",
                           name=f"of-{org}")
    stack = "/api/stacks/acme/web/prod/hooks"
    engine.create_hook(receiver.url("/bad"), stack, name="of-stack",
                       filters=["update_failed"])
    for org in ("acme", "globex"):
        post(engine, 3, org=org)
    wait_for(lambda: len(told(receiver, FAILING, "/operator")) == 2,
             "both are told")
    hooks = [e["hook"] for e in told(receiver, FAILING, "/operator")]
    assert {(h["organizationName"], h["name"]) for h in hooks} == {
        ("acme", "of-acme"), ("globex", "of-globex")}
    wait_for(lambda: len(told(receiver, DEAD, "/operator")) == 2,
             "so are the dead letters")
    # Those of the other API, too.
    akinon = ("/organizations/63ea10b94a472e003305232a/projects/"
              "63ea10b94a472e003305232b")
    made = engine.api("POST", f"{akinon}/settings/webhooks", {
        "name": "ak", "url": receiver.url("/bad"), "active": True,
        "events": ["deployment.build.created"]})
    assert made.status == 201, made
    engine.settle_hooks()
    for n in range(3):
        reply = engine.request(engine.ingest_port, "POST", f"{akinon}/events",
                               compact({"event": "deployment.build.created",
                                        "data": {"n": n}}).encode(),
                               {"Content-Type": "application/json"})
        assert reply.status == 202, reply
    wait_for(lambda: len(told(receiver, FAILING, "/operator")) == 3,
             "it is told")
    about = told(receiver, FAILING, "/operator")[2]["hook"]
    assert akinon == (f"/organizations/{about['organizationName']}"
                      f"/projects/{about['projectName']}")
    shown = engine.api("GET", f"{akinon}/settings/webhooks").json()
    assert [h["failing"]["reason"][:8] for h in shown] == ["the last"]
    # What is usual works: history, one event, redelivery, replay, lists.
    hook = f"{OPERATORS}/ops"
    rows = engine.wait_deliveries(hook, 4)
    n_before = len(receiver.got("/operator"))
    again = engine.api("POST",
                       f"{hook}/deliveries/{rows[0]['id']}/redeliver")
    assert again.status == 200, again
    receiver.wait(n_before + 1, "/operator")
    found = engine.api("GET", f"/api/orgs/posthorn/events/{rows[0]['id']}")
    assert found.status == 200, found
    replay = engine.api("POST", f"{hook}/replay", {
        "state": "delivered", "dryRun": True})
    assert replay.status in (200, 201, 202), replay
    listed = cli(engine, "hook", "list", "--operator")
    assert "ops" in listed.stdout and listed.returncode == 0


@pytest.mark.settings(retry_schedule="1ms", failing_after="2",
                      disable_after="0s")
def test_failures_of_the_operators_hooks_make_no_events(engine, receiver):
    receiver.script("/operator", Answer(500))
    receiver.script("/gone", Answer(410))
    receiver.script("/bad", Answer(500))
    ops = operator(engine, receiver)
    gone = engine.create_hook(receiver.url("/gone"), OPERATORS)
    watch(engine, receiver)
    bad = engine.create_hook(receiver.url("/bad"), name="bad")
    post(engine, 2)
    # failing and dead of "bad", each tried twice.
    engine.wait_deliveries(bad, 4)
    wait_for(lambda: len(engine.deliveries(ops)) >= 4, "its own attempts failed")
    wait_for(lambda: not engine.api("GET", gone).json()["active"], "it is off")
    assert status_of(engine, ops)["state"] == "failing"
    engine.wait_settled()
    time.sleep(0.5)
    books = engine.wait_settled()
    assert len(engine.deliveries(ops)) == 4
    for path in ("/ops", "/operator", "/gone"):
        assert {json.loads(r.body)["hook"]["organizationName"]
                for r in receiver.got(path)} == {"acme"}
    assert books["accepted"] == 2 + 2 * 2  # two events, each with its copy


@pytest.mark.settings(retry_schedule="1ms", failing_after="1")
def test_operators_hook_with_filters_gets_these_kinds_only(engine, receiver):
    operator(engine, receiver, filters=["posthorn.hook.*"])
    receiver.script("/bad", Answer(500), Answer(500), Answer(200))
    engine.create_hook(receiver.url("/bad"))
    engine.post_event()
    wait_for(lambda: told(receiver, FAILING, "/operator"), "it is told")
    engine.post_event()
    wait_for(lambda: told(receiver, RECOVERED, "/operator"), "it is told")
    assert told(receiver, DEAD, "/operator") == []


def test_organization_of_the_operator_is_closed_to_others(engine, receiver):
    hook = operator(engine, receiver)
    made = engine.api("POST", "/api/orgs/acme/tokens", {
        "scopes": ["ingest", "read", "write"]})
    token = made.json()["token"]
    fields = {"organizationName": "posthorn", "displayName": "x",
              "payloadUrl": receiver.url(), "active": True}
    for method, path, value in [
            ("GET", OPERATORS, None), ("GET", hook, None),
            ("POST", OPERATORS, fields), ("PATCH", hook, {"active": False}),
            ("DELETE", hook, None), ("GET", f"{hook}/deliveries", None),
            ("GET", "/api/orgs/posthorn/deliveries", None),
            ("GET", "/api/orgs/posthorn/tail", None),
            ("GET", f"{hook}/status", None), ("POST", f"{hook}/ping", None)]:
        reply = engine.api(method, path, value, token=token)
        assert reply.status == 403, (method, path, reply)
        assert "operator" in reply.json()["message"]
    # No token is of it.
    reply = engine.api("POST", "/api/orgs/posthorn/tokens", {
        "scopes": ["read"]})
    assert reply.status == 400 and "admin token" in reply.json()["message"]
    # Nobody posts to it, not even the admin.
    for body, content_type in [(b'{"kind":"a.b","payload":{}}',
                                "application/json"),
                               (b'{"kind":"a.b","payload":{}}\n',
                                "application/x-ndjson")]:
        reply = engine.intake(body, "posthorn", content_type)
        assert reply.status == 403, reply
        assert "operator" in reply.json()["message"]
    # It has webhooks of its own kind and level only.
    reply = engine.api("POST", OPERATORS, {**fields, "filters": [
        "update_failed"]})
    assert reply.status == 400 and "posthorn.*" in reply.json()["message"]
    reply = engine.api("POST", OPERATORS, {**fields, "groups": ["stacks"]})
    assert reply.status == 400
    reply = engine.api("PATCH", hook, {"filters": ["order.*"]})
    assert reply.status == 400
    for path, place in [
            ("/api/stacks/posthorn/web/prod/hooks",
             {"projectName": "web", "stackName": "prod"}),
            ("/api/esc/environments/posthorn/web/prod/hooks",
             {"projectName": "web", "envName": "prod"})]:
        reply = engine.api("POST", path, {**fields, **place})
        assert reply.status == 400, reply
        assert "operator" in reply.json()["message"]
    # An ordinary organization does not see its events.
    reply = cli(engine, "hook", "list", "--operator", "--org", "acme")
    assert reply.returncode == 2 and "--operator" in reply.stderr


def test_tenants_get_no_copy_of_what_the_operator_is_told(engine, receiver):
    operator(engine, receiver)
    receiver.script("/gone", Answer(410))
    engine.create_hook(receiver.url("/gone"))
    engine.create_hook(receiver.url("/ops"), "/api/orgs/globex/hooks",
                       filters=["posthorn.*"])
    engine.post_event()
    wait_for(lambda: told(receiver, "posthorn.hook.disabled", "/operator"),
             "it is told")
    time.sleep(0.3)
    assert receiver.got("/ops") == []
    orgs = engine.api("GET", "/api/user").json()["organizations"]
    assert "posthorn" not in {o["githubLogin"] for o in orgs}
