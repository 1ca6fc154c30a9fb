# SPDX-License-Identifier: MIT
"""Two organizations of one engine, one of which means harm: what is the one's is
never the other's, also where their names had one number once."""

import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import uuid

import pytest

from conftest import finish
from engine import BINARY, Engine
from format4 import FACTS, format4, rows_of  # noqa: F401
from receiver import Answer, Receiver
from support import ROOT, compact, wait_for

TWINS = json.loads((ROOT / "tests/fixtures/twins.json").read_text())


@pytest.fixture(scope="session")
def collide(tmp_path_factory):
    program = tmp_path_factory.mktemp("collide") / "collide"
    subprocess.run(["cc", "-O3", "-o", program, ROOT / "tests/support/collide.c"],
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


# --- no question holds up what is another's ---

def of_role(engine, name, role):
    """A counter of one role."""
    for labels, value in engine.metrics()[name].items():
        if f'role="{role}' in labels:
            return value
    return 0


HISTORY = 3000  # deliveries of one hook of `evil`


def big_event(n_bytes):
    return {"kind": "stack_update", "payload": {
        "kind": "update", "result": "succeeded", "organizationName": "evil",
        "projectName": "p", "stackName": "s",
        "text": ["x" * 40_000] * (n_bytes // 40_000)}}


class Asking(threading.Thread):
    """A question on its own connection; `done_at` is when its answer came."""

    def __init__(self, engine, method, path, body=None, timeout=120):
        super().__init__(daemon=True)
        self.engine, self.words = engine, (method, path, body)
        self.timeout = timeout
        self.done_at = None
        self.reply = None
        self.start()

    def run(self):
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.engine.api_port, timeout=self.timeout)
        method, path, body = self.words
        connection.request(
            method, path, None if body is None else compact(body),
            {"Authorization": f"token {self.engine.token}",
             "Content-Type": "application/json"})
        reply = connection.getresponse()
        self.reply = reply.status, reply.read()
        self.done_at = time.monotonic()
        connection.close()


@pytest.fixture(scope="module")
def crowd():
    r = Receiver()
    yield r
    r.stop()


@pytest.fixture(scope="module")
def crowded(crowd, tmp_path_factory):
    """An engine in which `evil` has many hooks and a long history."""
    engine = Engine(tmp_path_factory.mktemp("crowded"), breaker_failures="0",
                    dispatchers="1", drain_timeout="2s").start()
    for i in range(250):
        reply = engine.api("POST", "/api/orgs/evil/hooks", {
            "organizationName": "evil", "displayName": "d", "active": True,
            "name": f"h{i:03d}", "groups": ["stacks"], "secret": "s" * 32,
            "format": "raw", "payloadUrl": crowd.url(f"/evil/{i}")})
        assert reply.status == 201, reply
    engine.create_hook(crowd.url("/history"), "/api/orgs/evil/hooks",
                       name="history", filters=["fill.it"])
    engine.create_hook(crowd.url("/good"), "/api/orgs/good/hooks",
                       name="good", filters=["a.b"])
    lines = "".join(compact({"kind": "fill.it", "payload": {"n": i}}) + "\n"
                    for i in range(HISTORY))
    assert engine.intake(lines.encode(), "evil",
                         "application/x-ndjson").status == 202
    engine.wait_settled(120)
    yield engine
    finish(engine)


def test_a_large_explain_is_made_in_slices(crowded):
    """Another one's question, asked later, is answered sooner; and no request is
    made that the answer has no room for."""
    engine = crowded
    before = of_role(engine, "posthorn_slices_total", "dispatcher")
    large = [Asking(engine, "POST", "/api/orgs/evil/explain?limit=1000",
                    big_event(240_000)) for _ in range(2)]
    wait_for(lambda: of_role(engine, "posthorn_slices_total", "dispatcher")
             > before, "the first slice", 30)
    small = Asking(engine, "POST", "/api/orgs/good/explain",
                   {"kind": "a.b", "payload": {}})
    for asked in (small, *large):
        asked.join(120)
    assert small.reply[0] == 200
    assert small.done_at < max(asked.done_at for asked in large)
    for asked in large:
        assert asked.reply[0] == 200
        hooks = json.loads(asked.reply[1])["hooks"]
        assert [h["hookName"] for h in hooks if h["matches"]] == [
            f"h{i:03d}" for i in range(250)]
        made = [h["request"] is not None for h in hooks if h["matches"]]
        assert made == sorted(made, reverse=True), "from one on, none is made"
        assert 10 < sum(made) < 250
    # Requests of 12 MiB, a few of them a slice.
    assert of_role(engine, "posthorn_slices_total", "dispatcher") > before + 20


def test_deliveries_go_on_while_somebody_explains(crowded, crowd):
    engine = crowded
    large = [Asking(engine, "POST", "/api/orgs/evil/explain?limit=1000",
                    big_event(240_000)) for _ in range(2)]
    n_before = len(crowd.got("/good"))
    for i in range(5):
        engine.post_event("a.b", {"n": i}, "good")
    wait_for(lambda: len(crowd.got("/good")) >= n_before + 5,
             "the other one's deliveries", 60)
    delivered_at = time.monotonic()
    for asked in large:
        asked.join(120)
    assert delivered_at < max(asked.done_at for asked in large)


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_work_for_somebody_who_is_gone_ends(crowded, how):
    engine = crowded
    name = "posthorn_questions_dropped_total"
    before = of_role(engine, name, "dispatcher")
    body = compact(big_event(240_000)).encode()
    head = ("POST /api/orgs/evil/explain?limit=1000 HTTP/1.1\r\n"
            "Host: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: token {engine.token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    # The dispatcher stands still until the client's end has been noticed, which takes a
    # second: else the work could be done before.
    (dispatcher,) = engine.pids("dispatcher")
    os.kill(dispatcher, signal.SIGSTOP)
    try:
        with socket.create_connection(("127.0.0.1", engine.api_port)) as gone:
            gone.sendall(head + body)
            time.sleep(0.5)
            if how == "resets":
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
        time.sleep(3)
    finally:
        os.kill(dispatcher, signal.SIGCONT)
    wait_for(lambda: of_role(engine, name, "dispatcher") > before,
             "that it is dropped", 30)
    slices = of_role(engine, "posthorn_slices_total", "dispatcher")
    assert engine.api("POST", "/api/orgs/good/explain",
                      {"kind": "a.b", "payload": {}}).status == 200
    assert of_role(engine, "posthorn_slices_total", "dispatcher") <= slices + 2


def test_whoever_closed_one_side_alone_is_answered_late(crowded):
    """A client need not keep its side open to get an answer that takes long."""
    engine = crowded
    body = compact(big_event(240_000)).encode()
    with socket.create_connection(("127.0.0.1", engine.api_port), 60) as half:
        half.sendall(("POST /api/orgs/evil/explain?limit=1000 HTTP/1.1\r\n"
                      "Host: localhost\r\nContent-Type: application/json\r\n"
                      f"Authorization: token {engine.token}\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
        half.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(half)
        answer.begin()
        assert answer.status == 200
        assert len(json.loads(answer.read())["hooks"]) == 251


def test_an_unknown_id_is_searched_for_in_slices(crowded):
    engine = crowded
    before = of_role(engine, "posthorn_slices_total", "dispatcher")
    replies = [engine.api("POST", "/api/orgs/evil/hooks/history/deliveries/"
                          f"{uuid.uuid4()}/redeliver") for _ in range(3)]
    assert [r.status for r in replies] == [404] * 3
    assert of_role(engine, "posthorn_slices_total",
                   "dispatcher") >= before + 3


def test_a_ping_is_sent_again_though_much_lies_on_top(crowded, crowd):
    engine = crowded
    hook = "/api/orgs/evil/hooks/history"
    first = engine.api("POST", f"{hook}/ping").json()["id"]
    for _ in range(30):
        assert engine.api("POST", f"{hook}/ping").status == 200
    again = engine.api("POST", f"{hook}/deliveries/{first}/redeliver")
    assert again.status == 200 and again.json()["id"] == first, again


def test_a_large_batch_does_not_hold_up_small_posts(crowded):
    engine = crowded
    line = compact({"kind": "no.body", "payload": {"t": "x" * 700}}) + "\n"
    before = of_role(engine, "posthorn_slices_total", "ingest")
    reply = engine.intake(line.encode() * 9999, "evil", "application/x-ndjson")
    assert reply.status == 202 and reply.json()["accepted"] == 9999
    assert len(set(reply.json()["ids"])) == 9999
    assert of_role(engine, "posthorn_slices_total", "ingest") > before + 5


def test_a_fault_late_in_a_large_batch_stores_none_of_it(crowded):
    engine = crowded
    line = compact({"kind": "no.body", "payload": {"t": "x" * 700}}) + "\n"
    accepted = of_role(engine, "posthorn_events_accepted_total", "ingest")
    reply = engine.intake(line.encode() * 9000 + b'{"kind":1}\n', "evil",
                          "application/x-ndjson")
    assert reply.status == 400
    assert "line 9001: kind" in reply.json()["message"]
    assert of_role(engine, "posthorn_events_accepted_total",
                   "ingest") == accepted


def test_one_hook_is_found_by_its_name_among_many(crowded):
    engine = crowded
    shown = engine.api("POST", "/api/orgs/evil/explain?hook=h249",
                       big_event(80_000)).json()["hooks"]
    assert [h["hookName"] for h in shown] == ["h249"]
    assert shown[0]["matches"] and shown[0]["request"]["method"] == "POST"


def test_pages_of_an_explanation_have_each_hook_once(crowded):
    """Also of an Akinon project, whose lists have an order of their own."""
    engine = crowded
    org, project = "0123456789abcdef01234567", "89abcdef0123456789abcdef"
    base = f"/api/v1/organizations/{org}/projects/{project}"
    for i in range(7):
        reply = engine.api("POST", f"{base}/settings/webhooks", {
            "name": f"n{i}", "url": "https://example.com/",
            "events": ["order.created"]})
        assert reply.status in (200, 201), reply
    seen, token = [], ""
    for _ in range(10):
        reply = engine.api("POST", f"{base}/explain?limit=3{token}",
                           {"event": "order.created", "data": {}})
        assert reply.status == 200, reply
        seen += [h["hookName"] for h in reply.json()["hooks"]]
        token = reply.headers.get("x-continuation-token")
        if not token:
            break
        token = f"&continuationToken={token}"
    assert len(seen) == 7 and len(set(seen)) == 7


def test_an_organization_replays_what_many_of_its_hooks_have(crowded):
    """Each hook's part begins, though not all in one commit; and it ends."""
    engine = crowded
    reply = engine.api("POST", "/api/orgs/evil/replay", {
        "state": "delivered", "kinds": ["fill.it"], "dryRun": True})
    assert reply.status == 200 and reply.json()["matched"] == HISTORY, reply
    reply = engine.api("POST", "/api/orgs/evil/replay", {
        "state": "delivered", "kinds": ["fill.it"]})
    assert reply.status == 202, reply
    path = f"/api/orgs/evil/replays/{reply.json()['replayId']}"
    wait_for(lambda: get(engine, path)["state"] == "done", "the replay", 120)
    assert get(engine, path)["delivered"] == HISTORY
