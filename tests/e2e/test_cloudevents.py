# SPDX-License-Identifier: MIT
"""CloudEvents 1.0: taken in all three modes of HTTP, sent by hooks of that format."""

import json
import uuid

import pytest

from support import SECRET, compact, wait_for

pytestmark = pytest.mark.shared

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
AKINON = "/organizations/5f0c1a2b3c4d5e6f70819203/projects/63ea10b94a472e003305232b"


def cloud_event(**more):
    event = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "/shop/1?a=b",
             "type": "order.created", "time": "2026-11-27T09:30:00.5+01:00",
             "subject": "order 7", "myext": "ü", "count": 3, "flag": True,
             "datacontenttype": "application/json", "data": {"n": [1, None, "]"]}, **more}
    return {name: value for name, value in event.items() if value is not ...}


def headers_of(event):
    return {f"ce-{name}": ("true" if value is True else str(value)).replace("ü", "%C3%BC")
            for name, value in event.items() if name not in ("data", "datacontenttype")}


def post(engine, event, mode, **more):
    if mode == "binary":
        return engine.intake(compact(event["data"]).encode(), headers={
            **headers_of(event), **more})
    body, kind = (event, STRUCTURED) if mode == "structured" else ([event], BATCH)
    return engine.intake(compact(body).encode(), content_type=kind, headers=more)


@pytest.mark.parametrize("mode", ["structured", "binary", "batch"])
def test_what_comes_as_one_leaves_as_one(engine, receiver, mode):
    """And as what it is to a hook of another format, matched by type and data."""
    engine.create_hook(receiver.url("/ce"), format="cloudevents", secret=SECRET)
    engine.create_hook(receiver.url("/raw"), filters=["order.*"])
    event = cloud_event()
    reply = post(engine, event, mode)
    assert reply.status == 202, reply
    ours = reply.json()["ids"][0] if mode == "batch" else reply.json()["id"]
    sent = receiver.wait(1, "/ce")[0]
    assert sent.headers["content-type"] == STRUCTURED
    got = json.loads(sent.body)
    if mode == "binary":  # headers have no types
        event.update(count="3", flag="true")
    assert got == {**event, "id": ours}
    raw = receiver.wait(1, "/raw")[0]
    assert json.loads(raw.body) == event["data"] and raw.id == ours
    assert raw.headers["content-type"] == "application/json"
    # The same again is the same event; another one of this source is another.
    again = post(engine, event if mode != "binary" else cloud_event(id=event["id"]), mode)
    assert again.status == 202
    assert ours in again.body.decode()
    other = post(engine, cloud_event(), mode)
    assert other.status == 202 and ours not in other.body.decode()
    receiver.wait(2, "/ce")


def test_an_event_of_the_api_leaves_as_one(engine, receiver):
    hook = engine.create_hook(receiver.url("/ce"), "/api/stacks/acme/web/prod/hooks",
                              format="cloudevents")
    ping = engine.api("POST", f"{hook}/ping").json()
    assert json.loads(receiver.wait(1, "/ce")[0].body)["type"] == "ping"
    event = engine.post_event("order.created", {"projectName": "web", "stackName": "prod"})
    got = json.loads(receiver.wait(2, "/ce")[1].body)
    assert got.pop("time").endswith("Z")
    source = got.pop("source").replace(engine.real("acme"), "acme")
    assert source == "/orgs/acme/projects/web/stacks/prod"
    assert got == {"specversion": "1.0", "id": event, "type": "order.created",
                   "datacontenttype": "application/json",
                   "data": {"projectName": "web", "stackName": "prod"}}
    rows = engine.wait_deliveries(hook, 2)
    assert {row["id"] for row in rows} == {event, ping["id"]}
    assert json.loads(rows[0]["payload"])["specversion"] == "1.0"


def test_of_akinon_and_without_data(engine, receiver):
    hook = engine.api("POST", f"{AKINON}/settings/webhooks", {
        "name": "Watcher", "url": receiver.url("/in"), "events": ["a.b"]}).json()["_id"]
    engine.settle_hooks()
    reply = engine.request(engine.ingest_port, "POST", f"{AKINON}/events",
                           compact(cloud_event(type="a.b", data=...)).encode(),
                           {"Content-Type": STRUCTURED})
    assert reply.status == 202, reply
    sent = json.loads(receiver.wait(1, "/in")[0].body)
    assert (sent["event"], sent["data"]) == ("a.b", {})
    assert hook
    # Elsewhere it is null.
    engine.create_hook(receiver.url("/null"), filters=["null.data"])
    assert engine.intake(b"", headers=headers_of(cloud_event(type="null.data")),
                         content_type="application/json").status == 202
    assert receiver.wait(1, "/null")[0].body == b"null"


