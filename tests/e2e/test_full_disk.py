# SPDX-License-Identifier: MIT
"""A disk that somebody else fills: what is sent can still be noted, so nothing is
sent twice; what could not be noted is not sent; and everybody is told."""

import collections
import contextlib
import errno
import os
import subprocess
import time

import pytest

from engine import BINARY
from receiver import Answer
from support import wait_for
from test_storage import small_disk  # noqa: F401: a fixture

SLOTS = 8
ROW = b"z" * 60_000  # a response that history keeps

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs mount")


@pytest.fixture
def engine(make_engine, small_disk):  # noqa: F811
    engine = make_engine(data_dir=str(small_disk / "data"),
                         max_inflight_per_hook=str(SLOTS))
    engine.data_dir = small_disk / "data"
    return engine.start()


def fill(directory):
    """Not a byte is left, also beside a process that takes some meanwhile."""
    with open(directory / "ballast", "ab") as file:
        size = 1 << 24
        while size >= 4096:
            try:
                os.posix_fallocate(file.fileno(), file.tell(), size)
                file.seek(0, os.SEEK_END)
            except OSError as error:
                assert error.errno == errno.ENOSPC
                size //= 2


def post_many(engine, count):
    return engine.post_batch([{"kind": "order.created", "payload": {"n": n}}
                              for n in range(count)])


def fill_until_none_is_sent(engine, disk, receiver):
    """The disk gets full while much is to be sent, and is noticed."""
    receiver.wait(20)
    fill(disk)
    wait_for(lambda: "no disk space to " in engine.log(), "it is noticed", 60)


def no_longer_sending(receiver):
    """Nothing came for a while; how many came before."""
    seen = -1
    while seen != len(receiver.got()):
        seen = len(receiver.got())
        time.sleep(0.6)
    return seen


def repeated(receiver):
    counts = collections.Counter(r.id for r in receiver.got())
    return [n for n in counts.values() if n > 1]


@pytest.mark.parametrize("how", ["SIGTERM", "kill -9"])
def test_stop_on_a_full_disk_repeats_nothing(engine, receiver, small_disk,  # noqa: F811
                                             how):
    receiver.script("/", Answer(200, ROW, delay=0.02))
    engine.create_hook(receiver.url())
    ids = post_many(engine, 1500)
    fill_until_none_is_sent(engine, small_disk, receiver)
    if how == "SIGTERM":
        assert engine.stop() == 0
    else:
        no_longer_sending(receiver)  # nothing is in flight, all is noted
        engine.kill9()
    n_before = len(receiver.got())
    assert n_before < len(ids)
    (small_disk / "ballast").unlink()
    receiver.script("/", Answer())
    engine.start()
    books = engine.wait_settled(60)
    assert books["delivered"] == len(ids)
    assert {r.id for r in receiver.got()} == set(ids)
    assert repeated(receiver) == []


def test_full_disk_is_told_at_once_and_ends(engine, receiver, small_disk):  # noqa: F811
    """Nothing is sent, also after a while; /readyz, pings, redeliveries and
    replays say why; when there is room again, all goes on."""
    receiver.script("/", Answer(200, ROW))
    hook = engine.create_hook(receiver.url())
    ids = post_many(engine, 1500)
    fill_until_none_is_sent(engine, small_disk, receiver)
    n_sent = no_longer_sending(receiver)
    assert n_sent < len(ids)
    ready = engine.api("GET", "/readyz", token=None)
    assert ready.status == 503 and b"no room" in ready.body, ready
    gauge = engine.metrics()["posthorn_sending_stopped"]
    assert [k for k, v in gauge.items() if v] == ['role="dispatcher.0"']
    for path, body in ((f"{hook}/ping", None),
                       (f"{hook}/deliveries/{ids[0]}/redeliver", None),
                       (f"{hook}/replay", {}),
                       ("/api/orgs/acme/dead/discard", {})):
        reply = engine.api("POST", path, body)
        assert reply.status == 503, (path, reply)
        assert "no room" in reply.json()["message"]
        assert int(reply.headers["retry-after"]) > 0
    assert no_longer_sending(receiver) == n_sent
    receiver.script("/", Answer())
    (small_disk / "ballast").unlink()
    assert engine.wait_settled(60)["delivered"] == len(ids)
    assert repeated(receiver) == []
    wait_for(engine.is_ready, "ready again")
    assert engine.api("POST", f"{hook}/ping").status == 200


