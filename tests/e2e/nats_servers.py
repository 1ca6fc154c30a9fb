# SPDX-License-Identifier: MIT
"""One or three real servers of NATS, on ports and with a directory of their own."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import urllib.request

import pytest

from support import free_ports, wait_for

NEEDED = (2, 10, 27)


def find_server():
    """The program, or the line that says why a test is left out."""
    program = shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        pytest.skip("nats-server is not installed: deploy/install-deps --cluster brings it")
    said = subprocess.run([program, "--version"], capture_output=True, text=True,
                          timeout=10).stdout
    version = said.strip().rpartition("v")[2]
    if tuple(map(int, version.split("-")[0].split("."))) < NEEDED:
        pytest.skip(f"nats-server is {version}, needed is 2.10.27: "
                    "deploy/install-deps --cluster brings it")
    return program


class NatsServers:
    """`more` goes into each server's configuration; `access` is what stands before the first
    address."""

    def __init__(self, directory, count, sync="always", max_payload="1MB", store="16GB",
                 more="", access="nats://"):
        self.program = find_server()
        self.directory = directory
        self.settings = sync, max_payload, store, more
        self.access = access
        self.numbers = range(count)
        self.processes = {}
        self.start_all()

    def start_all(self):
        ports = free_ports(3 * len(self.numbers))
        self.ports, self.peers, self.http = (ports[i::3] for i in range(3))
        for i in self.numbers:
            self.configure(i, *self.settings)
            self.start(i)

    def wait(self):
        wait_for(self.are_ready, "servers that have a leader")
        return self

    def configure(self, i, sync, max_payload, store, more):
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self.peers)
        cluster = f"""cluster {{ name: posthorn, listen: "127.0.0.1:{self.peers[i]}",
            no_advertise: true, routes: [{routes}] }}""" if len(self.numbers) > 1 else ""
        (self.directory / f"n{i}.conf").write_text(f"""
            server_name: n{i}
            listen: "127.0.0.1:{self.ports[i]}"
            http: "127.0.0.1:{self.http[i]}"
            max_payload: {max_payload}
            ping_interval: "5s"
            ping_max: 2
            jetstream {{ store_dir: "{self.directory}/n{i}", sync_interval: {sync},
                max_memory_store: 64MB, max_file_store: {store} }}
            {cluster}
            {more}
            """)

    def start(self, i):
        with open(self.directory / f"n{i}.log", "ab") as log:
            self.processes[i] = subprocess.Popen(
                [self.program, "-c", self.directory / f"n{i}.conf"], stdout=log, stderr=log,
                env={**os.environ, "GOMAXPROCS": "1"})

    def kill(self, i, number=signal.SIGKILL):
        self.processes[i].send_signal(number)
        if number == signal.SIGKILL:
            self.processes[i].wait()

    def go_on(self, i):
        self.processes[i].send_signal(signal.SIGCONT)

    def end(self):
        for process in self.processes.values():
            process.kill()
            process.wait()

    def ask(self, i, path):
        """What its monitoring port says, or None."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http[i]}/{path}",
                                        timeout=5) as answer:
                return json.load(answer)
        except (OSError, http.client.HTTPException):
            return None

    def are_ready(self):
        """All run, have chosen who leads them, and have heard of each other."""
        if any(process.poll() is not None for process in self.processes.values()):
            self.end()  # somebody else took a port meanwhile
            self.start_all()
            return False
        for i in self.numbers:
            said = self.ask(i, "jsz")
            if not said:
                return False
            meta = said.get("meta_cluster", {})
            if len(self.numbers) > 1 and (
                    not meta.get("leader") or meta["cluster_size"] != len(self.numbers)):
                return False
            if any(peer.get("offline") for peer in meta.get("replicas", ())):
                return False
        return True

    def leader_of(self, stream):
        """The number of the server that leads a stream; None while nobody does."""
        for i in self.numbers:
            said = self.ask(i, "jsz?streams=true") or {}
            for account in said.get("account_details", ()):
                for detail in account.get("stream_detail", ()):
                    leader = detail.get("cluster", {}).get("leader")
                    if detail["name"] == stream and leader:
                        return int(leader[1:])
        return None

    @property
    def url(self):
        return self.access + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    @property
    def monitors(self):
        return ",".join(f"http://127.0.0.1:{port}" for port in self.http)
