# SPDX-License-Identifier: MIT
"""What an operator sees: metrics, health, readiness."""

import json
import os
import re
import signal

import pytest

from receiver import Answer
from support import wait_for

FAMILIES = {
    "posthorn_events_accepted_total", "posthorn_events_refused_total",
    "posthorn_deliveries_matched_total", "posthorn_attempts_total",
    "posthorn_attempts_in_flight", "posthorn_deliveries_due",
    "posthorn_deliveries_dead", "posthorn_queue_bytes",
    "posthorn_build_info", "posthorn_attempt_results_total",
    "posthorn_role_restarts_total", "posthorn_role_ready",
    "posthorn_commit_duration_seconds_bucket",
    "posthorn_attempt_duration_seconds_count"}


def total(metrics, name, label=""):
    return sum(value for labels, value in metrics[name].items()
               if label in labels)


@pytest.mark.smoke
@pytest.mark.settings(retry_schedule="100ms")
def test_counts(engine, receiver):
    receiver.script("/bad", Answer(500))
    engine.create_hook(receiver.url("/good"))
    engine.create_hook(receiver.url("/bad"))
    for _ in range(5):
        engine.post_event()
    engine.intake(b"{}")
    engine.intake(b"{}", token="wrong")
    engine.wait_settled()
    # Gauges are set once a second.
    wait_for(lambda: total(engine.metrics(), "posthorn_deliveries_dead") == 5,
             "the dead letters are counted")
    metrics = engine.metrics()
    assert FAMILIES <= set(metrics)
    assert total(metrics, "posthorn_events_accepted_total") == 5
    assert total(metrics, "posthorn_deliveries_matched_total") == 10
    attempts = "posthorn_attempts_total"
    assert total(metrics, attempts, 'outcome="delivered"') == 5
    assert total(metrics, attempts, 'outcome="retrying"') == 5
    assert total(metrics, attempts, 'outcome="dead"') == 5
    refused = "posthorn_events_refused_total"
    assert total(metrics, refused, 'reason="invalid"') == 1
    assert total(metrics, refused, 'reason="auth"') == 1
    assert total(metrics, "posthorn_attempts_in_flight") == 0
    results = "posthorn_attempt_results_total"
    assert total(metrics, results, 'result="2xx"') == 5
    assert total(metrics, results, 'result="5xx"') == 10
    assert total(metrics, results) == 15
    assert total(metrics, "posthorn_delivery_queue_duration_seconds_count") == 10
    assert total(metrics, "posthorn_attempt_phase_duration_seconds_count",
                 'phase="response"') == 15
    connects = total(metrics, "posthorn_attempt_phase_duration_seconds_count",
                     'phase="connect"')
    assert 1 <= connects <= 15
    assert total(metrics, "posthorn_receiver_connections_total") == connects


def test_format(engine):
    """Prometheus text: type, help, cumulative buckets."""
    reply = engine.api("GET", "/metrics", token=None)
    assert reply.headers["content-type"].startswith("text/plain")
    text = reply.body.decode()
    for family in {line.split()[2] for line in text.splitlines()
                   if line.startswith("# TYPE")}:
        assert text.count(f"# TYPE {family} ") == 1
        assert text.count(f"# HELP {family} ") == 1
    buckets = [value for labels, value in engine.metrics()
               ["posthorn_commit_duration_seconds_bucket"].items()
               if 'role="ingest' in labels]
    assert buckets and buckets == sorted(buckets)


