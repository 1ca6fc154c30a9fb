# SPDX-License-Identifier: MIT
"""Attempts by hand: pings and redeliveries, and what the books say of them."""

import hashlib
import hmac
import http.client
import json
import os
import random
import re
import signal
import socket
import uuid
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from engine import FAULTY
from receiver import Answer
from support import SECRET, free_ports, wait_for

pytestmark = pytest.mark.shared

PING_TEXT = "🍹 Just a friendly ping from Pulumi 🍹"
UUID_V4 = re.compile(
    r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
FIELDS = ("id", "kind", "payload", "timestamp", "duration", "requestUrl",
          "requestHeaders", "responseCode", "responseHeaders", "responseBody")


def ping(engine, hook):
    reply = engine.api("POST", f"{hook}/ping")
    assert reply.status == 200, reply
    return reply.json()


def redeliver(engine, hook, event, status=200):
    reply = engine.api("POST", f"{hook}/deliveries/{event}/redeliver")
    assert reply.status == status, reply
    return reply.json()


def pages(engine, hook, state):
    """All deliveries of a hook that are so."""
    rows, query = [], f"?state={state}&limit=1000"
    while query:
        reply = engine.api("GET", f"{hook}/deliveries{query}")
        rows += reply.json()
        token = reply.headers.get("x-continuation-token")
        query = token and f"?state={state}&continuationToken={token}"
    return rows


def signature(secret, body):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


# --- ping ---

def test_ping_is_sent_and_shown(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), secret=SECRET)
    record = ping(engine, hook)
    (request,) = receiver.got("/in")
    assert all(name in record for name in FIELDS)
    assert UUID_V4.match(record["id"])
    assert record["kind"] == "ping"
    assert record["responseCode"] == 200
    assert json.loads(record["payload"]) == {
        "timestamp": record["timestamp"], "message": PING_TEXT}
    assert request.body == record["payload"].encode()
    assert request.headers["pulumi-webhook-kind"] == "ping"
    assert request.headers["pulumi-webhook-id"] == record["id"]
    assert request.headers["content-type"] == "application/json"
    assert request.headers["pulumi-webhook-signature"] == signature(
        SECRET, request.body)
    assert record["state"] == "delivered" and record["error"] is None
    assert engine.deliveries(hook) == [record]
    assert engine.deliveries(hook, f"?id={record['id']}") == [record]


@pytest.mark.parametrize("path", [
    "/api/stacks/acme/web/prod/hooks",
    "/api/esc/environments/acme/web/prod/hooks",
    "/api/preview/environments/acme/prod/hooks"])
def test_ping_at_every_level(engine, receiver, path):
    scope = {"organizationName": "acme", "displayName": "test",
             "payloadUrl": receiver.url(), "active": True}
    reply = engine.api("POST", path, scope)
    assert reply.status == 201, reply
    assert ping(engine, f"{path}/{reply.json()['name']}")["responseCode"] == 200


def test_ping_of_a_dead_target_is_no_error(engine):
    port = free_ports(1)[0]
    hook = engine.create_hook(f"http://127.0.0.1:{port}/", secret=SECRET)
    record = ping(engine, hook)
    assert record["responseCode"] == 0
    assert record["responseHeaders"] == ""
    assert record["responseBody"] == "URL error with webhook"
    assert record["error"]["class"] == "connect"
    assert engine.deliveries(hook) == [record]
    assert engine.deliveries(hook, "?state=dead") == []


def test_ping_passes_by_filters_and_inactivity(engine, receiver):
    hook = engine.create_hook(receiver.url(), active=False,
                              filters=["stack_created"])
    assert ping(engine, hook)["responseCode"] == 200


def test_ping_of_a_hook_that_was_just_made(engine, receiver):
    """Without waiting for anything in between."""
    for number in range(20):
        reply = engine.api("POST", "/api/orgs/acme/hooks", {
            "organizationName": "acme", "displayName": "test",
            "payloadUrl": receiver.url(f"/{number}"), "active": True})
        ping(engine, f"/api/orgs/acme/hooks/{reply.json()['name']}")
        assert len(receiver.got(f"/{number}")) == 1


def test_ping_of_no_hook(engine):
    reply = engine.api("POST", "/api/orgs/acme/hooks/nope/ping")
    assert reply.status == 404
    assert reply.json()["code"] == 404
    assert reply.json()["message"].startswith("Not Found: ")


