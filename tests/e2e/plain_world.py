# SPDX-License-Identifier: MIT
"""A network of its own for one engine without TLS, and a client that does not come from
this machine's loopback.

usage: plain_world.py BINARY DIRECTORY   (as root, in a new network namespace);
prints one JSON object: for each case, the status and the message of a login."""

import http.client
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

ADDRESS = "192.0.2.7"
NAME = "hooks.example.com"


def log_in(engine, host, source):
    connection = http.client.HTTPConnection(
        ADDRESS if source == ADDRESS else "127.0.0.1", engine.api_port, timeout=60,
        source_address=(source, 0))
    connection.request("POST", "/dashboard/session", headers={
        "Host": host, "Authorization": f"token {engine.token}"})
    answer = connection.getresponse()
    text = answer.read().decode()
    cookie = answer.getheader("Set-Cookie")
    connection.close()
    return {"status": answer.status, "cookie": cookie is not None,
            "message": json.loads(text)["message"] if text else ""}


def main():
    binary, directory = sys.argv[1:]
    os.environ["POSTHORN_BINARY"] = binary
    from engine import Engine  # reads the variable
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
    engine = Engine(pathlib.Path(directory))
    engine.settings["api_listen"] = f"0.0.0.0:{engine.api_port}"
    engine.settings["api_hosts"] = NAME
    engine.start()
    found = {}
    try:
        port = engine.api_port
        found["address"] = log_in(engine, f"{ADDRESS}:{port}", ADDRESS)
        found["name"] = log_in(engine, NAME, ADDRESS)
        found["says localhost"] = log_in(engine, f"localhost:{port}", ADDRESS)
        found["loopback, other name"] = log_in(engine, NAME, "127.0.0.1")
        found["loopback"] = log_in(engine, f"localhost:{port}", "127.0.0.1")
        engine.stop()
        engine.restart(dashboard_url=f"http://{NAME}")
        found["url without TLS"] = log_in(engine, NAME, ADDRESS)
        engine.stop()
        engine.restart(dashboard_url=f"https://{NAME}")
        found["proxy"] = log_in(engine, NAME, ADDRESS)
        found["around the proxy"] = log_in(engine, f"{ADDRESS}:{port}", ADDRESS)
    finally:
        engine.stop()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
