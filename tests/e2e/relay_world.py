# SPDX-License-Identifier: MIT
"""A relay's process under a supervisor of the test's own, and lead nodes for it."""

import contextlib
import os
import pathlib
import re
import socket
import struct
import subprocess
import threading

from engine import BINARY
from support import ROOT, wait_for

MESSAGE = "=IIIIiIQQQ"  # struct control_message
INGEST, API = 0, 1


def numbers_of(header, enum, prefix):
    """The values of an enum whose constants have none, or have one each."""
    text = (ROOT / header).read_text(encoding="utf-8")
    body = re.search(r"enum %s \{(.*?)\};" % enum, text, re.S).group(1)
    found, at = {}, 0
    for name, value in re.findall(r"\b(%s_\w+)\b(?:\s*=\s*(\d+))?" % prefix,
                                  re.sub(r"//.*", "", body)):
        at = int(value) if value else at
        found[name] = at
        at += 1
    return found


ROLES = numbers_of("common/process/role_kind.h", "role_kind", "ROLE")
FRAMES = numbers_of("common/process/role.h", "frame_type", "FRAME")
CONTROL = numbers_of("common/process/control_socket.h", "control_type", "CONTROL")


def frame_of(api, ingest, wants_clients=False):
    """The frame that tells who leads."""
    body = bytes([FRAMES["FRAME_LEAD"]])
    for text in (api.encode(), ingest.encode()):
        body += b"\xc4" + bytes([len(text)]) + text
    body += b"\xc3" if wants_clients else b"\xc2"
    return struct.pack(">I", len(body)) + body


class Relay:
    """`posthorn role relay INDEX`, started as the supervisor does it."""

    def __init__(self, directory, index=API, binary=BINARY, tls=False, **settings):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.log = self.directory / "log"
        self.link = None
        page, notes = (os.memfd_create("page") for _ in range(2))
        os.ftruncate(page, 4096)
        os.ftruncate(notes, 1 << 20)
        given = [theirs.fileno(), page, self.listener.fileno(), notes]
        given += [os.memfd_create("key")] if tls else []
        high = [os.dup(fd) for fd in given]
        while min(high) < 32:  # not among the numbers that they get in the role
            high = [os.dup(fd) for fd in high]

        def place():
            for number, fd in enumerate(high, 3):
                os.dup2(fd, number)

        sets = [f"{name}={value}" for name, value in settings.items()]
        env = {"POSTHORN_ROLE_SOURCES": "\n".join(["", *sets]),
               "POSTHORN_ROLE_SLOT": "1", "POSTHORN_DATA_DIR": str(self.directory),
               # What is freed is free at once: memory is measured.
               "ASAN_OPTIONS": "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"}
        if tls:
            env["POSTHORN_ROLE_TLS"] = "1"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [binary, "role", "relay", str(index)], env=env, close_fds=False,
                preexec_fn=place, stderr=log, stdout=log)
        os.closerange(min(high), max(high) + 1)
        theirs.close()
        assert self.receive() == "CONTROL_READY", self.log.read_text()

    def receive(self):
        """The type of the next message; None: the process has ended."""
        self.control.settimeout(60)
        message = self.control.recv(256)
        types = {number: name for name, number in CONTROL.items()}
        return types[struct.unpack(MESSAGE, message)[0]] if message else None

    def tell(self, what, role=0, fds=()):
        message = struct.pack(MESSAGE, CONTROL[what], role, 0, 1, 0, 0, 0, 0, 0)
        socket.send_fds(self.control, [message], list(fds))

    def connect_replicator(self):
        self.link, theirs = socket.socketpair()
        self.tell("CONTROL_LINK", ROLES["ROLE_REPLICATOR"], [theirs.fileno()])
        theirs.close()

    def set_lead(self, api="", ingest="", wants_clients=False):
        """Returns when the relay knows it."""
        if self.link is None:
            self.connect_replicator()
        before = self.log.read_text().count("msg=")
        self.link.sendall(frame_of(api, ingest, wants_clients))
        wait_for(lambda: self.log.read_text().count("msg=") > before, "the lead is known")

    def dial(self, source="127.0.0.1"):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60,
                                          source_address=(source, 0))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def peak_kib(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1))

    def stop(self):
        self.process.kill()
        self.process.wait()
        for end in (self.control, self.listener, self.link):
            if end is not None:
                end.close()


class Lead:
    """A server of the lead node: runs `serve(connection)` for each connection."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.serve = serve
        self.n_accepted = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.n_accepted += 1
                threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        with connection, contextlib.suppress(OSError):
            self.serve(connection)

    def stop(self):
        with contextlib.suppress(OSError):  # it has stopped before
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def read_all(connection):
    """Everything until the other side ends."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def echo(connection):
    while part := connection.recv(1 << 16):
        connection.sendall(part)
    connection.shutdown(socket.SHUT_WR)
    read_all(connection)


def echo_once(connection, data):
    """What comes back of `data`, and no more."""
    connection.sendall(data)
    got = b""
    while len(got) < len(data):
        part = connection.recv(len(data) - len(got))
        assert part, "the connection has ended"
        got += part
    return got
