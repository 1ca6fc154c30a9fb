# SPDX-License-Identifier: MIT
"""Statistics slot by slot, for charts."""

import json
import subprocess
import time

import pytest

from engine import BINARY
from receiver import Answer
from support import wait_for

SLOTS = {"1h": 300, "24h": 3600, "7d": 3600}
SECONDS = {"1h": 3600, "24h": 86400, "7d": 7 * 86400}


def series(engine, path, window="1h"):
    reply = engine.api("GET", f"{path}/stats/series?window={window}")
    assert reply.status == 200, reply
    return reply.json()


def total(found, key="attempts"):
    return sum(slot[key] for slot in found["slots"])


@pytest.mark.parametrize("dispatchers", ["1", "3"])
def test_slots_cover_the_window_and_add_up_to_its_sum(make_engine, receiver, dispatchers):
    engine = make_engine(dispatchers=dispatchers, retry_schedule="20ms",
                         breaker_failures="0").start()
    receiver.script("/down", Answer(status=500))
    hooks = [engine.create_hook(receiver.url(path)) for path in ("/up", "/up", "/down")]
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}} for n in range(10)])
    for hook, count in zip(hooks, (10, 10, 20)):
        engine.wait_deliveries(hook, count)
    wait_for(lambda: engine.api("GET", "/api/orgs/acme/stats").json()["1h"]["attempts"]
             == 40, "the sums are written")
    for path, count in ((hooks[0], 10), (hooks[2], 20), ("/api/orgs/acme", 40)):
        sums = engine.api("GET", f"{path}/stats").json()
        for window, slot_s in SLOTS.items():
            found = series(engine, path, window)
            assert found["window"] == window and found["slotSeconds"] == slot_s
            starts = [slot["from"] for slot in found["slots"]]
            assert starts == list(range(starts[0], starts[-1] + 1, slot_s))
            assert starts[0] - sums[window]["from"] in (0, slot_s) # time goes on
            assert starts[0] % slot_s == 0
            assert starts[-1] <= time.time() < starts[-1] + 2 * slot_s
            assert len(starts) in (SECONDS[window] // slot_s, SECONDS[window] // slot_s + 1)
            assert total(found) == sums[window]["attempts"] == count
            for outcome in ("delivered", "retrying", "dead", "cancelled"):
                assert sum(s["outcomes"][outcome] for s in found["slots"]
                           ) == sums[window]["outcomes"][outcome]
            assert sum(s["errors"].get("status", 0) for s in found["slots"]
                       ) == sums[window]["errors"].get("status", 0)
            for slot in found["slots"]:
                if slot["attempts"] == 0:
                    assert slot["timing"] == {} and slot["successRate"] is None
                else:
                    total_us = slot["timing"]["totalUs"]
                    assert total_us["n"] == slot["attempts"]
                    assert 0 < total_us["p50"] <= total_us["p90"] <= total_us["p99"]


def test_bad_windows_other_tokens_and_missing_hooks(engine, receiver):
    hook = engine.create_hook(receiver.url())
    for window in ("2h", "", "1H", "%00"):
        reply = engine.api("GET", f"{hook}/stats/series?window={window}")
        assert reply.status == 400 and "window" in reply.json()["message"], window
    assert series(engine, hook)["window"] == "1h" # the default
    assert engine.api("GET", f"{hook}/stats/series").json()["window"] == "1h"
    assert engine.api("GET", "/api/orgs/acme/hooks/nope/stats/series").status == 404
    theirs = engine.api("POST", "/api/orgs/other/tokens", {"scopes": ["read"]}
                        ).json()["token"]
    for path in (hook, "/api/orgs/acme"):
        assert engine.api("GET", f"{path}/stats/series", token=theirs).status == 403
    assert total(series(engine, "/api/orgs/other")) == 0


def test_it_is_a_command(engine, receiver):
    hook = engine.create_hook(receiver.url())
    engine.post_event("a.b")
    engine.wait_deliveries(hook, 1)
    wait_for(lambda: total(series(engine, hook)) == 1, "the sums are written")

    def run(*words):
        return subprocess.run(
            [BINARY, "stats", "--org", "acme", "--series", *words, "--api",
             f"http://127.0.0.1:{engine.api_port}", "--data-dir",
             str(engine.data_dir)], capture_output=True, text=True, timeout=60)

    lines = run().stdout.splitlines()
    assert lines[0].split() == ["FROM", "ATTEMPTS", "DELIVERED", "AGAIN", "DEAD",
                                "SUCCESS", "P50", "P99"]
    assert len(lines) in (13, 14)
    assert [line for line in lines[1:] if "100.0 %" in line]
    found = json.loads(run("--window", "24h", "--json").stdout)
    assert found["slotSeconds"] == 3600 and total(found) == 1
    assert run("--window", "2h").returncode == 2
