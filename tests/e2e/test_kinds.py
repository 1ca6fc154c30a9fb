# SPDX-License-Identifier: MIT
"""Kinds and payloads of the user's own: whatever other services call their events
and put into them."""

import json
import subprocess

import pytest

from conftest import running
from engine import BINARY, Engine
from receiver import Receiver
from support import compact


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with running(Engine(tmp_path_factory.mktemp("kinds"))) as engine:
        yield engine


@pytest.fixture(scope="module")
def receiver():
    made = Receiver()
    yield made
    made.stop()


def send(engine, org, event):
    reply = engine.intake(compact(event).encode(), org)
    assert reply.status == 202, (event, reply)
    return reply.json()["id"]


def hook_of(engine, org, url, **fields):
    return engine.create_hook(url, f"/api/orgs/{org}/hooks", **fields)


def paths_of(engine, receiver, ids):
    engine.wait_settled()
    return [sorted(r.path for r in receiver.got() if r.id == event_id)
            for event_id in ids]


PAYLOADS = [[], [1, {"a": None}, "<x>"], "text\n\u00e9", "", 0, -1.5e300, True, False,
            None, {}, [[[]]]]


@pytest.mark.parametrize("format", ["raw", "ms_teams"])
def test_any_json_value_is_a_payload(engine, receiver, format):
    org = f"any-{format}".replace("_", "-")
    hook = hook_of(engine, org, receiver.url(f"/{org}"), format=format)
    ids = [send(engine, org, {"kind": "orders/create", "payload": p})
           for p in PAYLOADS]
    got = {r.id: r for r in receiver.wait(len(PAYLOADS), f"/{org}")}
    for event_id, payload in zip(ids, PAYLOADS):
        body = json.loads(got[event_id].body)
        if format == "raw":
            assert got[event_id].body == compact(payload).encode()
            assert type(body) is type(payload) and body == payload
        else:
            assert "orders/create" in got[event_id].body.decode()
        assert got[event_id].headers["pulumi-webhook-kind"] == "orders/create"
    records = {row["id"]: row for row in engine.wait_deliveries(hook, len(PAYLOADS))}
    assert set(records) == set(ids)
    if format == "raw":
        for event_id, payload in zip(ids, PAYLOADS):
            assert records[event_id]["payload"] == compact(payload)
        shown = engine.api("GET", f"/api/orgs/{org}/events/{ids[2]}").json()
        assert json.loads(shown["payload"]) == PAYLOADS[2]
        # and it goes out again as it was
        reply = engine.api("POST", f"/api/orgs/{org}/replay",
                           {"state": "delivered", "kinds": "orders/*"})
        assert reply.status in (200, 202), reply
        again = receiver.wait(2 * len(PAYLOADS), f"/{org}")[len(PAYLOADS):]
        assert sorted(r.body for r in again) == sorted(
            compact(p).encode() for p in PAYLOADS)


@pytest.mark.parametrize("kind", ["stack_update", "team", "environment"])
@pytest.mark.parametrize("payload", [[], "x", 1, None])
def test_pulumis_kinds_have_objects(engine, kind, payload):
    reply = engine.intake(compact({"kind": kind, "payload": payload}).encode())
    assert reply.status == 400
    assert "payload must be an object" in reply.json()["message"]


def test_a_missing_payload_is_named(engine):
    for kind in ("a.b", "team"):
        reply = engine.intake(compact({"kind": kind}).encode())
        assert reply.status == 400
        assert "payload must be" in reply.json()["message"]
        assert "missing" in reply.json()["message"]


def test_kinds_of_other_services_reach_who_names_them(engine, receiver):
    for path, filters in {
        "/blob": ["Microsoft.Storage.*"], "/exact": ["orders/create"],
        "/orders": ["orders/*"], "/put": ["s3:ObjectCreated:*"],
        "/s3": ["s3:*", "s3:ObjectCreated:*", "s3:ObjectCreated:Put"],
        "/lower": ["microsoft.*"],
    }.items():
        hook = hook_of(engine, "shop", receiver.url(path), filters=filters)
        assert engine.api("GET", hook).json()["filters"] == filters
    kinds = ["Microsoft.Storage.BlobCreated", "orders/create", "orders/item/add",
             "orders.create", "s3:ObjectCreated:Put", "s3:ObjectRemoved", "Orders/create"]
    assert paths_of(engine, receiver, [
        send(engine, "shop", {"kind": k, "payload": {}}) for k in kinds]) == [
        ["/blob"], ["/exact", "/orders"], ["/orders"], [], ["/put", "/s3"], ["/s3"], [],
    ]


