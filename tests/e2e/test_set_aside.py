# SPDX-License-Identifier: MIT
"""No record keeps a role from running: what a process dies with three times is
set aside, and everything else goes on."""

import http.client
import os
import signal
import threading

import pytest

from engine import FAULTY
from receiver import Answer
from support import compact, wait_for

WAIT_S = 60  # three deaths, each with a start that may be slow


@pytest.fixture
def faulty(make_engine, monkeypatch, tmp_path, request):
    """An engine whose roles die of certain records, until it is calm."""
    calm = tmp_path / "calm"
    monkeypatch.setenv("FAULTY_CALM", str(calm))
    marker = request.node.get_closest_marker("settings")
    engine = make_engine(**{"retry_schedule": "1h", "dispatchers": 1,
                            "senders": 1, **(marker.kwargs if marker else {})})
    engine.binary = FAULTY
    engine.calm = calm
    return engine.start()


def set_aside(engine):
    """How many records of each sort were set aside, those that are none left
    out."""
    counts = {}
    for labels, value in engine.metrics()["posthorn_records_set_aside_total"].items():
        what = labels.split('kind="')[1].split('"')[0]
        if value:
            counts[what] = counts.get(what, 0) + value
    return counts


def wait_aside(engine, what, count=1):
    def is_so():
        try:
            return set_aside(engine) == {what: count} and engine.is_ready()
        except (OSError, http.client.HTTPException):
            return False
    wait_for(is_so, f"{count} {what} is set aside, and all roles work", WAIT_S)


def arrived(receiver, ids, path=None):
    wait_for(lambda: set(ids) <= {r.id for r in receiver.got(path)},
             "the events arrive", WAIT_S)


def attempts_of(engine, hook, event_id):
    """Once there is one: that a record is set aside is counted before it is committed."""
    return wait_for(
        lambda: [row for row in engine.deliveries(hook) if row["id"] == event_id],
        f"an attempt of {event_id}")


# --- the dispatcher ---

def test_an_event_that_kills_while_it_is_matched_is_passed_over(
        faulty, receiver):
    faulty.create_hook(receiver.url())
    before = [faulty.post_event() for _ in range(3)]
    arrived(receiver, before)
    killer = faulty.post_event("crash.match")
    after = [faulty.post_event() for _ in range(3)]
    arrived(receiver, after)
    wait_aside(faulty, "event")
    assert killer not in {r.id for r in receiver.got()}
    assert faulty.log().count("signal=6") == 3
    books = faulty.wait_settled()
    assert books["delivered"] == 6, books
    arrived(receiver, [faulty.post_event()])  # for good


def test_a_delivery_that_kills_while_it_is_sent_is_a_dead_letter(
        faulty, receiver):
    """With a reason; it can be redelivered."""
    hook = faulty.create_hook(receiver.url("/hook"))
    faulty.create_hook(receiver.url("/other"), filters=["order.*"])
    killer = faulty.post_event("crash.send")
    ids = [faulty.post_event() for _ in range(3)]
    for path in ("/hook", "/other"):
        arrived(receiver, ids, path)
    wait_aside(faulty, "delivery")
    row = attempts_of(faulty, hook, killer)[0]
    assert row["state"] == "dead"
    assert "died three times" in row["error"]["message"]
    assert faulty.log().count("signal=6") == 3
    assert ('what="a delivery of a hook"' in faulty.log() and
            f'while it processed a hook" hook="acme/{hook.split("/")[-1]}" of=organization'
            in faulty.log())
    assert faulty.wait_settled()["dead"] == 1

    faulty.calm.touch()
    reply = faulty.api("POST", f"{hook}/deliveries/{killer}/redeliver")
    assert reply.status == 200, reply
    arrived(receiver, [killer], "/hook")
    assert attempts_of(faulty, hook, killer)[0]["state"] == "delivered"
    books = faulty.wait_settled()
    assert (books["dead"], books["delivered"]) == (0, 7)


def test_a_delivery_that_kills_once_its_answer_is_there_is_a_dead_letter(
        faulty, receiver):
    hook = faulty.create_hook(receiver.url())
    killer = faulty.post_event("crash.settle")
    wait_aside(faulty, "delivery")
    assert len(receiver.got()) == 3  # not sent any more
    arrived(receiver, [faulty.post_event()])
    faulty.wait_settled()
    assert attempts_of(faulty, hook, killer)[0]["state"] == "dead"


