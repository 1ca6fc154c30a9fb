# SPDX-License-Identifier: MIT
"""Who sees the values of a webhook's own headers, and where they lie; how long
a secret that was replaced still signs."""

import base64
import json
import subprocess
import time

import pytest

from clock import HOUR, Clock
from engine import BINARY
from receiver import Answer
from support import wait_for
from test_secrets import send, verified

pytestmark = pytest.mark.shared

MASK = "********"
ORG = "/api/orgs/acme/hooks"
AKINON = ("/organizations/64b0c0ffee0123456789abcd/projects/"
          "64b0c0ffee0123456789abce/settings/webhooks")
LONG, SHORT = "Bearer abcdefghijklmnop", "fifteen-bytes-x"
SECRET_HEADERS = {
    "Authorization": LONG, "cookie": SHORT, "X-Api-Key": LONG,
    "X-My-Token-2": SHORT, "X-PASSWORD": LONG, "client-secret": SHORT}
OPEN_HEADERS = {"X-Team": "the team of the warehouse", "X-Short": "1"}
MASKED = {name: value[:4] + MASK if value == LONG else MASK
          for name, value in SECRET_HEADERS.items()}


def token(engine, *scopes):
    reply = engine.api("POST", "/api/orgs/acme/tokens",
                       {"scopes": list(scopes)})
    assert reply.status == 201, reply
    return reply.json()["token"]


def headers_of(engine, hook, who):
    return engine.api("GET", hook, token=who).json()["headers"]


# --- who sees what ---

def test_who_may_only_read_sees_no_value_that_lets_him_in(engine, receiver):
    hook = engine.create_hook(receiver.url(),
                              headers={**SECRET_HEADERS, **OPEN_HEADERS})
    reader, writer = token(engine, "read"), token(engine, "read", "write")
    whole = {**SECRET_HEADERS, **OPEN_HEADERS}
    assert headers_of(engine, hook, reader) == {**MASKED, **OPEN_HEADERS}
    (listed,) = engine.api("GET", ORG, token=reader).json()
    assert listed["headers"] == {**MASKED, **OPEN_HEADERS}
    assert headers_of(engine, hook, writer) == whole
    assert headers_of(engine, hook, engine.token) == whole
    # What is sent is whole.
    request = send(engine, receiver)
    for name, value in whole.items():
        assert request.headers[name.lower()] == value


def test_header_that_a_webhook_marks_is_masked_too(engine, receiver):
    hook = engine.create_hook(
        receiver.url(), headers={"X-Door": LONG, "X-Team": "blue"},
        secretHeaders=["x-door"])
    reader = token(engine, "read")
    shown = engine.api("GET", hook, token=reader).json()
    assert shown["headers"] == {"X-Door": LONG[:4] + MASK, "X-Team": "blue"}
    assert shown["secretHeaders"] == ["X-Door"]
    # The mark stays with the name until it is taken away.
    changed = engine.api("PATCH", hook, {
        "headers": {"X-Team": "blue", "X-Door": SHORT}}).json()
    assert changed["secretHeaders"] == ["X-Door"]
    assert headers_of(engine, hook, reader)["X-Door"] == MASK
    assert "secretHeaders" not in engine.api(
        "PATCH", hook, {"secretHeaders": None}).json()
    assert headers_of(engine, hook, reader)["X-Door"] == SHORT
    for wrong in (["X-Other"], "X-Door", [1], {}):
        refused = engine.api("PATCH", hook, {"secretHeaders": wrong})
        assert refused.status == 400
        assert "secretHeaders" in refused.json()["message"]