@pytest.mark.shared(books=True)
def test_a_ping_is_not_one_of_the_books(engine, receiver):
    hook = engine.create_hook(receiver.url())
    ping(engine, hook)
    books = engine.verify()
    assert books["matched"] == books["delivered"] == 0


def test_ping_again(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), secret=SECRET)
    first = ping(engine, hook)
    second = redeliver(engine, hook, first["id"])
    assert second["id"] == first["id"]
    assert second["payload"] == first["payload"]
    assert second["attempt"] == 2
    assert [r.body for r in receiver.got("/in")] == 2 * [
        first["payload"].encode()]


def test_many_pings_at_once(engine, receiver):
    hook = engine.create_hook(receiver.url("/slow"))
    receiver.script("/slow", Answer(delay=0.3))
    with ThreadPoolExecutor(40) as pool:
        records = list(pool.map(lambda _: ping(engine, hook), range(40)))
    assert {r["responseCode"] for r in records} == {200}
    assert len({r["id"] for r in records}) == 40


@pytest.mark.settings(max_inflight_per_hook="1")
def test_ping_does_not_wait_for_the_hooks_window(engine, receiver):
    hook = engine.create_hook(receiver.url("/hang"))
    receiver.script("/hang", Answer(do="hang"), Answer())
    engine.post_event()
    receiver.wait(1, "/hang")
    assert ping(engine, hook)["responseCode"] == 200


@pytest.mark.alone
def test_sender_dies_under_a_ping(engine, receiver):
    hook = engine.create_hook(receiver.url("/hang"))
    receiver.script("/hang", Answer(do="hang"))
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(ping, engine, hook)
        receiver.wait(1, "/hang")
        for pid in engine.pids("sender"):
            os.kill(pid, signal.SIGKILL)
        record = future.result(15)
    assert record["responseCode"] == 0
    assert "sender" in record["error"]["message"]


@pytest.mark.alone
def test_dispatcher_dies_under_a_ping(engine, receiver):
    hook = engine.create_hook(receiver.url("/hang"))
    receiver.script("/hang", Answer(do="hang"), Answer())
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(engine.api, "POST", f"{hook}/ping")
        receiver.wait(1, "/hang")
        os.kill(engine.pids("dispatcher")[0], signal.SIGKILL)
        reply = future.result(15)
    assert reply.status == 503
    assert int(reply.headers["retry-after"]) >= 1
    wait_for(lambda: engine.api("POST", f"{hook}/ping").status == 200,
             "the next one works")


def test_client_goes_away_during_a_ping(engine, receiver):
    hook = engine.create_hook(receiver.url("/slow"))
    receiver.script("/slow", Answer(delay=0.5))
    with socket.create_connection(("127.0.0.1", engine.api_port)) as client:
        client.sendall(f"POST {engine.real(hook)}/ping HTTP/1.1\r\nHost: localhost\r\n"
                       f"Authorization: token {engine.token}\r\n"
                       "Content-Length: 0\r\n\r\n".encode())
        receiver.wait(1, "/slow")
    assert len(engine.wait_deliveries(hook, 1)) == 1


# --- redeliver ---

@pytest.mark.shared(books=True)
def test_redelivery_keeps_id_and_payload_and_signs_anew(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), secret="first")
    event = engine.post_event(payload={"emoji": "🍹", "n": 1})
    (first,) = engine.wait_deliveries(hook, 1)
    engine.api("PATCH", hook, {"secret": "second"})
    engine.settle_hooks()
    record = redeliver(engine, hook, event)
    before, after = receiver.wait(2, "/in")
    assert record["id"] == first["id"] == event
    assert record["payload"] == first["payload"]
    assert after.body == before.body
    assert after.id == before.id == event
    assert before.headers["pulumi-webhook-signature"] == signature(
        "first", before.body)
    assert after.headers["pulumi-webhook-signature"] == signature(
        "second", after.body)
    assert record["attempt"] == 2 and record["state"] == "delivered"
    assert engine.deliveries(hook) == [record, first]
    assert engine.verify()["delivered"] == 1  # it is one delivery


