# SPDX-License-Identifier: MIT
"""Connections that nobody answers for make room for others."""

import socket

import pytest

from support import Pending, wait_for


def is_open(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


@pytest.mark.parametrize("settings", [
    {"max_connections": "16"},
    {"max_connections_per_address": "16"}], ids=["all", "one address"])
def test_who_waits_without_a_request_makes_room_the_oldest_first(
        make_engine, settings):
    """One address may be a proxy's: what it may have is not for those alone
    who came first."""
    engine = make_engine(**settings).start()
    token = engine.api("POST", "/api/orgs/acme/tokens", {
        "scopes": ["write", "read"]}).json()["token"]
    held = Pending(engine.api_port, "POST", "/api/orgs/acme/hooks", token,
                   "Content-Length: 2\r\nExpect: 100-continue\r\n")
    wait_for(held.status, "its body may come")
    idle = []
    for n in range(60):
        idle.append(socket.create_connection(("127.0.0.1", engine.api_port)))
        if n % 3 == 0:  # some have begun a request
            idle[-1].sendall(b"GET /api/orgs/acme/hooks HTTP/1.1\r\nHost: x")
        if n % 3 == 1:  # some have been told no
            idle[-1].sendall(b"GET /api/orgs/acme/hooks HTTP/1.1\r\n"
                             b"Host: localhost\r\n\r\n")
        if n % 10 == 9:
            for credentials in (engine.token, token):
                assert engine.api("GET", "/api/orgs/acme/hooks",
                                  token=credentials).status == 200
            assert engine.api("GET", "/readyz", token=None).status == 200
    wait_for(lambda: not is_open(idle[0]), "the oldest made room")
    assert not any(is_open(c) for c in idle[2:30:3])
    assert is_open(idle[-1])
    held.bytes = b""
    held.socket.sendall(b"{}")
    wait_for(lambda: held.status() == 400, "the one in work is answered")
    for connection in idle:
        connection.close()


def test_answers_that_nobody_reads_make_room(make_engine):
    """The document needs no token, and is larger than what a socket takes."""
    engine = make_engine(max_connections="8").start()
    unread = []
    for _ in range(24):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", engine.api_port))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\n"
                           b"Host: localhost\r\n\r\n" * 8)
        unread.append(connection)
        assert engine.api("GET", "/healthz", token=None).status == 200
        assert engine.api("GET", "/api/user/organizations/default"
                          ).status in (200, 404)
    for connection in unread:
        connection.close()


def test_a_token_has_one_share_in_both_apis(make_engine):
    engine = make_engine(max_connections="32",
                         max_connections_per_organization="4").start()
    org = "63ea5b1ac9a94d6f0b1b2c3d"
    token = engine.api("POST", f"/api/orgs/{org}/tokens", {
        "scopes": ["write", "ingest"]}).json()["token"]
    paths = (f"/api/orgs/{org}/hooks", f"/api/orgs/{org.upper()}/hooks",
             f"/organizations/{org}/projects/{org}/settings/webhooks")

    def begin(path):
        request = Pending(engine.api_port, "POST", path, token,
                          "Content-Length: 2\r\nExpect: 100-continue\r\n")
        wait_for(request.status, "it may go on, or not")
        return request

    begun = [begin(paths[n % 3]) for n in range(6)]
    assert [r.status() for r in begun] == [100] * 4 + [429] * 2
    for request in begun:
        request.close()
