# SPDX-License-Identifier: MIT
"""The relay: what a client and the lead node say to each other passes unchanged, and
a client that cannot be served gets 503."""

import json
import os
import pathlib
import socket
import struct
import threading
import time

import pytest

from relay_world import (API, INGEST, Lead, Relay, echo, echo_once, frame_of, read_all)
from support import ROOT, wait_for

RELEASE = os.environ.get("POSTHORN_RELEASE", str(ROOT / "build/posthorn"))
REQUEST = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
MANY_BYTES = 10_000_000
PEAK_KIB = 3 * 1024  # two directions of 256 KiB, and the process's own
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets


@pytest.fixture
def relays(tmp_path):
    """Makes relays, and ends them."""
    made = []

    def make(**options):
        made.append(Relay(tmp_path / str(len(made)), **options))
        return made[-1]

    yield make
    for relay in made:
        relay.stop()


@pytest.fixture
def leads():
    made = []

    def make(serve=echo):
        made.append(Lead(serve))
        return made[-1]

    yield make
    for lead in made:
        lead.stop()


def refusal(relay, source="127.0.0.1"):
    """The 503 that a client gets: its headers, and its body."""
    with relay.dial(source) as client:
        client.sendall(REQUEST)
        head, body = read_all(client).decode().split("\r\n\r\n")
    assert head.startswith("HTTP/1.1 503 Service Unavailable\r\n")
    assert f"Content-Length: {len(body)}" in head
    return head, json.loads(body)


