# SPDX-License-Identifier: MIT
"""One attempt by its address, and what it sent: as data, and as a command of curl that
sends the same bytes again."""

import json
import os
import subprocess

import pytest

from receiver import Answer
from support import ROOT, SECRET, compact, wait_for
from test_formats import PLACE, UPDATE, post_update, ready # a fixture

pytestmark = pytest.mark.shared

AKINON = ("/organizations/5f0c1a2b3c4d5e6f70819203/projects/63ea10b94a472e003305232b")
__all__ = ["ready"]


def request_of(engine, hook, event, query=""):
    reply = engine.api("GET", f"{hook}/deliveries/{event}/request{query}")
    assert reply.status == 200, reply
    return reply.json()


def headers_of(sent, variables=None):
    return {h["name"].lower(): (variables or {}).get(h["variable"], h["value"])
            for h in sent["headers"]}


def of_the_connection(headers):
    return {name: value for name, value in headers.items()
            if name not in ("host", "content-length")}


def run_curl(text, **variables):
    """As pasted into a shell that is no particular one, at a user's."""
    text += " --silent --show-error --max-time 20\n"
    done = subprocess.run(["sh"], input=text.encode(), capture_output=True, timeout=60,
                          env={"PATH": os.environ["PATH"], **variables})
    assert done.returncode == 0, done.stderr
    return done.stdout


def check(sent, was, receiver, **variables):
    """The data is what the receiver got; so is what the command sends."""
    assert (sent["method"], sent["url"]) == (was.method, receiver.url(was.path))
    assert sent["bodyEncoding"] == "utf-8"
    assert sent["body"].encode() == was.body and sent["bodyBytes"] == len(was.body)
    assert headers_of(sent, variables) == of_the_connection(was.headers)
    count = len(receiver.got())
    run_curl(sent["curl"], **variables)
    again = receiver.wait(count + 1)[-1]
    assert (again.method, again.path, again.body) == (was.method, was.path, was.body)
    assert of_the_connection(again.headers) == of_the_connection(was.headers)


# --- in every format ---

@pytest.mark.parametrize("name, path", [("raw", "/raw"), ("slack", "/slack/T/B/x"),
                                        ("ms_teams", "/teams"),
                                        ("pulumi_deployments", None)])
def test_what_is_shown_is_what_was_sent(ready, receiver, name, path):
    deploys = name == "pulumi_deployments"
    hook = ready.create_hook("website/website-prod" if deploys else receiver.url(path),
                             PLACE, format=name, secret=SECRET)
    event = post_update(ready)
    (was,) = receiver.wait(1)
    ready.wait_deliveries(hook, 1)
    token = {"AUTHORIZATION": "token pul-canary-5d1c"} if deploys else {}
    sent = request_of(ready, hook, event)
    check(sent, was, receiver, **token)
    assert ("pul-canary" in json.dumps(sent)) is False
    assert sent["id"] == event and sent["attempt"] == 1
    # A ping, too: that of deployments is a GET.
    count = len(receiver.got())
    ping = ready.api("POST", f"{hook}/ping").json()["id"]
    was = receiver.wait(count + 1)[-1]
    assert was.method == ("GET" if deploys else "POST")
    check(request_of(ready, hook, ping), was, receiver, **token)


def test_of_akinon(engine, receiver):
    hook = engine.api("POST", f"{AKINON}/settings/webhooks", {
        "name": "Watcher", "url": receiver.url("/in"), "events": ["a.b"],
        "headers": {"X-Own": "it's $HOME \"and\" `more`"}}).json()["_id"]
    hook = f"{AKINON}/settings/webhooks/{hook}"
    engine.settle_hooks()
    event = engine.request(
        engine.ingest_port, "POST", f"{AKINON}/events",
        compact({"event": "a.b", "data": {"x": "ü"}}).encode(),
        {"Content-Type": "application/json"}).json()["id"]
    (was,) = receiver.wait(1)
    engine.wait_deliveries(hook, 1)
    check(request_of(engine, hook, event), was, receiver)


