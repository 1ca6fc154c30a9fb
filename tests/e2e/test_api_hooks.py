# SPDX-License-Identifier: MIT
"""Hooks, history, health and tokens, over HTTP."""

import hashlib
import http.client
import re
import signal
import time
from datetime import datetime, timezone

import pytest

from receiver import Answer
from support import SECRET, compact, wait_for

pytestmark = pytest.mark.shared

ORG = "/api/orgs/acme/hooks"
STACK = "/api/stacks/acme/web/prod/hooks"
ENV = "/api/esc/environments/acme/web/prod/hooks"
OLD_ENV = "/api/preview/environments/acme/prod/hooks"
JSON = {"Content-Type": "application/json"}
PLACES = {
    ORG: {"organizationName": "acme"},
    STACK: {"organizationName": "acme", "projectName": "web",
            "stackName": "prod"},
    ENV: {"organizationName": "acme", "projectName": "web", "envName": "prod"},
    OLD_ENV: {"organizationName": "acme", "projectName": "default",
              "envName": "prod"},
}


def whole(path=ORG, **fields):
    """The body of a create."""
    return {**PLACES[path], "displayName": "d", "active": True,
            "payloadUrl": "https://example.com/hook", **fields}


def create(engine, path=ORG, **fields):
    reply = engine.api("POST", path, whole(path, **fields))
    assert reply.status == 201, reply
    assert reply.headers["content-type"] == "application/json"
    return reply.json()


def check_error(reply, status, text):
    """The error body of the API: code, and a message that says what."""
    assert reply.status == status, reply
    body = reply.json()
    assert body["code"] == status
    reason = http.client.responses[status]
    assert body["message"].startswith(f"{reason}: "), body
    assert text in body["message"], body


# --- tokens ---


def test_every_spelling_of_the_token_is_understood(engine):
    token = engine.token
    assert re.fullmatch(r"pht_[0-9a-f]{64}", token)
    assert (engine.data_dir / "admin.token").stat().st_mode & 0o777 == 0o600
    for headers in (
            {"Authorization": f"token {token}"},
            {"Authorization": f"Token {token}"},
            {"authorization": f"Bearer {token}"},
            {"Authorization": f"BEARER {token}"},
            {"x-access-token": token},
            {"X-Access-Token": token}):
        reply = engine.api("GET", ORG, token=None, headers=headers)
        assert reply.status == 200, headers


def test_without_a_valid_token_there_is_one_answer(engine):
    token = engine.token
    wanted = (b'{"code":401,"message":"Unauthorized: No credentials provided '
              b'or are invalid."}')
    for headers in (
            {},
            {"Authorization": token},
            {"Authorization": f"Basic {token}"},
            {"Authorization": "token "},
            {"Authorization": f"token {token}x"},
            {"Authorization": f"token {token[:-1]}"},
            {"x-access-token": "x"}):
        for path in (ORG, f"{ORG}/x", "/nowhere", "/api/orgs/a b/hooks"):
            path = path.replace(" ", "%20")
            reply = engine.api("GET", path, token=None, headers=headers)
            assert reply.status == 401, (headers, path, reply)
            assert reply.body == wanted


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_a_token_in_the_query_is_refused(engine, name):
    reply = engine.api("GET", f"{ORG}?{name}={engine.token}")
    check_error(reply, 400, "Authorization")
    reply = engine.api("GET", f"{ORG}?a=1&{name}={engine.token}", token=None)
    assert reply.status == 400


@pytest.mark.alone
def test_a_new_token_counts_after_a_reload(engine):
    old, new = engine.token, "pht_" + "0" * 64
    (engine.data_dir / "admin.token").write_text(new + "\n")
    assert engine.api("GET", ORG, token=new).status == 401
    engine.process.send_signal(signal.SIGHUP)
    wait_for(lambda: engine.api("GET", ORG, token=new).status == 200,
             "the new token counts")
    assert engine.api("GET", ORG, token=old).status == 401


# --- paths and methods ---


def test_unknown_paths_and_methods(engine):
    check_error(engine.api("GET", "/"), 404, "no such path")
    check_error(engine.api("GET", f"{ORG}/"), 404, "no such path")
    check_error(engine.api("GET", "/api/orgs/ac%zzme/hooks"), 400, "escape")
    reply = engine.api("PUT", ORG)
    check_error(reply, 405, "PUT")
    assert reply.headers["allow"] == "GET, HEAD, POST, OPTIONS"
    reply = engine.api("OPTIONS", f"{ORG}/x")
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["allow"] == "GET, HEAD, PATCH, DELETE, OPTIONS"


