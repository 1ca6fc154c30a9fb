# SPDX-License-Identifier: MIT
"""Every way to deliver at once, while everything changes and roles are killed."""

import http.client
import json
import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from receiver import Answer
from support import SECRET, wait_for

POLICIES = (
    {}, {"ordered": True}, {"ordered": True, "orderKey": "c"},
    {"maxInFlight": 1}, {"rateLimit": {"perSecond": 200, "burst": 5}},
    {"ordered": None, "orderKey": None, "rateLimit": None,
     "maxInFlight": None},
    {"timeout": "300ms"}, {"retrySchedule": ["20ms"] * 30},
)


@pytest.mark.slow
@pytest.mark.settings(
    retry_schedule=",".join(["30ms"] * 40), dispatchers="2",
    request_timeout="500ms", connect_timeout="500ms", breaker_wait="50ms",
    breaker_wait_max="100ms", max_inflight="16", max_inflight_slow="8",
    max_inflight_per_endpoint="24")
def test_books_and_order_hold(engine, receiver):
    """Whatever was changed meanwhile, all is delivered in the end; hooks that
    were ordered all the time got each lane in order."""
    chance = random.Random(20261121)
    faults = [Answer(200, delay=0.002)] * 6 + [
        Answer(500), Answer(503), Answer(429, headers={"Retry-After": "0"}),
        Answer(do="close"), Answer(do="reset"), Answer(200, delay=0.7)]

    def script(path):
        receiver.script(path, *(chance.choice(faults) for _ in range(300)),
                        Answer(200))

    steady = []
    for number, policy in enumerate(POLICIES[1:3]):
        script(f"/steady{number}")
        steady.append(engine.create_hook(
            receiver.url(f"/steady{number}"), secret=SECRET,
            retrySchedule=["20ms"] * 60, **policy))
    loose = []
    for number in range(5):
        script(f"/{number}")
        loose.append(engine.create_hook(receiver.url(f"/{number}")))
    count = [0]
    lock = threading.Lock()

    def post():
        with lock:  # so that n grows as the log does
            start = count[0]
            events = [{"kind": "a.b", "payload": {
                "n": start + i, "c": "xyz"[(start + i) % 3]}}
                for i in range(20)]
            engine.post_batch(events)
            count[0] += 20

    def act(_):
        what = chance.random()
        try:
            if what < 0.35:
                post()
            elif what < 0.75:
                engine.api("PATCH", chance.choice(loose),
                           chance.choice(POLICIES))
            elif what < 0.85:
                engine.api("PATCH", chance.choice(loose),
                           {"active": chance.random() < 0.8})
            else:
                engine.api("GET", f"{chance.choice(loose + steady)}/status")
        except (OSError, http.client.HTTPException, AssertionError):
            pass  # a role was killed under it; what was posted is unknown

    with ThreadPoolExecutor(6) as pool:
        for n_round in range(8):
            list(pool.map(act, range(50)))
            role = ("dispatcher", "sender", "api", "ingest")[n_round % 4]
            os.kill(chance.choice(engine.pids(role)), signal.SIGKILL)
            engine.wait_ready()
    for hook in loose:
        assert engine.api("PATCH", hook, {**POLICIES[5], "active": True}
                          ).status == 200
    for path in [f"/{n}" for n in range(5)] + ["/steady0", "/steady1"]:
        receiver.script(path, Answer(200))
    books = engine.wait_settled(60)
    assert books["dead"] == 0
    assert books["matched"] == books["delivered"] + books["cancelled"]
    for number in range(2):
        seen = {}
        for request in receiver.got(f"/steady{number}"):
            body = json.loads(request.body)
            lane = seen.setdefault(body["c"] if number else "", [])
            if body["n"] not in lane:
                lane.append(body["n"])
        for lane in seen.values():
            assert lane == sorted(lane)
        assert sum(map(len, seen.values())) == books["accepted"]


@pytest.mark.settings(breaker_failures="3", breaker_wait="200ms",
                      breaker_wait_max="200ms", retry_schedule="300ms,300ms,1h",
                      max_inflight_per_hook="64")
def test_no_herd_on_return(make_engine, engine, receiver):
    """A receiver that comes back, and an engine that starts with much to do,
    both begin with little and grow with the answers."""
    receiver.script("/", Answer(do="close"))
    hook = engine.create_hook(receiver.url())
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(400)])

    def answered():
        return [r for r in receiver.got() if r.answer and r.answer.do == "answer"]

    def grows_with_answers(requests, n_first):
        """Each answer makes room for itself and for one more."""
        before = requests[0].n_answered
        for count, request in enumerate(requests, 1):
            assert count <= n_first + 2 * (request.n_answered - before)

    wait_for(lambda: engine.api("GET", f"{hook}/status").json()["state"] == "open",
             "the breaker is open")
    receiver.script("/", Answer(200, delay=0.1))
    grows_with_answers(wait_for(lambda: (lambda rows: len(rows) > 100 and rows)(
        answered()), "it is back"), 2)
    engine.check_exit = False
    engine.kill9()
    wait_for(lambda: receiver.n_answered == len(answered()), "all were answered")
    started = len(answered())
    engine.start()
    grows_with_answers(wait_for(lambda: (lambda rows: len(rows) > 60 and rows)(
        answered()[started:]), "it goes on"), 4)
    engine.wait_settled(60)
