# SPDX-License-Identifier: MIT
"""Patterns of hooks over the payload, from both APIs and the command line to the delivery."""

import json
import os
import subprocess
import time

import pytest

from engine import BINARY

pytestmark = pytest.mark.shared(books=True)
AKINON = ("/organizations/5f0c1a2b3c4d5e6f70819203/projects/63ea10b94a472e003305232b")


def over(total):
    return {"payload": {"total": [{"numeric": [">", total]}]}}


def org_hooks(org):
    return f"/api/orgs/{org}/hooks"


def test_filters_and_pattern_must_both_hold(engine, receiver):
    org = "both"
    for path, fields in {
        "/all": {},
        "/large": {"pattern": over(100)},
        "/both": {"filters": ["order.created"], "pattern": over(100)},
        "/stack": {"pattern": {"stack": ["prod"], "environment": [{"exists": False}]}},
        "/kind": {"pattern": {"kind": [{"prefix": "invoice."}], "organization": [org]}},
        "/item": {"pattern": {"payload": {"items": {"sku": ["a"], "n": [2]}}}},
        "/or": {"pattern": {"$or": [over(1000), {"payload": {"vip": [True]}}]}},
        "/order": {"pattern": over(100), "ordered": True, "orderKey": "customer"},
    }.items():
        engine.create_hook(receiver.url(path), org_hooks(org), **fields)
    stack = {"projectName": "web", "stackName": "prod"}
    ids = [engine.post_event(kind, payload, org) for kind, payload in (
        ("order.created", {"total": 42}),
        ("order.created", {"total": 1e2, "vip": True}),
        ("order.created", {"total": 1001, "customer": "x"}),
        ("order.paid", {"total": "1001", **stack}),
        ("invoice.sent", [{"total": 500}, {"total": 5}]),
        ("invoice.paid", {"items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]}),
        ("invoice.paid", {"items": [{"sku": "b", "n": 1}, {"sku": "a", "n": 2}]}),
        ("invoice.none", None),
    )]
    engine.wait_settled()
    assert [sorted(r.path for r in receiver.got() if r.id == event) for event in ids] == [
        ["/all"], ["/all", "/or"], ["/all", "/both", "/large", "/or", "/order"], ["/all", "/stack"],
        ["/all", "/kind", "/large", "/order"], ["/all", "/kind"], ["/all", "/item", "/kind"], ["/all", "/kind"]]


def test_a_patterns_life(engine, receiver):
    org = "life"
    hook = engine.create_hook(receiver.url("/life"), org_hooks(org), pattern=over(100))
    assert engine.api("GET", hook).json()["pattern"] == over(100)
    assert engine.api("PATCH", hook, {"displayName": "kept"}).json()["pattern"] == over(100)
    reply = engine.api("PATCH", hook, {"pattern": over("x")})
    assert reply.status == 400 and reply.json()["field"] == "pattern"
    # As a text numbers stay as they were written.
    exact = '{"payload": {"id": [12345678901234567890.10]}}'
    assert b'"pattern":{"payload":{"id":[12345678901234567890.10]}}' in engine.api(
        "PATCH", hook, {"pattern": exact}).body
    assert engine.api("PATCH", hook, {"pattern": over(5)}).json()["pattern"] == over(5)
    engine.settle_hooks()
    first = engine.post_event("a.b", {"total": 6}, org)
    receiver.wait(1, "/life")
    assert engine.api("PATCH", hook, {"pattern": None}).status == 200
    assert "pattern" not in engine.api("GET", hook).json()
    engine.settle_hooks()
    second = engine.post_event("a.b", {}, org)
    engine.wait_settled()
    assert [r.id for r in receiver.got("/life")] == [first, second]


@pytest.mark.parametrize("pattern, said", [
    ({"payload": {"a": [{"greater": 5}]}}, 'payload.a: "greater" is no operator; allowed are exactly, prefix'),
    ({"total": [5]}, "total: events have no such field; they have kind, organization, project"),
    ({"payload": {"a": [{"numeric": ["!=", 5]}]}}, "payload.a: numeric must be a list like"),
    ({"payload": {"a": 5}}, "payload.a: must be an object, or a list of what the field may be, not a number"),
    ({"payload": {"a": ["x" * 5000]}}, "at most 4096 bytes"),
    ({"payload": {"a": [{"prefix": "x"}] * 65}}, "at most 64 leaves"),
    ({"payload": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": [1]}}}}}}}}}, "at most 8 deep"),
    ({"$or": [{"kind": ["x"]}]}, "$or must be a list of at least two objects"),
    ({}, "an object must not be empty"), ('"x"', "a pattern must be an object, not a string"),
    ('{"kind": ["x"]', "this is not JSON: "), ('{"total": [5]}', "total: events have no such field"),
    ([], "a pattern must be an object, not an array"), (False, "a pattern must be an object, not a boolean"),
])
def test_what_is_no_pattern_is_refused_by_both_apis(engine, pattern, said):
    bodies = {org_hooks("bad"): {"organizationName": "bad", "displayName": "x", "active": True,
                                 "payloadUrl": "http://127.0.0.1:1029/"},
              f"{AKINON}/settings/webhooks": {"name": "Bad", "url": "http://127.0.0.1:1029/", "events": ["a.b"]}}
    for path, body in bodies.items():
        reply = engine.api("POST", path, {**body, "pattern": pattern})
        assert reply.status == 400 and reply.json()["field"] == "pattern", reply
        assert "pattern: " in reply.json()["message"] and said in reply.json()["message"]
        assert engine.api("GET", path).json() == []


def test_akinon_hooks_have_them_too(engine, receiver):
    path = f"{AKINON}/settings/webhooks"
    made = engine.api("POST", path, {"name": "Large", "url": receiver.url("/akinon"), "events": ["order.created"],
                                     "pattern": over(100)})
    assert made.status == 201 and made.json()["pattern"] == over(100), made
    engine.settle_hooks()
    for total in (5, 500):
        body = json.dumps({"event": "order.created", "data": {"total": total}})
        assert engine.request(engine.ingest_port, "POST", f"/api/v1{AKINON}/events", body,
                              {"Content-Type": "application/json"}).status == 202
    engine.wait_settled()
    assert [json.loads(r.body)["data"] for r in receiver.got("/akinon")] == [{"total": 500}]


def test_explain_names_the_leaf_that_failed(engine, receiver):
    org = "why"
    hook = engine.create_hook(receiver.url("/why"), org_hooks(org), filters=["order.*"], pattern={
        "kind": ["order.created"], "payload": {"total": [{"numeric": [">", 100]}], "country": ["DE", "AT"]}})
    engine.settle_hooks()

    def reason(kind, payload):
        answer = engine.api("POST", f"/api/orgs/{org}/explain", {"kind": kind, "payload": payload}).json()
        [row] = answer["hooks"] if isinstance(answer, dict) else answer
        assert row["matches"] == (row["reason"] is None) == (row.get("request") is not None)
        assert (row.get("reasonCode") == "pattern") == ("its pattern does not hold" in (row["reason"] or ""))
        return row["reason"]

    assert reason("order.created", {"total": 101, "country": "AT"}) is None
    assert "none of its filters" in reason("invoice.sent", {})
    assert reason("order.created", {"total": 42, "country": "DE"}) == (
        'its pattern does not hold: payload.total is 42; it must be {"numeric":[">",100]}')
    assert reason("order.created", {"total": 142}) == (
        'its pattern does not hold: payload.country is missing; it must be "AT","DE"')
    event = engine.post_event("order.paid", {"total": 142, "country": "DE"}, org)
    engine.wait_settled()
    shown = engine.api("GET", f"/api/orgs/{org}/events/{event}").json()
    assert 'kind is \\"order.paid\\"; it must be \\"order.created\\"' in json.dumps(shown)
    assert engine.api("GET", f"{hook}/deliveries").json() == []


def test_many_patterns_and_what_was_missed(engine, receiver):
    """More hooks than are compared at once; and a replay takes what the pattern wants."""
    org, since = "many", int(time.time()) - 60
    for n in range(150):
        body = {"organizationName": org, "displayName": str(n), "payloadUrl": receiver.url(f"/many/{n}"),
                "active": True, "pattern": {"payload": {"n": [n, n + 1]}}}
        assert engine.api("POST", org_hooks(org), body).status == 201
    plain = engine.create_hook(receiver.url("/many/plain"), org_hooks(org))
    engine.settle_hooks()
    event = engine.post_event("a.b", {"n": 70}, org)
    engine.wait_settled()
    assert sorted(r.path for r in receiver.got() if r.id == event) == ["/many/69", "/many/70", "/many/plain"]
    assert engine.api("PATCH", plain, {"active": False}).status == 200
    engine.settle_hooks()
    engine.post_batch([{"kind": "a.b", "payload": {"total": n}} for n in range(10)], org)
    engine.api("PATCH", plain, {"active": True, "pattern": over(6)})
    engine.settle_hooks()
    found = engine.api("POST", f"{plain}/replay", {"unmatched": True, "since": since, "dryRun": True})
    assert found.json()["matched"] == 3, found


def test_from_a_terminal(engine, receiver, tmp_path):
    def hook(*words):
        return subprocess.run(
            [BINARY, "hook", *words, "--org", "terminal", "--api", f"http://127.0.0.1:{engine.api_port}"],
            capture_output=True, text=True, timeout=30, env={**os.environ, "POSTHORN_TOKEN": engine.token})

    made = hook("create", "--name", "large", "--display-name", "large", "--url", receiver.url("/t"),
                "--pattern", json.dumps(over(100)), "--json")
    assert made.returncode == 0 and json.loads(made.stdout)["pattern"] == over(100), made
    (tmp_path / "pattern.json").write_text(json.dumps(over(7), indent=2) + "\n")
    changed = hook("update", "--hook", "large", "--pattern", f"@{tmp_path / 'pattern.json'}", "--json")
    assert json.loads(changed.stdout)["pattern"] == over(7), changed
    for value, said in (("{", "--pattern is not JSON"), ('{"a":[1]}', "events have no such field"),
                        (f"@{tmp_path / 'none'}", "none")):
        refused = hook("update", "--hook", "large", "--pattern", value)
        assert refused.returncode != 0 and said in refused.stderr, refused
    changed = hook("update", "--hook", "large", "--pattern", "none", "--json")
    assert "pattern" not in json.loads(changed.stdout)