@pytest.mark.settings(retry_schedule="10ms,10ms,1h")
def test_a_hook_that_kills_is_not_followed_and_keeps_what_waits(
        faulty, receiver):
    receiver.script("/killer", Answer(500), Answer(500, held=True), Answer())
    killer = faulty.create_hook(receiver.url("/killer"))
    faulty.create_hook(receiver.url("/other"))
    first = faulty.post_event()
    receiver.wait(2, "/killer")
    assert faulty.api("PATCH", killer, {"paused": True}).status == 200
    faulty.settle_hooks()
    receiver.release()
    faulty.wait_deliveries(killer, 2)
    # With the pause ends what keeps its third attempt, which is due, from being made.
    faulty.api("PATCH", killer, {"displayName": "crash hook", "paused": False})
    wait_aside(faulty, "hook")
    second = faulty.post_event()
    arrived(receiver, [first, second], "/other")
    books = faulty.verify()
    assert (books["pending"], books["cancelled"]) == (1, 0)
    assert len(receiver.got("/killer")) == 2
    reply = faulty.api("POST", f"{killer}/ping")
    assert reply.status == 500, reply

    reply = faulty.api("PATCH", killer, {"displayName": "harmless"})
    assert reply.status == 200, reply
    wait_for(lambda: len(receiver.got("/killer")) == 3, "it goes on", WAIT_S)
    assert {r.id for r in receiver.got("/killer")} == {first}
    assert faulty.wait_settled()["delivered"] == 3


@pytest.mark.slow
def test_an_event_that_makes_a_dispatcher_spin_is_passed_over(
        make_engine, receiver, monkeypatch):
    """The process ends itself; nobody has to kill it."""
    monkeypatch.setenv("FAULTY_WATCHDOG_S", "1")
    engine = make_engine()
    engine.binary = FAULTY
    engine.start()
    engine.create_hook(receiver.url())
    engine.post_event("spin.match")
    arrived(receiver, [engine.post_event()])
    wait_aside(engine, "event")


# --- requests ---

def post(engine, body):
    """The status of a post; None: the connection died."""
    try:
        return engine.intake(body)
    except (OSError, http.client.HTTPException):
        return None


@pytest.mark.parametrize("kind", ["crash.intake", "crash.append"])
def test_a_post_that_kills_ingest_is_refused(faulty, receiver, kind):
    """In its loop and in its worker; all other posts are taken."""
    faulty.create_hook(receiver.url())
    killer = compact({"kind": kind, "payload": {}}).encode()
    other = compact({"kind": kind + ".not", "payload": {}}).encode()
    other = other.replace(b"crash", b"peace")
    for _ in range(3):
        assert post(faulty, killer) is None
        wait_for(faulty.is_ready, "ingest is back", WAIT_S)
    for _ in range(2):
        reply = post(faulty, killer)
        assert reply.status == 500, reply
        assert "died three times" in reply.json()["message"]
        assert "ten minutes" in reply.json()["message"]
        assert post(faulty, other).status == 202
    assert set_aside(faulty) == {"request": 1}
    assert faulty.log().count("signal=6") == 3
    faulty.wait_settled()
    assert len(receiver.got()) == 2


