# SPDX-License-Identifier: MIT
"""A data directory of format 4, as tests/fixtures keeps it."""

import contextlib
import fcntl
import json
import tarfile
import time

import pytest

from clock import Clock
from receiver import Receiver
from support import ROOT

FIXTURES = ROOT / "tests" / "fixtures"
FACTS = json.loads((FIXTURES / "format4.json").read_text())


def made_at():
    """When its first event was accepted (UTC epoch), as its id tells."""
    return int(FACTS["ids"]["plain0"].replace("-", "")[:12], 16) / 1000


def unpack(engine):
    """Into the engine's data directory."""
    engine.data_dir.mkdir(parents=True)
    with tarfile.open(FIXTURES / "format4.tar.gz") as tar:
        tar.extractall(engine.data_dir, filter="data")
    assert format_of(engine).startswith("posthorn 4\n")
    engine.settings.update(breaker_failures="0", retention_delivered="3650d",
                           retention_dead="3650d")
    return engine


def format_of(engine):
    return (engine.data_dir / "FORMAT").read_text()


def turn_back(engine, directory):
    """Its clock shows the minute after the directory was made."""
    engine.clock = Clock(directory)
    engine.clock.turn(made_at() + 60 - time.time())
    engine.binary = Clock.PROGRAM


def rows_of(engine, hook):
    """As FACTS has them."""
    return [{k: row[k] for k in ("id", "state", "attempt", "payload")
             if k in row} for row in engine.deliveries(hook)]


@contextlib.contextmanager
def port_of_then(how):
    """Its hooks send to one port: who listens there, and who must find nobody there, run
    at different times, in whatever process."""
    with (FIXTURES / "format4.json").open() as facts:
        fcntl.flock(facts, how)
        yield


@pytest.fixture
def format4(make_engine):
    """An engine that is not started, with that directory; nobody receives."""
    with port_of_then(fcntl.LOCK_SH):
        yield unpack(make_engine(dispatchers="2"))


@pytest.fixture
def format4_heard(make_engine):
    """The same, and its receiver."""
    with port_of_then(fcntl.LOCK_EX):
        try:
            receiver = Receiver(port=FACTS["port"])
        except OSError:
            pytest.skip("somebody else listens there")
        yield unpack(make_engine(dispatchers="2")), receiver
        receiver.stop()
