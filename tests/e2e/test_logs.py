# SPDX-License-Identifier: MIT
"""The log: hooks by the names that users know, who changed what, and lines that a
collector of JSON can read whatever tenants write."""

import json
import os
import re
import signal

import pytest

from receiver import Answer
from support import SECRET, wait_for

HOSTILE = "x\x1b[31m\u009b31m\u202e\"\\\n\t\u2028 \U0001f479 level=fatal {\"a\":1}"


def unique(pairs):
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), names
    return dict(pairs)


def json_lines(engine):
    """Every line of the log, each judged."""
    lines = engine.log_path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    out = []
    for line in lines:
        assert all(32 <= b < 127 for b in line), line
        value = json.loads(line, object_pairs_hook=unique)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value["time"])
        assert value["level"] in ("debug", "info", "warn", "fatal"), line
        assert value["role"] and value["message"] and value["pid"] > 0
        out.append(value)
    return out


def token_of(engine, name, scopes=("read", "write"), org="acme"):
    reply = engine.api("POST", f"/api/orgs/{org}/tokens",
                       {"scopes": list(scopes), "name": name})
    assert reply.status == 201, reply
    return reply.json()


def field(lines, message, **more):
    """The one line with this message."""
    found = [l for l in lines if l["message"] == message and
             all(l.get(k) == v for k, v in more.items())]
    assert len(found) == 1, (message, more, found)
    return found[0]


@pytest.mark.settings(log_format="json", retry_schedule="50ms", debug="yes",
                      breaker_failures="0")
def test_every_line_of_a_busy_engine_is_json(engine, receiver):
    engine.check_exit = False  # roles are killed
    for path, where in {
        "/org": "/api/orgs/acme/hooks", "/stack": "/api/stacks/acme/web/prod/hooks",
        "/env": "/api/esc/environments/acme/web/dev/hooks",
    }.items():
        engine.create_hook(receiver.url(path), where, name="orders",
                           **{"displayName": HOSTILE, "headers": {"X-A": "b"}})
    receiver.script("/gone", Answer(status=410))
    engine.create_hook(receiver.url("/gone"), name="goner", filters=["a.b"])
    made = token_of(engine, HOSTILE)
    for n in range(20):
        engine.post_event("a.b", {"n": n, "x": HOSTILE})
    who = {"token": made["token"]}
    assert engine.api("PATCH", "/api/orgs/acme/hooks/orders",
                      {"displayName": HOSTILE * 5, "filters": ["a.b", "Order.*"] * 20},
                      **who).status == 200
    engine.api("POST", "/api/orgs/acme/replay",
               {"state": "delivered", "kinds": [HOSTILE]}, **who)
    engine.api("POST", "/api/orgs/acme/dead/discard", {"kinds": [HOSTILE]}, **who)
    engine.api("POST", "/api/orgs/acme/hooks/orders/ping", {}, **who)
    engine.api("GET", "/api/orgs/acme/hooks/" + "%1b%c2%9b%e2%80%ae")
    wait_for(lambda: not engine.api("GET", "/api/orgs/acme/hooks/goner").json()["active"],
             "switched off")
    os.kill(engine.pids("sender")[0], signal.SIGKILL)
    os.kill(engine.pids("dispatcher")[0], signal.SIGKILL)
    wait_for(lambda: '"a role ended"' in engine.log(), "ended", 30)
    engine.wait_ready()
    engine.wait_settled()
    assert engine.stop() == 0
    lines = json_lines(engine)
    assert {"supervisor", "api"} < {l["role"] for l in lines}
    assert field(lines, "hook switched off")["hook"] == "acme/goner"
    assert {l["by"] for l in lines if "by" in l} == {"admin token", HOSTILE}
    assert any(l["message"] == "stopped" for l in lines)
    for line in lines:  # never a number alone
        assert ("hook_no" in line) <= ("hook" in line), line
        assert not isinstance(line.get("hook"), int), line


def test_faults_at_the_start_are_lines_too(make_engine, engine):
    other = make_engine(log_format="json", api_listen=f"127.0.0.1:{engine.api_port}")
    other.check_exit = False
    assert other.spawn().process.wait(60) != 0
    lines = json_lines(other)
    assert "api_listen" in field(lines, "the engine cannot start")["fault"]


