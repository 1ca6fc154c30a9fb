"""Two organizations of one engine, one of which means harm: what is the one's is
never the other's, also where their names had one number once."""

import http.client
import json
import shutil
import subprocess

import pytest

from engine import BINARY
from format4 import FACTS, format4, rows_of  # noqa: F401
from receiver import Answer
from support import ROOT, compact, wait_for

TWINS = json.loads((ROOT / "tests/fixtures/twins.json").read_text())


@pytest.fixture(scope="session")
def collide(tmp_path_factory):
    program = tmp_path_factory.mktemp("collide") / "collide"
    subprocess.run(["cc", "-O3", "-o", program, ROOT / "tests/collide.c"],
                   check=True)

    def run(*words):
        return subprocess.run([program, *words], check=True, text=True,
                              capture_output=True).stdout.split()
    return run


@pytest.fixture
def engine(make_engine):
    return make_engine(breaker_failures="0", dispatchers="2",
                       retry_schedule="50ms").start()


def get(engine, path, **more):
    reply = engine.api("GET", path, **more)
    assert reply.status == 200, reply
    return reply.json()


class Tail:
    """What an organization follows."""

    def __init__(self, engine, org):
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", engine.api_port, timeout=15)
        self.connection.request(
            "GET", f"/api/orgs/{org}/tail", None,
            {"Authorization": f"token {engine.token}"})
        self.response = self.connection.getresponse()
        assert self.response.status == 200

    def next(self):
        """The next delivery that it is told."""
        while True:
            line = self.response.readline()
            assert line, "the tail ended"
            if line.startswith(b"data:"):
                return json.loads(line[5:])


def check_apart(engine, receiver, victim, attacker):
    """The attacker has a hook and a history, the victim too; each sees its own in
    history, statistics, tail, backlog and replays, and ends nobody else's."""
    receiver.script("/victim", Answer(500))
    tails = {org: Tail(engine, org) for org in (victim, attacker)}
    hooks = {org: engine.create_hook(receiver.url(path),
                                     f"/api/orgs/{org}/hooks", name="twin",
                                     headers={"X-Key": f"key-of-{org}"})
             for org, path in ((attacker, "/attacker"), (victim, "/victim"))}
    ids = {org: engine.post_event("a.b", {"secret": org}, org)
           for org in (victim, attacker)}
    engine.wait_deliveries(hooks[victim], 2)
    engine.wait_deliveries(hooks[attacker], 1)
    for org, other in ((victim, attacker), (attacker, victim)):
        rows = wait_for(lambda: get(engine, f"/api/orgs/{org}/deliveries"),
                        "history")
        assert {row["id"] for row in rows} == {ids[org]}
        assert other not in compact(rows)
        assert tails[org].next()["id"] == ids[org]
        explained = get(engine, f"/api/orgs/{org}/events/{ids[org]}")
        assert other not in compact(explained)
    assert {r["state"] for r in get(engine, f"{hooks[victim]}/deliveries")} == {
        "retrying", "dead"}
    for org, attempts in ((attacker, 1), (victim, 2)):
        wait_for(lambda: get(engine, f"/api/orgs/{org}/stats")["1h"][
            "attempts"] == attempts, f"statistics of {org}", 20)
    # Replays.
    engine.api("PATCH", hooks[victim], {"paused": True})
    reply = engine.api("POST", f"/api/orgs/{victim}/replay", {})
    assert reply.status == 202, reply
    replay = reply.json()["replayId"]
    assert get(engine, f"/api/orgs/{attacker}/replays") == []
    for method in ("GET", "DELETE"):
        path = f"/api/orgs/{attacker}/replays/{replay}"
        assert engine.api(method, path).status == 404
    mine = get(engine, f"/api/orgs/{victim}/replays/{replay}")
    assert mine["state"] != "cancelled"
    # What waits.
    engine.settle_hooks()
    engine.post_event("a.b", {"secret": victim}, victim)
    waiting = wait_for(lambda: (lambda b: b["waiting"] > 0 and b)(
        get(engine, f"/api/orgs/{victim}/status")), "the backlog")
    assert waiting["organizationName"] == victim
    assert get(engine, f"/api/orgs/{attacker}/status")["waiting"] == 0


def test_names_that_had_one_number_are_two_organizations(
        engine, receiver, collide):
    hashes = collide(*TWINS)
    assert hashes[0] == hashes[1]
    check_apart(engine, receiver, *TWINS)