def test_history_and_explain_show_masks_to_everybody(engine, receiver):
    hook = engine.create_hook(
        receiver.url(), headers={**SECRET_HEADERS, **OPEN_HEADERS,
                                 "X-Door": LONG}, secretHeaders=["X-Door"])
    event = engine.post_event()
    (row,) = engine.wait_deliveries(hook, 1)
    lines = dict(line.split(": ", 1) for line in
                 row["requestHeaders"].split("\r\n") if line)
    for name, value in {**MASKED, **OPEN_HEADERS,
                        "X-Door": LONG[:4] + MASK}.items():
        assert lines[name] == value
    assert "Pulumi-Webhook-Id" in lines
    again = engine.api("POST", f"{hook}/deliveries/{event}/redeliver")
    assert again.status == 200, again
    explained = engine.api("POST", "/api/orgs/acme/explain",
                           {"kind": "order.created", "payload": {}})
    assert explained.status == 200
    for answer in (explained.body, again.body,
                   engine.api("GET", f"{hook}/deliveries").body,
                   engine.api("GET", "/api/orgs/acme/deliveries").body):
        assert LONG.encode() not in answer and SHORT.encode() not in answer
        assert (LONG[:4] + MASK).encode() in answer


def test_mask_that_comes_back_leaves_the_value(engine, receiver):
    """A client with `write` sends back what somebody with `read` was shown."""
    hook = engine.create_hook(receiver.url(), headers={
        "Authorization": LONG, "X-Token": SHORT, "X-Door": LONG},
        secretHeaders=["X-Door"])
    shown = engine.api("GET", hook, token=token(engine, "read")).json()
    shown["headers"]["X-New"] = "1"
    changed = engine.api("PATCH", hook, shown)
    assert changed.status == 200, changed
    assert changed.json()["headers"] == {
        "Authorization": LONG, "X-Token": SHORT, "X-Door": LONG, "X-New": "1"}
    # A mask of something else is no value.
    for headers in ({"Authorization": MASK}, {"X-Token": LONG[:4] + MASK},
                    {"X-Other-Token": MASK}):
        refused = engine.api("PATCH", hook, {"headers": headers})
        assert refused.status == 400, headers
        assert "shown in place of a value" in refused.json()["message"]
    assert engine.api("POST", ORG, {
        "organizationName": "acme", "displayName": "x", "active": True,
        "payloadUrl": receiver.url(),
        "headers": {"Authorization": MASK}}).status == 400
    assert headers_of(engine, hook, engine.token) == changed.json()["headers"]
    # Where nothing is masked, it is a value like any other.
    assert engine.api("PATCH", hook, {
        "headers": {"X-Stars": MASK}}).json()["headers"] == {"X-Stars": MASK}


def test_akinon_headers_are_whole_for_who_may_write(engine, receiver):
    made = engine.api("POST", AKINON, {
        "name": "ak", "url": receiver.url(), "events": ["a.b"],
        "headers": {"Authorization": LONG, "X-Team": "blue"}})
    assert made.status == 201
    assert made.json()["headers"]["Authorization"] == LONG
    org = AKINON.split("/")[2]
    reader = engine.api("POST", f"/api/orgs/{org}/tokens", {
        "scopes": ["read"]}).json()["token"]
    (shown,) = engine.api("GET", AKINON).json()
    assert shown["headers"]["Authorization"] == LONG
    (shown,) = engine.api("GET", AKINON, token=reader).json()
    assert shown["headers"] == {"Authorization": LONG[:4] + MASK,
                                "X-Team": "blue"}


def test_export_holds_masks_unless_secrets_are_asked_for(engine, receiver,
                                                         tmp_path):
    hook = engine.create_hook(receiver.url(), headers={"X-Token": LONG})
    file = tmp_path / "hooks"
    told = engine.run("export", "--data-dir", engine.data_dir,
                    "--output", file)
    assert LONG not in file.read_text() and "1 have secrets" in told.stderr
    # It changes what is there and keeps the value; it makes nothing that would
    # be sent with a mask.
    engine.run("import", file, "--on-conflict", "update")
    assert headers_of(engine, hook, engine.token) == {"X-Token": LONG}
    assert engine.api("DELETE", hook).status == 204
    done = engine.run("import", file, status=1)
    assert "shown in place of a value" in done.stderr
    engine.create_hook(receiver.url(), headers={"X-Token": LONG}, name="again")
    engine.run("export", "--data-dir", engine.data_dir, "--output", file,
             "--with-secrets")
    assert json.loads(file.read_text())["hook"]["headers"]["X-Token"] == LONG