def test_history_and_replay_understand_the_star(engine, receiver):
    hook = hook_of(engine, "past", receiver.url("/past"))
    for kind in ("order.made", "order.paid.late", "Order.made", "orders.made", "order/x"):
        send(engine, "past", {"kind": kind, "payload": 1})
    engine.wait_deliveries(hook, 5)

    def kinds(query):
        return sorted(d["kind"] for d in engine.deliveries(hook, query))
    assert kinds("?kind=order.*") == ["order.made", "order.paid.late"]
    assert kinds("?kind=order/*,Order.made") == ["Order.made", "order/x"]
    assert kinds("?kind=order.made") == ["order.made"]
    reply = engine.api("POST", "/api/orgs/past/replay",
                       {"state": "delivered", "kinds": ["order.*"], "dryRun": True})
    assert reply.json()["matched"] == 2, reply
    for wrong in ("*", "order*", "*.made", "order.*.x"):
        reply = engine.api("GET", f"{hook}/deliveries?kind={wrong}")
        assert reply.status == 400 and "kind" in reply.json()["message"]
        reply = engine.api("POST", "/api/orgs/past/replay", {"kinds": [wrong]})
        assert reply.status == 400 and "kinds" in reply.json()["message"]


@pytest.mark.parametrize("kind, sentence, guess", [
    ("Stack", "own kinds need a dot, slash or colon", 'did you mean "stack"?'),
    ("stack_updat", "own kinds need a dot, slash or colon",
     'did you mean "stack_update"?'),
    ("push", "own kinds need a dot, slash or colon", None),
    ("OrderCreated", "own kinds need a dot, slash or colon", None),
    ("posthorn.x", "posthorn", None), ("Posthorn/x", "posthorn", None),
    ("POSTHORN:x", "posthorn", None), ("a..b", "not valid", None),
    ("orders/", "not valid", None), ("Update Failed", "is a filter", None)])
def test_a_refused_kind_says_the_rule(engine, kind, sentence, guess):
    reply = engine.intake(compact({"kind": kind, "payload": {}}).encode())
    assert reply.status == 400
    message = reply.json()["message"]
    assert sentence in message
    assert (guess in message) if guess else "did you mean" not in message


@pytest.mark.parametrize("name, sentence, guess", [
    ("update_faild", "own kinds need", "did you mean update_failed?"),
    ("push", "own kinds need a dot, slash or colon", None),
    ("*", "order.*", None), ("order.*.x", "only at the end", None),
    ("Posthorn.*", "lower case", None), ("posthorn/x", "lower case", None)])
def test_a_refused_filter_says_the_rule(engine, receiver, name, sentence, guess):
    reply = engine.api("POST", "/api/orgs/rules/hooks", {
        "organizationName": "rules", "displayName": "x", "active": True,
        "payloadUrl": receiver.url(), "filters": [name]})
    assert reply.status == 400
    message = reply.json()["message"]
    assert sentence in message
    assert (guess in message) if guess else "did you mean" not in message


def test_akinons_events_stay_as_they_were(engine):
    path = f"/organizations/{'a' * 24}/projects/{'b' * 24}/events"
    for event, status in (("deployment.build.created", 202), ("Deployment.build", 400),
                          ("orders/create", 400), ("a:b", 400), ("Posthorn.x", 400)):
        reply = engine.request(engine.ingest_port, "POST", path,
                               compact({"event": event, "data": {}}).encode(),
                               {"Content-Type": "application/json"})
        assert reply.status == status, (event, reply)


def test_send_posts_any_json(engine, receiver):
    hook_of(engine, "cli", receiver.url("/cli"))
    for payload in ('[1,2]', '"x"', "null", "7"):
        done = subprocess.run(
            [BINARY, "send", "--org", "cli", "--kind", "Orders/Create:x", "--payload",
             payload], capture_output=True, text=True, timeout=60,
            env=engine.client_environment())
        assert done.returncode == 0, done.stderr
    assert sorted(r.body for r in receiver.wait(4, "/cli")) == sorted(
        [b"[1,2]", b'"x"', b"null", b"7"])


def test_explain_takes_any_payload(engine, receiver):
    hook_of(engine, "why", receiver.url("/why"), filters=["orders/*"])
    reply = engine.api("POST", "/api/orgs/why/explain",
                       {"kind": "orders/create", "payload": [1]})
    (hook,) = reply.json()["hooks"]
    assert hook["matches"] and hook["request"]["body"] == "[1]"
