# SPDX-License-Identifier: MIT
"""What root's commands make and replace stays whose it was: owners, modes, links and
mounted file systems."""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from engine import BINARY, Engine
from support import free_ports

SOMEBODY = 12345
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def posthorn(*words, status=0, **more):
    done = subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True,
                          timeout=120, **more)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done


def owners(directory):
    """The owners of a directory and of all that it holds."""
    return {(st.st_uid, st.st_gid) for st in map(
        os.lstat, [directory, *pathlib.Path(directory).rglob("*")])}


def mode(path):
    return os.stat(path).st_mode & 0o7777


@pytest.fixture(scope="module")
def seed(tmp_path_factory):
    """A data directory with a webhook that has a secret, and events; root's."""
    engine = Engine(tmp_path_factory.mktemp("seed"))
    engine.start()
    engine.create_hook("http://127.0.0.1:2009/in", secret="s3cret")
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(50)])
    assert engine.stop() == 0
    give(engine.data_dir, 0)
    return engine.data_dir


def give(directory, uid):
    for path in [directory, *pathlib.Path(directory).rglob("*")]:
        os.lchown(path, uid, uid)


@pytest.fixture
def room():
    """A directory that everybody can reach."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-owner-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def theirs(seed, room):
    """The seed as somebody's."""
    directory = shutil.copytree(seed, room / "theirs")
    give(directory, SOMEBODY)
    return directory


