# SPDX-License-Identifier: MIT
"""The handshake of CloudEvents' web hooks: nothing goes to a receiver that has not allowed it."""

import json
import os
import signal

import pytest

from pauses import create_akinon, shown, status_of
from receiver import Answer
from support import wait_for

pytestmark = pytest.mark.shared

ORIGIN = "engine.example.com"


@pytest.fixture
def settings():
    return {"webhook_origin": ORIGIN}


def allow(rate=None, origin=ORIGIN, status=200):
    headers = {"WebHook-Allowed-Origin": origin}
    if rate is not None:
        headers["WebHook-Allowed-Rate"] = rate
    return Answer(status=status, headers=headers)


def state(engine, hook):
    return shown(engine, hook)["handshakeState"]


def wait_state(engine, hook, wanted):
    return wait_for(lambda: (lambda s: s["state"] == wanted and s)(state(engine, hook)),
                    f"the handshake of {hook} is {wanted}")


def asked(receiver, path):
    return [r for r in receiver.got(path) if r.method == "OPTIONS"]


def sent(receiver, path):
    return [r for r in receiver.got(path) if r.method == "POST"]


REFUSALS = {  # the first answer, and the reason that is shown
    "/status": (allow(status=405), "status 405"),
    "/none": (Answer(), "no WebHook-Allowed-Origin"),
    "/origin": (allow(origin="else.example.com"), "else.example.com"),
    "/rate": (allow(rate="0"), "WebHook-Allowed-Rate"),
}


def test_what_is_not_a_permission_is_refused_and_asked_again(engine, receiver):
    hooks = {}
    for path, (answer, _) in REFUSALS.items():
        receiver.script(path, answer, Answer(held=True, headers=allow().headers), allow(rate="*"))
        hooks[path] = engine.create_hook(receiver.url(path), handshake=True, filters=["order.created"])
    event = engine.post_event()
    for path, (_, reason) in REFUSALS.items():
        assert reason in wait_state(engine, hooks[path], "refused")["reason"]
    hook = hooks["/none"]
    assert status_of(engine, hook)["state"] == "refused"
    table = engine.api("GET", "/api/orgs/acme/hooks?scope=all&state=refused").json()
    assert {h["name"] for h in table} >= {h.rsplit("/", 1)[1] for h in hooks.values()}
    # Whoever asks by hand gets the same answer, and nothing is sent.
    for action in ("ping", f"deliveries/{event}/redeliver"):
        reply = engine.api("POST", f"{hook}/{action}")
        assert reply.status == 409 and "permission" in reply.json()["message"], (action, reply)
    for path in hooks:
        wait_for(lambda: len(asked(receiver, path)) == 2, "it is asked again")
        assert sent(receiver, path) == []
    receiver.release()
    for path, hook in hooks.items():
        request = wait_for(lambda: sent(receiver, path), "the event that waited is sent")[0]
        assert request.id == event and request.headers["webhook-request-origin"] == ORIGIN
        wait_state(engine, hook, "allowed")
        options = asked(receiver, path)
        assert len(options) == 2
        assert options[0].headers["webhook-request-origin"] == ORIGIN
        assert options[0].body == b"" and "content-length" not in options[0].headers
        assert "webhook-request-rate" not in options[0].headers
    assert engine.api("POST", f"{hook}/ping").status == 200


def test_the_allowed_rate_holds_and_the_origin_may_be_anyones(engine, receiver):
    receiver.script("/slow", allow(rate="60", origin="*"), Answer())
    hook = engine.create_hook(receiver.url("/slow"), handshake=True, rateLimit={"perSecond": 100})
    wait_state(engine, hook, "allowed")
    assert state(engine, hook)["ratePerMinute"] == 60
    assert asked(receiver, "/slow")[0].headers["webhook-request-rate"] == "6000"
    for n in range(3):
        engine.post_event(payload={"n": n})
    times = [r.time for r in receiver.wait(4, "/slow")][1:]
    assert all(b - a > 0.95 for a, b in zip(times, times[1:])), times
    # Neither does a lower rate of its own with a large burst go beyond it.
    receiver.script("/burst", allow(rate="90"), Answer())
    hook = engine.create_hook(receiver.url("/burst"), "/api/orgs/burst/hooks", handshake=True,
                              rateLimit={"perSecond": 1, "burst": 1000})
    wait_state(engine, hook, "allowed")
    for n in range(3):
        engine.post_event(payload={"n": n}, org="burst")
    times = [r.time for r in receiver.wait(4, "/burst")][1:]
    assert all(b - a > 0.95 for a, b in zip(times, times[1:])), times


