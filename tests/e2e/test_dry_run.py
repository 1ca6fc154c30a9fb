# SPDX-License-Identifier: MIT
"""A form is judged without making or changing a hook, and a refusal names its field."""

import pytest

pytestmark = pytest.mark.shared

ORGS = "/api/orgs/acme/hooks"
AKINON = ("/organizations/5f0c1a2b3c4d5e6f70819203/projects/63ea10b94a472e003305232b"
          "/settings/webhooks")
GOOD = {"organizationName": "acme", "displayName": "Audit", "active": True,
        "payloadUrl": "http://127.0.0.1:1029/in", "name": "audit"}


def names(engine, path=ORGS):
    return [hook.get("name") for hook in engine.api("GET", path).json()]


def test_a_dry_run_makes_nothing(engine):
    reply = engine.api("POST", f"{ORGS}?dryRun=true", {**GOOD, "secret": "canary-7"})
    assert reply.status == 200, reply
    would_be = reply.json()
    assert b"canary" not in reply.body
    assert names(engine) == []
    made = engine.api("POST", f"{ORGS}?dryRun=false", {**GOOD, "secret": "canary-7"})
    assert made.status == 201
    code = "secretCiphertext" # of a webhook and its secret
    assert {**made.json(), code: ""} == {**would_be, code: ""}
    # The name is taken now; without one it would be a generated one.
    reply = engine.api("POST", f"{ORGS}?dryRun=true", GOOD)
    assert reply.status == 409 and reply.json()["field"] == "name"
    reply = engine.api("POST", f"{ORGS}?dryRun=true", {**GOOD, "name": ""})
    assert reply.status == 200 and len(reply.json()["name"]) == 8
    assert names(engine) == ["audit"]
    assert "hook created" in engine.log() and engine.log().count("hook created") == 1


def test_a_dry_run_changes_nothing(engine):
    before = engine.api("POST", ORGS, GOOD).json()
    reply = engine.api("PATCH", f"{ORGS}/audit?dryRun=true", {"displayName": "Other"})
    assert reply.status == 200 and reply.json() == {**before, "displayName": "Other"}
    assert engine.api("GET", f"{ORGS}/audit").json() == before
    reply = engine.api("PATCH", f"{ORGS}/audit?dryRun=true", {"timeout": "1y"})
    assert reply.status == 400 and reply.json()["field"] == "timeout"
    assert engine.api("PATCH", f"{ORGS}/nope?dryRun=true", {}).status == 404
    assert "hook changed" not in engine.log()


@pytest.mark.parametrize("value", ["yes", "1", "TRUE", "", "%zz"])
def test_a_misspelt_dry_run_makes_nothing_either(engine, value):
    reply = engine.api("POST", f"{ORGS}?dryRun={value}", GOOD)
    assert reply.status == 400 and "dryRun" in reply.json()["message"]
    assert names(engine) == []


@pytest.mark.settings(max_hooks_per_organization="1")
def test_limits_are_judged(engine):
    assert engine.api("POST", ORGS, GOOD).status == 201
    token = engine.api("POST", "/api/orgs/acme/tokens", {"scopes": ["write"]}
                       ).json()["token"]
    reply = engine.api("POST", f"{ORGS}?dryRun=true", {**GOOD, "name": "second"},
                       token=token)
    assert reply.status == 409 and "field" not in reply.json()


def test_it_needs_what_a_create_needs(engine):
    token = engine.api("POST", "/api/orgs/acme/tokens", {"scopes": ["read"]}
                       ).json()["token"]
    assert engine.api("POST", f"{ORGS}?dryRun=true", GOOD, token=token).status == 403


FIELDS = [
    ({"displayName": ""}, "displayName"), ({"displayName": 1}, "displayName"),
    ({"displayName": None}, "displayName"), ({"payloadUrl": "x"}, "payloadUrl"),
    ({"payloadUrl": ""}, "payloadUrl"), ({"payloadUrl": "ftp://x/"}, "payloadUrl"),
    ({"active": "yes"}, "active"), ({"active": None}, "active"),
    ({"name": "a b"}, "name"), ({"format": "xml"}, "format"),
    ({"format": "pulumi_deployments", "payloadUrl": "a/b"}, "format"),
    ({"format": "slack", "payloadUrl": "http://127.0.0.1/x"}, "payloadUrl"),
    ({"filters": "all"}, "filters"), ({"filters": ["nope"]}, "filters"),
    ({"filters": [1]}, "filters"), ({"groups": ["nope"]}, "groups"),
    ({"secret": 1}, "secret"), ({"secret": "whsec_x"}, "secret"),
    ({"headers": []}, "headers"), ({"headers": {"Host": "x"}}, "headers"),
    ({"headers": {"X-A": "b"}, "secretHeaders": ["X-B"]}, "secretHeaders"),
    ({"headers": {"X-Token": "abcd********"}}, "headers"),
    ({"retrySchedule": ["x"]}, "retrySchedule"), ({"timeout": "1y"}, "timeout"),
    ({"maxInFlight": 0}, "maxInFlight"), ({"rateLimit": {}}, "rateLimit"),
    ({"rateLimit": {"perSecond": 0}}, "rateLimit"), ({"ordered": 1}, "ordered"),
    ({"ordered": True, "orderKey": ".."}, "orderKey"), ({"orderKey": "a.b"}, "orderKey"),
    ({"headerCase": "UPPER"}, "headerCase"), ({"paused": "no"}, "paused"),
    ({"clientCertificate": "x", "clientKey": "y"}, "clientCertificate"),
    ({"clientCertificate": "x"}, "clientKey"), ({"clientKey": "y"}, "clientKey"),
    ({"pattern": {"a": [1]}}, "pattern"), ({"pattern": []}, "pattern"),
    ({"organizationName": "other"}, "organizationName"),
]


@pytest.mark.parametrize("change, field", FIELDS)
def test_a_refusal_names_its_field(engine, change, field):
    body = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    for query in ("", "?dryRun=true"):
        reply = engine.api("POST", ORGS + query, body)
        assert reply.status == 400 and reply.json()["field"] == field, reply
        assert set(reply.json()) == {"code", "message", "field"}
    assert names(engine) == []


def test_of_an_update_and_of_akinon(engine):
    assert engine.api("POST", ORGS, GOOD).status == 201
    for change, field in (({"payloadUrl": "x"}, "payloadUrl"), ({"filters": 1}, "filters"),
                          ({"endSecretOverlap": 1}, "endSecretOverlap")):
        reply = engine.api("PATCH", f"{ORGS}/audit", change)
        assert reply.status == 400 and reply.json()["field"] == field, reply
    good = {"name": "Watcher", "url": "http://127.0.0.1:1029/", "events": ["a.b"]}
    for change, field in (({"name": ""}, "name"), ({"url": "x"}, "url"),
                          ({"events": ["A B"]}, "events"), ({"events": None}, "events")):
        reply = engine.api("POST", AKINON, {**good, **change})
        assert reply.status == 400 and reply.json()["field"] == field, reply
    reply = engine.api("POST", f"{AKINON}?dryRun=true", good)
    assert reply.status == 200 and engine.api("GET", AKINON).json() == []


def test_what_is_no_field_names_none(engine):
    for body in ([], "text"):
        reply = engine.api("POST", ORGS, body)
        assert reply.status == 400 and "field" not in reply.json()
