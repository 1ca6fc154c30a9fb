# SPDX-License-Identifier: MIT
"""Starts and stops the programs that the scenarios measure.

Everything started here is a child that dies with this process, is stopped by
its own pid, and keeps its files in one temporary directory that is removed.
"""

import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import cpu

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "bench" / "out"
SECRET = "bench-secret"
ORG = "bench"
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Failed(Exception):
    """The scenario cannot be measured; the text says why."""


def note(text):
    print(f"  {text}", flush=True)


def now_us():
    """The clock of the programs' own figures (CLOCK_MONOTONIC)."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def wait_until(what, seconds, predicate, step=0.05):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = predicate()
        if value:
            return value
        time.sleep(step)
    raise Failed(f"{what}: not within {seconds} s")


def free_ports(n):
    """The first of n consecutive ports that are free now."""
    for _ in range(200):
        first = random.randrange(20000, 32000)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + n):
                    s = stack.enter_context(socket.socket())
                    s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise Failed("no free ports")


def spawn(command, **options):
    def die_with_parent():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return subprocess.Popen([str(word) for word in command],
                            stdin=subprocess.DEVNULL,
                            preexec_fn=die_with_parent, **options)


def stop(process, seconds=10):
    """Ends one child by its pid: politely, then not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def request(port, method, path, body=None, token=None, seconds=10):
    """One HTTP request; returns (status, text)."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, headers=headers,
                           body=None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def pss_of(pids):
    """Proportional set size of processes, bytes."""
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue  # it ended meanwhile
        for line in text.splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def disk_bytes(directory):
    """Allocated bytes by the directory's entries."""
    sizes = {}
    for entry in pathlib.Path(directory).iterdir():
        files = [entry] if entry.is_file() else entry.rglob("*")
        sizes[entry.name] = sum(f.stat().st_blocks * 512
                                for f in files if f.is_file())
    return sizes


class Receiver:
    def __init__(self, bench, **options):
        words = [word for name, value in options.items()
                 for word in (f"--{name.replace('_', '-')}", value)]
        self.process = spawn([bench.program("receiver"), *words],
                             stdout=subprocess.PIPE)
        line = self.process.stdout.readline()
        if not line:
            raise Failed("the receiver does not start")
        self.ports = json.loads(line)["ports"]
        self.port = self.ports[0]
        bench.stack.callback(self.stop)

    def stats(self):
        return json.loads(request(self.port, "GET", "/stats")[1])

    def reset(self):
        request(self.port, "GET", "/reset")

    def stop(self):
        stop(self.process)
        self.process.stdout.close()

    def wait_for(self, count, key="requests", idle_seconds=15):
        """Until `count` have come; gives up when nothing comes any more."""
        last, last_at = -1, time.monotonic()
        while True:
            stats = self.stats()
            if stats[key] >= count:
                return stats
            if stats[key] != last:
                last, last_at = stats[key], time.monotonic()
            elif time.monotonic() - last_at > idle_seconds:
                raise Failed(f"{last} of {count} deliveries came, then none "
                             f"for {idle_seconds} s")
            time.sleep(0.05)


def rate_of(stats):
    """Requests per second from the first to the last one."""
    return ((stats["requests"] - 1) * 1e6
            / max(1, stats["last_us"] - stats["first_us"]))


