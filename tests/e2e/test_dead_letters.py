# SPDX-License-Identifier: MIT
"""Dead letters that nobody wants any more: of deleted hooks, and discarded ones."""

import json
import os
import socket
import subprocess
import threading
import time

import pytest

from receiver import Answer
from support import wait_for

pytestmark = pytest.mark.shared(books=True)

DOWN, UP = Answer(status=500), Answer(status=200)
AKINON_ORG, AKINON_PROJECT = "5f0c1a2b3c4d5e6f70819203", "63ea10b94a472e003305232b"
AKINON = (f"/organizations/{AKINON_ORG}/projects/{AKINON_PROJECT}")


@pytest.fixture
def settings():
    return {"retry_schedule": "50ms", "breaker_failures": "0"}


def discard(engine, owner, status=200, token=..., **body):
    """What one call says; `owner` is a hook or an organization."""
    reply = engine.api("POST", f"{owner}/dead/discard", body, token=token)
    assert reply.status == status, reply
    return reply.json()


def discard_all(engine, owner, **body):
    """Goes on to the end; the sums."""
    sums = {"matched": 0, "discarded": 0, "inFlight": 0}
    while True:
        answer = discard(engine, owner, **body)
        for key in sums:
            sums[key] += answer[key]
        if answer["continuationToken"] is None:
            return sums
        body["continuationToken"] = answer["continuationToken"]


def dead_rows(engine, owner, query=""):
    rows, token = [], ""
    while token is not None:
        reply = engine.api("GET", f"{owner}/deliveries?state=dead&limit=1000"
                           f"{query}{token}")
        assert reply.status == 200, reply
        rows += reply.json()
        token = reply.headers.get("x-continuation-token")
        token = token and f"&continuationToken={token}"
    return rows


def status(engine):
    return json.loads(engine.run("status", "--json").stdout)


def all_views(engine, org="acme"):
    """How many dead letters there are, by everything that tells."""
    return {
        "verify": engine.verify()["dead"],
        "metrics": sum(engine.metrics()["posthorn_deliveries_dead"].values()),
        "status": status(engine)["dead"],
        "list": len(dead_rows(engine, f"/api/orgs/{org}")),
    }


def wait_views(engine, count):
    """Metrics are a second old at most."""
    wait_for(lambda: set(all_views(engine).values()) == {count},
             f"all say that there are {count} dead letters", 30)


def make_dead(engine, receiver, count, path="/in", kind="order.created"):
    """So many events of one hook, whose deliveries die; their ids."""
    before = engine.verify()["dead"]
    receiver.script(path, DOWN)
    ids = engine.post_batch([{"kind": kind, "payload": {"n": n}}
                             for n in range(count)])
    wait_for(lambda: engine.verify()["dead"] == before + count,
             f"{count} dead letters", 60)
    return ids


def newest(engine, hook, event_id):
    return engine.deliveries(hook, f"?id={event_id}")[0]


# --- hooks that are deleted ---

@pytest.mark.alone
def test_a_deleted_hook_leaves_no_dead_letters(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), filters=["a.a"])
    engine.create_hook(receiver.url("/in"), filters=["z.z"])
    make_dead(engine, receiver, 7, kind="a.a")
    make_dead(engine, receiver, 2, kind="z.z")
    wait_views(engine, 9)
    assert engine.api("DELETE", hook).status == 204
    wait_views(engine, 2)
    books = engine.verify()
    assert (books["matched"], books["cancelled"]) == (9, 7)
    rows = engine.api("GET", "/api/orgs/acme/deliveries?state=cancelled").json()
    assert len(rows) == 7
    for row in rows:
        assert row["reason"] == "the webhook was deleted"
        assert (row["responseCode"], row["requestUrl"]) == (0, "")
        assert (row["attempt"], row["error"], row["kind"]) == (2, None, "a.a")

    def attempts():
        return engine.api("GET", "/api/orgs/acme/stats").json()["1h"]["attempts"]
    engine.check_exit = False
    engine.kill9()
    engine.start()  # reads again what the statistics lack
    assert engine.stop() == 0
    engine.start()
    assert attempts() == 18  # requests alone, not what was settled without one


def test_one_that_dies_after_its_hook_is_gone_is_cancelled(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"),
                              retrySchedule=["10ms"])
    receiver.script("/in", DOWN, Answer(status=500, delay=1.5))
    engine.post_event()
    receiver.wait(2, "/in")
    assert engine.api("DELETE", hook).status == 204
    books = engine.wait_settled()
    assert (books["dead"], books["cancelled"]) == (0, 1)


