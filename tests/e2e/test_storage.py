# SPDX-License-Identifier: MIT
"""No room: on the disk, in the queue. Nothing that was accepted is lost."""

import os
import subprocess

import pytest

from engine import BINARY
from receiver import Answer
from support import event_of, wait_for

LARGE = event_of(100_000)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs mount")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 96 MiB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs",
                    str(directory)], check=True)
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


def fill(directory, leave_bytes):
    """A file that leaves so much room."""
    stat = os.statvfs(directory)
    n_bytes = stat.f_bavail * stat.f_frsize - leave_bytes
    with open(directory / "ballast", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, n_bytes)


def post_until_refused(engine, limit):
    """Ids of what was accepted, and the first refusal."""
    ids = []
    for _ in range(limit):
        reply = engine.intake(LARGE)
        if reply.status != 202:
            return ids, reply
        ids.append(reply.json()["id"])
    raise AssertionError(f"{limit} large events were accepted")


def test_full_disk(make_engine, receiver, small_disk):
    """Refused with a clear word while it is full; taken again when not; what
    was accepted before, meanwhile and after arrives."""
    engine = make_engine(data_dir=str(small_disk / "data"))
    engine.data_dir = small_disk / "data"
    engine.start()
    receiver.script("/", Answer(delay=0.01))
    engine.create_hook(receiver.url())
    ids, refusal = post_until_refused(engine, 2000)
    assert refusal.status in (503, 507), refusal
    assert int(refusal.headers["retry-after"]) > 0
    assert "disk" in refusal.json()["message"]
    assert len(ids) > 100
    assert engine.wait_settled()["delivered"] == len(ids)
    assert {r.id for r in receiver.got()} == set(ids)


def test_disk_filled_by_somebody_else(make_engine, receiver, small_disk):
    """Not a byte is left, at once; then there is room again."""
    engine = make_engine(data_dir=str(small_disk / "data"),
                         retry_schedule="200ms,200ms,200ms,200ms,200ms")
    engine.data_dir = small_disk / "data"
    engine.start()
    engine.create_hook(receiver.url())
    ids = [engine.post_event(payload={"n": n}) for n in range(20)]
    receiver.wait(20)
    engine.wait_settled()
    fill(small_disk, leave_bytes=0)
    more, refusal = post_until_refused(engine, 200)
    assert refusal.status in (503, 507), refusal
    assert refusal.json()["code"] == refusal.status
    (small_disk / "ballast").unlink()
    wait_for(lambda: engine.intake(LARGE).status == 202,
             "intake goes on", 15)
    last = engine.post_event()
    books = engine.wait_settled()
    assert books["delivered"] == books["accepted"] >= len(ids) + len(more) + 2
    assert {*ids, *more, last} <= {r.id for r in receiver.got()}


@pytest.mark.settings(max_queue_bytes="16MiB", retry_schedule="300ms,300ms")
def test_full_map(engine, receiver):
    """The queue is at its limit and every delivery fails: retries, dead
    letters and history still find room."""
    receiver.script("/", Answer(500, b"z" * 60_000))
    engine.create_hook(receiver.url())
    ids, refusal = post_until_refused(engine, 2000)
    assert refusal.status in (429, 503), refusal
    books = engine.wait_settled()
    assert books["dead"] == books["accepted"] == len(ids)
    receiver.script("/", Answer())
    assert engine.is_ready()


def test_verify_beside_a_running_engine(engine, receiver):
    """Reads a consistent state while the engine writes."""
    engine.create_hook(receiver.url())
    for _ in range(10):
        engine.post_batch([{"kind": "order.created", "payload": {"n": n}}
                           for n in range(100)])
        engine.verify()
    assert engine.wait_settled()["delivered"] == 1000


def test_damage_is_found(engine, receiver):
    """A changed byte in a stored payload: verify says so and fails."""
    engine.create_hook(receiver.url())
    engine.post_event(payload={"text": "damage-me-here"})
    engine.wait_settled()
    assert engine.stop() == 0
    engine.check_books = False
    assert damage(engine.data_dir, b"damage-me-here", b"damage-me-hero") > 0
    result = subprocess.run([BINARY, "verify", "--data-dir",
                             str(engine.data_dir)], capture_output=True,
                            text=True, timeout=30)
    assert result.returncode == 1
    assert result.stdout + result.stderr


def damage(directory, old, new):
    """Replaces bytes in all files; how many files had them."""
    n_files = 0
    for path in directory.rglob("*"):
        if not path.is_file() or path.stat().st_size < len(old):
            continue
        data = path.read_bytes()
        if old in data:
            with open(path, "r+b") as file:
                file.write(data.replace(old, new))
            n_files += 1
    return n_files


def test_verify_of_nothing(tmp_path):
    result = subprocess.run([BINARY, "verify", "--data-dir", str(tmp_path)],
                            capture_output=True, text=True, timeout=10)
    assert result.returncode == 1
    assert str(tmp_path) in result.stderr
