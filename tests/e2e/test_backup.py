# SPDX-License-Identifier: MIT
"""Backups, repairs, exports: whole or not at all, beside a running engine."""

import json
import os
import signal
import subprocess
import threading
import time
import uuid

import pytest

from engine import BINARY
from receiver import Answer
from support import compact, wait_for

DOWN, UP = Answer(status=500), Answer(status=200)


def posthorn(*words, status=0, env=None, **more):
    done = subprocess.run([BINARY, *map(str, words)], capture_output=True,
                          text=True, timeout=120,
                          env={**os.environ, **(env or {})}, **more)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done


def verify(directory):
    return json.loads(posthorn("verify", directory, "--json").stdout)


@pytest.fixture
def engine(make_engine):
    return make_engine(retry_schedule="50ms", breaker_failures="0").start()


def fill(engine, receiver):
    """Delivered ones, dead letters, a secret; the path of the hook."""
    hook = engine.create_hook(receiver.url("/in"), secret="s3cret")
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(50)])
    engine.wait_deliveries(hook, 50)
    receiver.script("/in", DOWN)
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(5)])
    wait_for(lambda: len(engine.deliveries(hook, "?state=dead")) == 5, "dead")
    receiver.script("/in", UP)
    return hook


@pytest.mark.smoke
def test_a_backup_is_a_data_directory(engine, make_engine, receiver, tmp_path):
    hook = fill(engine, receiver)
    backup = tmp_path / "backup"
    told = posthorn("backup", backup, "--data-dir", engine.data_dir)
    assert str(backup) in told.stdout and "damaged" not in told.stdout
    assert oct(backup.stat().st_mode)[-3:] == "700"
    before = engine.wait_settled()
    assert verify(backup) == before
    assert engine.stop() == 0
    other = make_engine()
    other.data_dir.parent.mkdir(exist_ok=True)
    posthorn("restore", backup, "--data-dir", other.data_dir)
    other.start()
    assert other.token == (backup / "admin.token").read_text().strip()
    assert len(other.deliveries(hook, "?limit=1000")) == 60
    with receiver.lock:
        receiver.requests.clear()
    event = other.deliveries(hook, "?state=dead")[0]["id"]
    reply = other.api("POST", f"{hook}/deliveries/{event}/redeliver")
    assert reply.status == 200 and reply.json()["state"] == "delivered"
    assert "pulumi-webhook-signature" in receiver.wait(1, "/in")[0].headers


def test_a_backup_under_load_is_consistent(engine, receiver, tmp_path):
    engine.create_hook(receiver.url("/in"))
    stop = threading.Event()

    def post():
        while not stop.is_set():
            engine.post_batch([{"kind": "a.b", "payload": {"n": 1}}] * 20)
    thread = threading.Thread(target=post)
    thread.start()
    try:
        for n in range(3):
            time.sleep(0.3)
            posthorn("backup", tmp_path / f"b{n}", "--data-dir",
                     engine.data_dir)
            books = verify(tmp_path / f"b{n}")
            assert books["balanced"] and books["accepted"] > 0
    finally:
        stop.set()
        thread.join()
    engine.wait_settled()


def test_without_keys(engine, receiver, tmp_path):
    fill(engine, receiver)
    posthorn("backup", tmp_path / "b", "--data-dir", engine.data_dir,
             "--without-keys")
    assert not (tmp_path / "b" / "secret.key").exists()
    assert not (tmp_path / "b" / "admin.token").exists()
    assert verify(tmp_path / "b")["balanced"]


def test_what_is_there_stays(engine, receiver, tmp_path):
    fill(engine, receiver)
    there = tmp_path / "there"
    there.mkdir()
    (there / "letter").write_text("dear")
    done = posthorn("backup", there, "--data-dir", engine.data_dir, status=1)
    assert "already exists" in done.stderr
    posthorn("backup", tmp_path / "b", "--data-dir", engine.data_dir)
    done = posthorn("restore", tmp_path / "b", "--data-dir", there, status=1)
    assert "not an empty directory" in done.stderr
    assert (there / "letter").read_text() == "dear"
    for nothing in (tmp_path / "nowhere", there):
        done = posthorn("backup", tmp_path / "c", "--data-dir", nothing,
                        status=1)
        assert "no queue" in done.stderr
        done = posthorn("restore", nothing, "--data-dir", tmp_path / "d",
                        status=1)
        assert not (tmp_path / "d").exists()
    assert sorted(p.name for p in tmp_path.iterdir()
                  if p.name.startswith("c")) == []


