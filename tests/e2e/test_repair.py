# SPDX-License-Identifier: MIT
"""Repairs, backups and restores touch nothing but what they make, and a repair
saves what is this directory's: once, all of it, and says what it does not."""

import json
import os
import shutil
import signal
import struct
import subprocess
import time

import pytest

from engine import BINARY, Engine
from pages import BRANCH, LEAF, PAGE, Pages
from receiver import Answer, Receiver
from support import wait_for


def posthorn(*words, status=0):
    done = subprocess.run([BINARY, *map(str, words)], capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == status, (words, done)
    return done


def settings():
    return {"dispatchers": "2", "retry_schedule": "1h",
            "max_inflight_per_endpoint": "50", "breaker_failures": "0"}


N_HOOKS, N_EVENTS = 6, 40


def fill(directory, receiver):
    """Deliveries that wait for their next attempt, in both shards."""
    engine = Engine(directory, **settings())
    engine.start()
    for n in range(N_HOOKS):
        receiver.script(f"/{n}", Answer(status=500))
        engine.create_hook(receiver.url(f"/{n}"))
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(N_EVENTS)])
    wait_for(lambda: len(receiver.got()) == N_HOOKS * N_EVENTS,
             "all are tried", 60)
    wait_for(lambda: engine.verify()["unmatched"] == 0, "all are matched", 60)
    assert engine.stop() == 0
    return directory / "data"


@pytest.fixture(scope="module")
def seed(tmp_path_factory):
    receiver = Receiver()
    yield fill(tmp_path_factory.mktemp("seed"), receiver)
    receiver.stop()


@pytest.fixture
def source(seed, tmp_path):
    return shutil.copytree(seed, tmp_path / "source")


def making(command, source, target):
    return {"backup": ["backup", target, "--data-dir", source],
            "restore": ["restore", source, "--data-dir", target],
            "repair": ["repair", "--data-dir", source, "--to", target]}[command]


COMMANDS = pytest.mark.parametrize("command", ("backup", "restore", "repair"))


@COMMANDS
def test_a_directory_that_ends_in_tmp_stays(command, seed, tmp_path):
    """Somebody's, or the source itself."""
    other = tmp_path / "new.tmp"
    other.mkdir()
    (other / "letter").write_text("dear")
    posthorn(*making(command, seed, tmp_path / "new"))
    assert (other / "letter").read_text() == "dear"
    assert json.loads(posthorn("verify", tmp_path / "new", "--json").stdout)[
        "pending"] == N_HOOKS * N_EVENTS
    source = shutil.copytree(seed, tmp_path / "queue.tmp")
    posthorn(*making(command, source, tmp_path / "queue"))
    posthorn("verify", source)
    posthorn("verify", tmp_path / "queue")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "new", "new.tmp", "queue", "queue.tmp"]


@COMMANDS
def test_a_target_in_the_source_is_refused(command, source, tmp_path):
    before = sorted(source.iterdir())
    (tmp_path / "link").symlink_to(source)
    for target in (source / "new", source / "deliveries" / "new",
                   tmp_path / "link" / "new"):
        told = posthorn(*making(command, source, target), status=1)
        assert "would lie in" in told.stderr
    assert sorted(source.iterdir()) == before


@COMMANDS
def test_of_two_at_once_one_makes_the_directory(command, seed, source,
                                                tmp_path):
    for n in range(2):
        target = tmp_path / f"new{n}"
        running = [subprocess.Popen(
            [BINARY, *map(str, making(command, place, target))],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for place in (seed, source)]
        told = [p.communicate(timeout=120)[1] for p in running]
        assert sorted(p.returncode for p in running) == [0, 1], told
        loser = next(t for p, t in zip(running, told) if p.returncode == 1)
        assert "exists" in loser
        posthorn("verify", target)
        assert not list(tmp_path.glob("*.tmp*"))


@COMMANDS
@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM,
                                    signal.SIGHUP))
