# SPDX-License-Identifier: MIT
"""The payload of one event is erased: nothing of it is left in an answer or a file, and the
rest of the organization, and other organizations, keep what they have."""

import json
import os
import signal

import pytest

from receiver import Answer
from support import compact, wait_for

GONE, KEPT = "zqxgone", "zqxkept"  # a part of whatever an event brings, and of what comes back
EVENTS = "/api/orgs/acme/events"
WHY = "the event's payload was erased"


def post(engine, mark, org="acme"):
    reply = engine.intake(compact({"text": f"{mark}-payload"}).encode(), org, headers={
        "ce-specversion": "1.0", "ce-id": mark, "ce-source": f"/{mark}", "ce-type": "a.b",
        "ce-subject": f"{mark}-subject", "ce-own": f"{mark}-own",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": f"own={mark}"})
    assert reply.status == 202, reply
    return reply.json()["id"]


def echo(mark, status=200, **more):
    return Answer(status, f"{mark}-answer".encode(), {"X-Echo": f"{mark}-echo"}, **more)


def get(engine, path):
    reply = engine.api("GET", path)
    assert reply.status == 200, reply
    return reply.json()


def answers(engine, hooks, event):
    """All that the API tells of the event, as text."""
    paths = [EVENTS, f"{EVENTS}/{event}", f"{EVENTS}/{event}/payload",
             "/api/orgs/acme/deliveries", "/api/orgs/acme/export"]
    for hook in hooks.values():
        one = f"{hook}/deliveries/{event}"
        paths += [f"{hook}/deliveries", f"{one}/attempts/1", f"{one}/request"]
    return {path: engine.api("GET", path).body.decode() for path in paths}


def files_with(engine, mark):
    return [os.path.join(where, name) for where, _, names in os.walk(engine.data_dir)
            for name in names
            if mark.encode() in open(os.path.join(where, name), "rb").read()]


def states(engine, hook, event):
    return [(a["state"], a.get("reason")) for a in get(engine, f"{hook}/deliveries?id={event}")]


def test_nothing_of_an_erased_payload_is_left(make_engine, receiver):
    engine = make_engine(dispatchers="2", retry_schedule="50ms", breaker_failures="0").start()
    receiver.script("/fine", echo(GONE))
    receiver.script("/dead", echo(GONE, 500))
    receiver.script("/waits", echo(GONE, 500))
    hooks = {name: engine.create_hook(receiver.url(f"/{name}"), **fields) for name, fields in (
        ("fine", {"format": "cloudevents", "traceContext": True}), ("dead", {}),
        ("waits", {"retrySchedule": ["1s"] * 30}))}
    other = engine.create_hook(receiver.url("/other"), "/api/orgs/globex/hooks")
    event, kept = post(engine, GONE), post(engine, KEPT, "globex")
    engine.wait_deliveries(hooks["fine"], 1)
    engine.wait_deliveries(hooks["dead"], 2)
    engine.wait_deliveries(hooks["waits"], 1)
    engine.wait_deliveries(other, 1)
    where = f"{EVENTS}/{event}/payload"
    told = answers(engine, hooks, event)
    assert [path for path, text in told.items() if GONE not in text] == [EVENTS, where]
    assert get(engine, where) == {"event": event, "payloadErased": False, "orderedAt": None,
                                  "erasedAt": None, "done": False}

    # Not by others; and the engine is killed with the order given.
    assert engine.api("DELETE", f"/api/orgs/globex/events/{event}/payload").status == 404
    reply = engine.api("DELETE", where)
    assert reply.status == 202 and not reply.json()["done"], reply
    engine.kill9()
    engine.start()
    wait_for(lambda: get(engine, where)["done"], "the payload is erased")
    reply = engine.api("DELETE", where)
    assert reply.status == 200 and reply.json()["erasedAt"] > 0, reply

    # What waited is cancelled when its turn comes; nothing else is sent of it.
    wait_for(lambda: ("cancelled", WHY) in states(engine, hooks["waits"], event),
             "the delivery that waited is cancelled")
    reply = engine.api("POST", f"{hooks['fine']}/deliveries/{event}/redeliver")
    assert reply.status == 410 and b"of this event was erased" in reply.body, reply
    for body in ({}, {"state": "delivered"}):
        reply = engine.api("POST", "/api/orgs/acme/replay", body)
        assert reply.status == 410 and b"1 deliveries match" in reply.body, reply
    assert len(receiver.got("/fine")) == 1 and len(receiver.got("/dead")) == 2
    told = answers(engine, hooks, event)
    assert [path for path, text in told.items() if GONE in text] == []
    assert "erased" in json.loads(told[f"{hooks['fine']}/deliveries/{event}/request"])["message"]
    for path in (f"{EVENTS}/{event}", f"{hooks['fine']}/deliveries/{event}/attempts/1"):
        shown = json.loads(told[path])
        assert shown["payloadErased"] is True and shown["payload"] == "", shown
    assert [(e["id"], e["payloadErased"]) for e in json.loads(told[EVENTS])] == [(event, True)]
    assert get(engine, f"{hooks['fine']}/deliveries")[0]["responseCode"] == 200
    assert KEPT in get(engine, f"{other}/deliveries")[0]["payload"]
    assert "payloadErased" not in get(engine, f"/api/orgs/globex/events/{kept}")

    # The command, of another event, with a request under way whose answer has not come.
    receiver.script("/fine", echo(GONE, held=True))
    event = post(engine, GONE + "2")
    receiver.wait(2, "/fine")
    asked = engine.run("events", "erase-payload", event, "--org", "acme", stdin="no\n", status=1)
    assert "a.b, accepted" in asked.stderr and "nothing was erased" in asked.stderr
    done = engine.run("events", "erase-payload", event, "--org", "acme", "--json",
                      stdin="acme\n")
    assert json.loads(done.stdout)["done"] is True
    receiver.release()
    engine.wait_deliveries(hooks["fine"], 2)
    assert [path for path, text in answers(engine, hooks, event).items() if GONE in text] == []

    engine.stop()
    assert files_with(engine, KEPT) != []
    engine.run("compact", "--data-dir", engine.data_dir)
    assert files_with(engine, GONE) == []
    assert files_with(engine, KEPT) != []
    engine.verify()


@pytest.mark.long
def test_orders_of_an_organization_have_a_limit(make_engine):
    """A dispatcher that is away holds them up; then they are removed, some in each second."""
    engine = make_engine(dispatchers="1").start()
    events = engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(1001)])
    other = engine.post_event(org="globex")
    (pid,) = engine.pids("dispatcher")
    os.kill(pid, signal.SIGSTOP)
    try:
        for event in events[:-1]:
            assert engine.api("DELETE", f"{EVENTS}/{event}/payload").status == 202
        reply = engine.api("DELETE", f"{EVENTS}/{events[-1]}/payload")
        assert reply.status == 429 and b"of 1000 events" in reply.body, reply
        assert reply.headers["retry-after"] == "1"
        # Whoever has an order is told so, and others have room of their own.
        assert engine.api("DELETE", f"{EVENTS}/{events[0]}/payload").status == 202
        assert engine.api("DELETE", f"/api/orgs/globex/events/{other}/payload").status == 202
    finally:
        os.kill(pid, signal.SIGCONT)
    for event in events[:-1]:
        wait_for(lambda: get(engine, f"{EVENTS}/{event}/payload")["done"], "it is erased")
    assert engine.api("DELETE", f"{EVENTS}/{events[-1]}/payload").status == 202