def sockets_of(port, state, column):
    """The kernel's timers (2 is keepalive) of sockets in that state, where the port is the
    own one (column 1) or the peer's (2)."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()]
    return [row[5].split(":")[0] for row in rows[1:]
            if row[3] == state and int(row[column].split(":")[1], 16) == port]


ESTABLISHED, SYN_SENT = "01", "02"


def test_bytes_pass_in_both_directions(relays, leads):
    relay, heard = relays(), []

    def says_goodbye_first(connection):
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))

    def breaks(connection):
        connection.sendall(b"half an answ")
        connection.recv(100)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def hears(connection):
        connection.sendall(b"hi")
        try:
            heard.append(read_all(connection))
        except ConnectionResetError:
            heard.append("reset")

    lead = leads()
    relay.set_lead(lead.address, "127.0.0.1:1")
    with relay.dial() as client:
        assert echo_once(client, bytes(range(256))) == bytes(range(256))
        # A peer that vanishes is noticed.
        wait_for(lambda: sockets_of(relay.port, ESTABLISHED, 1) == ["02"] and
                 sockets_of(lead.port, ESTABLISHED, 2) == ["02"], "both sides are probed")
        client.sendall(b"last")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"last"

    relay.set_lead(leads(says_goodbye_first).address, "127.0.0.1:1")
    with relay.dial() as client:
        assert read_all(client) == b"bye"
        client.sendall(b"late")
    wait_for(lambda: heard == [b"late"], "what is said after the lead's end arrives")

    # A cut answer does not look like a whole one.
    relay.set_lead(leads(breaks).address, "127.0.0.1:1")
    with relay.dial() as client:
        assert client.recv(100) == b"half an answ"
        client.sendall(b"go")
        with pytest.raises(ConnectionResetError):
            read_all(client)
    relay.set_lead(leads(hears).address, "127.0.0.1:1")
    client = relay.dial()
    assert client.recv(2) == b"hi"
    client.sendall(b"half a requ")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()
    wait_for(lambda: heard[1:] == ["reset"], "the lead is told as well")

    # A lead that wants to know the clients gets the PROXY header of each, and then bytes.
    relay.set_lead(leads().address, "127.0.0.1:1", wants_clients=True)
    with relay.dial("127.0.0.9") as client:
        header = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x09\x7f\0\0\x01" +
                  struct.pack(">HH", client.getsockname()[1], relay.port))
        client.sendall(b"GET")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == header + b"GET"


def test_slow_reader_costs_no_memory(relays, leads):
    relay = relays()
    relay.set_lead(leads().address, "127.0.0.1:1")
    data = os.urandom(MANY_BYTES)
    sent = [0]

    def send(client):
        while sent[0] < MANY_BYTES:
            sent[0] += client.send(data[sent[0]:sent[0] + 65536])
        client.shutdown(socket.SHUT_WR)

    def is_stuck():
        before = sent[0]
        time.sleep(0.2)
        return sent[0] == before

    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.connect(("127.0.0.1", relay.port))
        echo_once(client, b"x" * 65536)  # the process has what it needs
        before_kib = relay.peak_kib()
        sender = threading.Thread(target=send, args=(client,))
        sender.start()
        wait_for(is_stuck, "everything on the way is full")
        assert read_all(client) == data
        sender.join()
    assert relay.peak_kib() - before_kib < PEAK_KIB


def test_lead_changes_and_goes(relays, leads):
    relay, first, second = relays(index=INGEST), leads(), leads()
    full = socket.create_server(("127.0.0.1", 0), backlog=0)  # takes one, answers nobody
    filler = [socket.socket() for _ in range(2)]
    for one in filler:
        one.setblocking(False)
        one.connect_ex(full.getsockname())

    head, body = refusal(relay)
    assert "\r\nRetry-After: 1\r\n" in head and "\r\nConnection: close" in head
    assert body == {
        "code": 503, "status": "not ready", "waitingFor": ["lead node"],
        "message": "Service Unavailable: lead node is not known; try again later",
        "reasons": {"lead node": "is not known"}}

    silent = full.getsockname()[1]
    n_before = len(sockets_of(silent, SYN_SENT, 2))
    relay.set_lead("127.0.0.1:1", f"127.0.0.1:{silent}")
    waiting = relay.dial()
    waiting.sendall(REQUEST)
    began = time.monotonic()
    wait_for(lambda: len(sockets_of(silent, SYN_SENT, 2)) > n_before, "it is asked")

    relay.set_lead("127.0.0.1:1", first.address)
    with relay.dial() as old:
        assert echo_once(old, b"a") == b"a"
        relay.set_lead("127.0.0.1:1", second.address)
        with relay.dial() as new:
            assert echo_once(new, b"b") == b"b"
            assert echo_once(old, b"c") == b"c"
        assert (first.n_accepted, second.n_accepted) == (1, 1)
        second.stop()
        assert refusal(relay)[1]["reasons"] == {"lead node": "does not accept connections"}
        relay.set_lead()
        assert refusal(relay)[1]["reasons"] == {"lead node": "is not known"}
        assert echo_once(old, b"d") == b"d"

        # A frame that is not right ends the link, and changes nothing.
        for bad in (frame_of("localhost:80", "127.0.0.1:1"), frame_of("127.0.0.1:1", ""),
                    b"\x00\x00\xff\xff", frame_of("127.0.0.1:1", "127.0.0.1:1")[:4] + b"\xff" * 99):
            relay.link.sendall(bad)
            assert relay.link.recv(1) == b""
            assert relay.receive() == "CONTROL_NO_LINK"
            relay.connect_replicator()
        assert echo_once(old, b"e") == b"e"
        relay.set_lead("127.0.0.1:1", first.address)

    assert b'"lead node":"does not answer"' in read_all(waiting)
    assert 2.5 < time.monotonic() - began < 20
    for one in (waiting, full, *filler):
        one.close()


def test_tls_passes_through_and_is_refused_with_an_alert(relays, leads):
    relay = relays(tls=True)
    with relay.dial() as client:
        client.sendall(b"\x16\x03\x01")
        assert read_all(client) == bytes([21, 3, 3, 0, 2, 2, 80])
    relay.set_lead(leads().address, "127.0.0.1:1")
    with relay.dial() as client:
        assert echo_once(client, b"\x16\x03\x01") == b"\x16\x03\x01"
    keys = pathlib.Path(f"/proc/{relay.process.pid}/fd/7")
    assert not os.path.lexists(keys) or "memfd:key" not in os.readlink(keys)


def test_caps_and_drain(relays, leads):
    relay = relays(max_connections=3, max_connections_per_address=2)
    released = threading.Event()

    def serve(connection):
        """An echo that takes its time for b"w"."""
        while said := connection.recv(1):
            if said == b"w":
                released.wait(60)
            connection.sendall(said)

    relay.set_lead(leads(serve).address, "127.0.0.1:1")
    clients = [relay.dial("127.0.0.2") for _ in range(2)]
    for client in clients:
        echo_once(client, b"x")
    too_many = {"relay.1": "has too many connections"}
    assert refusal(relay, "127.0.0.2")[1]["reasons"] == too_many
    clients.append(relay.dial())
    echo_once(clients[2], b"x")
    assert refusal(relay, "127.0.0.3")[1]["reasons"] == too_many
    clients.pop(0).close()

    def let_in():
        client = relay.dial("127.0.0.3")
        if echo_once(client, b"y") == b"y":
            return client
        client.close()
        return None

    quiet = wait_for(let_in, "there is room again")
    for client in clients:
        client.sendall(b"w")
    relay.tell("CONTROL_DRAIN")
    wait_for(lambda: "draining" in relay.log.read_text(), "the relay drains")
    late = relay.dial()  # waits for whoever accepts next
    assert quiet.recv(1) == b""
    assert relay.process.poll() is None
    released.set()
    assert [read_all(client) for client in clients] == [b"w", b"w"]
    assert relay.process.wait(60) == 0
    for client in [quiet, *clients]:
        client.close()
    relay.listener.settimeout(60)
    relay.listener.accept()[0].close()
    late.close()

    hasty = relays(drain_timeout="100ms")
    hasty.set_lead(leads(read_all).address, "127.0.0.1:1")
    with hasty.dial() as client:
        client.sendall(b"x")
        hasty.tell("CONTROL_DRAIN")
        assert hasty.process.wait(60) == 0
    assert "still open at the end of drain_timeout" in hasty.log.read_text()


@pytest.mark.skipif(not pathlib.Path(RELEASE).exists(), reason="without the plain program")
def test_sandboxed_relay_does_all_of_this(relays, leads):
    relay = relays(binary=RELEASE, sandbox="on", index=API)
    assert "seccomp=yes landlock=yes" in relay.log.read_text()
    assert refusal(relay)[1]["code"] == 503
    relay.set_lead(leads().address, "127.0.0.1:1")
    with relay.dial() as client:
        client.sendall(REQUEST * 1000)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == REQUEST * 1000
    relay.tell("CONTROL_DRAIN")
    assert relay.process.wait(60) == 0
