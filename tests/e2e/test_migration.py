# SPDX-License-Identifier: MIT
"""The first start with a data directory of format 4, with every kind of record:
nothing is lost, whatever ends it, and everybody finds what is their own."""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from engine import BINARY
from format4 import (FACTS, format4, format4_heard,  # noqa: F401
                     format_of, rows_of, turn_back)
from support import compact

HOOKS, IDS = FACTS["hooks"], FACTS["ids"]


def check_history(engine):
    """What waited then may be tried again meanwhile."""
    for name, rows in FACTS["history"].items():
        there = rows_of(engine, HOOKS[name])
        assert there[len(there) - len(rows):] == rows, name


def check_books(engine):
    books = engine.verify()
    assert books["balanced"] and books["faults"] == 0
    books["open"] = books["dead"] + books["pending"]
    FACTS["books"]["open"] = FACTS["books"]["dead"] + FACTS["books"]["pending"]
    for count in ("matched", "delivered", "open", "hooks"):
        assert books[count] == FACTS["books"][count], (count, books)
    # The engine adds what it had not told yet when it stopped.
    assert books["accepted"] >= FACTS["books"]["accepted"]


def check_clean(engine):
    """Nothing is left but the directory itself."""
    assert format_of(engine).startswith("posthorn 5\n")
    assert sorted(p.name for p in engine.data_dir.iterdir()
                  if p.name not in ("lock", "engine.json")) == [
        "FORMAT", "admin.token", "deliveries", "events", "hooks", "secret.key"]


def test_an_older_directory_is_taken_over(format4):  # noqa: F811
    engine = format4.start()
    check_clean(engine)
    check_history(engine)
    check_books(engine)
    assert 'msg="data directory converted" format=5' in engine.log()
    assert engine.stop() == 0
    engine.restart()
    assert engine.log().count("data directory converted") == 1
    check_history(engine)


def test_secrets_tokens_and_settings_of_hooks_are_as_before(format4):  # noqa: F811
    engine = format4.start()
    hook = engine.api("GET", HOOKS["org"]).json()
    assert hook["hasSecret"] is True
    assert set(hook["headers"]) == {"X-Team", "Authorization"}
    assert engine.api("GET", HOOKS["paused"]).json()["paused"] is True
    assert engine.api("GET", HOOKS["gone"]).json()["disabled"][
        "reason"] == "gone"
    tokens = FACTS["tokens"]
    assert engine.api("GET", HOOKS["org"],
                      token=tokens["read"]).status == 200
    assert engine.api("PATCH", HOOKS["org"], {"active": True},
                      token=tokens["read"]).status == 403
    assert engine.api("PATCH", HOOKS["org"], {"active": True},
                      token=tokens["write"]).status == 200
    assert engine.intake(b'{"kind":"a.b","payload":{}}',
                         token=tokens["ingest"]).status == 202
    assert engine.intake(b'{"kind":"a.b","payload":{}}', "other",
                         token=tokens["ingest"]).status == 403


def test_what_waited_goes_on_and_what_died_is_sent_again(
        format4_heard, tmp_path):  # noqa: F811
    """To a receiver at the address of then."""
    engine, receiver = format4_heard
    turn_back(engine, tmp_path)
    engine.start()
    reply = engine.api(
        "POST", f"{HOOKS['dead']}/deliveries/{IDS['lost']}/redeliver")
    assert reply.status == 200, reply
    assert receiver.wait(1, "/dead")[0].id == IDS["lost"]
    reply = engine.api("POST", f"{HOOKS['twin1']}/replay", {})
    assert reply.status == 202 and reply.json()["matched"] == 1, reply
    receiver.wait(1, "/twin1")
    for what, kind in (("paused", "kept"), ("retrying", "late")):
        if what == "paused":
            reply = engine.api("PATCH", HOOKS[what], {"paused": False})
        else:
            reply = engine.api("POST", f"{HOOKS[what]}/deliveries/"
                                       f"{IDS[kind]}/redeliver")
        assert reply.status == 200, reply
        assert receiver.wait(1, f"/{what}")[0].id == IDS[kind]
    assert engine.wait_settled()["dead"] == 1  # whose hook is gone
    past = engine.api("GET", f"{HOOKS['dead']}/replays").json()
    assert FACTS["replays"]["dead"] in compact(past)
    stats = engine.api("GET", "/api/orgs/acme/stats").json()
    assert stats["24h"]["attempts"] >= FACTS["attempts"]["acme"]


def test_ids_and_keys_are_known_still(format4, tmp_path):  # noqa: F811
    engine = format4
    turn_back(engine, tmp_path)
    engine.start()

    def post(value, headers=None):
        return engine.intake(compact(value).encode(), headers=headers or {})

    owned = {"kind": "order.owned", "payload": {"number": 1},
             "id": IDS["own"]}
    keyed = {"kind": "order.keyed", "payload": {}}
    key = {"Idempotency-Key": "a-key"}
    assert post(owned).json()["id"] == IDS["own"]
    assert post(keyed, key).json()["id"] == IDS["keyed"]
    assert post({**owned, "payload": {"number": 2}}).status == 409
    assert post({**keyed, "payload": {"number": 2}}, key).status == 409
    other = post(keyed, {"Idempotency-Key": "another-key"})
    assert other.json()["id"] != IDS["keyed"]
    found = engine.api("GET", f"/api/orgs/acme/events/{IDS['own']}")
    assert found.status == 200 and found.json()["id"] == IDS["own"]