@pytest.mark.shared(books=True)
def test_redelivery_that_fails_leaves_a_delivered_one_delivered(
        engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    receiver.script("/in", Answer(), Answer(status=500))
    event = engine.post_event()
    engine.wait_deliveries(hook, 1)
    record = redeliver(engine, hook, event)
    assert record["responseCode"] == 500
    assert record["state"] == "delivered"
    assert record["nextAttemptAt"] is None
    assert engine.wait_settled()["delivered"] == 1
    assert engine.deliveries(hook, "?state=delivered") == [record]


@pytest.mark.settings(retry_schedule="10ms")
@pytest.mark.shared(books=True)
def test_dead_letter_is_delivered_by_hand(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    receiver.script("/in", Answer(status=500), Answer(status=500),
                    Answer(status=503), Answer(status=200))
    event = engine.post_event()
    engine.wait_deliveries(hook, 1, "?state=dead")
    assert engine.verify()["dead"] == 1
    failed = redeliver(engine, hook, event)
    assert failed["state"] == "dead" and failed["responseCode"] == 503
    (dead,) = engine.deliveries(hook, "?state=dead")
    assert dead == failed  # one dead letter, by its newest attempt
    assert redeliver(engine, hook, event)["state"] == "delivered"
    assert engine.deliveries(hook, "?state=dead") == []
    (row,) = engine.deliveries(hook, "?state=delivered")
    assert row["id"] == event and row["attempt"] == 4
    books = engine.verify()
    assert books["dead"] == 0 and books["delivered"] == books["matched"] == 1


@pytest.mark.settings(retry_schedule="10ms")
@pytest.mark.shared(books=True)
def test_dead_letter_redelivered_by_many_at_once(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    receiver.script("/in", Answer(status=500), Answer(status=500),
                    Answer(delay=0.2))
    event = engine.post_event()
    engine.wait_deliveries(hook, 1, "?state=dead")

    def call(_):
        return engine.api("POST", f"{hook}/deliveries/{event}/redeliver")

    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(call, range(16)))
    assert {r.status for r in replies} == {200}  # none is refused while it is settled
    books = engine.verify()
    assert books["dead"] == 0 and books["delivered"] == books["matched"] == 1


@pytest.mark.alone
def test_redelivery_of_what_is_just_being_settled_waits_for_the_commit(
        make_engine, receiver, tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    monkeypatch.setenv("FAULTY_DISK", str(disk))
    engine = make_engine()
    engine.binary = FAULTY
    engine.start()
    hook = engine.create_hook(receiver.url("/in"))
    event = engine.post_event()
    disk.touch()  # commits hang
    wait_for(lambda: sum(engine.metrics()["posthorn_attempts_total"].values()) == 1,
             "the answer is there")
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(redeliver, engine, hook, event) for _ in range(4)]
        assert not wait(asked, timeout=0.3).done
        disk.unlink()
        records = [one.result(30) for one in asked]
    assert {r["state"] for r in records} == {"delivered"}
    assert min(r["attempt"] for r in records) == 2
    assert engine.wait_settled()["delivered"] == 1


@pytest.mark.settings(retry_schedule="1h,1h")
@pytest.mark.shared(books=True)
def test_redelivery_of_one_that_waits_is_its_next_attempt(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    receiver.script("/in", Answer(status=500), Answer(status=502), Answer())
    event = engine.post_event()
    (row,) = engine.wait_deliveries(hook, 1, "?state=retrying")
    record = redeliver(engine, hook, event)
    assert record["state"] == "retrying" and record["attempt"] == 2
    assert record["nextAttemptAt"] > row["nextAttemptAt"] - 3_600_000
    assert redeliver(engine, hook, event)["state"] == "delivered"
    books = engine.verify()
    assert books["pending"] == 0 and books["delivered"] == 1
    assert len(receiver.got("/in")) == 3


def test_redelivery_joins_the_attempt_in_flight(engine, receiver):
    hook = engine.create_hook(receiver.url("/slow"))
    receiver.script("/slow", Answer(delay=0.7))
    event = engine.post_event()
    receiver.wait(1, "/slow")
    record = redeliver(engine, hook, event)
    assert record["state"] == "delivered" and record["attempt"] == 1
    assert len(receiver.got("/slow")) == 1


@pytest.mark.settings(retry_schedule="1h")
@pytest.mark.shared(books=True)
def test_cancelled_delivery_is_sent_by_hand(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    receiver.script("/in", Answer(status=500, delay=0.5), Answer())
    event = engine.post_event()
    receiver.wait(1, "/in")
    engine.api("PATCH", hook, {"active": False})  # while it is in flight
    (row,) = engine.wait_deliveries(hook, 1, "?state=cancelled")
    assert row["id"] == event
    assert engine.verify()["cancelled"] == 1
    assert redeliver(engine, hook, event)["state"] == "delivered"
    books = engine.verify()
    assert books["cancelled"] == 0 and books["delivered"] == 1


def test_redelivery_of_what_is_not_there(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), filters=["order.created"])
    other = engine.create_hook(receiver.url("/other"), filters=["a.b"])
    event = engine.post_event()
    engine.wait_deliveries(hook, 1)
    for path in (f"{hook}/deliveries/{uuid.uuid4()}",
                 f"{hook}/deliveries/not-a-uuid",
                 f"{other}/deliveries/{event}",
                 f"/api/orgs/acme/hooks/nope/deliveries/{event}",
                 f"/api/orgs/other/hooks/nope/deliveries/{event}"):
        reply = engine.api("POST", f"{path}/redeliver")
        assert reply.status == 404, path
        assert reply.json()["message"].startswith("Not Found: "), path
    assert len(receiver.got()) == 1


@pytest.mark.settings(retention_delivered="2s", retention_dead="2s")
def test_redelivery_of_what_retention_removed(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    event = engine.post_event()
    engine.wait_deliveries(hook, 1)

    def gone():
        reply = engine.api("POST", f"{hook}/deliveries/{event}/redeliver")
        return reply.status in (404, 410) and reply
    reply = wait_for(gone, "it is gone", 20)
    assert reply.json()["code"] == reply.status


@pytest.mark.alone
def test_redelivery_after_a_restart(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    event = engine.post_event()
    engine.wait_deliveries(hook, 1)
    first = ping(engine, hook)
    assert engine.stop() == 0
    engine.start()
    assert redeliver(engine, hook, event)["responseCode"] == 200
    assert redeliver(engine, hook, first["id"])["kind"] == "ping"


def test_history_of_one_event(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    events = engine.post_batch(
        [{"kind": "order.created", "payload": {"n": n}} for n in range(300)])
    engine.wait_deliveries(hook, 300, "?limit=1000")
    for event in events[::50]:
        redeliver(engine, hook, event)
        rows = engine.deliveries(hook, f"?id={event}&limit=1")
        assert [(r["id"], r["attempt"]) for r in rows] == [(event, 2)]
        assert len(engine.deliveries(hook, f"?id={event}")) == 2


@pytest.mark.alone
def test_drain_waits_for_a_ping(engine, receiver):
    hook = engine.create_hook(receiver.url("/slow"))
    receiver.script("/slow", Answer(delay=1))
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(ping, engine, hook)
        receiver.wait(1, "/slow")
        assert engine.stop() == 0
        assert future.result(5)["responseCode"] == 200


@pytest.mark.slow
@pytest.mark.settings(retry_schedule="50ms,50ms", dispatchers="2")
@pytest.mark.alone
def test_books_balance_through_all_of_it(engine, receiver):
    """Events, pings, redeliveries, hooks switched off and on, roles killed;
    whatever was answered, the books add up at the end."""
    chance = random.Random(20261121)
    statuses = [200, 200, 500, 404]  # none that slows everything down
    hooks = []
    for number in range(6):
        receiver.script(f"/{number}", *(
            Answer(status=chance.choice(statuses), delay=chance.random() / 50)
            for _ in range(500)))
        hooks.append(engine.create_hook(receiver.url(f"/{number}"),
                                        secret=SECRET))
    events = []
    seen = set()

    def act(_):
        hook = chance.choice(hooks)
        what = chance.random()
        try:
            if what < 0.3 or not events:
                events.extend(engine.post_batch(
                    [{"kind": "a.b", "payload": {"n": n}} for n in range(20)]))
            elif what < 0.8:
                seen.add(engine.api(
                    "POST", f"{hook}/deliveries/{chance.choice(events)}"
                    "/redeliver").status)
            elif what < 0.9:
                seen.add(engine.api("POST", f"{hook}/ping").status)
            else:
                engine.api("PATCH", hook, {"active": what < 0.97})
        except (OSError, http.client.HTTPException, AssertionError):
            pass  # a role was killed under it

    with ThreadPoolExecutor(8) as pool:
        for n_round in range(8):
            list(pool.map(act, range(60)))
            victims = engine.pids(("dispatcher", "sender", "api")[n_round % 3])
            os.kill(chance.choice(victims), signal.SIGKILL)
            engine.wait_ready()
    for hook in hooks:
        engine.api("PATCH", hook, {"active": True})
    books = engine.wait_settled()
    assert 200 in seen and seen <= {200, 404, 429, 503}
    assert books["matched"] == (books["delivered"] + books["dead"]
                                + books["cancelled"])
    assert sum(len(pages(engine, hook, "dead")) for hook in hooks) == books[
        "dead"]
    assert not any(pages(engine, hook, "retrying") for hook in hooks)
