# SPDX-License-Identifier: MIT
"""What tests of pauses and of backlogs do with hooks and events."""

import json

import pytest


AKINON = ("/organizations/64b0c0ffee0123456789abcd/projects/"
          "64b0c0ffee0123456789abce/settings/webhooks")


def shown(engine, hook):
    reply = engine.api("GET", hook)
    assert reply.status == 200, reply
    return reply.json()


def status_of(engine, hook):
    reply = engine.api("GET", f"{hook}/status")
    assert reply.status == 200, reply
    return reply.json()


def change(engine, hook, **fields):
    reply = engine.api("PATCH", hook, fields)
    assert reply.status == 200, reply
    engine.settle_hooks()
    return reply.json()


def pause(engine, hook):
    return change(engine, hook, paused=True)


def resume(engine, hook):
    return change(engine, hook, paused=False)


def post(engine, count, start=0, kind="order.created"):
    """Posts so many numbered events; returns their ids."""
    ids = []
    for at in range(start, start + count, 500):
        ids += engine.post_batch(
            [{"kind": kind, "payload": {"n": n}}
             for n in range(at, min(at + 500, start + count))])
    return ids


def create_akinon(engine, url, **fields):
    reply = engine.api("POST", AKINON, {"name": "test", "url": url,
                                        "events": ["a.b"], **fields})
    assert reply.status == 201, reply
    engine.settle_hooks()
    return f"{AKINON}/{reply.json()['_id']}"


@pytest.fixture
def posthorn(engine):
    """Runs a command against the engine; returns what it printed."""
    def run(*words, status=0):
        done = engine.run(*words, status=status)
        return done.stdout + done.stderr
    return run
