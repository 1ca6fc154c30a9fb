# SPDX-License-Identifier: MIT
"""What the engine's user plants in its directories leads root's commands nowhere: links,
FIFOs and directories that change places with others."""

import fcntl
import http.server
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading

import pytest

from engine import BINARY, Engine
from support import wait_for

SOMEBODY = 12345
PATIENCE_S = 60  # of a command that would wait for ever
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root")

FILES = ["admin.token", "secret.key", "FORMAT", "hooks/lock.mdb", "hooks/data.mdb"]
DIRECTORIES = ["events", "deliveries/0"]


def give(directory, uid):
    for path in [directory, *pathlib.Path(directory).rglob("*")]:
        os.lchown(path, uid, uid)


@pytest.fixture(scope="module")
def seed(tmp_path_factory):
    """A data directory with a webhook that has a secret, and events; root's."""
    engine = Engine(tmp_path_factory.mktemp("seed"))
    engine.start()
    engine.create_hook("http://127.0.0.1:2009/in", secret="s3cret")
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(5)])
    assert engine.stop() == 0
    give(engine.data_dir, 0)
    return engine.data_dir


class World:
    """Somebody's directory, and beside it what is root's alone."""

    def __init__(self, room, seed):
        self.room = room
        self.theirs = shutil.copytree(seed, room / "theirs")
        give(self.theirs, SOMEBODY)
        self.roots = room / "roots"
        self.roots.mkdir(mode=0o700)
        self.listen()
        self.token = "r00t" * 16  # would do as a token and, in length, as a key
        self.victims = {"victim": self.token + "\n", "FORMAT": "posthorn 5\n"}
        for name, text in self.victims.items():
            (self.roots / name).write_text(text)
            (self.roots / name).chmod(0o600)

    def listen(self):
        """Somebody's own server, which the directory names as its engine."""
        heard = self.heard = []

        class Stranger(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                heard.append(str(self.headers))
                self.send_error(404)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{self.server.server_port}"
        path = self.theirs / "engine.json"
        path.write_text(json.dumps({
            "pid": 1, "started": 1, "pid_space": 1, "instance": "0" * 32,
            "api": address, "ingest": address}))
        os.chown(path, SOMEBODY, SOMEBODY)

    def plant(self, name, kind):
        path = self.theirs / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        if kind == "fifo":
            os.mkfifo(path)
        else:
            path.symlink_to(self.roots / {"link": "victim", "dangling": "fresh",
                                          "directory": ""}[kind])
        os.lchown(path, SOMEBODY, SOMEBODY)
        return path

    def run(self, *words):
        done = subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True,
                              timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
        assert done.returncode >= 0, done
        assert "Sanitizer" not in done.stderr, done.stderr
        assert done.returncode == 0 or "posthorn" in done.stderr, done
        return done

    def commands(self):
        """All that root runs on such a directory, with what is made."""
        yield "verify", ["verify", self.theirs]
        yield "backup", ["backup", self.room / "made-backup", "--data-dir", self.theirs]
        yield "repair", ["repair", "--data-dir", self.theirs, "--to",
                         self.room / "made-repaired"]
        yield "restore", ["restore", self.theirs, "--data-dir",
                          self.room / "made-restored"]
        yield "status", ["status", "--data-dir", self.theirs]
        yield "list", ["hook", "list", "acme", "--data-dir", self.theirs]
        yield "rekey", ["rekey", "--data-dir", self.theirs]

    def judge(self):
        """Nothing of root's was changed, made, or copied to where somebody reads it."""
        assert {p.name: p.read_text() for p in self.roots.iterdir()} == self.victims
        for path in self.roots.iterdir():
            st = path.stat()
            assert (st.st_uid, stat.S_IMODE(st.st_mode)) == (0, 0o600)
        for path in self.room.rglob("*"):
            if self.roots in path.parents or not stat.S_ISREG(path.lstat().st_mode):
                continue
            assert self.token.encode() not in path.read_bytes(), path
        assert not any(self.token in text for text in self.heard)
        for path in [self.theirs, *self.theirs.rglob("*")]:
            assert path.lstat().st_uid == SOMEBODY, path
        assert not [p for p in self.room.iterdir() if ".tmp" in p.name]


@pytest.fixture
def world(seed):
    room = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-planted-"))
    room.chmod(0o755)
    world = World(room, seed)
    yield world
    world.server.shutdown()
    world.server.server_close()
    shutil.rmtree(room)


CASES = ([(name, kind) for name in FILES for kind in ("link", "fifo")] +
         [(name, "dangling") for name in FILES if name.endswith(".mdb")] +
         [(name, kind) for name in DIRECTORIES for kind in ("directory", "fifo")])


@pytest.mark.parametrize("name,kind", CASES)
def test_what_is_planted_leads_root_nowhere(name, kind, world):
    world.plant(name, kind)
    for _, words in world.commands():
        world.run(*words)
        world.judge()


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_planted_token_is_named_and_not_sent(kind, world):
    world.plant("admin.token", kind)
    told = world.run("status", "--data-dir", world.theirs)
    assert told.returncode == 1 and f"{world.theirs}/admin.token" in told.stderr
    told = world.run("backup", world.room / "made", "--data-dir", world.theirs)
    assert told.returncode == 1 and f"{world.theirs}/admin.token" in told.stderr


def test_root_works_with_a_directory_whose_owner_cannot_reach_it(seed, world):
    """A copy that root keeps, with the owners of the original."""
    kept = shutil.copytree(seed, world.roots / "kept")
    give(kept, SOMEBODY)
    for words in (["verify", kept], ["rekey", "--data-dir", kept],
                  ["backup", world.room / "backup", "--data-dir", kept],
                  ["repair", "--data-dir", kept, "--to", world.room / "repaired"],
                  ["restore", kept, "--data-dir", world.room / "restored"],
                  ["verify", world.room / "backup"], ["verify", world.room / "repaired"],
                  ["verify", world.room / "restored"]):
        told = world.run(*words)
        assert told.returncode == 0, (words, told)
    assert {p.lstat().st_uid for p in kept.rglob("*")} == {SOMEBODY}


# Puts a directory of its own where root has just made one.
RACER = """
import os, sys
place, roots = sys.argv[1:]
print("ready", flush=True)
n = 0
while True:
    for name in os.listdir(place):
        if ".tmp." not in name or name.startswith("stolen"):
            continue
        n += 1
        try:
            os.rename(os.path.join(place, name), os.path.join(place, f"stolen{n}"))
            os.mkdir(os.path.join(place, name), 0o777)
            for link in ("deliveries", "events", "hooks"):
                os.symlink(roots, os.path.join(place, name, link))
        except OSError:
            pass
"""


def test_a_target_that_is_exchanged_meanwhile_leads_root_nowhere(seed, world):
    """Its owner renames what root makes there, as fast as can be."""
    place = world.room / "place"
    place.mkdir()
    os.chown(place, SOMEBODY, SOMEBODY)
    racer = subprocess.Popen(
        ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups",
         sys.executable, "-c", RACER, str(place), str(world.roots)],
        stdout=subprocess.PIPE, text=True)
    try:
        assert racer.stdout.readline() == "ready\n"
        for n in range(8):
            world.run("restore", seed, "--data-dir", place / f"new{n}")
            assert sorted(p.name for p in world.roots.iterdir()) == sorted(world.victims)
        assert list(place.glob("stolen*"))
    finally:
        racer.kill()
        racer.wait()
        racer.stdout.close()


