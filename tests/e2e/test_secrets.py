# SPDX-License-Identifier: MIT
"""Secrets: signatures while they change, and where they must never be."""

import hashlib
import hmac
import os
import subprocess
import time

import pytest

from engine import BINARY, read_proc
from receiver import Answer
from support import wait_for

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
CANARY = "canary-7c1e5d0b9a3f"


def verified(request, secret):
    """What the two published libraries say: True, or False."""
    answers = []
    import standardwebhooks
    import svix  # takes seconds: only where it is used

    for library in (standardwebhooks, svix):
        try:
            library.Webhook(secret).verify(request.body, request.headers)
            answers.append(True)
        except (standardwebhooks.WebhookVerificationError,
                svix.WebhookVerificationError):
            answers.append(False)
    assert answers[0] == answers[1]
    return answers[0]


def pulumi_signature(request, secret):
    return request.headers.get("pulumi-webhook-signature") == hmac.new(
        secret.encode(), request.body, hashlib.sha256).hexdigest()


# --- rotation ---

def send(engine, receiver):
    engine.settle_hooks()
    count = len(receiver.got())
    engine.post_event()
    return receiver.wait(count + 1)[-1]


@pytest.mark.settings(secret_overlap="3s")
def test_both_secrets_sign_while_they_overlap(engine, receiver):
    hook = engine.create_hook(receiver.url(), secret=OLD)
    request = send(engine, receiver)
    assert verified(request, OLD) and not verified(request, NEW)
    changed = time.monotonic()
    assert engine.api("PATCH", hook, {"secret": NEW}).status == 200
    request = send(engine, receiver)
    assert verified(request, NEW)
    # Pulumi's header has room for one: the new.
    assert pulumi_signature(request, NEW)
    # The same secret once more changes nothing of it.
    assert engine.api("PATCH", hook, {"secret": NEW}).status == 200
    again = send(engine, receiver)
    if time.monotonic() < changed + 2.5:  # else the machine was too busy to tell
        assert verified(request, OLD) and verified(again, OLD)
        assert request.headers["webhook-signature"].count("v1,") == 2
    time.sleep(max(0, changed + 3.1 - time.monotonic()))
    request = send(engine, receiver)
    assert not verified(request, OLD) and verified(request, NEW)
    wait_for(lambda: "replaced secret has expired" in engine.log(),
             "the old one is erased")


def test_removed_secret_signs_nothing_more(engine, receiver):
    hook = engine.create_hook(receiver.url(), secret=OLD)
    engine.api("PATCH", hook, {"secret": NEW})
    engine.api("PATCH", hook, {"secret": "__remove-secret"})
    request = send(engine, receiver)
    assert "webhook-signature" not in request.headers
    assert "pulumi-webhook-signature" not in request.headers


def test_receiver_with_either_secret_sees_no_failure_through_the_change(
        engine, receiver):
    """Thousands of deliveries, the secret changed in their midst."""
    receiver.script("/", Answer(200))
    hook = engine.create_hook(receiver.url(), secret=OLD)
    for n in range(20):
        if n == 10:
            assert engine.api("PATCH", hook, {"secret": NEW}).status == 200
        engine.post_batch([{"kind": "a.b", "payload": {"n": i}}
                           for i in range(100)])
    receiver.wait(2000, seconds=60)
    engine.settle_hooks()
    last = engine.post_event("a.b")
    requests = {r.id: r for r in receiver.wait(2001)}
    assert all(verified(r, OLD) for r in requests.values())
    assert verified(requests[last], NEW)


