# SPDX-License-Identifier: MIT
"""An organization of Akinon's over all its projects: history, statistics, live, replays."""

import json

import pytest

from engine import Engine
from receiver import Answer, Receiver
from support import compact, wait_for
from test_tail_gap import Follower

ORG, OTHER = "5f0c1a2b3c4d5e6f70819203", "5f0c1a2b3c4d5e6f70819204"
PROJECTS = ("63ea10b94a472e0033052321", "63ea10b94a472e0033052322")
OWNERS = [f"/organizations/{ORG}", f"/api/v1/organizations/{ORG}"]
KIND = "order.created"


def project(no, org=ORG):
    return f"/organizations/{org}/projects/{PROJECTS[no]}"


def post(engine, no, org=ORG):
    reply = engine.request(
        engine.ingest_port, "POST", f"{project(no, org)}/events",
        compact({"event": KIND, "data": {"no": no}}).encode(),
        {"Content-Type": "application/json"})
    assert reply.status == 202, reply
    return reply.json()["id"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One engine for all: two projects, of which the second one's receiver refuses, another
    organization, and one of Pulumi's API that has the same name."""
    engine = Engine(tmp_path_factory.mktemp("akinon"), dispatchers="2",
                    retry_schedule="20ms", breaker_failures="0").start()
    receiver = Receiver()
    receiver.script("/down", Answer(status=500))
    try:
        for org, no, path in ((ORG, 0, "/up"), (ORG, 1, "/down"), (OTHER, 0, "/other")):
            reply = engine.api("POST", f"{project(no, org)}/settings/webhooks", {
                "name": "w", "url": receiver.url(path), "events": [KIND]})
            assert reply.status == 201, reply
        engine.create_hook(receiver.url("/pulumi"), f"/api/orgs/{ORG}/hooks")
        engine.settle_hooks()
        engine.events = [post(engine, 0), post(engine, 1), post(engine, 0)]
        post(engine, 0, OTHER)
        engine.post_event(KIND, org=ORG)
        wait_for(lambda: engine.api("GET", f"{OWNERS[0]}/stats").json()["1h"]["attempts"]
                 == 4, "the sums are written")
        engine.wait_settled()
        yield engine
        assert engine.stop() == 0
        engine.check_log()
    finally:
        if engine.is_running():
            engine.kill9()
        receiver.stop()


def rows(engine, owner, query=""):
    """All rows, page by page."""
    found, token = [], ""
    while True:
        reply = engine.api("GET", f"{owner}/deliveries?limit=3{query}{token}")
        assert reply.status == 200, reply
        found += reply.json()
        token = reply.headers.get("x-continuation-token", "")
        if not token:
            return found
        token = f"&continuationToken={token}"


@pytest.mark.parametrize("owner", OWNERS)
def test_the_history_and_the_figures_are_of_all_its_projects_and_of_no_one_else(
        world, owner):
    found = rows(world, owner)
    assert sorted((PROJECTS.index(row["projectName"]), row["attempt"])
                  for row in found) == [(0, 1), (0, 1), (1, 1), (1, 2)]
    assert all(row["hookName"] and "stackName" not in row for row in found)
    times = [row["timestamp"] for row in found]
    # By their ends, so that what began in the second before may come after it.
    assert all(a >= b - 2 for a, b in zip(times, times[1:]))
    dead = rows(world, owner, "&state=dead")
    assert [row["id"] for row in dead] == [world.events[1]]
    sums = world.api("GET", f"{owner}/stats").json()["1h"]
    assert sums["attempts"] == 4 and sums["outcomes"]["dead"] == 1
    series = world.api("GET", f"{owner}/stats/series?window=24h").json()
    assert sum(slot["attempts"] for slot in series["slots"]) == 4
    status = world.api("GET", f"{owner}/status").json()
    assert (status["hooks"], status["dead"]) == (2, 1)
    # Pulumi's organization of the same name has its own delivery alone.
    (own,) = rows(world, f"/api/orgs/{ORG}")
    assert "projectName" not in own


@pytest.mark.parametrize("owner", OWNERS)
def test_an_event_is_found_without_its_project(world, owner):
    for no, event in ((0, world.events[0]), (1, world.events[1])):
        reply = world.api("GET", f"{owner}/events/{event}")
        assert reply.status == 200, reply
        shown = reply.json()
        assert shown["projectName"] == PROJECTS[no]
        assert json.loads(shown["payload"])["no"] == no
        assert {row["projectName"] for row in shown["deliveries"]} == {PROJECTS[no]}
        (hook,) = shown["hooks"]  # that of the event's project alone
        assert hook["matches"] and hook["projectName"] == PROJECTS[no]
        assert shown == world.api("GET", f"{project(no)}/events/{event}").json()
    reply = world.api("GET", f"{owner}/deliveries?id={world.events[0]}")
    assert reply.status == 400 and "/organizations/{org}/events/" in reply.body.decode()
    for org in (OTHER, OTHER[:-1] + "9"):
        path = f"/organizations/{org}/events/{world.events[0]}"
        assert world.api("GET", path).status == 404


def test_commands_show_it_without_a_project(world):
    at = ("--akinon", "--org", ORG, "--json")
    shown = json.loads(world.run("deliveries", *at, "--state", "dead").stdout)
    assert [row["id"] for row in shown] == [world.events[1]]
    assert json.loads(world.run("stats", *at).stdout)["1h"]["attempts"] == 4
    assert "--project needs --hook" in world.run(
        "stats", *at, "--project", PROJECTS[0], status=2).stderr


def test_organizations_are_listed_for_whom_they_are(world):
    for prefix in ("", "/api/v1"):
        listed = world.api("GET", f"{prefix}/organizations")
        assert listed.json() == [{"_id": ORG}, {"_id": OTHER}]
        first = world.api("GET", f"{prefix}/organizations?limit=1")
        assert first.json() == [{"_id": ORG}]
        token = first.headers["x-continuation-token"]
        rest = world.api("GET", f"{prefix}/organizations?limit=1&continuationToken={token}")
        assert rest.json() == [{"_id": OTHER}] and "x-continuation-token" not in rest.headers
        assert world.api("GET", f"{prefix}/organizations?limit=0").status == 400
    for org, seen in ((OTHER.upper(), [{"_id": OTHER}]), ("acme", [])):
        theirs = world.api("POST", f"/api/orgs/{org}/tokens", {"scopes": ["read"]}
                           ).json()["token"]
        assert world.api("GET", "/organizations", token=theirs).json() == seen


def test_others_may_not_look(world):
    theirs = world.api("POST", f"/api/orgs/{OTHER}/tokens", {"scopes": ["read", "write"]}
                       ).json()["token"]
    for owner in OWNERS:
        for path in ("deliveries", "stats", "stats/series", "tail", "status", "replays",
                     "replays/x", f"events/{world.events[0]}"):
            reply = world.api("GET", f"{owner}/{path}", token=theirs)
            assert reply.status == 403, path
        for path in ("replay", "dead/discard"):
            assert world.api("POST", f"{owner}/{path}", {}, token=theirs).status == 403
    reply = world.api("GET", "/organizations/acme/deliveries")
    assert reply.status == 400 and "organizationId" in reply.json()["message"]


def test_attempts_are_followed_over_all_projects(world):
    followers = [Follower(world, owner) for owner in OWNERS]
    post(world, 0, OTHER)
    ids = [post(world, no) for no in (0, 1)]
    for follower in followers:
        found = [follower.event() for _ in range(3)]
        assert {one[0] for one in found} == {"delivery"}
        assert {one[1]["id"] for one in found} == set(ids)
        assert {one[1]["projectName"] for one in found} == set(PROJECTS)
        follower.close()
    again = Follower(world, OWNERS[0], last_id=found[0][2])
    assert again.event()[1]["attempt"] in (1, 2)
    again.close()
    world.wait_settled()


def test_dead_letters_are_replayed_over_all_projects_and_then_discarded(world):
    owner = OWNERS[1]
    count = world.api("POST", f"{owner}/replay", {"state": "dead", "dryRun": True})
    assert count.status == 200
    n = count.json()["matched"]
    assert n >= 1
    begun = world.api("POST", f"{owner}/replay", {"state": "dead"})
    assert begun.status == 202, begun
    replay = begun.json()["replayId"]
    done = wait_for(lambda: (found := world.api("GET", f"{owner}/replays/{replay}").json())
                    ["state"] == "done" and found, "the replay is done")
    assert (done["matched"], done["dead"]) == (n, n)
    (listed,) = world.api("GET", f"{OWNERS[0]}/replays").json()
    assert listed["projectName"] == PROJECTS[1]
    assert listed["replay"]["replayId"] == replay
    assert world.api("DELETE", f"{owner}/replays/{replay}").status == 200
    assert world.api("GET", f"/organizations/{OTHER}/replays/{replay}").status == 404
    reply = world.api("POST", f"{owner}/dead/discard", {})
    assert reply.status == 200 and reply.json()["discarded"] == n, reply
    wait_for(lambda: rows(world, owner, "&state=dead") == [], "no dead letter is left")
