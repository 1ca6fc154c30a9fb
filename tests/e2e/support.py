# SPDX-License-Identifier: MIT
"""Small things that every end-to-end test needs."""

import contextlib
import json
import random
import re
import socket
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECRET = "s3cret-canary-1b7e"


# No wait is given up sooner: how long something takes is the machine's matter.
PATIENCE_S = 120


def wait_for(condition, what, seconds=PATIENCE_S):
    """The first true value of condition(). Fails loudly after `seconds`, which count
    only if they are more than PATIENCE_S."""
    seconds = max(seconds, PATIENCE_S)
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        # To ask is work, often of a process: the longer it took, the less often.
        time.sleep(min(max(0.01, waited / 8), 0.25))


def free_ports(count):
    """Ports that nobody listens on just now. Not of the range that the kernel
    gives to outgoing connections, which may take a port back at any moment."""
    ports = set()
    while len(ports) < count:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.add(port)
    return list(ports)


def compact(value):
    """JSON as a delivery carries it: no white space, UTF-8 as it is."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def event_of(n_bytes):
    """An event, as bytes of JSON, of exactly so many bytes; no string in it is
    longer than intake takes."""
    event = {"kind": "order.created", "payload": {"x": []}}
    strings = event["payload"]["x"]
    while (missing := n_bytes - len(compact(event))) > 50_000 + 10:
        strings.append("y" * 50_000)
    strings.append("")
    missing = n_bytes - len(compact(event))
    strings[-1] = "y" * missing
    return compact(event).encode()


def connections_to(port):
    """How many connections a server on this port of 127.0.0.1 has."""
    local = f"0100007F:{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as lines:
        return sum(words[1] == local and words[3] == "01"
                   for words in map(str.split, lines))


def wait_asking(port, count=1):
    """Until so many clients have connected, and had the time to ask."""
    wait_for(lambda: connections_to(port) >= count, f"{count} clients ask")
    time.sleep(0.5)


def parse_log_line(line):
    """key=value pairs of a log line, or None if it is no such line."""
    pair = r'([a-z_0-9]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)'
    if not re.fullmatch(rf"{pair}(?: {pair})*", line):
        return None
    return {key: value.strip('"') for key, value in re.findall(pair, line)}


def parse_metrics(text):
    """Prometheus text as {name: {labels: value}}; fails on a malformed line."""
    families = {}
    sample = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
    for line in text.splitlines():
        if not line or line.startswith("# HELP ") or line.startswith("# TYPE "):
            continue
        match = sample.fullmatch(line)
        assert match, f"not a line of Prometheus text: {line!r}"
        name, labels, value = match.groups()
        families.setdefault(name, {})[labels or ""] = float(value)
    return families


class Pending:
    """A request whose answer is not waited for."""

    def __init__(self, port, method, path, token, headers="",
                 content_type="application/json"):
        known = f"Authorization: token {token}\r\n" if token else ""
        head = (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{known}"
                f"Content-Type: {content_type}\r\n{headers}\r\n")
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(head.encode())
        self.socket.setblocking(False)
        self.bytes = b""

    def status(self):
        """Of the answer; None: there is none yet."""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while piece := self.socket.recv(65536):
                self.bytes += piece
        if b"\r\n\r\n" not in self.bytes:
            return None
        return int(self.bytes.split()[1])

    def is_at_end(self):
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        return False

    def close(self):
        self.socket.close()
