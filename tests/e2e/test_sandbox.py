# SPDX-License-Identifier: MIT
"""What the processes cannot do, whatever they are made to run.

With a build that is not sanitized only: sanitizers need more than any role. So
these run with POSTHORN_RELEASE, the plain program, and POSTHORN_HOSTILE, an
engine whose sender does what an intruder would."""

import os
import pathlib
import re
import shutil
import socket
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
SOMEBODY, SENDERS = 12345, 54321
pytestmark = pytest.mark.skipif(
    not pathlib.Path(HOSTILE).exists() or not pathlib.Path(RELEASE).exists(),
    reason="without the plain programs")


@pytest.fixture
def plain(monkeypatch):
    """Engines of another program, and perhaps of another user."""
    made = []

    def make(binary, uid=None, everywhere=None, **settings):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-sandboxed-"))
        directory.chmod(0o755)  # for whomever the roles become
        monkeypatch.setattr(engine_module, "BINARY", binary)
        engine = Engine(directory, **settings)
        if everywhere:
            engine.settings["api_listen"] = f"{everywhere}:{engine.api_port}"
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


def own_address():
    """One that is not loopback, if there is any."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("8.8.8.8", 9))  # nothing is sent
        except OSError:
            return "127.0.0.3"
        return probe.getsockname()[0]


# What a plain user cannot do anyway, or what kernels differ in.
REFUSED_BY_ANY_KERNEL = {
    "open /etc/shadow", "inherited file", "raw socket", "packet socket",
    "mount", "chroot", "become root"}
REFUSED_BY_SOME = {
    "api by sendto", "api by sendmsg", "api by sendmmsg", "api by sending later",
    "bpf", "perf", "unshare", "clone into a namespace", "io_uring", "keyctl",
    "userfaultfd", "write, then run by a key", "trace", "another protocol"}


@pytest.fixture
def attacked(plain, receiver, tmp_path):
    """Runs the attacks; returns what became of each, and the log."""
    key = pathlib.Path(f"/etc/posthorn-hostile-{os.getpid()}.key")
    with socket.socket(socket.AF_UNIX) as listener, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams, \
            tempfile.TemporaryDirectory() as common:
        common = pathlib.Path(common)
        common.chmod(0o755)
        victim, local = common / "victim", common / "socket"
        datagrams.bind(str(common / "datagrams"))
        victim.write_text("victim")
        listener.bind(str(local))
        listener.listen()
        for path in (victim, local, common / "datagrams"):
            path.chmod(0o666)

        def attack(name, uid, what="", more="", **settings):
            if os.geteuid() == 0:  # who attacks may read it, for all its mode
                key.write_text("secret")
                key.chmod(0o600)
                os.chown(key, uid or SENDERS, -1)
            if uid is None:
                settings["sender_user"] = str(SENDERS)
            program = common / name
            shutil.copy(HOSTILE, program)
            engine = plain(str(program), uid, "[::]", **settings)
            query = (f"?dir={engine.data_dir}&file={victim}&key={key}"
                     f"&unix={local}&datagrams={common}/datagrams"
                     f"&api={engine.api_port}&ingest={engine.ingest_port}"
                     f"&own={own_address()}&plain={receiver.port}{more}")
            engine.create_hook(receiver.url(f"/attack{what}{query}"))
            engine.post_event()
            return engine

        yield attack
    key.unlink(missing_ok=True)
    pathlib.Path("/tmp/posthorn-hostile").unlink(missing_ok=True)


def outcomes(engine):
    wait_for(lambda: "attacks over" in engine.log(), "it has tried", 20)
    tried = dict(re.findall(r"attack (.*): (\w+)", engine.log()))
    total = int(re.search(r"attacks over: (\d+)", engine.log()).group(1))
    assert len(tried) == total >= 65
    # What an honest sender does works as ever.
    assert "elsewhere: at once 0, waiting 0, nowhere 111, udp 0" in engine.log()
    return tried


@pytest.mark.parametrize("name", ["posthorn-hostile", "posthorn-hostile-abi2"],
                         ids=["newest", "abi2"])
@pytest.mark.parametrize("uid", [None, SOMEBODY], ids=["root", "somebody"])
def test_hostile_sender_achieves_nothing(attacked, uid, name):
    """With a user of its own, and with that of all roles; with the Landlock of
    this kernel, and with that of Linux 5.19."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    engine = attacked(name, uid)
    tried = outcomes(engine)
    assert f"capped={int('abi2' in name)}" in engine.log()
    assert {name for name, what in tried.items() if what != "refused"} == set()
    assert "a sender tried to connect to the engine's own server" in engine.log()