def test_each_attempt_has_its_own_time(make_engine, receiver):
    engine = make_engine(retry_schedule="1100ms").start()
    receiver.script("/", Answer(500), Answer(200))
    engine.create_hook(receiver.url(), secret=OLD)
    engine.post_event()
    first, second = receiver.wait(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert (int(first.headers["webhook-timestamp"])
            < int(second.headers["webhook-timestamp"]))
    assert verified(first, OLD) and verified(second, OLD)


# --- the key ---

def key_path(engine):
    return engine.data_dir / "secret.key"


def rekey(engine, *more):
    return subprocess.run(
        [BINARY, "rekey", "--data-dir", str(engine.data_dir), *more],
        capture_output=True, text=True, timeout=60)


def test_key_is_made_once_and_for_its_owner_alone(engine, receiver):
    assert key_path(engine).stat().st_mode & 0o777 == 0o400
    before = key_path(engine).read_text()
    assert engine.stop() == 0
    engine.start()
    assert key_path(engine).read_text() == before


@pytest.mark.parametrize("fault, words", [
    ("other", "encrypted with another key"),
    ("missing", "cannot be read"),
    ("garbage", "must hold 1 to 4 keys"),
])
def test_wrong_key_refuses_and_overwrites_nothing(engine, receiver, fault,
                                                  words):
    hook = engine.create_hook(receiver.url(), secret=OLD)
    assert engine.stop() == 0
    path = key_path(engine)
    right = path.read_text()
    path.chmod(0o600)
    if fault == "missing":
        path.unlink()
    else:
        path.write_text("ab" * 32 + "\n" if fault == "other" else "what\n")
    files = {p: p.read_bytes() for p in engine.data_dir.rglob("data.mdb")}
    refused = subprocess.run(
        engine.command(), capture_output=True, text=True, timeout=20,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert refused.returncode != 0 and words in refused.stderr
    assert files == {p: p.read_bytes() for p in files}
    assert path.exists() == (fault != "missing")
    path.write_text(right)
    path.chmod(0o400)
    engine.start()
    assert verified(send(engine, receiver), OLD)
    assert engine.api("GET", hook).json()["hasSecret"]


def test_rekey_changes_the_key_and_keeps_the_secrets(engine, receiver):
    engine.create_hook(receiver.url(), secret=OLD)
    refused = rekey(engine)
    assert refused.returncode == 1 and "stop it first" in refused.stderr
    assert engine.stop() == 0
    before = key_path(engine).read_text()
    done = rekey(engine)
    assert done.returncode == 0, done.stderr
    assert "sealed 1 webhooks with a new key" in done.stdout
    after = key_path(engine).read_text()
    assert after != before and len(after) == 65
    assert key_path(engine).stat().st_mode & 0o777 == 0o400
    engine.start()
    assert verified(send(engine, receiver), OLD)


def test_rekey_killed_anywhere_leaves_an_engine_that_starts(engine, receiver):
    for n in range(300):
        engine.api("POST", "/api/orgs/acme/hooks", {
            "organizationName": "acme", "displayName": "x", "active": False,
            "payloadUrl": receiver.url(), "secret": NEW})
    engine.create_hook(receiver.url(), secret=OLD)
    assert engine.stop() == 0
    for wait_ms in (1, 3, 5, 8, 12, 20):
        process = subprocess.Popen(
            [BINARY, "rekey", "--data-dir", str(engine.data_dir)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait_ms / 1000)
        process.kill()
        process.wait()
        engine.start()
        assert verified(send(engine, receiver), OLD)
        assert engine.stop() == 0
    assert rekey(engine).returncode == 0
    assert len(key_path(engine).read_text()) == 65
    engine.start()
    assert verified(send(engine, receiver), OLD)


def test_key_may_lie_elsewhere(make_engine, receiver, tmp_path):
    path = tmp_path / "keys"
    engine = make_engine(secret_key_file=str(path)).start()
    engine.create_hook(receiver.url(), secret=OLD)
    assert path.exists() and not key_path(engine).exists()
    assert verified(send(engine, receiver), OLD)


# --- where no secret may be ---

def test_canary_is_nowhere(engine, receiver):
    """A secret, the one before it, and a client's key: not on the disk, in an
    answer, the log, the metrics, or what others may read of a process."""
    receiver.script("/", Answer(500), Answer(200))
    secrets = [f"{CANARY}-{n}" for n in range(4)]
    hook = engine.create_hook(receiver.url(), secret=secrets[0])
    answers = [engine.api("PATCH", hook, {"secret": secrets[1]}).body]
    # Refused values are not repeated either.
    answers.append(engine.api("PATCH", hook, {
        "secret": secrets[2] + "x" * 2000}).body)
    answers.append(engine.api("POST", "/api/orgs/acme/hooks", {
        "organizationName": "acme", "displayName": "x", "active": True,
        "payloadUrl": "ftp://x", "secret": secrets[3]}).body)
    engine.post_event()
    engine.wait_deliveries(hook, 1)
    engine.api("POST", f"{hook}/ping")
    for path in (hook, f"{hook}/deliveries", f"{hook}/status", "/metrics",
                 "/api/orgs/acme/hooks", "/api/openapi.json"):
        answers.append(engine.api("GET", path).body)
    assert not any(CANARY.encode() in answer for answer in answers)
    for pid in [engine.process.pid, *engine.pids()]:
        for name in ("cmdline", "environ", "comm", "maps"):
            assert CANARY not in read_proc(pid, name)
    assert engine.stop() == 0
    assert CANARY not in engine.log()
    found = [p for p in engine.data_dir.rglob("*") if p.is_file()
             and CANARY.encode() in p.read_bytes()]
    assert not found
    key = bytes.fromhex(key_path(engine).read_text().strip())
    for path in engine.data_dir.rglob("*.mdb"):
        assert key not in path.read_bytes()
    assert os.stat(engine.data_dir).st_mode & 0o777 == 0o700
