# SPDX-License-Identifier: MIT
"""The supervisor makes the connections of senders, except to the engine itself.

What an intruder tries is in test_sandbox.py; here is what must go on working."""

import contextlib
import ctypes
import errno
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

from receiver import Receiver
from support import ROOT, wait_for
from test_reach import can_make_namespaces
from test_sandbox import HOSTILE, RELEASE, SOMEBODY, attacked, plain  # noqa: F401

pytestmark = pytest.mark.skipif(
    not pathlib.Path(HOSTILE).exists() or not pathlib.Path(RELEASE).exists(),
    reason="without the plain programs")
UNGUARDED = "can connect to the engine's own"
TRIED = "tried to connect to the engine's own server"


def n_open(pid, what):
    return len(os.listdir(f"/proc/{pid}/{what}"))


@pytest.mark.parametrize("uid", [0, SOMEBODY], ids=["root", "somebody"])
def test_another_machine_may_serve_on_our_port(tmp_path, uid):
    """Its own servers are refused by the address guard, as ever; the address that only
    a route makes ours gets that far, and no further."""
    if not can_make_namespaces():
        pytest.skip("no network namespaces here")
    home = pathlib.Path(f"/tmp/posthorn-guarded-{os.getpid()}-{uid}")
    home.mkdir(mode=0o755)
    done = subprocess.run(
        ["unshare", "-n", sys.executable, str(ROOT / "tests/e2e/guarded_world.py"),
         RELEASE, str(home), str(uid)],
        capture_output=True, text=True, timeout=120)
    subprocess.run(["rm", "-r", str(home)], check=True)
    assert done.returncode == 0, done.stderr[-3000:]
    world = json.loads(done.stdout.splitlines()[-1])
    found = world["found"]
    assert UNGUARDED not in world["log"]
    assert found.pop("10.91.0.2") == found.pop("[fd91::2]") == "delivered"
    assert found.pop("10.92.0.7") != "delivered" and TRIED in world["log"]
    assert set(found.values()) == {"blocked"}


@pytest.mark.parametrize("uid", [None, SOMEBODY], ids=["root", "somebody"])
def test_a_sender_that_is_restarted_is_guarded_anew(plain, receiver, uid):  # noqa: F811
    """And nothing is left of the one before."""
    if os.geteuid() != 0:
        uid = None
    engine = plain(RELEASE, uid, senders="1", retry_schedule="100ms,100ms,100ms")
    engine.create_hook(receiver.url())
    engine.post_event()
    receiver.wait(1)
    supervisor = engine.process.pid

    def size():
        return n_open(supervisor, "task"), n_open(supervisor, "fd")

    before = size()
    for turn in range(3):
        old = engine.pids("sender")
        os.kill(old[0], 9)
        wait_for(lambda: engine.pids("sender") not in ([], old) and
                 engine.is_ready(), "it is back")
        engine.post_event()
        receiver.wait(turn + 2)
    wait_for(lambda: size() == before, "nothing is left")
    assert before[0] == 2  # its loop, and a guard
    assert UNGUARDED not in engine.log() and TRIED not in engine.log()


def test_senders_that_do_not_hide_are_hidden_from_the_other_roles(plain):  # noqa: F811
    """With one user for all, the supervisor may look into senders, and api may not."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    with tempfile.TemporaryDirectory() as common:
        os.chmod(common, 0o755)
        program = pathlib.Path(common) / "posthorn-hostile-other"
        shutil.copy(HOSTILE, program)
        engine = plain(str(program), SOMEBODY)
        engine.api("GET", "/metrics", token=None)
        wait_for(lambda: "attacks over" in engine.log(), "it has tried", 20)
        for pid in engine.pids("sender"):
            with open(f"/proc/{pid}/coredump_filter", encoding="ascii") as file:
                assert int(file.read(), 16) == 0
            assert os.stat(f"/proc/{pid}/status").st_uid == SOMEBODY  # not hidden
        assert UNGUARDED not in engine.log()
        assert re.search("senders seen: [1-9]", engine.log())
        assert "attack memory of senders: refused" in engine.log()


def test_without_the_sandbox_nothing_is_guarded(plain, receiver):  # noqa: F811
    engine = plain(RELEASE, sandbox="off")
    engine.create_hook(receiver.url())
    engine.post_event()
    receiver.wait(1)
    assert n_open(engine.process.pid, "task") == 1
    assert UNGUARDED not in engine.log()


def refuse_call(name):
    """As the filter of a container does."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(0x7fff0000)))
    number = library.seccomp_syscall_resolve_name(name.encode())
    assert library.seccomp_rule_add(
        context, ctypes.c_uint32(0x00050000 | errno.EPERM), number, 0) == 0
    assert library.seccomp_load(context) == 0


