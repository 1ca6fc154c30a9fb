# SPDX-License-Identifier: MIT
"""Which of the newest events a webhook would get, before it is made or changed: as the
engine then delivers."""

import time

import pytest

from support import compact
from test_matching import stack_update
from visitor import make_token

pytestmark = pytest.mark.shared

ORGS = "/api/orgs/{}/hooks"
STACK = "/api/stacks/{}/web/prod/hooks"
AKINON_ORG, PROJECT = "5f0c1a2b3c4d5e6f70819203", "63ea10b94a472e003305232b"
AKINON = f"/organizations/{AKINON_ORG}/projects/{PROJECT}/settings/webhooks"


def draft(org, **fields):
    return {"organizationName": org, "displayName": "d", "active": True,
            "payloadUrl": "http://127.0.0.1:1029/", **fields}


def judge(engine, org, path=ORGS, n=20, **fields):
    if path is STACK:
        fields |= {"projectName": "web", "stackName": "prod"}
    reply = engine.api("POST", f"{path.format(org)}?dryRun=true&events={n}",
                       draft(org, **fields))
    assert reply.status == 200, reply
    return reply.json()


def wanted(found):
    return [e["kind"] for e in found["recentEvents"] if e["wouldGet"]]


def failed(stack):
    return {"kind": "stack_update", "payload": stack_update(result="failed", stack=stack)}


def test_it_says_what_the_hook_then_gets(engine, receiver):
    org = "judge1"
    events = [{"kind": kind, "payload": {"n": n}} for n, kind in enumerate(
        ["order.created", "order.paid", "user.deleted"])]
    engine.post_batch(events + [failed("prod"), failed("dev")], org)
    found = judge(engine, org, filters=["order.*", "update_failed"], name="h")
    assert found["name"] == "h" and found["recentEventsFrom"] is None
    assert [e["kind"] for e in found["recentEvents"]] == [
        "stack_update", "stack_update", "user.deleted", "order.paid", "order.created"]
    assert wanted(found) == ["stack_update", "stack_update", "order.paid", "order.created"]
    left = found["recentEvents"][2]
    assert left["why"] == ("none of its filters or groups wants the kind user.deleted")
    assert left["whyCode"] == "filters"
    assert all(e["why"] is None and "whyCode" not in e for e in found["recentEvents"] if e["wouldGet"])
    assert abs(left["acceptedAt"] / 1000 - time.time()) < 3600
    # The stack's hook is judged by the stack's events.
    found = judge(engine, org, STACK, filters=["update_failed"])
    assert [(e["stackName"], e["wouldGet"]) for e in found["recentEvents"]] == [("prod", True)]
    assert wanted(judge(engine, org, active=False)) == []
    left = judge(engine, org, active=False)["recentEvents"][0]
    assert (left["whyCode"], left["why"]) == ("inactive", "the webhook is inactive")
    # A pattern is judged, too, and the reason names what does not hold.
    found = judge(engine, org, filters=["order.*"],
                  pattern={"payload": {"n": [{"numeric": [">", 0]}]}})
    assert wanted(found) == ["order.paid"]
    left = found["recentEvents"][4]
    assert left["whyCode"] == "pattern" and "payload.n" in left["why"]
    # Nothing was made; and now that it is, the same events come again.
    assert engine.api("GET", ORGS.format(org)).json() == []
    engine.create_hook(receiver.url("/h"), ORGS.format(org),
                       filters=["order.*", "update_failed"])
    engine.post_batch(events, org)
    engine.post_batch([failed("prod"), failed("dev")], org)
    kinds = [r.headers["pulumi-webhook-kind"] for r in receiver.wait(4, "/h")]
    assert sorted(kinds) == ["order.created", "order.paid", "stack_update", "stack_update"]


def test_a_change_is_judged_too(engine, receiver):
    org = "judge2"
    engine.create_hook(receiver.url("/p"), ORGS.format(org), name="h", filters=["a.b"])
    engine.post_batch([{"kind": k, "payload": {}} for k in ("a.b", "c.d")], org)
    path = f"{ORGS.format(org)}/h?dryRun=true&events=50"
    assert wanted(engine.api("PATCH", path, {}).json()) == ["a.b"]
    assert wanted(engine.api("PATCH", path, {"filters": ["c.*"]}).json()) == ["c.d"]
    assert wanted(engine.api("PATCH", path, {"filters": []}).json()) == ["c.d", "a.b"]
    assert engine.api("GET", f"{ORGS.format(org)}/h").json()["filters"] == ["a.b"]


def test_the_newest_come_first_and_no_more_than_asked_for(engine):
    org = "judge3"
    engine.post_batch([{"kind": f"k.n{n}", "payload": {}} for n in range(30)], org)
    engine.post_batch([{"kind": "other.kind", "payload": {}} for _ in range(300)], "elsewhere")
    found = judge(engine, org, n=7)
    assert [e["kind"] for e in found["recentEvents"]] == [f"k.n{n}" for n in range(29, 22, -1)]
    assert found["recentEventsFrom"] == found["recentEvents"][-1]["acceptedAt"]
    assert len(judge(engine, org, n=50)["recentEvents"]) == 30
    assert judge(engine, "nobody-here")["recentEvents"] == []


def test_of_akinon(engine):
    for kind in ("order.created", "order.paid"):
        reply = engine.request(
            engine.ingest_port, "POST",
            f"/organizations/{AKINON_ORG}/projects/{PROJECT}/events",
            compact({"event": kind, "data": {"n": 1}}).encode(),
            {"Content-Type": "application/json"})
        assert reply.status == 202, reply
    body = {"name": "shop", "url": "http://127.0.0.1:1029/", "headers": {},
            "events": ["order.paid"]}
    reply = engine.api("POST", f"{AKINON}?dryRun=true&events=20", body)
    assert reply.status == 200, reply
    assert [(e["kind"], e["wouldGet"]) for e in reply.json()["recentEvents"]] == [
        ("order.paid", True), ("order.created", False)]


@pytest.mark.parametrize("query", ["events=20", "dryRun=false&events=20", "dryRun=true&events=0",
                                   "dryRun=true&events=51", "dryRun=true&events=",
                                   "dryRun=true&events=x", "dryRun=true&events=%zz"])
def test_what_is_not_valid(engine, query):
    reply = engine.api("POST", f"{ORGS.format('judge4')}?{query}", draft("judge4"))
    assert reply.status == 400 and "events" in reply.json()["message"], reply
    assert engine.api("GET", ORGS.format("judge4")).json() == []


def test_no_tenant_sees_anothers_events(engine):
    engine.post_batch([{"kind": "secret.kind", "payload": {}}], "judge5")
    token = make_token(engine, "read", "write", org="judge6")["token"]
    path = f"{ORGS}?dryRun=true&events=50"
    reply = engine.api("POST", path.format("judge5"), draft("judge5"), token=token)
    assert reply.status == 403
    reply = engine.api("POST", path.format("judge6"), draft("judge6"), token=token)
    assert reply.status == 200 and reply.json()["recentEvents"] == []
    assert b"secret.kind" not in reply.body
    # Whoever may change webhooks, but not read, sees none of the own events either.
    token = make_token(engine, "ingest", "write", org="judge5")["token"]
    reply = engine.api("POST", path.format("judge5"), draft("judge5"), token=token)
    assert reply.status == 403 and "needs the scope read" in reply.json()["message"], reply
    assert b"secret.kind" not in reply.body
    plain = f"{ORGS.format('judge5')}?dryRun=true"
    assert engine.api("POST", plain, draft("judge5"), token=token).status == 200