WRONG = {
    "no id": (cloud_event(id=...), 400, "id of the CloudEvent is missing"),
    "empty id": (cloud_event(id=""), 400, "id of the CloudEvent"),
    "no source": (cloud_event(source=...), 400, "source of the CloudEvent is missing"),
    "source": (cloud_event(source="a b"), 400, "a URI reference"),
    "no version": (cloud_event(specversion=...), 400, "specversion"),
    "version": (cloud_event(specversion="0.3"), 400, '\\"1.0\\"'),
    "time": (cloud_event(time="yesterday"), 400, "a time of RFC 3339"),
    "time out of range": (cloud_event(time="2026-13-01T00:00:00Z"), 400, "RFC 3339"),
    "type": (cloud_event(type="nonsense"), 400, "type is the kind"),
    "type of ours": (cloud_event(type="posthorn.hook.failing"), 400, "type is the kind"),
    "extension's name": (cloud_event(**{"my-ext": 1}), 400, "no name of an attribute"),
    "extension": (cloud_event(myext={"a": 1}), 400, "a boolean, an integer, or a string"),
    "fraction": (cloud_event(count=1.5), 400, "a boolean, an integer, or a string"),
    "large": (cloud_event(**{f"ext{n}": "x" * 1000 for n in range(6)}), 400, "4096 bytes"),
    "no JSON": (cloud_event(datacontenttype="text/xml", data="<a/>"), 415, "must be JSON"),
    "base64": (cloud_event(data=..., data_base64="AAA="), 415, "data_base64"),
    "known kind": (cloud_event(type="stack_update", data={}), 400, "data the payload"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(engine, name):
    event, status, said = WRONG[name]
    reply = post(engine, event, "structured")
    assert reply.status == status, reply
    assert said in reply.body.decode()
    reply = engine.intake(compact([cloud_event(), event]).encode(), content_type=BATCH)
    assert reply.status == status, reply
    assert "event 2: " in reply.body.decode() and said in reply.body.decode()


def test_modes_that_are_wrong(engine):
    good = cloud_event()
    for headers, status, said in (
            ({**headers_of(good), "Content-Type": "text/plain"}, 415, "must be JSON"),
            ({**headers_of(good), "ce-source": "%zz"}, 400, "percent-encoded"),
            ({**headers_of(good), "ce-id": ""}, 400, "id of the CloudEvent"),
            ({**headers_of(good), "ce-data": "x"}, 400, "the body of the request"),
            ({**headers_of(good), "CE-Source": "/other"}, 400, "given twice"),
            ({**headers_of(good), "ce-" + "x" * 65: "y"}, 400, "more than 64"),
            ({**headers_of(good), "Idempotency-Key": "k"}, 400, "source and id"),
            ({"Content-Type": "application/cloudevents+xml"}, 415, "it must be")):
        kind = headers.pop("Content-Type", "application/json")
        reply = engine.intake(b"{}", content_type=kind, headers=headers)
        assert reply.status == status, reply
        assert said in reply.body.decode(), reply
    for body, said in ((b"", "an array of CloudEvents"), (b"{}", "an array"),
                       (b"[]", "no event"), (b"[", "must be a JSON array"),
                       (f"[{compact(good)} {compact(good)}]".encode(), "event 1: "),
                       (f"[{compact(good)}".encode(), "event 2: "),
                       (f"[{compact(good)}],".encode(), "event 2: "),
                       (f"[,{compact(good)}]".encode(), "event 1: "),
                       (f"[{compact(good)},]".encode(), "event 2: ")):
        reply = engine.intake(body, content_type=BATCH)
        assert reply.status == 400, reply
        assert said in reply.body.decode(), (body, reply)
    assert post(engine, good, "structured").status == 202  # nothing of it was stored


def test_a_batch_is_read_in_order_and_whole(engine, receiver):
    engine.create_hook(receiver.url("/in"), filters=["bulk.*"])
    events = [cloud_event(type="bulk.row", data={"n": n, "x": "]}\\\\\"" * (n % 7)})
              for n in range(300)]
    body = json.dumps(events, indent=2).encode()
    reply = engine.intake(body, content_type=BATCH)
    assert reply.status == 202 and reply.json()["accepted"] == 300, reply
    got = receiver.wait(300, "/in")
    by_id = {r.id: json.loads(r.body) for r in got}
    assert [by_id[i] for i in reply.json()["ids"]] == [e["data"] for e in events]
    assert engine.intake(body, content_type=BATCH).json()["ids"] == reply.json()["ids"]


def test_attributes_count_in_the_backlog_of_an_organization(engine, receiver):
    """Or they would fill the queue of all beside a small payload."""
    engine.create_hook(receiver.url(), paused=True, filters=["large.*"])
    large = {f"ext{n}": "x" * 1000 for n in range(3)}
    for _ in range(20):
        assert post(engine, cloud_event(type="large.attributes", data={}, **large),
                    "structured").status == 202
    wait_for(lambda: engine.api("GET", "/api/orgs/acme/status").json()[
        "waitingBytes"] > 20 * 3000, "they count")
