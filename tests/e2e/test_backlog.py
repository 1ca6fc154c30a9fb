# SPDX-License-Identifier: MIT
"""How much waits, for whom there is room, and what is said of it."""

import http.client
import json
import os
import signal
import time

import pytest

from engine import Engine
from pauses import (  # noqa: F401
    change, create_akinon, pause, post, posthorn, resume, shown, status_of)
from receiver import Answer
from support import wait_for

MANY = {"pad": "x" * 20_000}


def org_status(engine, org="acme"):
    reply = engine.api("GET", f"/api/orgs/{org}/status")
    assert reply.status == 200, reply
    return reply.json()


def post_until_refused(engine, org="acme", at_most=2000):
    """Posts events of 20 KB until one is refused; how many were taken, and the
    refusal."""
    event = json.dumps({"kind": "order.created", "payload": MANY}).encode()
    for count in range(at_most):
        reply = engine.intake(event, org)
        if reply.status != 202:
            return count, reply
    raise AssertionError("nothing was refused")


def is_taken(engine, org="acme"):
    event = json.dumps({"kind": "order.created", "payload": MANY}).encode()
    return engine.intake(event, org).status == 202


def test_lists_and_status_say_how_many_wait(engine, receiver, posthorn):
    hook = engine.create_hook(receiver.url(), name="audit", paused=True)
    other = engine.create_hook(receiver.url(), name="other")
    post(engine, 30)
    wait_for(lambda: shown(engine, hook).get("waiting") == 30, "30 are told")
    listed = {h["name"]: h.get("waiting")
              for h in engine.api("GET", "/api/orgs/acme/hooks").json()}
    assert listed == {"audit": 30, "other": None}
    status = status_of(engine, hook)
    assert (status["state"], status["waiting"]) == ("paused", 30)
    assert status["waitingBytes"] > 30 * 256
    wait_for(lambda: org_status(engine)["waiting"] == 30, "other has its own")
    whole = org_status(engine)
    assert whole["refusing"] is False
    assert (whole["fullest"][0]["hookName"],
            whole["fullest"][0]["paused"]) == ("audit", True)
    row, = [line.split() for line in
            posthorn("hook", "list", "--org", "acme").splitlines()
            if line.startswith("audit")]
    assert row[:3] == ["audit", "paused", "30"]
    assert "audit (paused)" in posthorn("status")
    assert "audit (paused)" in posthorn("status", "--org", "acme")
    told = json.loads(posthorn("status", "--json"))["backlog"]
    assert (told["waiting"], told["pausedHooks"]) == (30, 1)
    assert told["organizations"][0]["organizationName"] == "acme"
    resume(engine, hook)
    engine.wait_settled()
    assert "waiting" not in shown(engine, hook)
    wait_for(lambda: org_status(engine)["waiting"] == 0, "nothing waits")
    assert status_of(engine, hook)["waiting"] == 0
    assert status_of(engine, other)["waiting"] == 0


def test_only_admins_see_other_organizations(engine, receiver, posthorn):
    engine.create_hook(receiver.url(), paused=True)
    post(engine, 3)
    token = posthorn("token", "create", "--org", "acme", "--scopes", "read"
                     ).split()[0]
    assert engine.api("GET", "/api/status").status == 200
    assert engine.api("GET", "/api/status", token=token).status == 403
    assert engine.api("GET", "/api/orgs/acme/status", token=token).status == 200
    assert engine.api("GET", "/api/orgs/zeta/status", token=token).status == 403
    assert engine.api("GET", "/api/status", token=None).status == 401
    akinon = create_akinon(engine, receiver.url(), paused=True)
    org = akinon.split("/")[2]
    path = "/".join(akinon.split("/")[:5])
    reply = engine.request(engine.ingest_port, "POST", f"{path}/events",
                           b'{"event":"a.b","data":{}}',
                           {"Content-Type": "application/json"})
    assert reply.status == 202, reply
    for prefix in ("", "/api/v1"):
        wait_for(lambda: engine.api(
            "GET", f"{prefix}/organizations/{org}/status"
            ).json()["waiting"] == 1, "it waits")
    assert engine.api("GET", "/organizations/x/status").status == 400
    assert org_status(engine, "zeta")["waiting"] == 0


@pytest.mark.settings(max_queue_bytes_per_organization="1MiB",
                      dispatchers="2")