def test_what_a_killed_restore_left_is_removed_without_following_links(seed, world):
    target = world.room / "target"
    target.mkdir()
    os.chown(target, SOMEBODY, SOMEBODY)
    left = target / "restore.tmp.abcdef"
    left.mkdir()
    (left / "FORMAT").write_text("posthorn 5\n")
    (left / "events").symlink_to(world.roots)
    (target / "deliveries").symlink_to(world.roots)
    give(target, SOMEBODY)
    done = world.run("restore", seed, "--data-dir", target)
    assert done.returncode == 0, done
    world.judge()
    assert not left.exists() and not (target / "deliveries").is_symlink()


def test_a_reader_that_somebody_killed_is_no_sign_of_damage(world):
    """It waits for a lock meanwhile, which keeps the test from missing it."""
    with open(world.theirs / "hooks" / "lock.mdb", "r+b") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        running = subprocess.Popen(
            [BINARY, "backup", world.room / "made", "--data-dir", world.theirs],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        children = pathlib.Path(f"/proc/{running.pid}/task/{running.pid}/children")
        wait_for(lambda: children.read_text().split(), "a reader")
        reader = int(children.read_text().split()[0])
        status = pathlib.Path(f"/proc/{reader}/status")
        wait_for(lambda: f"Uid:\t{SOMEBODY}\t{SOMEBODY}\t{SOMEBODY}" in
                 status.read_text(), "the reader is the owner")
        os.kill(reader, signal.SIGKILL)
        told = running.communicate(timeout=PATIENCE_S)[1]
    assert running.returncode == 1
    assert "ended by signal 9" in told and "repair" not in told
    assert not list(world.room.glob("made*"))