def test_an_interrupted_backup_leaves_nothing(engine, receiver, tmp_path):
    engine.create_hook(receiver.url("/in"))
    for _ in range(20):
        engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                           for n in range(1000)])
    for wait in (0.02, 0.05, 0.1):
        running = subprocess.Popen(
            [BINARY, "backup", str(tmp_path / "b"), "--data-dir",
             str(engine.data_dir)], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        time.sleep(wait)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
        left = [p.name for p in tmp_path.iterdir() if p.name.startswith("b")]
        if running.returncode == 0:  # it was faster
            assert left == ["b"]
            break
        assert left == []
    engine.wait_settled(60)


def damage(path, wanted):
    """Flips a bit of each record that holds the bytes; how many there were."""
    data = path.read_bytes()
    path.write_bytes(data.replace(
        wanted, bytes([wanted[0] ^ 0x01]) + wanted[1:]))
    return data.count(wanted)


def test_damage_is_set_aside(engine, make_engine, receiver, tmp_path):
    hook = fill(engine, receiver)
    assert engine.stop() == 0
    engine.check_books = False
    # Records of the event log: their payloads hold this. Pages that are free
    # hold it, too.
    assert damage(engine.data_dir / "events" / "data.mdb", b'"n":3}') >= 2
    done = posthorn("verify", engine.data_dir, status=1)
    assert "damaged" in done.stderr
    told = posthorn("backup", tmp_path / "b", "--data-dir", engine.data_dir)
    assert "set aside" in told.stdout
    aside = [json.loads(line) for line in
             (tmp_path / "b" / "damaged.jsonl").read_text().splitlines()]
    assert {(a["environment"], a["database"]) for a in aside} == {
        ("events", "events")}
    assert all(bytes.fromhex(a["value"]) for a in aside)
    # It runs, and delivers none of them; the rest is as it was.
    engine.restart()
    rows = engine.deliveries(hook, "?limit=1000")
    assert len(rows) == 60
    gone = [r["id"] for r in rows if r["payload"] == ""]
    assert gone
    reply = engine.api("POST", f"{hook}/deliveries/{gone[0]}/redeliver")
    assert reply.status in (404, 410, 500), reply
    fresh = engine.post_event("a.b")
    receiver.wait(61, "/in")
    assert fresh in [r.id for r in receiver.got("/in")]


def test_damaged_attempts_are_passed_over_and_set_aside(
        engine, receiver, tmp_path):
    hook = fill(engine, receiver)
    damaged = engine.deliveries(hook, "?state=delivered")[7]
    assert engine.stop() == 0
    engine.check_books = False
    path = engine.data_dir / "deliveries" / "0" / "data.mdb"
    assert damage(path, uuid.UUID(damaged["id"]).bytes) >= 1
    posthorn("backup", tmp_path / "b", "--data-dir", engine.data_dir)
    books = verify(tmp_path / "b")  # the indexes are made anew: it is sound
    assert books["balanced"] and books["delivered"] == 50
    engine.restart()
    rows = engine.deliveries(hook, "?limit=1000")
    assert len(rows) == 59 and damaged["id"] not in [r["id"] for r in rows]


def test_a_damaged_state_is_made_anew(engine, receiver, tmp_path):
    hook = fill(engine, receiver)
    assert engine.stop() == 0
    path = engine.data_dir / "deliveries" / "0" / "data.mdb"
    data = path.read_bytes()
    assert b"state\x03" in data  # the key, and the record's version
    path.write_bytes(data.replace(b"state\x03", b"state\x71"))
    done = posthorn("verify", engine.data_dir, status=1)
    assert "the state record is damaged" in done.stderr
    posthorn("backup", tmp_path / "b", "--data-dir", engine.data_dir)
    books = verify(tmp_path / "b")
    assert books["balanced"] and books["dead"] == 5
    with receiver.lock:
        receiver.requests.clear()
    engine.restart()  # it goes on, and sends nothing again
    fresh = engine.post_event("a.b")
    assert [r.id for r in receiver.wait(1, "/in")] == [fresh]
    engine.wait_deliveries(hook, 61, "?limit=1000")
    assert "damaged state" in engine.log()
    assert engine.wait_settled()["dead"] == 5
    assert len(receiver.got("/in")) == 1


# --- export and import ---

def scopes(engine, receiver):
    """Hooks at every level and of both dialects."""
    made = [engine.create_hook(receiver.url("/a"), secret="s3cret",
                               filters=["order.*"], headers={"X-A": "1"}),
            engine.create_hook(receiver.url("/b"),
                               "/api/stacks/acme/web/prod/hooks"),
            engine.create_hook(receiver.url("/c"),
                               "/api/esc/environments/acme/web/dev/hooks"),
            engine.create_hook(receiver.url("/d"), "/api/orgs/zeta/hooks",
                               active=False)]
    reply = engine.api(
        "POST", "/organizations/64b0c0ffee0123456789abcd/projects/"
        "64b0c0ffee0123456789abce/settings/webhooks",
        {"name": "ak", "url": receiver.url("/e"), "active": True,
         "events": ["deployment.build.created"]})
    assert reply.status == 201, reply
    return made


def client(engine):
    return {"POSTHORN_TOKEN": engine.token,
            "POSTHORN_API": f"http://127.0.0.1:{engine.api_port}",
            "POSTHORN_INGEST": f"http://127.0.0.1:{engine.ingest_port}"}


def test_export_and_import(engine, make_engine, receiver, tmp_path):
    scopes(engine, receiver)
    file = tmp_path / "hooks.jsonl"
    told = posthorn("export", "--data-dir", engine.data_dir, "--with-secrets",
                    "--output", file)
    assert "5 webhooks" in told.stderr
    assert "5 webhooks" in posthorn("verify", file).stdout
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [l["hook"].get("secret") for l in lines].count("s3cret") == 1
    other = make_engine().start()
    told = posthorn("import", file, env=client(other))
    assert "5 made, 0 updated, 0 skipped" in told.stdout
    for line in lines:
        if "_id" in line["hook"]:
            (hook,) = other.api("GET", line["path"]).json()
            assert hook["name"] == "ak"
            continue
        path = f"{line['path']}/{line['hook']['name']}"
        was, now = (e.api("GET", path).json() for e in (engine, other))
        # Each data directory has a key of its own for this.
        was, now = ({**h, "secretCiphertext": h["secretCiphertext"] != ""}
                    for h in (was, now))
        assert now == was


def test_an_export_has_no_secrets_unless_asked(engine, receiver, tmp_path):
    scopes(engine, receiver)
    told = posthorn("export", "--data-dir", engine.data_dir)
    assert "s3cret" not in told.stdout and "1 have secrets" in told.stderr
    assert len(told.stdout.splitlines()) == 5
    only = posthorn("export", "--data-dir", engine.data_dir, "--org", "zeta")
    assert len(only.stdout.splitlines()) == 1


def test_an_import_is_whole_or_not_at_all(engine, make_engine, receiver,
                                          tmp_path):
    scopes(engine, receiver)
    text = posthorn("export", "--data-dir", engine.data_dir).stdout
    other = make_engine().start()
    bad = json.loads(text.splitlines()[0])
    bad["hook"]["payloadUrl"] = "ftp://x/"
    file = tmp_path / "hooks.jsonl"
    file.write_text(text + compact(bad) + "\n")
    done = posthorn("import", file, env=client(other), status=1)
    assert "line 6" in done.stderr and "nothing is imported" in done.stderr
    for org in ("acme", "zeta"):
        assert other.api("GET", f"/api/orgs/{org}/hooks").json() == []
    for wrong in ("[]", "{", '{"path":"x","hook":{}}', '{"path":"/a"}'):
        file.write_text(wrong + "\n")
        done = posthorn("import", file, env=client(other), status=1)
        assert "line 1" in done.stderr, wrong
        assert "line 1" in posthorn("verify", file, status=1).stderr


def test_conflicts(engine, receiver, tmp_path):
    first = scopes(engine, receiver)[0]
    file = tmp_path / "hooks.jsonl"
    posthorn("export", "--data-dir", engine.data_dir, "--org", "acme",
             "--output", file)
    engine.api("PATCH", first, {"displayName": "changed"})
    done = posthorn("import", file, env=client(engine), status=1)
    assert "nothing is imported" in done.stderr
    assert engine.api("GET", first).json()["displayName"] == "changed"
    told = posthorn("import", file, "--on-conflict", "skip",
                    env=client(engine))
    assert "0 made, 0 updated, 3 skipped" in told.stdout
    told = posthorn("import", file, "--on-conflict", "update", "--json",
                    env=client(engine))
    assert json.loads(told.stdout)["updated"] == 3
    assert engine.api("GET", first).json()["displayName"] == "test"


def test_an_interrupted_import_undoes_itself(engine, make_engine, tmp_path):
    other = make_engine().start()
    file = tmp_path / "hooks.jsonl"
    file.write_text("".join(compact({
        "path": "/api/orgs/acme/hooks",
        "hook": {"organizationName": "acme", "displayName": f"h{n}",
                 "name": f"h{n}", "payloadUrl": "https://example.com/",
                 "active": True}}) + "\n" for n in range(2000)))
    running = subprocess.Popen(
        [BINARY, "import", str(file)], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
        env={**os.environ, **client(other)})
    wait_for(lambda: len(other.api("GET", "/api/orgs/acme/hooks").json()) > 20,
             "some are made")
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 1 and "interrupted" in errors
    assert other.api("GET", "/api/orgs/acme/hooks").json() == []
