# SPDX-License-Identifier: MIT
"""The table of all hooks of an organization, over all its places, with their state."""

import json
import os
import signal
import subprocess

import pytest

from engine import BINARY
from receiver import Answer
from support import wait_for

pytestmark = pytest.mark.shared

ORG = "5f0c1a2b3c4d5e6f70819203" # a name in Pulumi's API, and an id of Akinon's
PROJECT = "63ea10b94a472e003305232b"
TABLE = f"/api/orgs/{ORG}/hooks?scope=all"
PLACES = {
    "organization": (f"/api/orgs/{ORG}/hooks", {}),
    "stack": (f"/api/stacks/{ORG}/web/prod/hooks",
              {"projectName": "web", "stackName": "prod"}),
    "environment": (f"/api/esc/environments/{ORG}/web/dev/hooks",
                    {"projectName": "web", "envName": "dev"}),
}
AKINON = f"/organizations/{ORG}/projects/{PROJECT}/settings/webhooks"
STATE = {"state", "inFlight", "window", "waiting", "waitingBytes", "more", "dead",
         "moreDead", "nextAttemptAt", "failingSince", "failing", "blockedBy"}


def make(engine, receiver, place="organization", name="h", **fields):
    """A hook's path; its receiver's path is /NAME."""
    path, scope = PLACES[place]
    reply = engine.api("POST", path, {
        "organizationName": ORG, "displayName": f"D {name}", "active": True,
        "payloadUrl": receiver.url(f"/{name}"), "name": name, **scope, **fields})
    assert reply.status == 201, reply
    return f"{path}/{name}"


def make_akinon(engine, receiver, name="watcher"):
    reply = engine.api("POST", AKINON, {
        "name": name, "url": receiver.url(f"/{name}"), "events": ["a.b"]})
    assert reply.status == 201, reply
    return reply.json()["_id"]


def rows(engine, query="", path=TABLE):
    """All rows, and how many each page had."""
    found, counts, token = [], [], ""
    while True:
        reply = engine.api("GET", f"{path}{query}{token}")
        assert reply.status == 200, reply
        found += reply.json()
        counts.append(len(reply.json()))
        token = reply.headers.get("x-continuation-token", "")
        if not token:
            return found, counts
        assert f"continuationToken={token}" in reply.headers["link"]
        token = f"&continuationToken={token}"


def names(engine, query=""):
    return sorted(row["name"] for row in rows(engine, query)[0])


@pytest.mark.parametrize("dispatchers", ["1", "3"])
def test_every_hook_is_in_it_once_with_its_place_and_status(make_engine, receiver,
                                                            dispatchers):
    engine = make_engine(dispatchers=dispatchers).start()
    made = {(place, f"{place[:2]}{n}") for place in PLACES for n in range(7)}
    for place, name in made:
        make(engine, receiver, place, name)
    akinon = {("akinon", make_akinon(engine, receiver, f"w-{n}")) for n in range(3)}
    make_other = {"organizationName": ORG + "x", "displayName": "d", "active": True,
                  "payloadUrl": receiver.url(), "name": "theirs"}
    assert engine.api("POST", f"/api/orgs/{ORG}x/hooks", make_other).status == 201
    engine.settle_hooks()
    found, counts = rows(engine)
    assert counts == [24]
    assert {(row["place"], row["name"]) for row in found} == made | akinon
    assert [row["place"] for row in found[-3:]] == ["akinon"] * 3
    for row in found:
        assert set(row["status"]) == STATE, row
        assert (row["status"]["state"], row["status"]["dead"]) == ("ok", 0)
        assert row["organizationName"] == ORG
        assert ("stackName" in row) == (row["place"] == "stack")
        assert ("envName" in row) == (row["place"] == "environment")
    for limit in (1, 5, 23, 24, 1000):
        paged, counts = rows(engine, f"&limit={limit}")
        assert paged == found
        assert all(count == limit for count in counts[:-1])
    # What it says of one hook is what the hook itself says.
    single = engine.api("GET", f"{PLACES['stack'][0]}/st3/status").json()
    single.pop("organization")
    assert single == next(r for r in found if r["name"] == "st3")["status"]


def test_without_scope_the_list_is_as_it_was(engine, receiver):
    make(engine, receiver, "stack", "s")
    make(engine, receiver, "organization", "o")
    path = f"/api/orgs/{ORG}/hooks"
    for query in ("", "?state=failing", "?text=zzz", "?scope=some"):
        reply = engine.api("GET", path + query)
        (hook,) = reply.json()
        assert hook["name"] == "o" and not {"place", "status"} & set(hook)
    # Other places have no such table.
    (hook,) = engine.api("GET", f"{PLACES['stack'][0]}?scope=all").json()
    assert hook["name"] == "s" and "status" not in hook


@pytest.mark.settings(retry_schedule="30s", breaker_failures="3", failing_after="2",
                      breaker_wait="1h", breaker_wait_max="1h")
