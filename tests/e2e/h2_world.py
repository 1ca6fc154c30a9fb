# SPDX-License-Identifier: MIT
"""An engine that speaks HTTP/2 with its receivers, hooks of its own for each test, and what
receivers play."""

import itertools

import pytest

from conftest import running
from engine import Engine
from h2_receiver import H2Receiver

orgs = (f"org{n}" for n in itertools.count())


@pytest.fixture(scope="module")
def engine(tmp_path_factory, certificates):
    """One sender, so that every test knows whose connections it counts."""
    made = Engine(tmp_path_factory.mktemp("http2"), senders=1, http2="on", webhook_origin="engine.example.com",
                  ca_file=str(certificates.ca))
    with running(made):
        yield made


@pytest.fixture
def make_receiver(certificates):
    made = []

    def make(*args, **options):
        made.append(H2Receiver(certificates, *args, **options))
        return made[-1]

    yield make
    for receiver in made:
        receiver.stop()


class Sub:
    """A hook in an organization of its own, unless one is named."""

    def __init__(self, engine, url, org=None, **fields):
        self.engine = engine
        self.org = org or next(orgs)
        self.hook = engine.create_hook(
            url, f"/api/orgs/{self.org}/hooks",
            **{"timeout": "20s", "retrySchedule": ["1h"], **fields})

    def post(self, count=1, payload=None):
        if count == 1:
            return self.engine.post_event(org=self.org, payload=payload)
        return self.engine.post_batch(
            [{"kind": "order.created", "payload": payload or {"n": n}}
             for n in range(count)], org=self.org)

    def rows(self, count):
        return self.engine.wait_deliveries(self.hook, count)


def warm(sub, receiver):
    """Has the engine learn that the receiver speaks HTTP/2, and a response come where the
    hook's next requests go."""
    before = len(receiver.requests)
    for n in range(2):
        sub.post()
        sub.rows(n + 1)
    assert len(receiver.requests) == before + 2


def answer(connection, stream):
    connection.answer(stream)


def reset(code):
    return lambda c, s: c.reset(s, code)
