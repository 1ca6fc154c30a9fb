# SPDX-License-Identifier: MIT
"""seal_payloads: payloads are encrypted on the disk with a key per organization."""

import os
import time
import re
import shutil
import subprocess

from receiver import Answer
from support import PATIENCE_S, wait_for

CANARY = "canary-3f9ad1c27e58"
ANSWER = "echo-8b04e6d951aa"
HEADER = "header-5cc1e7340bd2"
LOCKED = b"encrypted, and its key is not there"


def keys_of(engine):
    return engine.data_dir.parent / "payload-keys"


def sealing(make_engine, **more):
    engine = make_engine(**{"seal_payloads": "on", "retry_schedule": "50ms",
                            "dispatchers": "1", "breaker_failures": "0", **more})
    engine.settings["payload_keys_dir"] = str(keys_of(engine))
    return engine


def files_with(directory, mark):
    found = []
    for where, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as file:
                if mark.encode() in file.read():
                    found.append(os.path.relpath(path, directory))
    return found


def command(engine, *words):
    return engine.run(*words, POSTHORN_PAYLOAD_KEYS_DIR=str(keys_of(engine))).stdout


def refusal(engine):
    done = subprocess.run(engine.command(), capture_output=True, text=True,
                          timeout=PATIENCE_S, cwd=engine.directory)
    assert done.returncode == 1, done
    return done.stdout + done.stderr