def test_a_backlog_stops_its_own_organization_alone(engine, receiver, posthorn):
    hook = engine.create_hook(receiver.url("/in"), name="audit", paused=True)
    zeta = engine.create_hook(receiver.url("/zeta"), "/api/orgs/zeta/hooks",
                              paused=True)
    count, reply = post_until_refused(engine)
    assert reply.status == 503 and int(reply.headers["retry-after"]) >= 5
    message = reply.json()["message"]
    for words in ("organization acme", "1.0 MiB", "audit, which is paused"):
        assert words in message, message
    assert count >= 1024 * 1024 // 21_000
    status = org_status(engine)
    assert status["refusing"] and status["percent"] >= 100
    assert status["quotaBytes"] == 1024 * 1024
    assert status_of(engine, hook)["organization"]["refusing"]
    assert "refused now" in posthorn("status")
    # The others go on, each within its own.
    for _ in range(5):
        assert is_taken(engine, "zeta") and is_taken(engine, "none")
    assert not is_taken(engine)
    assert not org_status(engine, "zeta")["refusing"]
    metrics = wait_for(
        lambda: (lambda m: m["posthorn_organizations_full"]
                 ['role="ingest"'] == 1 and m)(engine.metrics()),
        "the metrics count it")
    assert metrics["posthorn_backlog_fullest_ratio"]['role="ingest"'] >= 1
    assert sum(metrics["posthorn_backlog_bytes"].values()) > 1024 * 1024
    refused = metrics["posthorn_events_refused_total"]
    assert refused['reason="organization_quota",role="ingest"'] >= 2
    log = [line for line in engine.log().splitlines()
           if "its backlog fills its quota" in line]
    assert len(log) == 1 and 'org="acme"' in log[0] and "audit" in log[0]
    # It stays so whoever is started again.
    for restart in (lambda: kill_role(engine, "dispatcher"),
                    lambda: kill_role(engine, "ingest"),
                    lambda: engine.restart() if engine.stop() == 0 else None):
        restart()
        wait_for(lambda: not is_taken_now(engine), "it is refused again", 20)
    # Resuming makes room.
    resume(engine, hook)
    wait_for(lambda: is_taken(engine), "there is room again", 30)
    resume(engine, zeta)
    engine.wait_settled()


def is_taken_now(engine):
    """Whether an event is taken; None while nobody is there to say."""
    try:
        return is_taken(engine)
    except (OSError, http.client.HTTPException):
        return True


def kill_role(engine, role):
    for pid in engine.pids(role):
        os.kill(pid, signal.SIGKILL)
    engine.wait_ready()


@pytest.mark.settings(max_queue_bytes_per_organization="1MiB",
                      retry_schedule="1h", breaker_failures="0")
def test_what_waits_for_several_hooks_is_stored_and_counted_once(
        engine, receiver):
    """Also what no pause keeps: a receiver that is away."""
    hooks = [engine.create_hook(receiver.url(f"/{n}"), paused=True)
             for n in range(10)]
    receiver.script("/away", Answer(503))
    away = engine.create_hook(receiver.url("/away"))
    for _ in range(12):  # 2.6 MB of payloads, if each counted by itself
        assert is_taken(engine)
    wait_for(lambda: org_status(engine)["waiting"] == 132, "all wait")
    status = wait_for(
        lambda: (lambda s: s["waitingBytes"] > 240_000 and s)(
            org_status(engine)), "the log's size is told")
    assert status["waitingBytes"] < 700_000
    assert not status["refusing"] and is_taken(engine)
    wait_for(lambda: status_of(engine, away)["waiting"] == 13,
             "it waits for the one that is away")
    for hook in [*hooks, away]:
        assert engine.api("DELETE", hook).status == 204
    wait_for(lambda: org_status(engine)["waiting"] == 0,
             "what was deleted counts no more")
    assert engine.wait_settled()["cancelled"] == 143


@pytest.mark.settings(max_queue_bytes_per_organization="20MiB")
def test_status_says_when_the_quota_will_refuse(engine, receiver, posthorn):
    hook = engine.create_hook(receiver.url(), paused=True)
    assert org_status(engine)["refusesAt"] is None

    def grows():
        is_taken(engine)
        time.sleep(0.05)
        began = time.time()
        status = org_status(engine)
        return status["refusesAt"] and (status, began, time.time())

    status, began, ended = wait_for(grows, "it is foreseen")
    assert status["bytesPerSecond"] > 0 and not status["refusing"]
    seconds = status["refusesAt"] / 1000 - began
    left = status["quotaBytes"] - status["waitingBytes"]
    assert abs(seconds - left / status["bytesPerSecond"]) < (
        seconds * 0.1 + 2 + ended - began)
    assert status_of(engine, hook)["organization"]["refusesAt"]
    assert " in " in posthorn("status", "--org", "acme").splitlines()[1]


def test_the_quota_is_read_again(make_engine, receiver, tmp_path):
    settings = tmp_path / "posthorn.conf"
    settings.write_text("max_queue_bytes_per_organization = 400000\n")
    engine = make_engine()
    engine.command = lambda: [*Engine.command(engine), "--config",
                              str(settings)]
    engine.start()
    engine.create_hook(receiver.url(), paused=True)
    post_until_refused(engine)
    settings.write_text("max_queue_bytes_per_organization = 800MiB\n")
    engine.process.send_signal(signal.SIGHUP)
    wait_for(lambda: is_taken(engine), "the new quota counts")
    assert org_status(engine)["quotaBytes"] == 800 * 1024 * 1024


@pytest.mark.settings(max_queue_bytes="16MiB",
                      max_queue_bytes_per_organization="16MiB")
def test_a_full_queue_says_whose_backlog_it_is(engine, receiver):
    engine.create_hook(receiver.url(), name="audit", paused=True)
    engine.create_hook(receiver.url(), "/api/orgs/zeta/hooks")
    post_until_refused(engine)
    mine = wait_for(
        lambda: (lambda m: "audit" in m and m)(
            post_until_refused(engine)[1].json()["message"]),
        "it says whose it is")
    for words in ("queue is at its quota", "organization acme fills most",
                  "audit, which is paused"):
        assert words in mine, mine
    other = post_until_refused(engine, "zeta")[1].json()["message"]
    assert "other organizations" in other and "acme" not in other
    wait_for(lambda: "the queue is full" in engine.log(),
             "the log says it")
    assert engine.api("GET", "/api/status").json()["refusing"] is True
    change(engine, "/api/orgs/acme/hooks/audit", active=False)
    engine.wait_settled()