@contextlib.contextmanager
def mounted(path, *options):
    made = subprocess.run(["mount", "-t", "tmpfs", *options, "none", path],
                          capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {made.stderr}")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


# --- what reads and changes a directory ---

def test_roots_commands_leave_all_files_of_a_directory_to_its_owner(theirs, room):
    """Also those that were not there: lock files, a backup's among them."""
    for lock in theirs.rglob("lock.mdb"):
        lock.unlink()
    posthorn("verify", theirs)
    posthorn("backup", room / "backup", "--data-dir", theirs)
    posthorn("rekey", "--data-dir", theirs)
    assert owners(theirs) == {(SOMEBODY, SOMEBODY)}
    assert owners(room / "backup") == {(0, 0)}  # root's, who made it
    posthorn("verify", room / "backup")


@pytest.mark.parametrize("key_mode", [0o400, 0o440, 0o600])
def test_rekey_keeps_mode_and_owner_of_the_key(key_mode, theirs):
    key = theirs / "secret.key"
    os.chown(key, SOMEBODY, 54321)
    key.chmod(key_mode)
    before = key.read_text()
    posthorn("rekey", "--data-dir", theirs)
    assert key.read_text() != before
    st = key.stat()
    assert (st.st_uid, st.st_gid, mode(key)) == (SOMEBODY, 54321, key_mode)
    assert sorted(p.name for p in theirs.glob("secret.key*")) == ["secret.key"]


def test_rekey_keeps_a_link_to_the_key(theirs, room):
    """Where the operator keeps the key; the file there is replaced."""
    kept = room / "kept"
    kept.mkdir()
    shutil.move(theirs / "secret.key", kept / "posthorn.key")
    os.chown(kept / "posthorn.key", SOMEBODY, SOMEBODY)
    link = room / "link.key"
    link.symlink_to(kept / "posthorn.key")
    before = (kept / "posthorn.key").read_text()
    environment = {**os.environ, "POSTHORN_SECRET_KEY_FILE": str(link)}
    posthorn("rekey", "--data-dir", theirs, env=environment)
    assert link.is_symlink()
    assert (kept / "posthorn.key").read_text() != before
    assert owners(kept / "posthorn.key") == {(SOMEBODY, SOMEBODY)}
    posthorn("rekey", "--data-dir", theirs, env=environment)  # and it fits


def test_rekey_does_not_follow_a_link_that_the_engines_user_has_laid(theirs, room):
    """It could lead to any file of root's."""
    other = room / "roots.key"
    shutil.copy(theirs / "secret.key", other)
    other.chmod(0o400)
    before = other.read_text()
    (theirs / "secret.key").unlink()
    (theirs / "secret.key").symlink_to(other)
    os.lchown(theirs / "secret.key", SOMEBODY, SOMEBODY)
    told = posthorn("rekey", "--data-dir", theirs, status=1)
    assert f"{theirs}/secret.key cannot be read" in told.stderr
    assert other.read_text() == before and os.stat(other).st_uid == 0
    assert sorted(p.name for p in theirs.glob("secret.key*")) == ["secret.key"]


# --- what is made ---

def test_a_restored_directory_belongs_to_whom_the_empty_one_did(seed, room):
    target = room / "queue"
    target.mkdir()
    os.chown(target, SOMEBODY, 54321)
    target.chmod(0o2750)
    posthorn("restore", seed, "--data-dir", target)
    assert owners(target) == {(SOMEBODY, 54321)}
    assert mode(target) == 0o2750
    posthorn("verify", target)
    assert sorted(p.name for p in room.iterdir()) == ["queue"]


def test_a_link_to_an_empty_directory_stays_and_is_filled(seed, room):
    disk = room / "disk"
    disk.mkdir()
    os.chown(disk, SOMEBODY, SOMEBODY)
    (room / "queue").symlink_to("disk")
    posthorn("restore", seed, "--data-dir", room / "queue")
    assert (room / "queue").is_symlink()
    assert owners(disk) == {(SOMEBODY, SOMEBODY)}


def test_a_new_directory_belongs_to_whom_the_engine_will_run_as(seed, room):
    os.environ.pop("POSTHORN_USER", None)
    posthorn("restore", seed, "--data-dir", room / "named",
             env={**os.environ, "POSTHORN_USER": str(SOMEBODY)})
    assert owners(room / "named") == {(SOMEBODY, SOMEBODY)}
    home = room / "home"
    home.mkdir()
    os.chown(home, SOMEBODY, SOMEBODY)
    posthorn("restore", seed, "--data-dir", home / "queue")
    assert owners(home) == {(SOMEBODY, SOMEBODY)}
    assert mode(home / "queue") == 0o700


def test_a_repaired_directory_belongs_to_whom_the_damaged_one_does(theirs, room):
    theirs.chmod(0o750)
    posthorn("repair", "--data-dir", theirs, "--to", room / "new")
    assert owners(room / "new") == {(SOMEBODY, SOMEBODY)}
    assert mode(room / "new") == 0o750
    assert owners(theirs) == {(SOMEBODY, SOMEBODY)}


def test_an_engine_of_that_user_starts_with_what_root_restored(seed, room):
    target = room / "engine" / "data"
    target.mkdir(parents=True)
    for path in (target, target.parent):
        os.chown(path, SOMEBODY, SOMEBODY)
    posthorn("restore", seed, "--data-dir", target)
    posthorn("rekey", "--data-dir", target)
    shutil.copy(BINARY, room / "posthorn")
    engine = Engine(room / "engine")
    options = engine.command()[1:]
    engine.command = lambda: [
        "setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups",
        str(room / "posthorn"), *options]
    engine.start()
    try:
        assert [h["hasSecret"] for h in engine.api("GET", "/api/orgs/acme/hooks").json()
                ] == [True]
        assert engine.stop() == 0
    finally:
        if engine.is_running():
            engine.kill9()


# --- mounted file systems ---

def test_a_mounted_file_system_that_is_empty_is_filled(seed, room):
    """lost+found is nothing; owner and mode are those of the file system's root."""
    disk = room / "disk"
    disk.mkdir()
    with mounted(disk, "-o", f"uid={SOMEBODY},gid={SOMEBODY},mode=0750"):
        (disk / "lost+found").mkdir()
        (room / "queue").symlink_to(disk)
        posthorn("restore", seed, "--data-dir", room / "queue")
        assert os.path.ismount(disk) and mode(disk) == 0o750
        assert sorted(p.name for p in disk.iterdir()) == [
            "FORMAT", "admin.token", "deliveries", "events", "hooks", "lost+found",
            "secret.key"]
        (disk / "lost+found").rmdir()
        assert owners(disk) == {(SOMEBODY, SOMEBODY)}
        posthorn("verify", disk)
        told = posthorn("restore", seed, "--data-dir", disk, status=1)
        assert "not an empty directory" in told.stderr
        posthorn("verify", disk)
    assert sorted(p.name for p in room.iterdir()) == ["disk", "queue"]


def test_a_directory_with_nothing_but_lost_and_found_is_filled(seed, room):
    """As one that is left of a file system; and what a killed restore left there."""
    (room / "disk/lost+found").mkdir(parents=True)
    (room / "disk/restore.tmp.abcdef/events").mkdir(parents=True)
    posthorn("restore", seed, "--data-dir", room / "disk")
    posthorn("verify", room / "disk")
    assert not list(room.rglob("*.tmp*")) and (room / "disk/lost+found").is_dir()


def test_a_directory_that_is_mounted_on_itself_is_filled(seed, room):
    disk = room / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "--bind", disk, disk], capture_output=True)
    if made.returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        posthorn("restore", seed, "--data-dir", disk)
        posthorn("verify", disk)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_mounted_file_system_that_is_full_stays_empty(seed, room):
    disk = room / "disk"
    disk.mkdir()
    with mounted(disk, "-o", "size=64k"):
        told = posthorn("restore", seed, "--data-dir", disk, status=1)
        assert "could not be made" in told.stderr
        assert list(disk.iterdir()) == []


