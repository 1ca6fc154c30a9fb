# SPDX-License-Identifier: MIT
"""Pages that are damaged, cut off, or in each other's places: nobody gets what is
somebody else's, and everything ends with a sentence and a way out."""

import http.client
import json
import random
import re
import shutil
import subprocess
import time
import uuid

import pytest

from engine import BINARY, SANITIZER, Engine
from pages import BRANCH, LEAF, OVERFLOW, PAGE, Pages
from receiver import Answer, Receiver
from support import compact, wait_for


def posthorn(*words):
    done = subprocess.run([BINARY, *map(str, words)], capture_output=True,
                          text=True, timeout=300)
    assert done.returncode in (0, 1), (words, done)
    return done


def large(marker, n_bytes):
    return {"text": marker + "x" * n_bytes}


@pytest.mark.settings(retry_schedule="3s,3s,3s")
def test_an_event_in_the_place_of_another_is_sent_to_nobody(engine, receiver):
    """Large events of two organizations exchange their pages while their
    deliveries wait."""
    hooks = {org: engine.create_hook(receiver.url(f"/{org}"),
                                     f"/api/orgs/{org}/hooks")
             for org in ("acme", "zeta")}
    receiver.script("/acme", Answer(status=500))
    receiver.script("/zeta", Answer(status=500))
    made = {}
    for n, chosen in enumerate((False, False, True)):
        for org in hooks:
            more = {"id": str(uuid.uuid4())} if chosen else {}
            made[org, n] = engine.post_event(
                "a.b", large(f"{org}-{n}-only", 20000 + 5000 * n), org, **more)
    receiver.wait(3, "/acme")
    receiver.wait(3, "/zeta")
    engine.wait_deliveries(hooks["acme"], 3)
    engine.wait_deliveries(hooks["zeta"], 3)
    assert engine.stop() == 0
    log = Pages(engine.data_dir / "events" / "data.mdb")
    for n in range(3):
        a, z = (log.value_with(f"{org}-{n}-only".encode()) for org in hooks)
        log.exchange(a, z, log.header(a)[2], number=n > 0)
    log.save()
    told = posthorn("verify", "--data-dir", engine.data_dir)
    assert told.returncode == 1 and "lies where page" in told.stderr

    engine.check_books = False
    receiver.script("/acme", Answer())
    receiver.script("/zeta", Answer())
    with receiver.lock:
        receiver.requests.clear()
    engine.restart()
    wait_for(lambda: json.loads(posthorn(
        "verify", "--data-dir", engine.data_dir, "--json").stdout)[
            "cancelled"] == 6, "all are cancelled", 30)
    for (org, n), event in made.items():
        reply = engine.api("POST",
                           f"{hooks[org]}/deliveries/{event}/redeliver")
        assert reply.status in (404, 410), reply
    for org, hook in hooks.items():
        other = "zeta" if org == "acme" else "acme"
        shown = json.dumps(engine.deliveries(hook, "?limit=1000"))
        assert f"{other}-" not in shown
        assert "posthorn_" in engine.api("GET", "/metrics", token=None
                                         ).body.decode()
    assert receiver.got("/acme") == [] and receiver.got("/zeta") == []
    assert "stored data is damaged" in engine.log()  # a record knows its place
    fresh = engine.post_event("a.b", large("fresh", 20000), "zeta")
    assert [r.id for r in receiver.wait(1, "/zeta")] == [fresh]


# --- rounds of damage ---

ORGS = ("acme", "beta", "zeta")
FILES = ("events", "hooks", "deliveries/0", "deliveries/1")
ADVICE = re.compile(r"posthorn repair|posthorn verify")


def zeroed(pages, rng):
    for _ in range(rng.choice((1, 1, 4))):
        pages.put(pick(pages, rng), bytes(PAGE))


def exchanged(pages, rng):
    pages.exchange(pick(pages, rng), pick(pages, rng),
                   number=rng.random() < 0.3)


def cut_off(pages, rng):
    del pages.data[rng.randrange(2 * PAGE, len(pages.data)):]


def scrambled(pages, rng):
    pages.put(pick(pages, rng), rng.randbytes(PAGE))


def spotted(pages, rng):
    for _ in range(rng.choice((1, 4))):
        n_bytes = rng.choice((1, 2, 8))
        at = pick(pages, rng) * PAGE + rng.randrange(PAGE - n_bytes)
        pages.data[at:at + n_bytes] = rng.randbytes(n_bytes)


def beheaded(pages, rng):
    """Where it says where everything begins."""
    n_bytes = rng.choice((1, 8))
    at = rng.randrange(2) * PAGE + rng.randrange(150)
    pages.data[at:at + n_bytes] = rng.randbytes(n_bytes)


KINDS = (zeroed, exchanged, cut_off, scrambled, spotted, beheaded)