# --- where they lie ---

@pytest.mark.alone
def test_values_of_headers_are_on_the_disk_nowhere(engine, receiver):
    """Of all headers, marked or not: not with the webhook, not in its history,
    not in a backup."""
    canary = "canary-51fe09aa77"
    receiver.script("/", Answer(500), Answer(200))
    values = {"Authorization": f"{canary}-authorization",
              "X-Plain": f"{canary}-plain"}
    hook = engine.create_hook(receiver.url(), headers=values)
    engine.post_event()
    rows = engine.wait_deliveries(hook, 2)
    assert all(f"X-Plain: {canary}-plain\r\n" in r["requestHeaders"]
               for r in rows)
    backup = engine.directory / "backup"
    engine.run("backup", backup, "--data-dir", engine.data_dir)
    changed = {"X-Plain": f"{canary}-changed"}
    assert engine.api("PATCH", hook, {"headers": changed}).status == 200
    assert engine.stop() == 0
    for directory in (engine.data_dir, backup):
        assert not [p for p in directory.rglob("*") if p.is_file()
                    and canary.encode() in p.read_bytes()]
    assert canary not in engine.log()
    # A new key opens it all the same, also what was recorded before.
    done = subprocess.run([BINARY, "rekey", "--data-dir",
                           str(engine.data_dir)], capture_output=True,
                          timeout=60)
    assert done.returncode == 0
    engine.start()
    assert engine.deliveries(hook) == rows
    assert headers_of(engine, hook, engine.token) == changed


@pytest.mark.alone
def test_code_of_a_secret_stays_through_rekey_and_restore(engine, make_engine,
                                                          receiver):
    hook = engine.create_hook(receiver.url(), secret="one of mine")
    before = engine.api("GET", hook).json()
    backup = engine.directory / "backup"
    engine.run("backup", backup, "--data-dir", engine.data_dir)
    assert engine.stop() == 0
    subprocess.run([BINARY, "rekey", "--data-dir", str(engine.data_dir)],
                   check=True, capture_output=True, timeout=60)
    engine.start()
    assert engine.api("GET", hook).json() == before
    other = make_engine()
    engine.run("restore", backup, "--data-dir", other.data_dir)
    other.start()
    assert other.api("GET", hook).json() == before


# --- secrets that were replaced ---

def secret(n):
    return f"secret number {n:02}"


def test_all_secrets_of_the_overlap_sign(engine, receiver):
    """B had a typing error: who still has A must not fail because of C."""
    hook = engine.create_hook(receiver.url(), secret=secret(0))
    for n in (1, 2):
        reply = engine.api("PATCH", hook, {"secret": secret(n)})
        assert reply.status == 200
    assert reply.json()["secretOverlap"]["secrets"] == 3
    request = send(engine, receiver)
    assert all(signs(request, secret(n)) for n in range(3))
    # One that comes back does not sign twice.
    engine.api("PATCH", hook, {"secret": secret(0)})
    request = send(engine, receiver)
    assert request.headers["webhook-signature"].count("v1,") == 3


def signs(request, text):
    return verified(request, base64.b64encode(text.encode()).decode())


def test_ten_secrets_sign_and_an_eleventh_is_refused(engine, receiver):
    hook = engine.create_hook(receiver.url(), secret=secret(0))
    for n in range(1, 10):
        assert engine.api("PATCH", hook, {"secret": secret(n)}).status == 200
    before = engine.api("GET", hook).json()
    refused = engine.api("PATCH", hook, {"secret": secret(10)})
    assert refused.status == 409
    assert "10 secrets of this webhook sign already" in refused.json()["message"]
    assert engine.api("GET", hook).json() == before
    request = send(engine, receiver)
    assert all(signs(request, secret(n)) for n in range(10))
    assert not signs(request, secret(10))