def test_states_are_found(engine, receiver):
    receiver.script("/failing", Answer(status=500))
    receiver.script("/blocked", Answer(status=500))
    receiver.script("/gone", Answer(status=410))
    make(engine, receiver, "organization", "fine")
    make(engine, receiver, "stack", "paused", paused=True)
    make(engine, receiver, "stack", "off", active=False)
    make(engine, receiver, "environment", "gone")
    make(engine, receiver, "organization", "blocked", ordered=True)
    make(engine, receiver, "organization", "failing")
    engine.settle_hooks()
    engine.post_event("a.b", {"n": 1}, ORG)
    engine.post_event("environment_revision", {
        "action": "created", "projectName": "web", "environmentName": "dev"}, ORG)
    engine.post_event("a.b", {"n": 2}, ORG)

    def states():
        return {r["name"]: r["status"]["state"] for r in rows(engine)[0]}

    wanted = {"fine": "ok", "paused": "paused", "off": "inactive", "gone": "disabled"}
    found = wait_for(lambda: (lambda s: s["failing"] in ("failing", "open") and s["blocked"]
                              != "ok" and s["gone"] == "disabled" and s)(states()),
                     "the hooks fail")
    assert {name: found[name] for name in wanted} == wanted
    for state in set(found.values()):
        assert names(engine, f"&state={state}") == sorted(
            n for n, s in states().items() if s == state)
    assert names(engine, "&state=ok,paused") == ["fine", "paused"]
    assert names(engine, "&state=probing") == []
    row = next(r for r in rows(engine)[0] if r["name"] == "failing")
    assert row["status"]["failing"]["failedAttempts"] >= 2
    assert row["status"]["failingSince"] > 0
    assert "failing" in row # as the hook itself is shown


def test_text_is_searched_for_in_names_places_and_urls(engine, receiver):
    make(engine, receiver, "organization", "orders", displayName="Bestellungen")
    make(engine, receiver, "stack", "audit")
    make(engine, receiver, "environment", "secrets")
    engine.settle_hooks()
    for text, wanted in (("ORDER", ["orders"]), ("bestell", ["orders"]),
                         ("prod", ["audit"]), ("web", ["audit", "secrets"]),
                         ("127.0.0.1", ["audit", "orders", "secrets"]),
                         ("/secrets", ["secrets"]), ("zebra", []),
                         ("", ["audit", "orders", "secrets"])):
        assert names(engine, f"&text={text}") == wanted, text
    assert names(engine, "&text=web&state=ok") == ["audit", "secrets"]
    assert names(engine, "&text=web&state=paused") == []


@pytest.mark.settings(retry_schedule="10ms", breaker_failures="0")
def test_dead_letters_are_counted(engine, receiver):
    receiver.script("/h", Answer(status=500))
    hook = make(engine, receiver)
    make(engine, receiver, name="other", filters=["z.z"])
    engine.settle_hooks()
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(5)], ORG)
    wait_for(lambda: len(engine.deliveries(hook, "?state=dead")) == 5, "five die")
    dead = {r["name"]: r["status"]["dead"] for r in rows(engine)[0]}
    assert dead == {"h": 5, "other": 0}
    assert engine.api("GET", f"{hook}/status").json()["dead"] == 5


def test_bad_parameters_are_told(engine, receiver):
    make(engine, receiver)
    for query, name in (("&state=asleep", "state"), ("&state=ok,,failing", "state"),
                        ("&limit=0", "limit"), ("&limit=1001", "limit"),
                        ("&limit=x", "limit"), ("&text=" + "x" * 201, "text"),
                        ("&continuationToken=00", "continuationToken"),
                        ("&text=%zz", "text")):
        reply = engine.api("GET", TABLE + query)
        assert reply.status == 400, query
        assert name in reply.json()["message"], reply
    # A token is of one organization's table.
    for n in range(3):
        make(engine, receiver, name=f"n{n}")
    token = engine.api("GET", f"{TABLE}&limit=1").headers["x-continuation-token"]
    reply = engine.api("GET", f"/api/orgs/other/hooks?scope=all&continuationToken={token}")
    assert reply.status == 400


def test_readers_see_masks_and_nobody_sees_what_is_not_theirs(engine, receiver):
    make(engine, receiver, headers={"Authorization": "Bearer abcdefghijklmnop"},
         secret="canary")
    engine.settle_hooks()
    tokens = {}
    for org, scope in ((ORG, "read"), (ORG, "ingest"), ("other", "read")):
        reply = engine.api("POST", f"/api/orgs/{org}/tokens", {"scopes": [scope]})
        tokens[org, scope] = reply.json()["token"]
    reply = engine.api("GET", TABLE, token=tokens[ORG, "read"])
    assert reply.json()[0]["headers"] == {"Authorization": "Bear********"}
    assert b"canary" not in reply.body and b"ghijkl" not in reply.body
    assert engine.api("GET", TABLE, token=tokens[ORG, "ingest"]).status == 403
    assert engine.api("GET", TABLE, token=tokens["other", "read"]).status == 403
    assert engine.api("GET", TABLE, token=None).status == 401
    assert engine.api("GET", "/api/orgs/other/hooks?scope=all",
                      token=tokens["other", "read"]).json() == []


