# SPDX-License-Identifier: MIT
"""Clients that want the same thing at once, and hooks that change under load."""

import hashlib
import hmac
import http.client
import json
import re
import threading
import time

import pytest

from engine import Reply
from receiver import Answer
from support import compact, wait_for

ORG = "/api/orgs/acme/hooks"


class Client:
    """One connection to the management API."""

    def __init__(self, engine):
        self.headers = {"Authorization": f"token {engine.token}",
                        "Content-Type": "application/json"}
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", engine.api_port, timeout=30)

    def call(self, method, path, value=None):
        body = None if value is None else compact(value).encode()
        self.connection.request(method, path, body, self.headers)
        return Reply(self.connection.getresponse())

    def create(self, **fields):
        return self.call("POST", ORG, {
            "organizationName": "acme", "displayName": "d", "active": True,
            "payloadUrl": "http://127.0.0.1:1029/", **fields})

    def close(self):
        self.connection.close()


def at_once(engine, count, work):
    """work(client, i) on `count` connections that begin together; the results
    in order, or the first fault."""
    results, faults = [None] * count, []
    barrier = threading.Barrier(count)

    def run(i):
        client = Client(engine)
        try:
            barrier.wait(10)
            results[i] = work(client, i)
        except Exception as fault:
            faults.append(fault)
        finally:
            client.close()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if faults:
        raise faults[0]
    assert None not in results, "a client did not end"
    return results


# --- changes of one hook ---


def test_patches_of_different_fields_lose_nothing(engine):
    """Each client alone changes its field, so it must find there what it put,
    whatever the other does meanwhile."""
    rounds = 200
    fields = [("displayName", "name {}"), ("payloadUrl", "http://a.test/{}")]
    path = f"{ORG}/{Client(engine).create(name='shared').json()['name']}"

    def work(client, i):
        field, form = fields[i]
        for n in range(rounds):
            value = form.format(n)
            reply = client.call("PATCH", path, {field: value})
            assert reply.status == 200, reply
            assert reply.json()[field] == value
            assert client.call("GET", path).json()[field] == value
        return value

    last = at_once(engine, 2, work)
    hook = engine.api("GET", path).json()
    assert [hook[field] for field, _ in fields] == last
    assert hook["active"] is True


def test_patches_of_one_field_end_with_one_of_them(engine):
    path = f"{ORG}/{Client(engine).create(name='shared').json()['name']}"

    def work(client, i):
        for n in range(50):
            reply = client.call("PATCH", path, {
                "displayName": f"{i}-{n}", "payloadUrl": f"http://a.test/{i}-{n}",
                "active": True})
            assert reply.status in (200, 409), reply
        return reply.status

    at_once(engine, 8, work)
    hook = engine.api("GET", path).json()
    # Both fields came in one body: no other client's value may be between.
    assert hook["payloadUrl"] == f"http://a.test/{hook['displayName']}"


def test_patches_and_a_delete_end_with_the_delete(engine):
    path = f"{ORG}/{Client(engine).create(name='doomed').json()['name']}"
    seen = threading.Event()

    def work(client, i):
        if i == 0:
            assert seen.wait(10)
            return [client.call("DELETE", path).status]
        statuses = []
        while 404 not in statuses and len(statuses) < 10_000:
            statuses.append(
                client.call("PATCH", path, {"displayName": "x"}).status)
            seen.set()
        # Once it is gone, no change brings it back.
        statuses += [client.call("PATCH", path, {"active": False}).status
                     for _ in range(10)]
        return statuses

    deleted, *patched = at_once(engine, 4, work)
    assert deleted == [204]
    for statuses in patched:
        gone = statuses.index(404)
        assert set(statuses[:gone]) <= {200}
        assert set(statuses[gone:]) == {404}
    assert engine.api("GET", path).status == 404
    assert engine.api("GET", ORG).json() == []


# --- creation ---


def test_one_of_those_who_want_a_name_gets_it(engine):
    for n in range(10):
        statuses = at_once(
            engine, 16, lambda client, _: client.create(name=f"n{n}").status)
        assert sorted(statuses) == [201] + [409] * 15
    assert len(engine.api("GET", ORG).json()) == 10


