# SPDX-License-Identifier: MIT
"""The menu of filters: what it offers can be used, where it says so."""

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
