# SPDX-License-Identifier: MIT
"""Links that log in once: what they allow, how guesses end, and the command that prints
one."""

import json
import os
import re
import stat
import subprocess
import time

from clock import DAY
from engine import BINARY
from support import PATIENCE_S
from visitor import HOOKS, Visitor, code_of, make_link, make_token, visitor

__all__ = ["visitor"]  # a fixture

# --- links ---

def test_a_link_serves_once(engine, visitor):
    reply = make_link(engine, org="acme")
    answer = reply.json()
    assert reply.headers["cache-control"] == "no-store"
    assert set(answer) == {"code", "url", "expiresAt"}
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", answer["code"])
    assert answer["url"] == (f"http://posthorn.localhost:{engine.api_port}"
                             f"/dashboard/login#{answer['code']}")
    assert 0 < answer["expiresAt"] - time.time() <= 60
    assert visitor.log_in(code=answer["code"]).status == 204
    assert visitor.is_in()
    other = Visitor(engine)
    refused = other.log_in(code=answer["code"])
    assert refused.status == 401 and "once" in refused.json()["message"]


def test_a_link_allows_what_it_says(engine):
    cases = (({}, True, None, ["ingest", "read", "write"]),
             ({"org": "acme"}, False, "acme", ["read", "write"]),
             ({"org": "acme", "scopes": ["read"]}, False, "acme", ["read"]),
             ({"org": "5F0C1A2B3C4D5E6F70819203", "scopes": ["write"]}, False,
              "5f0c1a2b3c4d5e6f70819203", ["write"]))
    for wanted, is_admin, org, scopes in cases:
        visitor = Visitor(engine)
        visitor.log_in(code=code_of(make_link(engine, **wanted)))
        who = visitor.ask("GET", "/api/session").json()
        assert (who["admin"], who["org"], who["scopes"]) == (is_admin, org, scopes), wanted
        assert who["tokenId"] == "admin"
        assert (visitor.ask("GET", "/api/status").status == 200) == is_admin
        if org == "acme":
            assert visitor.ask("GET", HOOKS).status == 200
            assert visitor.ask("GET", "/api/orgs/other/hooks").status == 403
            assert visitor.ask("GET", "/api/orgs/posthorn/hooks").status == 403
            assert (visitor.ask("POST", HOOKS, {}).status == 400) == ("write" in scopes)


def test_a_link_allows_no_more_than_who_makes_it(engine, visitor):
    reader = make_token(engine, "read")["token"]
    writer = make_token(engine, "read", "write", "ingest")["token"]

    def status(token, **wanted):
        return make_link(engine, token, **wanted).status

    for token, wanted in (
            (reader, {"scopes": ["write"]}), (reader, {"scopes": ["read", "write"]}),
            (reader, {"org": "other"}), (writer, {"org": "other", "scopes": ["read"]})):
        assert status(token, **wanted) == 403, wanted
    for token, wanted in (
            (writer, {}), (writer, {"scopes": ["read"]}), (reader, {"org": "acme"}),
            (reader, {"ttl": "30d"}), (writer, {"scopes": ["read"], "ttl": "30d"}),
            (engine.token, {"org": "acme", "ttl": "1m"}), (engine.token, {"ttl": "12h"})):
        assert status(token, **wanted) == 201, wanted
    for token, wanted in (
            (writer, {"ttl": "13h"}), (writer, {"ttl": "30d"}), (reader, {"ttl": "31d"}),
            (reader, {"ttl": "59s"}), (reader, {"ttl": "x"}), (reader, {"ttl": 3600}),
            (reader, {"ttl": ""}), (reader, {"org": ""}), (engine.token, {"org": ""}),
            (engine.token, {"ttl": "30d"}), (engine.token, {"scopes": ["read"]}),
            (engine.token, {"org": "posthorn"}), (engine.token, {"org": "a/b"}),
            (engine.token, {"org": "acme", "scopes": ["ingest"]}),
            (engine.token, {"org": "acme", "scopes": []}),
            (engine.token, {"org": "acme", "scopes": ["read", "read"]}),
            (engine.token, {"org": "acme", "scopes": "read"})):
        assert status(token, **wanted) == 400, wanted
    # A session, too, makes none that allows more.
    visitor.log_in(code=code_of(make_link(engine, org="acme", scopes=["read"])))
    for wanted, want in (({"scopes": ["write"]}, 403), ({"org": "other"}, 403), ({}, 201)):
        assert visitor.ask("POST", "/api/login-codes", wanted).status == want, wanted
    narrow = Visitor(engine)
    narrow.log_in(code=code_of(visitor.ask("POST", "/api/login-codes", {})))
    assert narrow.ask("GET", "/api/session").json()["scopes"] == ["read"]


def test_guesses_are_slowed_down(engine, visitor):
    """Of codes, cookies and tokens together."""
    statuses = []
    while 429 not in statuses:
        n = len(statuses)
        assert n < 3000
        statuses.append(visitor.ask("POST", "/dashboard/session",
                                    {"code": f"{n:022}"}).status)
        visitor.cookie = f"{n:043}"
        statuses.append(visitor.ask("GET", HOOKS).status)
        visitor.cookie = None
        statuses.append(visitor.ask("GET", HOOKS, token=f"pht_{n:064}").status)
    assert set(statuses) == {401, 429} and statuses.index(429) >= 50
    # Who has the right token is let in.
    assert visitor.log_in().status == 204


def test_a_login_without_a_token_sends_little(engine, visitor):
    assert visitor.ask("POST", "/dashboard/session", {"code": "x" * 5000}).status == 413


# --- the command ---

def posthorn(engine, *words, status=0, **variables):
    done = subprocess.run([BINARY, "dashboard", "--data-dir", str(engine.data_dir), *words],
                          capture_output=True, text=True, timeout=PATIENCE_S,
                          env={**os.environ, **variables})
    assert done.returncode == status, done
    return done


def test_the_command_prints_a_link(engine, visitor):
    done = posthorn(engine, "--org", "acme", "--scopes", "read", "--ttl", "30d")
    start, code = done.stdout.strip().split("#")
    assert start == f"http://posthorn.localhost:{engine.api_port}/dashboard/login"
    assert "once, within a minute" in done.stderr
    visitor.host = f"posthorn.localhost:{engine.api_port}"
    assert visitor.log_in(code=code).status == 204
    who = visitor.ask("GET", "/api/session").json()
    assert who["scopes"] == ["read"] and who["expiresAt"] > time.time() + 29 * DAY
    answer = json.loads(posthorn(engine, "--json").stdout)
    assert Visitor(engine).log_in(code=answer["code"]).status == 204
    assert "ttl must be" in posthorn(engine, "--ttl", "30d", status=1).stderr


def test_the_command_opens_the_link(engine, tmp_path):
    opener = tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{tmp_path}/opened"\n')
    opener.chmod(opener.stat().st_mode | stat.S_IXUSR)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = posthorn(engine, "--open", PATH=path)
    assert (tmp_path / "opened").read_text() == done.stdout
    opener.write_text("#!/bin/sh\nexit 3\n")
    failed = posthorn(engine, "--open", status=1, PATH=path)
    assert "open the link yourself" in failed.stderr
    assert "/dashboard/login#" in failed.stdout
    opener.unlink()
    none = posthorn(engine, "--open", status=1, PATH=str(tmp_path))
    assert "xdg-open cannot be run" in none.stderr