def test_a_thousand_hooks_from_sixteen_connections(engine):
    def work(client, i):
        replies = [client.create(displayName=f"{i}-{n}") for n in range(63)]
        assert {reply.status for reply in replies} == {201}
        return [reply.json()["name"] for reply in replies]

    names = sum(at_once(engine, 16, work), [])
    assert len(names) == len(set(names)) == 1008
    assert all(re.fullmatch(r"[0-9a-f]{8}", name) for name in names)
    listed = [hook["name"] for hook in engine.api("GET", ORG).json()]
    assert listed == sorted(names)
    assert engine.stop() == 0
    assert engine.verify()["hooks"] == 1008


# --- changes under load ---


def test_a_deleted_hook_cancels_what_waits(engine, receiver):
    count = 300
    receiver.script("/slow", Answer(delay=1.0))
    slow = engine.create_hook(receiver.url("/slow"))
    engine.create_hook(receiver.url("/fast"))
    ids = engine.post_batch([{"kind": "order.created", "payload": {"n": n}}
                             for n in range(count)])
    receiver.wait(1, "/slow")  # in flight; the rest waits for its turn
    receiver.wait(count, "/fast")
    assert engine.api("DELETE", slow).status == 204
    engine.settle_hooks()
    sent = len(receiver.got("/slow"))
    assert 0 < sent < count

    books = engine.wait_settled()
    assert len(receiver.got("/slow")) == sent, "sent after the deletion"
    assert books["matched"] == 2 * count
    assert books["dead"] == 0
    # What was in flight was answered: it is delivered, and counted so.
    assert books["delivered"] == count + sent
    assert books["cancelled"] == count - sent
    assert {r.id for r in receiver.got("/fast")} == set(ids)
    assert engine.api("GET", slow).status == 404
    assert engine.deliveries(slow) == []


@pytest.mark.settings(retry_schedule="60s,60s")
def test_a_deleted_hook_cancels_what_is_to_be_retried(engine, receiver):
    count = 20
    receiver.script("/failing", Answer(500))
    hook = engine.create_hook(receiver.url("/failing"))
    engine.post_batch([{"kind": "order.created", "payload": {"n": n}}
                       for n in range(count)])
    receiver.wait(count, "/failing")
    engine.wait_deliveries(hook, count)
    assert engine.verify()["pending"] == count
    assert engine.api("DELETE", hook).status == 204
    books = engine.wait_settled()
    assert books["cancelled"] == books["matched"] == count
    assert len(receiver.got("/failing")) == count


def signs(secret, request):
    wanted = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
    return request.headers["pulumi-webhook-signature"] == wanted


def test_a_secret_that_changes_in_mid_stream(engine, receiver):
    """Each delivery verifies under the old secret or the new one; whatever is
    sent a second after the change was answered, under the new. When it was sent says
    its own stamp, in seconds."""
    hook = engine.create_hook(receiver.url(), secret="the old one")
    over = threading.Event()

    def is_late(request):
        return int(request.headers["webhook-timestamp"]) > changed + 1.0

    def post():
        number = 0
        while not over.wait(0.005):
            number += 1
            engine.post_event(payload={"number": number})
        return number

    posted = []
    stream = threading.Thread(target=lambda: posted.append(post()))
    stream.start()
    try:
        receiver.wait(50)
        reply = engine.api("PATCH", hook, {"secret": "the new one"})
        assert reply.status == 200, reply
        changed = time.time()
        wait_for(lambda: len([r for r in receiver.got() if is_late(r)]) >= 50,
                 "a stream a second after the change")
    finally:
        over.set()
        stream.join(20)
    receiver.wait(posted[0])
    old = [r for r in receiver.got() if signs("the old one", r)]
    new = [r for r in receiver.got() if signs("the new one", r)]
    assert len(old) + len(new) == len(receiver.got()) == posted[0]
    assert len(old) >= 50
    late = [r for r in old if is_late(r)]
    assert late == [], "signed with a secret that is gone"
    found = engine.api("GET", hook).json()
    assert found.pop("sinceSecret")["delivered"] > 0
    assert found == reply.json()


@pytest.mark.settings(retry_schedule="1s,1s,1s")
def test_a_retry_is_signed_with_the_secret_of_its_time(engine, receiver):
    receiver.script("/", Answer(500), Answer(200))
    hook = engine.create_hook(receiver.url(), secret="the old one")
    engine.post_event()
    receiver.wait(1)
    assert engine.api("PATCH", hook,
                      {"secret": "the new one"}).status == 200
    first, second = receiver.wait(2)
    assert first.id == second.id and first.body == second.body
    assert signs("the old one", first) and signs("the new one", second)