def post(engine, org, text=CANARY):
    reply = engine.intake(
        f'{{"kind":"a.b","payload":{{"text":"{text}"}}}}'.encode(), org,
        headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    assert reply.status == 202, reply
    return reply.json()["id"]


def redeliver(engine, hook, event):
    return engine.api("POST", f"{hook}/deliveries/{event}/redeliver")


def history(engine, hook):
    return engine.api("GET", f"{hook}/deliveries").json()


def test_settings_that_contradict_each_other_are_all_named(make_engine, tmp_path):
    engine = make_engine(seal_payloads="maybe", request_timeout="1s", connect_timeout="2s")
    text = refusal(engine)
    assert "seal_payloads: must be on or off" in text and "connect_timeout" in text
    engine.settings = {**engine.settings, "seal_payloads": "on", "connect_timeout": "1s"}
    assert "payload_keys_dir: must be set" in refusal(engine)
    link = tmp_path / "link"
    link.symlink_to(engine.data_dir.parent)
    for inside in (engine.data_dir / "keys", engine.data_dir.parent,
                   link / engine.data_dir.name / "keys"):
        engine.settings["payload_keys_dir"] = str(inside)
        engine.settings["ca_file"] = "/nowhere"
        text = refusal(engine)
        assert "must lie outside of data_dir" in text and "ca_file" in text
        assert not (engine.data_dir / "keys").exists()


def test_a_key_that_is_destroyed_erases_all_copies(make_engine, receiver, tmp_path):
    engine = sealing(make_engine).start()
    receiver.script("/acme", Answer(500, ANSWER.encode(), headers={"X-Echo": HEADER}),
                    Answer(200, ANSWER.encode()))
    hooks = {org: engine.create_hook(receiver.url(f"/{org}"), f"/api/orgs/{org}/hooks")
             for org in ("acme", "globex")}
    looks = engine.create_hook(receiver.url("/looks"), "/api/orgs/globex/hooks",
                               ordered=True, orderKey="text",
                               pattern={"payload": {"text": [{"prefix": CANARY[:9]}]}})
    post(engine, "globex", "other")
    events = {org: post(engine, org) for org in hooks}
    engine.wait_deliveries(hooks["acme"], 2)
    engine.wait_deliveries(hooks["globex"], 2)
    engine.wait_deliveries(looks, 1)
    assert CANARY in history(engine, looks)[0]["payload"]

    # Whoever may read gets all of it.
    assert CANARY in history(engine, hooks["acme"])[0]["payload"]
    assert {a["responseBody"] for a in history(engine, hooks["acme"])} == {ANSWER}
    assert HEADER in history(engine, hooks["acme"])[1]["responseHeaders"]
    assert redeliver(engine, hooks["acme"], events["acme"]).status == 200
    assert CANARY.encode() in receiver.got()[-1].body
    shown = engine.api("GET", f"/api/orgs/acme/events/{events['acme']}").json()
    assert CANARY in shown["payload"] and "payloadLocked" not in shown

    # Nobody else finds it in a file.
    backup = tmp_path / "backup"
    command(engine, "backup", str(backup), "--data-dir", str(engine.data_dir))
    engine.stop()
    for mark in (CANARY, ANSWER, HEADER, "0af7651916cd43dd"):
        for where in (engine.data_dir, backup, keys_of(engine)):
            assert files_with(where, mark) == [], mark
    names = sorted(os.listdir(keys_of(engine)))
    assert len(names) == 2 and all(name.endswith(".key") for name in names)
    assert {(keys_of(engine) / name).stat().st_mode & 0o777 for name in names} == {0o600}
    told = command(engine, "rekey", "--data-dir", str(engine.data_dir))
    assert "sealed 2 keys of payloads" in told
    new_key = (engine.data_dir / "secret.key").read_text()

    # What copies records needs no keys, and the copies have what was there.
    engine.run("repair", "--data-dir", engine.data_dir, "--to", tmp_path / "repaired")
    shutil.rmtree(engine.data_dir)
    shutil.move(tmp_path / "repaired", engine.data_dir)
    engine.run("compact", "--data-dir", engine.data_dir)
    engine.settings["dispatchers"] = "2"  # the shards are divided anew
    engine.start()
    assert CANARY in history(engine, hooks["acme"])[0]["payload"]
    assert {a["responseBody"] for a in history(engine, hooks["acme"])} == {ANSWER}
    engine.stop()
    told = command(engine, "verify", str(engine.data_dir))
    assert "It adds up" in told and re.search(r"sealed +3 ", told)
    assert re.search(r"locked +0 ", told)

    # One organization is erased.
    engine.start()
    erasure = engine.api("DELETE", "/api/orgs/acme").json()["id"]
    wait_for(lambda: engine.api("GET", f"/api/erasures/{erasure}").json()["step"] == "done",
             "acme is erased")
    assert len(os.listdir(keys_of(engine))) == 1
    assert redeliver(engine, hooks["globex"], events["globex"]).status == 200
    engine.stop()

    # The older backup cannot give its payloads any more; the other one's are there.
    shutil.rmtree(engine.data_dir)
    shutil.move(backup, engine.data_dir)
    assert "put that key into the file" in refusal(engine)  # it is from before the rekey
    key_file = engine.data_dir / "secret.key"
    old_key = key_file.read_text()
    key_file.chmod(0o600)
    key_file.write_text(new_key + old_key)
    engine.start()
    got = len(receiver.got())
    shown = engine.api("GET", f"/api/orgs/acme/events/{events['acme']}").json()
    assert shown["payload"] == "" and shown["payloadLocked"] is True
    answer = redeliver(engine, hooks["acme"], events["acme"])
    assert answer.status == 410 and LOCKED in answer.body
    assert [(a["payload"], a["responseBody"], a["payloadLocked"])
            for a in history(engine, hooks["acme"])] == [("", "", True)] * 3
    answer = engine.api("GET", f"{hooks['acme']}/deliveries/{events['acme']}/request")
    assert answer.status == 410 and LOCKED in answer.body
    assert redeliver(engine, hooks["globex"], events["globex"]).status == 200
    assert len(receiver.got()) == got + 1
    # The name is free: what comes now has a new key.
    again = post(engine, "acme", "anew")
    engine.wait_deliveries(hooks["acme"], 4)
    assert "anew" in history(engine, hooks["acme"])[0]["payload"]
    assert redeliver(engine, hooks["acme"], again).status == 200
    engine.stop()
    assert re.search(r"locked +1 ", command(engine, "verify", str(engine.data_dir)))


def test_a_mixed_log_and_a_lost_key_file(make_engine, receiver):
    engine = sealing(make_engine, seal_payloads="off").start()
    hook = engine.create_hook(receiver.url("/acme"), "/api/orgs/acme/hooks",
                              retrySchedule=["1s"] * 9)
    first = post(engine, "acme", "open")
    engine.wait_deliveries(hook, 1)
    engine.stop()
    engine.restart(seal_payloads="on")
    second = post(engine, "acme")
    engine.wait_deliveries(hook, 2)
    assert engine.api("PATCH", hook, {"paused": True}).status == 200
    engine.settle_hooks()
    third = post(engine, "acme")  # it waits
    # A key that cannot be read for a while costs attempts, and loses nothing.
    key = keys_of(engine) / os.listdir(keys_of(engine))[0]
    text = key.read_bytes()
    key.write_bytes(b"damaged\n")
    time.sleep(1.5)  # each process looks once a second
    assert engine.api("PATCH", hook, {"paused": False}).status == 200
    wait_for(lambda: "cannot be read" in str(
        [a for a in engine.deliveries(hook) if a["id"] == third]), "the attempt failed")
    key.write_bytes(text)
    engine.wait_deliveries(hook, 3)
    assert engine.api("PATCH", hook, {"paused": True}).status == 200
    engine.settle_hooks()
    third = post(engine, "acme")  # it waits
    engine.stop()
    engine.restart(seal_payloads="off")
    fourth = post(engine, "acme", "open-again")
    for event in (first, second):
        assert redeliver(engine, hook, event).status == 200
    assert CANARY.encode() in receiver.got()[-1].body
    assert files_with(engine.data_dir, CANARY) == []
    assert files_with(engine.data_dir, "open-again") != []

    engine.stop()
    for name in os.listdir(keys_of(engine)):
        os.remove(keys_of(engine) / name)
    assert "is the right directory mounted" in refusal(engine)
    (keys_of(engine) / "without-keys").touch()
    engine.start()
    assert redeliver(engine, hook, first).status == 200
    assert redeliver(engine, hook, second).status == 410
    got = len(receiver.got())
    assert engine.api("PATCH", hook, {"paused": False}).status == 200

    def rows(event):
        return [a for a in history(engine, hook) if a["id"] == event]
    wait_for(lambda: rows(third), "it was cancelled")
    row = rows(third)[0]
    assert row["state"] == "cancelled" and "encrypted" in row["reason"]
    wait_for(lambda: rows(fourth), "the next one goes on")
    assert b"open-again" in receiver.got()[-1].body and len(receiver.got()) == got + 1
    assert "event cannot be read" not in engine.log()
    engine.check_log()