@pytest.fixture
def without(plain):  # noqa: F811
    """Starts an engine that is refused a call; returns it and its log."""
    def start(call, uid):
        return start_without(plain(RELEASE, uid), call)
    return start


def start_without(engine, call):
    assert engine.stop() == 0
    old_log = engine.log()
    command = engine.command()
    code = (f"import os, sys; sys.path.insert(0, {str(ROOT / 'tests/e2e')!r});"
            "from test_connect_guard import refuse_call;"
            f"refuse_call({call!r}); os.execvp(sys.argv[1], sys.argv[1:])")
    engine.command = lambda: [sys.executable, "-c", code, *command]
    engine.start()
    return engine, engine.log()[len(old_log):]


@pytest.mark.parametrize("call, uid", [
    ("pidfd_getfd", None), ("process_vm_readv", None), ("process_vm_readv", SOMEBODY)])
def test_where_it_cannot_be_done_the_engine_says_so_and_works(
        without, receiver, call, uid):
    if os.geteuid() != 0:
        pytest.skip("needs root, to be somebody else")
    engine, log = without(call, uid)
    engine.create_hook(receiver.url())
    engine.post_event()
    receiver.wait(1)
    warnings = [line for line in log.splitlines() if UNGUARDED in line]
    assert len(warnings) == 1 and "level=warn" in warnings[0]
    assert "process_vm_readv or pidfd_getfd is refused" in warnings[0]
    assert n_open(engine.process.pid, "task") == 1
    assert log.count("seccomp=yes") == 5


def test_one_user_for_all_needs_no_call_that_containers_refuse(without, receiver):
    """Docker and containerd refuse it to all but CAP_SYS_PTRACE."""
    engine, log = without("pidfd_getfd", SOMEBODY if os.geteuid() == 0 else None)
    engine.create_hook(receiver.url())
    engine.post_event()
    receiver.wait(1)
    assert UNGUARDED not in log
    assert n_open(engine.process.pid, "task") == 1 + len(engine.pids("sender"))


@contextlib.contextmanager
def silent_port():
    """A port at 127.0.0.1 from which nothing comes: its queue is full."""
    with socket.socket() as silent, socket.socket() as one, socket.socket() as two:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for client in (one, two):
            client.setblocking(False)
            client.connect_ex(silent.getsockname())
        yield silent.getsockname()[1]


@pytest.mark.parametrize("uid", [None, SOMEBODY], ids=["root", "somebody"])
def test_a_flood_of_connections_harms_no_other_sender(attacked, uid):  # noqa: F811
    """Not even with sockets that are made to wait meanwhile, for an address from which
    nothing comes. The sender that floods serves nobody, so those who are sent to by the
    other one are looked at."""
    if os.geteuid() != 0:
        uid = None
    receivers = [Receiver() for _ in range(8)]
    try:
        with silent_port() as silent:
            engine = attacked("posthorn-hostile", uid, what="/flood", senders="2",
                              more=f"&silent={silent}")
            wait_for(lambda: "flooding pid=" in engine.log(), "it has begun")
            flooder = int(re.search(r"flooding pid=(\d+)", engine.log()).group(1))
            for hook in engine.api("GET", "/api/orgs/acme/hooks").json():
                engine.api("DELETE", f"/api/orgs/acme/hooks/{hook['name']}")
            for r in receivers:
                engine.create_hook(r.url("/other"))
            engine.post_event()
            wait_for(lambda: sum(bool(r.got()) for r in receivers) >= 2,
                     "the other sender sends")
            os.kill(flooder, 9)  # it floods still
            wait_for(engine.is_ready, "it is ready again")
            wait_for(lambda: all(r.got() for r in receivers), "both send")
    finally:
        for r in receivers:
            r.stop()
