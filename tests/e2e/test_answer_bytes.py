# SPDX-License-Identifier: MIT
"""Answers, payloads and results keep their bytes: order of members, white space, escapes.

`tests/golden/answers.txt` has them, with what differs from run to run replaced. With
ANSWERS_WRITE set, the test writes the file: for answers that are meant to change.
"""

import os
import re
import subprocess

from engine import BINARY
from receiver import Answer
from support import ROOT, wait_for

GOLDEN = ROOT / "tests" / "golden" / "answers.txt"
ORG, AKINON_ORG, PROJECT = "acme", "b" * 24, "a" * 24
HOOKS = f"/api/orgs/{ORG}/hooks"
AKINON = f"/organizations/{AKINON_ORG}/projects/{PROJECT}/settings/webhooks"
ODD = "\"quoted\" \\ \u00fc \u202e \x7f \t \U0001f379"

# What differs from run to run, the first that matches.
MASKS = [
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"pht_[0-9a-f]+", "TOKEN"),
    (r"\b[0-9a-f]{16,}\b", "HEX"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"v1,[A-Za-z0-9+/=]+", "SIGNATURE"),
    (r"((?i:webhook-timestamp)[^0-9]{1,6})\d+", r"\1N"),
    (r"(\\?\"(?:timestamp|duration|acceptedAt|createdAt|endedAt|nextAttemptAt|from|"
     r"\w+Us|p50|p90|p99|p999|max|queueBytes|waitingBytes|bytesPerSecond|pid|"
     r"residentBytes|started|pid_space|directory|expiresAt|failingSince|refusesAt|"
     r"percent|window)\\?\":)[-0-9.]+", r"\1N"),
    (r"(\"(?:nextAttemptAt|refusesAt|oldestDueAt)\":)(null|\d+)", r"\1N"),
    (r"\"reusedConnection\":\w+", '"reusedConnection":B'),
    (r"((?i:content-length|date): )[^\\]+", r"\1N"),
]


def masked(text):
    for pattern, instead in MASKS:
        text = re.sub(pattern, instead, text)
    return text


class Book:
    """What was answered, in lines."""

    def __init__(self, engine):
        self.engine = engine
        self.lines = []

    def put(self, title, body, hides_numbers=False):
        body = masked(body if isinstance(body, str) else body.decode())
        if hides_numbers:
            body = re.sub(r":-?\d+(\.\d+)?", ":N", body)
        self.lines += [f"== {masked(title)}", body.rstrip("\n"), ""]

    def call(self, method, path, value=None, hides_numbers=False):
        reply = self.engine.api(method, path, value)
        self.put(f"{method} {path} {reply.status}", reply.body, hides_numbers)
        return reply

    def run(self, *words, hides_numbers=False):
        done = subprocess.run(
            [BINARY, *words], capture_output=True, text=True, timeout=60,
            env={**os.environ, "HOME": str(self.engine.directory)},
            cwd=self.engine.directory)
        assert done.returncode == 0, done
        self.put(f"posthorn {' '.join(w for w in words if '/' not in w)}", done.stdout,
                 hides_numbers)


