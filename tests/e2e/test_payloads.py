# SPDX-License-Identifier: MIT
"""Payloads as they are: whatever JSON fits into an event is taken, and arrives."""

import json
import subprocess

import pytest

from support import compact

pytestmark = [pytest.mark.shared, pytest.mark.settings(breaker_failures="0")]


def order(n_items):
    """As shops send them: some 70 keys an item."""
    money = {"shop_money": {"amount": "1.00", "currency_code": "USD"},
             "presentment_money": {"amount": "1.00", "currency_code": "USD"}}
    item = {f"field_{i}": money if i % 6 == 0 else f"value {i}"
            for i in range(40)}
    return {"id": 1, "line_items": [{**item, "id": n} for n in range(n_items)]}


def push(n_commits):
    person = {"name": "n", "email": "e", "username": "u"}
    return {"ref": "refs/heads/main", "commits": [
        {"id": f"{n:040x}", "message": "m", "url": "u", "author": person,
         "committer": person, "added": [], "removed": [], "modified": ["f"],
         "distinct": True, "tree_id": "t", "timestamp": "t"}
        for n in range(n_commits)]}


def nested(depth):
    """As deep as an event: the event itself is one level, its payload the next."""
    value = 1
    for i in range(depth - 2):
        value = [value] if i % 2 else {"x": value}
    return {"x": value}


PAYLOADS = {
    "an order of 60 items": order(60),
    "a push of 300 commits": push(300),
    "a string of 200 KB": {"text": "é" * 100_000},
    "an object of 15,000 keys": {f"k{i}": i for i in range(15_000)},
    "a key of 100 KB": {"k" * 100_000: 1},
    "128 levels": nested(128),
    "100,000 small numbers": {"n": [1] * 100_000},
}


def test_ordinary_payloads_arrive_as_they_were(engine, receiver):
    engine.create_hook(receiver.url("/in"), format="raw")
    for payload in PAYLOADS.values():
        body = compact({"kind": "a.b", "payload": payload}).encode()
        assert len(body) <= 262_144
        reply = engine.intake(body)
        assert reply.status == 202, reply
    got = receiver.wait(len(PAYLOADS), "/in", 30)
    assert sorted(r.body for r in got) == sorted(
        compact(p).encode() for p in PAYLOADS.values())


def test_messages_are_made_of_them(engine, receiver):
    """Whatever the payload is, people are told of it."""
    engine.create_hook(receiver.url("/in"), format="ms_teams")
    for payload in PAYLOADS.values():
        engine.post_event("a.b", payload)
    got = receiver.wait(len(PAYLOADS), "/in", 30)
    assert all(json.loads(r.body) for r in got)


def test_depth_has_a_limit_that_the_answer_names(engine):
    body = compact({"kind": "a.b", "payload": nested(129)}).encode()
    reply = engine.intake(body)
    assert reply.status == 400
    assert "nested deeper than 128 (max_json_depth)" in reply.json()["message"]


def test_a_key_twice_among_many_is_refused(engine):
    many = ",".join(f'"k{i}":{i}' for i in range(10_000))
    body = '{"kind":"a.b","payload":{%s,"k77":1}}' % many
    reply = engine.intake(body.encode())
    assert reply.status == 400
    assert 'key "k77" is given twice' in reply.json()["message"]


@pytest.mark.parametrize("setting, value, payload, named", [
    ("max_json_depth", "8", nested(9), "nested deeper than 8"),
    ("max_json_keys", "100", {f"k{i}": i for i in range(99)},
     "more than 100 keys"),
    ("max_json_string_bytes", "1000", {"text": "x" * 1001},
     "a string is longer than 1000 bytes")])
def test_limits_are_settings(make_engine, receiver, setting, value, payload,
                             named):
    """What was taken in before a limit was lowered is delivered all the same."""
    engine = make_engine(breaker_failures="0").start()
    hook = engine.create_hook(receiver.url("/in"), ordered=True,
                              orderKey="x.y", paused=True)
    engine.post_event("a.b", payload)
    assert engine.stop() == 0
    engine.restart(**{setting: value})
    reply = engine.intake(compact({"kind": "a.b", "payload": payload}).encode())
    assert reply.status == 400, reply
    assert named in reply.json()["message"]
    assert setting in reply.json()["message"]
    assert engine.api("PATCH", hook, {"paused": False}).status == 200
    (got,) = receiver.wait(1, "/in", 20)
    assert got.body == compact(payload).encode()


@pytest.mark.parametrize("setting, value", [
    ("max_json_depth", "7"), ("max_json_depth", "1025"),
    ("max_json_keys", "-1"), ("max_json_string_bytes", "5MiB")])
def test_limits_out_of_range_refuse_to_start(make_engine, setting, value):
    engine = make_engine(**{setting: value})
    done = subprocess.run(engine.command(), timeout=20, cwd=engine.directory,
                          capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert setting in done.stderr + done.stdout
