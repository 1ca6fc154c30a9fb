# SPDX-License-Identifier: MIT
"""Parts of a data directory that are of another time, another place or another
directory, or gone while the engine runs: nothing accepted is silently lost, and
what does not belong together is told with a way out."""

import json
import os
import shutil
import subprocess

import pytest

from engine import BINARY, SANITIZER
from receiver import Answer
from support import wait_for


def posthorn(*words):
    return subprocess.run([BINARY, *map(str, words)], capture_output=True,
                          text=True, timeout=120)


def copy_part(engine, name, to):
    """A part of the directory of an engine that does not run."""
    shutil.copytree(engine.data_dir / name, to)


def put_part(engine, name, source):
    shutil.rmtree(engine.data_dir / name)
    shutil.copytree(source, engine.data_dir / name)


def post(engine, count, first=0):
    return engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                              for n in range(first, first + count)])


def refusal(engine):
    """What a start says that ends by itself."""
    done = subprocess.run(engine.command(), capture_output=True, text=True,
                          timeout=120, cwd=engine.directory,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 1, done
    assert not SANITIZER.search(done.stderr), done.stderr
    return done.stderr


@pytest.fixture
def engine(make_engine):
    return make_engine(dispatchers="2", retry_schedule="200ms,200ms").start()


def test_an_event_log_of_an_earlier_backup_delivers_what_is_posted_later(
        engine, receiver, tmp_path):
    hook = engine.create_hook(receiver.url("/in"))
    post(engine, 10)
    engine.wait_deliveries(hook, 10)
    assert engine.stop() == 0
    copy_part(engine, "events", tmp_path / "events")
    engine.restart()
    post(engine, 30)
    engine.wait_deliveries(hook, 40, "?limit=1000")
    late = engine.create_hook(receiver.url("/late"))
    assert engine.stop() == 0
    put_part(engine, "events", tmp_path / "events")
    told = posthorn("verify", "--data-dir", engine.data_dir)
    assert told.returncode == 1 and "30 are missing" in told.stderr

    engine.restart()
    assert "events are missing" in engine.log() and "missing=30" in engine.log()
    fresh = post(engine, 20)
    assert len(set(fresh)) == 20
    receiver.wait(20, "/late")
    got = [r.id for r in receiver.wait(60, "/in")]
    assert got[40:] and set(got[40:]) == set(fresh) and len(got) == 60
    books = engine.wait_settled()
    assert books["balanced"] and books["missing"] == 30
    assert books["accepted"] == 60
    assert engine.metrics()["posthorn_events_missing"][
        'role="ingest"'] == 30
    assert len(engine.deliveries(late)) == 20
    # Once more: what is noted is not noted again.
    engine.stop()
    engine.restart()
    assert engine.wait_settled()["missing"] == 30


def test_what_waits_for_a_missing_event_is_cancelled_and_counted(
        engine, receiver, tmp_path):
    hook = engine.create_hook(receiver.url("/in"))
    post(engine, 1)
    engine.wait_deliveries(hook, 1)
    assert engine.stop() == 0
    copy_part(engine, "events", tmp_path / "events")
    engine.restart()
    receiver.script("/in", Answer(status=500))
    post(engine, 3)
    wait_for(lambda: len(engine.deliveries(hook, "?state=dead")) == 3, "dead")
    engine.settings["retry_schedule"] = "1h"
    engine.stop()
    engine.restart()
    post(engine, 4)
    wait_for(lambda: len(engine.deliveries(hook, "?state=retrying")) == 4,
             "retrying")
    assert engine.stop() == 0
    put_part(engine, "events", tmp_path / "events")
    receiver.script("/in", Answer())
    engine.restart()
    books = engine.verify()
    assert books["missing"] == 7 and books["dead"] == 3
    dead = engine.deliveries(hook, "?state=dead")[0]
    assert dead["payload"] == ""
    fresh = engine.post_event("a.b")
    wait_for(lambda: fresh in [r.id for r in receiver.got("/in")], "fresh")


def test_hooks_of_an_earlier_backup_do_not_inherit_deliveries(
        engine, receiver, tmp_path):
    engine.create_hook(receiver.url("/kept"))
    assert engine.stop() == 0
    copy_part(engine, "hooks", tmp_path / "hooks")
    engine.settings["retry_schedule"] = "1s,1s,1s,1s,1s"
    engine.restart()
    receiver.script("/lost", Answer(status=500))
    for _ in range(3):
        engine.create_hook(receiver.url("/lost"))
    post(engine, 5)
    receiver.wait(15, "/lost")
    assert engine.stop() == 0
    put_part(engine, "hooks", tmp_path / "hooks")
    engine.restart()
    assert "webhooks are missing" in engine.log()
    other = engine.create_hook(receiver.url("/zeta"), "/api/orgs/zeta/hooks")
    wait_for(lambda: engine.verify()["pending"] == 0, "nothing waits")
    assert receiver.got("/zeta") == [] and engine.deliveries(other) == []
    engine.post_event("a.b", org="zeta")
    receiver.wait(1, "/zeta")


def test_a_part_of_another_directory_is_refused(make_engine, engine, receiver,
                                                tmp_path):
    other = make_engine(dispatchers="2").start()
    for e in (engine, other):
        e.create_hook(receiver.url("/in"))
        post(e, 3)
        e.wait_settled()
        assert e.stop() == 0
    for part in ("events", "hooks", "deliveries"):
        own = tmp_path / f"own-{part}"
        shutil.move(engine.data_dir / part, own)
        copy_part(other, part, engine.data_dir / part)
        told = refusal(engine)
        assert f"{part}" in told and "of another data directory" in told
        assert f"--data-dir {engine.data_dir}" in told
        verified = posthorn("verify", "--data-dir", engine.data_dir)
        assert verified.returncode == 1
        assert "of another data directory" in verified.stderr
        put_part(engine, part, own)
    # The right ones in their places are all that it takes.
    engine.restart()
    assert engine.wait_settled()["delivered"] == 3


def test_exchanged_shards_are_refused(engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    post(engine, 3)
    engine.wait_deliveries(hook, 3)
    assert engine.stop() == 0
    shards = engine.data_dir / "deliveries"

    def exchange():
        (shards / "0").rename(shards / "x")
        (shards / "1").rename(shards / "0")
        (shards / "x").rename(shards / "1")
    exchange()
    told = refusal(engine)
    assert "exchanged" in told and "deliveries/0 holds shard 1 of 2" in told
    assert "exchanged" in posthorn("verify", engine.data_dir).stderr
    exchange()
    engine.restart()
    assert len(engine.deliveries(hook)) == 3


def test_a_part_that_is_missing_is_refused(engine, receiver, tmp_path):
    hook = engine.create_hook(receiver.url("/in"))
    post(engine, 3)
    engine.wait_deliveries(hook, 3)
    assert engine.stop() == 0
    for part in ("events", "hooks", "deliveries", "deliveries/0",
                 "deliveries/1", "events/data.mdb"):
        shutil.move(engine.data_dir / part, tmp_path / "away")
        told = refusal(engine)
        assert "missing" in told and part.split("/")[0] in told
        assert posthorn("verify", engine.data_dir).returncode == 1
        shutil.move(tmp_path / "away", engine.data_dir / part)
    engine.restart()
    assert engine.wait_settled()["delivered"] == 3
    assert len(receiver.got("/in")) == 3


def test_a_backup_is_a_directory_of_its_own(engine, receiver, tmp_path):
    """Its parts are not those of the directory that it was made of."""
    hook = engine.create_hook(receiver.url("/in"))
    post(engine, 3)
    engine.wait_deliveries(hook, 3)
    assert posthorn("backup", tmp_path / "b", "--data-dir",
                    engine.data_dir).returncode == 0
    assert json.loads(posthorn("verify", tmp_path / "b", "--json").stdout)[
        "balanced"]
    assert engine.stop() == 0
    shutil.move(engine.data_dir / "events", tmp_path / "own")
    shutil.copytree(tmp_path / "b" / "events", engine.data_dir / "events")
    assert "of another data directory" in refusal(engine)
    put_part(engine, "events", tmp_path / "own")


def test_a_directory_from_before_there_were_ids_is_taken_as_it_is(
        engine, receiver):
    hook = engine.create_hook(receiver.url("/in"))
    post(engine, 3)
    engine.wait_deliveries(hook, 3)
    assert engine.stop() == 0
    text = (engine.data_dir / "FORMAT").read_text()
    assert text.splitlines()[0] == "posthorn 5"
    (engine.data_dir / "FORMAT").write_text(
        text.replace("complete\n", ""))
    engine.restart()
    assert engine.stop() == 0
    assert (engine.data_dir / "FORMAT").read_text() == text
    engine.restart(dispatchers="3")
    assert engine.stop() == 0
    engine.restart(dispatchers="1")
    assert len(engine.deliveries(hook)) == 3


# --- while it runs ---

def test_nothing_is_accepted_into_files_that_are_gone(engine, receiver):
    """Not even the first request after the removal gets a 202; what comes back
    is used again."""
    engine.create_hook(receiver.url("/in"))
    ids = [engine.post_event("a.b")]
    token = engine.token
    away = engine.directory / "away"

    def refused():
        for _ in range(5):
            reply = engine.intake(b'{"kind":"a.b","payload":{}}', token=token)
            assert reply.status == 503, reply
            assert "removed or replaced" in reply.json()["message"]
        wait_for(lambda: engine.api("GET", "/readyz", token=None).status
                 == 503, "it is not ready")
    for path in (engine.data_dir, engine.data_dir / "events",
                 engine.data_dir / "events" / "data.mdb"):
        path.rename(away)
        refused()
        away.rename(path)
        engine.wait_ready(60)
        wait_for(lambda: engine.intake(b'{"kind":"a.b","payload":{}}').status
                 == 202, "intake goes on", 30)
        ids.append(engine.post_event("a.b"))
    wait_for(lambda: set(ids) <= {r.id for r in receiver.got("/in")},
             "they arrive", 30)
    engine.wait_settled()
    # Another file in its place, then no directory at all.
    log = engine.data_dir / "events" / "data.mdb"
    shutil.copy(log, away)
    away.rename(log)
    refused()
    shutil.rmtree(engine.data_dir)
    refused()
    assert "removed or replaced" in engine.log()
    engine.check_exit = engine.check_books = False


def test_a_hook_is_not_made_in_files_that_are_gone(engine, receiver):
    path = "/api/orgs/acme/hooks"
    body = {"organizationName": "acme", "displayName": "x", "active": True,
            "payloadUrl": receiver.url("/in")}
    assert engine.api("POST", path, body).status == 201
    away = engine.directory / "away"
    (engine.data_dir / "hooks").rename(away)
    reply = engine.api("POST", path, body)
    assert reply.status == 503 and "removed or replaced" in reply.json()[
        "message"]
    away.rename(engine.data_dir / "hooks")
    wait_for(lambda: engine.api("POST", path, body).status == 201,
             "hooks are made again", 30)
    engine.wait_ready(60)
