# SPDX-License-Identifier: MIT
"""The real engine as a process, and what a test does with it."""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time

from support import (PATIENCE_S, ROOT, compact, free_ports, parse_metrics,
                     wait_for)

BINARY = os.environ.get("POSTHORN_BINARY", str(ROOT / "build" / "posthorn"))
# The same with faults that a test asks for (tests/faulty).
FAULTY = os.environ.get("POSTHORN_FAULTY",
                        str(pathlib.Path(BINARY).parent / "posthorn-faulty"))
ROLES = ("ingest", "dispatcher", "sender", "api")
SANITIZER = re.compile(
    r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:")


class Reply:
    """An HTTP answer: status, headers (by lower-case name), body."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Engine:
    """`posthorn serve` with a data directory and ports of its own.

    check_exit: the end must be a clean drain; verify and the log are judged in
    any case.
    """

    def __init__(self, directory, **settings):
        self.directory = directory
        self.data_dir = directory / "data"
        self.log_path = directory / "engine.log"
        self.api_port, self.ingest_port = free_ports(2)
        self.settings = {
            "data_dir": str(self.data_dir),
            "api_listen": f"127.0.0.1:{self.api_port}",
            "ingest_listen": f"127.0.0.1:{self.ingest_port}",
            "endpoint_allow": "127.0.0.0/8",
            "max_queue_bytes": "1GiB",
            # What keeps a receiver from harm, at the speed of a test.
            "overload_wait": "0s",
            "breaker_wait": "100ms",
            "breaker_wait_max": "500ms",
            **settings,
        }
        self.process = None
        self.binary = BINARY
        self.clock = None  # clock.Clock
        self.check_exit = True
        self.check_books = True

    # --- life ---

    def command(self):
        sets = [f"--set={k}={v}" for k, v in self.settings.items()
                if v is not None]
        return [self.binary, "serve", *sets]

    def spawn(self):
        """Starts it without waiting for anything."""
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, cwd=self.directory, start_new_session=True,
                env=self.environment())
        return self

    def environment(self):
        if self.clock:
            return self.clock.environment()
        if self.binary == FAULTY:  # its roles are told what is to go wrong
            return {**os.environ, "POSTHORN_DEBUG_ENV": "1"}
        return None

    def start(self):
        self.spawn()
        self.wait_ready()
        return self

    def is_ready(self):
        assert self.process.poll() is None, (
            f"the engine ended with {self.process.returncode}:\n{self.log()}")
        try:
            return self.api("GET", "/readyz", token=None).status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self, seconds=PATIENCE_S):
        wait_for(self.is_ready, "the engine is ready", seconds)

    def stop(self, seconds=PATIENCE_S):
        """SIGTERM; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill9(self):
        """The whole process group, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        wait_for(lambda: not group_members(self.process.pid),
                 "all processes are gone")

    def restart(self, **settings):
        self.settings.update(settings)
        return self.start()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    # --- processes and log ---

    def pids(self, role=None):
        """Process ids of a role (of all roles: None), by their titles."""
        wanted = ROLES if role is None else (role,)
        return [pid for pid, title in children_of(self.process.pid)
                if any(title.startswith(f"posthorn: {r}") for r in wanted)]

    def log(self):
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(errors="replace")

    def check_log(self):
        log = self.log()
        assert not re.search(r'level=panic|"level":"panic"', log), "the engine panicked"
        assert not SANITIZER.search(log), "a sanitizer reported something"

    def verify(self):
        """The books as `posthorn verify` reads them."""
        result = subprocess.run(
            [BINARY, "verify", "--data-dir", str(self.data_dir), "--json"],
            capture_output=True, text=True, timeout=PATIENCE_S)
        assert result.returncode == 0, (
            f"the books do not balance: {result.stdout}{result.stderr}")
        return json.loads(result.stdout)

    # --- commands ---

    def client_environment(self):
        """In which a command finds this engine, and may do everything."""
        return {**os.environ, "POSTHORN_TOKEN": self.token,
                "POSTHORN_API": f"http://127.0.0.1:{self.api_port}",
                "POSTHORN_INGEST": f"http://127.0.0.1:{self.ingest_port}"}

    def run(self, *words, stdin="", status=0, **environment):
        """A command that is to end with this status; with any: ..."""
        done = subprocess.run(
            [BINARY, *(self.real(str(word)) for word in words)], input=stdin,
            capture_output=True, text=True, timeout=PATIENCE_S,
            env={**self.client_environment(), **environment})
        assert status in (..., done.returncode), (words, done.stdout, done.stderr)
        done.stdout, done.stderr = map(self.shown, (done.stdout, done.stderr))
        return done

    # --- HTTP ---

    # In a share.Share they exchange names of organizations.
    def real(self, text):
        """The text, or bytes, as the engine is to get it, by a way that is not below."""
        return text

    def shown(self, text):
        """The text, or bytes, that came from the engine, as the test means it."""
        return text

    @property
    def token(self):
        return (self.data_dir / "admin.token").read_text().strip()

    def connection(self, port):
        return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)

    def request(self, port, method, path, body=None, headers=None, token=...):
        connection = self.connection(port)
        headers = dict(headers or {})
        if token is ...:
            token = self.token
        if token is not None:
            headers.setdefault("Authorization", f"token {token}")
        try:
            connection.request(method, path, body, headers)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def api(self, method, path, value=None, **more):
        """A call of the management API; `value` is sent as JSON."""
        if value is not None:
            more["body"] = compact(value).encode()
            more["headers"] = {"Content-Type": "application/json",
                               **more.get("headers", {})}
        return self.request(self.api_port, method, path, **more)

    def intake(self, body, org="acme", content_type="application/json",
               **more):
        """A post of raw bytes to the intake."""
        headers = {"Content-Type": content_type, **more.pop("headers", {})}
        return self.request(self.ingest_port, "POST",
                            f"/api/orgs/{org}/events", body, headers, **more)

    def post_event(self, kind="order.created", payload=None, org="acme",
                   **more):
        """Posts an event that is accepted; returns its id."""
        event = {"kind": kind, "payload": payload or {"number": 1}, **more}
        reply = self.intake(compact(event).encode(), org)
        assert reply.status == 202, reply
        return reply.json()["id"]

    def post_batch(self, events, org="acme"):
        """Posts events as NDJSON; returns their ids."""
        body = "\n".join(compact(e) for e in events).encode()
        reply = self.intake(body, org, "application/x-ndjson")
        assert reply.status == 202, reply
        return reply.json()["ids"]

    # --- hooks and history ---

    def create_hook(self, url, path="/api/orgs/acme/hooks", **fields):
        """Makes a hook, waits until it counts, returns its path."""
        scope = dict(zip(("organizationName", "projectName", "stackName"),
                         path.split("/")[3:-1]))
        if "/environments/" in path:
            scope = dict(zip(("organizationName", "projectName", "envName"),
                             path.split("/")[4:-1]))
        reply = self.api("POST", path, {
            **scope, "displayName": "test", "payloadUrl": url, "active": True,
            **fields})
        assert reply.status == 201, reply
        self.settle_hooks()
        return f"{path}/{reply.json()['name']}"

    @staticmethod
    def settle_hooks():
        """A change of a hook counts within 100 ms; nothing shows it sooner.
        Half as much again for a machine that is busy with other things."""
        time.sleep(0.15)

    def deliveries(self, hook, query=""):
        reply = self.api("GET", f"{hook}/deliveries{query}")
        assert reply.status == 200, reply
        return reply.json()

    def wait_deliveries(self, hook, count, query="", seconds=PATIENCE_S):
        """The history, newest first, once it has `count` records."""
        return wait_for(
            lambda: (lambda rows: len(rows) >= count and rows)(
                self.deliveries(hook, query)),
            f"{count} records in the history of {hook}", seconds)

    def metrics(self):
        reply = self.api("GET", "/metrics", token=None)
        assert reply.status == 200, reply
        return parse_metrics(reply.body.decode())

    def wait_settled(self, seconds=PATIENCE_S):
        """Waits until nothing is pending; returns the books."""
        def settled():
            books = self.verify()
            return (books["pending"] == 0 and books["unmatched"] == 0
                    and books)
        return wait_for(settled, "nothing is pending", seconds)


def read_proc(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def stat_fields(pid):
    """state, ppid, pgrp of a process; None if it is gone."""
    stat = read_proc(pid, "stat")
    return stat.rsplit(")", 1)[1].split()[:3] if stat else None


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children_of(parent):
    """(pid, title) of the living children of a process."""
    found = []
    for pid in processes():
        fields = stat_fields(pid)
        if fields and fields[0] != "Z" and int(fields[1]) == parent:
            title = read_proc(pid, "cmdline").replace("\0", " ").strip()
            found.append((pid, title))
    return found


def group_members(group):
    """Living processes of a process group."""
    members = []
    for pid in processes():
        fields = stat_fields(pid)
        if fields and fields[0] != "Z" and int(fields[2]) == group:
            members.append(pid)
    return members
