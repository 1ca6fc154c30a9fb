# SPDX-License-Identifier: MIT
"""An event that very many hooks want: its deliveries are made in slices, and each hook
gets it, whatever ends in between."""

import json
import os
import signal
import threading

import pytest

from support import wait_for

HOOKS = 400


def of_dispatcher(engine, name):
    return sum(value for labels, value in engine.metrics()[name].items()
               if 'role="dispatcher' in labels)


def make_hooks(engine, receiver, **fields):
    """Hooks h0 … of `acme`, made by several at a time."""
    def make(first):
        for i in range(first, HOOKS, 8):
            reply = engine.api("POST", "/api/orgs/acme/hooks", {
                "organizationName": "acme", "displayName": "d", "active": True,
                "name": f"h{i}", "format": "raw",
                "payloadUrl": receiver.url(f"/h{i}"), **fields})
            assert reply.status == 201, reply
    threads = [threading.Thread(target=make, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.settle_hooks()


def counts(receiver):
    seen = {}
    for request in receiver.got():
        seen[request.path] = seen.get(request.path, 0) + 1
    return seen


@pytest.fixture
def engine(make_engine):
    return make_engine(dispatchers="1", breaker_failures="0",
                       retry_schedule="50ms,50ms").start()


def test_each_of_many_hooks_gets_it_once(engine, receiver):
    make_hooks(engine, receiver)
    slices = of_dispatcher(engine, "posthorn_slices_total")
    n_events = 3
    for i in range(n_events):
        engine.post_event("a.b", {"n": i})
    books = engine.wait_settled(60)
    assert books["delivered"] == HOOKS * n_events
    assert counts(receiver) == {f"/h{i}": n_events for i in range(HOOKS)}
    assert of_dispatcher(engine,
                         "posthorn_slices_total") >= slices + n_events
    assert of_dispatcher(engine, "posthorn_deliveries_matched_total"
                         ) == HOOKS * n_events


def test_order_is_kept_in_each_line(engine, receiver):
    """By a key in the payload, which is looked up for each hook."""
    make_hooks(engine, receiver, ordered=True, orderKey="account.id")
    for i in range(4):
        engine.post_event("a.b", {"account": {"id": f"a{i % 2}"}, "n": i,
                                  "text": ["x" * 1000] * 50})
    engine.wait_settled(90)
    lines = {}
    for request in receiver.got():
        body = json.loads(request.body)
        lines.setdefault((request.path, body["account"]["id"]),
                         []).append(body["n"])
    assert len(lines) == HOOKS * 2
    assert all(ns == sorted(ns) for ns in lines.values())
    assert sum(len(ns) for ns in lines.values()) == HOOKS * 4


def test_a_dispatcher_that_is_killed_meanwhile_loses_none(engine, receiver):
    make_hooks(engine, receiver)
    for i in range(5):
        before = of_dispatcher(engine, "posthorn_slices_total")
        engine.post_event("a.b", {"n": i})
        wait_for(lambda: of_dispatcher(engine, "posthorn_slices_total")
                 > before, "the first slice", 30)
        (pid,) = engine.pids("dispatcher")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: engine.pids("dispatcher") not in ([], [pid]),
                 "another dispatcher", 20)
    books = engine.wait_settled(90)
    assert books["delivered"] == HOOKS * 5
    seen = counts(receiver)
    assert len(seen) == HOOKS and min(seen.values()) >= 5


def test_a_stop_meanwhile_loses_none(engine, receiver):
    make_hooks(engine, receiver)
    for i in range(3):
        engine.post_event("a.b", {"n": i})
    assert engine.stop() == 0
    engine.restart()
    books = engine.wait_settled(60)
    assert books["delivered"] == HOOKS * 3
    assert counts(receiver) == {f"/h{i}": 3 for i in range(HOOKS)}


def test_paused_and_deleted_hooks_among_many(engine, receiver):
    """What waits for a paused one waits; a deleted one gets nothing."""
    make_hooks(engine, receiver)
    assert engine.api("PATCH", "/api/orgs/acme/hooks/h7",
                      {"paused": True}).status == 200
    assert engine.api("DELETE", "/api/orgs/acme/hooks/h9").status == 204
    engine.settle_hooks()
    engine.post_event("a.b", {})
    wait_for(lambda: len(counts(receiver)) == HOOKS - 2, "the others", 30)
    assert engine.api("PATCH", "/api/orgs/acme/hooks/h7",
                      {"paused": False}).status == 200
    engine.wait_settled(30)
    seen = counts(receiver)
    assert seen.pop("/h7") == 1 and "/h9" not in seen
    assert set(seen.values()) == {1}