@pytest.mark.smoke
def test_head_is_get_without_a_body(engine):
    get = engine.api("GET", ORG)
    head = engine.api("HEAD", ORG)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


def test_names_in_paths_are_checked(engine):
    for org in ("a%20b", "a%2Fb", "x" * 101, "%C3%A9"):
        check_error(engine.api("GET", f"/api/orgs/{org}/hooks"), 400,
                    "organization's name")
    assert engine.api("GET", f"/api/orgs/{'x' * 100}/hooks").json() == []
    check_error(engine.api("GET", "/api/stacks/acme/w%20b/prod/hooks"), 400,
                "project's name")


# --- the life of a hook ---


@pytest.mark.parametrize("path", PLACES)
def test_a_hook_lives_and_dies(engine, path):
    assert engine.api("GET", path).body == b"[]"
    made = create(engine, path, name="")
    assert re.fullmatch(r"[0-9a-f]{8}", made["name"])
    assert made == {**PLACES[path], "name": made["name"], "displayName": "d",
                    "payloadUrl": "https://example.com/hook", "active": True,
                    "format": "raw", "hasSecret": False,
                    "secretCiphertext": ""}
    hook = f"{path}/{made['name']}"
    assert engine.api("GET", hook).json() == made
    assert engine.api("GET", path).json() == [made]

    reply = engine.api("PATCH", hook, {"active": False, "displayName": "e"})
    changed = {**made, "active": False, "displayName": "e"}
    assert (reply.status, reply.json()) == (200, changed)
    assert engine.api("GET", hook).json() == changed

    # Clients send Content-Type without a body.
    reply = engine.api("DELETE", hook, headers=JSON)
    assert (reply.status, reply.body) == (204, b"")
    for method in ("GET", "DELETE"):
        check_error(engine.api(method, hook), 404,
                    f"Webhook '{made['name']}' not found")
    check_error(engine.api("PATCH", hook, {"active": True}), 404, "not found")
    assert engine.api("GET", path).body == b"[]"


def test_a_name_is_unique_in_its_place_only(engine):
    create(engine, name="Same-1.x_y")
    reply = engine.api("POST", ORG, whole(name="Same-1.x_y"))
    check_error(reply, 409, "Webhook with name Same-1.x_y already exists.")
    create(engine, STACK, name="Same-1.x_y")
    other = {**whole(name="Same-1.x_y"), "organizationName": "other"}
    assert engine.api("POST", "/api/orgs/other/hooks", other).status == 201
    engine.api("DELETE", f"{ORG}/Same-1.x_y")
    create(engine, name="Same-1.x_y")


def test_the_deprecated_path_shows_the_same_hooks(engine):
    made = create(engine, OLD_ENV)
    new = ENV.replace("/web/", "/default/")
    assert engine.api("GET", f"{new}/{made['name']}").json() == made
    assert engine.api("GET", ENV).json() == []


def test_a_list_is_complete_and_sorted_by_name(engine):
    names = [f"hook{i:03}" for i in range(120)]
    for name in reversed(names):
        create(engine, name=name)
    # Clients of Pulumi know of no pages: an empty token is as good as none.
    listed = engine.api("GET", f"{ORG}?continuationToken=").json()
    assert [hook["name"] for hook in listed] == names


def test_secrets_are_shown_as_a_code_that_tells_nothing(engine):
    """Whoever may read hooks must not be able to try secrets against it."""
    made = create(engine, secret=SECRET)
    assert made["hasSecret"]
    code = made["secretCiphertext"]
    assert re.fullmatch("[0-9a-f]{64}", code)
    assert code != hashlib.sha256(SECRET.encode()).hexdigest()
    hook = f"{ORG}/{made['name']}"
    assert SECRET.encode() not in engine.api("GET", hook).body
    # Clients send back what they got.
    assert engine.api("PATCH", hook, made).json() == made
    assert engine.api("PATCH", hook, {"secret": ""}).json() == made
    # The same secret of another hook does not look the same.
    assert create(engine, secret=SECRET)["secretCiphertext"] != code
    other = engine.api("PATCH", hook, {"secret": "other"}).json()
    assert other["secretCiphertext"] != code
    back = engine.api("PATCH", hook, {"secret": SECRET}).json()
    assert back["secretCiphertext"] == code
    gone = engine.api("PATCH", hook, {"secret": "__remove-secret"}).json()
    assert (gone["hasSecret"], gone["secretCiphertext"]) == (False, "")
    assert SECRET not in engine.log()


