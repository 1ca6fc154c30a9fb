# SPDX-License-Identifier: MIT
"""What a service manager is told of starts that hang, and of reloads in bad moments."""

import os
import signal

import pytest

from engine import FAULTY
from support import wait_for

HANGS = "hangs before its first turn"


@pytest.fixture
def faulty(managed, monkeypatch, tmp_path):
    """An engine whose disk hangs while a file is there, and its manager."""
    disk = tmp_path / "disk-hangs"
    monkeypatch.setenv("FAULTY_DISK", str(disk))
    monkeypatch.setenv("POSTHORN_DEBUG_ENV", "1")  # roles are told, too

    def make(settings=None, **options):
        engine, manager = managed(settings, **options)
        engine.binary, engine.disk = FAULTY, disk
        return engine, manager

    yield make
    disk.unlink(missing_ok=True)


def configured(engine, text=""):
    """Its settings are read from a file, which is returned."""
    file = engine.directory / "posthorn.conf"
    file.write_text(text)
    command = engine.command()
    engine.command = lambda: [*command[:2], f"--config={file}", *command[2:]]
    return file


def logged(engine, text, count=1):
    wait_for(lambda: engine.log().count(text) >= count, f"{text!r} is in the log", 60)


# --- starts that hang ---

def test_an_engine_whose_setup_hangs_ends(faulty):
    """And does not ask the manager for ever more time."""
    engine, manager = faulty(watchdog_seconds=1)
    engine.disk.touch()
    engine.spawn()
    assert engine.process.wait(60) != 0
    assert HANGS in engine.log() and "role=setup" in engine.log()
    assert manager.texts("READY") == []
    assert len(manager.texts("WATCHDOG")) < 60


def pipe_for(engine, name):
    """A pipe, which nobody writes to, in a file's place."""
    (engine.data_dir / name).unlink()
    os.mkfifo(engine.data_dir / name, 0o600)


def test_a_pipe_for_a_key_ends_the_start(managed):
    engine, manager = managed(watchdog_seconds=1)
    engine.start()
    assert engine.stop() == 0
    pipe_for(engine, "secret.key")
    engine.spawn()
    assert engine.process.wait(60) != 0
    assert len(manager.texts("READY")) == 1


def test_a_pipe_for_a_token_is_not_taken_for_life(managed):
    """Roles that wait for it starve the watchdog; those that refuse it end."""
    engine, manager = managed(watchdog_seconds=1)
    engine.spawn()
    manager.wait("READY")
    pipe_for(engine, "admin.token")
    os.kill(engine.pids("api")[0], signal.SIGKILL)
    wait_for(lambda: HANGS in engine.log() or "admin.token cannot" in engine.log(),
             "it is noticed", 60)
    assert len(manager.texts("READY")) == 1
    assert manager.texts("STATUS")[-1].startswith("Not ready")
    engine.kill9()


def test_a_role_that_hangs_at_its_start_starves_the_watchdog(faulty):
    """However often it is started again; once it works, all is well."""
    engine, manager = faulty(watchdog_seconds=1)
    engine.spawn()
    manager.wait("READY")
    manager.wait("WATCHDOG")
    engine.disk.touch()
    os.kill(engine.pids("dispatcher")[0], signal.SIGKILL)
    logged(engine, HANGS)
    fed = len(manager.texts("WATCHDOG"))
    logged(engine, HANGS, 2)
    assert len(manager.texts("WATCHDOG")) == fed
    engine.disk.unlink()
    manager.wait("READY", 2, 60)
    manager.wait("WATCHDOG", fed + 1, 60)


# --- reloads ---

def test_faulty_settings_make_no_engine_ready(faulty):
    """While a role is not there, the manager is told so, whatever is reloaded."""
    engine, manager = faulty()
    file = configured(engine)
    engine.spawn()
    manager.wait("READY")
    engine.disk.touch()
    os.kill(engine.pids("dispatcher")[0], signal.SIGKILL)
    wait_for(lambda: manager.texts("STATUS")[-1].startswith("Not ready"), "it is said")
    file.write_text("max_event_bytes = many\n")
    for count in (1, 2):
        engine.process.send_signal(signal.SIGHUP)
        logged(engine, "settings not reloaded", count)
        manager.wait("RELOADING", count)
    assert len(manager.texts("READY")) == 1
    assert manager.texts("STATUS")[-1].startswith("Not ready")
    file.write_text("")  # else no role starts
    engine.disk.unlink()
    manager.wait("READY", 2, 60)
    assert "not reloaded" in manager.texts("STATUS")[-1]
    assert engine.is_ready()


def test_a_reload_while_the_engine_ends_is_not_one(managed):
    engine, manager = managed()
    file = configured(engine)
    engine.spawn()
    manager.wait("READY")
    pid = engine.pids("sender")[0]
    os.kill(pid, signal.SIGSTOP)
    engine.process.send_signal(signal.SIGTERM)
    manager.wait("STOPPING")
    for count, text in enumerate(("max_event_bytes = many\n", ""), 1):
        file.write_text(text)
        engine.process.send_signal(signal.SIGHUP)
        logged(engine, "settings not reloaded because the engine ends", count)
    os.kill(pid, signal.SIGCONT)
    assert engine.process.wait(60) == 0
    assert manager.texts("RELOADING") == [] and len(manager.texts("READY")) == 1
    assert manager.texts("STATUS")[-1].startswith("Draining")


def test_two_reloads_are_over_when_all_roles_have_done_both(managed):
    engine, manager = managed()
    file = configured(engine)
    engine.spawn()
    manager.wait("READY")
    pid = engine.pids("sender")[0]
    os.kill(pid, signal.SIGSTOP)
    for count, (text, said) in enumerate((
            ("", "settings reloaded"),
            ("max_event_bytes = many\n", "settings not reloaded")), 1):
        file.write_text(text)
        engine.process.send_signal(signal.SIGHUP)
        manager.wait("RELOADING", count)
        logged(engine, said)  # the file is read after that
    assert len(manager.texts("READY")) == 1
    os.kill(pid, signal.SIGCONT)
    manager.wait("READY", 2)
    assert "not reloaded" in manager.texts("STATUS")[-1]