def test_who_changed_what_from_what_to_what(make_engine, receiver):
    engine = make_engine(log_format="json").start()
    ci = token_of(engine, "ci bot")
    who = {"token": ci["token"]}
    path = "/api/stacks/acme/web/prod/hooks"
    password = "p4ssw0rd-in-a-query"
    created = engine.api("POST", path, {
        "organizationName": "acme", "projectName": "web", "stackName": "prod",
        "name": "orders", "displayName": "Orders", "active": True,
        "payloadUrl": receiver.url("/a") + f"?sig={password}", "secret": SECRET,
        "headers": {"Authorization": f"Bearer {SECRET}", "X-Team": "blue"}}, **who)
    assert created.status == 201, created
    assert engine.api("PATCH", path + "/orders", {
        "active": False, "filters": ["order.*", "update_failed"],
        "payloadUrl": receiver.url("/b") + f"?sig={password}2",
        "secret": SECRET + "2", "timeout": "7s",
        "headers": {"Authorization": f"Bearer {SECRET}3", "X-Team": "red", "X-New": "1"},
    }, **who).status == 200
    assert engine.api("PATCH", path + "/orders", {"active": True}).status == 200
    assert engine.api("DELETE", path + "/orders", **who).status == 204
    assert engine.api("DELETE", f"/api/orgs/acme/tokens/{ci['id']}").status == 204
    lines = json_lines(engine)

    made = field(lines, "token created")
    assert (made["by"], made["by_id"]) == ("admin token", "admin")
    assert (made["token"], made["token_id"], made["org"]) == ("ci bot", ci["id"], "acme")
    line = field(lines, "hook created")
    assert (line["by"], line["by_id"]) == ("ci bot", ci["id"])
    assert line["hook"] == "acme/web/prod/orders" and line["of"] == "stack"
    assert line["new_display_name"] == "Orders" and line["new_active"] is True
    assert "old_active" not in line

    line = field(lines, "hook changed", by="ci bot")
    assert set(line["changed"].split(",")) == {
        "active", "filters", "payload_url", "secret", "timeout", "headers"}
    assert (line["old_active"], line["new_active"]) == (True, False)
    assert (line["old_filters"], line["new_filters"]) == (
        "", '["order.*","update_failed"]')
    assert (line["old_timeout"], line["new_timeout"]) == ("", "7s")
    assert line["old_payload_url"] == receiver.url("/a") + "?********"
    assert line["new_payload_url"] == receiver.url("/b") + "?********"
    assert line["old_secret"] == line["new_secret"] == "********"
    assert line["old_headers"] == "Authorization, X-Team"
    assert line["new_headers"] == "Authorization, X-Team, X-New"
    line = field(lines, "hook changed", by="admin token")
    assert line["changed"] == "active"
    line = field(lines, "hook deleted")
    assert line["hook"] == "acme/web/prod/orders" and line["old_active"] is True
    line = field(lines, "token revoked")
    assert (line["token"], line["token_id"]) == ("ci bot", ci["id"])
    log = engine.log()
    for secret in (SECRET, password, ci["token"], engine.token):
        assert secret not in log


@pytest.mark.settings(retry_schedule="50ms", breaker_failures="0")
def test_text_lines_name_hooks_and_who(engine, receiver):
    hook = engine.create_hook(receiver.url("/gone"), name="orders")
    receiver.script("/gone", Answer(status=410))
    engine.post_event()
    wait_for(lambda: 'msg="hook switched off" hook="acme/orders"' in engine.log(), "off")
    engine.api("PATCH", hook, {"active": True})
    receiver.script("/gone", Answer(status=500))
    engine.post_event()
    wait_for(lambda: len(engine.deliveries(hook, "?state=dead")) == 2, "dead")
    reply = engine.api("POST", "/api/orgs/acme/dead/discard", {"state": "dead"})
    reply = engine.api("POST", hook + "/dead/discard", {})
    assert reply.status == 200, reply
    engine.api("DELETE", hook)
    log = engine.log()
    assert re.search(r'msg="hook changed" by="admin token" by_id="admin" '
                     r'peer="127.0.0.1" hook="acme/orders" of=organization hook_no=\d+ '
                     r'changed="active[^"]*" old_active=false new_active=true', log), log
    assert re.search(r'msg="dead letters are discarded" by="admin token".*'
                     r'hook="acme/orders"', log)
    for line in log.splitlines():
        assert not re.search(r"\bhook=\d", line), line