def test_an_update_with_the_whole_state_empties_lists(engine):
    made = create(engine, filters=["refresh failed", "order.*"],
                  groups=["stacks", "deployments"])
    assert made["filters"] == ["refresh_failed", "order.*"]
    assert made["groups"] == ["deployments", "stacks"]
    hook = f"{ORG}/{made['name']}"
    assert engine.api("PATCH", hook, {"active": True}).json() == made
    state = {k: made[k] for k in ("displayName", "payloadUrl", "active")}
    bare = engine.api("PATCH", hook, {**state, "groups": ["policies"]}).json()
    assert "filters" not in bare and bare["groups"] == ["policies"]
    assert "groups" not in engine.api("PATCH", hook, state).json()


@pytest.mark.alone
def test_hooks_survive_a_restart(engine):
    made = create(engine, secret="s", filters=["order.created"])
    assert engine.stop() == 0
    engine.restart()
    assert engine.api("GET", f"{ORG}/{made['name']}").json() == made


def test_a_bad_create_stores_nothing(engine):
    for fields, text in (
            ({"organizationName": "other"}, "Organization name from request "
             "body doesn't match URL."),
            ({"displayName": ""}, "displayName"),
            ({"displayName": None}, "displayName is required"),
            ({"active": None}, "active is required"),
            ({"payloadUrl": "ftp://example.com"}, "payloadUrl"),
            ({"payloadUrl": "example.com"}, "payloadUrl"),
            ({"payloadUrl": "http://user:pass@example.com"}, "payloadUrl"),
            ({"payloadUrl": "http://a/\r\nX: y"}, "payloadUrl"),
            ({"name": "a/b"}, "name must be"),
            ({"filters": ["update_faild"]}, "did you mean update_failed?"),
            ({"groups": ["nobody"]}, "groups are: stacks"),
            ({"format": "yaml"}, "format must be one of"),
            ({"format": "akinon"}, "format must be one of"),
            ({"format": "pulumi_deployments", "payloadUrl": "a/b"},
             "can only be used on stack or environment webhooks."),
            ({"secret": "x" * 1025}, "secret must be at most 1024 bytes")):
        check_error(engine.api("POST", ORG, whole(**fields)), 400, text)
    assert engine.api("GET", ORG).json() == []


def test_bodies_are_checked_before_their_content(engine):
    body = compact(whole())
    for content_type in ("text/plain", "application/jsonx",
                         "application/x-www-form-urlencoded"):
        reply = engine.api("POST", ORG, body=body,
                           headers={"Content-Type": content_type})
        check_error(reply, 415, "application/json")
    check_error(engine.api("POST", ORG, body=body), 415, "Content-Type")
    reply = engine.api("POST", ORG, body=body, headers={
        "Content-Type": "application/json; charset=utf-8",
        "Accept": "application/vnd.pulumi+8"})
    assert reply.status == 201
    check_error(engine.api("POST", ORG, headers=JSON), 400, "body is empty")
    check_error(engine.api("POST", ORG, body="{", headers=JSON), 400,
                "not JSON")
    check_error(engine.api("POST", ORG, body="[]", headers=JSON), 400,
                "JSON object")
    reply = engine.api("POST", ORG, body=b" " * (256 * 1024 + 1), headers=JSON)
    assert reply.status == 413


@pytest.mark.shared(books=True)
def test_a_change_reaches_the_dispatcher(engine, receiver):
    hook = engine.create_hook(receiver.url("/one"))
    first = engine.post_event()
    assert receiver.wait(1)[0].id == first
    engine.api("PATCH", hook, {"payloadUrl": receiver.url("/two")})
    engine.settle_hooks()
    second = engine.post_event()
    assert receiver.wait(1, "/two")[0].id == second
    assert len(receiver.got("/one")) == 1
    engine.api("DELETE", hook)
    engine.settle_hooks()
    engine.post_event()
    assert engine.wait_settled()["matched"] == 2
    assert len(receiver.got()) == 2


# --- history ---


