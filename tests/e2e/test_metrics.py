# SPDX-License-Identifier: MIT
"""What an operator sees: metrics, health, readiness."""

import os
import signal

import pytest

from receiver import Answer
from support import wait_for

FAMILIES = {
    "posthorn_events_accepted_total", "posthorn_events_refused_total",
    "posthorn_deliveries_matched_total", "posthorn_attempts_total",
    "posthorn_attempts_in_flight", "posthorn_deliveries_due",
    "posthorn_deliveries_dead", "posthorn_queue_bytes",
    "posthorn_hooks_failing",
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
