# SPDX-License-Identifier: MIT
"""deploy/examples, with the packages that they name, from PyPI, npm and the Go module proxy."""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from generated_clients import must, run

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "deploy/examples"
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


# --- what they need: None: it is there, else why it cannot be ---

def python_prepare(directory, example):
    wanted = EXAMPLES / example / "requirements.txt"
    have = directory / "requirements.txt"
    if have.exists() and have.read_bytes() == wanted.read_bytes():
        return None
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    must(sys.executable, "-m", "venv", "venv", cwd=directory)
    done = run("venv/bin/pip", "install", "-q", "--no-deps", "--disable-pip-version-check",
               "-r", wanted, cwd=directory)
    if done.returncode != 0:
        return f"no packages from PyPI: {done.stderr.strip()[-300:]}"
    shutil.copy(wanted, have)
    return None


def redis_prepare(directory):
    if shutil.which("redis-server") is None:
        return "no redis-server"
    return python_prepare(directory, "redis")


def node_prepare(directory):
    if shutil.which("npm") is None:
        return "no npm"
    wanted = EXAMPLES / "receiver-node/package-lock.json"
    have = directory / "package-lock.json"
    if not have.exists() or have.read_bytes() != wanted.read_bytes():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(EXAMPLES / "receiver-node" / name, directory)
        done = run("npm", "ci", "--no-audit", "--no-fund", cwd=directory,
                   env={**os.environ, "npm_config_update_notifier": "false"})
        if done.returncode != 0:
            have.unlink()
            return f"no packages from npm: {done.stderr.strip()[-300:]}"
    shutil.copy(EXAMPLES / "receiver-node/receiver.mjs", directory)
    return None


def go_prepare(directory):
    if shutil.which("go") is None:
        return "no Go"
    directory.mkdir(parents=True, exist_ok=True)
    here = EXAMPLES / "receiver-go"
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = run("go", "mod", "download", cwd=here, env=environment)
    if done.returncode != 0:
        return f"no modules: {done.stderr.strip()[-300:]}"
    done = run("go", "build", "-o", directory / "receiver", ".", cwd=here, env=environment)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return None


# --- receivers ---

@contextlib.contextmanager
def engine_in(directory, program=None):
    """An engine that is not started, of the program that is tested or of another one."""
    from conftest import finish
    from engine import Engine

    engine = Engine(directory)
    engine.binary = program or engine.binary
    try:
        yield engine
        finish(engine)
    finally:
        if engine.is_running():
            engine.kill9()


@contextlib.contextmanager
def process(command, directory, **environment):
    """A program of an example, and the lines that it has written so far."""
    output = directory / f"{pathlib.Path(str(command[0])).name}.out"
    with open(output, "a") as file:
        it = subprocess.Popen([str(word) for word in command], cwd=directory, stdout=file,
                              stderr=subprocess.STDOUT, env={**os.environ, **environment})
    try:
        yield it, lambda: output.read_text().splitlines()
    finally:
        it.kill()
        it.wait()


def check_receiver(command, directory, program=None):
    """Its deliveries arrive; what is not signed by the secret does not."""
    from support import free_ports, wait_for

    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/"
    with engine_in(directory, program) as engine, process(
            command, directory, PORT=str(port), WEBHOOK_SECRET=SECRET) as (it, lines):
        engine.start()
        hook = engine.create_hook(url, secret=SECRET, retrySchedule=["50ms"] * 64)
        event = engine.post_event(payload={"text": "Grüße", "n": 1.50})
        engine.wait_deliveries(hook, 1)
        wait_for(lambda: engine.deliveries(hook, "?state=delivered"), "it is delivered")
        wait_for(lambda: len(lines()) == 1, "it is taken")
        kind, body = lines()[0].split(" ", 1)
        assert kind == "order.created" and json.loads(body) == {"text": "Grüße", "n": 1.5}
        # Again: it is answered as before, and not taken twice.
        assert engine.api("POST", f"{hook}/deliveries/{event}/redeliver").status == 200
        other = engine.create_hook(url, secret="whsec_" + base64.b64encode(b"x" * 32).decode(),
                                   retrySchedule=["10ms"])
        engine.post_event(payload={"n": 2})
        wait_for(lambda: engine.deliveries(other, "?state=dead&code=401"), "it is refused")
        wait_for(lambda: len(lines()) == 2, "the other hook's is taken once")
        sent = engine.api("GET", f"{hook}/deliveries/{event}/request").json()
        headers = {one["name"]: one["value"] for one in sent["headers"]
                   if one["name"].lower().startswith("webhook-")}
        assert status_of(port, b'{"text":"changed"}', headers) == 401
        assert status_of(port, b"{}", {}) == 401
        assert it.poll() is None and len(lines()) == 2


