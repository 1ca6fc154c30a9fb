# SPDX-License-Identifier: MIT
"""The history at scale: filters, pages, organizations, events, statistics."""

import http.client
import json
import time

import pytest

from receiver import Answer
from support import compact, wait_for

pytestmark = [pytest.mark.shared, pytest.mark.settings(retry_schedule="50ms", breaker_failures="0")]

AKINON = f"/organizations/{{}}/projects/{'a' * 24}"
AKINON_ORGS = {"acme": "b" * 24, "beta": "c" * 24}
DOWN, UP = Answer(status=500), Answer(status=200)


def pages(engine, path, query):
    """All rows of a list, and how many pages they took."""
    rows, token, count = [], "", 0
    while True:
        reply = engine.api("GET", f"{path}?{query}{token}")
        assert reply.status == 200, reply
        rows += reply.json()
        count += 1
        token = reply.headers.get("x-continuation-token")
        if not token:
            return rows, count
        token = f"&continuationToken={token}"


@pytest.fixture
def mixed(engine, receiver):
    """Of two hooks, one answers and one does not; 6 events each."""
    receiver.script("/down", DOWN)
    hooks = [engine.create_hook(receiver.url(p)) for p in ("/up", "/down")]
    ids = engine.post_batch([{"kind": f"order.{'made' if n % 2 else 'paid'}",
                              "payload": {"n": n}} for n in range(6)])
    engine.wait_deliveries(hooks[1], 12)
    engine.wait_deliveries(hooks[0], 6)
    return hooks, ids


def test_filters(engine, mixed):
    (up, down), ids = mixed
    cases = [
        (up, "", 6), (down, "", 12), (down, "state=dead", 6),
        (down, "state=retrying", 0), (up, "state=dead", 0),
        (up, "state=delivered", 6), (down, "state=dead,delivered", 6),
        (down, "code=500", 12), (down, "code=200", 0), (up, "code=200", 6),
        (down, "error=status", 12), (down, "error=dns,tls", 0),
        (up, "error=none", 6), (down, "kind=order.made", 6),
        (down, "kind=order.made,order.paid", 12), (down, "kind=order", 0),
        (down, "kind=order.made&state=dead", 3), (down, f"id={ids[0]}", 2),
        (down, f"id={ids[0]}&state=dead", 1), (up, f"id={ids[0]}&code=500", 0),
        (up, f"since={int(time.time()) - 60}", 6),
        (up, f"until={int(time.time()) - 60}", 0),
        (up, f"since={int(time.time()) + 60}", 0),
        ("/api/orgs/acme", "", 18), ("/api/orgs/acme", "state=dead", 6),
        ("/api/orgs/acme", "code=200", 6), ("/api/orgs/zeta", "", 0),
    ]
    for path, query, count in cases:
        rows, _ = pages(engine, f"{path}/deliveries", query)
        assert len(rows) == count, (path, query)


def test_a_ping_is_found_by_its_id(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    pings = [engine.api("POST", f"{hook}/ping").json()["id"] for _ in range(3)]
    for ping in pings:
        assert [r["id"] for r in engine.deliveries(hook, f"?id={ping}")] == [
            ping]
    assert engine.deliveries(hook, f"?id={pings[0]}&code=500") == []


@pytest.mark.parametrize("query", ["state=asleep", "error=x", "code=1000",
                                   "kind=", "state=dead,", "since=soon"])
def test_a_bad_filter_names_itself(engine, mixed, query):
    for path in (mixed[0][0], "/api/orgs/acme"):
        reply = engine.api("GET", f"{path}/deliveries?{query}")
        assert reply.status == 400
        assert query.split("=")[0] in reply.json()["message"]


@pytest.mark.parametrize("dispatchers", ["1", "3"])
def test_pages_are_stable_while_rows_arrive(make_engine, receiver, dispatchers):
    engine = make_engine(dispatchers=dispatchers).start()
    hooks = [engine.create_hook(receiver.url(f"/{n}")) for n in range(5)]
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(20)])
    for hook in hooks:
        engine.wait_deliveries(hook, 20)
    path = "/api/orgs/acme/deliveries"
    all_rows = engine.api("GET", f"{path}?limit=1000").json()
    assert len(all_rows) == 100
    assert {r["hookName"] for r in all_rows} == {
        h.rsplit("/", 1)[1] for h in hooks}
    times = [r["timestamp"] for r in all_rows]
    # By their ends, so that what began a moment later may come before.
    assert all(a >= b - 2 for a, b in zip(times, times[1:]))
    seen, token = [], ""
    for _ in range(100):
        reply = engine.api("GET", f"{path}?limit=7{token}")
        seen += reply.json()
        engine.post_event("a.b")  # arrives in front
        if "x-continuation-token" not in reply.headers:
            break
        token = f"&continuationToken={reply.headers['x-continuation-token']}"
    assert seen == all_rows
    assert engine.api("GET", f"{hooks[0]}/deliveries?limit=7{token}").status \
        == 400  # of another list