def test_a_record_says_what_was_sent_and_what_came(engine, receiver):
    receiver.script("/", Answer(201, b"caf\xc3\xa9 \xff",
                                {"X-Told": "yes"}))
    hook = engine.create_hook(receiver.url(), secret=SECRET)
    before = time.time()
    event = engine.post_event("order.created", {"b": 1, "a": [1.50, "é"]})
    record, = engine.wait_deliveries(hook, 1)
    request, = receiver.got()
    assert record["id"] == event
    assert record["kind"] == "order.created"
    assert record["payload"] == '{"b":1,"a":[1.5,"é"]}'
    assert record["payload"].encode() == request.body
    assert isinstance(record["timestamp"], int)
    assert int(before) <= record["timestamp"] <= time.time()
    assert isinstance(record["duration"], int) and record["duration"] >= 0
    assert record["requestUrl"] == receiver.url()
    lines = record["requestHeaders"].split("\r\n")
    assert lines[-1] == "" and lines[:-1] == sorted(lines[:-1])
    assert f"Pulumi-Webhook-Id: {event}" in lines
    assert record["responseCode"] == 201
    assert "X-Told: yes\r\n" in record["responseHeaders"]
    assert record["responseBody"] == "café \ufffd"
    assert (record["attempt"], record["state"]) == (1, "delivered")
    assert record["nextAttemptAt"] is None and record["error"] is None
    assert before * 1000 - 1 <= record["acceptedAt"] <= time.time() * 1000
    assert set(record["timing"]) == {
        "queueUs", "dnsUs", "connectUs", "tlsUs", "firstByteUs", "totalUs",
        "reusedConnection"}
    assert record["timing"]["totalUs"] >= record["timing"]["firstByteUs"] > 0
    assert SECRET not in compact(record)


@pytest.mark.settings(retry_schedule="10ms,10ms")
def test_pages_come_newest_first_and_join_without_a_gap(engine, receiver):
    receiver.script("/", Answer(500))
    # One at a time: attempts end in the order of their begins, which the rows show.
    hook = engine.create_hook(receiver.url(), maxInFlight=1)
    for number in range(4):
        engine.post_event(payload={"number": number})
    rows = engine.wait_deliveries(hook, 12)
    assert len(rows) == 12
    times = [row["timestamp"] for row in rows]
    assert times == sorted(times, reverse=True)

    paged, path = [], f"{hook}/deliveries?limit=5&kind=order.created"
    while path:
        reply = engine.api("GET", path)
        page = reply.json()
        assert len(page) in (5, 2)
        paged += page
        link = reply.headers.get("link")
        assert (link is None) == ("x-continuation-token" not in reply.headers)
        if link:
            path, = re.fullmatch(r'<(.*)>; rel="next"', link).groups()
            token = reply.headers["x-continuation-token"]
            assert path == (f"{hook}/deliveries?limit=5&kind=order.created"
                            f"&continuationToken={token}")
        else:
            path = None
    assert paged == rows
    # A page that ends with the last row announces no other.
    assert "link" not in engine.api("GET", f"{hook}/deliveries?limit=12"
                                    ).headers


@pytest.mark.settings(retry_schedule="10ms")
def test_filters_pick_records(engine, receiver):
    receiver.script("/", Answer(503), Answer(503),
                    Answer(200))
    hook = engine.create_hook(receiver.url())
    dead = engine.post_event("order.created")
    engine.wait_deliveries(hook, 2)
    good = engine.post_event("order.closed")
    engine.wait_deliveries(hook, 3)

    def ids(query):
        return [row["id"] for row in engine.deliveries(hook, query)]

    assert ids("") == [good, dead, dead]
    assert ids(f"?id={dead}") == [dead, dead]
    assert ids("?kind=order.closed&unknown=1") == [good]
    assert ids("?code=503&limit=1") == [dead]
    assert ids("?state=dead") == [dead]
    assert ids("?state=delivered") == [good]
    now = datetime.now(timezone.utc)
    assert ids(f"?since={int(now.timestamp()) + 2}") == []
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert ids(f"?until={stamp}") == [good, dead, dead]
    assert ids(f"?since={stamp}") == []


