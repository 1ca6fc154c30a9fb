"""What the processes cannot do, whatever they are made to run.

With a build that is not sanitized only: sanitizers need more than any role. So
these run with POSTHORN_RELEASE, the plain program, and POSTHORN_HOSTILE, an
engine whose sender does what an intruder would."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

import engine as engine_module
from engine import Engine, read_proc
from receiver import Answer
from support import ROOT, wait_for

RELEASE = os.environ.get("POSTHORN_RELEASE", str(ROOT / "build/posthorn"))
HOSTILE = os.environ.get("POSTHORN_HOSTILE",
                         str(ROOT / "build/posthorn-hostile"))
SOMEBODY = 12345
pytestmark = pytest.mark.skipif(
    not pathlib.Path(HOSTILE).exists() or not pathlib.Path(RELEASE).exists(),
    reason="without the plain programs")


@pytest.fixture
def plain(monkeypatch):
    """Engines of another program, and perhaps of another user."""
    made = []

    def make(binary, uid=None, **settings):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-confined-"))
        monkeypatch.setattr(engine_module, "BINARY", binary)
        engine = Engine(directory, **settings)
        if uid is not None:
            os.chown(directory, uid, uid)
            command = engine.command()
            engine.command = lambda: [
                "setpriv", f"--reuid={uid}", f"--regid={uid}",
                "--clear-groups", *command]
        made.append(engine)
        return engine.start()

    yield make
    for engine in made:
        if engine.is_running():
            engine.stop()
        shutil.rmtree(engine.directory)


def status_of(pid):
    return dict(line.split(":\t", 1)
                for line in read_proc(pid, "status").splitlines()
                if ":\t" in line)


@pytest.mark.parametrize("uid", [None, SOMEBODY], ids=["root", "somebody"])
def test_hostile_sender_achieves_nothing(plain, receiver, monkeypatch, uid):
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    monkeypatch.setenv("HOSTILE_DATA_DIR", "")
    directory = {}

    def spawn_with_data_dir(self, spawn=Engine.spawn):
        monkeypatch.setenv("HOSTILE_DATA_DIR", str(self.data_dir))
        directory["it"] = self.data_dir
        return spawn(self)

    monkeypatch.setattr(Engine, "spawn", spawn_with_data_dir)
    engine = plain(HOSTILE, uid)
    engine.create_hook(receiver.url())
    engine.post_event()
    wait_for(lambda: "attacks over" in engine.log(), "it has tried", 20)
    tried = dict(re.findall(r"attack (.*): (\w+)", engine.log()))
    total = int(re.search(r"attacks over: (\d+)", engine.log()).group(1))
    assert len(tried) == total >= 20
    assert {name for name, what in tried.items() if what != "refused"} == set()
    engine.kill9()


def test_same_attacks_succeed_without_confinement(plain, receiver,
                                                  monkeypatch):
    """Else the test above would show nothing."""
    def spawn_with_data_dir(self, spawn=Engine.spawn):
        monkeypatch.setenv("HOSTILE_DATA_DIR", str(self.data_dir))
        return spawn(self)

    monkeypatch.setattr(Engine, "spawn", spawn_with_data_dir)
    engine = plain(HOSTILE, SOMEBODY if os.geteuid() == 0 else None,
                   sandbox="off")
    engine.create_hook(receiver.url())
    engine.post_event()
    wait_for(lambda: "attacks over" in engine.log(), "it has tried", 20)
    tried = dict(re.findall(r"attack (.*): (\w+)", engine.log()))
    for name in ("open events", "open hooks", "open deliveries",
                 "open secret.key", "open admin.token", "list data_dir",
                 "write to /tmp", "run a shell", "serve",
                 "signal the supervisor"):
        assert tried[name] == "DONE", (name, tried)
    pathlib.Path("/tmp/posthorn-hostile").unlink(missing_ok=True)
    engine.kill9()


def test_every_role_is_confined_and_says_so(plain, receiver):
    engine = plain(RELEASE)
    lines = [line for line in engine.log().splitlines()
             if 'msg="confined"' in line]
    assert len(lines) == 5
    for pid in engine.pids():
        fields = status_of(pid)
        assert fields["NoNewPrivs"] == "1"
        assert fields["Seccomp"] == "2"
        limits = read_proc(pid, "limits")
        assert re.search(r"Max core file size +0 +0", limits)
    if os.geteuid() == 0:
        for pid in engine.pids("sender"):
            fields = status_of(pid)
            assert set(fields["Uid"].split()) == {"65534"}
            assert fields["Groups"].strip() == ""
            assert all(int(fields[f"Cap{kind}"], 16) == 0
                       for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"))


def test_confined_engine_works_through_a_day(plain, receiver, tmp_path):
    """Retries, names, a reload of a file that a sender may not open, restarts
    of roles: no call of a normal run is missing."""
    config = tmp_path / "posthorn.conf"
    config.write_text("request_timeout = 2s\nconnect_timeout = 1s\n")
    config.chmod(0o600)
    engine = plain(RELEASE, sandbox="on", retry_schedule="50ms,50ms")
    assert engine.stop() == 0
    command = engine.command()
    engine.command = lambda: [*command[:2], "--config", str(config),
                              *command[2:]]
    engine.start()
    receiver.script("/", Answer(500), Answer(200))
    engine.create_hook(f"http://localhost:{receiver.port}/")
    engine.create_hook("http://no-such-name.invalid/")
    for _ in range(20):
        engine.post_event()
    receiver.wait(21)
    for role in ("sender", "dispatcher"):
        for pid in engine.pids(role):
            os.kill(pid, 9)
        engine.wait_ready()
    engine.process.send_signal(1)
    wait_for(lambda: "settings reloaded" in engine.log(), "it is told")
    for _ in range(20):
        engine.post_event()
    receiver.wait(41)
    assert engine.wait_settled(60)["delivered"] == 40
    assert "not valid" not in engine.log() and "signal=31" not in engine.log()
    assert engine.stop() == 0


def test_senders_die_with_the_supervisor(plain):
    """Also those that cannot notice."""
    engine = plain(RELEASE)
    senders = engine.pids("sender")
    for pid in senders:
        os.kill(pid, 19)
    os.kill(engine.process.pid, 9)
    wait_for(lambda: not any(read_proc(pid, "cmdline") for pid in senders),
             "they are gone", 5)


def test_reload_reaches_senders(plain, receiver, tmp_path):
    """An address that is no longer allowed, over a connection that was kept."""
    config = tmp_path / "posthorn.conf"
    config.write_text("endpoint_allow = 127.0.0.0/8\n")
    config.chmod(0o600)
    engine = plain(RELEASE, endpoint_allow=None)
    command = engine.command()
    assert engine.stop() == 0
    engine.command = lambda: [*command[:2], "--config", str(config),
                              *command[2:]]
    engine.start()
    hook = engine.create_hook(receiver.url(), maxInFlight=1,
                              retrySchedule=["1h"])
    engine.post_event()
    receiver.wait(1)
    config.write_text("endpoint_allow = 10.0.0.0/8\n")
    engine.process.send_signal(1)
    wait_for(lambda: "settings reloaded" in engine.log(), "it is told")
    engine.settle_hooks()
    engine.post_event()
    rows = engine.wait_deliveries(hook, 2)
    assert rows[0]["error"]["class"] == "blocked"
    assert len(receiver.got()) == 1 and receiver.n_connections == 1


@pytest.mark.parametrize("settings, words", [
    ({"sandbox": "maybe"}, "sandbox: must be auto, on or off"),
    ({"sender_user": "root"}, "sender_user: must be a user other than root"),
    ({"sender_user": ""}, "sender_user: must be"),
])
def test_settings_are_judged(make_engine, settings, words):
    engine = make_engine(**settings)
    done = subprocess.run(engine.command(), capture_output=True, text=True,
                          timeout=20,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode != 0 and words in done.stderr
