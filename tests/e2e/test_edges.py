# SPDX-License-Identifier: MIT
"""What intake accepts is attempted: at every edge of the sizes that the settings
allow, by the largest hooks, in every format, by whatever sends it."""

import json
import os
import random
import signal
import ssl
import subprocess

import pytest

from engine import BINARY
from receiver import Answer, Receiver, tls_context
from support import compact, event_of, wait_for

KIB, MIB = 1024, 1024 * 1024
HOOKS = "/api/orgs/acme/hooks"
HEADERS_MAX, HEADER_NAME_MAX_BYTES, HEADER_VALUE_MAX_BYTES = 32, 128, 4096
URL_MAX_BYTES = 2000
PEM_MAX_BYTES = 16 * KIB
DOWN = Answer(status=500)
AKINON = ("/organizations/5f0c1a2b3c4d5e6f70819203/projects/"
          "63ea10b94a472e003305232b")


def longest_url(receiver, path):
    """A path that begins with `path`, and the URL of as many bytes as may be."""
    whole = path + "/" + "u" * URL_MAX_BYTES
    whole = whole[:URL_MAX_BYTES - len(receiver.url(""))]
    return whole, receiver.url(whole)


def most_headers():
    """As many and as long as a hook may have."""
    return {f"X-Edge-{n:02d}".ljust(HEADER_NAME_MAX_BYTES, "n"):
            "v" * HEADER_VALUE_MAX_BYTES for n in range(HEADERS_MAX)}


def largest_hook(url, **fields):
    return {"organizationName": "acme", "displayName": "d" * 100,
            "active": True, "payloadUrl": url, "secret": "s" * 200,
            "headers": most_headers(), **fields}


def post_too_large(engine, body, **more):
    """It is refused; who does not wait for that may find the connection closed."""
    try:
        assert engine.intake(body, **more).status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass


class Hooks:
    """Hooks of every format, the largest of each kind among them, and what each
    of them must get of an event."""

    def __init__(self, engine, receiver):
        self.receiver = receiver
        self.paths = {}  # of hooks, by the path at the receiver
        url, long_url = longest_url(receiver, "/long")
        fields = {
            "/raw": {},
            "/slack/": {"format": "slack"},
            "/teams": {"format": "ms_teams"},
            "/ordered": {"ordered": True, "orderKey": "customer.id",
                         "secret": "s" * 200},
        }
        for path, more in fields.items():
            self.paths[path] = engine.create_hook(receiver.url(path), **more)
        reply = engine.api("POST", HOOKS, largest_hook(long_url))
        assert reply.status == 201, reply
        self.paths[url] = f"{HOOKS}/{reply.json()['name']}"
        self.largest = url
        engine.settle_hooks()

    def check(self, event_id, body, seconds=60):
        """Every hook was sent the event, whole."""
        payload = json.loads(body)["payload"]
        for path in self.paths:
            request = wait_for(
                lambda: next((r for r in self.receiver.got(path)
                              if r.id == event_id), None),
                f"the event of {len(body)} bytes is at {path[:20]}", seconds)
            if path in ("/slack/", "/teams"):
                assert json.loads(request.body), path
            else:
                assert json.loads(request.body) == payload, path
        sent = next(r for r in self.receiver.got(self.largest)
                    if r.id == event_id)
        assert sum(len(v) for n, v in sent.headers.items()
                   if n.startswith("x-edge")) == (
                       HEADERS_MAX * HEADER_VALUE_MAX_BYTES)

    def forget(self):
        with self.receiver.lock:
            self.receiver.requests.clear()


def around(*edges):
    return [n + d for n in edges for d in (-1, 0, 1)]


def settings(receiver, **more):
    return {"breaker_failures": "0", "retry_schedule": "50ms",
            "slack_url_prefixes": receiver.url("/slack/"), **more}


# What a channel, a buffer or a frame might end at, besides the setting itself.
EDGES = {
    1 * KIB: [],
    256 * KIB: [64 * KIB, 205_000, 261_997],
    4 * MIB: [256 * KIB],
}