@pytest.mark.settings(dispatchers="2")
@pytest.mark.alone
def test_a_dispatcher_that_is_away_leaves_states_unknown(engine, receiver):
    for n in range(8):
        make(engine, receiver, name=f"n{n}")
    engine.settle_hooks()
    (pid,) = engine.pids("dispatcher-0") if engine.pids("dispatcher-0") else \
        engine.pids("dispatcher")[:1]
    os.kill(pid, signal.SIGSTOP)
    try:
        found = rows(engine)[0]
        assert len(found) == 8
        unknown = [r["name"] for r in found if r["status"] is None]
        assert 0 < len(unknown) < 8
        assert names(engine, "&state=unknown") == sorted(unknown)
        assert engine.api("GET", f"{TABLE}&state=failing").status == 503
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: all(r["status"] for r in rows(engine)[0]), "all states are known")


def test_it_is_one_command(engine, receiver):
    make(engine, receiver, "organization", "orders")
    make(engine, receiver, "stack", "audit", paused=True)
    make(engine, receiver, "environment", "secrets")
    engine.settle_hooks()

    def run(*words):
        return subprocess.run(
            [BINARY, "hook", *words, "--api", f"http://127.0.0.1:{engine.api_port}",
             "--data-dir", str(engine.data_dir)], capture_output=True, text=True,
            timeout=60)

    shown = run("list", "--org", ORG, "--all")
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0].split()[:5] == ["PLACE", "NAME", "STATE", "WAITING", "DEAD"]
    assert "stack web/prod" in shown.stdout and "environment web/dev" in shown.stdout
    assert "paused" in next(line for line in lines if "audit" in line)
    shown = json.loads(run("list", "--org", ORG, "--all", "--json", "--text", "web",
                           "--state", "paused").stdout)
    assert [row["name"] for row in shown] == ["audit"]
    for words in (("list", "--org", ORG, "--state", "ok"),
                  ("create", "--org", ORG, "--all"),
                  ("list", "--org", ORG, "--all", "--project", "web", "--stack", "prod")):
        assert run(*words).returncode == 2, words
    bad = run("list", "--org", ORG, "--all", "--state", "asleep")
    assert bad.returncode == 1 and "asleep" in bad.stderr


def test_rows_show_their_last_hour(make_engine, receiver):
    engine = make_engine(dispatchers="2", retry_schedule="10ms", breaker_failures="0").start()
    receiver.script("/down", Answer(status=500))
    make(engine, receiver, name="up")
    down = make(engine, receiver, name="down")
    make_akinon(engine, receiver)
    engine.settle_hooks()
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(3)], ORG)

    def figures():
        found, _ = rows(engine, "&series=1h")
        return {row["displayName"]: (sum(row["series"]["attempts"]), sum(row["series"]["succeeded"]))
                for row in found}

    wait_for(lambda: figures() == {
        "D up": (3, 3), "D down": (6, 0), "watcher": (0, 0)},
             "the statistics have them")
    found, _ = rows(engine, "&series=1h")
    for row in found:
        own = row["series"]
        assert own["slotSeconds"] == 300 and own["from"] % 300 == 0
        assert len(own["attempts"]) == len(own["succeeded"]) in (12, 13)
    sums = engine.api("GET", f"{down}/stats/series?window=1h").json()
    assert sums["slots"][0]["from"] - found[0]["series"]["from"] in (0, 300)
    assert all("series" not in row for row in rows(engine)[0])
    # A place's own list has them, too: the same rows, in pages of its own.
    for n in range(3):
        make(engine, receiver, "stack", f"s{n}")
    engine.settle_hooks()
    found, _ = rows(engine, "&series=1h")
    for place, (path, _) in {**PLACES, "akinon": (AKINON, {})}.items():
        own = [row for row in found if row["place"] == place]
        for query in ("?series=1h", "?series=1h&limit=2"):
            assert rows(engine, query, path)[0] == own, (place, query)
        assert rows(engine, "?series=1h&text=S1&state=ok", path)[0] == [
            row for row in own if row["name"] == "s1"]
        assert engine.api("GET", f"{path}?series=24h").status == 400
    page = engine.api("GET", f"{PLACES['stack'][0]}?series=1h&limit=1")
    token = page.headers["x-continuation-token"]
    for path in (TABLE, f"{PLACES['environment'][0]}?series=1h"):
        assert engine.api("GET", f"{path}&continuationToken={token}").status == 400
    reply = engine.api("GET", f"{TABLE}&series=24h")
    assert reply.status == 400 and "series" in reply.json()["message"]
