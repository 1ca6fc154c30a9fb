# SPDX-License-Identifier: MIT
"""A world of its own for one engine: a network namespace with a name server that
changes its mind, and a receiver at a public address in another one.

usage: rebinding.py BINARY DIRECTORY COUNT   (as root, in new network and mount
namespaces); prints one JSON object: what was delivered, and packets that went
where none may go."""

import itertools
import json
import os
import pathlib
import random
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

PUBLIC = "93.184.216.34"
GATEWAY = "93.184.216.1"
PORT = 8099
DENIED = ("127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.7.7", "0.0.0.0")
DENIED_V6 = ("::1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "fd00:ec2::254",
             "64:ff9b::7f00:1")


def run(*words):
    subprocess.run(words, check=True)


# --- the name server ---

def name_to_bytes(name):
    return b"".join(bytes([len(part)]) + part.encode()
                    for part in name.split(".")) + b"\0"


def record(kind, data):
    """Of the question's name, with a life of 0 s."""
    return struct.pack("!HHHIH", 0xc00c, kind, 1, 0, len(data)) + data


def a(address):
    return record(1, socket.inet_aton(address))


def aaaa(address):
    return record(28, socket.inet_pton(socket.AF_INET6, address))


def cname(name, *more):
    return record(5, name_to_bytes(name)), *more


class Names:
    """By the first letter of a name: flip, never, mixed, alias, six, public,
    black holes."""

    def __init__(self):
        self.chance = random.Random(7)
        self.turns = {}
        self.n_queries = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            data, peer = self.socket.recvfrom(4096)
            self.n_queries += 1
            self.socket.sendto(self.answer(data), peer)

    def answer(self, data):
        at, parts = 12, []
        while data[at]:
            parts.append(data[at + 1:at + 1 + data[at]].decode().lower())
            at += 1 + data[at]
        question = data[12:at + 5]
        kind = struct.unpack("!H", data[at + 1:at + 3])[0]
        records = self.records(parts[0], kind)
        return (data[:2] + b"\x84\x00\x00\x01"
                + struct.pack("!HHH", len(records), 0, 0) + question
                + b"".join(records))

    def records(self, name, kind):
        denied = self.chance.choice(DENIED)
        if kind == 28:
            return [aaaa(self.chance.choice(DENIED_V6))] if name[0] in "sm" \
                else []
        if kind != 1:
            return []
        if name[0] == "f":  # public at first, then not
            turn = self.turns[name] = self.turns.get(name, -1) + 1
            return [a(PUBLIC if turn == 0 else denied)]
        if name[0] == "n":  # never public
            return [a(denied)]
        if name[0] == "m":  # both
            both = [a(PUBLIC), a(denied)]
            self.chance.shuffle(both)
            return both
        if name[0] == "b":  # nobody is there; as many as a packet takes
            return [a(f"93.184.216.{n}") for n in range(100, 125)]
        if name[0] == "a":  # an alias for something within
            return [*cname("internal.test"), struct.pack("!H", 0xc00c)[:0]
                    + record(1, socket.inet_aton("127.0.0.1"))]
        return [a(PUBLIC)]


# --- what goes over the wire ---

class Sniffer:
    """Counts the first packets of TCP connections to PORT, by address."""

    def __init__(self):
        self.seen = {}
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                    socket.htons(3))
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            data, where = self.socket.recvfrom(65536)
            packet = data[14:]
            if where[2] != socket.PACKET_OUTGOING or not packet:
                continue
            if packet[0] >> 4 == 4 and packet[9] == 6:
                tcp = packet[(packet[0] & 15) * 4:]
                address = socket.inet_ntoa(packet[16:20])
            elif packet[0] >> 4 == 6 and packet[6] == 6:
                tcp = packet[40:]
                address = socket.inet_ntop(socket.AF_INET6, packet[24:40])
            else:
                continue
            if struct.unpack("!H", tcp[2:4])[0] == PORT and tcp[13] & 18 == 2:
                self.seen[address] = self.seen.get(address, 0) + 1


def make_world(directory):
    """Returns the process that holds the other namespace."""
    resolv = directory / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    run("mount", "--make-rprivate", "/")
    run("mount", "--bind", str(resolv), os.path.realpath("/etc/resolv.conf"))
    run("ip", "link", "set", "lo", "up")
    other = subprocess.Popen(["unshare", "-n", "sleep", "600"])
    mine = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{other.pid}/ns/net") == mine:
        time.sleep(0.01)
    run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    run("ip", "link", "set", "v1", "netns", str(other.pid))
    run("ip", "addr", "add", f"{GATEWAY}/24", "dev", "v0")
    run("ip", "link", "set", "v0", "up")
    within = ("nsenter", "-t", str(other.pid), "-n")
    run(*within, "ip", "addr", "add", f"{PUBLIC}/24", "dev", "v1")
    run(*within, "ip", "link", "set", "v1", "up")
    return other


RECEIVER = f"""
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.send_header("connection", "close")
        self.end_headers()
        print("got", flush=True)
    def log_message(self, *words): pass
http.server.ThreadingHTTPServer(("{PUBLIC}", {PORT}), Handler).serve_forever()
"""


def main():
    binary, directory, count = sys.argv[1:]
    os.environ["POSTHORN_BINARY"] = binary
    from engine import Engine  # reads the variable
    from support import wait_for
    directory = pathlib.Path(directory)
    other = make_world(directory)
    names, sniffer = Names(), Sniffer()
    receiver = subprocess.Popen(
        ["nsenter", "-t", str(other.pid), "-n", sys.executable, "-c", RECEIVER],
        stdout=open(directory / "got", "wb"))
    # Somebody listens within: a connection to him would succeed.
    listener = socket.create_server(("127.0.0.1", PORT))
    engine = Engine(directory, endpoint_allow="", retry_schedule="50ms,50ms",
                    request_timeout="3s", connect_timeout="2s",
                    breaker_failures="0").start()
    try:
        kinds = itertools.cycle("fnmaspb")
        for n in range(int(count)):
            reply = engine.api("POST", "/api/orgs/acme/hooks", {
                "organizationName": "acme", "displayName": "x", "active": True,
                "payloadUrl": f"http://{next(kinds)}{n}.test:{PORT}/"})
            assert reply.status == 201, reply
        engine.settle_hooks()
        engine.post_event()
        books = engine.wait_settled(120)
        wait_for(lambda: (directory / "got").read_bytes().count(b"got")
                 >= books["delivered"], "all that was delivered came")
        holes = [row for hook in engine.api("GET", "/api/orgs/acme/hooks").json()
                 if hook["payloadUrl"].startswith("http://b")
                 for row in engine.deliveries(
                     f"/api/orgs/acme/hooks/{hook['name']}")]
        print(json.dumps({
            "books": books, "seen": sniffer.seen, "queries": names.n_queries,
            "received": (directory / "got").read_bytes().count(b"got"),
            "holes": [[row["error"]["class"], row["timing"]["totalUs"]]
                      for row in holes]}))
    finally:
        engine.stop()
        for process in (receiver, other):
            process.kill()
        listener.close()


if __name__ == "__main__":
    main()