def test_one_that_is_ended_leaves_nothing(command, number, seed, tmp_path):
    for wait in (0.01, 0.03, 0.06, 0.1):
        running = subprocess.Popen(
            [BINARY, *map(str, making(command, seed, tmp_path / "new"))],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            wait_for(lambda: list(tmp_path.iterdir()) or
                     running.poll() is not None, "it has begun")
            time.sleep(wait)
            running.send_signal(number)
        finally:
            running.communicate(timeout=60)
        left = [p.name for p in tmp_path.iterdir()]
        assert left == (["new"] if running.returncode == 0 else []), wait
        shutil.rmtree(tmp_path / "new", ignore_errors=True)


@COMMANDS
def test_what_is_wrong_with_the_target_is_said_of_it(command, seed, tmp_path):
    told = posthorn(*making(command, seed, tmp_path / "no" / "new"), status=1)
    assert f"{tmp_path}/no is not a directory" in told.stderr
    assert "no queue" not in told.stderr
    told = posthorn(*making(command, seed, ""), status=1)
    assert "is empty" in told.stderr
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    told = posthorn(*making(command, seed, tmp_path / "dangling"), status=1)
    assert "exists" in told.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dangling"]


def test_an_empty_directory_stays_if_there_is_nothing_to_restore(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "queue").mkdir()
    posthorn("restore", tmp_path / "empty", "--data-dir", tmp_path / "queue",
             status=1)
    assert (tmp_path / "queue").is_dir()


def test_a_backup_is_restored_to_where_an_empty_directory_or_link_leads(
        seed, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "queue").symlink_to(tmp_path / "disk")
    posthorn("restore", seed, "--data-dir", tmp_path / "queue")
    posthorn("verify", tmp_path / "queue")
    assert (tmp_path / "queue").is_symlink()
    assert not list(tmp_path.glob("*.tmp*"))


def test_a_mounted_file_system_is_filled(seed, tmp_path):
    told = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
         'mkdir "$2" && mount -t tmpfs none "$2" && "$0" restore "$1" '
         '--data-dir "$2" && exec "$0" verify "$2" --json', BINARY, seed, tmp_path / "disk"],
        capture_output=True, text=True, timeout=120)
    if "unshare" in told.stderr or "mount:" in told.stderr:
        pytest.skip("no file system can be mounted here")
    assert told.returncode == 0, told
    assert '"balanced":true' in told.stdout.replace(" ", "")


# --- what is read, and how ---

def books_of(directory):
    return json.loads(posthorn("verify", directory, "--json").stdout)


def repaired(source, target, *, more=()):
    told = posthorn("repair", "--data-dir", source, "--to", target, "--json")
    books = books_of(target)
    assert books["balanced"]
    return books, json.loads(told.stdout), told.stderr


@pytest.mark.parametrize("version", (3, 6, 99))
def test_a_format_that_is_not_known_is_refused(version, source, tmp_path):
    text = (source / "FORMAT").read_text()
    (source / "FORMAT").write_text(text.replace("posthorn 5",
                                                f"posthorn {version}"))
    for command in ("backup", "restore", "repair"):
        told = posthorn(*making(command, source, tmp_path / "new"), status=1)
        assert f"format {version}" in told.stderr
        assert "reads 4 and 5" in told.stderr
    told = posthorn("verify", source, status=1)
    assert "reads 4 and 5" in told.stderr and told.stdout == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"]


@pytest.mark.parametrize("kind", ("directory", "fifo"))
@pytest.mark.parametrize("part", ("hooks", "deliveries/1"))
def test_what_is_not_a_file_keeps_nothing_waiting(kind, part, source,
                                                  tmp_path):
    data = source / part / "data.mdb"
    data.unlink()
    data.mkdir() if kind == "directory" else os.mkfifo(data)
    told = posthorn("verify", source, status=1)
    assert f"{part}" in told.stderr and "posthorn repair" in told.stderr
    told = posthorn("backup", tmp_path / "b", "--data-dir", source, status=1)
    assert "posthorn repair" in told.stderr
    books, found, told = repaired(source, tmp_path / "new")
    assert f"{part}: data.mdb is not a file" in told
    assert found["faults"] > 0
    if part == "hooks":
        assert books["pending"] == N_HOOKS * N_EVENTS
    else:
        assert 0 < books["pending"] < N_HOOKS * N_EVENTS


def meta_value(pages, name):
    """Where the value of a row of the table meta lies."""
    found = [n for n in pages.of_kind(LEAF)
             if name in pages.get(n) and b"self" in pages.get(n)]
    return pages, [n * PAGE + pages.get(n).index(name) + len(name)
                   for n in found]


