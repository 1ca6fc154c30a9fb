# SPDX-License-Identifier: MIT
"""An organization keeps its history and dead letters for less time than the others."""

import json
import time

import pytest

from receiver import Answer
from support import wait_for

pytestmark = pytest.mark.settings(retry_schedule="10ms", breaker_failures="0")


def codes(engine, hook):
    return [d["responseCode"] for d in engine.api("GET", f"{hook}/deliveries").json()]


def dead(engine):
    return {o["organization"]: o["dead"] for o in engine.api("GET", "/api/orgs").json()}


def events(engine, org):
    return engine.api("GET", f"/api/orgs/{org}/events").json()


def test_own_retention(engine, receiver):
    receiver.script("/bad", Answer(500))
    hooks = {}
    for org in ("short", "usual"):
        at = f"/api/orgs/{org}/hooks"
        hooks[org] = [engine.create_hook(receiver.url(f"/{way}"), at)
                      for way in ("good", "bad")]
        assert engine.intake(b'{"kind":"a.b","payload":{}}', org).status == 202
    wait_for(lambda: dead(engine) == {"short": 1, "usual": 1}, "both have a dead letter")

    kept = "/api/orgs/short/retention"
    usual = {"delivered": "7d", "dead": "30d", "own": False}
    assert engine.api("GET", kept).json() == usual
    for body, word in (({"delivered": "8d"}, "7d"), ({"dead": "31d"}, "30d"), ({}, "given"),
                       ({"dead": "soon"}, "duration")):
        reply = engine.api("PUT", kept, body)
        assert reply.status == 400 and word in reply.body.decode(), reply
    assert engine.api("GET", "/api/orgs/nosuch/retention").status == 404

    # Delivered attempts go, others stay.
    shown = json.loads(engine.run("org", "retention", "short", "--delivered", "1s",
                                  "--json").stdout)
    assert shown == {"delivered": "1s", "dead": "30d", "own": True}
    good, bad = hooks["short"]
    wait_for(lambda: codes(engine, good) == [], "delivered attempts are removed")
    assert codes(engine, bad) == [500, 500] and dead(engine)["short"] == 1
    # Then the others, and the dead letter.
    assert engine.api("PUT", kept, {"delivered": "1s", "dead": "1s"}).status == 200
    wait_for(lambda: codes(engine, bad) == [] and dead(engine)["short"] == 0,
             "other attempts are removed")
    # And then the event, which nothing needs any more.
    wait_for(lambda: events(engine, "short") == [], "the event is removed")
    assert len(events(engine, "usual")) == 1
    # An old one that a delivery waits for stays until the delivery ends.
    waits = engine.create_hook(receiver.url("/bad"), "/api/orgs/short/hooks",
                               retrySchedule=["1h"])
    engine.intake(b'{"kind":"a.b","payload":{}}\n' * 100, "short", "application/x-ndjson")
    wait_for(lambda: codes(engine, waits) == [500] * 100, "all wait for a retry")
    wait_for(lambda: codes(engine, waits) == [], "their history is removed")
    assert len(events(engine, "short")) == 100
    assert engine.api("DELETE", waits).status == 204
    wait_for(lambda: events(engine, "short") == [], "nothing waits for them any more")
    good, bad = hooks["usual"]
    assert codes(engine, good) == [200] and codes(engine, bad) == [500, 500]
    assert dead(engine)["usual"] == 1
    assert "1s/1s" in engine.run("org", "list").stdout

    # What was delivered and removed is not sent again, also once the retention is cleared.
    good = hooks["short"][0]
    for _ in range(2):
        replay = engine.api("POST", f"{good}/replay", {
            "unmatched": True, "since": int(time.time()) - 600, "dryRun": True})
        assert (replay.status, replay.json()["matched"]) == (200, 0), replay
        engine.run("org", "retention", "short", "--clear")
        assert engine.api("GET", kept).json() == usual