def test_names_that_are_found_today_are_two_organizations(
        request, engine, receiver, collide):
    if not request.config.getoption("--long"):
        pytest.skip("takes a minute; --long")
    one, other, _ = collide()
    check_apart(engine, receiver, one, other)


def test_what_was_mixed_up_before_is_apart_afterwards(format4):  # noqa: F811
    engine = format4.start()
    for i, org in enumerate(TWINS):
        hook = FACTS["hooks"][f"twin{i}"]
        assert rows_of(engine, hook) == FACTS["history"][f"twin{i}"]
        rows = get(engine, f"/api/orgs/{org}/deliveries")
        assert {r["id"] for r in rows} == {FACTS["ids"][f"twin{i}"]}
    replay = FACTS["replays"]["twin1"]
    assert engine.api(
        "GET", f"/api/orgs/{TWINS[0]}/replays/{replay}").status == 404
    assert engine.api(
        "GET", f"/api/orgs/{TWINS[1]}/replays/{replay}").status == 200


def test_a_number_is_never_used_again(engine, receiver):
    """Not for another name; and who comes back finds what was its own."""
    hook = engine.create_hook(receiver.url("/a"), "/api/orgs/one/hooks",
                              name="a")
    first = engine.post_event(org="one")
    engine.wait_deliveries(hook, 1)
    assert engine.api("DELETE", hook).status == 204
    assert engine.stop() == 0
    engine.restart()
    engine.create_hook(receiver.url("/b"), "/api/orgs/two/hooks", name="b")
    assert get(engine, "/api/orgs/two/deliveries") == []
    assert [r["id"] for r in get(engine, "/api/orgs/one/deliveries")] == [first]
    engine.create_hook(receiver.url("/c"), "/api/orgs/one/hooks", name="c")
    assert [r["id"] for r in get(engine, "/api/orgs/one/deliveries")] == [first]


def test_hooks_older_than_deliveries_hand_out_no_number_again(
        engine, receiver, tmp_path):
    """A restore of a part: an organization that the table has not heard of must not
    leave its history to the next one that comes."""
    assert engine.stop() == 0
    shutil.copytree(engine.data_dir / "hooks", tmp_path / "hooks")
    engine.restart()
    hook = engine.create_hook(receiver.url("/a"), "/api/orgs/one/hooks",
                              name="a")
    engine.post_event(org="one")
    engine.wait_deliveries(hook, 1)
    assert engine.stop() == 0
    shutil.rmtree(engine.data_dir / "hooks")
    shutil.copytree(tmp_path / "hooks", engine.data_dir / "hooks")
    engine.restart()
    engine.create_hook(receiver.url("/b"), "/api/orgs/two/hooks", name="b")
    assert get(engine, "/api/orgs/two/deliveries") == []
    assert get(engine, "/api/orgs/two/stats")["24h"]["attempts"] == 0


@pytest.mark.parametrize("how", ["backup", "repair"])
def test_copies_carry_numbers_and_the_key_of_ids(
        engine, receiver, make_engine, tmp_path, how):
    """What was an organization's own, or posted before, is so in a copy as well."""
    for org in ("one", "two"):
        hook = engine.create_hook(receiver.url(f"/{org}"),
                                  f"/api/orgs/{org}/hooks", name="a")
        key = {"Idempotency-Key": "a-key"}
        reply = engine.intake(b'{"kind":"a.b","payload":{}}', org, headers=key)
        made = reply.json()["id"]
        engine.wait_deliveries(hook, 1)
    assert engine.api("DELETE", hook).status == 204
    assert engine.stop() == 0
    to = tmp_path / "copy"
    words = (["backup", to] if how == "backup" else ["repair", "--to", to])
    subprocess.run([BINARY, *words, "--data-dir", engine.data_dir],
                   check=True, timeout=60, capture_output=True)
    other = make_engine(breaker_failures="0", dispatchers="2")
    shutil.copytree(to, other.data_dir)
    for name in ("secret.key", "admin.token"):
        shutil.copy(engine.data_dir / name, other.data_dir / name)
    other.start()
    assert [r["id"] for r in get(other, "/api/orgs/two/deliveries")] == [made]
    other.create_hook(receiver.url("/c"), "/api/orgs/three/hooks", name="c")
    assert get(other, "/api/orgs/three/deliveries") == []
    reply = other.intake(b'{"kind":"a.b","payload":{}}', "two", headers=key)
    assert reply.json()["id"] == made
    reply = other.intake(b'{"kind":"a.c","payload":{}}', "two", headers=key)
    assert reply.status == 409