def test_who_is_gone_or_busy_is_left_alone(engine, receiver):
    receiver.script("/gone", allow(status=410))
    receiver.script("/busy", Answer(429, headers={"Retry-After": "60"}))
    receiver.script("/refuses", Answer(403))
    hooks = [engine.create_hook(receiver.url(path), handshake=True)
             for path in ("/gone", "/busy", "/refuses")]
    for hook in hooks:
        wait_state(engine, hook, "refused")
    wait_for(lambda: len(asked(receiver, "/refuses")) == 4, "others are asked again and again")
    assert len(asked(receiver, "/gone")) == len(asked(receiver, "/busy")) == 1
    # Another URL is another receiver.
    receiver.script("/new", allow())
    assert engine.api("PATCH", hooks[0], {"payloadUrl": receiver.url("/new")}).status == 200
    wait_state(engine, hooks[0], "allowed")


def test_organizations_are_asked_for_in_turns(engine, receiver):
    receiver.script("/last", allow())
    receiver.hold()
    for n in range(30):  # more than there are slots, of five organizations
        org = f"o{n % 5}"
        assert engine.api("POST", f"/api/orgs/{org}/hooks", {
            "organizationName": org, "name": f"n{n}", "displayName": "n", "payloadUrl": receiver.url("/held"),
            "active": True, "handshake": True, "paused": True}).status == 201
    receiver.wait(16, "/held")
    assert engine.api("POST", "/api/orgs/last/hooks", {
        "organizationName": "last", "name": "n", "displayName": "n", "payloadUrl": receiver.url("/last"),
        "active": True, "handshake": True, "paused": True}).status == 201
    engine.settle_hooks()
    receiver.release()
    receiver.wait(30, "/held")
    last = receiver.wait(1, "/last")[0].time
    assert len([r for r in receiver.got("/held") if r.time < last]) <= 27


def test_few_are_asked_at_once_and_nobody_keeps_the_others_waiting(engine, receiver):
    receiver.script("/many", allow())
    receiver.hold()
    for org, count in (("many", 6), ("one", 1)):
        for n in range(count):
            assert engine.api("POST", f"/api/orgs/{org}/hooks", {
                "organizationName": org, "name": f"n{n}", "displayName": "n", "payloadUrl": receiver.url("/many"),
                "active": True, "handshake": True, "paused": True}).status == 201
    receiver.wait(5, "/many")  # four of the first organization
    hooks = [*(f"/api/orgs/many/hooks/n{n}" for n in range(6)), "/api/orgs/one/hooks/n0"]
    assert len(asked(receiver, "/many")) == 5
    receiver.release()
    for hook in hooks:
        wait_state(engine, hook, "allowed")
    assert len(receiver.got("/many")) == 7 and status_of(engine, hook)["state"] == "paused"


def test_addresses_that_hooks_may_not_reach_are_not_asked(engine):
    hook = engine.create_hook("http://10.11.12.13/x", handshake=True)
    blocked = wait_for(lambda: state(engine, hook).get("reason"), "the reason is known")
    assert blocked.startswith("blocked") and state(engine, hook)["state"] == "awaiting"
    assert status_of(engine, hook)["state"] == "awaiting"


