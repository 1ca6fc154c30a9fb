# SPDX-License-Identifier: MIT
"""Fixtures: an engine that is judged at its end, and receivers."""

import contextlib
import shutil

import pytest

from certificates import Certificates
from engine import Engine
from manager import Manager
from receiver import Receiver, tls_context
from share import Share


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true",
                     help="more of what takes long")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "settings(name=value): of the fixture `engine`")
    config.addinivalue_line(
        "markers", "shared(books=False): `engine` is a share.Share of one that all tests of "
        "the file with this mark and the same settings use; `books`: the test reads them")
    config.addinivalue_line(
        "markers", "alone: the engine is the test's own, in a file that is marked as shared")
    config.addinivalue_line("markers", "smoke: run by tests/run --fast, the first to fail "
                            "when something of the kind is broken")
    config.addinivalue_line("markers", "slow: left out by tests/run --quick")
    config.addinivalue_line("markers", "long: run by tests/run --long alone")


def pytest_collection_modifyitems(config, items):
    """What takes long goes first: at the end no worker is left alone with it."""
    if not config.getoption("--long"):
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the logs of the engines that took part."""
    report = (yield).get_result()
    if not report.failed:
        return
    for engine in getattr(item, "engines", []):
        log = engine.log()
        report.sections.append((f"log of {engine.directory}", log[-20000:]))


def finish(engine):
    """Drains an engine and judges its log and its books."""
    if engine.is_running():
        status = engine.stop()
        if engine.check_exit:
            assert status == 0, f"the drain ended with status {status}"
    engine.check_log()
    if engine.check_books and (engine.data_dir / "admin.token").exists():
        engine.verify()


@contextlib.contextmanager
def running(engine):
    """Starts it, and judges it at the end: for an engine that several tests share."""
    try:
        yield engine.start()
        finish(engine)
    finally:
        if engine.is_running():
            engine.kill9()


@pytest.fixture
def make_engine(request, tmp_path):
    """Makes engines that are not started; all are judged at the end."""
    request.node.engines = engines = []

    def make(**settings):
        directory = tmp_path / f"engine{len(engines)}"
        directory.mkdir()
        engines.append(Engine(directory, **settings))
        return engines[-1]

    yield make
    faults = []
    for engine in engines:
        try:
            finish(engine)
        except Exception as fault:  # the others must be ended, too
            faults.append(fault)
        finally:
            if engine.is_running():
                engine.kill9()
    if faults:
        raise faults[0]
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory):
    """Gives a running engine with these settings, the same one each time."""
    made = {}
    with contextlib.ExitStack() as stack:
        def get(settings):
            key = repr(sorted(settings.items()))
            if key not in made or not made[key].is_running():
                engine = Engine(tmp_path_factory.mktemp("shared"), **settings)
                made[key] = stack.enter_context(running(engine))
            return made[key]

        yield get
    for engine in made.values():
        shutil.rmtree(engine.directory)


@pytest.fixture
def share(request, shared_engine):
    """Makes shares of engines that the tests of the file use together."""
    shares = request.node.engines = []

    def make(books=False, **settings):
        shares.append(Share(shared_engine(settings), books))
        return shares[-1]

    yield make
    for each in shares:
        each.close()


@pytest.fixture
def settings(request):
    """Of the fixture `engine`: those of the marker, or what a file says instead."""
    marker = request.node.get_closest_marker("settings")
    return marker.kwargs if marker else {}


@pytest.fixture
def engine(request, settings):
    """A running engine."""
    shared = request.node.get_closest_marker("shared")
    if not shared or request.node.get_closest_marker("alone"):
        return request.getfixturevalue("make_engine")(**settings).start()
    return request.getfixturevalue("share")(**shared.kwargs, **settings)


@pytest.fixture
def managed(make_engine, tmp_path):
    """An engine that is not started, and its service manager."""
    managers = []

    def make(settings=None, **options):
        manager = Manager(tmp_path, **options)
        managers.append(manager)
        engine = make_engine(**(settings or {}))
        engine.environment = manager.environment
        return engine, manager

    yield make
    for manager in managers:
        manager.close()


@pytest.fixture
def receiver():
    r = Receiver()
    yield r
    r.stop()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def tls_receiver(certificates):
    r = Receiver(tls_context(certificates))
    yield r
    r.stop()