def spoil_state(source, part):
    pages, places = meta_value(Pages(source / part / "data.mdb"), b"state")
    assert places
    for at in places:
        pages.data[at + 20] ^= 1
    pages.save()


def test_a_shard_that_lost_its_state_adds_up_again(source, tmp_path):
    """Also when it has gone on: nothing that waits is matched again."""
    for k in range(2):
        spoil_state(source, f"deliveries/{k}")
    books, found, told = repaired(source, tmp_path / "new")
    assert books["pending"] == N_HOOKS * N_EVENTS
    assert books["unmatched"] == 0
    assert "state" in told and found["damaged"] >= 2
    assert '"database":"meta"' in (tmp_path / "new" / "damaged.jsonl"
                                   ).read_text()


def test_a_shard_that_never_tried_anything_adds_up_again(
        make_engine, receiver, tmp_path):
    """What waits has no history that says how far it was matched."""
    engine = make_engine(**settings()).start()
    hook = engine.create_hook(receiver.url("/in"))
    engine.api("PATCH", hook, {"paused": True})
    engine.settle_hooks()
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(100)])
    wait_for(lambda: engine.verify()["unmatched"] == 0, "all are matched", 60)
    assert engine.stop() == 0
    for k in range(2):
        spoil_state(engine.data_dir, f"deliveries/{k}")
    engine.check_books = False
    repaired(engine.data_dir, tmp_path / "new")
    other = make_engine(**settings())
    shutil.copytree(tmp_path / "new", other.data_dir)
    other.start()
    assert other.verify()["pending"] == 100
    other.api("PATCH", hook, {"paused": False})
    receiver.wait(100, "/in")
    books = other.wait_settled()
    assert books["delivered"] == 100 and len(receiver.got("/in")) == 100


def keys_of(pages, n):
    """The keys of a leaf."""
    page = pages.get(n)
    n_rows = (struct.unpack_from("<H", page, 12)[0] - 16) // 2
    for at in struct.unpack_from(f"<{n_rows}H", page, 16):
        size = struct.unpack_from("<H", page, at + 6)[0]
        yield page[at + 8:at + 8 + size]


def test_leaves_are_found_below_a_branch_that_is_gone(make_engine, tmp_path):
    """Whatever the numbers of their records are: those of the leaves that are left
    go on behind 0xff in their last byte."""
    engine = make_engine(**settings()).start()
    for _ in range(3):
        engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                           for n in range(300)])
    assert engine.stop() == 0
    engine.check_books = False
    log = Pages(engine.data_dir / "events" / "data.mdb")
    for n in log.of_kind(BRANCH):
        log.put(n, bytes(PAGE))
    n_left = 0
    for n in log.of_kind(LEAF):
        keys = list(keys_of(log, n))
        if {len(key) for key in keys} != {8} or b"a.b" not in log.get(n):
            continue
        if len({key[:7] for key in keys}) == 2:
            n_left += len(keys)
        else:
            log.put(n, bytes(PAGE))
    log.save()
    assert n_left > 0
    _, found, _ = repaired(engine.data_dir, tmp_path / "new")
    saved = {t["database"]: t for t in found["tables"]}
    assert saved["events"]["records"] == n_left
    assert saved["events"]["lost"] == 900 - n_left


# --- which parts, and which shards ---

def key_places(pages, name, leaf_with=b"self"):
    return [n * PAGE + pages.get(n).index(name) + len(name)
            for n in pages.of_kind(LEAF)
            if name in pages.get(n) and leaf_with in pages.get(n)]


def number_of_shards(source, part, n):
    pages = Pages(source / part / "data.mdb")
    for at in key_places(pages, b"self"):
        struct.pack_into(">Q", pages.data, at + 24, n)
    pages.save()


ALL = N_HOOKS * N_EVENTS


@pytest.mark.parametrize("n", (1, 3, 7, 1 << 40))
def test_a_wrong_number_of_shards_cancels_nothing(n, source, tmp_path):
    number_of_shards(source, "deliveries/1", n)
    books, found, _ = repaired(source, tmp_path / "new")
    assert (books["pending"], books["cancelled"]) == (ALL, 0)
    assert found["shards"] == 2