@pytest.mark.smoke
def test_an_event_shows_where_it_went_and_why_not(engine, receiver):
    late_path = "/api/orgs/acme/hooks"
    receiver.script("/down", DOWN)
    made = {
        "all": engine.create_hook(receiver.url("/up")),
        "fails": engine.create_hook(receiver.url("/down")),
        "other kind": engine.create_hook(receiver.url("/x"), filters=["b.*"]),
        "off": engine.create_hook(receiver.url("/x"), active=False),
        "stack": engine.create_hook(receiver.url("/x"),
                                    "/api/stacks/acme/web/prod/hooks"),
    }
    event = engine.post_event("a.b", {"projectName": "web", "stackName": "dev"})
    engine.wait_deliveries(made["fails"], 2)
    made["late"] = engine.create_hook(receiver.url("/x"), late_path)
    reply = engine.api("GET", f"/api/orgs/acme/events/{event}")
    assert reply.status == 200, reply
    shown = reply.json()
    assert (shown["id"], shown["kind"]) == (event, "a.b")
    assert json.loads(shown["payload"])["stackName"] == "dev"
    hooks = {h["hookName"]: h for h in shown["hooks"]}
    names = {what: path.rsplit("/", 1)[1] for what, path in made.items()}
    reasons = {what: hooks[name]["reason"] for what, name in names.items()}
    assert reasons["all"] is None and hooks[names["all"]]["matches"]
    assert reasons["fails"] is None
    assert "a.b" in reasons["other kind"]
    assert "inactive" in reasons["off"]
    assert "web/prod" in reasons["stack"] and "web/dev" in reasons["stack"]
    assert "created after" in reasons["late"]
    codes = {what: hooks[name].get("reasonCode") for what, name in names.items()}
    assert codes == {"all": None, "fails": None, "other kind": "filters", "off": "inactive",
                     "stack": "place", "late": "later"}
    assert hooks[names["other kind"]]["fittingFilters"] == ["a.b"]
    assert "fittingFilters" not in hooks[names["off"]]
    assert "request" not in hooks[names["all"]]
    attempts = [(r["hookName"], r["attempt"], r["state"])
                for r in shown["deliveries"]]
    assert sorted(attempts) == sorted([
        (names["all"], 1, "delivered"), (names["fails"], 1, "retrying"),
        (names["fails"], 2, "dead")])
    assert engine.api("GET", f"/api/orgs/zeta/events/{event}").status == 404


def test_explain_says_what_would_be_sent(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"), secret="s", format="raw",
                              filters=["order.*"])
    engine.create_hook(receiver.url("/x"), filters=["stack_created"])
    reply = engine.api("POST", "/api/orgs/acme/explain",
                       {"kind": "order.made", "payload": {"n": 1}})
    assert reply.status == 200, reply
    hooks = {h["hookName"]: h for h in reply.json()["hooks"]}
    mine = hooks.pop(hook.rsplit("/", 1)[1])
    request = mine["request"]
    assert mine["matches"] and request["method"] == "POST"
    assert request["url"] == receiver.url("/in")
    assert request["body"] == '{"n":1}'
    assert request["headers"]["Pulumi-Webhook-Kind"] == "order.made"
    assert len(request["headers"]["Pulumi-Webhook-Signature"]) == 64
    (other,) = hooks.values()
    assert not other["matches"] and "order.made" in other["reason"]
    assert receiver.got() == []
    for bad, named in ((b"{}", "kind"), (b"[]", ""), (b"", "empty"),
                       (b'{"kind":"x","payload":{}}', "kind")):
        reply = engine.api("POST", "/api/orgs/acme/explain", body=bad,
                           headers={"Content-Type": "application/json"})
        assert reply.status == 400 and named in reply.json()["message"], bad


