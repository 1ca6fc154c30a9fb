# SPDX-License-Identifier: MIT
"""The settings of the running engine, over HTTP: what they are and where from."""

import os
import signal
import subprocess

from support import wait_for
from visitor import engine_with_file, make_token

FIXED = {"text", "path", "address", "schedule", "networks", "ports", "boolean"}


def settings_of(engine):
    reply = engine.api("GET", "/api/config")
    assert reply.status == 200, reply
    return {s["name"]: s for s in reply.json()["settings"]}


def reload(engine, applied):
    os.kill(engine.process.pid, signal.SIGHUP)
    return wait_for(lambda: (lambda s: applied(s) and s)(settings_of(engine)),
                    "the settings are reloaded")


def test_each_setting_says_what_it_is_and_where_from(make_engine, tmp_path, monkeypatch):
    monkeypatch.setenv("POSTHORN_MAX_INFLIGHT", "7")
    engine, config = engine_with_file(make_engine, tmp_path)
    config.write_text("# a remark\n\nrequest_timeout = 3s\nmax_connections = 200\n"
                      "deployments_url = https://me:canary-5@example.com/d?to=https://you:canary-6@example.net/\n")
    engine.start()
    found = settings_of(engine)
    described = {line.split(" = ")[0] for line in subprocess.run(
        [engine.binary, "config"], capture_output=True, text=True, check=True
    ).stdout.splitlines()}
    assert set(found) == described and len(found) > 70

    def has(name, **wanted):
        assert {key: found[name].get(key) for key in wanted} == wanted, found[name]

    has("request_timeout", value="3s", number=3000, unit="ms", default="30s",
        origin="file", file=str(config), line=3, needsRestart=False, type="duration")
    has("max_inflight", value="7", number=7, unit=None, origin="environment", file=None)
    has("breaker_wait", value="100ms", origin="commandLine", number=100, line=None)
    has("connect_timeout", value="3s", number=3000, origin="follows",
        follows="request_timeout", default="5s")
    has("max_event_bytes", value="262144", number=262144, unit="bytes", origin="default")
    has("max_connections", origin="file", line=4, needsRestart=True, pendingValue=None)
    has("deployments_url", value="https://********@example.com/d?to=https://********@example.net/")
    for setting in found.values():
        assert (setting["number"] is None) == (setting["type"] in FIXED), setting
        assert setting["help"].endswith(".") and setting["allowed"], setting
    assert "canary" not in str(found)

    config.write_text("max_connections = 300\nrequest_timeout = 9s\n")
    found = reload(engine, lambda s: s["request_timeout"]["number"] == 9000)
    has("request_timeout", line=2)
    # It keeps its value, and its origin, until a restart.
    has("max_connections", value="200", line=4, pendingValue="300")
    config.write_text("max_connections = 200\nrequest_timeout = 8s\n")
    found = reload(engine, lambda s: s["request_timeout"]["number"] == 8000)
    has("max_connections", value="200", pendingValue=None)
    config.write_text("max_connections = 400\nrequest_timeout = never\n")
    os.kill(engine.process.pid, signal.SIGHUP)
    wait_for(lambda: "settings not reloaded" in engine.log(), "the file is refused")
    found = settings_of(engine)
    has("max_connections", pendingValue=None)
    has("request_timeout", value="8s", number=8000)


def test_only_the_admin_token_is_shown_them(make_engine):
    engine = make_engine().start()
    token = make_token(engine, "ingest", "read", "write")["token"]
    assert engine.api("GET", "/api/config", token=token).status == 403
    assert engine.api("GET", "/api/config", token=None).status == 401
