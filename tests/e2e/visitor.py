# SPDX-License-Identifier: MIT
"""A visitor of the dashboard: speaks as a browser would, without one."""

import http.client
import re

import pytest

from engine import Reply
from support import PATIENCE_S, compact

COOKIE = re.compile(r"__Host-posthorn=([A-Za-z0-9_-]{43}); Path=/; Secure; HttpOnly; "
                    r"SameSite=Strict")
HOOKS = "/api/orgs/acme/hooks"


class Visitor:
    """Sends what a browser sends, and keeps the one cookie."""

    def __init__(self, engine, host=None):
        self.engine = engine
        self.host = host or f"127.0.0.1:{engine.api_port}"
        self.cookie = None

    def ask(self, method, path, value=None, site="same-origin", mark="1", token=None,
            port=None, **headers):
        headers = {"Host": self.host, **{k.replace("_", "-"): v
                                         for k, v in headers.items()}}
        for name, text in (("Sec-Fetch-Site", site), ("X-Posthorn", mark)):
            if text is not None:
                headers[name] = text
        if self.cookie:
            headers["Cookie"] = f"theme=dark; __Host-posthorn={self.cookie}"
        if token:
            headers["Authorization"] = f"token {token}"
        body = None
        if value is not None:
            headers["Content-Type"] = "application/json"
            body = compact(value).encode()
        connection = http.client.HTTPConnection(
            "127.0.0.1", port or self.engine.api_port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def log_in(self, token=None, code=None, **more):
        more["token"] = token if token or code else self.engine.token
        reply = self.ask("POST", "/dashboard/session", code and {"code": code}, **more)
        found = COOKIE.fullmatch(reply.headers.get("set-cookie", ""))
        if reply.status == 204:
            assert reply.body == b"" and found, reply.headers
            self.cookie = found.group(1)
        else:
            assert "set-cookie" not in reply.headers
        return reply

    def is_in(self):
        status = self.ask("GET", "/api/session").status
        assert status in (200, 401), status
        return status == 200


@pytest.fixture
def visitor(engine):
    return Visitor(engine)


def make_token(engine, *scopes, org="acme", **more):
    reply = engine.api("POST", f"/api/orgs/{org}/tokens",
                       {"scopes": list(scopes), "name": "of a test", **more})
    assert reply.status == 201, reply
    return reply.json()


def make_link(engine, token=..., **wanted):
    return engine.api("POST", "/api/login-codes", wanted, token=token)


def code_of(reply):
    assert reply.status == 201, reply
    return reply.json()["code"]


def engine_with_file(make_engine, tmp_path):
    """An engine, not started, and the file of settings that it reads; the file is empty."""
    config = tmp_path / "posthorn.conf"
    config.write_text("")
    engine = make_engine()
    plain = engine.command
    engine.command = lambda: [*plain(), "--config", str(config)]
    return engine, config
