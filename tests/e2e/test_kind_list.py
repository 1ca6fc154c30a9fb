# SPDX-License-Identifier: MIT
"""The menu of filters: what it offers can be used, where it says so."""

import time

SCOPES = {
    "organization": ("/api/orgs/acme/hooks", {}),
    "stack": ("/api/stacks/acme/web/prod/hooks",
              {"projectName": "web", "stackName": "prod"}),
    "environment": ("/api/esc/environments/acme/web/dev/hooks",
                    {"projectName": "web", "envName": "dev"}),
}


def is_taken(engine, level, **fields):
    path, scope = SCOPES[level]
    reply = engine.api("POST", f"{path}?dryRun=true", {
        "organizationName": "acme", "displayName": "d", "active": True,
        "payloadUrl": "http://127.0.0.1:1029/", **scope, **fields})
    assert reply.status in (200, 400), reply
    return reply.status == 200


def test_each_filter_and_group_is_taken_where_it_says_so(engine):
    found = engine.api("GET", "/api/kinds").json()
    groups = found["groups"]
    assert [g["name"] for g in groups] == [
        "stacks", "deployments", "policies", "environments", "change_requests"]
    filters = [f for g in groups for f in g["filters"]]
    assert len(filters) == len({f["name"] for f in filters}) >= 40
    for group in groups:
        for level in SCOPES:
            assert is_taken(engine, level, groups=[group["name"]]) == (
                level in group["levels"]), (group["name"], level)
    for f in filters:
        for level in SCOPES:
            assert is_taken(engine, level, filters=[f["name"]]) == (
                level in f["levels"]), (f["name"], level)
    assert is_taken(engine, "organization", filters=found["own"])
    assert len(found["own"]) == 4 and all(k.startswith("posthorn.") for k in found["own"])


def test_every_token_may_ask(engine):
    token = engine.api("POST", "/api/orgs/acme/tokens", {"scopes": ["ingest"]}
                       ).json()["token"]
    assert engine.api("GET", "/api/kinds", token=token).status == 200
    assert engine.api("GET", "/api/kinds", token=None).status == 401


def kinds_of(engine, org, prefix="/api/orgs", **more):
    reply = engine.api("GET", f"{prefix}/{org}/kinds", **more)
    assert reply.status == 200, reply
    return reply.json()


def test_kinds_of_the_newest_events_are_seen(engine, receiver):
    for kind in ("order.created", "order.paid", "order.created", "team"):
        engine.post_event(kind)
    engine.post_event("secret.kind", org="other")
    found = kinds_of(engine, "acme")
    assert [(k["kind"], k["events"]) for k in found["kinds"]] == [
        ("order.created", 2), ("order.paid", 1)]
    assert found["more"] is False and found["from"] is None
    assert found["kinds"][0]["lastAcceptedAt"] >= found["kinds"][1]["lastAcceptedAt"]
    assert all(is_taken(engine, "organization", filters=[k["kind"]]) for k in found["kinds"])
    token = engine.api("POST", "/api/orgs/acme/tokens", {"scopes": ["read"]}).json()["token"]
    assert kinds_of(engine, "acme", token=token) == found
    assert engine.api("GET", "/api/orgs/other/kinds", token=token).status == 403
    assert kinds_of(engine, "nobody") == {"kinds": [], "catalogue": [], "more": False, "from": None}


def test_who_invents_kinds_fills_no_memory_but_its_own_page(engine):
    engine.post_batch([{"kind": f"made.up{n}", "payload": {}} for n in range(250)])
    found = kinds_of(engine, "acme")
    assert len(found["kinds"]) == 100 and found["more"] is True
    assert found["kinds"][0]["kind"] == "made.up249"
    assert found["from"] is not None
    assert kinds_of(engine, "other")["kinds"] == []


def test_far_behind_others_those_that_reached_a_webhook_are_found(engine, receiver):
    """The log is searched 20,000 events far; behind that, the newest attempts tell."""
    engine.create_hook(receiver.url("/h"), filters=["order.created"])
    engine.post_batch([{"kind": "order.created", "payload": {}},
                       {"kind": "order.lost", "payload": {}}])
    receiver.wait(1, "/h")
    wanted = [{"kind": "order.created", "events": 1}]
    for _ in range(3):
        engine.post_batch([{"kind": "a.b", "payload": {}}] * 7000, "other")
    asked_ms = time.time() * 1000
    found = kinds_of(engine, "acme")
    # How far back that is, is not told: it would tell how much others send.
    assert found["from"] >= asked_ms - 1
    assert [{k: v for k, v in kind.items() if k != "lastAcceptedAt"}
            for kind in found["kinds"]] == wanted
    assert found["from"] is not None and found["from"] >= found["kinds"][0]["lastAcceptedAt"]


def test_kinds_of_akinons_projects(engine):
    org = "5f0c1a2b3c4d5e6f70819203"
    for project in ("63ea10b94a472e003305232b", "63ea10b94a472e003305232c"):
        reply = engine.request(
            engine.ingest_port, "POST", f"/organizations/{org}/projects/{project}/events",
            b'{"event": "build.%s", "data": {}}' % project[-1:].encode(),
            {"Content-Type": "application/json"})
        assert reply.status == 202, reply
    for prefix in ("/organizations", "/api/v1/organizations"):
        assert [k["kind"] for k in kinds_of(engine, org.upper(), prefix)["kinds"]] == [
            "build.c", "build.b"]
    assert kinds_of(engine, org)["kinds"] == []
