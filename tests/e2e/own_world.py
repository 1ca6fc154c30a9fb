# SPDX-License-Identifier: MIT
"""A machine with more addresses than anybody counts, for one engine: 300 of an
interface, and a local route that holds 256 that no interface has.

usage: own_world.py BINARY DIRECTORY   (as root, in a new network namespace);
prints one JSON object: what became of a delivery to each, and how many
connections came."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

PORT = 8099
ROUTED = "198.105.7"  # all of it is this machine, by a route
NAMED = "198.105.8"   # likewise, and endpoint_allow names it


def run(*words):
    subprocess.run(words, check=True)


def make_world():
    run("ip", "link", "set", "lo", "up")
    many = [f"199.{n // 200}.{n % 200}.9" for n in range(300)]
    batch = "".join(f"addr add {a}/32 dev lo\n" for a in many)
    subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
    run("ip", "-6", "addr", "add", "2a00:7::9/128", "dev", "lo", "nodad")
    for net in (f"{ROUTED}.0/24", f"{NAMED}.0/24"):
        run("ip", "route", "add", "local", net, "dev", "lo")
    return many


class Listener:
    """At every address; anybody who connects is counted."""

    def __init__(self):
        self.n = 0
        self.socket = socket.create_server(("::", PORT), backlog=100,
                                           family=socket.AF_INET6,
                                           dualstack_ipv6=True)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            client, _ = self.socket.accept()
            with client:
                self.n += 1
                client.recv(65536)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def main():
    binary, directory = sys.argv[1:]
    os.environ["POSTHORN_BINARY"] = binary
    from engine import Engine  # reads the variable
    many = make_world()
    listener = Listener()
    engine = Engine(pathlib.Path(directory), retry_schedule="1h",
                    breaker_failures="0",
                    endpoint_allow=f"{NAMED}.0/24").start()
    engine.settings["api_listen"] = f"0.0.0.0:{engine.api_port}"
    engine.stop()
    engine.start()
    found = {}

    def judge(host, port=PORT):
        hook = engine.create_hook(f"http://{host}:{port}/")
        engine.post_event()
        row = engine.wait_deliveries(hook, 1)[0]
        assert engine.api("DELETE", hook).status == 204
        return row["error"]["class"] if row["error"] else "delivered"

    try:
        for host in (many[0], many[255], many[256], many[299], "[2a00:7::9]",
                     f"{ROUTED}.1", f"{ROUTED}.200"):
            found[host] = judge(host)
        n_within = listener.n
        found["named"] = judge(f"{NAMED}.5")
        # The engine's own server listens there as everywhere.
        found["own server"] = judge(f"{NAMED}.5", engine.api_port)
        print(json.dumps({"found": found, "within": n_within}))
    finally:
        engine.stop()


if __name__ == "__main__":
    main()
