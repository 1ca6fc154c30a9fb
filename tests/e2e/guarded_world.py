# SPDX-License-Identifier: MIT
"""A machine with a neighbour, for one engine: both serve on the same port.

usage: guarded_world.py BINARY DIRECTORY UID   (as root, in a new network namespace);
prints one JSON object: what became of a delivery to each address."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

OURS, THEIRS, ROUTED = "10.91.0.1", "10.91.0.2", "10.92.0.0/24"
OURS_6, THEIRS_6 = "fd91::1", "fd91::2"
SERVER = """
import socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6,
                         dualstack_ipv6=True)
while True:
    client, _ = s.accept()
    with client:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
"""


def run(*words):
    subprocess.run(words, check=True)


@contextlib.contextmanager
def neighbour(port):
    """A machine of its own behind a wire, with a receiver on this port."""
    with subprocess.Popen(["unshare", "-n", "sleep", "600"]) as other:
        try:
            while os.readlink(f"/proc/{other.pid}/ns/net") == \
                    os.readlink("/proc/self/ns/net"):
                time.sleep(0.01)
            run("ip", "link", "set", "lo", "up")
            run("ip", "link", "add", "near", "type", "veth", "peer", "far",
                "netns", str(other.pid))
            inside = ("nsenter", f"--net=/proc/{other.pid}/ns/net")
            for device, before, v4, v6 in (("near", (), OURS, OURS_6),
                                           ("far", inside, THEIRS, THEIRS_6)):
                run(*before, "ip", "addr", "add", f"{v4}/24", "dev", device)
                run(*before, "ip", "-6", "addr", "add", f"{v6}/64", "dev",
                    device, "nodad")
                run(*before, "ip", "link", "set", device, "up")
            # All of it is this machine, and none of it a source address.
            run("ip", "route", "add", "local", ROUTED, "dev", "lo", "src", OURS)
            with subprocess.Popen([*inside, sys.executable, "-c", SERVER,
                                   str(port)]) as server:
                try:
                    yield
                finally:
                    server.kill()
        finally:
            other.kill()


def main():
    binary, directory, uid = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
    os.environ["POSTHORN_BINARY"] = binary
    from engine import Engine  # reads the variable
    engine = Engine(directory, sandbox="on", retry_schedule="1h",
                    breaker_failures="0", endpoint_allow="0.0.0.0/0,::/0")
    port = engine.api_port
    engine.settings["api_listen"] = f"[::]:{port}"
    if uid:
        os.chown(directory, uid, uid)
        command = engine.command()
        engine.command = lambda: ["setpriv", f"--reuid={uid}", f"--regid={uid}",
                                  "--clear-groups", *command]

    def judge(host):
        hook = engine.create_hook(f"http://{host}:{port}/")
        engine.post_event()
        row = engine.wait_deliveries(hook, 1)[0]
        assert engine.api("DELETE", hook).status == 204
        return row["error"]["class"] if row["error"] else "delivered"

    with neighbour(port):
        engine.start()
        try:
            print(json.dumps({
                "found": {host: judge(host) for host in (
                    THEIRS, f"[{THEIRS_6}]", OURS, f"[{OURS_6}]", "127.0.0.1",
                    "10.92.0.7")},
                "log": engine.log()}))
        finally:
            engine.stop()


if __name__ == "__main__":
    main()