def test_same_attacks_succeed_without_the_sandbox(attacked):
    """Else the test above would show nothing."""
    engine = attacked("posthorn-hostile",
                      SOMEBODY if os.geteuid() == 0 else None, sandbox="off")
    tried = outcomes(engine)
    refused = {name for name, what in tried.items() if what == "refused"}
    if os.geteuid() != 0:
        refused.discard("open a key under /etc")
    assert refused - REFUSED_BY_SOME == REFUSED_BY_ANY_KERNEL
    engine.kill9()  # it may be traced by its own sender


@pytest.mark.parametrize("what", ["run a shell", "become root"])
def test_what_only_an_intruder_does_ends_the_sender(attacked, what):
    engine = attacked("posthorn-hostile-kill",
                      SOMEBODY if os.geteuid() == 0 else None,
                      what="/" + what.replace(" ", "-"))
    wait_for(lambda: "signal=31" in engine.log(), "it has ended", 20)
    assert "outlived" not in engine.log()


@pytest.mark.parametrize("setting", ["secret_key_file",
                                     "deployments_token_file"])
def test_secret_where_senders_read_is_refused(make_engine, tmp_path, setting):
    """Wherever a link leads."""
    link = tmp_path / "link"
    link.symlink_to("/usr/lib")
    for path in ("/usr/lib/posthorn/secret", f"{link}/secret",
                 "/etc/ssl/certs/secret"):
        engine = make_engine(**{setting: path})
        done = subprocess.run(engine.command(), capture_output=True, text=True,
                              timeout=20)
        assert done.returncode != 0
        assert f"{setting}: {path} lies in a directory that senders may read" in done.stderr
        assert not engine.data_dir.exists()


def test_names_follow_files_that_are_replaced(plain, receiver, tmp_path):
    """The sender that cannot open the new file makes room for one that can."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for an /etc of its own")
    if subprocess.run(["unshare", "--mount", "true"],
                      capture_output=True, check=False).returncode != 0:
        pytest.skip("no mounts of one's own, as in a chroot")
    etc = tmp_path / "etc"
    shutil.copytree("/etc", etc, symlinks=True,
                    ignore=shutil.ignore_patterns("shadow*", "gshadow*"))
    engine = plain(RELEASE, retry_schedule="200ms", breaker_failures="0")
    assert engine.stop() == 0
    command = engine.command()
    engine.command = lambda: [
        "unshare", "--mount", "sh", "-c",
        f"mount --bind {etc} /etc && exec \"$@\"", "sh", *command]
    engine.start()
    hook = engine.create_hook(f"http://moved.example:{receiver.port}/",
                              retrySchedule=["500ms"] * 20)
    engine.post_event()
    engine.wait_deliveries(hook, 1)
    fresh = etc / "hosts.new"
    fresh.write_text((etc / "hosts").read_text() +
                     "127.0.0.1 moved.example\n")
    fresh.chmod(0o644)
    fresh.rename(etc / "hosts")
    receiver.wait(1, seconds=20)
    assert "a new sender is started" in engine.log()
    assert engine.wait_settled()["delivered"] == 1
    assert len(receiver.got()) == 1
    assert engine.stop() == 0


def test_every_role_is_sandboxed_and_says_so(plain, receiver):
    engine = plain(RELEASE)
    lines = [line for line in engine.log().splitlines()
             if 'msg="sandboxed"' in line]
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
            assert fields["Uid"] != status_of(engine.pids("api")[0])["Uid"]
            assert "0" not in fields["Uid"].split()
            assert fields["Groups"].strip() == ""
            assert all(int(fields[f"Cap{kind}"], 16) == 0
                       for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"))


def test_sandboxed_engine_works_through_a_day(plain, receiver, tmp_path):
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
    engine.create_hook(f"http://localhost:{receiver.port}/",
                       filters=["order.created"])
    engine.create_hook("http://no-such-name.invalid/", filters=["order.lost"])
    engine.post_event("order.lost")
    for _ in range(20):
        engine.post_event()
    receiver.wait(21)
    for role in ("sender", "dispatcher"):
        for pid in engine.pids(role):
            os.kill(pid, 9)
        engine.wait_ready()
    engine.process.send_signal(1)
    wait_for(lambda: "settings reloaded" in engine.log(), "it is told")
    engine.post_event("order.lost")
    for _ in range(20):
        engine.post_event()
    receiver.wait(41)
    books = engine.wait_settled()
    assert (books["delivered"], books["dead"]) == (40, 2)
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
             "they are gone")


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
def test_settings_are_checked(make_engine, settings, words):
    engine = make_engine(**settings)
    done = subprocess.run(engine.command(), capture_output=True, text=True,
                          timeout=20,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode != 0 and words in done.stderr