@pytest.mark.parametrize("limit", EDGES)
def test_every_size_that_intake_takes_is_sent(make_engine, receiver, limit):
    engine = make_engine(**settings(receiver, max_event_bytes=str(limit))).start()
    hooks = Hooks(engine, receiver)
    for size in around(*EDGES[limit], limit):
        body = event_of(size)
        assert len(body) == size
        if size > limit:
            post_too_large(engine, body)
            continue
        reply = engine.intake(body)
        assert reply.status == 202, (size, reply)
        hooks.check(reply.json()["id"], body)
        hooks.forget()
    restarts = engine.metrics()["posthorn_role_restarts_total"]
    assert sum(restarts.values()) == 0, restarts


# What is longer, or shorter, when it is written again.
CHARACTERS = {
    "quotes": '\\"', "deletes": "\x7f", "line separators": "\u2028",
    "escaped controls": "\\u0001", "surrogates": "\\ud83c\\udf79",
    "backslashes": "\\\\", "slashes": "\\/", "escaped letters": "\\u0061",
    "angles": "<", "emoji": "🍹",
}


@pytest.mark.slow
def test_what_grows_when_it_is_written_again_is_sent(make_engine, receiver):
    """The limit is of what is posted; what is stored, framed and sent of it may
    be another number of bytes."""
    engine = make_engine(**settings(receiver, max_event_bytes=str(4 * MIB))).start()
    hooks = Hooks(engine, receiver)
    for name, text in CHARACTERS.items():
        piece = '"' + text * (40_000 // len(text.encode())) + '"'
        n_pieces = (4 * MIB - 100) // (len(piece.encode()) + 1)
        body = ('{"kind":"a.b","payload":{"x":['
                + ",".join([piece] * n_pieces) + "]}}").encode()
        assert len(body) > 4 * MIB - 50_000, name
        reply = engine.intake(body)
        assert reply.status == 202, (name, reply)
        hooks.check(reply.json()["id"], body)
        hooks.forget()


def test_every_size_of_an_akinon_event_is_sent(make_engine, receiver):
    limit = 256 * KIB
    engine = make_engine(**settings(receiver)).start()
    kind = "deployment.build.created"
    path, url = longest_url(receiver, "/akinon")
    hook = {"name": "Watcher", "url": url, "events": [kind],
            "headers": most_headers()}
    reply = engine.api("POST", AKINON + "/settings/webhooks", hook)
    assert reply.status == 201, reply
    engine.settle_hooks()
    for size in around(261_997, limit):
        event = {"event": kind, "data": {"x": []}}
        while size - len(compact(event)) > 50_000:
            event["data"]["x"].append("y" * 50_000)
        event["data"]["x"].append("")
        event["data"]["x"][-1] = "y" * (size - len(compact(event)))
        reply = engine.request(
            engine.ingest_port, "POST", AKINON + "/events",
            compact(event).encode(), {"Content-Type": "application/json"})
        if size > limit:
            assert reply.status == 413, reply
            continue
        assert reply.status == 202, reply
        requests = wait_for(
            lambda: [r for r in receiver.got(path)
                     if r.headers["x-webhook-id"] == reply.json()["id"]],
            f"the event of {size} bytes is sent", 30)
        assert json.loads(requests[0].body)["data"] == event["data"]


def test_every_size_of_a_batch_is_sent(make_engine, receiver):
    """Batches of as many bytes as may be, of events of as many as may be."""
    limit, most = 1 * MIB, 256 * KIB
    engine = make_engine(**settings(receiver, max_batch_bytes=str(limit))).start()
    hook = engine.create_hook(receiver.url("/raw"))
    lines = [event_of(most) for _ in range(limit // (most + 1))]
    for size in around(limit):
        batch = b"\n".join(lines + [event_of(
            size - sum(len(x) + 1 for x in lines))])
        assert len(batch) == size
        if size > limit:
            post_too_large(engine, batch, content_type="application/x-ndjson")
            continue
        reply = engine.intake(batch, content_type="application/x-ndjson")
        assert reply.status == 202, reply
        ids = reply.json()["ids"]
        wait_for(lambda: set(ids) <= {r.id for r in receiver.got("/raw")},
                 f"the batch of {size} bytes is sent", 30)
    reply = engine.intake(event_of(most + 1) + b"\n",
                          content_type="application/x-ndjson")
    assert reply.status in (400, 413), reply
    books = engine.wait_settled()
    assert books["delivered"] == books["accepted"]
    assert engine.deliveries(hook, "?limit=1")


def test_many_small_events_of_a_full_batch_are_sent(make_engine, receiver):
    engine = make_engine(**settings(receiver, max_batch_bytes=str(64 * KIB),
                                     max_event_bytes="1KiB")).start()
    engine.create_hook(receiver.url("/raw"))
    line = compact({"kind": "a.b", "payload": {}}).encode()
    batch = b"\n".join([line] * ((64 * KIB + 1) // (len(line) + 1)))
    reply = engine.intake(batch, content_type="application/x-ndjson")
    assert reply.status == 202, reply
    ids = reply.json()["ids"]
    wait_for(lambda: set(ids) == {r.id for r in receiver.got("/raw")},
             "each of the batch is sent", 60)


# --- certificates ---

def padded(pem, n_bytes):
    """The same certificates with text in front, as tools write it there."""
    line = "# " + "p" * 70 + "\n"
    missing = n_bytes - len(pem)
    text = line * (missing // len(line))
    return text + "#" * (missing - len(text) - 1) + "\n" + pem


def carry_over(engine, hook):
    """The hook is written to a file, deleted, and made again of that."""
    file = engine.directory / "hooks.jsonl"
    at = ["--data-dir", str(engine.data_dir)]
    subprocess.run([BINARY, "export", "--with-secrets", "--output", str(file),
                    *at], check=True, timeout=60)
    assert engine.api("DELETE", hook).status == 204
    done = subprocess.run(
        [BINARY, "import", str(file), *at,
         "--api", f"http://127.0.0.1:{engine.api_port}"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    engine.settle_hooks()


@pytest.mark.slow
def test_the_largest_certificate_goes_with_the_largest_event(
        make_engine, certificates):
    context = tls_context(certificates)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificates.ca)
    receiver = Receiver(context)
    chain, key = certificates.issue("edge", usage="clientAuth", key="rsa:4096")
    engine = make_engine(**settings(receiver, max_event_bytes=str(4 * MIB),
        ca_file=str(certificates.ca))).start()
    try:
        path, url = longest_url(receiver, "/tls")
        pem = padded(chain.read_text(), PEM_MAX_BYTES)
        both = {"clientCertificate": pem,
                "clientKey": padded(key.read_text(), PEM_MAX_BYTES)}
        assert len(both["clientKey"]) == len(pem) == PEM_MAX_BYTES
        reply = engine.api("POST", HOOKS, largest_hook(url, **both))
        assert reply.status == 201, reply
        hook = f"{HOOKS}/{reply.json()['name']}"
        one_more = {**both, "clientCertificate": "#" + pem}
        assert engine.api("PATCH", hook, one_more).status == 400
        for key, value in (("X-Edge", "v"), ("X-Edge-00", "v" * 4097),
                           ("n" * 129, "v")):
            headers = {**most_headers(), key: value}
            if len(value) > 4096 or len(key) > 128:
                headers = {key: value}
            assert engine.api("PATCH", hook,
                              {"headers": headers}).status == 400, key
        engine.settle_hooks()
        body = event_of(4 * MIB)
        reply = engine.intake(body)
        assert reply.status == 202, reply
        receiver.wait(1, path, 30)
        assert json.loads(receiver.got(path)[0].body) == (
            json.loads(body)["payload"])
        assert engine.wait_deliveries(hook, 1)[0]["state"] == "delivered"
        carry_over(engine, hook)
        body = event_of(4 * MIB - 1)
        assert engine.intake(body).status == 202
        row = engine.wait_deliveries(hook, 1)[0]
        assert row["state"] == "delivered", row["error"]
        receiver.wait(2, path, 30)
    finally:
        receiver.stop()


# --- the formats that have addresses of their own ---

def test_a_deployment_is_started_by_the_largest_event(make_engine, receiver):
    engine = make_engine(**settings(receiver, max_event_bytes=str(4 * MIB),
        deployments_url=receiver.url("/cloud"))).start()
    hook = engine.create_hook("shop/prod", "/api/stacks/acme/web/prod/hooks",
                              format="pulumi_deployments",
                              filters=["update_succeeded"],
                              headers=most_headers())
    event = {"kind": "stack_update", "payload": {
        "organization": {"githubLogin": "acme"}, "projectName": "web",
        "stackName": "prod", "kind": "update", "result": "succeeded",
        "x": []}}
    while 4 * MIB - len(compact(event)) > 50_000:
        event["payload"]["x"].append("y" * 50_000)
    reply = engine.intake(compact(event).encode())
    assert reply.status == 202, reply
    row = engine.wait_deliveries(hook, 1, seconds=30)[0]
    assert row["state"] == "delivered", row
    assert receiver.got()[0].path == (
        "/cloud/api/stacks/acme/shop/prod/deployments")


# --- whatever sends it ---

def test_what_is_stored_is_sent_again_by_whoever_asks(make_engine, receiver):
    """The largest event, by the largest hook: redelivered, replayed, explained,
    shown; and a ping."""
    engine = make_engine(**settings(receiver, max_event_bytes=str(4 * MIB))).start()
    hooks = Hooks(engine, receiver)
    body = event_of(4 * MIB)
    event_id = engine.intake(body).json()["id"]
    hooks.check(event_id, body)
    for path, hook in hooks.paths.items():
        hooks.forget()
        reply = engine.api("POST", f"{hook}/deliveries/{event_id}/redeliver")
        assert reply.status == 200, (path, reply)
        assert reply.json()["state"] == "delivered", path
        assert len(receiver.got(path)) == 1
        reply = engine.api("POST", f"{hook}/ping")
        assert (reply.status, reply.json()["state"]) == (200, "delivered"), path
    hooks.forget()
    reply = engine.api("POST", "/api/orgs/acme/replay", {"state": "delivered"})
    assert reply.json()["matched"] == len(hooks.paths), reply
    hooks.check(event_id, body)
    shown = engine.api("GET", f"/api/orgs/acme/events/{event_id}")
    assert shown.status == 200 and len(shown.body) > 4 * MIB, shown.status
    shown = engine.deliveries(hooks.paths["/raw"], "?limit=1")
    assert len(shown[0]["payload"]) > 4 * MIB - 200
    assert json.loads(shown[0]["payload"]) == json.loads(body)["payload"]
    # What each would be sent, of one hook and of all: there is room for one.
    name = hooks.paths[hooks.largest].rsplit("/", 1)[1]
    for query in (f"?hook={name}", ""):
        reply = engine.request(
            engine.api_port, "POST", f"/api/orgs/acme/explain{query}", body,
            {"Content-Type": "application/json"})
        assert reply.status == 200, (query, reply)
        listed = reply.json()["hooks"]
        assert len(listed) == (1 if query else len(hooks.paths)), query
        assert all(h["matches"] for h in listed), query
        shown = [h for h in listed if h["request"] is not None]
        assert shown, query
        for hook in shown:
            if hook["hookName"] == name:
                assert json.loads(hook["request"]["body"]) == (
                    json.loads(body)["payload"])
        for hook in listed:
            assert hook["request"] or "too large" in hook["requestLeftOut"]
    restarts = engine.metrics()["posthorn_role_restarts_total"]
    assert sum(restarts.values()) == 0, restarts


def test_events_larger_than_a_lowered_limit_are_sent(make_engine, receiver):
    """The limit is raised, and lowered again below what waits and what is dead."""
    engine = make_engine(**settings(
        receiver, max_event_bytes=None,
        retry_schedule=",".join(["500ms"] + ["1s"] * 60)))
    config = engine.directory / "posthorn.conf"
    config.write_text("max_event_bytes = 1024\n")
    command = engine.command()
    engine.command = lambda: [BINARY, "serve", "--config", str(config),
                              *command[2:]]
    engine.start()
    hooks = Hooks(engine, receiver)
    body = event_of(4 * MIB)

    def status_of(probe):
        try:
            return engine.intake(probe, org="other").status
        except (BrokenPipeError, ConnectionResetError):
            return 413

    def set_limit(n_bytes, probe, status):
        config.write_text(f"max_event_bytes = {n_bytes}\n")
        engine.process.send_signal(signal.SIGHUP)
        wait_for(lambda: status_of(probe) == status,
                 f"the limit of {n_bytes} counts")

    assert status_of(body) == 413
    set_limit(4 * MIB, event_of(4 * MIB), 202)
    for path in hooks.paths:
        receiver.script(path, DOWN)
    waiting = engine.intake(body).json()["id"]
    for path in hooks.paths:
        receiver.wait(1, path, 30)
    set_limit(1024, event_of(2000), 413)
    for path in hooks.paths:
        receiver.script(path, Answer())
    hooks.forget()
    hooks.check(waiting, body)
    hook = hooks.paths["/raw"]
    hooks.forget()
    wait_for(lambda: engine.verify()["pending"] == 0, "nothing waits", 30)
    engine.stop()
    engine.start()  # with the low limit from the beginning
    reply = engine.api("POST", f"{hook}/deliveries/{waiting}/redeliver")
    assert (reply.status, reply.json()["state"]) == (200, "delivered")
    reply = engine.api("POST", f"{hook}/replay", {"state": "delivered"})
    assert reply.json()["matched"] == 1, reply
    wait_for(lambda: len(receiver.got("/raw")) == 2, "it is sent twice more", 30)
    assert json.loads(receiver.got("/raw")[1].body) == json.loads(body)["payload"]
    assert engine.api("GET", f"/api/orgs/acme/events/{waiting}").status == 200


def test_the_smallest_limits_take_what_they_say(make_engine, receiver):
    """Every other setting of a size at its least."""
    engine = make_engine(**settings(receiver, max_event_bytes="1KiB", max_batch_bytes="1KiB",
        max_queue_bytes="16MiB")).start()
    hooks = Hooks(engine, receiver)
    for n in range(20):
        body = event_of(1024)
        reply = engine.intake(body)
        assert reply.status == 202, reply
        hooks.check(reply.json()["id"], body)
    line = event_of(1024)
    for batch, status in ((line, 202), (line + b"\n", 413)):
        reply = engine.intake(batch, content_type="application/x-ndjson")
        assert reply.status == status, reply


@pytest.mark.slow
def test_the_command_line_sends_the_largest_event(make_engine, receiver,
                                                  tmp_path):
    engine = make_engine(**settings(receiver, max_event_bytes=str(4 * MIB))).start()
    names = [engine.create_hook(receiver.url("/raw")).rsplit("/", 1)[1]
             for _ in range(4)]
    env = {**os.environ, "POSTHORN_TOKEN": engine.token,
           "POSTHORN_API": f"http://127.0.0.1:{engine.api_port}",
           "POSTHORN_INGEST": f"http://127.0.0.1:{engine.ingest_port}"}
    file = tmp_path / "events"
    file.write_bytes(event_of(4 * MIB) + b"\n" + event_of(4 * MIB - 1) + b"\n")
    done = subprocess.run([BINARY, "send", "--org", "acme", "--file", str(file)],
                          capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    receiver.wait(8, "/raw", 60)
    event_id = receiver.got("/raw")[0].id
    for words in (["deliveries", "--org", "acme"],
                  ["deliveries", "--org", "acme", "--json"],
                  ["explain", "--org", "acme", "--id", event_id]):
        done = subprocess.run([BINARY, *words], capture_output=True, text=True,
                              timeout=120, env=env)
        assert done.returncode == 0, (words, done.stderr)
    file.write_bytes(event_of(4 * MIB))
    for name in names:  # also what there is no room for beside the others
        done = subprocess.run(
            [BINARY, "explain", "--org", "acme", "--hook", name, "--event",
             str(file)], capture_output=True, text=True, timeout=120, env=env)
        assert done.returncode == 0, done.stderr
        assert all(other in done.stdout for other in names)
        assert len(done.stdout) > 4 * MIB - 200, (name, done.stdout[-500:])


def test_sizes_by_chance(make_engine, receiver, request):
    """Events of any size, of any settings, to the largest hooks."""
    if not request.config.getoption("--long"):
        pytest.skip("takes minutes")
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(12):
        limit = int(2 ** chance.uniform(10, 22))
        engine = make_engine(**settings(
            receiver, max_event_bytes=str(limit), max_batch_bytes="8MiB",
            dispatchers=str(chance.choice([1, 2, 3])),
            senders=str(chance.choice([1, 2])))).start()
        hooks = Hooks(engine, receiver)
        for _ in range(12):
            size = chance.choice([limit, limit - 1,
                                  chance.randrange(200, limit + 1)])
            body = event_of(size)
            if chance.random() < 0.5:
                reply = engine.intake(body)
                ids = [reply.json()["id"]]
            else:
                reply = engine.intake(body + b"\n",
                                      content_type="application/x-ndjson")
                ids = reply.json()["ids"]
            assert reply.status == 202, (limit, size, reply)
            hooks.check(ids[0], body)
            hooks.forget()
        assert engine.stop() == 0
