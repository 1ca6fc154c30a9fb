# SPDX-License-Identifier: MIT
"""What people see on a terminal: tables that fit, names that cannot harm, times as they
write them, and errors where something does not exist."""

import datetime
import fcntl
import json
import os
import pty
import re
import struct
import shutil
import subprocess
import termios
import time

import pytest

from conftest import running
from engine import BINARY, Engine
from receiver import Answer, Receiver
from support import ROOT, free_ports, wait_for

HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e"
                     "\u2066-\u2069]")
C1 = "x\u009b31mRED\u009d0;title\u009c"
BIDI = "a\u202egnp.exe\u2066\u061cz\u200f"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with running(Engine(tmp_path_factory.mktemp("terminal"), retry_schedule="50ms",
                  breaker_failures="0")) as engine:
        yield engine


@pytest.fixture(scope="module")
def receiver():
    made = Receiver()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def posthorn(engine):
    return engine.run


def on_terminal(engine, columns, *words):
    """What a terminal of so many columns gets, without its colours."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    running = subprocess.Popen([BINARY, *words], stdin=slave, stdout=slave, stderr=slave,
                               env={**engine.client_environment(), "NO_COLOR": "1"})
    os.close(slave)
    out = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        out += piece
    os.close(master)
    assert running.wait(60) == 0, out
    return out.decode().replace("\r\n", "\n").splitlines()


@pytest.fixture(scope="module")
def history(engine, receiver):
    """An organization whose webhooks failed in several ways."""
    org = "/api/orgs/shown/hooks"
    receiver.script("/500", Answer(status=500))
    receiver.script("/reset", Answer(do="reset"))
    engine.create_hook(receiver.url("/ok"), org, name="good-one")
    engine.create_hook(receiver.url("/500"), org, name="answers-500")
    engine.create_hook(receiver.url("/reset"), org, name="resets")
    ids = [engine.post_event("Microsoft.Storage.BlobCreated", org="shown")
           for _ in range(3)]
    wait_for(lambda: len(engine.api(
        "GET", "/api/orgs/shown/deliveries?state=dead&limit=50").json()) == 6, "dead", 30)
    engine.wait_settled()
    return ids


def columns_of(titles, line):
    """A row by its titles, cut where these stand."""
    starts = [m.start() for m in re.finditer(r"\S+(?: \S+)*", titles)]
    names = re.findall(r"\S+(?: \S+)*", titles)
    return {name: line[start:end].strip() for name, start, end in
            zip(names, starts, starts[1:] + [None])}


@pytest.mark.parametrize("width, wanted", [
    (80, {"TIME (UTC)", "STATE", "ID", "ERROR"}),
    (120, {"TIME (UTC)", "STATE", "CODE", "TRY", "ID", "KIND", "ERROR", "HOOK"})])
def test_deliveries_can_be_read(engine, history, width, wanted):
    titles, *rows = on_terminal(engine, width, "deliveries", "--org", "shown")
    assert len(rows) == 3 * 5
    assert all(len(line) <= width for line in [titles, *rows])
    rows = [columns_of(titles, row) for row in rows]
    assert wanted <= set(rows[0])
    assert {r["ID"] for r in rows} == set(history)  # whole
    errors = {r["ERROR"] for r in rows}
    assert "status 500" in errors and "" in errors
    assert any(e.startswith("reset") for e in errors)
    for row in rows:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row["TIME (UTC)"])


def test_in_a_pipe_nothing_is_cut(engine, history, posthorn):
    titles, *rows = posthorn("deliveries", "--org", "shown").stdout.splitlines()
    assert re.split("  +", titles) == ["TIME (UTC)", "STATE", "CODE", "TRY", "TOOK", "ID",
                                       "KIND", "ERROR", "HOOK"]
    assert all("Microsoft.Storage.BlobCreated" in row and "…" not in row for row in rows)


def test_hook_list_says_state_destination_and_filters(engine, receiver, posthorn):
    org = "/api/orgs/listed/hooks"
    receiver.script("/gone", Answer(status=410))
    engine.create_hook(receiver.url("/all"), org, name="all")
    engine.create_hook(receiver.url("/some"), org, name="some",
                       filters=["order.*", "update_failed"], groups=["stacks"])
    engine.create_hook(receiver.url("/off"), org, name="off", active=False)
    engine.create_hook(receiver.url("/paused"), org, name="rests", paused=True)
    engine.create_hook(receiver.url("/gone"), org, name="left", filters=["a.b"])
    engine.post_event("a.b", org="listed")
    wait_for(lambda: not engine.api("GET", f"{org}/left").json()["active"], "off")
    titles, *rows = posthorn("hook", "list", "--org", "listed").stdout.splitlines()
    rows = [columns_of(titles, row) for row in rows]
    shown = {r["NAME"]: r for r in rows}
    assert {n: r["STATE"] for n, r in shown.items()} == {
        "all": "active", "some": "active", "off": "inactive", "rests": "paused",
        "left": "off: gone"}
    assert shown["some"]["FILTERS"] == "order.*, update_failed, stacks"
    assert shown["all"]["FILTERS"] == "all events"
    assert shown["off"]["DESTINATION"] == receiver.url("/off")
    for width in (80, 120):
        lines = on_terminal(engine, width, "hook", "list", "--org", "listed")
        assert all(len(line) <= width for line in lines)
        for title in ("NAME", "STATE", "DESTINATION", "FILTERS"):
            assert title in lines[0], (width, lines)


def test_hook_get_and_status_are_tables_unless_json_is_asked_for(engine, receiver,
                                                                 posthorn):
    engine.create_hook(receiver.url("/in"), "/api/orgs/got/hooks", name="audit",
                       filters=["order.*", "a.b"], secret="s", timeout="7s",
                       headers={"X-Team": "blue"})
    place = ("--org", "got", "--hook", "audit")
    rows = dict(re.split("  +", line, maxsplit=1)
                for line in posthorn("hook", "get", *place).stdout.splitlines())
    assert rows["FIELD"] == "VALUE" and rows["payload url"] == receiver.url("/in")
    assert rows["filters"] == "order.*, a.b" and rows["active"] == "yes"
    assert rows["headers X-Team"] == "blue" and rows["timeout"] == "7s"
    assert json.loads(posthorn("hook", "get", *place, "--json").stdout)["name"] == "audit"
    status = posthorn("hook", "status", *place).stdout
    assert status.startswith("FIELD") and re.search("^state +ok$", status, re.M)
    assert json.loads(posthorn("hook", "status", *place, "--json").stdout)["state"] == "ok"
    assert "delivered" in posthorn("hook", "ping", *place).stdout


# --- texts that are anybody's ---

def test_no_control_character_and_no_turned_text_reaches_the_terminal(
        engine, receiver, posthorn):
    case = json.loads((ROOT / "tests/fixtures/hook-display-name-c1.json").read_text())
    for n, name in enumerate([case["displayName"], C1, BIDI, "\u0085\u2028\x7f"]):
        reply = engine.api("POST", "/api/orgs/evil/hooks", {
            "organizationName": "evil", "displayName": name, "active": True,
            "name": f"h{n}", "payloadUrl": receiver.url("/evil"),
            "headers": {"X-A": "b"}, "filters": ["a.b"]})
        assert reply.status == 201, reply
        assert not HARMFUL.search(reply.body.decode())
    engine.settle_hooks()
    receiver.script("/evil", Answer(status=500, body=(C1 + BIDI).encode()))
    event = engine.post_event("a.b", {"t": C1 + BIDI}, org="evil")
    wait_for(lambda: len(engine.api(
        "GET", "/api/orgs/evil/deliveries?state=dead").json()) == 4, "dead", 30)
    who = ("--org", "evil")
    for words in (["hook", "list", *who], ["hook", "list", *who, "--json"],
                  ["hook", "get", *who, "--hook", "h1"],
                  ["hook", "get", *who, "--hook", "h2", "--json"],
                  ["deliveries", *who], ["deliveries", *who, "--json"],
                  ["explain", *who, "--id", event], ["stats", *who],
                  ["explain", *who, "--id", event, "--json"]):
        shown = posthorn(*words).stdout
        assert not HARMFUL.search(shown), (words, HARMFUL.search(shown))
    shown = posthorn("explain", *who, "--event", "-", stdin=json.dumps(
        {"kind": "a.b", "payload": {"t": C1 + BIDI}}, ensure_ascii=False)).stdout
    assert "RED" in shown and not HARMFUL.search(shown)
    for words in (["hook", "get", *who, "--hook", C1 + BIDI],
                  ["deliveries", *who, "--state", C1]):
        done = posthorn(*words, status=1)
        assert not HARMFUL.search(done.stderr), done.stderr
    assert json.loads(posthorn("hook", "get", *who, "--hook", "h2", "--json").stdout)[
        "displayName"] == BIDI  # what is escaped is not lost


# --- times ---

def utc(days=0):
    return (datetime.datetime.now(datetime.timezone.utc) -
            datetime.timedelta(days=days)).strftime("%Y-%m-%d")


@pytest.mark.parametrize("since, count", [
    ("yesterday", 15), ("24h", 15), ("1h", 15), ("2d", 15), ("1w", 15), (utc(1), 15),
    (utc(1) + " 10:15", 15), (utc(1) + "T10:15:00Z", 15),
    ("a day ago in seconds", 15), ("now", 0), (utc(-2), 0)])
def test_times_are_as_people_write_them(engine, history, posthorn, since, count):
    if since.endswith("in seconds"):
        since = str(int(time.time()) - 86400)
    for words, read in (
            (["deliveries", "--org", "shown"], len),
            (["replay", "--org", "shown", "--dry-run", "--state", "delivered"],
             lambda told: told["matched"] * 5)):
        told = json.loads(posthorn(*words, "--since", since, "--json").stdout)
        assert read(told) == count, (words, told)
    until = json.loads(posthorn("deliveries", "--org", "shown", "--json", "--until",
                                since).stdout)
    assert len(until) == 15 - count


@pytest.mark.parametrize("command, option, wrong", [
    ("deliveries", "--since", "soon"), ("deliveries", "--until", "24x"),
    ("replay", "--since", "2026-13-01"), ("replay", "--until", "h"),
    ("dead discard", "--since", "2026-11-31"), ("dead discard", "--until", "-1h"),
    ("tail", "--since", "yesterday "), ("tail", "--until", "99999999999d")])
def test_what_is_no_time_is_told_what_would_be(posthorn, command, option, wrong):
    done = posthorn(*command.split(), "--org", "shown", option, wrong, status=2)
    assert f"{option} {wrong} is no time" in done.stderr
    assert "yesterday" in done.stderr and "2026-11-24" in done.stderr


def test_the_api_takes_a_day_and_says_what_it_takes(engine, history):
    at = "/api/orgs/shown/deliveries"
    assert len(engine.api("GET", f"{at}?since={utc(1)}&limit=50").json()) == 15
    assert engine.api("GET", f"{at}?since={utc(-2)}").json() == []
    reply = engine.api("GET", f"{at}?since=soon")
    assert reply.status == 400 and "2026-11-24" in reply.json()["message"]


# --- small things ---

def test_rates_are_in_per_cent(engine, history, posthorn):
    def shown():
        return posthorn("stats", "--org", "shown", "--window", "1h").stdout
    wait_for(lambda: re.search(r"success rate \d+\.\d %", shown()), "counted", 20)


def test_health_and_readiness_end_their_line(engine):
    for path in ("/healthz", "/readyz", "/metrics"):
        reply = engine.api("GET", path, token=None)
        assert reply.status == 200 and reply.body.endswith(b"\n")
        assert not reply.body.endswith(b"\n\n")


def test_help_groups_its_commands():
    shown = subprocess.run([BINARY, "help"], capture_output=True, text=True).stdout
    groups = re.findall(r"^(\S.*):\n((?:  .*\n)+)", shown, re.M)
    assert len(groups) >= 5
    listed = [line.split()[0] for _, lines in groups for line in lines.splitlines()]
    assert len(set(listed)) == len(listed)
    page = subprocess.run([BINARY, "man"], capture_output=True, text=True).stdout
    assert set(re.findall(r'^\.SS "?([a-z]+)"?$', page, re.M)) <= set(listed)


def test_a_short_request_timeout_takes_the_connect_timeout_along(make_engine, receiver):
    engine = make_engine(request_timeout="2s", breaker_wait_max="10s",
                         breaker_wait=None).start()
    hook = engine.create_hook(receiver.url("/short"))
    engine.post_event()
    assert engine.wait_deliveries(hook, 1)[0]["state"] == "delivered"


# --- what is not there ---

AKINON_ORG, AKINON_PROJECT = "c" * 24, "d" * 24


@pytest.mark.parametrize("words", [
    ["hook", "list"], ["deliveries"], ["deliveries", "--json"], ["stats"], ["status"],
    ["replay"], ["replay", "list"], ["dead", "discard"], ["tail"],
    ["explain", "--event", "-"], ["explain", "--id", "0190a5b8-1111-7222-8333-444455556666"],
    ["token", "list"], ["token", "revoke", "abc"], ["signing-key", "list"],
    ["send", "--kind", "a.b"], ["send", "--file", "-"],
    ["hook", "list", "--project", "web", "--stack", "prod"]])
def test_an_organization_that_does_not_exist_is_an_error(posthorn, words):
    done = posthorn(*words, "--org", "mistyped", status=1,
                    stdin='{"kind":"a.b","payload":1}\n')
    assert "there is no organization mistyped" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("words", [
    ["hook", "get"], ["hook", "status"], ["hook", "ping"], ["hook", "pause"],
    ["hook", "delete"], ["hook", "update", "--timeout", "5s"], ["deliveries"], ["stats"],
    ["replay"], ["replay", "list"], ["dead", "discard"], ["tail"],
    ["redeliver", "0190a5b8-1111-7222-8333-444455556666"],
    ["explain", "--event", "-"]])
def test_a_webhook_that_does_not_exist_is_an_error(posthorn, history, words):
    done = posthorn(*words, "--org", "shown", "--hook", "mistyped", status=1,
                    stdin='{"kind":"a.b","payload":1}\n')
    assert "mistyped" in done.stderr and done.stdout == ""


def test_an_export_of_an_organization_that_does_not_exist_is_an_error(
        engine, history, posthorn):
    where = ("--data-dir", str(engine.data_dir))
    done = posthorn("export", *where, "--org", "mistyped", status=1)
    assert "there is no organization mistyped" in done.stderr
    assert len(posthorn("export", *where, "--org", "shown").stdout.splitlines()) == 3


def test_akinons_organization_that_does_not_exist_is_an_error(posthorn):
    for words in (["hook", "list"], ["send", "--kind", "a.b"], ["dead", "discard"]):
        done = posthorn(*words, "--akinon", "--org", AKINON_ORG, "--project",
                        AKINON_PROJECT, status=1)
        assert f"there is no organization {AKINON_ORG}" in done.stderr


def test_the_api_keeps_its_empty_list(engine):
    reply = engine.api("GET", "/api/orgs/mistyped/hooks")
    assert (reply.status, reply.json()) == (200, [])
    assert engine.api("GET", "/api/orgs/mistyped/status").json()["exists"] is False
    assert engine.api("GET", "/api/orgs/shown/status").json()["exists"] is True


def test_an_organization_without_webhooks_is_not_mistyped(engine, posthorn):
    made = engine.api("POST", "/api/orgs/fresh/tokens", {"scopes": ["ingest"]})
    assert made.status == 201
    assert posthorn("hook", "list", "--org", "fresh", "--json").stdout.strip() == "[]"
    assert "There are none." in posthorn("deliveries", "--org", "fresh").stderr
    # a token that may not read is not asked what it cannot know
    done = posthorn("send", "--org", "fresh", "--kind", "a.b", "--token",
                    made.json()["token"])
    assert re.fullmatch(r"[0-9a-f-]{36}\n", done.stdout) and done.stderr == ""


def test_send_says_how_many_webhooks_get_it(engine, receiver, posthorn):
    org = "/api/orgs/counted/hooks"
    engine.create_hook(receiver.url("/c"), org, filters=["order.*"])
    engine.create_hook(receiver.url("/c"), org, filters=["a.b"])
    engine.create_hook(receiver.url("/c"), org, filters=["order.made"])
    for kind, said in (("order.made", "2 webhooks will get it"),
                       ("a.b", "1 webhook will get it"),
                       ("z.z", "0 webhooks will get it; `posthorn explain`")):
        done = posthorn("send", "--org", "counted", "--kind", kind)
        assert re.fullmatch(r"[0-9a-f-]{36}\n", done.stdout)
        assert said in done.stderr


# --- the quickstart ---

FAKE_CMAKE = """#!/bin/sh
case "$1" in
--build) for n in 1 7 33 50 98 100; do echo "[ $n%] Building C object x.c"; done
    echo 'x.c:1: error: this is a test'; exit 2 ;;