def test_an_explanation_shows_nothing_of_another(make_engine, receiver):
    """Whoever asks after others, of whatever format, sees the own event alone; so
    does a ping in between, and an event that is sent."""
    engine = make_engine(slack_url_prefixes=receiver.url()).start()
    orgs = ["acme", "beta"]
    for org in orgs:
        for fmt in ("raw", "slack", "ms_teams"):
            engine.create_hook(receiver.url(f"/{fmt}"), f"/api/orgs/{org}/hooks",
                               format=fmt)
        reply = engine.api(
            "POST", f"{AKINON.format(AKINON_ORGS[org])}/settings/webhooks",
            {"name": "x", "url": receiver.url("/akinon"), "events": ["build"]})
        assert reply.status == 201, reply
    for n in range(6):
        org, words = orgs[n % 2], f"only-{n}-{orgs[n % 2]}"
        asked = [(f"/api/orgs/{org}/explain",
                  {"kind": "order.made", "payload": {"password": words}}, 3),
                 (f"{AKINON.format(AKINON_ORGS[org])}/explain",
                  {"event": "build", "data": {"password": words}}, 1)]
        for path, event, count in asked:
            reply = engine.api("POST", path, event)
            assert reply.status == 200, reply
            bodies = [h["request"]["body"] for h in reply.json()["hooks"]]
            assert len(bodies) == count
            for body in bodies:
                assert 0 < body.count(words) == body.count("only-"), (path, body)


@pytest.mark.parametrize("dispatchers", ["1", "3"])
def test_explain_of_a_large_event_and_many_hooks(make_engine, receiver,
                                                 dispatchers):
    engine = make_engine(dispatchers=dispatchers).start()
    for n in range(12):
        engine.create_hook(receiver.url(f"/{n}"))
    body = compact({"kind": "a.b", "payload": {"x": ["y" * 50_000] * 4}})
    headers = {"Content-Type": "application/json"}
    path, seen, token = "/api/orgs/acme/explain?limit=5", [], ""
    while token is not None:
        reply = engine.api("POST", path + token, body=body.encode(),
                           headers=headers)
        assert reply.status == 200, reply
        seen += [h["hookName"] for h in reply.json()["hooks"]]
        token = reply.headers.get("x-continuation-token")
        token = token and f"&continuationToken={token}"
    assert len(seen) == len(set(seen)) == 12


# --- statistics ---

def stats(engine, owner):
    reply = engine.api("GET", f"{owner}/stats")
    assert reply.status == 200, reply
    return reply.json()


def test_statistics_count_what_happened(engine, mixed):
    (up, down), _ = mixed

    def are_there():
        return stats(engine, "/api/orgs/acme")["1h"]["attempts"] == 18
    wait_for(are_there, "statistics", 15)
    for window in ("1h", "24h", "7d"):
        org = stats(engine, "/api/orgs/acme")[window]
        assert org["outcomes"] == {"delivered": 6, "retrying": 6, "dead": 6,
                                   "cancelled": 0}
        assert org["errors"] == {"status": 12}
        assert abs(org["successRate"] - 6 / 18) < 1e-5
        mine = stats(engine, up)[window]
        assert mine["attempts"] == 6 and mine["successRate"] == 1
        total = mine["timing"]["totalUs"]
        assert total["n"] == 6
        assert 0 < total["p50"] <= total["p90"] <= total["p99"] <= total["max"]
        rows = engine.deliveries(up)
        assert total["max"] == max(r["timing"]["totalUs"] for r in rows)
        assert mine["timing"]["queueUs"]["n"] == 6
        fresh = [r for r in rows if not r["timing"]["reusedConnection"]]
        assert fresh and mine["timing"]["connectUs"]["n"] == len(fresh)
    seconds = stats(engine, up)["1h"]["from"]
    assert 3600 <= time.time() - seconds <= 3900
    empty = stats(engine, "/api/orgs/zeta")["24h"]
    assert empty["attempts"] == 0 and empty["successRate"] is None
    assert engine.api("GET", f"{up}x/stats").status == 404


