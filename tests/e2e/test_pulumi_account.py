# SPDX-License-Identifier: MIT
"""What Pulumi's command line asks before it comes to the hooks."""

import re

import pytest

from test_api_hooks import check_error

USER = "/api/user"
DEFAULT = "/api/user/organizations/default"
STACK = "/api/stacks/acme/web/prod"


def update_of(project, stack):
    """An event that a stack's update raises."""
    user = {"name": "M", "githubLogin": "m", "avatarUrl": ""}
    return {"user": user, "organization": {**user, "githubLogin": "acme"},
            "projectName": project, "stackName": stack, "updateUrl": "",
            "kind": "update", "result": "succeeded", "resourceChanges": {}}


def get(engine, path, status=200):
    reply = engine.api("GET", path)
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/json"
    return reply.json()


def logins(engine):
    return [org["githubLogin"] for org in get(engine, USER)["organizations"]]


def test_the_user_has_the_fields_that_clients_read(engine):
    engine.post_event(org="acme")
    user = get(engine, USER)
    assert list(user) == ["id", "githubLogin", "name", "email", "avatarUrl",
                          "organizations", "identities", "siteAdmin"]
    assert user["githubLogin"] and user["id"]
    assert user["identities"] == [] and user["siteAdmin"] is True
    assert user["organizations"] == [
        {"githubLogin": "acme", "name": "acme", "avatarUrl": ""}]


def test_organizations_come_from_hooks_and_events(engine, receiver):
    assert logins(engine) == []
    engine.create_hook(receiver.url(), "/api/orgs/hooked/hooks")
    engine.create_hook(receiver.url(),
                       "/api/esc/environments/env-org/web/prod/hooks")
    engine.create_hook(receiver.url(), "/api/stacks/stacked/web/prod/hooks")
    engine.post_event(org="evented")
    engine.post_event(org="stacked")
    assert logins(engine) == ["env-org", "evented", "hooked", "stacked"]


def test_the_default_organization_is_the_only_one(engine):
    check_error(engine.api("GET", DEFAULT), 404, "no default organization")
    engine.post_event(org="acme")
    assert get(engine, DEFAULT) == {"GitHubLogin": "acme", "Messages": []}
    engine.post_event(org="beta")
    check_error(engine.api("GET", DEFAULT), 404, "no default organization")


def test_what_never_changes(engine):
    assert get(engine, "/api/capabilities") == {"capabilities": []}
    version = get(engine, "/api/cli/version")
    assert list(version) == ["latestVersion", "oldestWithoutWarning",
                             "latestDevVersion"]
    for name in ("latestVersion", "oldestWithoutWarning"):
        assert re.fullmatch(r"\d+\.\d+\.\d+", version[name])


def listed(engine):
    return [f"{s['orgName']}/{s['projectName']}/{s['stackName']}"
            for s in get(engine, "/api/user/stacks")["stacks"]]


def test_a_stack_is_listed_once_an_event_named_it(engine):
    assert listed(engine) == []
    engine.post_event("stack_update", update_of("web", "prod"))
    assert listed(engine) == ["acme/web/prod"]


def test_every_stack_can_be_asked_for(engine):
    """The command line does, before it makes a hook for it."""
    stack = get(engine, STACK)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
                        stack.pop("id"))
    assert stack == {"orgName": "acme", "projectName": "web",
                     "stackName": "prod", "activeUpdate": "", "tags": {},
                     "version": 1}
    ids = {get(engine, path)["id"] for path in (
        STACK, "/api/stacks/acme/web/dev", "/api/stacks/acme/api/prod",
        "/api/stacks/other/web/prod")}
    assert len(ids) == 4
    assert listed(engine) == [] # asking names nothing
    get(engine, "/api/stacks/posthorn/web/prod", 404) # the operator's has none


def test_a_stack_stays_when_its_hook_goes(engine, receiver):
    hook = engine.create_hook(receiver.url(), f"{STACK}/hooks")
    ids = {get(engine, STACK)["id"]}
    assert engine.api("DELETE", hook).status == 204
    ids.add(get(engine, STACK)["id"])
    assert engine.stop() == 0
    engine.start()
    ids.add(get(engine, STACK)["id"])
    assert len(ids) == 1


def test_an_environment_is_no_stack(engine, receiver):
    engine.create_hook(receiver.url(),
                       "/api/esc/environments/acme/web/prod/hooks")
    assert listed(engine) == []


def test_stacks_survive_a_kill(engine):
    engine.post_event("stack_update", update_of("web", "prod"))
    engine.kill9()
    engine.start()
    assert listed(engine) == ["acme/web/prod"]
    # What was remembered of the names began anew: a repetition is no fault.
    engine.post_event("stack_update", update_of("web", "prod"))
    engine.post_event("stack_update", update_of("web", "dev"))
    assert listed(engine) == ["acme/web/dev", "acme/web/prod"]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["a%20b", "%2e%2f", "x" * 101])
def test_a_name_that_is_none_is_refused(engine, name):
    check_error(engine.api("GET", f"/api/stacks/acme/web/{name}"), 400,
                "the stack's name must be")


@pytest.mark.shared
@pytest.mark.parametrize("path", [
    USER, DEFAULT, STACK, "/api/capabilities", "/api/cli/version"])
def test_account_routes_need_a_token_and_are_read_only(engine, path):
    reply = engine.api("GET", path, token=None)
    assert reply.status == 401, reply
    reply = engine.api("PATCH", path, {})
    assert reply.status == 405, reply
    assert "GET" in reply.headers["allow"]


def test_a_token_of_an_organization_sees_that_one(engine, receiver):
    for org in ("acme", "beta"):
        engine.create_hook(receiver.url(), f"/api/stacks/{org}/web/prod/hooks")
    reply = engine.api("POST", "/api/orgs/beta/tokens", {"scopes": ["read"]})
    token = reply.json()["token"]

    user = engine.api("GET", USER, token=token).json()
    assert [user["id"], user["githubLogin"], user["siteAdmin"]] == [
        "beta", "beta", False]
    assert [org["githubLogin"] for org in user["organizations"]] == ["beta"]
    assert engine.api("GET", DEFAULT, token=token).json() == {
        "GitHubLogin": "beta", "Messages": []}
    assert engine.api("GET", "/api/stacks/beta/web/prod",
                      token=token).status == 200
    # Not even that it is there, or is not.
    for stack in ("prod", "none"):
        assert engine.api("GET", f"/api/stacks/acme/web/{stack}",
                          token=token).status == 403