def test_start_on_a_full_disk_sends_nothing(engine, receiver, small_disk):  # noqa: F811
    """Also where no room was kept, as by an earlier release."""
    receiver.script("/", Answer(200, delay=0.2))
    engine.create_hook(receiver.url())
    ids = post_many(engine, 200)
    receiver.wait(1)
    assert engine.stop() == 0
    for path in engine.data_dir.rglob("data.mdb"):
        os.truncate(path, path.stat().st_size)  # nothing beyond its end
    fill(small_disk)
    n_before = len(receiver.got())
    engine.spawn()
    wait_for(lambda: "none is sent" in engine.log(), "it starts", 20)
    assert no_longer_sending(receiver) == n_before
    assert engine.stop() == 0
    engine.spawn()
    (small_disk / "ballast").unlink()
    receiver.script("/", Answer())
    assert engine.wait_settled(60)["delivered"] == len(ids)
    assert repeated(receiver) == []


@contextlib.contextmanager
def tmpfs(directory, n_kilobytes):
    directory.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={n_kilobytes}k",
                    "tmpfs", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def test_backup_and_restore_onto_a_full_disk_say_so(
        make_engine, receiver, tmp_path):
    """Whatever the room ends at: a sentence and status 1, and nothing is left
    that looks like a backup, or a data directory."""
    engine = make_engine().start()
    engine.create_hook(receiver.url())
    post_many(engine, 20)
    engine.wait_settled()
    assert engine.stop() == 0
    whole = tmp_path / "whole"
    subprocess.run([BINARY, "backup", "--data-dir", engine.data_dir, whole],
                   check=True, capture_output=True, timeout=60)
    for n_kilobytes in range(4, 124, 8):
        for command in (
                ["backup", "--data-dir", engine.data_dir, "{disk}/made"],
                ["restore", whole, "--data-dir", "{disk}/made"]):
            with tmpfs(tmp_path / "small", n_kilobytes) as disk:
                done = subprocess.run(
                    [BINARY, *(str(word).format(disk=disk)
                               for word in command)],
                    capture_output=True, text=True, timeout=60)
                assert done.returncode == 1, (n_kilobytes, command, done)
                assert "could not be made: no room left" in done.stderr
                assert os.listdir(disk) == []


def test_limit_of_file_sizes_is_a_full_disk(make_engine, receiver, tmp_path):
    """As `ulimit -f` sets it: no process ends by a signal."""
    engine = make_engine()
    command = engine.command()
    engine.command = lambda: ["prlimit", f"--fsize={24 << 20}", *command]
    engine.start()
    pids = engine.pids()
    receiver.script("/", Answer(200, ROW))
    engine.create_hook(receiver.url())
    ids = post_many(engine, 1000)
    wait_for(lambda: "none is sent" in engine.log(), "it is noticed", 60)
    n_sent = no_longer_sending(receiver)
    assert 100 < n_sent < len(ids) and engine.pids() == pids
    assert engine.stop() == 0
    engine.command = lambda: command
    receiver.script("/", Answer())
    engine.start()
    assert engine.wait_settled(60)["delivered"] == len(ids)
    assert repeated(receiver) == []
    assert engine.stop() == 0
    limited = subprocess.run(
        ["prlimit", "--fsize=65536", BINARY, "backup", "--data-dir",
         engine.data_dir, tmp_path / "made"], capture_output=True, text=True,
        timeout=60)
    assert limited.returncode == 1, limited
    assert "no room left" in limited.stderr
    assert not (tmp_path / "made").exists()
