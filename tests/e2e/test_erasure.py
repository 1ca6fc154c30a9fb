# SPDX-License-Identifier: MIT
"""An organization is erased: nothing of it is left in any file, and nothing of another one
is gone."""

import http.server
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

from engine import BINARY, group_members
from receiver import Answer
from support import PATIENCE_S, compact, wait_for

GONE, KEPT = "zqxgone", "zqxkept"  # a part of whatever an organization brings
SETTINGS = {"dispatchers": "2", "retry_schedule": "50ms", "breaker_failures": "0",
            "dashboard": "on"}


def get(engine, path):
    reply = engine.api("GET", path)
    assert reply.status == 200, reply
    return reply.json()


def hook_of(engine, mark, url, at="", **fields):
    return engine.create_hook(
        url, at or f"/api/orgs/{mark}-org/hooks", secret=f"{mark}-secret",
        headers={"X-Own": f"{mark}-header"}, **{"displayName": f"{mark}-display", **fields})


def make_world(engine, receiver, mark):
    """An organization with everything that one can have; `mark` is in all of it."""
    org = f"{mark}-org"
    receiver.script(f"/{mark}-dead", Answer(500, f"{mark}-response".encode() * 300))
    hooks = {
        "fine": hook_of(engine, mark, receiver.url(f"/{mark}-fine"), name=f"{mark}-hook"),
        "dead": hook_of(engine, mark, receiver.url(f"/{mark}-dead"), name=f"{mark}-dead"),
        "lost": hook_of(engine, mark, f"http://{mark}-host.invalid/", name=f"{mark}-lost"),
        "paused": hook_of(engine, mark, receiver.url(f"/{mark}-late"), name=f"{mark}-late",
                          paused=True),
        "stack": hook_of(engine, mark, receiver.url(f"/{mark}-stack"),
                         f"/api/stacks/{org}/{mark}-project/{mark}-stack/hooks"),
    }
    reply = engine.api("POST", f"/api/orgs/{org}/tokens",
                       {"scopes": ["read", "write", "ingest"], "name": f"{mark}-token"})
    assert reply.status == 201, reply
    token = reply.json()["token"]
    reply = engine.api("POST", "/dashboard/session", token=token,
                       headers={"X-Posthorn": "1", "Sec-Fetch-Site": "same-origin"})
    assert reply.status in (200, 201, 204), reply
    for i in range(4):
        event = {"kind": f"{mark}.kind", "payload": {
            "small": f"{mark}-small", "large": f"{mark}-large" * (1000 if i % 2 else 1),
            "projectName": f"{mark}-project", "stackName": f"{mark}-stack"}}
        reply = engine.intake(compact(event).encode(), org,
                              headers={"Idempotency-Key": f"{mark}-key-{i}"}, token=token)
        assert reply.status == 202, reply
    for name in ("fine", "stack"):
        engine.wait_deliveries(hooks[name], 4)
    for name in ("dead", "lost"):
        engine.wait_deliveries(hooks[name], 8)
    reply = engine.api("POST", f"/api/orgs/{org}/replay",
                       {"kinds": [f"{mark}.kind"], "state": ["delivered"],
                        "ratePerSecond": 1})
    assert reply.status == 202, reply
    return hooks


def files_with(engine, mark):
    """The files of the data directory in which these bytes are."""
    found = []
    for where, _, names in os.walk(engine.data_dir):
        for name in names:
            path = os.path.join(where, name)
            with open(path, "rb") as file:
                if mark.encode() in file.read():
                    found.append(os.path.relpath(path, engine.data_dir))
    return sorted(found)


def data_files(engine):
    return {path.relative_to(engine.data_dir): path.stat().st_ino
            for path in engine.data_dir.rglob("data.mdb")}


