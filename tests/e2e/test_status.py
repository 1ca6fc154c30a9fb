# SPDX-License-Identifier: MIT
"""How it goes with an organization and with the engine, as data."""

import os
import signal
import time

import pytest

from receiver import Answer
from support import wait_for

pytestmark = pytest.mark.shared

AKINON_ORG, PROJECT = "5f0c1a2b3c4d5e6f70819203", "63ea10b94a472e003305232b"


def status(engine, org="acme", **more):
    reply = engine.api("GET", f"/api/orgs/{org}/status", **more)
    assert reply.status == 200, reply
    return reply.json()


def engine_status(engine):
    reply = engine.api("GET", "/api/status")
    assert reply.status == 200, reply
    return reply.json()


def figures(found):
    return {key: found[key] for key in ("hooks", "moreHooks", "failingHooks", "dead",
                                        "moreDead", "oldestDueAt")}


def test_an_organization_of_nothing(engine):
    found = status(engine, "nobody")
    assert found["exists"] is False
    assert figures(found) == {"hooks": 0, "moreHooks": False, "failingHooks": 0, "dead": 0,
                              "moreDead": False, "oldestDueAt": None}


@pytest.mark.parametrize("dispatchers", ["1", "3"])
def test_dead_letters_failing_hooks_and_what_is_due(make_engine, receiver, dispatchers):
    engine = make_engine(dispatchers=dispatchers, retry_schedule="10ms,10ms",
                         failing_after="3", breaker_failures="0").start()
    receiver.script("/bad", Answer(status=500))
    hooks = [engine.create_hook(receiver.url(path), name=f"h{n}") for n, path in
             enumerate(("/bad", "/bad", "/good"))]
    engine.create_hook(receiver.url("/bad"), "/api/stacks/acme/web/prod/hooks",
                       filters=["update_failed"])
    engine.create_hook(receiver.url("/bad"), "/api/orgs/other/hooks")
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(4)])
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(2)], "other")
    wait_for(lambda: status(engine)["dead"] == 8, "eight die")
    wait_for(lambda: status(engine, "other")["dead"] == 2, "two die elsewhere")
    found = wait_for(lambda: (lambda s: s["failingHooks"] == 2 and s)(status(engine)),
                     "two fail")
    assert figures(found) == {"hooks": 4, "moreHooks": False, "failingHooks": 2, "dead": 8,
                              "moreDead": False, "oldestDueAt": None}
    wait_for(lambda: engine_status(engine)["dead"] == 10, "the engine's sum")
    assert engine_status(engine)["failingHooks"] == 3
    assert engine_status(engine)["oldestDueAt"] is None
    # What waits has been due since it was accepted, unless nothing is meant to be sent.
    assert engine.api("PATCH", hooks[2], {"paused": True}).status == 200
    engine.settle_hooks()
    before_ms = int(time.time() * 1000)
    engine.post_event("a.b")
    wait_for(lambda: status(engine)["dead"] == 10, "it dies at the others")
    assert status(engine)["oldestDueAt"] is None
    assert engine_status(engine)["oldestDueAt"] is None
    receiver.hold()
    try:
        assert engine.api("PATCH", hooks[2], {"paused": False}).status == 200
        for find in (status, engine_status):
            found = wait_for(lambda: (lambda s: s["oldestDueAt"] and s)(find(engine)),
                             "something is due")
            assert before_ms - 1000 <= found["oldestDueAt"] <= time.time() * 1000
        assert wait_for(lambda: engine_status(engine)["inFlight"], "it is sent") >= 1
    finally:
        receiver.release()
    wait_for(lambda: status(engine)["oldestDueAt"] is None, "nothing is due any more")


@pytest.mark.settings(retry_schedule="1h", breaker_failures="0")
def test_an_ordered_hook_has_waited_since_its_event_was_accepted(engine, receiver):
    receiver.script("/bad", Answer(status=500))
    engine.create_hook(receiver.url("/bad"), ordered=True)
    before_ms = int(time.time() * 1000)
    engine.post_event("a.b", {"n": 1})
    found = wait_for(lambda: status(engine)["oldestDueAt"], "it waits")
    assert before_ms - 1000 <= found <= time.time() * 1000
    assert engine_status(engine)["oldestDueAt"] == found
    # A retry that waits for its time is not due.
    receiver.script("/other", Answer(status=500))
    hook = engine.create_hook(receiver.url("/other"), "/api/orgs/other/hooks")
    engine.post_event("a.b", {"n": 1}, "other")
    engine.wait_deliveries(hook, 1)
    wait_for(lambda: status(engine, "other")["waiting"] == 1, "the retry waits")
    assert status(engine, "other")["oldestDueAt"] is None


def test_akinons_organizations_have_a_status_of_their_own(engine, receiver):
    base = f"/organizations/{AKINON_ORG}"
    assert engine.api("POST", f"{base}/projects/{PROJECT}/settings/webhooks", {
        "name": "Watcher", "url": receiver.url(), "events": ["a.b"]}).status == 201
    found = engine.api("GET", f"{base}/status").json()
    assert (found["exists"], found["hooks"]) == (True, 1)


@pytest.mark.alone
def test_the_engine_names_its_roles_and_their_restarts(engine, receiver):
    roles = {role["name"]: role for role in engine_status(engine)["roles"]}
    assert all(role["ready"] and role["pid"] > 0 and role["restarts"] == 0
               and "reason" not in role for role in roles.values()), roles
    assert {name.split(".")[0] for name in roles} == {
        "supervisor", "ingest", "dispatcher", "sender", "api"}
    name, role = next((n, r) for n, r in roles.items() if n.startswith("sender"))
    engine.check_exit = False
    os.kill(role["pid"], signal.SIGKILL)

    def again():
        now = {r["name"]: r for r in engine_status(engine)["roles"]}[name]
        return now["restarts"] == 1 and now["ready"] and now["pid"] != role["pid"]

    wait_for(again, "the sender is back, and its restart is counted")
    counts = [r["restarts"] for r in engine_status(engine)["roles"]]
    assert sum(counts) == 1


def test_who_may_ask(engine):
    tokens = {org: engine.api("POST", f"/api/orgs/{org}/tokens", {"scopes": ["read"]}
                              ).json()["token"] for org in ("acme", "other")}
    assert status(engine, token=tokens["acme"])["hooks"] == 0
    assert engine.api("GET", "/api/orgs/acme/status", token=tokens["other"]).status == 403
    assert engine.api("GET", "/api/status", token=tokens["acme"]).status == 403
