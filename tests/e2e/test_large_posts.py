# SPDX-License-Identifier: MIT
"""Posts of thousands of events, while another organization posts single ones."""

import http.client
import os
import signal
import threading
import time

import pytest

from support import compact, wait_for

N_LARGE = 6000
FIRST_GAP = 16384  # of queue/event_log/parts.c


def lines(tag):
    return "".join(
        compact({"id": f"{tag:08x}-0000-4000-8000-{n:012x}", "kind": "large.one",
                 "payload": {"n": n, "text": "x" * 300}}) + "\n"
        for n in range(N_LARGE)).encode()


def position_of(event_id):
    """The last 48 bits of an id that the engine made are the event's number."""
    return int(event_id.replace("-", "")[-12:], 16)


class Others:
    """Another organization, which posts one event after the other until the end of
    the block."""

    def __init__(self, engine):
        self.engine = engine
        self.ids = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.is_over.is_set():
            try:
                reply = self.engine.intake(
                    b'{"kind":"small.one","payload":{}}', "good")
            except (OSError, http.client.HTTPException):
                continue  # the engine was killed
            if reply.status == 202:
                self.ids.append(reply.json()["id"])
            time.sleep(0.001)

    def __enter__(self):
        self.thread.start()
        wait_for(lambda: len(self.ids) > 2, "the first small posts")
        return self

    def __exit__(self, *error):
        self.is_over.set()
        self.thread.join()


def repeated(engine):
    """How many posted events were there already: of the large posts, since others
    choose no ids."""
    return sum(engine.metrics()["posthorn_events_repeated_total"].values())


def test_a_large_post_beside_small_ones_of_others(engine, receiver):
    hook = engine.create_hook(receiver.url("/good"), "/api/orgs/good/hooks")
    body = "".join(compact({"kind": "large.one", "payload": {"n": n, "t": "x" * 300}})
                   + "\n" for n in range(N_LARGE)).encode()
    with Others(engine) as others:
        reply = engine.intake(body, "evil", "application/x-ndjson")
        n_before = len(others.ids)
    assert reply.status == 202 and reply.json()["accepted"] == N_LARGE
    large = [position_of(i) for i in reply.json()["ids"]]
    assert large == sorted(set(large))
    small = [position_of(i) for i in others.ids]
    assert small == sorted(set(small))
    assert large[0] > FIRST_GAP  # it was stored in parts
    assert any(p < large[0] - FIRST_GAP for p in small)
    assert all(p > large[-1] for p in small[n_before + 1:])
    receiver.wait(len(small), "/good")
    assert len(engine.wait_deliveries(hook, 3)) >= 3
    assert engine.wait_settled()["accepted"] == N_LARGE + len(small)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["ingest", "engine"])
def test_a_kill_leaves_all_of_a_large_post_or_nothing(engine, what):
    """And what was acknowledged is there. A client that posts again under the same ids
    makes it whole in any case."""
    engine.check_exit = False
    rounds = 6
    with Others(engine) as others:
        for tag in range(rounds):
            body, status = lines(tag), []

            def post():
                try:
                    status.append(engine.intake(
                        body, "evil", "application/x-ndjson").status)
                except (OSError, http.client.HTTPException):
                    status.append(0)
            poster = threading.Thread(target=post)
            poster.start()
            time.sleep(0.1 + 0.15 * tag)
            if what == "ingest":
                os.kill(engine.pids("ingest")[0], signal.SIGKILL)
                poster.join()
                engine.wait_ready()
            else:
                engine.kill9()
                poster.join()
                engine.restart()
            before = repeated(engine)
            reply = wait_for(lambda: (lambda r: r.status == 202 and r)(
                engine.intake(body, "evil", "application/x-ndjson")), "a 202")
            n_repeated = repeated(engine) - before
            assert n_repeated in (0, N_LARGE), status
            assert n_repeated == N_LARGE or status != [202]
            assert reply.json()["accepted"] == N_LARGE
    books = engine.wait_settled()
    n_known = rounds * N_LARGE + len(others.ids)
    # Of small posts that a kill left without an answer, some are stored.
    assert n_known <= books["accepted"] <= n_known + rounds
