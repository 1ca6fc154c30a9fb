# SPDX-License-Identifier: MIT
"""What sessions and tokens leave behind: streams end with them, and no organization takes
the place of another. Links lead to where the engine listens."""

import http.client
import http.server
import json
import os
import signal
import stat
import subprocess
import threading
import time

import pytest

from engine import BINARY
from support import PATIENCE_S, wait_for
from visitor import Visitor, code_of, engine_with_file, make_link, make_token

TAIL = "/api/orgs/acme/tail"


class Stream:
    """Follows deliveries, with these headers."""

    def __init__(self, engine, **headers):
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", engine.api_port, timeout=PATIENCE_S)
        self.connection.request("GET", TAIL, headers={
            k.replace("_", "-"): v for k, v in headers.items()})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.readline() == b": following\n"
        self.ended_at = None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        try:
            self.answer.read()
            self.ended_at = time.monotonic()
        finally:
            self.connection.close()

    def is_open(self):
        return self.reader.is_alive()


def of_session(engine, visitor):
    return Stream(engine, Host=visitor.host, Sec_Fetch_Site="same-origin",
                  Cookie=f"__Host-posthorn={visitor.cookie}")


def of_token(engine, token):
    return Stream(engine, Authorization=f"token {token}")


def check_ends(ending, going_on):
    """Ended in good order, and soon; a stream that goes on is asked later."""
    for stream in ending:
        wait_for(lambda s=stream: not s.is_open(), "the stream has ended", seconds=5)
        assert stream.ended_at is not None, "cut off"
    for stream in going_on:
        assert stream.is_open()


def test_logout_ends_the_streams_of_the_session(engine):
    first, second = Visitor(engine), Visitor(engine)
    first.log_in()
    second.log_in()
    ending = [of_session(engine, first), of_session(engine, first)]
    going_on = [of_session(engine, second), of_token(engine, engine.token)]
    time.sleep(0.5)
    assert all(s.is_open() for s in (*ending, *going_on))
    assert first.ask("DELETE", "/dashboard/session").status == 204
    check_ends(ending, going_on)


def test_a_revoked_token_ends_its_streams(engine):
    token, other = (make_token(engine, "read", "write") for _ in range(2))
    visitor, linked, stays = (Visitor(engine) for _ in range(3))
    visitor.log_in(token["token"])
    linked.log_in(code=code_of(make_link(engine, token["token"], scopes=["read"])))
    stays.log_in(other["token"])
    ending = [of_session(engine, visitor), of_session(engine, linked),
              of_token(engine, token["token"])]
    going_on = [of_session(engine, stays), of_token(engine, other["token"])]
    assert engine.api("DELETE", f"/api/orgs/acme/tokens/{token['id']}").status == 204
    check_ends(ending, going_on)


def test_a_token_that_expires_ends_its_streams(engine):
    token = make_token(engine, "read", expiresAt=int(time.time()) + 3)
    check_ends([of_token(engine, token["token"])], [])


def test_another_admin_token_ends_the_streams_of_the_first(engine):
    visitor, linked = Visitor(engine), Visitor(engine)
    visitor.log_in()
    linked.log_in(code=code_of(make_link(engine, org="acme")))
    ending = [of_session(engine, visitor), of_session(engine, linked),
              of_token(engine, engine.token)]
    going_on = [of_token(engine, make_token(engine, "read")["token"])]
    (engine.data_dir / "admin.token").write_text("another-token-of-the-admin\n")
    os.kill(engine.process.pid, signal.SIGHUP)
    check_ends(ending, going_on)


def test_streams_of_sessions_end_with_the_dashboard(make_engine, tmp_path):
    engine, config = engine_with_file(make_engine, tmp_path)
    engine.start()
    visitor = Visitor(engine)
    visitor.log_in()
    ending = [of_session(engine, visitor)]
    going_on = [of_token(engine, engine.token)]
    config.write_text("dashboard = no\n")
    os.kill(engine.process.pid, signal.SIGHUP)
    check_ends(ending, going_on)


# --- organizations ---

@pytest.mark.parametrize("of_acme", ["links of the admin token", "many tokens"])
def test_no_organization_takes_the_place_of_another(engine, of_acme):
    """Also not with sessions of links that the admin token made for it."""
    admin, other = Visitor(engine), Visitor(engine)
    admin.log_in()
    other.log_in(code=code_of(make_link(engine, org="other")))
    waiting = code_of(make_link(engine, org="other"))
    makers = []
    for _ in range(1 if of_acme.startswith("links") else 50):
        makers.append(Visitor(engine))
        if of_acme.startswith("links"):
            makers[-1].log_in(code=code_of(make_link(engine, org="acme")))
        else:
            makers[-1].log_in(make_token(engine, "read")["token"])
    for n in range(300):
        maker = makers[n % len(makers)]
        assert maker.is_in()
        code = code_of(maker.ask("POST", "/api/login-codes", {}))
        made = Visitor(engine)
        assert made.log_in(code=code).status == 204
        makers[n % len(makers)] = made  # the old ones end, as they are the oldest
    for _ in range(300):
        assert made.ask("POST", "/api/login-codes", {}).status == 201
    assert admin.is_in() and other.is_in()
    assert Visitor(engine).log_in(code=waiting).status == 204


# --- links ---

def test_a_link_leads_to_the_address_of_the_request(engine):
    port = engine.api_port
    for host, wanted in (("localhost", "posthorn.localhost"), ("127.0.0.1", "posthorn.localhost"),
                         ("[::1]", "posthorn.localhost"), ("127.0.0.2", "127.0.0.2"),
                         ("192.0.2.1", "192.0.2.1"), ("[2001:db8::1]", "[2001:db8::1]")):
        url = engine.api("POST", "/api/login-codes", {},
                         headers={"Host": f"{host}:{port}"}).json()["url"]
        assert url.startswith(f"http://{wanted}:{port}/dashboard/login#"), url


class Deceiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.dumps({"code": "x", "url": self.server.url}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("url", ["file:///etc/passwd", "--help", "", "javascript:1",
                                 "HTTP://x", "x-program:http://x"])
def test_the_command_opens_web_addresses_alone(tmp_path, url):
    opener = tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\ntouch "{tmp_path}/opened"\n')
    opener.chmod(opener.stat().st_mode | stat.S_IXUSR)
    server = http.server.HTTPServer(("127.0.0.1", 0), Deceiver)
    server.url = url
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = subprocess.run(
            [BINARY, "dashboard", "--open", "--api",
             f"http://127.0.0.1:{server.server_port}"],
            capture_output=True, text=True, timeout=PATIENCE_S,
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}",
                 "POSTHORN_TOKEN": "pht_" + "0" * 64})
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 1 and "no web address" in done.stderr, done
    assert not (tmp_path / "opened").exists()