def make_hooks(book, receiver):
    book.call("POST", HOOKS, {
        "organizationName": ORG, "name": "plain", "displayName": ODD,
        "payloadUrl": receiver.url("/in"), "active": True})
    book.call("POST", HOOKS, {
        "organizationName": ORG, "name": "full", "displayName": "full",
        "payloadUrl": receiver.url("/down"), "active": True, "format": "raw",
        "filters": ["order.created"], "secret": "s" * 20,
        "headers": {"X-Odd": "v\"\\", "Authorization": "Bearer 1"},
        "secretHeaders": ["X-Odd"], "retrySchedule": ["10ms"], "timeout": "5s",
        "maxInFlight": 3, "rateLimit": {"perSecond": 50}, "ordered": True,
        "orderKey": "customer.id"})
    book.call("PATCH", f"{HOOKS}/full", {"secret": "t" * 20})
    book.call("POST", HOOKS, {
        "organizationName": ORG, "name": "own", "displayName": "own",
        "payloadUrl": receiver.url("/own"), "active": True,
        "filters": ["posthorn.*"]})
    book.call("POST", HOOKS, {
        "organizationName": ORG, "name": "gone", "displayName": "gone",
        "payloadUrl": receiver.url("/gone"), "active": True, "filters": ["other.*"]})
    book.call("POST", f"/api/stacks/{ORG}/shop/prod/hooks", {
        "organizationName": ORG, "projectName": "shop", "stackName": "prod",
        "name": "stack", "displayName": "s", "payloadUrl": receiver.url("/in"),
        "active": False, "groups": ["stacks", "deployments"],
        "filters": ["update_failed", "preview_succeeded"]})
    book.call("POST", f"/api/esc/environments/{ORG}/shop/dev/hooks", {
        "organizationName": ORG, "projectName": "shop", "envName": "dev",
        "name": "env", "displayName": "e", "payloadUrl": receiver.url("/in"),
        "active": True, "paused": True})
    reply = book.call("POST", AKINON, {
        "name": ODD[:20], "url": receiver.url("/akinon"),
        "events": ["order.created", "deployment.build.created"],
        "headers": {"X-One": "1", "X-Token": "secret"}})
    book.call("GET", f"{AKINON}/{reply.json()['_id']}")
    for path in (HOOKS, f"{HOOKS}?limit=1", f"{HOOKS}/full", AKINON,
                 f"/api/stacks/{ORG}/shop/prod/hooks"):
        book.call("GET", path)


def deliver(book, receiver):
    engine = book.engine
    engine.settle_hooks()
    reply = engine.intake(b'{"kind":"order.created","payload":{"customer":{"id":7}}}')
    book.put("one event", reply.body)
    engine.wait_deliveries(f"{HOOKS}/full", 2)
    receiver.wait(1, "/own")
    first = reply.json()["id"]
    reply = engine.intake(b'{"kind":"other.x","payload":{"t":"\\u202e \\""}}\n'
                          b'{"kind":"order.paid","payload":[1]}\n',
                          content_type="application/x-ndjson")
    book.put("a batch", reply.body)
    engine.wait_deliveries(f"{HOOKS}/plain", 3)
    engine.wait_deliveries(f"{HOOKS}/gone", 1)
    wait_for(lambda: engine.api("GET", f"{HOOKS}/gone").json().get("disabled"),
             "the hook is switched off")
    receiver.wait(2, "/own")
    engine.wait_settled()
    for path, failed in (("full", 2), ("gone", 1), ("", 3)):
        wait_for(lambda: sum(engine.api("GET", f"{HOOKS}/{path}/stats".replace(
            "/hooks//", "/")).json()["1h"]["errors"].values()) == failed,
            "the statistics have the attempts")
    for request in receiver.got("/own"):
        book.put("an event of the engine's own", request.body)
    return first


def read_all(book, event):
    call = book.call
    for name, kind in (("plain", "order.created"), ("full", "order.created"),
                       ("gone", "other.x")):
        call("GET", f"{HOOKS}/{name}/deliveries?kind={kind}")
        call("GET", f"{HOOKS}/{name}/status")
        call("GET", f"{HOOKS}/{name}/stats", hides_numbers=True)
    call("GET", f"/api/orgs/{ORG}/deliveries?kind=order.created&state=dead")
    call("GET", f"/api/orgs/{ORG}/stats", hides_numbers=True)
    call("GET", f"/api/orgs/{ORG}/events/{event}")
    call("POST", f"/api/orgs/{ORG}/explain",
         {"kind": "order.created", "payload": {"a": ODD}})
    call("GET", f"/api/orgs/{ORG}/status")
    for path in ("deliveries", "status", "replays"):
        call("GET", f"/organizations/{AKINON_ORG}/{path}")
    call("GET", f"/organizations/{AKINON_ORG}/stats", hides_numbers=True)
    call("GET", f"/organizations/{AKINON_ORG}/none")
    call("GET", "/organizations")
    call("GET", "/api/status", hides_numbers=True)
    call("POST", f"{HOOKS}/plain/ping")
    call("POST", f"{HOOKS}/plain/deliveries/{event}/redeliver")


