# SPDX-License-Identifier: MIT
"""The list of accepted events: all that was accepted, and how many webhooks wanted it."""

import subprocess
import sys
import time

import pytest

from support import wait_for

AKINON = "/organizations/5f0c1a2b3c4d5e6f70819203"
PROJECTS = ("63ea10b94a472e003305232b", "63ea10b94a472e003305232c")

# Says how many rows the table `listed` of a shard has, in a process of its own: LMDB's
# locks are a process's.
COUNT_ROWS = """
import ctypes, sys
lmdb = ctypes.CDLL("liblmdb.so.0")
env, txn, dbi = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint()
stat = (ctypes.c_size_t * 6)()
assert lmdb.mdb_env_create(ctypes.byref(env)) == 0
assert lmdb.mdb_env_set_maxdbs(env, 1) == 0
assert lmdb.mdb_env_open(env, sys.argv[1].encode(), 0x20000, 0o600) == 0
assert lmdb.mdb_txn_begin(env, None, 0x20000, ctypes.byref(txn)) == 0
assert lmdb.mdb_dbi_open(txn, b"listed", 0, ctypes.byref(dbi)) == 0
assert lmdb.mdb_stat(txn, dbi, ctypes.byref(stat)) == 0
print(stat[4])
"""


def n_listed_rows(engine):
    shard = engine.data_dir / "deliveries" / "0"
    done = subprocess.run([sys.executable, "-c", COUNT_ROWS, shard], check=True,
                          capture_output=True, text=True)
    return int(done.stdout)


def page_of(engine, path, **more):
    reply = engine.api("GET", path, **more)
    assert reply.status == 200, reply
    return reply.json(), reply.headers.get("x-continuation-token")


def listed(engine, query="", at="/api/orgs/acme"):
    """All pages of a list."""
    rows, token = page_of(engine, f"{at}/events?{query}")
    while token is not None:
        more, token = page_of(engine, f"{at}/events?{query}&continuationToken={token}")
        rows += more
    return rows


def matched(engine, query="", at="/api/orgs/acme"):
    return [(row["kind"], row["matched"]) for row in listed(engine, query, at)]


def wait_matched(engine, n, at="/api/orgs/acme"):
    """Until a dispatcher has come to all events, of which there are `n`."""
    def all_known():
        rows = matched(engine, at=at)
        return len(rows) == n and all(m is not None for _, m in rows) and rows
    return wait_for(all_known, f"{n} events are matched")


@pytest.mark.shared
@pytest.mark.settings(dispatchers="3")
def test_events_are_listed_with_what_they_matched(engine, receiver):
    for i in range(3):
        engine.create_hook(receiver.url(f"/{i}"), filters=["order.*"] if i else ["order.paid"])
    kinds = ["order.created", "user.made", "order.paid", "user.gone", "order.paid"]
    ids = [engine.post_event(kind, {"n": n}) for n, kind in enumerate(kinds)]
    engine.post_event("order.paid", org="other")
    counts = {"order.created": 2, "order.paid": 3, "user.made": 0, "user.gone": 0}
    wanted = [(kind, counts[kind]) for kind in reversed(kinds)]
    assert wait_matched(engine, 5) == wanted
    rows = listed(engine)
    assert [row["id"] for row in rows] == ids[::-1]
    assert rows[0]["payloadBytes"] == len('{"n":4}')
    times = [row["acceptedAt"] for row in rows]
    assert times == sorted(times, reverse=True)
    assert matched(engine, "limit=2") == matched(engine, "limit=1") == wanted
    assert matched(engine, "unmatched=true") == [("user.gone", 0), ("user.made", 0)]
    assert matched(engine, "unmatched=true&limit=1") == [("user.gone", 0), ("user.made", 0)]
    assert matched(engine, "kind=order.paid,user.made") == [
        ("order.paid", 3), ("order.paid", 3), ("user.made", 0)]
    assert matched(engine, "kind=user.*&unmatched=false") == [("user.gone", 0), ("user.made", 0)]
    assert listed(engine, f"since={times[0] // 1000 - 3600}") == rows
    assert listed(engine, f"until={times[-1] // 1000 - 3600}") == []
    assert listed(engine, f"since={times[0] // 1000 + 3600}") == []
    second, ms = divmod(times[2], 1000)
    middle = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{ms:03}Z"
    assert listed(engine, f"since={middle}") == [r for r in rows if r["acceptedAt"] >= times[2]]
    assert listed(engine, f"until={middle}") == [r for r in rows if r["acceptedAt"] < times[2]]
    # The list ends where it began: what comes later is on no page of it.
    first, token = page_of(engine, "/api/orgs/acme/events?limit=3")
    engine.post_event("late.one")
    wait_matched(engine, 6)
    rest, end = page_of(engine, f"/api/orgs/acme/events?continuationToken={token}")
    assert first + rest == rows and end is None