def test_of_two_restores_into_a_mounted_file_system_one_is_whole(seed, room):
    disk = room / "disk"
    disk.mkdir()
    with mounted(disk):
        running = [subprocess.Popen(
            [BINARY, "restore", seed, "--data-dir", disk], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True) for _ in range(2)]
        told = [p.communicate(timeout=120)[1] for p in running]
        assert sorted(p.returncode for p in running) == [0, 1], told
        posthorn("verify", disk)
        assert not list(disk.glob("restore.tmp*"))


def test_an_interrupted_restore_leaves_a_mounted_file_system_empty(seed, room):
    disk = room / "disk"
    disk.mkdir()
    n_interrupted = 0
    with mounted(disk):
        for _ in range(20):
            running = subprocess.Popen(
                [BINARY, "restore", seed, "--data-dir", disk],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            while not os.listdir(disk) and running.poll() is None:
                pass  # a pause would miss it
            running.send_signal(signal.SIGTERM)
            told = running.communicate(timeout=60)[1]
            if running.returncode == 0:
                posthorn("verify", disk)
                for path in disk.iterdir():
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                continue
            assert "interrupted; the unfinished copy was removed" in told
            assert list(disk.iterdir()) == []
            n_interrupted += 1
            if n_interrupted == 3:
                break
    assert n_interrupted > 0


def test_a_mounted_file_system_that_is_read_only_is_named(seed, room):
    disk = room / "disk"
    disk.mkdir()
    with mounted(disk, "-o", "ro"):
        told = posthorn("restore", seed, "--data-dir", disk, status=1)
        assert f"{disk} cannot be filled: its file system is read-only" in told.stderr


def test_what_a_killed_restore_left_is_replaced_by_the_next(seed, room):
    """At any moment: while it copies, and between the moves that end it. Until then
    no engine starts with what is there."""
    disk = room / "disk"
    disk.mkdir()
    whole = shutil.copytree(seed, room / "whole")
    with mounted(disk):
        for moved in ([], ["events"], ["events", "hooks", "deliveries", "secret.key"]):
            left = disk / "restore.tmp.abcdef"
            shutil.copytree(whole, left)
            if not moved:
                (left / "FORMAT").unlink()  # it was still copying
            for name in moved:
                shutil.move(left / name, disk / name)
            api, ingest = free_ports(2)
            told = posthorn("serve", f"--set=data_dir={disk}",
                            f"--set=api_listen=127.0.0.1:{api}",
                            f"--set=ingest_listen=127.0.0.1:{ingest}", status=1)
            assert "not a posthorn data directory" in told.stderr
            posthorn("restore", seed, "--data-dir", disk)
            posthorn("verify", disk)
            assert not left.exists()
            for path in disk.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_what_somebody_has_beside_a_killed_restore_stays(seed, room):
    """A letter, or a queue whose FORMAT is gone: no sign of a restore."""
    disk = room / "disk"
    disk.mkdir()
    with mounted(disk):
        (disk / "restore.tmp.abcdef").mkdir()
        (disk / "restore.tmp.abcdef" / "FORMAT").write_text("posthorn 5\n")
        (disk / "letter").write_text("dear")
        told = posthorn("restore", seed, "--data-dir", disk, status=1)
        assert "not an empty directory" in told.stderr
        (disk / "letter").unlink()
        (disk / "restore.tmp.abcdef" / "FORMAT").unlink()
        shutil.copytree(seed / "events", disk / "events")
        told = posthorn("restore", seed, "--data-dir", disk, status=1)
        assert "not an empty directory" in told.stderr
        assert (disk / "events" / "data.mdb").exists()


def test_a_target_that_an_engine_has_is_not_filled(seed, room):
    disk = room / "disk"
    disk.mkdir()
    with mounted(disk):
        fd = os.open(disk, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            told = posthorn("restore", seed, "--data-dir", disk, status=1)
            assert "end it first" in told.stderr
            assert list(disk.iterdir()) == []
        finally:
            os.close(fd)


def test_a_directory_whose_parent_is_another_users_is_filled(seed, room):
    """Without root: nothing may be made beside it."""
    parent = room / "lib"
    parent.mkdir()
    target = parent / "posthorn"
    target.mkdir()
    os.chown(target, SOMEBODY, SOMEBODY)
    backup = shutil.copytree(seed, room / "backup")
    give(backup, SOMEBODY)
    shutil.copy(BINARY, room / "posthorn")
    subprocess.run(["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}",
                    "--clear-groups", str(room / "posthorn"), "restore", str(backup),
                    "--data-dir", str(target)], check=True, capture_output=True)
    books = json.loads(posthorn("verify", target, "--json").stdout)
    assert books["balanced"]
    assert owners(target) == {(SOMEBODY, SOMEBODY)}
