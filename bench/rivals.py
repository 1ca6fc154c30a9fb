# SPDX-License-Identifier: MIT
"""What a team would build instead: BullMQ, undici and Redis. And nginx, which takes
requests in and stores nothing, with wrk to send them."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from harness import ROOT, Failed, free_ports, now_us, pss_of, rate_of, request, \
    spawn, stop, wait_until

HERE = ROOT / "bench" / "bullmq"
WRK_LUA = ROOT / "bench" / "wrk.lua"
USER = {"name": "Morty Smith", "githubLogin": "morty",
        "avatarUrl": "https://example.com/morty.png"}
CONCURRENCY = 128  # the best of 64, 128, 200 with one worker process or two


def missing():
    """Why it cannot run here, or None."""
    for program in ("redis-server", "node", "npm"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    return None


class BullMQ:
    """A Redis of its own, synced on each write, and one worker process."""

    def __init__(self, bench):
        self.bench = bench
        self.worker = None
        self.redis = None
        # A unix socket's path must be short.
        self.socket_dir = pathlib.Path(tempfile.mkdtemp(prefix="bench-redis-"))
        bench.stack.callback(self.stop)
        self.install()
        self.socket = self.socket_dir / "redis.sock"
        directory = bench.temp_dir("redis")
        self.redis = spawn(
            ["redis-server", "--port", "0", "--unixsocket", self.socket,
             "--dir", directory, "--save", "", "--appendonly", "yes",
             "--appendfsync", "always", "--daemonize", "no"],
            stdout=subprocess.DEVNULL)
        wait_until("redis is up", 10, self.socket.exists)

    def install(self):
        if (HERE / "node_modules" / "bullmq").is_dir():
            return
        done = subprocess.run(["npm", "install", "--ignore-scripts"], cwd=HERE,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"npm install: {done.stderr[-1000:]}")

    def produce(self, count, url):
        done = subprocess.run(["node", "producer.js", self.socket, str(count),
                               url], cwd=HERE, capture_output=True, text=True,
                              timeout=300, check=False)
        if done.returncode != 0:
            raise Failed(f"producer.js: {done.stderr[-1000:]}")
        return json.loads(done.stdout)

    def worker_start(self):
        self.worker = spawn(["node", "worker.js", self.socket, CONCURRENCY],
                            cwd=HERE, stdout=subprocess.PIPE)
        if self.worker.stdout.readline() != b"ready\n":
            raise Failed("worker.js does not start")

    def worker_stop(self):
        if self.worker is not None:
            stop(self.worker)
            self.worker.stdout.close()
            self.worker = None

    def drain(self, receiver, count):
        """Deliveries per second of a prepared backlog, at the receiver."""
        self.produce(count, f"http://127.0.0.1:{receiver.port}/h/0")
        receiver.reset()
        self.worker_start()
        try:
            return rate_of(receiver.wait_for(count))
        finally:
            self.worker_stop()

    def memory(self, count, url):
        """Bytes of Redis and a worker: (idle, with `count` jobs waiting)."""
        self.worker_start()
        time.sleep(2)
        idle = pss_of([self.redis.pid, self.worker.pid])
        self.worker_stop()
        redis_idle = pss_of([self.redis.pid])
        self.produce(count, url)
        return idle, idle + pss_of([self.redis.pid]) - redis_idle

    def first_delivery(self, receiver):
        """Seconds from the worker's start to its first request."""
        receiver.reset()
        start = now_us()
        self.worker_start()
        try:
            return (receiver.wait_for(1)["first_us"] - start) / 1e6
        finally:
            self.worker_stop()

    def stop(self):
        self.worker_stop()
        if self.redis is not None:
            stop(self.redis)
            self.redis = None
        shutil.rmtree(self.socket_dir, ignore_errors=True)


# --- intake: wrk and nginx ---

# Of one worker process, as ingest is one: two were no faster on two cores. A body of
# this size lies in the buffer of the header, and nginx reads it before it answers.
NGINX_CONF = """
daemon off; master_process off; pid {dir}/pid; error_log {dir}/errors;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_header_buffer_size 16k;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ return 202; }} }}
}}
"""


def nginx_program():
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


def nginx_missing():
    """Why it cannot run here, or None."""
    if shutil.which("wrk") is None:
        return "wrk is not installed"
    return None if nginx_program() else "nginx is not installed (nginx-light)"


def event_of(stack, payload_bytes):
    """An event as the generator posts it (post.c)."""
    payload = {"bench": "0" * 33, "user": USER, "organization": USER,
               "projectName": "shop", "stackName": stack,
               "updateUrl": "https://example.com/updates/42", "kind": "update",
               "result": "succeeded", "resourceChanges": {"update": 3, "same": 28},
               "isPreview": False, "pad": ""}
    words = {"separators": (",", ":")}
    payload["pad"] = "x" * (payload_bytes - len(json.dumps(payload, **words)))
    return json.dumps({"kind": "stack_update", "payload": payload}, **words)


class Nginx:
    """An nginx of its own that answers 202 to everything."""

    def __init__(self, bench):
        self.port = free_ports(1)
        directory = bench.temp_dir("nginx")
        conf = directory / "nginx.conf"
        conf.write_text(NGINX_CONF.format(dir=directory, port=self.port))
        self.process = spawn([nginx_program(), "-p", directory, "-c", conf],
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        bench.stack.callback(stop, self.process)
        wait_until("nginx is up", 10, self.is_up)

    def is_up(self):
        try:
            return request(self.port, "GET", "/")[0] == 202
        except OSError:
            return False


class Wrk:
    """wrk, one thread, with the generator's bodies of `n_stacks` stacks."""

    def __init__(self, bench, payload_bytes, n_stacks):
        self.bodies = bench.temp_dir("wrk") / "bodies"
        self.bodies.write_text("".join(
            event_of(f"s{i:03d}", payload_bytes) + "\n" for i in range(n_stacks)))

    def post(self, port, path, token, connections, seconds):
        """Answers with 202: how many, and how many per second."""
        done = subprocess.run(
            ["wrk", "-t", "1", "-c", str(connections), "-d", str(seconds),
             "-s", str(WRK_LUA), f"http://127.0.0.1:{port}{path}", "--",
             str(self.bodies), token],
            capture_output=True, text=True, timeout=seconds + 30, check=False)
        counted = re.search(r"(\d+) requests in", done.stdout)
        rate = re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)
        if counted is None or rate is None or "Non-2xx" in done.stdout \
                or "Socket errors" in done.stdout:
            raise Failed(f"wrk: {done.stdout[-1000:]}{done.stderr[-500:]}")
        return {"accepted": int(counted[1]), "per_second": float(rate[1])}