@pytest.mark.alone
def test_statistics_survive_kills(engine, receiver):
    """Each attempt counts once, whether its sum was kept or read again."""
    engine.check_exit = False
    hook = engine.create_hook(receiver.url("/in"))
    for n in range(3):
        engine.post_batch([{"kind": "a.b", "payload": {"n": n}}] * 20)
        engine.wait_deliveries(hook, 20 * (n + 1))
        if n == 1:
            time.sleep(5.5)  # what was noted is kept by now
        engine.kill9()
        engine.restart()
    wait_for(lambda: stats(engine, hook)["1h"]["attempts"] >= 60,
             "statistics", 15)
    rows = len(engine.deliveries(hook, "?limit=1000"))
    assert stats(engine, hook)["1h"]["attempts"] == rows


def test_statistics_survive_other_dispatchers(make_engine, receiver):
    engine = make_engine().start()
    hooks = [engine.create_hook(receiver.url(f"/{n}")) for n in range(4)]
    engine.post_batch([{"kind": "a.b", "payload": {"n": 1}}] * 5)
    for hook in hooks:
        engine.wait_deliveries(hook, 5)
    for dispatchers in ("3", "2"):
        assert engine.stop() == 0
        engine.restart(dispatchers=dispatchers)
        assert stats(engine, "/api/orgs/acme")["24h"]["attempts"] == 20
        assert [stats(engine, h)["1h"]["attempts"] for h in hooks] == [5] * 4


# --- tail ---

class Tail:
    """Follows server-sent events."""

    def __init__(self, engine, owner, query="", last_id=None):
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", engine.api_port, timeout=10)
        headers = {"Authorization": f"token {engine.token}"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self.connection.request("GET", engine.real(f"{owner}/tail{query}"),
                                headers=headers)
        self.reply = self.connection.getresponse()
        self.last_id = None

    def next(self):
        data = None
        while True:
            line = self.reply.readline().decode()
            assert line, "the stream has ended"
            if line.startswith("id: "):
                self.last_id = line[4:].strip()
            elif line.startswith("data: "):
                data = json.loads(line[6:])
            elif line == "\n" and data is not None:
                return data

    def close(self):
        self.reply.close()
        self.connection.close()


def test_tail_follows(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    engine.post_event("a.old")
    engine.wait_deliveries(hook, 1)
    tail = Tail(engine, "/api/orgs/acme")
    assert tail.reply.status == 200
    assert tail.reply.getheader("Content-Type") == "text/event-stream"
    ids = [engine.post_event(f"a.b{n}") for n in range(3)]
    rows = [tail.next() for _ in range(3)]
    assert {r["id"] for r in rows} == set(ids)  # in the order of their ends
    assert rows[0]["hookName"] == hook.rsplit("/", 1)[1]
    assert rows[0]["state"] == "delivered" and rows[0]["timing"]["totalUs"] > 0
    tail.close()
    missed = engine.post_event("a.missed")
    engine.wait_deliveries(hook, 5)
    again = Tail(engine, "/api/orgs/acme", last_id=tail.last_id)
    assert again.next()["id"] == missed
    again.close()


def test_tail_filters(engine, receiver):
    receiver.script("/down", DOWN)
    up = engine.create_hook(receiver.url("/up"))
    down = engine.create_hook(receiver.url("/down"))
    dead = Tail(engine, "/api/orgs/acme", "?state=dead")
    mine = Tail(engine, up, "?kind=a.c")
    chosen = "0190a5b8-1111-4222-8333-444455556666"
    one = Tail(engine, "/api/orgs/acme", f"?id={chosen}&state=delivered")
    for kind in ("a.b", "a.c"):
        engine.post_event(kind)
    assert [dead.next()["state"] for _ in range(2)] == ["dead", "dead"]
    assert mine.next()["kind"] == "a.c"
    engine.post_event("a.d", id=chosen)
    assert one.next()["id"] == chosen
    engine.wait_deliveries(down, 6)
    one.close()
    for path, query, last_id, status in (
            (f"{up}x", "", None, 404), (up, "?state=x", None, 400),
            (up, "", dead.last_id, 400), (up, "", "00", 400)):
        assert Tail(engine, path, query, last_id).reply.status == status
    dead.close()
    mine.close()


@pytest.mark.alone
def test_tail_ends_with_the_engine_and_with_its_client(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    tails = [Tail(engine, hook) for _ in range(70)]
    assert {t.reply.status for t in tails} == {200, 429}
    for tail in tails:
        tail.close()

    def is_free():
        tail = Tail(engine, hook)
        tail.close()
        return tail.reply.status == 200
    wait_for(is_free, "closed tails make room", 20)
    last = Tail(engine, hook)
    assert engine.stop() == 0
    assert last.reply.read() is not None  # it ends
