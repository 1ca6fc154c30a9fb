# SPDX-License-Identifier: MIT
"""BullMQ, undici and Redis: what a team would build instead."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import time

from harness import ROOT, Failed, now_us, pss_of, rate_of, spawn, stop, \
    wait_until

HERE = ROOT / "bench" / "bullmq"
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