# --- what shells and terminals make of bytes ---

NASTY = {
    "quotes": {"a": "it's", "b": "''", "c": "\"'\"", "d": "$HOME `id` $(id) !! \\n"},
    "percents": {"a": "%s %d %%", "b": "\\101\\x41\\c"},
    "controls": {"a": "\u0001\u001b[2J\u0007\t\r\n", "b": "\u0000"},
    "directions": {"a": "\u202eabc\u2066", "b": "\u0085\u2028"},
    "letters": {"a": "Grüße 世界 🦊"},
    "at": {"a": "@file", "@b": "@-"},
    "large": {"a": ["y" * 1000 + "'"] * 150},
}


@pytest.mark.parametrize("name", NASTY)
def test_curl_sends_the_same_bytes(engine, receiver, name):
    hook = engine.create_hook(receiver.url("/a%20b/[x]{y}/../z?q='1'&$HOME=%27"),
                              headers={"X-Shell": "'; echo \"$PATH\" `id` %s \\"})
    event = engine.post_event("order.created", NASTY[name])
    (was,) = receiver.wait(1)
    engine.wait_deliveries(hook, 1)
    sent = request_of(engine, hook, event)
    check(sent, was, receiver)
    assert not any(ord(c) < 32 and c != "\n" or 0x7f <= ord(c) < 0xa0 or c in "\u202e\u2066"
                   for c in sent["curl"])


def test_bytes_as_they_were_posted(engine, receiver):
    """White space and all: raw bodies are not written anew."""
    hook = engine.create_hook(receiver.url())
    body = b'{ "kind":"order.created",\n\t"payload" : {"b":1.50,  "a" : "\\u00e9"} }'
    event = engine.intake(body).json()["id"]
    (was,) = receiver.wait(1)
    engine.wait_deliveries(hook, 1)
    check(request_of(engine, hook, event), was, receiver)


def test_names_in_lower_case_stay_so(engine, receiver):
    hook = engine.create_hook(receiver.url(), headerCase="lower", secret=SECRET)
    event = engine.post_event()
    (was,) = receiver.wait(1)
    engine.wait_deliveries(hook, 1)
    sent = request_of(engine, hook, event)
    assert {h["name"] for h in sent["headers"]} == {
        name for name, _ in was.raw_headers} - {"host", "content-length"}


# --- masks ---

def test_masked_values_are_variables(engine, receiver):
    secrets = {"Authorization": "Bearer abcdefghijklmnop", "X-Api-Key": "key-1",
               "Path": "p4th-secret", "Cookie": "a=b; c='d'"}
    hook = engine.create_hook(receiver.url(), headers={**secrets, "X-Plain": "shown"},
                              secretHeaders=["Path"])
    event = engine.post_event()
    (was,) = receiver.wait(1)
    engine.wait_deliveries(hook, 1)
    sent = request_of(engine, hook, event)
    assert {h["variable"] for h in sent["headers"]} == {
        None, "AUTHORIZATION", "X_API_KEY", "HEADER_PATH", "COOKIE"}
    for text in ("ghijkl", "key-1", "p4th", "a=b"):
        assert text not in json.dumps(sent)
    assert "\"$AUTHORIZATION\"" in sent["curl"] and "$PATH" not in sent["curl"]
    check(sent, was, receiver, AUTHORIZATION=secrets["Authorization"],
          X_API_KEY="key-1", HEADER_PATH="p4th-secret", COOKIE=secrets["Cookie"])


# --- attempts by their address ---

