# SPDX-License-Identifier: MIT
"""Answers against the documents: the official one of Pulumi's webhooks and our
own; and a fuzzer driven by ours."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from engine import BINARY
from support import ROOT, compact, free_ports, wait_for

OFFICIAL = json.loads(
    (ROOT / "tests/contract/pulumi-webhooks.openapi.json").read_text())
OURS = json.loads((ROOT / "api/openapi.json").read_text())
PLACES = {
    "/api/orgs/{orgName}/hooks": {"organizationName": "acme"},
    "/api/stacks/{orgName}/{projectName}/{stackName}/hooks": {
        "organizationName": "acme", "projectName": "web", "stackName": "prod"},
    "/api/esc/environments/{orgName}/{projectName}/{envName}/hooks": {
        "organizationName": "acme", "projectName": "web", "envName": "dev"},
    "/api/preview/environments/{orgName}/{envName}/hooks": {
        "organizationName": "acme", "projectName": "default",
        "envName": "dev"},
}
AKINON = {"organizationId": "5f0c1a2b3c4d5e6f70819203",
          "projectId": "63ea10b94a472e003305232b"}


# --- judging ---

def plain(schema):
    """OpenAPI 3.0's nullable as JSON Schema has it."""
    if isinstance(schema, list):
        return [plain(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    result = {k: plain(v) for k, v in schema.items()}
    if result.pop("nullable", False) is True:
        result = {"anyOf": [{"type": "null"}, result]}
    return result


class Document:
    def __init__(self, document):
        self.document = document
        self.root = {"components": plain(copy.deepcopy(
            document["components"]))}
        self.seen = set()

    def judge(self, method, template, reply):
        operation = self.document["paths"][template][method.lower()]
        responses = operation["responses"]
        status = str(reply.status)
        response = responses.get(status) or responses.get(status[0] + "XX")
        assert response, f"{method} {template}: {status} is not documented"
        while "$ref" in response:
            response = self.document["components"]["responses"][
                response["$ref"].rsplit("/", 1)[1]]
        self.seen.add((method.lower(), template, status))
        if "content" not in response:
            if status[0] == "2":
                assert reply.body == b"", (method, template, reply)
            return
        kind = reply.headers["content-type"].split(";")[0]
        schema = plain(response["content"][kind].get("schema", {}))
        if kind == "application/json":
            jsonschema.validate(json.loads(reply.body),
                                {**self.root, **schema})


def fill(template, values):
    return re.sub(r"{(\w+)}", lambda m: values[m.group(1)], template)


# --- a walk through every operation ---

def walk_hooks(engine, receiver, documents, template, body):
    """Every operation of one place, and its documented errors."""
    values = {"orgName": "acme", "projectName": "web", "stackName": "prod",
              "envName": "dev", "hookName": "audit"}
    one, whole = template + "/{hookName}", {
        **body, "displayName": "Audit", "payloadUrl": receiver.url(),
        "active": True, "name": "audit", "secret": "s3cret",
        "filters": ["update_failed"] if "stack" in template else []}

    def call(method, at, value=None, **more):
        path = fill(at, {**values, **more})
        reply = engine.api(method, path, value)
        for document in documents:
            if at in document.document["paths"]:
                document.judge(method, at, reply)
        assert at in OURS["paths"]
        return reply

    assert call("GET", template).json() == []
    assert call("POST", template, whole).status == 201
    assert call("POST", template, whole).status == 409
    assert call("POST", template, {**whole, "payloadUrl": "x"}).status == 400
    assert len(call("GET", template).json()) == 1
    assert call("GET", one).status == 200
    assert call("PATCH", one, {"displayName": "B"}).status == 200
    assert call("PATCH", one, {"format": "x"}).status == 400
    keys = one + "/.well-known/jwks.json"
    assert call("GET", keys).status == 404
    assert call("PATCH", one, {"signingKey": "own"}).status == 200
    assert call("PATCH", one, {"signingKey": "new"}).status == 200
    assert len(call("GET", keys).json()["keys"]) == 2
    ping = call("POST", one + "/ping")
    assert ping.status == 200
    assert len(call("GET", one + "/deliveries").json()) == 1
    walk_sent(call, one, ping.json()["id"])
    again = one + "/deliveries/{event}/redeliver"
    assert call("POST", again, event=ping.json()["id"]).status == 200
    assert call("POST", again, event="nope").status == 404
    assert call("DELETE", one).status == 204
    assert call("GET", one).status == 404
    assert call("POST", one + "/ping").status == 404
    assert call("GET", one + "/deliveries").json() == []


def walk_sent(call, one, event):
    """What neither API has, of an attempt: only our document knows it."""
    for tail in ("/attempts/{attempt}", "/request"):
        at = one + "/deliveries/{event}" + tail
        assert call("GET", at, event=event, attempt="1").status == 200
        assert call("GET", at, event="nope", attempt="1").status == 404
    assert call("GET", one + "/stats/series").status == 200


@pytest.mark.parametrize("template", PLACES)
def test_every_operation_of_pulumi(engine, receiver, template):
    official = Document(OFFICIAL)
    walk_hooks(engine, receiver, [official, Document(OURS)], template,
               PLACES[template])
    documented = {
        (method, path, status)
        for path, item in OFFICIAL["paths"].items()
        if path.startswith(template)
        for method, operation in item.items() if method != "parameters"
        for status in operation["responses"]}
    missing = {d for d in documented - official.seen
               if d[0] != "patch" or d[2] != "404"}
    assert not missing


def walk_own(engine, call, base, values):
    """What neither API has, of a hook or an organization."""
    assert call("GET", base + "/stats", **values).status == 200
    assert call("GET", base + "/stats/series", **values).status == 200
    assert call("POST", base + "/replay", {"kinds": ["z.z"]},
                **values).status == 200
    assert call("POST", base + "/replay", {"state": 1}, **values).status == 400
    at = base + "/dead/discard"
    assert call("POST", at, {"kinds": ["z.z"]}, **values).status == 200
    assert call("POST", at, {"state": "dead"}, **values).status == 400
    assert call("GET", base + "/replays", **values).status == 200
    one, unknown = base + "/replays/{replayId}", {"replayId": "0" * 8}
    assert call("GET", one, **values, **unknown).status == 404
    assert call("DELETE", one, **values, **unknown).status == 404
    assert call("GET", base + "/tail", token=None, **values).status == 401


def walk_payload(call, base, event):
    """The payload of an event is erased."""
    payload = base + "/events/{event}/payload"
    assert call("GET", payload, event=event).json()["payloadErased"] is False
    assert call("DELETE", payload, event=event).status == 202
    assert call("GET", payload, event=event).json()["orderedAt"] > 0
    for method in ("GET", "DELETE"):
        assert call(method, payload, event="0" * 8).status == 404
    return payload


def walk_keys(call, base, **values):
    """The keys that an organization signs with."""
    keys, public = base + "/signing-keys", base + "/.well-known/jwks.json"
    assert call("GET", public, token=None, **values).status == 404
    assert call("GET", keys, **values).json() == []
    assert call("POST", keys, {"key": 1}, **values).status == 400
    assert call("POST", keys, {}, **values).status == 201
    assert call("POST", keys, {}, **values).json()[1]["until"]
    assert len(call("GET", public, token=None, **values).json()["keys"]) == 2


def test_the_other_operations(engine, receiver):
    ours = Document(OURS)

    def call(method, template, value=None, port=None, headers=None, token=...,
             **values):
        path = fill(template, {"orgName": "acme", "projectName": "web",
                               "stackName": "prod", **AKINON, **values})
        reply = engine.request(
            port or engine.api_port, method, path,
            None if value is None else compact(value).encode(),
            {"Content-Type": "application/json", **(headers or {})}, token)
        ours.judge(method, template, reply)
        return reply

    for prefix in ("", "/api/v1"):
        base = (prefix + "/organizations/{organizationId}/projects/{projectId}"
                "/settings/webhooks")
        if prefix:
            values = {"projectId": "0" * 24}
        else:
            values = {"projectId": AKINON["projectId"]}
        body = {"name": "Watcher", "url": receiver.url(),
                "events": ["a.b"], "headers": {"X-A": "1"}}
        assert call("GET", base, **values).json() == []
        made = call("POST", base, body, **values).json()
        values["webhookId"] = made["_id"]
        assert call("POST", base, {}, **values).status == 400
        one = base + "/{webhookId}"
        assert call("GET", one, **values).status == 200
        assert call("GET", one, **{**values, "webhookId": "x"}).status == 400
        assert call("PATCH", one, {"active": True}, **values).status == 200
        assert call("PATCH", one, {"signingKey": "own"}, **values).status == 200
        assert call("GET", one + "/.well-known/jwks.json", **values).status == 200
        ping = call("POST", one + "/ping", **values)
        assert ping.status == 200
        assert call("GET", one + "/status", **values).json()["state"] == "ok"
        assert len(call("GET", one + "/deliveries", **values).json()) == 1
        walk_own(engine, call, one, values)
        sent = {**values, "event": ping.json()["id"], "attempt": "1"}
        assert call("GET", one + "/deliveries/{event}/attempts/{attempt}",
                    **sent).status == 200
        assert call("GET", one + "/deliveries/{event}/request",
                    **sent).status == 200
        again = one + "/deliveries/{event}/redeliver"
        assert call("POST", again, event=ping.json()["id"],
                    **values).status == 200
        assert call("GET", one, token=None, **values).status == 401
        assert call("DELETE", one, **values).status == 204
        assert call("GET", one, **values).status == 404
        events = base.replace("settings/webhooks", "events")
        assert call("POST", events, {"event": "a.b"}, engine.ingest_port,
                    **values).status == 202
        assert call("POST", events, {}, engine.ingest_port,
                    **values).status == 400
    intake = "/api/orgs/{orgName}/events"
    event = {"kind": "stack", "payload": {
        "action": "created", "projectName": "web", "stackName": "prod"}}
    for status, value in ((202, event), (400, {}), (400, [])):
        assert call("POST", intake, value,
                    engine.ingest_port).status == status
    key = {"Idempotency-Key": "k"}
    call("POST", intake, event, engine.ingest_port, key)
    other = {"kind": "a.b", "payload": {}}
    assert call("POST", intake, other, engine.ingest_port, key).status == 409
    reply = engine.intake(compact(event).encode() * 1, content_type="a/b")
    ours.judge("POST", intake, reply)
    reply = engine.intake(compact(event).encode() + b"\n",
                          content_type="application/x-ndjson")
    ours.judge("POST", intake, reply)
    assert reply.json()["accepted"] == 1
    walk_keys(call, "/api/orgs/{orgName}")
    tokens = "/api/orgs/{orgName}/tokens"
    made = call("POST", tokens, {"scopes": ["read"]}).json()
    assert call("POST", tokens, {}).status == 400
    assert call("GET", tokens, token=made["token"]).status == 403
    assert len(call("GET", tokens).json()) == 1
    one = tokens + "/{tokenId}"
    assert call("POST", one + "/rotate", {"overlap": "1h"}, tokenId=made["id"]).status == 201
    assert call("POST", one + "/rotate", {"overlap": 1}, tokenId=made["id"]).status == 400
    for at in ("/api/orgs/{orgName}", "/organizations/{organizationId}",
               "/api/v1/organizations/{organizationId}"):
        kind = at + "/kinds/{kind}"
        assert call("PUT", kind, {"example": 1, "schema": True}, kind="a.b").status == 200
        assert call("PUT", kind, {"schema": 1}, kind="a.b").status == 400
        assert call("GET", kind, kind="a.b").status == 200
        assert call("GET", at + "/kinds").status == 200
        assert call("DELETE", kind, kind="a.b").status == 204
        assert call("DELETE", kind, kind="a.b").status == 404
    assert call("DELETE", one, tokenId=made["id"]).status == 204
    assert call("DELETE", one, tokenId=made["id"]).status == 404
    stack = "/api/stacks/{orgName}/{projectName}/{stackName}"
    assert call("GET", stack).status == 200
    assert call("GET", stack, stackName="nope").status == 200
    project = "/api/stacks/{orgName}/{projectName}"
    assert call("GET", project).status == 200
    assert call("GET", project, projectName="nope").status == 404
    assert call("POST", project, {"stackName": "made", "tags": {}}).status == 200
    assert call("POST", project, {"stackName": "made"}).status == 409
    assert call("POST", project, {"stackName": "x", "teams": ["t"]}).status == 400
    assert call("GET", stack + "/export", stackName="made").status == 200
    assert call("DELETE", stack, stackName="made").status == 204
    assert call("DELETE", stack, stackName="made").status == 404
    env = "/api/esc/environments/{orgName}/{projectName}/{envName}"
    assert call("GET", env, projectName="default", envName="dev").status == 200
    assert call("GET", env, envName="nope").status == 404
    assert call("DELETE", env, envName="nope").status == 404
    hook = engine.create_hook(
        receiver.url(), "/api/esc/environments/acme/web/dev/hooks",
        projectName="web", envName="dev")
    assert call("DELETE", env, envName="dev").status == 409
    engine.api("DELETE", hook)
    assert call("DELETE", env, envName="dev").status == 204
    for path in ("/api/user/stacks", "/api/esc/environments",
                 "/api/esc/environments/{orgName}"):
        assert call("GET", path).status == 200, path
    for path in ("/api/user", "/api/user/organizations/default",
                 "/api/capabilities", "/api/cli/version", "/healthz",
                 "/readyz", "/metrics", "/api/openapi.json", "/api/status",
                 "/api/config",
                 "/api/kinds", "/api/orgs/{orgName}/places",
                 "/api/openapi/pulumi-spec.json", "/dashboard"):
        assert call("GET", path).status == 200, path
    assert call("GET", "/dashboard/{path}", path="app.js").status == 200
    assert call("GET", "/api/session").json()["admin"] is True
    assert call("GET", "/api/session", token=None).status == 401
    link = call("POST", "/api/login-codes", {"org": "acme", "scopes": ["read"],
                                             "ttl": "30d"})
    assert link.status == 201
    assert call("POST", "/api/login-codes", {"ttl": "30d"}).status == 400
    code = {"code": link.json()["code"]}
    assert call("POST", "/dashboard/session", code, token=None).status == 204
    assert call("POST", "/dashboard/session", code, token=None).status == 401
    assert call("POST", "/dashboard/session").status == 204
    assert call("DELETE", "/dashboard/session").status == 204
    akinon = "/organizations/{organizationId}/projects/{projectId}"
    walk_own(engine, call, "/api/orgs/{orgName}", {})
    assert call("GET", "/api/orgs/{orgName}/deliveries").status == 200
    for place in ("/api/stacks/{orgName}/{projectName}/{stackName}",
                  "/api/esc/environments/{orgName}/{projectName}/{envName}"):
        assert call("GET", place + "/events", envName="dev").status == 200
    for base, values in (("/api/orgs/{orgName}", {}),
                         (akinon, {"projectId": AKINON["projectId"]}),
                         ("/api/v1" + akinon, {"projectId": "0" * 24})):
        for what in ("/status", "/kinds"):
            assert call("GET", base.partition("/projects")[0] + what,
                        **values).status == 200
        body = event if base.startswith("/api/orgs") else {"event": "a.b"}
        assert call("POST", base + "/explain", body, **values).status == 200
        assert call("POST", base + "/explain", {}, **values).status == 400
        assert call("POST", base + "/dead/discard", {},
                    **values).status == 200
        posted = call("POST", base + "/events", body, engine.ingest_port,
                      **values).json()["id"]
        assert posted in [e["id"] for e in call("GET", base + "/events", **values).json()]
        one = base + "/events/{event}"
        assert call("GET", one, event=posted, **values).status == 200
        assert call("GET", one, event="0" * 8, **values).status == 404
        if base.startswith("/api/orgs"):
            erased, payload = posted, walk_payload(call, base, posted)
    for prefix in ("", "/api/v1"):
        base = prefix + "/organizations/{organizationId}"
        walk_own(engine, call, base, {})
        walk_keys(call, base, organizationId=f"{len(prefix):024x}")
        assert call("GET", prefix + "/organizations").status == 200
        assert call("GET", base + "/deliveries").status == 200
        assert call("GET", base + "/events/{event}", event=posted).status == 200
        assert posted in [e["id"] for e in call("GET", base + "/events").json()]
        walk_payload(call, base, posted)
        posted = call("POST", prefix + akinon + "/events", {"event": "a.b"},
                      engine.ingest_port).json()["id"]
        assert call("POST", base + "/dead/discard", {}).status == 200
    wait_for(lambda: call("GET", payload, event=erased).json()["done"], "it is erased")
    assert call("DELETE", payload, event=erased).status == 200
    assert [o["organization"] for o in call("GET", "/api/orgs").json()][0] == "acme"
    whole = "/api/orgs/{orgName}"
    assert call("GET", whole + "/export").body.endswith(b"}\n")
    assert call("GET", whole + "/export", orgName="nosuch").status == 404
    kept = whole + "/retention"
    assert call("PUT", kept, {"delivered": "3d"}).json() == call("GET", kept).json()
    assert call("PUT", kept, {"dead": "31d"}).status == 400
    assert call("DELETE", kept).json()["own"] is False
    assert call("DELETE", whole, orgName="nosuch").status == 404
    assert call("POST", intake, event, engine.ingest_port, orgName="leaving").status == 202
    erasure = call("DELETE", whole, orgName="leaving").json()
    assert [e["id"] for e in call("GET", "/api/erasures").json()] == [erasure["id"]]
    one = "/api/erasures/{erasureId}"
    assert call("GET", one, erasureId=erasure["id"]).status == 200
    assert call("GET", one, erasureId="x").status == 404
    hooks = [p for p in OURS["paths"] if "/hooks" in p]
    walked = {(m, p) for m, p, _ in ours.seen}
    documented = {(m, p) for p, item in OURS["paths"].items()
                  for m in item if m in ("get", "post", "put", "patch", "delete")}
    assert {d for d in documented if d[1] not in hooks} == walked


def test_the_document_is_the_one_in_the_tree(engine):
    assert json.loads(engine.api("GET", "/api/openapi.json",
                                 token=None).body) == OURS


def test_routes_and_document_name_the_same_paths(engine):
    """What is not documented is not there, and the other way round."""
    for path, item in OURS["paths"].items():
        if path.endswith("/events"):
            continue
        reply = engine.api("OPTIONS", re.sub(r"{\w+}", "0" * 24, path))
        assert reply.status == 204, (path, reply)
        allowed = set(reply.headers["allow"].lower().split(", "))
        assert allowed - {"head", "options"} == set(item) - {
            "parameters", "servers"}, path
    source = (ROOT / "api/routes.c").read_text()
    names = set(re.findall(r"\{(\w+)\}", source))
    assert names == {"org", "project", "stack", "env", "hook", "event",
                     "token", "replay", "path", "attempt", "erasure", "kind"}
    tails = {re.sub(r"{\w+}", "{}", p) for p in OURS["paths"]}
    for pattern in re.findall(r'"(/[^"]*)"', source):
        shape = re.sub(r"{\w+}", "{}", pattern)
        assert any(t.endswith(shape) or shape in t for t in tails), pattern


# --- the fuzzer ---

# Not positive_data_acceptance: what a URL, a name or a filter may be is more
# than a schema can say.
CHECKS = ("not_a_server_error,status_code_conformance,"
          "content_type_conformance,response_headers_conformance,"
          "response_schema_conformance,negative_data_rejection,"
          "unsupported_method,missing_required_header")


def fuzz(engine, tmp_path, port, parameters, *options):
    config = tmp_path / "schemathesis.toml"
    # Wrong data may also be too large.
    config.write_text("[checks]\nnegative_data_rejection.expected-statuses = "
                      "[400, 401, 403, 404, 405, 409, 413, 414, 415, 431]\n"
                      "[parameters]\n" + "".join(
        f"{json.dumps(name)} = {json.dumps(value)}\n"
        for name, value in parameters.items()))
    program = Path(sys.executable).parent / "schemathesis"
    result = subprocess.run(
        [str(program), "--config-file", str(config), "run",
         str(ROOT / "api/openapi.json"), "--url", f"http://127.0.0.1:{port}",
         "-H", f"Authorization: token {engine.token}", "--seed", "20261121",
         "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
         "--generation-database", "none", "--no-color", *options],
        capture_output=True, text=True, timeout=300, cwd=tmp_path)
    failures = "\n".join(line[:300] for line in result.stdout.splitlines())
    assert result.returncode == 0, failures[:8000] + result.stderr
    assert re.search(r"\d+ generated", result.stdout), result.stdout


def n_examples(few, many, request):
    return str(many if request.config.getoption("--long") else few)


def test_fuzz_api(engine, tmp_path, request):
    """Any parameters: mostly of things that are not there. Nothing is sent:
    no event comes in, and pings meet no hook."""
    same = ""  # the same handlers, in other places
    less = []
    if not request.config.getoption("--long"):
        same = "|^/api/(preview|esc|stacks|v1)/|^/organizations/[^/]*/(?!projects)"
        # Each parameter at its bounds is asked for where there is something.
        less = ["--exclude-method", "GET", "--phases", "examples,fuzzing"]
    fuzz(engine, tmp_path, engine.api_port, {}, "--exclude-path-regex",
         "(events|ping|redeliver|tail)$" + same, "--max-examples",
         n_examples(2, 300, request), *less)


@pytest.mark.settings(request_timeout="2s", connect_timeout="1s")
def test_fuzz_what_is_there(engine, receiver, tmp_path, request):
    """A hook that stays, with a history: reads, pings, redeliveries."""
    engine.create_hook(receiver.url(), name="fuzz")
    engine.create_hook(receiver.url(), "/api/stacks/acme/web/prod/hooks",
                       name="fuzz")
    event = engine.post_event("stack", {
        "action": "created", "projectName": "web", "stackName": "prod"})
    engine.wait_deliveries("/api/orgs/acme/hooks/fuzz", 1)
    fuzz(engine, tmp_path, engine.api_port, {
        "path.orgName": "acme", "path.projectName": "web",
        "path.stackName": "prod", "path.hookName": "fuzz",
        "path.event": event},
        "--include-path-regex",
        "^/api/" + n_examples("orgs", "(orgs|stacks)", request),
        "--exclude-path-regex",
        "(events|tail)$", "--exclude-method", "DELETE", "--exclude-method", "PATCH", "--max-examples",
        n_examples(3, 200, request))


def test_fuzz_intake(engine, tmp_path, request):
    """Without --long, once for each of the two bodies that it takes: the other places have
    the same handlers, and test_the_other_operations asks each of them."""
    fuzz(engine, tmp_path, engine.ingest_port, {}, "--include-path-regex",
         n_examples("^/api/orgs/[^/]*/events$|^/organizations/[^/]*/projects/.*events$",
                    "events$", request),
         "--max-examples", n_examples(10, 1000, request))
