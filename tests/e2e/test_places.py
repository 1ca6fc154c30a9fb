# SPDX-License-Identifier: MIT
"""The places of an organization: where it has hooks, or could have some."""

import pytest

from receiver import Answer
from support import compact, wait_for
from test_hook_table import ORG, PROJECT, make, make_akinon, rows

PLACES = f"/api/orgs/{ORG}/places"


def put(engine, receiver, level, project, name, hook="h"):
    key = "stackName" if level == "stacks" else "envName"
    base = "stacks" if level == "stacks" else "esc/environments"
    reply = engine.api("POST", f"/api/{base}/{ORG}/{project}/{name}/hooks", {
        "organizationName": ORG, "projectName": project, key: name, "name": hook,
        "displayName": "d", "active": True, "payloadUrl": receiver.url(f"/{hook}")})
    assert reply.status == 201, reply


def place(kind, project=None, name=None, hooks=0, failing=0):
    return {"kind": kind, "project": project, "name": name, "hooks": hooks,
            "failing": failing, "moreHooks": False}


def listed(engine, query="", path=PLACES):
    return rows(engine, query, path + "?")


def test_an_organization_without_anything_is_one_place(engine):
    assert listed(engine) == ([place("organization")], [1])


def test_places_of_hooks_and_of_names_are_one_list(engine, receiver):
    make(engine, receiver, name="o1")
    make(engine, receiver, name="o2")
    # Names that sort differently as a whole than by their parts.
    for project, name in (("web", "prod"), ("web-2", "prod"), ("web", "a"),
                          ("a.b", "z"), ("web", "prod.eu")):
        put(engine, receiver, "stacks", project, name)
    put(engine, receiver, "stacks", "web", "prod", "second")
    put(engine, receiver, "esc/environments", "web", "dev")
    put(engine, receiver, "esc/environments", "zoo", "dev")
    make_akinon(engine, receiver)
    # What only an event has named, or somebody made.
    for payload in ({"projectName": "web", "stackName": "only-named"},
                    {"projectName": "aaa", "stackName": "first"},
                    {"projectName": "web", "environmentName": "named-env"}):
        assert engine.intake(compact({"kind": "order.created", "payload": payload}
                                     ).encode(), ORG).status == 202
    assert engine.api("POST", f"/api/stacks/{ORG}/web", {"stackName": "made"}
                      ).status == 200
    # Of others, whose names begin alike.
    for other in (ORG[:-1], ORG + "a"):
        assert engine.intake(compact({"kind": "order.created", "payload": {
            "projectName": "theirs", "stackName": "theirs"}}).encode(),
            other).status == 202
    wanted = [
        place("organization", hooks=2),
        place("stack", "a.b", "z", 1), place("stack", "aaa", "first"),
        place("stack", "web", "a", 1), place("stack", "web", "made"),
        place("stack", "web", "only-named"), place("stack", "web", "prod", 2),
        place("stack", "web", "prod.eu", 1), place("stack", "web-2", "prod", 1),
        place("environment", "web", "dev", 1), place("environment", "web", "named-env"),
        place("environment", "zoo", "dev", 1),
        place("akinon", PROJECT, hooks=1),
    ]
    found, counts = listed(engine)
    assert found == wanted and counts == [len(wanted)]
    for limit in range(1, len(wanted) + 1):
        paged, counts = listed(engine, f"limit={limit}")
        assert paged == wanted, limit
        assert all(count == limit for count in counts[:-1]), counts


@pytest.mark.settings(max_stacks="2")
def test_places_beyond_the_names_that_are_kept_are_listed(engine, receiver):
    for n in range(6):
        put(engine, receiver, "stacks", "web", f"s{n}")
    found = [(p["name"], p["hooks"]) for p in listed(engine)[0] if p["kind"] == "stack"]
    assert found == [(f"s{n}", 1) for n in range(6)]


@pytest.mark.settings(retry_schedule="20ms,20ms", failing_after="2", breaker_failures="0")
def test_failing_hooks_are_counted(engine, receiver):
    receiver.script("/bad", Answer(status=500))
    put(engine, receiver, "stacks", "web", "prod", "bad")
    put(engine, receiver, "stacks", "web", "prod", "good")
    engine.settle_hooks()
    engine.post_event("order.created", {"projectName": "web", "stackName": "prod"}, ORG)
    wait_for(lambda: place("stack", "web", "prod", 2, 1) in listed(engine)[0],
             "one of two fails")


def test_a_place_with_many_hooks_is_counted_to_a_limit(engine, receiver):
    for n in range(1003):
        assert engine.api("POST", f"/api/stacks/{ORG}/web/prod/hooks", {
            "organizationName": ORG, "projectName": "web", "stackName": "prod",
            "name": f"n{n}", "displayName": "d", "active": False,
            "payloadUrl": receiver.url()}).status == 201
    put(engine, receiver, "stacks", "web", "z")
    found, _ = listed(engine)
    assert found[1] == {**place("stack", "web", "prod", 1000), "moreHooks": True}
    assert found[2] == place("stack", "web", "z", 1)


def test_bad_parameters_and_other_tokens(engine, receiver):
    put(engine, receiver, "stacks", "web", "prod")
    for query, name in (("limit=0", "limit"), ("limit=1001", "limit"),
                        ("continuationToken=0011", "continuationToken")):
        reply = engine.api("GET", f"{PLACES}?{query}")
        assert reply.status == 400 and name in reply.json()["message"], query
    theirs = engine.api("POST", "/api/orgs/other/tokens", {"scopes": ["read"]}
                        ).json()["token"]
    assert engine.api("GET", PLACES, token=theirs).status == 403
    token = engine.api("GET", f"{PLACES}?limit=1").headers["x-continuation-token"]
    assert engine.api("GET", f"/api/orgs/other/places?continuationToken={token}"
                      ).status == 400
    assert engine.api("GET", "/api/orgs/a%20b/places").status == 400