@pytest.mark.shared
@pytest.mark.settings(dispatchers="3")
def test_nobody_sees_events_of_others(engine):
    engine.post_event("a.b")
    engine.post_event("c.d", org="other")
    read = engine.api("POST", "/api/orgs/acme/tokens", {"scopes": ["read"]}).json()["token"]
    ingest = engine.api("POST", "/api/orgs/acme/tokens", {"scopes": ["ingest"]}).json()["token"]
    assert wait_matched(engine, 1) == [("a.b", 0)]
    for path, token, status in (("acme", read, 200), ("other", read, 403), ("acme", ingest, 403),
                                ("acme", None, 401), ("no body", read, 403)):
        reply = engine.api("GET", f"/api/orgs/{path.replace(' ', '%20')}/events", token=token)
        assert reply.status == status, (path, reply)
    engine.post_event("a.b")
    _, token = page_of(engine, "/api/orgs/acme/events?limit=1")
    for path in ("/api/orgs/other/events", "/api/stacks/acme/web/prod/events"):
        reply = engine.api("GET", f"{path}?continuationToken={token}")
        assert reply.status == 400 and b"continuationToken" in reply.body, reply
    for query in ("unmatched=1", "limit=0", "since=x", "kind=a*", "continuationToken=00"):
        assert engine.api("GET", f"/api/orgs/acme/events?{query}").status == 400, query
    assert matched(engine, at="/api/orgs/nobody-there") == []


@pytest.mark.shared
@pytest.mark.settings(dispatchers="3")
def test_narrower_places_have_lists(engine):
    for place in ({"stackName": "prod"}, {"stackName": "dev"}, {"environmentName": "prod"}):
        engine.post_event("a.b", {"projectName": "web", **place})
    assert len(wait_matched(engine, 3)) == 3
    assert [(r["projectName"], r["stackName"]) for r in
            listed(engine, at="/api/stacks/acme/web/prod")] == [("web", "prod")]
    assert [r["envName"] for r in
            listed(engine, at="/api/esc/environments/acme/web/prod")] == ["prod"]
    for project in PROJECTS:
        reply = engine.request(
            engine.ingest_port, "POST", f"{AKINON}/projects/{project}/events",
            b'{"event": "build.%s", "data": {}}' % project[-1:].encode(),
            {"Content-Type": "application/json"})
        assert reply.status == 202, reply
    for prefix in ("", "/api/v1"):
        assert wait_matched(engine, 2, prefix + AKINON) == [("build.c", 0), ("build.b", 0)]
        assert matched(engine, at=f"{prefix}{AKINON}/projects/{PROJECTS[0]}") == [("build.b", 0)]
    assert matched(engine, at="/api/orgs/5f0c1a2b3c4d5e6f70819203") == []


@pytest.mark.shared
@pytest.mark.settings(dispatchers="3")
def test_a_page_has_a_limit_on_what_it_looks_at(engine):
    """Behind many events that a filter does not want, a token leads on."""
    engine.post_event("rare.kind")
    for _ in range(3):
        engine.post_batch([{"kind": "a.b", "payload": {}}] * 8000)
    wait_for(lambda: page_of(engine, "/api/orgs/acme/events?limit=1")[0][0]["matched"] == 0,
             "the newest is matched")
    rows, token = page_of(engine, "/api/orgs/acme/events?kind=rare.*")
    assert rows == [] and token is not None  # each event is looked at
    assert matched(engine, "kind=rare.*") == [("rare.kind", 0)]
    rows, token = page_of(engine, "/api/orgs/acme/events?kind=rare.kind")
    assert len(rows) == 1 and token is None  # the list itself tells the kind
    assert len(listed(engine, "limit=1000")) == 24001


def test_counts_outlive_kills_and_other_dispatchers(make_engine, receiver):
    engine = make_engine(dispatchers="1", retention_delivered="1h", retention_dead="1h")
    engine.start()
    for i in range(4):
        engine.create_hook(receiver.url(f"/{i}"), filters=["order.created"])
    wanted = []
    for dispatchers in ("3", "2", "1"):
        for kind, n in (("order.created", 4), ("a.b", 0)):
            engine.post_event(kind)
            wanted.insert(0, (kind, n))
        assert wait_matched(engine, len(wanted)) == wanted
        engine.kill9()
        engine.restart(dispatchers=dispatchers)
        assert matched(engine) == wanted
    assert matched(engine, "unmatched=true") == [("a.b", 0)] * 3
    assert n_listed_rows(engine) == 1
    engine.stop()
    engine.restart(retention_delivered="1s", retention_dead="1s")
    wait_for(lambda: listed(engine) == [], "retention removed all")
    wait_for(lambda: n_listed_rows(engine) == 0, "retention removed the list")