def test_conventions(engine):
    """Names and units as Prometheus' documentation asks for, and no series that could
    not be other than 0."""
    text = engine.api("GET", "/metrics", token=None).body.decode()
    types = {line.split()[2]: line.split()[3] for line in text.splitlines()
             if line.startswith("# TYPE")}
    for family, kind in types.items():
        assert family.startswith("posthorn_")
        assert family.endswith("_total") == (kind == "counter"), family
        assert kind != "histogram" or family.endswith("_seconds"), family
        assert not re.search("_(ms|us|millis.*|percent|kb|mib|count|sum|bucket)$",
                             family), family
    metrics = engine.metrics()
    roles = {family: {labels.split('role="')[1].split('"')[0].split(".")[0]
                      for labels in series if "role" in labels}
             for family, series in metrics.items()}
    assert roles["posthorn_events_accepted_total"] == {"ingest"}
    assert roles["posthorn_commit_duration_seconds_count"] == {
        "ingest", "dispatcher"}
    assert roles["posthorn_attempt_duration_seconds_count"] == {"sender"}
    assert roles["posthorn_role_ready"] == {
        "supervisor", "ingest", "dispatcher", "sender", "api"}
    assert "supervisor" not in roles["posthorn_role_restarts_total"]
    version = json.loads((engine.data_dir / "engine.json").read_text())["version"]
    assert metrics["posthorn_build_info"] == {
        f'version="{version}"': 1}
    assert total(metrics, "posthorn_disk_size_bytes") > total(
        metrics, "posthorn_disk_free_bytes") > 0


def states(engine):
    return {labels.split('state="')[1].split('"')[0]: n for labels, n
            in engine.metrics()["posthorn_hooks"].items() if n}


@pytest.mark.settings(retry_schedule="1h", max_inflight_per_hook=1,
                      request_timeout="60s", breaker_failures="3", dispatchers=1)
def test_hooks_by_state_and_the_oldest_due_delivery(engine, receiver):
    """A hook is in one state; what a slow receiver keeps waiting has an age, what waits
    for a paused hook or for its next attempt has none."""
    def age():
        return total(engine.metrics(), "posthorn_oldest_due_age_seconds")

    def only(**fields):
        return engine.create_hook(receiver.url("/good"),
                                  filters=["rare.kind"], **fields)

    assert states(engine) == {} and age() == 0
    only()
    only(active=False)
    receiver.script("/gone", Answer(410))
    engine.create_hook(receiver.url("/gone"), filters=["gone.kind"])
    engine.post_event("gone.kind")
    paused = engine.create_hook(receiver.url("/good"), paused=True)
    receiver.script("/closes", Answer(do="close"))
    closed = engine.create_hook(receiver.url("/closes"), filters=["broken.kind"])
    for _ in range(4):
        engine.post_event("broken.kind")
    wait_for(lambda: states(engine) == {
        "active": 1, "inactive": 1, "disabled": 1, "paused": 1,
        "breaker_open": 1}, "each is counted in its state")
    assert age() == 0
    assert engine.api("DELETE", closed).status == 204
    assert engine.api("PATCH", paused, {"paused": False}).status == 200
    receiver.script("/hangs", Answer(do="hang"))
    hanging = engine.create_hook(receiver.url("/hangs"), filters=["slow.kind"])
    for _ in range(3):
        engine.post_event("slow.kind")
    wait_for(lambda: 1 < age() < 60, "one waits for the other")
    assert engine.api("PATCH", hanging, {"paused": True}).status == 200
    wait_for(lambda: age() == 0, "it waits for the end of the pause")


def test_health_needs_no_token(engine):
    for path in ("/healthz", "/readyz"):
        assert engine.api("GET", path, token=None).status == 200
        assert engine.api("HEAD", path, token=None).body == b""


def test_hooks_need_one(engine):
    reply = engine.api("GET", "/api/orgs/acme/hooks", token=None)
    assert reply.status == 401
    assert reply.json() == {"code": 401, "message": (
        "Unauthorized: No credentials provided or are invalid.")}


def test_not_ready_while_a_role_is_gone(engine):
    """A stopped dispatcher that is killed again and again: 503 meanwhile."""
    def restarts():
        return total(engine.metrics(), "posthorn_role_restarts_total")

    before = restarts()
    seen = set()
    for i in range(3):
        for pid in engine.pids("dispatcher"):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: seen.add(
            engine.api("GET", "/readyz", token=None).status) or 503 in seen,
            "not ready")
        wait_for(lambda n=before + i + 1: restarts() >= n, "a restart")
        wait_for(engine.is_ready, "ready again")