def test_a_directory_of_nothing_is_no_shard(source, tmp_path):
    (source / "deliveries" / "2").mkdir()
    books, found, _ = repaired(source, tmp_path / "new")
    assert (books["pending"], books["cancelled"]) == (ALL, 0)
    assert found["shards"] == 2


@pytest.mark.parametrize("to", (2, 5))
def test_a_copy_of_a_shard_is_not_saved_twice(to, source, tmp_path):
    shutil.copytree(source / "deliveries" / "0",
                    source / "deliveries" / str(to))
    books, found, told = repaired(source, tmp_path / "new")
    assert (books["pending"], books["cancelled"]) == (ALL, 0)
    assert found["shards"] == 2
    assert f"deliveries/{to}: it holds shard 0, which is taken from " \
           "deliveries/0" in told


def pending_of(source, tmp_path, k):
    """What waits in a shard."""
    shutil.copytree(source, tmp_path / "half")
    shutil.rmtree(tmp_path / "half" / "deliveries" / str(1 - k))
    books, found, told = repaired(tmp_path / "half", tmp_path / "repaired")
    assert f"shard {1 - k} of 2 is in no directory" in told
    assert found["shards"] == 2 and found["faults"] > 0
    return books["pending"]


def test_a_shard_that_lies_over_another_is_saved_once(source, tmp_path):
    in_first = pending_of(source, tmp_path, 0)
    assert 0 < in_first < ALL
    shutil.rmtree(source / "deliveries" / "1")
    shutil.copytree(source / "deliveries" / "0", source / "deliveries" / "1")
    books, found, told = repaired(source, tmp_path / "new")
    assert (books["pending"], books["cancelled"]) == (in_first, 0)
    assert "shard 1 of 2 is in no directory" in told
    assert "deliveries/1: it holds shard 0" in told


@pytest.mark.parametrize("k", (0, 1))
def test_a_shard_that_is_missing_is_said(k, source, tmp_path):
    assert 0 < pending_of(source, tmp_path, 1 - k) < ALL


def test_parts_of_another_directory_are_left_out(source, tmp_path):
    receiver = Receiver()
    try:
        other = fill(tmp_path / "other", receiver)
    finally:
        receiver.stop()
    in_first = pending_of(source, tmp_path, 0)
    shutil.rmtree(source / "deliveries" / "1")
    shutil.copytree(other / "deliveries" / "1", source / "deliveries" / "1")
    books, found, told = repaired(source, tmp_path / "new")
    assert "deliveries/1: it is of another data directory" in told
    assert (books["pending"], books["cancelled"]) == (in_first, 0)
    assert found["faults"] > 0
    shutil.rmtree(source / "events")
    shutil.copytree(other / "events", source / "events")
    books, found, told = repaired(source, tmp_path / "new2")
    assert "events: it is of another data directory" in told
    assert books["pending"] == 0


def test_a_damaged_id_does_not_make_it_anothers(source, tmp_path):
    pages = Pages(source / "deliveries" / "1" / "data.mdb")
    for at in key_places(pages, b"self"):
        pages.data[at + 3] ^= 0xff
    pages.save()
    books, _, told = repaired(source, tmp_path / "new")
    assert books["pending"] == ALL and "another data directory" not in told


def test_a_change_of_dispatchers_that_was_killed_loses_nothing(source,
                                                               tmp_path):
    (source / "deliveries").rename(source / "deliveries.old")
    shutil.copytree(source / "deliveries.old", source / "deliveries.new")
    books, found, told = repaired(source, tmp_path / "new")
    assert (books["pending"], found["shards"]) == (ALL, 2)
    assert "deliveries.new" in told


def test_an_older_state_is_told(source, tmp_path):
    pages = Pages(source / "deliveries" / "0" / "data.mdb")
    pages.put(pages.newest_root(), bytes(PAGE))
    pages.save()
    books, found, told = repaired(source, tmp_path / "new")
    assert "what was committed last is lost" in told
    assert found["lost"] > 0


def test_a_file_without_its_beginning_counts_as_lost(source, tmp_path):
    pages = Pages(source / "deliveries" / "0" / "data.mdb")
    pages.put(0, bytes(2 * PAGE))
    pages.save()
    books, found, told = repaired(source, tmp_path / "new")
    assert "deliveries/0: nothing of it can be read" in told
    assert found["lost"] > 0 and 0 < books["pending"] < ALL
