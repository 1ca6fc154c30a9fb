# SPDX-License-Identifier: MIT
"""Akinon App Maker's webhooks: hooks, events, what arrives; and that the two
APIs do not see each other."""

import json
import re
import uuid

import pytest

from support import compact, wait_for

pytestmark = pytest.mark.shared

ORG = "5f0c1a2b3c4d5e6f70819203"
PROJECT = "63ea10b94a472e003305232b"
OTHER = "000000000000000000000001"
PATH = f"/organizations/{ORG}/projects/{PROJECT}/settings/webhooks"
EVENTS = f"/organizations/{ORG}/projects/{PROJECT}/events"
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
ID = re.compile(r"^[0-9a-f]{24}$")
BUILD = "deployment.build.created"


def hook_body(url="https://example.com/in", **more):
    return {"name": "Build watcher", "url": url, "events": [BUILD], **more}


def create(engine, url, path=PATH, **more):
    reply = engine.api("POST", path, hook_body(url, **more))
    assert reply.status == 201, reply
    engine.settle_hooks()
    return f"{path}/{reply.json()['_id']}"


def post(engine, event=BUILD, path=EVENTS, headers=None, **more):
    return engine.request(
        engine.ingest_port, "POST", path,
        compact({"event": event, **more}).encode(),
        {"Content-Type": "application/json", **(headers or {})})


def check_error(reply, status, word=""):
    body = reply.json()
    assert reply.status == status, reply
    assert body["code"] == body["statusCode"] == status
    assert body["message"].startswith(f"{body['error']}: ")
    assert word in body["message"], body


# --- hooks ---

@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_life_of_a_hook(engine, prefix):
    path = prefix + PATH
    assert engine.api("GET", path).json() == []
    reply = engine.api("POST", path, hook_body(
        headers={"Authorization": "Bearer 1", "X-Team": "a, b"}))
    assert reply.status == 201
    made = reply.json()
    assert ID.match(made["_id"])
    assert TIME.match(made["createdAt"]) and TIME.match(made["updatedAt"])
    # What a strict client of the published answer, a project, wants besides.
    assert re.match(r"^[a-z0-9-]{2,100}$", made.pop("slug"))
    assert made.pop("organization") == ORG
    assert made.pop("project") == PROJECT
    assert made.pop("status") == "draft"
    assert made == {
        "_id": made["_id"], "name": "Build watcher",
        "url": "https://example.com/in", "active": True, "events": [BUILD],
        "headers": {"Authorization": "Bearer 1", "X-Team": "a, b"},
        "createdAt": made["createdAt"], "updatedAt": made["updatedAt"]}
    one = f"{path}/{made['_id']}"
    assert engine.api("GET", one).json() == made
    assert engine.api("GET", one.upper().replace(
        path.upper(), path)).json() == made
    assert engine.api("GET", path).json() == [made]
    reply = engine.api("PATCH", one, {"active": False})
    assert reply.status == 200
    changed = reply.json()
    assert changed["active"] is False
    assert changed["updatedAt"] >= made["updatedAt"]
    assert {**changed, "active": True, "updatedAt": made["updatedAt"]} == made
    assert engine.api("PATCH", one, {"headers": {}, "events": ["a.b"]}).json()[
        "headers"] == {}
    reply = engine.api("DELETE", one)
    assert reply.status == 204 and reply.body == b""
    check_error(engine.api("GET", one), 404)
    check_error(engine.api("DELETE", one), 404)
    check_error(engine.api("PATCH", one, {"active": True}), 404)


@pytest.mark.smoke
def test_both_prefixes_are_one_place(engine):
    hook = create(engine, "https://example.com/")
    assert engine.api("GET", "/api/v1" + hook).status == 200


@pytest.mark.parametrize("header", [
    lambda token: {"Authorization": f"Bearer {token}"},
    lambda token: {"x-access-token": token},
    lambda token: {"Authorization": f"token {token}"}])
def test_every_way_to_show_a_token(engine, header):
    for port, path, body in ((engine.api_port, PATH, None),
                             (engine.ingest_port, EVENTS,
                              compact({"event": BUILD}).encode())):
        reply = engine.request(
            port, "POST" if body else "GET", path, body,
            {"Content-Type": "application/json", **header(engine.token)},
            token=None)
        assert reply.status in (200, 202), reply


