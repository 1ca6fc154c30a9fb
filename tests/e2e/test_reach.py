# SPDX-License-Identifier: MIT
"""Which ports and which of this machine's own addresses deliveries reach."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from engine import BINARY
from receiver import Receiver
from support import ROOT

ORG = "/api/orgs/acme/hooks"


def whole(url):
    return {"organizationName": "acme", "displayName": "x", "active": True,
            "payloadUrl": url}


def first_row(engine, hook):
    engine.post_event()
    return engine.wait_deliveries(hook, 1)[0]


def test_webhook_to_a_port_that_is_no_web_servers_is_refused(engine):
    hook = engine.create_hook("https://example.com/")
    for url in ("http://example.com:22/", "https://example.com:25/x",
                "http://127.0.0.1:1023/", "http://[2a00::1]:111/"):
        for reply in (engine.api("POST", ORG, whole(url)),
                      engine.api("PATCH", hook, {"payloadUrl": url})):
            assert reply.status == 400, url
            assert "payloadUrl: nothing is delivered to port" in \
                reply.json()["message"]
            assert "80,443,1024-65535" in reply.json()["message"]
    akinon = engine.api(
        "POST", "/organizations/64b0c0ffee0123456789abcd/projects/"
        "64b0c0ffee0123456789abce/settings/webhooks",
        {"name": "ak", "url": "http://example.com:22/", "events": ["a.b"]})
    assert akinon.status == 400 and "port 22" in akinon.body.decode()
    for url in ("http://example.com/", "https://example.com/",
                "http://example.com:443/", "http://example.com:1024/",
                "http://example.com:65535/"):
        assert engine.api("POST", ORG, whole(url)).status == 201, url
    assert engine.api("GET", hook).json()["payloadUrl"] == \
        "https://example.com/"


def test_webhook_made_before_is_kept_and_fails_as_blocked(engine, receiver):
    url = receiver.url("/in")
    hook = engine.create_hook(url, retrySchedule=["1h"])
    assert engine.stop() == 0
    engine.restart(endpoint_ports="80, 443")
    row = first_row(engine, hook)
    assert row["error"]["class"] == "blocked"
    assert "endpoint_ports" in row["error"]["message"]
    assert not receiver.got() and receiver.n_connections == 0
    # It can be changed, also by a client that sends all of it.
    for change in ({"displayName": "y"}, {"payloadUrl": url}):
        assert engine.api("PATCH", hook, change).status == 200
    assert engine.api("PATCH", hook,
                      {"payloadUrl": url + "2"}).status == 400
    assert engine.api("GET", hook).json()["payloadUrl"] == url


def test_allowed_address_with_a_port_allows_the_port_there_alone(make_engine,
                                                                 receiver):
    engine = make_engine(
        endpoint_ports="80",
        endpoint_allow=f"127.0.0.1/32:{receiver.port},127.0.0.3/32").start()
    assert first_row(engine, engine.create_hook(receiver.url()))["error"] \
        is None
    other = Receiver()
    try:
        # One without a port allows addresses, and no port.
        for url in (f"http://127.0.0.1:{other.port}/",
                    f"http://127.0.0.3:{other.port}/"):
            assert engine.api("POST", ORG, whole(url)).status == 400
        # The port alone, at another address: a name could lead there.
        for host in ("127.0.0.2", "127.0.0.3"):
            hook = engine.create_hook(f"http://{host}:{receiver.port}/",
                                      retrySchedule=["1h"])
            assert first_row(engine, hook)["error"]["class"] == "blocked"
        assert other.n_connections == 0
    finally:
        other.stop()


def test_ports_that_are_none_are_refused_at_the_start(make_engine):
    for value in ("", "0", "65536", "9-1", "80,", "80-", "-80", "http",
                  "80;443", "1-2-3"):
        engine = make_engine(endpoint_ports=value)
        done = subprocess.run(
            engine.command(), capture_output=True, text=True, timeout=30,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        assert done.returncode != 0, value
        assert "endpoint_ports: " in done.stderr
        assert "1 to 64 ports and ranges like 443,1024-65535" in done.stderr


def can_make_namespaces():
    return os.geteuid() == 0 and shutil.which("ip") is not None and \
        subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"],
                       capture_output=True).returncode == 0


def test_no_own_address_is_reached_however_many_there_are(tmp_path):
    """The 257th of an interface, and addresses that only a route makes ours."""
    if not can_make_namespaces():
        pytest.skip("no network namespaces here")
    done = subprocess.run(
        ["unshare", "-n", sys.executable,
         str(ROOT / "tests/e2e/own_world.py"), BINARY, str(tmp_path)],
        capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    world = json.loads(done.stdout.splitlines()[-1])
    assert world["found"].pop("named") == "delivered"
    assert set(world["found"].values()) == {"blocked"}, world
    assert len(world["found"]) == 8 and world["within"] == 0
