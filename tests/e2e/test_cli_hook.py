# SPDX-License-Identifier: MIT
"""`posthorn hook`: everything that a hook has, from a terminal."""

import json
import subprocess

import pytest

from engine import BINARY

pytestmark = pytest.mark.shared

AKINON = ("64b0c0ffee0123456789abcd", "64b0c0ffee0123456789abce")


@pytest.fixture
def hook(engine):
    def run(*words, stdin="", status=...):
        return engine.run("hook", *words, stdin=stdin, status=status)
    return run


def test_a_hooks_life(engine, receiver, hook, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    made = hook("create", "--org", "acme", "--name", "audit", "--display-name",
                "Audit log", "--url", receiver.url(), "--secret-file",
                str(secret), "--filters", "order.*,update_failed",
                "--header", "X-A: 1", "--header", "X-B:two", "--json")
    assert made.returncode == 0, made.stderr
    shown = json.loads(made.stdout)
    assert shown["hasSecret"] and shown["active"]
    assert shown["headers"] == {"X-A": "1", "X-B": "two"}
    assert sorted(shown["filters"]) == ["order.*", "update_failed"]
    place = ("--org", "acme", "--hook", "audit")
    changed = hook("update", *place, "--retry-schedule", "5s,1m", "--timeout",
                   "10s", "--max-in-flight", "4", "--rate", "20:40",
                   "--ordered", "yes", "--order-key", "customer.id")
    assert changed.returncode == 0, changed.stderr
    assert "audit" in changed.stdout and "active" in changed.stdout
    got = json.loads(hook("get", *place, "--json").stdout)
    assert {key: got[key] for key in (
        "retrySchedule", "timeout", "maxInFlight", "rateLimit", "ordered",
        "orderKey")} == {
        "retrySchedule": ["5s", "1m"], "timeout": "10s", "maxInFlight": 4,
        "rateLimit": {"perSecond": 20, "burst": 40}, "ordered": True,
        "orderKey": "customer.id"}
    changed = hook("update", *place, "--rate", "none", "--order-key", "none",
                   "--secret-file", "none", "--header", "none", "--active",
                   "no", "--json")
    got = json.loads(changed.stdout)
    assert not {"rateLimit", "orderKey", "headers"} & set(got)
    assert not got["hasSecret"] and not got["active"]
    engine.settle_hooks()
    assert json.loads(hook("ping", *place, "--json").stdout)["responseCode"] == 200
    assert json.loads(hook("status", *place, "--json").stdout)["state"] == "inactive"
    assert "audit" in hook("list", "--org", "acme").stdout
    assert hook("delete", *place).returncode == 0
    assert json.loads(hook("list", "--org", "acme", "--json").stdout) == []


@pytest.mark.parametrize("place, path", [
    (("--project", "web", "--stack", "prod"),
     "/api/stacks/acme/web/prod/hooks"),
    (("--project", "web", "--environment", "staging"),
     "/api/esc/environments/acme/web/staging/hooks")])
def test_other_places(engine, hook, place, path):
    made = hook("create", "--org", "acme", *place, "--display-name", "x",
                "--url", "https://example.com/", "--secret-file", "-",
                stdin="of the terminal\n")
    assert made.returncode == 0, made.stderr
    listed = engine.api("GET", path).json()
    assert len(listed) == 1 and listed[0]["hasSecret"]


def test_hooks_of_akinon(engine, hook):
    place = ("--akinon", "--org", AKINON[0], "--project", AKINON[1])
    made = hook("create", *place, "--display-name", "Builds", "--url",
                "https://example.com/", "--filters", "a.b,c.d", "--timeout",
                "5s", "--json")
    assert made.returncode == 0, made.stderr
    shown = json.loads(made.stdout)
    assert shown["events"] == ["a.b", "c.d"] and shown["timeout"] == "5s"
    changed = hook("update", *place, "--hook", shown["_id"], "--active", "no")
    assert changed.returncode == 0 and "Builds" in changed.stdout
    refused = hook("update", *place, "--hook", shown["_id"], "--groups", "x")
    assert refused.returncode == 1 and "have no --groups" in refused.stderr


@pytest.mark.parametrize("words, status, said", [
    ((), 2, "action is missing"),
    (("burn",), 2, "burn is not an action"),
    (("list",), 2, "--org is missing"),
    (("get", "--org", "acme"), 2, "--hook is missing"),
    (("list", "--org", "acme", "--stack", "x"), 2, "--project is missing"),
    (("list", "--org", "acme", "--project", "x"), 2, "needs --stack"),
    (("list", "--org", "acme", "x"), 2, "x is not an option or argument of this command"),
    (("list", "--org", "acme", "--wrong"), 2, "--wrong is not an option or argument of this command"),
    (("get", "--org", "acme", "--hook", "none"), 1, "not found"),
    (("update", "--org", "acme", "--hook", "x"), 1, "nothing to change"),
    (("update", "--org", "acme", "--hook", "x", "--active", "1"), 1,
     "--active must be yes or no"),
    (("update", "--org", "acme", "--hook", "x", "--header", "X"), 1,
     "must be Name: value"),
    (("update", "--org", "acme", "--hook", "x", "--secret-file", "/none"), 1,
     "/none cannot be read"),
    (("create", "--org", "acme", "--display-name", "x", "--url",
      "https://example.com/", "--max-in-flight", "many"), 1,
     "maxInFlight must be a number"),
])
def test_what_is_wrong_is_said(hook, words, status, said):
    if not words:
        done = subprocess.run([BINARY, "hook"], capture_output=True, text=True,
                              timeout=30)
    else:
        done = hook(*words)
    assert done.returncode == status and said in done.stderr, done


def test_help_has_an_example(hook):
    done = subprocess.run([BINARY, "hook", "--help"], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 0 and "\n  posthorn hook create" in \
        done.stdout