def test_no_token(engine):
    check_error(engine.api("GET", PATH, token=None), 401)
    check_error(engine.api("GET", PATH, token="wrong-wrong-wrong"), 401)
    check_error(engine.request(engine.ingest_port, "POST", EVENTS, b"{}",
                               {"Content-Type": "application/json"},
                               token=None), 401)


@pytest.mark.parametrize("body, word", [
    ({}, "name is required"),
    ({"name": "ab", "url": "https://a"}, "events is required"),
    ({"name": "", "url": "https://a", "events": [BUILD]}, "name"),
    ({"name": "a" * 101, "url": "https://a", "events": [BUILD]}, "name"),
    ({"name": 1, "url": "https://a", "events": [BUILD]}, "name must be a"),
    (hook_body("example.com"), "url: "),
    (hook_body("ftp://example.com"), "url: "),
    (hook_body(events=None), "events"),
    (hook_body(events=[""]), "no event like"),
    (hook_body(events=["."]), "no event like"),
    (hook_body(events=["build."]), "no event like"),
    (hook_body(events="deployment.build.created"), "events"),
    (hook_body(events=[["deployment.build.created"]]), "events"),
    (hook_body(events=["a.b.c.d.e.f"]), "a.b.c.d.e.f"),
    (hook_body(events=["Deployment.Build"]), "events: "),
    (hook_body(events=["deployment.*"]), "events: "),
    (hook_body(active="yes"), "active must be true or false"),
    (hook_body(headers=[]), "headers must be an object"),
    (hook_body(headers={"X-A": 1}), "X-A"),
    (hook_body(headers={"X-A": "1\r\nX-Evil: 2"}), "X-A"),
    (hook_body(headers={"X-A": "1\n"}), "X-A"),
    (hook_body(headers={"X-A": "\0"}), "X-A"),
    (hook_body(headers={"X-A": "é"}), "X-A"),
    (hook_body(headers={"X-A": ""}), "X-A"),
    (hook_body(headers={"X-A": " a"}), "X-A"),
    (hook_body(headers={"X-A": "a" * 4097}), "X-A"),
    (hook_body(headers={"": "a"}), "headers: "),
    (hook_body(headers={"X A": "a"}), "X A"),
    (hook_body(headers={"X-A:": "a"}), "X-A:"),
    (hook_body(headers={"X\r\nY": "a"}), "headers: "),
    (hook_body(headers={f"X-{n}": "a" for n in range(33)}), "more than 32"),
    *((hook_body(headers={name: "a"}), name) for name in (
        "Host", "content-length", "Content-Type", "Transfer-Encoding", "TE",
        "Trailer", "Connection", "Keep-Alive", "Upgrade", "Expect",
        "Proxy-Authorization", "Cookie2", "Pulumi-Webhook-Id",
        "webhook-signature", "X-Webhook-Id", "X-WEBHOOK-EVENT")),
])
def test_bad_hooks(engine, body, word):
    check_error(engine.api("POST", PATH, body), 400, word)
    assert engine.api("GET", PATH).json() == []


def test_what_the_schema_takes_is_taken(engine, receiver):
    """A name of one letter, no events, and events without a dot."""
    made = engine.api("POST", PATH, hook_body(receiver.url("/one"), name="x",
                                              events=["build", "ready"]))
    assert made.status == 201, made
    assert [made.json()["name"], made.json()["events"]] == ["x", ["build", "ready"]]
    assert re.fullmatch("[a-z0-9-]{2,100}", made.json()["slug"])
    none = engine.api("POST", PATH, hook_body(receiver.url("/none"), events=[]))
    assert none.status == 201 and none.json()["events"] == []
    for event in ("build", "other", "ready"):
        reply = engine.request(engine.ingest_port, "POST", EVENTS,
                               compact({"event": event, "data": {}}).encode(),
                               {"Content-Type": "application/json"})
        assert reply.status == 202, reply
    receiver.wait(2, "/one")
    assert sorted(r.headers["x-webhook-event"] for r in receiver.got("/one")) == [
        "build", "ready"]
    # Who asks for nothing gets nothing, but for pings.
    one = f"{PATH}/{none.json()['_id']}"
    assert engine.api("POST", f"{one}/ping").status == 200
    assert [r.headers["x-webhook-event"] for r in receiver.got("/none")] == ["ping"]
    reply = engine.api("PATCH", one, {"events": ["other"], "name": "y"})
    assert [reply.json()["name"], reply.json()["events"]] == ["y", ["other"]]
    assert engine.api("PATCH", one, {"events": []}).json()["events"] == []
    # What only the API sends is not posted.
    check_error(engine.request(engine.ingest_port, "POST", EVENTS,
                               compact({"event": "ping"}).encode(),
                               {"Content-Type": "application/json"}), 400, "ping")


