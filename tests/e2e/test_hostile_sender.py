# SPDX-License-Identifier: MIT
"""A sender that an intruder has taken over lies: its outcomes and its metrics
harm nobody else.

With POSTHORN_HOSTILE, an engine whose sender does what the URL of an order
says (tests/hostile/play.c)."""

import pathlib
import re
import time

import pytest

from receiver import Answer, Receiver
from support import wait_for
from test_sandbox import HOSTILE

pytestmark = pytest.mark.skipif(not pathlib.Path(HOSTILE).exists(),
                                reason="without the hostile program")


@pytest.fixture
def hostile(make_engine):
    def make(**settings):
        engine = make_engine(**settings)
        engine.binary = HOSTILE
        return engine.start()
    return make


def times_of(row):
    """How many seconds ago it started, and how long it took."""
    return time.time() - row["timestamp"], row["duration"] / 1000


@pytest.mark.parametrize("lie", ["future", "both"])
def test_outcome_that_no_sender_says_counts_for_nothing(hostile, receiver,
                                                        lie):
    """The link is cut, the attempt is made again, and the history is sane."""
    engine = hostile(senders="1")
    hook = engine.create_hook(receiver.url(f"/play/lies/{lie}"))
    engine.post_event()
    rows = engine.wait_deliveries(hook, 1, seconds=30)
    assert "sent an invalid message" in engine.log()
    assert len(receiver.got()) == 2
    assert [row["state"] for row in rows] == ["delivered"]
    ago, took = times_of(rows[0])
    assert -2 < ago < 60 and 0 <= took < 60
    assert engine.wait_settled()["delivered"] == 1


def test_times_that_cannot_be_are_put_right(hostile, receiver):
    engine = hostile(senders="1")
    for lie in ("past", "next-year", "hours"):
        hook = engine.create_hook(receiver.url(f"/play/lies/{lie}"),
                                  filters=[f"order.{lie}"])
        engine.post_event(f"order.{lie}")
        rows = engine.wait_deliveries(hook, 1, seconds=30)
        ago, took = times_of(rows[0])
        assert -2 < ago < 60 and 0 <= took < 60, lie
        assert rows[0]["attempt"] == 1
    assert len(receiver.got()) == 3


def sender_of(engine, url):
    """The process that was told to make the attempt; None: none yet."""
    found = re.findall(rf"order pid=(\d+) url={re.escape(url)}\n", engine.log())
    return found[-1] if found else None


def test_outcome_of_another_senders_attempt_counts_for_nothing(hostile):
    receivers = [Receiver() for _ in range(16)]
    try:
        engine = hostile(senders="2")
        hooks, senders = [], []
        for r in receivers[1:]:  # they hang, in the slots 0, 1, 2 ...
            r.script("/", Answer(do="hang"))
            hooks.append(engine.create_hook(r.url()))
            kind = f"order.n{len(hooks)}"
            engine.api("PATCH", hooks[-1], {"filters": [kind]})
            engine.settle_hooks()
            engine.post_event(kind)
            r.wait(1)
            senders.append(sender_of(engine, r.url()))
            if len(set(senders)) == 2:
                break
        assert len(set(senders)) == 2
        thief = engine.create_hook(receivers[0].url("/honest"))
        engine.post_event()
        engine.wait_deliveries(thief, 1)
        liar = sender_of(engine, receivers[0].url("/honest"))
        victim = next(i for i, pid in enumerate(senders) if pid != liar)
        url = receivers[0].url(f"/play/lies/{victim}")
        assert engine.api("PATCH", thief, {"payloadUrl": url}).status == 200
        engine.settle_hooks()
        engine.post_event()
        engine.wait_deliveries(thief, 2, seconds=30)
        assert "sent an invalid message" in engine.log()
        assert engine.deliveries(hooks[victim]) == []
    finally:
        for r in receivers:
            r.stop()


def roles_in(text):
    return set(re.findall(r'role="([^"]*)"', text))


def test_metrics_are_not_written_by_senders(hostile, receiver):
    """But for their own counters: names, sizes, sums and readiness are as they
    were, and other processes' figures are theirs."""
    engine = hostile(senders="2")
    before = engine.api("GET", "/metrics", token=None).body.decode()
    engine.create_hook(receiver.url("/play/scribble"))
    engine.post_event()
    receiver.wait(1)
    assert re.search(r"scribbled over [1-9]", engine.log())
    assert "own=1 others=0" in engine.log()
    reply = engine.api("GET", "/metrics", token=None)
    text = reply.body.decode()
    assert roles_in(text) == roles_in(before)
    assert len(text) < 2 * len(before)
    metrics = engine.metrics()
    for family in ("posthorn_events_accepted_total",
                   "posthorn_role_restarts_total"):
        assert sum(metrics[family].values()) == (1 if "events" in family else 0)
    assert {engine.process.pid, *engine.pids()} == {
        int(pid) for pid in metrics["posthorn_role_pid"].values()}
    assert set(metrics["posthorn_role_ready"].values()) == {1}
    wait_for(engine.is_ready, "it is ready")
