"""Pages that are damaged, cut off, or in each other's places: nobody gets what is
somebody else's, and everything ends with a sentence and a way out."""

import json
import subprocess
import uuid

import pytest

from engine import BINARY
from pages import Pages
from receiver import Answer
from support import wait_for


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
    assert told.returncode == 1 and "where another one belongs" in told.stderr

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
    assert "an event of somebody else" in engine.log()
    fresh = engine.post_event("a.b", large("fresh", 20000), "zeta")
    assert [r.id for r in receiver.wait(1, "/zeta")] == [fresh]
