# SPDX-License-Identifier: MIT
"""Names of headers in lower case over HTTP/1.1, for receivers that look for them so."""

import hashlib
import hmac

import pytest

from receiver import Receiver, tls_context

pytestmark = pytest.mark.shared


@pytest.fixture
def settings(certificates):
    return {"ca_file": str(certificates.ca)}


@pytest.fixture(scope="module")
def secure(certificates):
    made = Receiver(tls=tls_context(certificates))
    yield made
    made.stop()


def names(request):
    return {name for name, _ in request.raw_headers}


@pytest.mark.parametrize("has_tls", [False, True])
def test_hook_can_have_names_in_lower_case(engine, receiver, secure, has_tls):
    target = secure if has_tls else receiver
    hook = engine.create_hook(target.url("/case"), secret="s3cret",
                              headers={"X-Own-Name": "Value"},
                              headerCase="lower")
    assert engine.api("GET", hook).json()["headerCase"] == "lower"
    engine.post_event()
    row = engine.wait_deliveries(hook, 1)[0]
    request = target.wait(1)[0]
    assert names(request) == {name.lower() for name in names(request)}
    assert {"host", "user-agent", "content-length"} <= names(request)
    assert request.headers["x-own-name"] == "Value"
    assert request.headers["pulumi-webhook-signature"] == hmac.new(
        b"s3cret", request.body, hashlib.sha256).hexdigest()
    assert "x-own-name: Value\r\n" in row["requestHeaders"]

    assert engine.api("PATCH", hook, {"headerCase": None}).status == 200
    assert "headerCase" not in engine.api("GET", hook).json()
    engine.settle_hooks()
    engine.post_event()
    assert {"Host", "User-Agent", "Content-Length", "Pulumi-Webhook-Id",
            "Pulumi-Webhook-Signature", "Content-Type",
            "X-Own-Name"} <= names(target.wait(2)[1])


@pytest.mark.parametrize("value", ["upper", "Lower", "", 1, True, ["lower"]])
def test_other_cases_are_refused(engine, value):
    reply = engine.api("POST", "/api/orgs/acme/hooks", {
        "organizationName": "acme", "displayName": "x", "active": True,
        "payloadUrl": "https://127.0.0.1:1029/", "headerCase": value})
    assert reply.status == 400
    assert 'headerCase must be "lower"' in reply.json()["message"]


def test_akinon_hooks_have_it_too(engine):
    reply = engine.api(
        "POST", "/organizations/5f0c1a2b3c4d5e6f70819203/projects/"
        "63ea10b94a472e003305232b/settings/webhooks",
        {"name": "Lower", "url": "https://127.0.0.1:1029/",
         "events": ["deployment.build.created"], "headerCase": "lower"})
    assert reply.status == 201, reply
    assert reply.json()["headerCase"] == "lower"
