# SPDX-License-Identifier: MIT
"""A follower is told when retention removed attempts before it got them, and only then."""

import http.client
import json
import signal
import subprocess
import time

import pytest

from engine import BINARY
from support import wait_for

pytestmark = pytest.mark.settings(retention_delivered="1s", retention_dead="1s",
                                  breaker_failures="0")


class Follower:
    def __init__(self, engine, owner="/api/orgs/acme", last_id=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", engine.api_port,
                                                     timeout=60)
        headers = {"Authorization": f"token {engine.token}"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self.connection.request("GET", f"{owner}/tail", headers=headers)
        self.reply = self.connection.getresponse()
        assert self.reply.status == 200

    def block(self):
        """The fields of the next server-sent event, or of a block without one."""
        fields = {}
        while (line := self.reply.readline().decode().rstrip("\n")):
            name, _, value = line.partition(": ")
            fields[name] = value
        return fields

    def event(self):
        while "data" not in (fields := self.block()):
            pass
        return fields["event"], json.loads(fields["data"]), fields["id"]

    def close(self):
        self.reply.close()
        self.connection.close()


def wait_removed(engine, hook):
    engine.wait_settled()  # before it is stored, an attempt is not in the history either
    wait_for(lambda: engine.deliveries(hook) == [], "retention removes its history")


def test_a_gap_is_said_once(engine, receiver):
    hook = engine.create_hook(receiver.url())
    follower = Follower(engine)
    engine.post_event()
    kind, _, last_id = follower.event()
    assert kind == "delivery"
    follower.close()
    before_ms = int(time.time() * 1000)
    missed = [engine.post_event("order.created", {"n": n}) for n in range(3)]
    receiver.wait(4)
    wait_removed(engine, hook)
    follower = Follower(engine, last_id=last_id)
    kind, data, gap_id = follower.event()
    assert kind == "gap" and data["reason"] == "retention"
    assert data["keptSince"] is None or data["keptSince"] >= before_ms - 1000
    new = engine.post_event("order.created", {"n": 9})
    kind, data, _ = follower.event()
    assert (kind, data["id"]) == ("delivery", new) and new not in missed
    follower.close()
    # Who comes again with the id of the gap has heard of it.
    follower = Follower(engine, last_id=gap_id)
    kind, data, _ = follower.event()
    assert (kind, data["id"]) == ("delivery", new)
    follower.close()


def test_who_missed_nothing_is_told_of_no_gap(engine, receiver):
    """Its organization is quiet while rows of others come and go."""
    engine.create_hook(receiver.url("/quiet"), "/api/orgs/quiet/hooks")
    busy = engine.create_hook(receiver.url("/busy"))
    follower = Follower(engine, "/api/orgs/quiet")
    for n in range(5):
        engine.post_event("order.created", {"n": n})
    receiver.wait(5, "/busy")
    # A comment keeps the connection, and carries where the follower is.
    while "id" not in (fields := follower.block()):
        pass
    assert "event" not in fields
    wait_removed(engine, busy)
    event = engine.post_event("order.created", {"n": 6}, "quiet")
    kind, data, _ = follower.event()
    assert (kind, data["id"]) == ("delivery", event)
    follower.close()
    follower = Follower(engine, "/api/orgs/quiet", fields["id"])
    event = engine.post_event("order.created", {"n": 7}, "quiet")
    while (found := follower.event())[1].get("id") != event:
        assert found[0] == "delivery", found
    follower.close()


def test_the_command_says_it(engine, receiver, tmp_path):
    hook = engine.create_hook(receiver.url())
    command = [BINARY, "tail", "--org", "acme", "--count", "2", "--api",
               f"http://127.0.0.1:{engine.api_port}", "--data-dir", str(engine.data_dir)]
    output = tmp_path / "errors"
    with open(output, "w", encoding="utf-8") as errors:
        tail = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        time.sleep(1)
        engine.post_event()
        assert "delivered" in tail.stdout.readline()
        assert engine.stop() == 0
        tail.send_signal(signal.SIGSTOP) # so that it comes again late
        engine.start()
        engine.post_event("order.created", {"n": 2})
        receiver.wait(2)
        wait_removed(engine, hook)
        tail.send_signal(signal.SIGCONT)
        wait_for(lambda: "may be missing" in output.read_text(encoding="utf-8"),
                 "the command says that there is a gap")
        engine.post_event("order.created", {"n": 3})
        assert "delivered" in tail.stdout.readline()
        assert tail.wait(30) == 0
    finally:
        tail.kill()