def test_history_of_a_deleted_hook_stays_its_organizations(format4):  # noqa: F811
    engine = format4.start()
    rows = engine.api("GET", "/api/orgs/acme/deliveries?limit=1000").json()
    of_hooks = sum(len(r) for n, r in FACTS["history"].items()
                   if not n.startswith("twin") and n != "operator")
    assert len(rows) > of_hooks  # those of the hook that was deleted


def test_a_kill_at_any_moment_leaves_one_or_the_other(
        format4, request):  # noqa: F811
    engine = format4
    for _ in range(60 if request.config.getoption("--long") else 5):
        engine.spawn()
        time.sleep(random.uniform(0, 0.4))
        os.killpg(engine.process.pid, signal.SIGKILL)
        engine.process.wait(10)
    engine.start()
    check_clean(engine)
    check_history(engine)
    check_books(engine)


def move(engine, names):
    """Of a directory that was taken over: as if the last start had been killed
    when it had renamed the first few of its parts."""
    data = engine.data_dir
    (data / "format5").mkdir()
    (data / "format4.old").mkdir()
    for name in names:
        (data / name).rename(data / "format5" / name)


@pytest.mark.parametrize("n_left", [1, 2, 3])
def test_half_of_the_renaming_is_finished_by_the_next_start(
        format4, n_left, tmp_path):  # noqa: F811
    engine = format4
    names = ["events", "hooks", "deliveries"]
    for name in names:
        shutil.copytree(engine.data_dir / name, tmp_path / name)
    engine.start()
    assert engine.stop() == 0
    move(engine, names[-n_left:])
    for name in names[-n_left + 1:] if n_left > 1 else []:
        shutil.copytree(tmp_path / name, engine.data_dir / name)
    engine.restart()
    check_clean(engine)
    check_history(engine)
    check_books(engine)


def test_what_a_killed_start_left_is_made_anew(format4):  # noqa: F811
    data = format4.data_dir
    shutil.copytree(data / "events", data / "format5" / "events")
    (data / "format5" / "hooks").mkdir()
    format4.start()
    check_clean(format4)
    check_books(format4)


def test_a_damaged_record_is_listed_and_stops_nothing(format4):  # noqa: F811
    path = format4.data_dir / "events" / "data.mdb"
    data = path.read_bytes()
    assert data.count(b'{"of":0}') >= 1
    path.write_bytes(data.replace(b'{"of":0}', b'{"of":9}'))
    engine = format4.start()
    listed = (engine.data_dir / "damaged-format4.jsonl").read_text()
    assert '"environment":"events"' in listed
    assert rows_of(engine, HOOKS["org"]) == FACTS["history"]["org"]
    assert engine.verify()["balanced"]


def test_a_damaged_page_stops_nothing_either(format4):  # noqa: F811
    path = format4.data_dir / "deliveries" / "0" / "data.mdb"
    size = path.stat().st_size
    with open(path, "r+b") as file:
        for page in range(3, size // 4096, 5):
            file.seek(page * 4096)
            file.write(os.urandom(64))
    engine = format4.start()
    assert format_of(engine).startswith("posthorn 5\n")
    assert engine.verify()["balanced"]
    assert engine.api("GET", HOOKS["org"]).status == 200
    engine.post_event()


def test_repair_reads_the_older_format_too(format4, tmp_path):  # noqa: F811
    to = tmp_path / "repaired"
    done = subprocess.run(
        [BINARY, "repair", "--data-dir", format4.data_dir, "--to", to],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert format_of(format4).startswith("posthorn 4\n")  # not touched
    shutil.rmtree(format4.data_dir)
    to.rename(format4.data_dir)
    format4.start()
    check_history(format4)
    check_books(format4)


@pytest.mark.parametrize("command", ["verify", "backup"])
def test_other_commands_say_that_a_start_converts_it(
        format4, command, tmp_path):  # noqa: F811
    words = [tmp_path / "b"] if command == "backup" else []
    done = subprocess.run(
        [BINARY, command, *words, "--data-dir", format4.data_dir],
        capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "has format 4" in done.stdout + done.stderr
    format4.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs mount")
def test_without_room_for_both_it_says_so_and_changes_nothing(
        format4, tmp_path):  # noqa: F811
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", disk],
                   check=True)
    try:
        shutil.copytree(format4.data_dir, disk / "data")
        format4.data_dir = disk / "data"
        format4.settings["data_dir"] = str(disk / "data")
        done = subprocess.run(
            format4.command(), capture_output=True, text=True, timeout=60,
            env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        assert done.returncode != 0
        assert ("make room and start again, nothing was changed"
                in done.stderr + done.stdout)
        assert format_of(format4).startswith("posthorn 4\n")
        assert not (disk / "data" / "format5").exists()
        subprocess.run(["mount", "-o", "remount,size=400m", disk], check=True)
        format4.start()
        check_history(format4)
        check_books(format4)
        assert format4.stop() == 0
        format4.check_books = False
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_another_number_of_dispatchers_at_the_same_start(format4):  # noqa: F811
    format4.settings["dispatchers"] = "3"
    format4.start()
    check_history(format4)
    check_books(format4)
