# SPDX-License-Identifier: MIT
"""Behind a reverse proxy that is trusted, log lines, limits and caps by address mean the
client that the proxy names; whoever is not trusted names nobody."""

import contextlib
import http.client
import itertools
import re
import socket
import subprocess

import pytest

from engine import BINARY
from support import compact, wait_for

PROXY = "127.0.0.2"
CAP = 3


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    from conftest import finish
    from engine import Engine

    made = Engine(tmp_path_factory.mktemp("proxied"), trusted_proxies=f"{PROXY}/32,10.0.0.0/8",
                  max_connections_per_address=str(CAP)).start()
    try:
        yield made
        finish(made)
    finally:
        if made.is_running():
            made.kill9()


def ask(engine, told, token=..., source=PROXY, method="GET", path="/api/orgs/acme/hooks",
        value=None):
    """A request from this address, with these values of X-Forwarded-For."""
    connection = http.client.HTTPConnection("127.0.0.1", engine.api_port, timeout=30,
                                            source_address=(source, 0))
    with contextlib.closing(connection):
        connection.putrequest(method, path)
        connection.putheader("Authorization",
                             f"token {engine.token if token is ... else token}")
        for one in told:
            connection.putheader("X-Forwarded-For", one)
        body = compact(value).encode() if value is not None else b""
        if value is not None:
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        answer.read()
        return answer.status


NAMES = itertools.count()


def peer_of(engine, told, source=PROXY):
    """The address in the log line of a change."""
    name = f"hook-{next(NAMES)}"
    status = ask(engine, told, source=source, method="POST", value={
        "organizationName": "acme", "name": name, "displayName": "d", "active": True,
        "payloadUrl": "http://127.0.0.1:1029/"})
    assert status == 201
    (line,) = wait_for(lambda: [line for line in engine.log().splitlines()
                                if f'hook="acme/{name}"' in line], "the change is logged")
    return re.search('peer="([^"]*)"', line)[1]


def test_log_lines_name_the_client(engine):
    for told, client in (
            (["203.0.113.9"], "203.0.113.9"),
            (["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            (["198.51.100.1, 203.0.113.9, 10.1.1.1"], "203.0.113.9"),
            (["198.51.100.1", "203.0.113.9, 10.1.1.1"], "203.0.113.9"),
            (["[2001:db8::7]:4711"], "2001:db8::7"),
            (["203.0.113.9, unknown"], PROXY),
            ([], PROXY)):
        assert peer_of(engine, told) == client, told


def test_whoever_is_not_trusted_names_nobody(engine):
    assert peer_of(engine, ["203.0.113.9"], source="127.0.0.3") == "127.0.0.3"


def test_a_client_that_guesses_tokens_is_slowed_alone(engine):
    for _ in range(200):
        status = ask(engine, ["203.0.113.66"], token="nonsense")
        if status == 429:
            break
    assert status == 429
    assert ask(engine, ["203.0.113.66"], token="nonsense") == 429
    assert ask(engine, ["203.0.113.67"], token="nonsense") == 401
    assert ask(engine, [], token="nonsense") == 401


def begun(engine, client):
    """A request whose body does not come; the status that ends it, or None."""
    connection = socket.create_connection(("127.0.0.1", engine.api_port), 30, (PROXY, 0))
    connection.sendall(b"POST /api/orgs/acme/hooks HTTP/1.1\r\nHost: localhost\r\n"
                       b"Authorization: token " + engine.token.encode() + b"\r\n"
                       b"X-Forwarded-For: " + client.encode() + b"\r\n"
                       b"Content-Type: application/json\r\nContent-Length: 2\r\n"
                       b"Expect: 100-continue\r\n\r\n")
    answer = connection.recv(65536)
    assert answer.startswith((b"HTTP/1.1 100", b"HTTP/1.1 503")), answer
    return connection, answer.startswith(b"HTTP/1.1 100")


def test_a_client_has_a_share_of_connections_and_the_proxy_as_many_as_it_needs(engine):
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(
            ("127.0.0.1", engine.api_port), 30, (PROXY, 0))) for _ in range(4 * CAP)]
        went_on = []
        for _ in range(CAP + 2):
            connection, goes_on = begun(engine, "203.0.113.80")
            stack.enter_context(connection)
            went_on.append(goes_on)
        assert went_on == [True] * CAP + [False] * 2
        other, goes_on = begun(engine, "203.0.113.81")
        stack.enter_context(other)
        assert goes_on
        # All connections of the proxy are still there, and work for anybody.
        idle[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                        b"X-Forwarded-For: 203.0.113.82\r\n\r\n")
        assert idle[0].recv(12) == b"HTTP/1.1 200"
    # What has ended counts no more.
    wait_for(lambda: ask(engine, ["203.0.113.80"]) == 200, "the client has a place again")


def test_a_connection_of_a_proxy_counts_for_each_client_in_turn(engine):
    connection = http.client.HTTPConnection("127.0.0.1", engine.api_port, timeout=30,
                                            source_address=(PROXY, 0))
    with contextlib.closing(connection):
        for n in range(2 * CAP):
            connection.request("GET", "/api/orgs/acme/hooks", headers={
                "Authorization": f"token {engine.token}",
                "X-Forwarded-For": f"203.0.113.{100 + n}"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200


def test_bad_settings_are_named(tmp_path):
    told = subprocess.run(
        [BINARY, "config", "--set", f"data_dir={tmp_path}", "--set",
         "trusted_proxies=10.0.0.1/32:80,0.0.0.0/0"], capture_output=True, text=True)
    assert told.returncode != 0
    assert "trusted_proxies: an entry has no port" in told.stderr
    assert "trusted_proxies: /0 would believe every client" in told.stderr