def test_bad_queries_of_a_history_are_refused(engine, receiver):
    hook = engine.create_hook(receiver.url())
    other = engine.create_hook(receiver.url())
    for number in range(3):
        engine.post_event(payload={"number": number})
    engine.wait_deliveries(hook, 3)
    for query in ("limit=0", "limit=1001", "limit=x", "code=1e3", "id=7",
                  "since=tomorrow", "state=sleeping", "continuationToken=x"):
        reply = engine.api("GET", f"{hook}/deliveries?{query}")
        check_error(reply, 400, query.split("=")[0])
    token = engine.api("GET", f"{hook}/deliveries?limit=1"
                       ).headers["x-continuation-token"]
    assert len(engine.deliveries(hook, f"?continuationToken={token}")) == 2
    tampered = token[:-1] + ("0" if token[-1] != "0" else "1")
    for path in (f"{hook}/deliveries?continuationToken={tampered}",
                 f"{other}/deliveries?continuationToken={token}"):
        check_error(engine.api("GET", path), 400, "continuationToken")


@pytest.mark.settings(dispatchers=3)
def test_every_shard_shows_its_hooks(engine, receiver):
    hooks = [engine.create_hook(receiver.url(f"/{i}")) for i in range(8)]
    event = engine.post_event()
    for i, hook in enumerate(hooks):
        record, = engine.wait_deliveries(hook, 1)
        assert (record["id"], record["requestUrl"]) == (
            event, receiver.url(f"/{i}"))


@pytest.mark.shared(books=True)
def test_a_page_ends_before_it_grows_too_large(engine, receiver):
    body = b"x" * 65536
    receiver.script("/", Answer(200, body))
    hook = engine.create_hook(receiver.url())
    events = engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                                for n in range(150)])
    receiver.wait(150)
    engine.wait_settled()
    reply = engine.api("GET", f"{hook}/deliveries?limit=1000")
    first = reply.json()
    assert 100 < len(first) < 150 and len(reply.body) < 9 << 20
    assert all(row["responseBody"].encode() == body for row in first)
    token = reply.headers["x-continuation-token"]
    rest = engine.deliveries(hook, f"?limit=1000&continuationToken={token}")
    assert sorted(row["id"] for row in first + rest) == sorted(events)


def test_the_history_of_an_unknown_hook_is_empty(engine):
    assert engine.api("GET", f"{ORG}/nope/deliveries").body == b"[]"
    assert engine.api("GET", f"{ORG}/n%20pe/deliveries").body == b"[]"


# --- operations ---


@pytest.mark.alone
def test_health_readiness_and_metrics_need_no_token(engine):
    reply = engine.api("GET", "/healthz", token=None)
    assert reply.status == 200
    assert set(reply.json()) == {"status", "instance"}
    assert reply.json()["status"] == "ok"
    for port in (engine.api_port, engine.ingest_port):
        for challenge in ("", "short", "x" * 65, "-" * 20):
            reply = engine.request(port, "GET", f"/healthz?challenge={challenge}")
            assert reply.status == 400 and "challenge must be 16 to 64" in reply.json()[
                "message"]
    assert engine.api("GET", "/readyz", token=None).status == 200
    reply = engine.api("GET", "/metrics", token=None)
    assert reply.headers["content-type"] == "text/plain; version=0.0.4"
    assert "posthorn_events_accepted_total" in engine.metrics()
    check_error(engine.api("POST", "/healthz"), 405, "POST")


@pytest.mark.alone
def test_filters_stay_in_the_order_in_which_they_were_given(engine, receiver):
    """Pulumi's program compares what it wrote with what it reads."""
    given_at = {
        ORG: ["stack_deleted", "order.*", "stack_created", "b.c", "update_failed", "a.b"],
        STACK: ["update_failed", "z.z", "preview_failed", "a.a", "refresh_failed"],
        ENV: ["environment_tag_created", "x.y", "environment_revision_created"]}
    hooks = {path: engine.create_hook(receiver.url(), path, filters=given)
             for path, given in given_at.items()}

    def check():
        for path, given in given_at.items():
            assert engine.api("GET", hooks[path]).json()["filters"] == given
            (listed,) = engine.api("GET", path).json()
            assert listed["filters"] == given
            assert engine.api("PATCH", hooks[path],
                              {"displayName": "other"}).json()["filters"] == given

    check()
    engine.stop()
    engine.restart()
    check()
    for path, given in given_at.items():
        hook, turned = hooks[path], given[::-1]
        reply = engine.api("PATCH", hook, {"filters": turned + turned})
        assert reply.json()["filters"] == turned
        assert engine.api("PATCH", hook, {"filters": []}).status == 200
        assert not engine.api("GET", hook).json().get("filters")
        assert engine.api("PATCH", hook, {"filters": given}).json()["filters"] == given