def run_compact(engine, status=0):
    done = subprocess.run([BINARY, "compact", "--data-dir", engine.data_dir, "--json"],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == status, (done.stdout, done.stderr)
    return json.loads(done.stdout) if status == 0 else done.stderr


def inventory(engine, mark):
    reply = engine.api("DELETE", f"/api/orgs/{mark}-org?dryRun=true")
    assert reply.status == 200, reply
    return reply.json()


def erase(engine, mark, kill=False, dispatchers=()):
    """Erases the organization; with `kill` the engine dies once in each step, and comes back
    with the next of these numbers of dispatchers."""
    numbers = iter(dispatchers)
    reply = engine.api("DELETE", f"/api/orgs/{mark}-org")
    assert reply.status == 202, reply
    erasure = reply.json()["id"]
    assert reply.headers["location"] == f"/api/erasures/{erasure}"
    seen = []

    def is_done():
        now = get(engine, f"/api/erasures/{erasure}")
        if now["step"] not in seen:
            seen.append(now["step"])
            if kill:
                engine.kill9()
                engine.settings["dispatchers"] = next(numbers, engine.settings["dispatchers"])
                engine.start()
        return now["step"] == "done" and now
    if not kill:
        for answer in (engine.api("GET", f"/api/orgs/{mark}-org/hooks"),
                       engine.intake(b'{"kind":"a.b","payload":{}}', f"{mark}-org")):
            assert answer.status == 409 and b"being erased" in answer.body, answer
        again = engine.api("DELETE", f"/api/orgs/{mark}-org")
        assert again.status == 202 and again.json()["id"] == erasure, again
    done = wait_for(is_done, f"{mark} is erased", 60)
    assert done["organization"] is None and done["endedAt"] >= done["startedAt"]
    assert get(engine, "/api/erasures")[-1]["id"] == erasure
    return done


def check_list(engine):
    """Organizations, page by page, by the API and by the command."""
    names = [f"{GONE}-org", f"{KEPT}-org"]
    page = engine.api("GET", "/api/orgs?limit=1")
    assert [o["organization"] for o in page.json()] == names[:1]
    token = page.headers["x-continuation-token"]
    page = engine.api("GET", f"/api/orgs?limit=1&continuationToken={token}")
    assert [o["organization"] for o in page.json()] == names[1:]
    assert "x-continuation-token" not in page.headers
    shown = json.loads(engine.run("org", "list", "--json").stdout)
    assert [(o["organization"], o["webhooks"], o["erasing"], o["akinon"]) for o in shown] == [
        (name, 5, False, False) for name in names]
    assert shown[0]["waiting"] >= 4 and shown[0]["waitingBytes"] > 20000
    assert [(o["dead"], o["moreDead"]) for o in shown] == [(8, False)] * 2
    lines = engine.run("org", "list").stdout.splitlines()
    assert [[line.split()[i] for i in (0, 1, 5)] for line in lines[1:]] == [
        [name, "5", "8"] for name in names]


def check_export(engine, there):
    """Everything of one organization, and nothing of the other one nor any secret."""
    org = f"{GONE}-org"
    entry = {"description": f"{GONE}-words", "example": {"a": 1}}
    reply = engine.api("PUT", f"/api/orgs/{org}/kinds/{GONE}.kind", entry)
    assert reply.status in (200, 201), reply
    text = engine.run("org", "export", org).stdout
    lines = [json.loads(line) for line in text.splitlines()]
    first, end = lines[0], lines[-1]
    assert (first["type"], first["organization"]) == ("organization", org)
    assert end.pop("type") == "end" and end.pop("damaged") == 0
    assert end.pop("waiting") == there["waiting"]
    of = {name: [line for line in lines[:-1] if line["type"] == name[:-1]] for name in end}
    assert end == {name: len(found) for name, found in of.items()}, end
    assert all(end[name] == there[name] for name in ("webhooks", "tokens", "events")), end
    assert end["attempts"] >= there["attempts"] and end["stacks"] == 1
    assert {w["webhook"]["name"] for w in of["webhooks"]} >= {f"{GONE}-hook", f"{GONE}-late"}
    assert [(k["kind"], k["example"]) for k in of["kinds"]] == [(f"{GONE}.kind", {"a": 1})]
    assert set(of["tokens"][0]) == {"type", "id", "name", "scopes", "createdAt", "expiresAt"}
    assert [json.loads(e["payload"])["small"] for e in of["events"]] == [f"{GONE}-small"] * 4
    posted = {e["id"] for e in of["events"]}
    assert posted <= {a["id"] for a in of["attempts"]}
    assert {a["state"] for a in of["attempts"]} >= {"delivered", "dead"}
    for hidden in (KEPT, f"{GONE}-secret", "pht_", "whsec_"):
        assert hidden not in text, hidden
    tokens = f"/api/orgs/{org}/tokens"
    for scope, status in (("read", 200), ("ingest", 403)):
        made = engine.api("POST", tokens, {"scopes": [scope]}).json()
        path = f"/api/orgs/{org}/export"
        assert engine.api("GET", path, token=made["token"]).status == status
        other = engine.api("GET", f"/api/orgs/{KEPT}-org/export", token=made["token"])
        assert other.status in (403, 404), other
        assert engine.api("DELETE", f"{tokens}/{made['id']}").status == 204


def state_of(engine, hooks):
    """All that an organization sees of itself, and that does not change by itself."""
    org = f"/api/orgs/{KEPT}-org"
    return {"hooks": get(engine, f"{org}/hooks"), "tokens": get(engine, f"{org}/tokens"),
            "dead": get(engine, f"{org}/status")["dead"],
            "history": {name: engine.deliveries(path)
                        for name, path in hooks.items() if name not in ("fine", "stack")}}


def org_by_command(engine):
    """The same by `posthorn org erase`."""
    org = f"{GONE}-org"
    counts = json.loads(engine.run("org", "erase", org, "--dry-run", "--json").stdout)
    assert counts["events"] == 1 and counts["webhooks"] == 1
    for typed in ("", "acme\n", f"{org}x\n"):
        done = engine.run("org", "erase", org, stdin=typed, status=1)
        assert "nothing was erased" in done.stderr and "1 webhooks" in done.stderr
    assert inventory(engine, GONE)["webhooks"] == 1
    done = json.loads(engine.run("org", "erase", org, "--json", stdin=f"{org}\n").stdout)
    assert done["step"] == "done" and done["removed"]["events"] == 1
    assert "not found" in engine.run("org", "erase", org, "--yes", status=1).stderr


@pytest.mark.parametrize("kill", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_nothing_is_left_of_an_erased_organization(make_engine, receiver, kill):
    engine = make_engine(**SETTINGS).start()
    kept = make_world(engine, receiver, KEPT)
    make_world(engine, receiver, GONE)
    before = state_of(engine, kept)
    wait_for(lambda: {"hooks/data.mdb", "events/data.mdb", "sessions"} <= set(
        files_with(engine, GONE)), "what is to be erased is in these files")
    assert any("deliveries" in name for name in files_with(engine, GONE))
    assert "run" in run_compact(engine, 1)  # an engine runs
    wait_for(lambda: inventory(engine, GONE)["waiting"] >= 4, "dispatchers have reported")
    check_list(engine)
    there = inventory(engine, GONE)
    if not kill:
        check_export(engine, there)
    assert (there["webhooks"], there["tokens"], there["events"]) == (5, 1, 4), there
    assert there["dead"] == 8 and there["waiting"] >= 4 and there["attempts"] >= 20, there
    assert there["payloadBytes"] > 20000
    done = erase(engine, GONE, kill)
    removed = done["removed"]
    assert (removed["webhooks"], removed["tokens"], removed["events"]) == (5, 1, 4)
    assert removed["attempts"] >= there["attempts"] + there["waiting"]
    assert engine.api("DELETE", f"/api/orgs/{GONE}-org").status == 404
    assert [o["organization"] for o in get(engine, "/api/orgs")] == [f"{KEPT}-org"]
    wait_for(lambda: state_of(engine, kept) == before, "the other one is as it was")
    engine.stop()
    assert files_with(engine, GONE), "LMDB should have left something in free pages"
    old = data_files(engine)
    sizes = run_compact(engine)["environments"]
    assert [size["name"] for size in sizes] == ["events", "hooks", "deliveries/0",
                                                "deliveries/1"]
    assert not set(old.values()) & set(data_files(engine).values())
    assert not list(engine.data_dir.rglob("*compact*"))
    assert files_with(engine, GONE) == []
    assert files_with(engine, KEPT)
    # The other one goes on, and a new one of the name begins with nothing.
    engine.start()
    wait_for(lambda: state_of(engine, kept) == before, "the other one is as it was")
    assert engine.api("PATCH", kept["paused"], {"paused": False}).status == 200
    receiver.wait(4, f"/{KEPT}-late")
    org = f"/api/orgs/{GONE}-org"
    hook = engine.create_hook(receiver.url("/new"), f"{org}/hooks")
    assert engine.deliveries(hook) == [] and get(engine, f"{org}/deliveries") == []
    assert get(engine, f"{org}/tokens") == [] and get(engine, f"{org}/replays") == []
    engine.post_event(org=f"{GONE}-org")
    receiver.wait(1, "/new")
    assert inventory(engine, GONE)["events"] == 1
    org_by_command(engine)


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [("3", "1", "2"), ("1", "3", "1"), ("2", "1", "3")])
def test_an_erasure_goes_on_with_another_number_of_dispatchers(make_engine, receiver, numbers):
    engine = make_engine(**SETTINGS).start()
    kept = make_world(engine, receiver, KEPT)
    make_world(engine, receiver, GONE)
    before = state_of(engine, kept)
    removed = erase(engine, GONE, kill=True, dispatchers=numbers)["removed"]
    assert (removed["webhooks"], removed["tokens"], removed["events"]) == (5, 1, 4)
    wait_for(lambda: state_of(engine, kept) == before, "the other one is as it was")
    engine.stop()
    run_compact(engine)
    assert files_with(engine, GONE) == [] and files_with(engine, KEPT)
    engine.verify()


@pytest.mark.slow  # two erasures, each of which takes some seconds
def test_a_backup_from_before_brings_the_organization_back(make_engine, receiver, tmp_path):
    engine = make_engine(**SETTINGS).start()
    at = f"/api/orgs/{GONE}-org/hooks"
    hook = hook_of(engine, GONE, receiver.url("/in"), at)
    engine.post_event(org=f"{GONE}-org", payload={"small": f"{GONE}-small"})
    engine.wait_deliveries(hook, 1)
    for name in ("before", "after"):
        if name == "after":
            erase(engine, GONE)
        subprocess.run([BINARY, "backup", tmp_path / name, "--data-dir", engine.data_dir],
                       check=True, capture_output=True, timeout=PATIENCE_S)
    engine.stop()
    for name, is_there in (("after", False), ("before", True)):
        other = make_engine(**SETTINGS)
        other.data_dir.parent.mkdir(exist_ok=True)
        subprocess.run([BINARY, "restore", tmp_path / name, "--data-dir", other.data_dir],
                       check=True, capture_output=True, timeout=PATIENCE_S)
        assert bool(files_with(other, GONE)) == is_there, name
    other.start()
    assert len(get(other, at)) == 1 and len(other.deliveries(hook)) == 1
    assert erase(other, GONE)["removed"]["events"] == 1  # so it is erased once more
    other.stop()
    run_compact(other)
    assert files_with(other, GONE) == []


def test_a_compaction_that_is_killed_has_changed_nothing(make_engine, receiver):
    engine = make_engine(**SETTINGS).start()
    hook = engine.create_hook(receiver.url("/all"), paused=True)
    for _ in range(10):
        engine.post_batch([{"kind": "a.b", "payload": {"text": "x" * 9000}}] * 100)
    engine.stop()
    for n in range(6):  # at other moments on each machine, and at none of them may it matter
        child = subprocess.Popen([BINARY, "compact", "--data-dir", engine.data_dir],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 start_new_session=True)
        try:
            child.wait(0.06 * (n + 1))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(PATIENCE_S)
        wait_for(lambda group=child.pid: not group_members(group), "the copying child is gone")
        assert engine.verify()["accepted"] == 1000
    for part in ("hooks", "deliveries/1"):  # what a kill leaves
        (engine.data_dir / part / "compact.tmp").mkdir(exist_ok=True)
        (engine.data_dir / part / "compact.tmp" / "data.mdb").write_bytes(b"left")
    engine.start()
    assert not list(engine.data_dir.rglob("*compact*"))
    engine.stop()
    run_compact(engine)
    engine.start()
    assert engine.api("PATCH", hook, {"paused": False}).status == 200
    receiver.wait(1000, "/all")


def test_an_export_that_is_cut_off_is_seen(engine, tmp_path):
    """The organization is erased while the client reads; and a server ends too early."""
    payload = b'{"kind":"a.b","payload":{"a":"' + b"x" * 240_000 + b'"}}'
    for _ in range(28):
        assert engine.intake(payload, "cut").status == 202
    with socket.socket() as client:
        client.settimeout(PATIENCE_S)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # before it connects
        client.connect(("127.0.0.1", engine.api_port))
        client.sendall(f"GET /api/orgs/cut/export HTTP/1.1\r\nHost: localhost\r\n"
                       f"Connection: close\r\n"
                       f"Authorization: token {engine.token}\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert engine.api("DELETE", "/api/orgs/cut").status == 202
        got = b""
        with pytest.raises(ConnectionResetError):
            while piece := client.recv(1 << 20):
                got = (got + piece)[-100:]
        assert b'"type":"end"' not in got

    class Early(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"type":"organization"}\n' * 3)

        def log_message(self, *words):
            pass
    with http.server.HTTPServer(("127.0.0.1", 0), Early) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        done = subprocess.run(
            [BINARY, "org", "export", "acme", "--output", tmp_path / "out", "--token", "x",
             "--api", f"http://127.0.0.1:{server.server_port}"],
            capture_output=True, text=True, timeout=PATIENCE_S)
        thread.join()
    assert done.returncode == 1 and "not complete" in done.stderr, done
    assert not list(tmp_path.glob("out*"))