def test_a_redelivery_in_flight_ends_before_its_dead_letter_is_settled(
        engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    ids = make_dead(engine, receiver, 2)
    receiver.script("/in", Answer(status=500, delay=1.5))
    asking = threading.Thread(target=engine.api, args=(
        "POST", f"{hook}/deliveries/{ids[0]}/redeliver"))
    asking.start()
    receiver.wait(5, "/in")
    assert engine.api("DELETE", hook).status == 204
    wait_for(lambda: engine.verify()["cancelled"] == 1, "the other is settled")
    asking.join()
    wait_views(engine, 0)
    assert engine.verify()["cancelled"] == 2


@pytest.mark.slow
def test_dead_letters_of_hooks_that_went_while_the_engine_was_off(
        make_engine, receiver, settings, tmp_path):
    """As after a restore: the hooks are from another time than the deliveries."""
    engine = make_engine(dispatchers="2", **settings).start()
    keep = engine.create_hook(receiver.url("/in"), filters=["k.k"])
    make_dead(engine, receiver, 1, kind="k.k")
    engine.stop()
    early = tmp_path / "hooks"
    subprocess.run(["cp", "-a", engine.data_dir / "hooks", early], check=True)
    engine.start()
    for n in range(2):
        engine.create_hook(receiver.url("/in"), filters=[f"l.l{n}"])
        make_dead(engine, receiver, 3, kind=f"l.l{n}")
    assert engine.stop() == 0
    subprocess.run(["rm", "-r", engine.data_dir / "hooks"], check=True)
    subprocess.run(["cp", "-a", early, engine.data_dir / "hooks"], check=True)
    engine.restart(dispatchers="3")  # rows move to other shards, too
    wait_views(engine, 1)
    assert engine.verify()["cancelled"] == 6
    assert [r["hookName"] for r in dead_rows(engine, "/api/orgs/acme")] == [
        keep.rsplit("/", 1)[1]]


@pytest.mark.slow
def test_a_kill_in_the_middle_loses_nothing(make_engine, receiver, settings):
    engine = make_engine(dispatchers="1", **settings).start()
    engine.check_exit = False
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, 600)
    assert engine.api("DELETE", hook).status == 204

    def some_are_settled():
        return engine.verify()["cancelled"] > 0
    wait_for(some_are_settled, "some are settled")
    engine.kill9()
    between = engine.verify()
    assert between["dead"] + between["cancelled"] == 600
    engine.start()
    wait_views(engine, 0)
    assert engine.verify()["cancelled"] == 600
    rows = engine.api("GET", "/api/orgs/acme/deliveries?state=cancelled"
                      "&limit=1000")
    assert len({r["id"] for r in rows.json()}) == len(rows.json()) == 600


@pytest.mark.alone
def test_a_damaged_hook_is_not_a_deleted_one(engine, receiver):
    """Its dead letters stay, and whoever wants them gone can discard them."""
    name = "Damaged-by-the-test"
    engine.create_hook(receiver.url("/in"), displayName=name)
    make_dead(engine, receiver, 3)
    engine.stop()
    file = engine.data_dir / "hooks" / "data.mdb"
    content = file.read_bytes()
    assert name.encode() in content
    file.write_bytes(content.replace(name.encode(), name.upper().encode()))
    engine.check_books = False  # it says that the hook is damaged
    engine.start()
    gone = engine.create_hook(receiver.url("/in"))
    receiver.script("/in", DOWN)
    engine.post_event()
    wait_for(lambda: len(dead_rows(engine, "/api/orgs/acme")) == 4, "four")
    assert engine.api("DELETE", gone).status == 204

    def dead():
        return sum(engine.metrics()["posthorn_deliveries_dead"].values())
    wait_for(lambda: dead() == 3, "those of the deleted one are settled", 30)
    assert len(dead_rows(engine, "/api/orgs/acme")) == 3
    assert discard(engine, "/api/orgs/other", dryRun=True)["matched"] == 0
    assert discard(engine, "/api/orgs/acme")["discarded"] == 3
    wait_for(lambda: dead() == 0, "nothing is dead", 30)
    assert dead_rows(engine, "/api/orgs/acme") == []


# --- discarding ---