def pick(pages, rng):
    """Mostly a page that is, or was, in use."""
    used = pages.of_kind(BRANCH | LEAF | OVERFLOW)
    return rng.choice(used) if rng.random() < 0.8 else rng.randrange(
        2, len(pages))


def settings():
    return {"dispatchers": "2", "retry_schedule": "200ms,200ms,1h",
            "drain_timeout": "2s"}


@pytest.fixture(scope="module")
def seed(tmp_path_factory):
    """A data directory with something in every table, and its receiver."""
    directory = tmp_path_factory.mktemp("seed")
    engine = Engine(directory, **settings())
    receiver = Receiver()
    engine.start()
    for org in ORGS:
        receiver.script(f"/{org}/bad", Answer(status=500))
        for n in range(3):
            engine.create_hook(receiver.url(f"/{org}/{'bad' if n else 'good'}"),
                               f"/api/orgs/{org}/hooks",
                               secret="s3cret", headers={"X-Org": org})
    for n in range(60):
        for org in ORGS:
            engine.post_event("a.b", {"of": f"org-{org}", "n": n, "x": "y" * (
                9000 if n % 6 == 0 else 50)}, org)
    wait_for(lambda: engine.verify()["unmatched"] == 0, "all are matched", 60)
    wait_for(lambda: len(receiver.got()) >= 60 * 3 * 5, "they are sent", 60)
    assert engine.stop() == 0
    yield directory / "data", receiver
    receiver.stop()


def serve(engine, receiver):
    """Runs it on what is there. Whether it became ready; if not, it ended with
    status 1 and a sentence."""
    engine.check_books = engine.check_exit = False
    with receiver.lock:
        receiver.requests.clear()
    engine.spawn()

    def is_decided():
        if engine.process.poll() is not None:
            return True
        try:
            return engine.api("GET", "/readyz", token=None).status == 200
        except (OSError, http.client.HTTPException):
            return False
    wait_for(is_decided, "it is ready, or has ended", 60)
    is_ready = engine.process.poll() is None
    if is_ready:
        for org in ORGS:
            for n in range(2):
                try:
                    engine.intake(compact({"kind": "a.b", "payload": {
                        "of": f"org-{org}", "x": "z" * 9000 * n}}).encode(), org)
                except (OSError, http.client.HTTPException):
                    pass
        time.sleep(0.3)  # for what it might send to the wrong one
        engine.stop()
    else:
        assert engine.process.returncode == 1
        assert ADVICE.search(engine.log()), engine.log()
    engine.check_log()
    assert not re.search(r"signal=(6|7|8|11)\b", engine.log()), engine.log()
    for request in receiver.got():
        org = request.path.split("/")[1]
        assert f"org-{org}".encode() in request.body, request
        assert not any(f"org-{other}".encode() in request.body
                       for other in ORGS if other != org), request
        assert request.headers.get("x-org") == org
    return is_ready


def damage_round(make_engine, seed, rng, tmp_path):
    source, receiver = seed
    engine = make_engine(**settings())
    shutil.copytree(source, engine.data_dir)
    file, kind = rng.choice(FILES), rng.choice(KINDS)
    pages = Pages(engine.data_dir / file / "data.mdb")
    kind(pages, rng)
    pages.save()
    what = f"{kind.__name__} {file}"
    verified = posthorn("verify", "--data-dir", engine.data_dir)
    if verified.returncode:
        assert ADVICE.search(verified.stderr), (what, verified)
    made = posthorn("backup", tmp_path / "b", "--data-dir", engine.data_dir)
    assert (tmp_path / "b").exists() == (made.returncode == 0)
    assert not list(tmp_path.glob("b.tmp*"))
    assert made.returncode == 0 or "repair" in made.stderr, (what, made)
    repaired = make_engine(**settings())
    told = posthorn("repair", "--data-dir", engine.data_dir, "--to",
                    repaired.data_dir, "--json")
    assert told.returncode == 0, (what, told)
    found = json.loads(told.stdout)
    if verified.returncode == 0:
        assert found["lost"] == found["damaged"] == found["faults"] == 0, what
    new = posthorn("verify", repaired.data_dir)
    assert new.returncode == 0, (what, new, told)
    assert not SANITIZER.search(verified.stderr + made.stderr + told.stderr)
    serve(engine, receiver)
    assert serve(repaired, receiver), what
    new = posthorn("verify", repaired.data_dir)
    assert new.returncode == 0, (what, new)
    for directory in (tmp_path / "b", engine.data_dir, repaired.data_dir):
        shutil.rmtree(directory, ignore_errors=True)


def test_damage_of_any_kind_ends_with_a_sentence_and_can_be_repaired(
        request, make_engine, seed, tmp_path, monkeypatch):
    # A start that is refused does not free what it has.
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")
    rounds = 200 if request.config.getoption("--long") else 8
    for n in range(rounds):
        damage_round(make_engine, seed, random.Random(f"damage {n}"), tmp_path)
