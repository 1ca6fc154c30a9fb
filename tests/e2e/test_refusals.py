# SPDX-License-Identifier: MIT
"""What is said to whoever asks for what is not there, or may not: the same of each kind,
whichever operation is asked."""

import pytest

from conftest import running
from engine import Engine
from test_api_hooks import check_error

ORG, PROJECT = "5f0c1a2b3c4d5e6f70819203", "63ea10b94a472e003305232b"
AKINON = f"/organizations/{ORG}/projects/{PROJECT}/settings/webhooks"
EVENT = "0190f3c4-7a1e-7c3b-9d52-3f1b2a4c5d6e"
PLACES = {"/api/orgs/acme/hooks": "nope",
          "/api/stacks/acme/web/prod/hooks": "nope",
          "/api/esc/environments/acme/web/prod/hooks": "nope",
          "/api/preview/environments/acme/prod/hooks": "nope",
          AKINON: "0" * 24, f"/api/v1{AKINON}": "0" * 24}
OF_A_HOOK = (
    ("GET", "", None), ("PATCH", "", {"active": True}), ("DELETE", "", None),
    ("GET", "/status", None), ("POST", "/ping", None), ("GET", "/stats", None),
    ("GET", "/tail", None), ("POST", "/replay", {}), ("POST", "/dead/discard", {}),
    ("GET", "/replays", None), ("GET", f"/replays/{EVENT}", None),
    ("DELETE", f"/replays/{EVENT}", None),
    ("POST", f"/deliveries/{EVENT}/redeliver", None),
    ("POST", "/deliveries/no-id/redeliver", None))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with running(Engine(tmp_path_factory.mktemp("refusals"))) as engine:
        yield engine


def said(reply, status=404):
    assert reply.status == status, reply
    return reply.json()["message"]


@pytest.mark.parametrize("place", PLACES)
def test_every_operation_says_alike_that_a_webhook_is_not_there(shared, place):
    name = PLACES[place]
    for method, tail, body in OF_A_HOOK:
        text = said(shared.api(method, f"{place}/{name}{tail}", body))
        assert text == f"Not Found: Webhook '{name}' not found", (method, tail)
    reply = shared.api("GET", f"{place}/{name}/deliveries")
    if "organizations" in place:
        assert said(reply) == f"Not Found: Webhook '{name}' not found"
    else:
        assert reply.json() == [] # as Pulumi Cloud does


@pytest.mark.parametrize("name", ["a%20b", "%22%27", "%0d%0a", "x" * 200, "%c3%a9"])
def test_a_name_that_is_none_is_not_shown_back(shared, name):
    for method, tail, body in OF_A_HOOK:
        text = said(shared.api(method, f"/api/orgs/acme/hooks/{name}{tail}", body))
        assert text == "Not Found: Webhook not found", (method, tail)


def test_every_operation_says_alike_that_an_event_is_not_there(shared):
    hook = shared.create_hook("http://127.0.0.1:1029/")
    for event in (EVENT, "no-id"):
        for method, path in (("GET", f"/api/orgs/acme/events/{event}"),
                             ("POST", f"{hook}/deliveries/{event}/redeliver")):
            text = said(shared.api(method, path))
            assert text == f"Not Found: Event '{event}' not found", path


def test_every_operation_says_alike_that_a_replay_or_token_is_not_there(shared):
    hook = shared.create_hook("http://127.0.0.1:1029/")
    for at in (hook, "/api/orgs/acme"):
        for method in ("GET", "DELETE"):
            for replay in (EVENT, "no-id"):
                text = said(shared.api(method, f"{at}/replays/{replay}"))
                assert text == f"Not Found: Replay '{replay}' not found"
    text = said(shared.api("DELETE", "/api/orgs/acme/tokens/none"))
    assert text == "Not Found: Token 'none' not found"


def make(shared, org, *scopes):
    return shared.api("POST", f"/api/orgs/{org}/tokens",
                      {"scopes": list(scopes)}).json()["token"]


@pytest.mark.parametrize("scopes, has", [
    (["read"], "the scope read"), (["ingest", "write"], "the scopes ingest and write"),
    (["ingest", "read", "write"], "the scopes ingest, read and write")])
def test_who_may_not_is_told_what_the_token_is_for_and_what_is_needed(
        shared, scopes, has):
    token = make(shared, "acme", *scopes)
    own = f'Forbidden: this token is of the organization "acme" and has {has}; '
    hooks = "/api/orgs/{}/hooks"
    asked = [("GET", hooks.format("beta"), 'scope read in the organization "beta"'),
             ("POST", hooks.format("beta"), 'scope write in the organization "beta"'),
             ("POST", "/api/orgs/acme/tokens", "admin token"),
             ("GET", "/api/status", "admin token")]
    if "write" not in scopes:
        asked.append(("DELETE", hooks.format("acme") + "/x",
                      'scope write in the organization "acme"'))
    if "read" not in scopes:
        asked.append(("GET", "/api/user/stacks", "scope read"))
    for method, path, needed in asked:
        text = said(shared.api(method, path, token=token), 403)
        assert text == f"{own}this needs the {needed}", path
    reply = shared.intake(b'{"kind":"a.b","payload":{}}', "beta", token=token)
    assert said(reply, 403) == (
        f'{own}this needs the scope ingest in the organization "beta"')


def test_the_operators_organization_is_named_as_his(shared):
    token = make(shared, "acme", "read")
    check_error(shared.api("GET", "/api/orgs/posthorn/hooks", token=token), 403,
                "operator's")