def test_hooks_that_cannot_have_it(engine, receiver):
    for fields in ({"handshake": 1}, {"format": "pulumi_deployments", "payloadUrl": "p/s", "handshake": True}):
        reply = engine.api("POST", "/api/orgs/acme/hooks", {
            "organizationName": "acme", "displayName": "x", "payloadUrl": receiver.url(), "active": True, **fields})
        assert reply.status == 400 and "handshake" in reply.json()["message"], reply


def test_a_sender_that_dies_with_it_is_replaced_and_asks_again(engine, receiver):
    receiver.script("/died", Answer(held=True), allow(), Answer())
    hook = engine.create_hook(receiver.url("/died"), handshake=True)
    receiver.wait(1, "/died")
    for pid in engine.pids("sender"):
        os.kill(pid, signal.SIGKILL)
    wait_state(engine, hook, "allowed")
    assert len(asked(receiver, "/died")) == 2


def test_an_export_says_that_it_is_wanted_and_not_how_it_went(engine, receiver):
    receiver.script("/out", allow(), Answer())
    hook = engine.create_hook(receiver.url("/out"), handshake=True)
    wait_state(engine, hook, "allowed")
    lines = engine.run("export", "--data-dir", str(engine.data_dir)).stdout.splitlines()
    exported = [line["hook"] for line in map(json.loads, lines) if "hook" in line]
    mine = [h for h in exported if h["payloadUrl"] == receiver.url("/out")]
    assert [(h["handshake"], "handshakeState" in h) for h in mine] == [(True, False)]


@pytest.mark.alone
def test_a_permission_is_for_one_url_and_origin_and_outlives_a_restart(make_engine, receiver, tmp_path):
    path = tmp_path / "posthorn.conf"
    engine = make_engine()
    command = engine.command
    engine.command = lambda: [*command(), "--config", str(path)]

    def set_origin(name):
        path.write_text(f"webhook_origin = {name}\n")
        engine.process.send_signal(signal.SIGHUP)

    path.write_text(f"webhook_origin = {ORIGIN}\n")
    engine.start()
    receiver.script("/a", allow(), Answer())
    hook = create_akinon(engine, receiver.url("/a"), handshake=True)
    wait_state(engine, hook, "allowed")
    assert engine.stop() == 0
    engine.start()
    assert state(engine, hook)["state"] == "allowed"
    assert engine.api("POST", f"{hook}/ping").status == 200
    assert [r.method for r in receiver.got("/a")] == ["OPTIONS", "POST"]
    receiver.script("/b", Answer(held=True, headers=allow().headers), Answer())
    assert engine.api("PATCH", hook, {"url": receiver.url("/b")}).json()["handshakeState"] == {"state": "awaiting"}
    receiver.wait(1, "/b")
    # A change while the answer is on its way: it is about the URL before.
    receiver.script("/c", allow(), Answer(headers=allow(origin="*").headers))
    assert engine.api("PATCH", hook, {"url": receiver.url("/c")}).status == 200
    assert receiver.got("/c") == []
    receiver.release()
    wait_state(engine, hook, "allowed")
    assert [len(receiver.got(p)) for p in ("/b", "/c")] == [1, 1]
    set_origin("new.example.com")
    origins = [r.headers["webhook-request-origin"] for r in receiver.wait(2, "/c")]
    assert origins == [ORIGIN, "new.example.com"]
    wait_state(engine, hook, "allowed")
    assert engine.api("POST", f"{hook}/ping").status == 200
    assert receiver.wait(3, "/c")[2].headers["webhook-request-origin"] == "new.example.com"
    set_origin("")
    wait_for(lambda: state(engine, hook) == {"state": "awaiting"}, "there is no origin any more")
    wait_for(lambda: engine.api("POST", f"{hook}/ping").status == 409, "a ping is refused")
    assert engine.api("PATCH", hook, {"handshake": True}).status == 400
    assert "handshake" not in engine.api("PATCH", hook, {"handshake": None}).json()
    wait_for(lambda: engine.api("POST", f"{hook}/ping").status == 200, "a ping is sent")
    assert "webhook-request-origin" not in receiver.wait(4, "/c")[3].headers
