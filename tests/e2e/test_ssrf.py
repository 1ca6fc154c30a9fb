# SPDX-License-Identifier: MIT
"""Where deliveries go, and where they never do."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest

from engine import BINARY
from receiver import Receiver, tls_context
from support import ROOT

pytestmark = pytest.mark.shared


def blocked(engine, url):
    hook = engine.create_hook(url, retrySchedule=["1h"])
    engine.post_event()
    row = engine.wait_deliveries(hook, 1)[0]
    return row["error"] is not None and row["error"]["class"] == "blocked"


def test_own_servers_are_never_delivered_to(engine):
    """Though the settings allow all of loopback."""
    for port in (engine.api_port, engine.ingest_port):
        assert blocked(engine, f"http://127.0.0.1:{port}/api/orgs/acme/hooks")
        assert blocked(engine, f"http://localhost:{port}/")


@pytest.mark.settings(endpoint_allow="10.0.0.0/8")
def test_own_addresses_are_refused_like_private_ones(engine, receiver):
    """Whatever addresses this machine has."""
    text = subprocess.run(["ip", "-o", "addr"], capture_output=True, text=True,
                          check=True).stdout
    addresses = set(re.findall(r"inet6? ([0-9a-f.:]+)/", text))
    assert "127.0.0.1" in addresses
    for address in sorted(addresses):
        if address.startswith(("10.", "fe80")):
            continue  # allowed here; needs an interface's name
        host = f"[{address}]" if ":" in address else address
        assert blocked(engine, f"http://{host}:{receiver.port}/"), address
    assert receiver.n_connections == 0


# --- through a proxy ---

class Proxy:
    """CONNECT, and whole URLs; notes what it was asked for."""

    def __init__(self):
        self.asked = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,),
                             daemon=True).start()

    def serve(self, client):
        data = b""
        while b"\r\n\r\n" not in data:
            data += client.recv(65536)
        method, target, _ = data.split(b"\r\n")[0].decode().split()
        self.asked.append(f"{method} {target}")
        where = target if method == "CONNECT" else target.split("/")[2]
        host, port = where.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = "/" + target.split("/", 3)[3]
                server.sendall(data.replace(target.encode(), path.encode(), 1))
            threading.Thread(target=self.pump, args=(server, client),
                             daemon=True).start()
            self.pump(client, server)

    @staticmethod
    def pump(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.mark.parametrize("is_tls", [False, True], ids=["http", "https"])
def test_all_goes_through_the_egress_proxy(make_engine, certificates, is_tls):
    proxy = Proxy()
    receiver = Receiver(tls_context(certificates) if is_tls else None)
    try:
        engine = make_engine(
            egress_proxy=f"http://127.0.0.1:{proxy.port}", endpoint_allow="",
            ca_file=str(certificates.ca)).start()
        hook = engine.create_hook(receiver.url("/through"))
        engine.post_event()
        row = engine.wait_deliveries(hook, 1)[0]
        assert row["state"] == "delivered", row
        assert row["requestUrl"] == receiver.url("/through")
        assert "200 OK" not in row["responseHeaders"]  # the proxy's own
        where = f"127.0.0.1:{receiver.port}"
        assert proxy.asked == [f"CONNECT {where}" if is_tls
                               else f"POST http://{where}/through"]
    finally:
        receiver.stop()


@pytest.mark.settings(egress_proxy="http://127.0.0.1:1")
def test_nothing_goes_around_a_proxy_that_is_down(engine, receiver):
    hook = engine.create_hook(receiver.url(), retrySchedule=["1h"])
    engine.post_event()
    assert engine.wait_deliveries(hook, 1)[0]["error"]["class"] == "connect"
    assert receiver.n_connections == 0


@pytest.mark.parametrize("value", [
    "proxy:3128", "https://proxy:3128", "http://proxy", "http://proxy:3128/x",
    "http://user@proxy:3128", "socks5://proxy:1080", "http://:3128"])
def test_proxy_must_be_one(make_engine, value):
    engine = make_engine(egress_proxy=value)
    done = subprocess.run(engine.command(), capture_output=True, text=True,
                          timeout=20,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode != 0 and "egress_proxy: must be like" in done.stderr


# --- names that change ---

def can_make_namespaces():
    done = subprocess.run(
        ["unshare", "-n", "-m", "ip", "link", "add", "v0", "type", "veth"],
        capture_output=True)
    return done.returncode == 0


@pytest.mark.slow
def test_changing_names_reach_nothing_within(tmp_path, request):
    """A name server that gives a public address first and another one then;
    both at once; an alias; IPv6 that carries IPv4; black holes. Counted on the
    wire."""
    if os.geteuid() != 0 or shutil.which("ip") is None or \
            not can_make_namespaces():
        pytest.skip("no network namespaces here")
    count = 1001 if request.config.getoption("--long") else 105
    done = subprocess.run(
        ["unshare", "-n", "-m", sys.executable,
         str(ROOT / "tests/e2e/rebinding.py"), BINARY, str(tmp_path),
         str(count)],
        capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    world = json.loads(done.stdout.splitlines()[-1])
    assert all(address.startswith("93.184.216.")
               for address in world["seen"]), world
    assert world["books"]["matched"] == count
    # Those whose name was public, or public among others, got theirs.
    # One may have come without its answer being there in time.
    assert count // 7 <= world["books"]["delivered"] <= world["received"]
    assert world["books"]["dead"] >= count // 7  # those that never were
    # Nobody at any of many addresses: over in time all the same.
    assert len(world["holes"]) == 3 * (count // 7)
    assert all(what in ("connect", "timeout") and us < 3.5e6
               for what, us in world["holes"]), world["holes"]
    assert world["queries"] >= count