def test_a_post_with_two_deaths_is_alone_and_the_others_wait_for_it(
        faulty, receiver):
    """It is harmless the third time: nobody loses anything."""
    faulty.create_hook(receiver.url())
    suspect = compact({"kind": "crash.append", "payload": {}}).encode()
    for _ in range(2):
        assert post(faulty, suspect) is None
        wait_for(faulty.is_ready, "ingest is back", WAIT_S)
    faulty.calm.touch()
    replies = []

    def produce(body, count):
        for _ in range(count):
            replies.append(post(faulty, body))

    threads = [threading.Thread(target=produce, args=args) for args in (
        (suspect, 3), (b'{"kind":"a.b","payload":{}}', 20),
        (b'{"kind":"a.c","payload":{}}', 20))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [reply.status for reply in replies] == [202] * 43
    faulty.calm.unlink()
    assert post(faulty, suspect) is None  # its deaths are forgotten
    wait_for(faulty.is_ready, "ingest is back", WAIT_S)
    assert set_aside(faulty) == {}
    faulty.wait_settled()
    assert len(receiver.got()) == 43


def test_a_request_that_kills_api_is_refused(faulty, receiver):
    def create(name):
        return faulty.api("POST", "/api/orgs/acme/hooks", {
            "organizationName": "acme", "displayName": name,
            "payloadUrl": receiver.url(), "active": True})

    for _ in range(3):
        with pytest.raises((OSError, http.client.HTTPException)):
            create("crash.api")
        wait_for(faulty.is_ready, "api is back", WAIT_S)
    reply = create("crash.api")
    assert reply.status == 500, reply
    assert "died three times" in reply.json()["message"]
    assert create("harmless").status == 201
    assert set_aside(faulty) == {"request": 1}


def test_a_ping_that_kills_the_dispatcher_is_refused(faulty, receiver):
    killer = faulty.create_hook(receiver.url("/crash-ping"))
    other = faulty.create_hook(receiver.url("/other"))
    for n in range(1, 4):
        assert faulty.api("POST", f"{killer}/ping").status == 503
        wait_for(lambda n=n: f"deaths={n}" in faulty.log(), "it is noticed")
        wait_for(faulty.is_ready, "the dispatcher is back", WAIT_S)
    reply = faulty.api("POST", f"{killer}/ping")
    assert reply.status == 500, reply
    assert "died three times" in reply.json()["message"]
    assert faulty.api("POST", f"{other}/ping").status == 200
    event_id = faulty.post_event()
    for path in ("/crash-ping", "/other"):
        arrived(receiver, [event_id], path)
    assert set_aside(faulty) == {"request": 1}


# --- the sender ---

@pytest.mark.parametrize("path", ["/crash-start", "/crash-outcome"])
def test_a_delivery_that_kills_senders_is_a_dead_letter(faulty, receiver, path):
    """Those that are in flight beside it are not to blame, also when the
    sender dies at no order in particular; nor are they sent for nothing."""
    receiver.script("/slow", Answer(delay=0.3))
    killer = faulty.create_hook(receiver.url(path), filters=["a.*"])
    slow = faulty.create_hook(receiver.url("/slow"), filters=["order.*"])
    ids = [faulty.post_event() for _ in range(4)]
    event_id = faulty.post_event("a.killer")
    ids += [faulty.post_event() for _ in range(4)]
    wait_aside(faulty, "delivery")
    arrived(receiver, ids, "/slow")
    assert faulty.wait_settled()["dead"] == 1
    row = attempts_of(faulty, killer, event_id)[0]
    assert row["state"] == "dead"
    assert "sender process died three times" in row["error"]["message"]
    states = {row["state"] for row in faulty.deliveries(slow, "?limit=100")}
    assert states == {"delivered"}
    # A death that is laid to another's order takes one more. So does one whose process
    # takes so long to end that it gets a new link meanwhile, and loses that, too.
    n_deaths = faulty.log().count("signal=6")
    n_links = faulty.log().count("a sender has ended")
    assert n_deaths == 3 or (n_deaths > 3 and (path == "/crash-outcome" or n_links > n_deaths))
    # What was set aside can be sent again, here to another address.
    reply = faulty.api("PATCH", killer, {"payloadUrl": receiver.url("/fine")})
    assert reply.status == 200, reply
    faulty.settle_hooks()
    reply = faulty.api("POST", f"{killer}/deliveries/{event_id}/redeliver")
    assert reply.status == 200, reply
    assert [r.id for r in receiver.got("/fine")] == [event_id]
    assert faulty.wait_settled()["dead"] == 0


# --- deaths that count for nothing ---

@pytest.mark.settings(dispatchers=1, senders=1, retry_schedule="1h")
@pytest.mark.parametrize("role, signum", [
    ("sender", signal.SIGKILL),
    pytest.param("sender", signal.SIGABRT, marks=pytest.mark.slow),
    pytest.param("dispatcher", signal.SIGABRT, marks=pytest.mark.slow)])
def test_a_role_that_somebody_kills_lays_it_to_no_delivery(
        engine, receiver, role, signum):
    """Four times, with the same deliveries in flight: all arrive."""
    hook = engine.create_hook(receiver.url())
    receiver.script("/", Answer(delay=1.5))
    ids = [engine.post_event() for _ in range(2)]
    for n in range(4):
        receiver.wait(2 * (n + 1), seconds=WAIT_S)
        for pid in engine.pids(role):
            os.kill(pid, signum)
    receiver.script("/", Answer())
    engine.wait_settled(WAIT_S)
    states = {row["state"] for row in engine.deliveries(hook)}
    assert states == {"delivered"}
    arrived(receiver, ids)
    assert set_aside(engine) == {}