def test_bad_ids(engine):
    for path in (PATH.replace(ORG, "acme"), PATH.replace(PROJECT, "web"),
                 PATH.replace(ORG, ORG + "0"), PATH.replace(ORG, ORG[:-1] + "g"),
                 f"{PATH}/nope"):
        check_error(engine.api("GET", path), 400, "24 hexadecimal digits")
    check_error(engine.api("GET", f"{PATH}/{OTHER}"), 404)
    check_error(post(engine, path=EVENTS.replace(ORG, "acme")), 400,
                "organizationId")
    check_error(post(engine, path=EVENTS.replace(PROJECT, "x")), 400,
                "projectId")


def test_methods(engine):
    reply = engine.api("PUT", PATH, {})
    check_error(reply, 405)
    assert "POST" in reply.headers["allow"] and "GET" in reply.headers["allow"]
    assert engine.api("HEAD", PATH).status == 200
    assert engine.api("OPTIONS", PATH).status == 204


# --- events and deliveries ---

@pytest.mark.parametrize("prefix", ["", "/api/v1"])
def test_delivery(engine, receiver, prefix):
    hook = create(engine, receiver.url("/in?a=1&b=%20x"), headers={
        "Authorization": "Bearer secret", "User-Agent": "mine/1", "X-Z": "z"})
    data = {"build": 7, "name": "é🍹", "nested": {"a": [1, None]}}
    reply = post(engine, path=prefix + EVENTS, data=data)
    assert reply.status == 202, reply
    (request,) = receiver.wait(1)
    assert request.method == "POST"
    assert request.path == "/in?a=1&b=%20x"
    body = json.loads(request.body)
    assert TIME.match(body.pop("createdAt"))
    assert body == {"id": reply.json()["id"], "event": BUILD,
                    "organization": ORG, "project": PROJECT, "data": data}
    headers = request.headers
    assert headers["content-type"] == "application/json"
    assert headers["x-webhook-id"] == reply.json()["id"]
    assert headers["x-webhook-event"] == BUILD
    assert headers["authorization"] == "Bearer secret"
    assert headers["user-agent"] == "mine/1"
    assert headers["x-z"] == "z"
    assert not [h for h in headers if h.startswith("pulumi")]
    (record,) = engine.wait_deliveries(hook, 1)
    assert record["payload"].encode() == request.body
    assert record["id"] == reply.json()["id"] and record["kind"] == BUILD
    names = [line.split(":")[0].lower()
             for line in record["requestHeaders"].split("\r\n")[:-1]]
    assert names == sorted(names) and "x-z" in names
    assert "Bearer secret" not in engine.log()


@pytest.mark.shared(books=True)
def test_events_are_chosen_by_equality(engine, receiver):
    create(engine, receiver.url("/build"))
    create(engine, receiver.url("/both"),
           events=["distribution.failed", BUILD])
    create(engine, receiver.url("/off"), active=False)
    create(engine, receiver.url("/other"),
           PATH.replace(PROJECT, OTHER))
    for event in (BUILD, "distribution.failed", BUILD + ".more",
                  "deployment.build"):
        assert post(engine, event).status == 202
    engine.wait_settled()
    wait_for(lambda: len(receiver.got()) == 3, "three deliveries")
    assert len(receiver.got("/build")) == 1
    assert sorted(r.headers["x-webhook-event"]
                  for r in receiver.got("/both")) == [
                      BUILD, "distribution.failed"]