def status_of(port, body, headers):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


# --- Redis ---

def check_redis(where, directory):
    """Each entry becomes one event, whatever ends meanwhile."""
    from support import free_ports, wait_for

    (port,) = free_ports(1)
    cli = ["redis-cli", "-p", str(port)]

    def redis(*words):
        return must(*cli, *words, cwd=directory).strip()

    def add(kind, payload):
        redis("XADD", "orders", "*", "kind", kind, "payload", payload)

    with engine_in(directory) as engine, process(
            ["redis-server", "--port", port, "--save", ""], directory):
        wait_for(lambda: run(*cli, "PING", cwd=directory).stdout == "PONG\n", "Redis answers")
        engine.start()
        token = engine.token
        assert engine.stop() == 0
        bridge = [where / "venv/bin/python", EXAMPLES / "redis/bridge.py",
                  "--redis", f"redis://127.0.0.1:{port}", "--org", "acme", "--stream", "orders",
                  "--intake", f"http://127.0.0.1:{engine.ingest_port}"]
        for n in range(3):
            add("order.created", json.dumps({"n": n}))
        with process(bridge, directory, POSTHORN_TOKEN=token):
            # It has read them, and is killed while there is no engine.
            wait_for(lambda: redis("XPENDING", "orders", "posthorn").startswith("3"), "read")
        engine.start()
        with process(bridge, directory, POSTHORN_TOKEN=token) as (it, _):
            wait_for(lambda: redis("XPENDING", "orders", "posthorn").startswith("0"), "taken")
            add("not a kind", "{}")
            add("order.created", '{"n": 3}')
            wait_for(lambda: redis("XLEN", "orders:refused") == "1", "one is refused")
            wait_for(lambda: engine.verify()["accepted"] == 4, "the others are accepted")
            assert it.poll() is None
        # What was taken and not acknowledged comes again, and is no second event.
        redis("XGROUP", "DESTROY", "orders", "posthorn")
        with process(bridge, directory, POSTHORN_TOKEN=token):
            wait_for(lambda: redis("XLEN", "orders:refused") == "2", "all came again")
        time.sleep(0.1)
        assert engine.verify()["accepted"] == 4


# --- Pulumi ---

def check_pulumi(where, directory):
    """What the program describes is made by the requests that the provider sends."""
    with engine_in(directory) as engine:
        engine.start()
        url = f"http://127.0.0.1:{engine.api_port}"
        wanted = json.loads(must(
            where / "venv/bin/python", HERE / "pulumi_mocks.py",
            EXAMPLES / "pulumi/__main__.py",
            json.dumps({"hooks:url": url, "hooks:organization": "acme", "hooks:token": "t",
                        "hooks:auditSecret": "s3cret"}), cwd=directory))
        assert wanted.pop("provider") == {"apiUrl": url, "accessToken": "t"}
        assert len(wanted) == 2
        for fields in wanted.values():
            fields.setdefault("format", "raw")
            place = "/api/orgs/acme/hooks"
            if "stackName" in fields:
                place = f"/api/stacks/acme/{fields['projectName']}/{fields['stackName']}/hooks"
            reply = engine.api("POST", place, fields)
            assert reply.status == 201, reply
            made = reply.json()
            assert all(made[key] == fields[key] for key in fields if key != "secret"), made
            assert made["hasSecret"] == ("secret" in fields)