def test_overlap_of_one_webhook_ends_at_once(engine, receiver):
    hook = engine.create_hook(receiver.url(), secret=secret(0), name="one")
    other = engine.create_hook(receiver.url("/other"), secret=secret(0))
    for path in (hook, other):
        engine.api("PATCH", path, {"secret": secret(1)})
    engine.run("hook", "update", "--org", "acme", "--hook", "one",
             "--end-secret-overlap", "yes")
    assert "secretOverlap" not in engine.api("GET", hook).json()
    engine.settle_hooks()
    engine.post_event()
    (request,), (beside,) = receiver.wait(1, "/"), receiver.wait(1, "/other")
    assert signs(request, secret(1)) and not signs(request, secret(0))
    assert signs(beside, secret(1)) and signs(beside, secret(0))
    # A secret that leaked is replaced without any overlap.
    changed = engine.api("PATCH", other, {"secret": secret(2),
                                          "endSecretOverlap": True}).json()
    assert "secretOverlap" not in changed
    engine.settle_hooks()
    engine.post_event()
    beside = receiver.wait(2, "/other")[-1]
    assert signs(beside, secret(2)) and not signs(beside, secret(1))


@pytest.mark.settings(secret_overlap="3s")
def test_each_replaced_secret_has_its_own_time(engine, receiver):
    hook = engine.create_hook(receiver.url(), secret=secret(0))
    engine.api("PATCH", hook, {"secret": secret(1)})
    first = time.monotonic()
    time.sleep(2)
    engine.api("PATCH", hook, {"secret": secret(2)})
    second = time.monotonic()
    time.sleep(max(0, first + 3.1 - time.monotonic()))
    request = send(engine, receiver)
    assert not signs(request, secret(0)) and signs(request, secret(2))
    if time.monotonic() < second + 2.5:  # else the machine was too busy to tell
        assert signs(request, secret(1))
    wait_for(lambda: "secretOverlap" not in engine.api("GET", hook).json(),
             "what is over is removed", 10)
    assert engine.log().count("replaced secret has expired") >= 2


def test_deliveries_since_a_secret_was_replaced_are_counted(make_engine, receiver, tmp_path):
    """Across slots of five minutes and of an hour, for an operator who waits for receivers
    to be changed."""
    engine = make_engine(retry_schedule="7d")
    engine.clock, engine.binary = Clock(tmp_path), Clock.PROGRAM
    engine.start()
    hook = engine.create_hook(receiver.url(), secret=secret(0))
    send(engine, receiver)
    assert "sinceSecret" not in engine.api("GET", hook).json()
    assert "sinceSecret" not in engine.api("PATCH", hook, {"secret": secret(1)}).json()

    def since(count):
        def counted():
            found = engine.api("GET", hook).json()["sinceSecret"]
            return found["delivered"] == count and found
        return wait_for(counted, f"{count} are counted")

    began = since(0)["at"]
    engine.settle_hooks()
    receiver.script("/", Answer(status=500), Answer())
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(3)])
    assert since(2) == {"at": began, "delivered": 2, "moreDelivered": False}
    engine.post_batch([{"kind": "a.b", "payload": {}}] * 450)
    assert since(452)["moreDelivered"] is False
    for count, passed in ((453, HOUR // 2), (454, 5 * HOUR)):
        engine.clock.turn(passed)
        engine.post_event()
        assert since(count)["moreDelivered"] is False
    assert engine.api("PATCH", hook, {"endSecretOverlap": True}).status == 200
    assert "sinceSecret" not in engine.api("GET", hook).json()