@pytest.mark.shared(books=True)
def test_the_two_apis_do_not_see_each_other(engine, receiver):
    """An organization of Pulumi's may even be called like an id."""
    create(engine, receiver.url("/akinon"), events=["order.created"])
    engine.create_hook(receiver.url("/pulumi"), f"/api/orgs/{ORG}/hooks")
    assert post(engine, "order.created").status == 202
    engine.post_event("order.created", org=ORG)
    engine.wait_settled()
    wait_for(lambda: len(receiver.got()) == 2, "both")
    assert receiver.got("/akinon")[0].headers.get("pulumi-webhook-id") is None
    assert receiver.got("/pulumi")[0].headers.get("x-webhook-id") is None
    assert len(engine.api("GET", PATH).json()) == 1
    assert len(engine.api("GET", f"/api/orgs/{ORG}/hooks").json()) == 1


def test_many_lines(engine, receiver):
    create(engine, receiver.url("/in"))
    lines = "\n".join(compact({"event": BUILD, "data": {"n": n}})
                      for n in range(50))
    reply = engine.request(engine.ingest_port, "POST", EVENTS, lines.encode(),
                           {"Content-Type": "application/x-ndjson"})
    assert reply.status == 202 and reply.json()["accepted"] == 50
    numbers = {json.loads(r.body)["data"]["n"] for r in receiver.wait(50)}
    assert numbers == set(range(50))
    reply = engine.request(engine.ingest_port, "POST", EVENTS,
                           b'{"event":"a.b"}\n{"event":"A"}\n',
                           {"Content-Type": "application/x-ndjson"})
    check_error(reply, 400, "line 2: event")


@pytest.mark.shared(books=True)
def test_posting_again(engine):
    number = str(uuid.uuid4())
    first = post(engine, id=number, data={"a": 1})
    assert first.status == 202 and first.json()["id"] == number
    assert post(engine, id=number, data={"a": 1}).json()["id"] == number
    check_error(post(engine, id=number, data={"a": 2}), 409)
    key = {"Idempotency-Key": "k1"}
    made = post(engine, headers=key).json()["id"]
    assert post(engine, headers=key).json()["id"] == made
    assert engine.verify()["accepted"] == 2


@pytest.mark.parametrize("body, word", [
    (b"[]", "an object with"), (b"{}", "event is missing"),
    (b'{"event":1}', "event is a number"), (b'{"event":"Build"}', "event "),
    (b'{"event":"a.b","data":[]}', "data is an array"),
    (b'{"event":"a.b","data":null}', "data is null"),
    (b'{"event":"a.b","id":"x"}', "id is not a UUID"),
    (b'{"event":"a.b.c.d.e.f"}', "event "), (b"{", ""),
])
def test_bad_events(engine, body, word):
    reply = engine.request(engine.ingest_port, "POST", EVENTS, body,
                           {"Content-Type": "application/json"})
    check_error(reply, 400, word)


def test_ping_and_redeliver(engine, receiver):
    hook = create(engine, receiver.url("/in"), headers={"X-A": "1"})
    record = engine.api("POST", f"{hook}/ping").json()
    assert record["kind"] == "ping" and record["responseCode"] == 200
    (request,) = receiver.got()
    assert request.headers["x-webhook-event"] == "ping"
    assert request.headers["x-a"] == "1"
    assert json.loads(request.body)["event"] == "ping"
    assert record["payload"].encode() == request.body
    event = post(engine, data={"a": 1}).json()["id"]
    engine.wait_deliveries(hook, 2)
    again = engine.api("POST", f"{hook}/deliveries/{event}/redeliver")
    assert again.status == 200 and again.json()["id"] == event
    assert receiver.got()[1].body == receiver.got()[2].body
    check_error(engine.api(
        "POST", f"{hook}/deliveries/{uuid.uuid4()}/redeliver"), 404)
    check_error(engine.api("POST", f"{PATH}/{OTHER}/ping"), 404)
    check_error(engine.api("GET", f"{PATH}/{OTHER}/deliveries"), 404)
    ping = engine.api("POST", f"{hook}/deliveries/{record['id']}/redeliver")
    assert ping.status == 200 and ping.json()["id"] == record["id"]
    assert ping.json()["payload"] == record["payload"]
    assert receiver.got()[-1].body == receiver.got()[0].body
