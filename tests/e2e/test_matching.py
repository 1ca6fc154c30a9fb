# SPDX-License-Identifier: MIT
"""Which hooks an event reaches: filters, groups, levels, changes."""

import time

import pytest

from receiver import Answer
from support import wait_for

pytestmark = pytest.mark.shared(books=True)

USER = {"name": "Morty Smith", "githubLogin": "morty", "avatarUrl": ""}
ORG = {"name": "Acme", "githubLogin": "acme", "avatarUrl": ""}


def stack_update(kind="update", result="succeeded", project="web",
                 stack="prod"):
    return {"user": USER, "organization": ORG, "projectName": project,
            "stackName": stack, "updateUrl": "https://example.com/1",
            "kind": kind, "result": result, "resourceChanges": {},
            "isPreview": False}


def environment(action="created", project="web", name="prod"):
    return {"user": USER, "organization": ORG, "projectName": project,
            "environmentName": name, "action": action}


def deployment(status):
    return {"user": USER, "organization": ORG, "projectName": "web",
            "stackName": "prod", "deploymentUrl": "https://example.com/2",
            "version": 1, "operation": "update", "status": status}


def reaches(engine, receiver, events):
    """Posts events one by one and then one that every hook wants; returns,
    for each, the sorted paths of the hooks that it reached."""
    ids = [engine.post_event(kind, payload) for kind, payload in events]
    engine.wait_settled()
    return [sorted(r.path for r in receiver.got() if r.id == event_id)
            for event_id in ids]


def test_filters_and_groups(engine, receiver):
    for path, fields in {
        "/all": {},
        "/failed": {"filters": ["update_failed", "refresh failed"]},
        "/stacks": {"groups": ["stacks"]},
        "/deployments": {"groups": ["deployments"]},
        "/environments": {"groups": ["environments"]},
        "/both": {"filters": ["deployment_failed"], "groups": ["stacks"]},
        "/off": {"active": False},
    }.items():
        engine.create_hook(receiver.url(path), **fields)
    assert reaches(engine, receiver, [
        ("stack_update", stack_update()),
        ("stack_update", stack_update(result="failed")),
        ("stack_update", stack_update("refresh", "failed")),
        ("deployment", deployment("failed")),
        ("deployment", deployment("running")),
        ("environment", environment()),
        ("order.created", {"n": 1}),
    ]) == [
        ["/all", "/both", "/stacks"],
        ["/all", "/both", "/failed", "/stacks"],
        ["/all", "/both", "/failed", "/stacks"],
        ["/all", "/both", "/deployments"],
        ["/all", "/deployments"],
        ["/all", "/environments"],
        ["/all"],
    ]


def test_refresh_failed_is_stored_with_an_underscore(engine, receiver):
    hook = engine.create_hook(receiver.url(), filters=["refresh failed"])
    assert engine.api("GET", hook).json()["filters"] == ["refresh_failed"]


@pytest.mark.smoke
def test_custom_kinds(engine, receiver):
    for path, filters in {
        "/exact": ["order.created"], "/orders": ["order.*"],
        "/deep": ["order.item.*"], "/others": ["invoice.*"],
    }.items():
        engine.create_hook(receiver.url(path), filters=filters)
    assert reaches(engine, receiver, [
        ("order.created", {}), ("order.paid", {}),
        ("order.item.added", {}), ("orders.created", {}),
        ("invoice.sent", {}),
    ]) == [
        ["/exact", "/orders"], ["/orders"],
        ["/deep", "/orders"], [], ["/others"],
    ]


def test_levels(engine, receiver):
    """Organization hooks see all of it; the others only their own."""
    stacks = "/api/stacks/acme/web"
    environments = "/api/esc/environments/acme/web"
    engine.create_hook(receiver.url("/org"))
    engine.create_hook(receiver.url("/prod"), f"{stacks}/prod/hooks")
    engine.create_hook(receiver.url("/dev"), f"{stacks}/dev/hooks")
    engine.create_hook(receiver.url("/env"), f"{environments}/prod/hooks")
    other = "/api/orgs/other/hooks"
    engine.create_hook(receiver.url("/other"), other)
    assert reaches(engine, receiver, [
        ("stack_update", stack_update()),
        ("stack_update", stack_update(stack="dev")),
        ("stack_update", stack_update(project="api")),
        ("environment", environment()),
        ("environment_revision",
         {**environment(), "revision": 5}),
        ("order.created", {}),
    ]) == [
        ["/org", "/prod"], ["/dev", "/org"], ["/org"],
        # environment_created is for organization hooks; a hook of the
        # environment without filters gets every event of its environment.
        ["/env", "/org"], ["/env", "/org"], ["/org"],
    ]


@pytest.mark.parametrize("fields, word", [
    ({"filters": ["update_faild"]}, "update_failed"),
    ({"filters": ["nonsense"]}, "nonsense"),
    ({"groups": ["stack"]}, "stack")])
def test_unknown_names_are_refused(engine, receiver, fields, word):
    reply = engine.api("POST", "/api/orgs/acme/hooks", {
        "organizationName": "acme", "displayName": "x", "active": True,
        "payloadUrl": receiver.url(), **fields})
    assert reply.status == 400, reply
    assert reply.json()["code"] == 400
    assert word in reply.json()["message"]


def test_change_counts_within_100_ms(engine, receiver):
    """New, changed, off, on, deleted: the next event after 100 ms obeys."""
    hook = engine.create_hook(receiver.url("/one"))
    expected = []

    def post(path):
        time.sleep(0.1)
        event_id = engine.post_event()
        if path:
            expected.append((event_id, path))
        # Not overtaken by the next change: the event is compared, and sent.
        engine.wait_settled()

    def change(**fields):
        assert engine.api("PATCH", hook, fields).status == 200

    post("/one")
    change(payloadUrl=receiver.url("/two"))
    post("/two")
    change(active=False)
    post(None)
    change(active=True, filters=["order.created"])
    post("/two")
    change(filters=["order.paid"])
    post(None)
    assert engine.api("DELETE", hook).status == 204
    post(None)
    assert [(r.id, r.path) for r in receiver.got()] == expected


@pytest.mark.settings(retry_schedule="60s")
def test_deleted_hook_cancels_what_waits(engine, receiver):
    receiver.script("/", Answer(500))
    hook = engine.create_hook(receiver.url())
    for _ in range(5):
        engine.post_event()
    receiver.wait(5)
    wait_for(lambda: engine.verify()["pending"] == 5, "five wait")
    assert engine.api("DELETE", hook).status == 204
    books = engine.wait_settled()
    assert (books["matched"], books["cancelled"]) == (5, 5)
