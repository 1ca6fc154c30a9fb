# SPDX-License-Identifier: MIT
"""Formats: what arrives for slack, ms_teams and pulumi_deployments hooks."""

import hashlib
import hmac
import json

import pytest

from receiver import Answer
from support import SECRET, ROOT, compact, wait_for

UPDATE = json.loads((ROOT / "tests/golden/raw/update_failed.json").read_text())
PLACE = "/api/stacks/crazy-adventures/website/website-prod/hooks"
TOKEN = "pul-canary-5d1c"


def golden(name, kind="update_failed"):
    return json.loads((ROOT / f"tests/golden/{name}/{kind}.json").read_text())


@pytest.fixture
def ready(make_engine, receiver, tmp_path):
    """An engine whose slack and deployments are the receiver."""
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN + "\n")
    token_file.chmod(0o600)
    return make_engine(slack_url_prefixes=receiver.url("/slack/"),
                       deployments_url=receiver.url("/cloud"),
                       deployments_token_file=str(token_file),
                       retry_schedule="20ms").start()


def post_update(engine):
    return engine.post_event("stack_update", UPDATE, "crazy-adventures")


@pytest.mark.parametrize("name, path", [("slack", "/slack/T/B/x"),
                                        ("ms_teams", "/teams")])
def test_messages(ready, receiver, name, path):
    hook = ready.create_hook(receiver.url(path), PLACE, format=name,
                             secret=SECRET)
    event = post_update(ready)
    (request,) = receiver.wait(1, path)
    assert json.loads(request.body) == golden(name)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["pulumi-webhook-kind"] == "stack_update"
    assert request.headers["pulumi-webhook-signature"] == hmac.new(
        SECRET.encode(), request.body, hashlib.sha256).hexdigest()
    (record,) = ready.wait_deliveries(hook, 1)
    assert record["id"] == event
    assert record["payload"].encode() == request.body
    reply = ready.api("POST", f"{hook}/deliveries/{event}/redeliver")
    assert reply.json()["payload"] == record["payload"]
    assert receiver.got(path)[1].body == request.body


def test_ping_of_messages(ready, receiver):
    for name, path in (("slack", "/slack/x"), ("ms_teams", "/teams")):
        hook = ready.create_hook(receiver.url(path), PLACE, format=name)
        record = ready.api("POST", f"{hook}/ping").json()
        assert json.loads(receiver.got(path)[0].body) == golden(name, "ping")
        assert record["kind"] == "ping"
        assert json.loads(record["payload"]) == golden(name, "ping")
        again = ready.api("POST",
                          f"{hook}/deliveries/{record['id']}/redeliver")
        assert again.json()["payload"] == record["payload"]
        assert receiver.got(path)[1].body == receiver.got(path)[0].body


def test_teams_may_answer_200_and_mean_no(ready, receiver):
    receiver.script("/teams", Answer(
        body=b"Webhook message delivery failed with error: Microsoft Teams "
             b"endpoint returned HTTP error 429 with ContextId x."), Answer())
    hook = ready.create_hook(receiver.url("/teams"), PLACE, format="ms_teams")
    post_update(ready)
    second, first = ready.wait_deliveries(hook, 2)
    assert first["state"] == "retrying" and first["responseCode"] == 200
    assert first["error"]["class"] == "status"
    assert second["state"] == "delivered"


def test_a_body_is_made_once_for_many_hooks(ready, receiver):
    for number in range(20):
        ready.create_hook(receiver.url(f"/slack/{number}"), PLACE,
                          format="slack")
    post_update(ready)
    receiver.wait(20)
    made = ready.metrics()["posthorn_bodies_rendered_total"]
    assert sum(made.values()) == 1 if isinstance(made, dict) else made == 1
    assert len({r.body for r in receiver.got()}) == 1


def test_deployments(ready, receiver):
    path = "/cloud/api/stacks/crazy-adventures/shop/prod/deployments"
    receiver.script(path, Answer(status=202, body=b'{"id":"1","version":7}'))
    hook = ready.create_hook("shop/prod", PLACE, format="pulumi_deployments",
                             secret=SECRET)
    post_update(ready)
    (request,) = receiver.wait(1, path)
    assert request.method == "POST"
    assert json.loads(request.body) == {"operation": "update",
                                        "inheritSettings": True}
    assert request.headers["authorization"] == f"token {TOKEN}"
    assert request.headers["accept"] == "application/vnd.pulumi+8"
    assert request.headers["pulumi-webhook-kind"] == "stack_update"
    (record,) = ready.wait_deliveries(hook, 1)
    assert record["requestUrl"] == receiver.url(path)
    assert record["responseCode"] == 202 and record["state"] == "delivered"
    assert json.loads(record["payload"])["operation"] == "update"
    assert TOKEN not in json.dumps(record)
    assert TOKEN not in ready.log()


def test_ping_of_deployments_starts_none(ready, receiver):
    hook = ready.create_hook("shop/prod", PLACE, format="pulumi_deployments")
    record = ready.api("POST", f"{hook}/ping").json()
    (request,) = receiver.got()
    assert request.method == "GET"
    assert request.path == "/cloud/api/stacks/crazy-adventures/shop/prod"
    assert request.headers["authorization"] == f"token {TOKEN}"
    assert request.body == b""
    assert record["kind"] == "ping" and record["responseCode"] == 200


@pytest.mark.settings(retry_schedule="10ms,10ms,10ms,10ms")
def test_deployments_without_an_address(engine):
    hook = engine.create_hook("shop/prod", PLACE, format="pulumi_deployments")
    record = engine.api("POST", f"{hook}/ping").json()
    assert record["responseCode"] == 0
    assert "deployments_url" in record["responseBody"]
    assert "deployments_url" in record["error"]["message"]
    post_update(engine)
    (dead,) = engine.wait_deliveries(hook, 1, "?state=dead")
    assert "deployments_url" in dead["responseBody"]
    assert engine.wait_settled()["dead"] == 1


def test_format_can_be_changed(ready, receiver):
    hook = ready.create_hook(receiver.url("/slack/x"), PLACE)
    assert ready.api("PATCH", hook, {"format": "slack"}).status == 200
    ready.settle_hooks()
    post_update(ready)
    (request,) = receiver.wait(1)
    assert json.loads(request.body) == golden("slack")
    reply = ready.api("PATCH", hook, {"payloadUrl": "https://example.com/"})
    assert reply.status == 400 and "slack" in reply.json()["message"]
    custom = ready.post_event("order.created", {
        "projectName": "website", "stackName": "website-prod",
        "note": "é🍹<&>"}, "crazy-adventures")
    wait_for(lambda: len(receiver.got()) == 2, "the second")
    text = receiver.got()[1].body.decode()
    assert "é🍹&lt;&amp;&gt;" in text and custom == receiver.got()[1].id
    assert compact(json.loads(text)) == text