def manage(book):
    call = book.call
    call("POST", f"{HOOKS}/full/replay", {"dryRun": True})
    call("POST", f"{HOOKS}/full/replay", {"since": 4000000000})
    reply = call("POST", f"{HOOKS}/plain/replay", {"state": "delivered"})
    replay = reply.json().get("replayId")
    wait_for(lambda: book.engine.api(
        "GET", f"{HOOKS}/plain/replays/{replay}").json()["state"] == "done",
        "the replay is done")
    call("GET", f"{HOOKS}/plain/replays/{replay}")
    call("GET", f"{HOOKS}/plain/replays")
    call("POST", f"{HOOKS}/full/dead/discard", {"dryRun": True})
    call("POST", f"{HOOKS}/full/dead/discard", {})
    call("GET", "/api/orgs", hides_numbers=True)
    call("DELETE", f"/api/orgs/{ORG}?dryRun=true", hides_numbers=True)
    call("GET", "/api/erasures")
    call("POST", f"/api/orgs/{ORG}/tokens", {"scopes": ["read", "ingest"], "name": ODD})
    call("GET", f"/api/orgs/{ORG}/tokens")
    call("POST", f"/api/orgs/{ORG}/tokens", {"scopes": ["write"], "expiresAt": 4000000000})
    call("POST", f"/api/stacks/{ORG}/shop", {"stackName": "new"})
    for path in (f"/api/stacks/{ORG}/shop/new", f"/api/stacks/{ORG}/shop/new/export",
                 "/api/user/stacks", f"/api/user/stacks?organization={ORG}&project=none",
                 f"/api/stacks/{ORG}/shop", f"/api/esc/environments/{ORG}",
                 f"/api/esc/environments/{ORG}/shop/dev", "/api/user",
                 "/api/user/organizations/default", "/api/capabilities",
                 "/api/cli/version", "/readyz", "/healthz",
                 "/healthz?challenge=0123456789abcdef", f"{HOOKS}/none",
                 f"{AKINON}/none", f"/api/orgs/{ORG}/none"):
        call("GET", path)


def commands(book, receiver):
    engine = book.engine
    at = ("--data-dir", str(engine.data_dir))
    book.run("status", "--json", *at, hides_numbers=True)
    book.run("dead", "discard", "--org", ORG, "--json", "--dry-run", *at)
    book.run("hook", "create", "--org", ORG, "--name", "cli", "--display-name", "c", "--url",
             receiver.url("/in"), "--filters", "a.b,c.d", "--rate", "20:40",
             "--header", "X-A: 1", "--max-in-flight", "7", "--json", *at)
    book.run("token", "create", "--org", ORG, "--scopes", "read,write", "--json", *at)
    (engine.directory / "lines").write_text('{"kind":"x.y","payload":{}}\n')
    book.run("send", "--org", ORG, "--file", "lines", "--json", *at)
    book.run("export", "--with-secrets", *at)
    book.put("engine.json", (engine.data_dir / "engine.json").read_text())
    engine.wait_settled()
    engine.stop()
    book.run("verify", "--json", *at)


def test_answers_keep_their_bytes(make_engine, receiver):
    receiver.script("/down", Answer(status=500, body=ODD.encode()))
    receiver.script("/gone", Answer(status=410))
    engine = make_engine(breaker_failures="0").start()
    book = Book(engine)
    make_hooks(book, receiver)
    read_all(book, deliver(book, receiver))
    manage(book)
    commands(book, receiver)
    text = "\n".join(book.lines)
    if os.environ.get("ANSWERS_WRITE"):
        GOLDEN.write_text(text)
    assert text.splitlines() == GOLDEN.read_text().splitlines()