def test_discarded_ones_are_settled_and_say_by_whom(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), secret="s")
    ids = make_dead(engine, receiver, 5)
    assert discard(engine, hook, dryRun=True) == {
        "matched": 5, "discarded": 0, "inFlight": 0, "continuationToken": None}
    wait_views(engine, 5)
    token = engine.api("POST", "/api/orgs/acme/tokens",
                       {"scopes": ["write"], "name": "ops"}).json()
    assert discard(engine, hook, token=token["token"])["discarded"] == 5
    wait_views(engine, 0)
    books = engine.verify()
    assert (books["cancelled"], books["matched"]) == (5, 5)
    row = newest(engine, hook, ids[0])
    assert (row["state"], row["attempt"]) == ("cancelled", 2)
    assert row["reason"] == f"discarded by token {token['id']} (ops)"
    audit = [line for line in engine.log().splitlines()
             if "dead letters discarded" in line]
    assert len(audit) == 1 and token["id"] in audit[0] and "n=5" in audit[0]
    assert discard(engine, hook)["matched"] == 0


def test_a_discarded_one_can_be_sent_again(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    ids = make_dead(engine, receiver, 3)
    discard(engine, hook)
    assert newest(engine, hook, ids[0])["reason"] == (
        "discarded by the admin token")
    again = f"{hook}/deliveries/{ids[0]}/redeliver"
    assert engine.api("POST", again).json()["state"] == "cancelled"
    receiver.script("/in", UP)
    assert engine.api("POST", again).json()["state"] == "delivered"
    books = engine.verify()
    assert (books["delivered"], books["cancelled"], books["dead"]) == (1, 2, 0)
    replay = engine.api("POST", f"{hook}/replay", {"state": "cancelled"})
    assert replay.json()["matched"] == 2
    wait_for(lambda: engine.verify()["delivered"] == 3, "all are delivered")


def test_filters_choose_as_those_of_the_list(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    made = make_dead(engine, receiver, 4, kind="order.made")
    paid = make_dead(engine, receiver, 3, kind="order.paid")
    receiver.script("/in", Answer(status=404))
    engine.post_event("order.sent")
    receiver.script("/in", Answer(status=404))
    wait_for(lambda: len(dead_rows(engine, hook)) == 8, "all are dead", 30)
    now = int(time.time())
    cases = [
        ({"kinds": ["order.made"]}, 4), ({"kinds": "order.made,order.paid"}, 7),
        ({"code": 404}, 1), ({"code": 503}, 0), ({"error": "status"}, 8),
        ({"error": ["dns", "timeout"]}, 0), ({"ids": made[:2]}, 2),
        ({"ids": made[:1] + paid[1:]}, 3),
        ({"ids": made, "kinds": "order.paid"}, 0), ({"since": now - 3600}, 8),
        ({"until": now - 3600}, 0), ({"since": now + 3600}, 0), ({}, 8),
    ]
    for body, count in cases:
        for owner in (hook, "/api/orgs/acme"):
            answer = discard(engine, owner, **body, dryRun=True)
            assert answer["matched"] == count, (owner, body)
    assert discard(engine, hook, ids=[made[3]])["discarded"] == 1
    assert discard(engine, hook, code=404)["discarded"] == 1
    assert discard(engine, "/api/orgs/acme", kinds="order.paid")["discarded"] == 3
    assert sorted(r["id"] for r in dead_rows(engine, hook)) == sorted(made[:3])


BAD = [
    ({"states": "dead"}, "states"), ({"state": "dead"}, "state"),
    ({"kinds": [1]}, "kinds"), ({"kinds": []}, "kinds"), ({"code": "x"}, "code"),
    ({"since": "yesterday"}, "since"), ({"since": 20, "until": 10}, "until"),
    ({"ids": ["x"]}, "ids"), ({"ids": []}, "ids"), ({"error": []}, "error"),
    ({"dryRun": "yes"}, "dryRun"), ({"error": "unlucky"}, "error"),
    ({"continuationToken": "x"}, "continuationToken"),
    ({"continuationToken": 7}, "continuationToken"),
    ({"unmatched": True}, "unmatched"), ({"ratePerSecond": 5}, "ratePerSecond"),
    ({"limit": 0}, "limit"), ({"limit": "all"}, "limit"), ([], "object"),
]


def test_a_bad_body_names_what_is_wrong_and_discards_nothing(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, 1)
    for owner in (hook, "/api/orgs/acme"):
        for body, named in BAD:
            reply = engine.api("POST", f"{owner}/dead/discard", body)
            assert reply.status == 400, (body, reply)
            assert named in reply.json()["message"], (body, reply)
    assert engine.verify()["dead"] == 1


def test_others_are_left_alone(engine, receiver):
    """Each organization, each hook, each project has its own."""
    acme = engine.create_hook(receiver.url("/in"))
    other = engine.create_hook(receiver.url("/in"), "/api/orgs/other/hooks")
    akinon = engine.api("POST", f"{AKINON}/settings/webhooks", {
        "name": "Watcher", "url": receiver.url("/in"), "events": ["deployment.build.created"]})
    assert akinon.status in (200, 201), akinon
    akinon = f"{AKINON}/settings/webhooks/{akinon.json()['_id']}"
    engine.settle_hooks()
    make_dead(engine, receiver, 2)
    receiver.script("/in", DOWN)
    engine.post_event(org="other")
    reply = engine.request(
        engine.ingest_port, "POST", f"{AKINON}/events",
        json.dumps({"event": "deployment.build.created"}).encode(),
        {"Content-Type": "application/json"})
    assert reply.status == 202, reply
    wait_for(lambda: engine.verify()["dead"] == 4, "four dead letters")
    read = engine.api("POST", "/api/orgs/acme/tokens",
                      {"scopes": ["read", "ingest"]}).json()["token"]
    theirs = engine.api("POST", "/api/orgs/other/tokens",
                        {"scopes": ["write"]}).json()["token"]
    for owner in (acme, "/api/orgs/acme"):
        for token in (read, theirs):
            discard(engine, owner, 403, token)
        discard(engine, owner, 401, None)
    assert discard(engine, f"{acme}x", 404)["code"] == 404
    assert discard(engine, "/api/orgs/acme")["discarded"] == 2
    assert discard(engine, f"/organizations/{AKINON_ORG}/projects/{'0' * 24}")[
        "matched"] == 0
    assert engine.verify()["dead"] == 2
    assert discard(engine, AKINON, dryRun=True)["matched"] == 1
    assert discard(engine, akinon)["discarded"] == 1
    assert len(dead_rows(engine, other)) == 1
    assert discard(engine, other)["discarded"] == 1
    wait_views(engine, 0)


def test_one_that_is_just_being_sent_again_is_left_alone(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    ids = make_dead(engine, receiver, 3)
    receiver.script("/in", Answer(status=200, delay=2.0))
    asking = threading.Thread(target=engine.api, args=(
        "POST", f"{hook}/deliveries/{ids[1]}/redeliver"))
    asking.start()
    receiver.wait(7, "/in")
    answer = discard(engine, hook)
    assert (answer["matched"], answer["discarded"], answer["inFlight"]) == (
        3, 2, 1)
    asking.join()
    books = engine.wait_settled()
    assert (books["delivered"], books["cancelled"], books["dead"]) == (1, 2, 0)


def test_a_replay_and_a_discard_share_what_there_is(engine, receiver):
    """Each dead letter is sent again, or discarded, and in the books once."""
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, 400)
    receiver.script("/in", UP)
    with receiver.lock:
        receiver.requests.clear()
    started = engine.api("POST", f"{hook}/replay", {"ratePerSecond": 300}).json()
    receiver.wait(50, "/in")
    discard_all(engine, hook)
    wait_for(lambda: engine.api(
        "GET", f"{hook}/replays/{started['replayId']}").json()["state"] == "done",
        "the replay is done", 30)
    discard_all(engine, hook)
    books = engine.wait_settled()
    assert books["dead"] == 0
    assert books["delivered"] + books["cancelled"] == 400
    assert books["delivered"] >= 50 and books["cancelled"] > 0
    sent = [r.id for r in receiver.got("/in")]
    assert len(sent) == len(set(sent)) == books["delivered"]


@pytest.mark.slow
def test_live_deliveries_go_on_while_many_are_discarded(
        make_engine, receiver, settings):
    engine = make_engine(dispatchers="3", **settings).start()
    hook = engine.create_hook(receiver.url("/in"), filters=["a.a"])
    live = engine.create_hook(receiver.url("/live"), "/api/orgs/other/hooks")
    make_dead(engine, receiver, 600, kind="a.a")
    done = []
    asking = threading.Thread(
        target=lambda: done.append(discard_all(engine, "/api/orgs/acme")))
    asking.start()
    sent = 0
    while asking.is_alive() or sent < 5:
        engine.post_event(org="other")
        sent += 1
        receiver.wait(sent, "/live")
    asking.join()
    assert done[0]["discarded"] == 600
    assert engine.deliveries(live)
    wait_views(engine, 0)


def test_many_go_in_parts(make_engine, receiver, settings):
    """What a call leaves is told by its token: nothing is skipped, nothing twice."""
    engine = make_engine(dispatchers="3", **settings).start()
    hooks = [engine.create_hook(receiver.url("/in"), filters=[f"k.{n}"])
             for n in range(6)]
    receiver.script("/in", DOWN)
    engine.post_batch([{"kind": f"k.{n % 6}", "payload": {}}
                       for n in range(60)])
    wait_for(lambda: engine.verify()["dead"] == 60, "60 dead letters", 60)
    first = discard(engine, "/api/orgs/acme", limit=7, dryRun=True)
    assert first["matched"] == 7 and first["continuationToken"]
    assert discard_all(engine, "/api/orgs/acme", limit=7, dryRun=True)[
        "matched"] == 60
    for owner, token in ((hooks[0], first["continuationToken"]),
                         ("/api/orgs/other", first["continuationToken"]),
                         ("/api/orgs/acme", first["continuationToken"] + "x")):
        discard(engine, owner, 400, continuationToken=token)
    assert discard_all(engine, hooks[0], limit=3)["discarded"] == 10
    assert discard(engine, "/api/orgs/acme", limit=1)["discarded"] == 1
    sums = discard_all(engine, "/api/orgs/acme", limit=7, kinds="k.1,k.2,k.3")
    assert 29 <= sums["discarded"] <= 30
    assert discard_all(engine, "/api/orgs/acme", limit=11)["matched"] == (
        49 - sums["discarded"])
    wait_views(engine, 0)


def test_two_at_once_of_an_organization_are_refused(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, 400)
    replies = []

    def ask():
        replies.append(engine.api("POST", "/api/orgs/acme/dead/discard", {}))
    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert {r.status for r in replies} <= {200, 409}
    assert sum(r.json()["discarded"] for r in replies if r.status == 200) == 400
    wait_views(engine, 0)


def test_the_answer_of_a_client_that_went_away_blocks_nobody(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    make_dead(engine, receiver, 500)
    with socket.create_connection(("127.0.0.1", engine.api_port)) as client:
        client.sendall(
            f"POST {engine.real(hook)}/dead/discard HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: token {engine.token}\r\n"
            "Content-Length: 0\r\n\r\n".encode())
    wait_for(lambda: engine.api("POST", f"{hook}/dead/discard", {}).status == 200,
             "another one may discard")
    wait_views(engine, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs mount")
def test_a_full_disk_refuses_and_loses_nothing(make_engine, receiver, settings,
                                               tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", disk],
                   check=True)
    try:
        engine = make_engine(data_dir=str(disk / "data"), **settings)
        engine.data_dir = disk / "data"
        engine.start()
        engine.create_hook(receiver.url("/in"))
        make_dead(engine, receiver, 500)
        assert engine.stop() == 0
        for path in engine.data_dir.rglob("data.mdb"):
            os.truncate(path, path.stat().st_size)  # the room kept behind it
        room = os.statvfs(disk)
        with open(disk / "ballast", "wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0,
                               room.f_bavail * room.f_frsize)
        engine.spawn()
        wait_for(lambda: "none is sent" in engine.log(), "it finds no room", 20)
        reply = engine.api("POST", "/api/orgs/acme/dead/discard", {})
        assert reply.status == 503 and "disk" in reply.json()["message"], reply
        assert int(reply.headers["retry-after"]) > 0
        assert engine.api("POST", "/api/orgs/acme/dead/discard",
                          {}).status == 503
        books = engine.verify()
        assert books["dead"] + books["cancelled"] == 500
        (disk / "ballast").unlink()
        wait_for(lambda: engine.api("POST", "/api/orgs/acme/dead/discard",
                                    {}).status == 200, "it goes on", 20)
        wait_views(engine, 0)
        assert engine.verify()["cancelled"] == 500
        assert engine.stop() == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


# --- the command line ---

def test_the_command_discards(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), name="audit")
    ids = make_dead(engine, receiver, 6)

    def posthorn(*words, status=0):
        done = engine.run("dead", "discard", "--org", "acme", *words, status=status)
        return done.stdout + done.stderr

    assert "6 dead letters match; nothing" in posthorn("--dry-run")
    assert "2 dead letters discarded" in posthorn(
        "--hook", "audit", "--id", ids[0], "--id", ids[1])
    assert "1 dead letters discarded" in posthorn("--limit", "1")
    assert json.loads(posthorn("--code", "500", "--json")) == {
        "matched": 3, "discarded": 3, "inFlight": 0}
    assert "0 dead letters discarded" in posthorn()
    assert "--state" in posthorn("--state", "dead", status=2)
    assert "not found" in posthorn("--hook", "nobody", status=1)
    assert "there is no organization" in posthorn(
        "--akinon", "--project", AKINON_PROJECT, "--org", "0" * 24, "--dry-run", status=1)
    listed = engine.run("deliveries", "--org", "acme", "--state", "cancelled")
    assert listed.stdout.count("discarded by the admin token") == 6