class Engine:
    """A posthorn of its own in a fresh data directory."""

    def __init__(self, bench, settings=()):
        self.bench = bench
        self.settings = list(settings)
        self.program = bench.program("posthorn")
        self.balance = None  # what verify counted since the engine was stopped
        self.data_dir = bench.temp_dir("data")
        self.log_path = self.data_dir.parent / (self.data_dir.name + ".log")
        self.process = None
        self.started_us = 0
        bench.stack.callback(self.stop)
        self.start()

    def start(self):
        first = free_ports(2)
        self.api_port, self.ingest_port = first, first + 1
        settings = [f"data_dir={self.data_dir}",
                    f"api_listen=127.0.0.1:{self.api_port}",
                    f"ingest_listen=127.0.0.1:{self.ingest_port}",
                    "endpoint_allow=127.0.0.0/8", *self.settings]
        words = [word for s in settings for word in ("--set", s)]
        self.started_us = now_us()
        self.balance = None
        with open(self.log_path, "ab") as log:
            self.process = spawn([self.program, "serve",
                                  *words], stdout=log, stderr=log)
        try:
            wait_until("the engine is ready", 30, self.is_ready)
        except Failed as failed:
            raise Failed(f"{failed}\n{self.log_tail()}") from None
        self.ready_us = now_us()
        self.token = (self.data_dir / "admin.token").read_text().strip()

    def is_ready(self):
        if self.process.poll() is not None:
            raise Failed(f"the engine ended with {self.process.returncode}")
        try:
            return request(self.api_port, "GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def log_tail(self):
        lines = self.log_path.read_text("utf-8", "replace").splitlines()
        return "\n".join(lines[-20:])

    def stop(self):
        """Whatever was measured, the books must be right afterwards."""
        if self.process is not None:
            for pid, title in self.roles().items():
                role = cpu.role_of(title)
                self.bench.cpu_seconds[role] = round(
                    self.bench.cpu_seconds.get(role, 0) + cpu.of_process(pid), 2)
            stop(self.process, 90)
            self.process = None
            if sys.exc_info()[0] is None:  # or that is what is to be told
                self.verify()

    def kill(self):
        """As by a power cut: no process of it does anything more."""
        for pid in [self.process.pid, *self.roles()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def roles(self):
        """The engine's processes: pid -> title."""
        found = {}
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            try:
                proc = pathlib.Path(f"/proc/{pid}")
                title = (proc / "cmdline").read_bytes()
                children = (proc / "task" / str(pid) / "children").read_text()
            except OSError:
                continue
            found[pid] = title.replace(b"\0", b" ").decode().strip()
            waiting += [int(child) for child in children.split()]
        return found

    def pss(self):
        return pss_of(self.roles())

    @contextlib.contextmanager
    def dispatchers_stopped(self):
        """Events are accepted inside, and nothing is delivered."""
        pids = [pid for pid, title in self.roles().items()
                if title.startswith("posthorn: dispatcher")]
        if not pids:
            raise Failed("no dispatcher process found")
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            yield
            missing = [pid for pid in pids if pid not in self.roles()]
            if missing:
                raise Failed("a stopped dispatcher was restarted meanwhile")
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def metric(self, name, role=None):
        """Sum of a metric over the roles, or of one role."""
        text = request(self.api_port, "GET", "/metrics", token=self.token)[1]
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.split("{")[0].split(" ")[0] == name
                   and (role is None or f'role="{role}"' in line))

    def hook_create(self, url, org=ORG, stack=None, project="shop"):
        body = {"organizationName": org, "displayName": "bench",
                "payloadUrl": url, "active": True, "format": "raw",
                "secret": SECRET}
        path = f"/api/orgs/{org}/hooks"
        if stack is not None:
            body.update(projectName=project, stackName=stack)
            path = f"/api/stacks/{org}/{project}/{stack}/hooks"
        status, text = request(self.api_port, "POST", path, body, self.token)
        if status not in (200, 201):
            raise Failed(f"POST {path}: {status} {text}")

    def verify(self):
        """What `posthorn verify` counts; fails if it does not add up. The engine is
        stopped."""
        if self.balance is not None:
            return self.balance
        done = subprocess.run([self.program, "verify",
                               "--data-dir", self.data_dir],
                              capture_output=True, text=True, timeout=900,
                              check=False)
        if done.returncode != 0:
            raise Failed(f"verify: {done.stdout}{done.stderr}")
        self.balance = {line.split()[0].rstrip(":"): int(line.split()[1])
                        for line in done.stdout.splitlines()
                        if len(line.split()) > 1 and line.split()[1].isdigit()}
        return self.balance

    def post(self, org=ORG, **options):
        return self.bench.load(self.ingest_port, token=self.token,
                               path=f"/api/orgs/{org}/events", **options)


class Bench:
    """What the scenarios share: programs, options, one temporary directory."""

    def __init__(self, build_dir, temp_parent, is_quick, rounds):
        self.build_dir = build_dir
        self.is_quick = is_quick
        self.rounds = rounds
        self.seconds = 0  # of a scenario that takes a time; 0: its own
        self.cpu_seconds = {}  # by role, of all engines that were stopped
        self.attempts = 0  # of dashboard; 0: its own
        self.has_tls = False
        self.endpoints = self.senders = self.dispatchers = None  # of spread
        self.posthorn = None  # a program to measure instead of the built one
        self.stack = contextlib.ExitStack()
        temp_parent.mkdir(parents=True, exist_ok=True)
        self.temp = pathlib.Path(tempfile.mkdtemp(prefix="run-",
                                                  dir=temp_parent))
        self.stack.callback(shutil.rmtree, self.temp, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        # A second Ctrl-C must not interrupt the cleaning up.
        former = [(number, signal.signal(number, signal.SIG_IGN))
                  for number in (signal.SIGINT, signal.SIGTERM)]
        self.stack.close()
        for number, handler in former:
            signal.signal(number, handler)

    def build(self):
        flags = ["-DCMAKE_BUILD_TYPE=Release", "-DPOSTHORN_BENCH=ON"]
        targets = ["posthorn", "receiver", "load", "bareloop",
                   "lmdb_append", "match", "history_fill", "backlog_fill"]
        for command in (["cmake", "-S", ROOT, "-B", self.build_dir, *flags],
                        ["cmake", "--build", self.build_dir, "--parallel",
                         str(os.cpu_count() or 1), "--target", *targets]):
            done = subprocess.run(command, capture_output=True, text=True,
                                  check=False)
            if done.returncode != 0:
                raise Failed(f"the build fails:\n{done.stdout[-2000:]}"
                             f"{done.stderr[-2000:]}")

    @contextlib.contextmanager
    def part(self):
        """What is started inside ends with it, and its files go."""
        whole, self.stack = self.stack, contextlib.ExitStack()
        there = set(self.temp.iterdir())
        try:
            yield
        finally:
            self.stack.close()
            self.stack = whole
            for path in set(self.temp.iterdir()) - there:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def program(self, name):
        if name == "posthorn" and self.posthorn is not None:
            return str(self.posthorn)
        folder = self.build_dir if name == "posthorn" else \
            self.build_dir / "bench"
        return str(folder / name)

    def temp_dir(self, prefix):
        return pathlib.Path(tempfile.mkdtemp(prefix=prefix + "-",
                                             dir=self.temp))

    def call(self, program, timeout_seconds=300, **options):
        """Runs a program that prints one JSON object."""
        words = [str(word) for name, value in options.items()
                 if value is not None
                 for word in (f"--{name.replace('_', '-')}", value)]
        process = spawn([self.program(program), *words],
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        text=True)
        try:
            out, errors = process.communicate(timeout=timeout_seconds)
        finally:
            stop(process)
        try:
            return json.loads(out)
        except ValueError:
            raise Failed(f"{program}: {errors}") from None

    def load_start(self, port, **options):
        """The generator in the background; its stdout is the result."""
        words = [str(word) for name, value in {"port": port, **options}.items()
                 for word in (f"--{name.replace('_', '-')}", value)]
        process = spawn([self.program("load"), *words],
                        stdout=subprocess.PIPE, text=True)
        self.stack.callback(stop, process)
        return process

    def load(self, port, timeout_seconds=300, **options):
        result = self.call("load", timeout_seconds, port=port, **options)
        bad = result["refused"] + result["lost"] + result["unanswered"]
        if bad > 0:
            raise Failed(f"{bad} of {result['sent']} events were not accepted "
                         f"(status {result['first_error']})")
        return result