esac
"""


def quickstart(tmp_path, *words):
    """With a cmake that only pretends, in a copy: nothing of this tree is built."""
    (tmp_path / "deploy").mkdir()
    script = (ROOT / "deploy/quickstart").read_text()
    (tmp_path / "deploy/quickstart").write_text(script)
    shutil.copy(ROOT / "deploy/quickstart-parts", tmp_path / "deploy")
    for name, text in (("deploy/install-deps", "#!/bin/sh\n"), ("cmake", FAKE_CMAKE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return subprocess.run(
        ["bash", tmp_path / "deploy/quickstart", "--once", *words], capture_output=True,
        text=True, timeout=60, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})


def test_quickstart_shows_how_far_the_build_is(tmp_path):
    ports = ",".join(map(str, free_ports(3)))
    done = quickstart(tmp_path, "--ports", ports)
    assert done.returncode == 1
    shown = [int(n) for n in re.findall(r"^build +(\d+) %$", done.stderr, re.M)]
    assert shown == [1, 33, 50, 98, 100]
    assert "the build failed" in done.stderr and "this is a test" in done.stderr


def test_quickstart_looks_at_the_ports_before_it_builds(tmp_path, receiver):
    ports = ",".join(map(str, [*free_ports(2), receiver.port]))
    done = quickstart(tmp_path, "--ports", ports)
    assert done.returncode == 1 and "is in use" in done.stderr
    assert not (tmp_path / "build").exists()