@pytest.mark.settings(retry_schedule="20ms,20ms", breaker_failures="0")
def test_each_attempt_has_an_address(engine, receiver):
    receiver.script("/in", Answer(500, b"one"), Answer(503, b"two"), Answer(404, b"three"),
                    Answer(200, b"by hand"))
    hook = engine.create_hook(receiver.url("/in"))
    event = engine.post_event()
    rows = {row["attempt"]: row for row in engine.wait_deliveries(
        hook, 3, f"?id={event}")}
    at = f"{hook}/deliveries/{event}"
    for number, row in rows.items():
        assert engine.api("GET", f"{at}/attempts/{number}").json() == row
        sent = request_of(engine, hook, event, f"?attempt={number}")
        assert sent["attempt"] == number
        assert sent["body"] == row["payload"]
    # Without a number it is the newest.
    assert request_of(engine, hook, event)["attempt"] == max(rows)
    again = engine.api("POST", f"{at}/redeliver").json()
    assert engine.api("GET", f"{at}/attempts/{again['attempt']}").json() == again
    for path, status in ((f"{at}/attempts/99", 404), (f"{at}/attempts/x", 404),
                         (f"{at}/attempts/-1", 404), (f"{at}/request?attempt=99", 404),
                         (f"{at}/request?attempt=x", 400),
                         (f"{hook}/deliveries/nope/attempts/1", 404),
                         (f"{hook}/deliveries/{event[:-1]}0/request", 404),
                         ("/api/orgs/acme/hooks/nope/deliveries/"
                          f"{event}/attempts/1", 404)):
        assert engine.api("GET", path).status == status, path


@pytest.mark.settings(breaker_failures="0")
def test_a_delivery_that_was_never_sent_has_no_request(engine, receiver):
    hook = engine.create_hook(receiver.url(), paused=True)
    event = engine.post_event()
    wait_for(lambda: engine.api("GET", f"{hook}/status").json()["waiting"] == 1,
             "it waits")
    assert engine.api("PATCH", hook, {"active": False}).status == 200
    (row,) = engine.wait_deliveries(hook, 1)
    assert row["state"] == "cancelled"
    at = f"{hook}/deliveries/{event}"
    assert engine.api("GET", f"{at}/attempts/{row['attempt']}").json() == row
    assert engine.api("GET", f"{at}/request").status == 404


def test_only_its_organization_and_hook_show_it(engine, receiver):
    hook = engine.create_hook(receiver.url(), name="one")
    second = engine.create_hook(receiver.url("/2"), name="two", filters=["z.z"])
    event = engine.post_event()
    engine.wait_deliveries(hook, 1)
    tokens = {}
    for org, scope in (("acme", "read"), ("acme", "ingest"), ("other", "read")):
        tokens[org, scope] = engine.api("POST", f"/api/orgs/{org}/tokens", {
            "scopes": [scope]}).json()["token"]
    for tail in ("attempts/1", "request"):
        path = f"{hook}/deliveries/{event}/{tail}"
        assert engine.api("GET", path, token=tokens["acme", "read"]).status == 200
        assert engine.api("GET", path, token=tokens["acme", "ingest"]).status == 403
        assert engine.api("GET", path, token=tokens["other", "read"]).status == 403
        assert engine.api("GET", path, token=None).status == 401
        assert engine.api("GET", f"{second}/deliveries/{event}/{tail}").status == 404


@pytest.mark.settings(retention_delivered="1s", retention_dead="1h", retry_schedule="10ms",
                      breaker_failures="0")
def test_a_payload_past_retention_is_gone(engine, receiver):
    """As long as the attempt is there; the event goes only when nothing needs it."""
    hook = engine.create_hook(receiver.url("/in"))
    event = engine.post_event()
    engine.wait_deliveries(hook, 1)
    path = f"{hook}/deliveries/{event}/request"
    wait_for(lambda: engine.api("GET", path).status in (404, 410), "retention removes it")
    # The event is still there, but nobody knows any more that it was delivered.
    assert engine.api("POST", hook + "/replay", {"unmatched": True, "since": 1,
                                                 "dryRun": True}).json()["matched"] == 0


def test_what_the_tests_of_formats_send_is_golden(ready, receiver):
    """The bodies compared above are no accident of one event."""
    golden = json.loads((ROOT / "tests/golden/slack/update_failed.json").read_text())
    hook = ready.create_hook(receiver.url("/slack/x"), PLACE, format="slack")
    event = post_update(ready)
    ready.wait_deliveries(hook, 1)
    assert json.loads(request_of(ready, hook, event)["body"]) == golden
    assert UPDATE
