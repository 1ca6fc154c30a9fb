# SPDX-License-Identifier: MIT
"""Sessions of the dashboard: who gets one, what it allows, from which pages, and when it
ends. Over plain HTTP, as a visitor would speak; test_dashboard_browser.py has a real one."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from clock import DAY, HOUR, Clock
from engine import BINARY, FAULTY
from support import PATIENCE_S, ROOT, Pending, wait_for
from test_reach import can_make_namespaces
from visitor import (COOKIE, HOOKS, Visitor, code_of, engine_with_file, make_link,
                     make_token, visitor)

__all__ = ["visitor"]  # a fixture

# --- a session instead of a token ---

@pytest.mark.smoke
def test_a_token_becomes_a_session(engine, visitor):
    assert not visitor.is_in()
    assert visitor.ask("GET", HOOKS).status == 401
    reply = visitor.log_in()
    assert reply.status == 204 and reply.headers["cache-control"] == "no-store"
    shown = visitor.ask("GET", "/api/session")
    assert shown.headers["cache-control"] == "no-store"
    who = shown.json()
    ends = who.pop("expiresAt")
    assert 12 * HOUR - 300 < ends - time.time() <= 12 * HOUR
    version = subprocess.run([BINARY, "version"], capture_output=True, text=True,
                             check=True).stdout
    assert who.pop("version") in version
    assert who == {"admin": True, "org": None, "scopes": ["ingest", "read", "write"],
                   "tokenId": "admin", "tokenName": "admin token"}
    listed = visitor.ask("GET", HOOKS)
    assert listed.status == 200 and listed.headers["cache-control"] == "no-store"
    made = visitor.ask("POST", HOOKS, {
        "organizationName": "acme", "displayName": "x", "active": True,
        "payloadUrl": "http://127.0.0.1:8099/"})
    assert made.status == 201, made
    assert 'msg="hook created" by="admin token" by_id="admin"' in engine.log()
    # Without the cookie, caches may do as before.
    assert "cache-control" not in engine.api("GET", HOOKS).headers


def test_a_session_is_its_token(engine, visitor):
    token = make_token(engine, "read")
    assert visitor.log_in(token["token"]).status == 204
    who = visitor.ask("GET", "/api/session").json()
    assert (who["admin"], who["org"], who["scopes"]) == (False, "acme", ["read"])
    assert (who["tokenId"], who["tokenName"]) == (token["id"], "of a test")
    assert visitor.ask("GET", HOOKS).status == 200
    refused = visitor.ask("POST", HOOKS, {})
    assert refused.status == 403 and "needs the scope write" in refused.json()["message"]
    assert visitor.ask("GET", "/api/orgs/other/hooks").status == 403
    assert visitor.ask("GET", "/api/orgs/acme/tokens").status == 403


def test_who_may_see_nothing_gets_no_session(engine, visitor):
    token = make_token(engine, "ingest")["token"]
    refused = visitor.log_in(token)
    assert refused.status == 403 and "neither" in refused.json()["message"]
    assert make_link(engine, token).status == 403
    for wrong in ("pht_" + "0" * 64, "x"):
        assert visitor.log_in(wrong).status == 401
    assert visitor.ask("POST", "/dashboard/session").status == 401
    assert visitor.log_in(code="x" * 22, token=engine.token).status == 400
    for body in ({}, {"code": 1}, [], {"code": None}):
        assert visitor.ask("POST", "/dashboard/session", body).status == 400, body


def test_a_session_is_for_the_tables_of_the_api_alone(make_engine, tmp_path):
    file = tmp_path / "metrics.token"
    file.write_text("a-token-for-prometheus\n")
    file.chmod(0o600)
    engine = make_engine(metrics_token_file=str(file)).start()
    visitor = Visitor(engine)
    visitor.log_in()
    assert visitor.ask("GET", "/metrics").status == 401
    event = {"kind": "a.b", "payload": {}}
    assert visitor.ask("POST", "/api/orgs/acme/events", event,
                       port=engine.ingest_port).status == 401
    assert visitor.ask("GET", "/healthz").status == 200
    assert visitor.ask("GET", "/nothing").status == 404


def test_a_token_in_the_header_wins(engine, visitor):
    visitor.log_in()
    reader = make_token(engine, "read")["token"]
    assert visitor.ask("GET", HOOKS, token="pht_wrong-and-long-enough").status == 401
    assert visitor.ask("POST", HOOKS, {}, token=reader).status == 403
    assert visitor.ask("GET", HOOKS, x_access_token="pht_wrong-as-well-0000").status == 401
    # Clients with tokens need not say where they come from.
    for site in (None, "cross-site"):
        assert visitor.ask("POST", HOOKS, {}, site=site, mark=None,
                           token=engine.token).status == 400
    assert visitor.is_in()


def test_logout(engine, visitor):
    visitor.log_in()
    assert visitor.ask("DELETE", "/dashboard/session", site="same-site").status == 403
    assert visitor.is_in()
    reply = visitor.ask("DELETE", "/dashboard/session")
    assert reply.status == 204
    assert reply.headers["set-cookie"] == (
        "__Host-posthorn=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
    assert not visitor.is_in()
    assert visitor.ask("DELETE", "/dashboard/session").status == 401
    log = engine.log()
    for message in ('msg="login" by="admin token"', 'msg="logout" by="admin token"',
                    'msg="session refused" peer="127.0.0.1"'):
        assert message in log, message


def follow(engine, visitor):
    return Pending(engine.api_port, "GET", "/api/orgs/acme/tail", None,
                   f"Cookie: __Host-posthorn={visitor.cookie}\r\nSec-Fetch-Site: same-origin\r\n")


def test_who_follows_gets_no_more_after_logout(engine, visitor):
    visitor.log_in()
    other = Visitor(engine)
    other.log_in()
    mine, theirs = follow(engine, visitor), follow(engine, other)
    for each in (mine, theirs):
        wait_for(lambda each=each: each.status() == 200, "it follows")
    assert visitor.ask("DELETE", "/dashboard/session").status == 204
    wait_for(lambda: mine.status() and mine.is_at_end(), "the answer ends")
    assert not theirs.is_at_end()
    for each in (mine, theirs):
        each.close()


def test_a_login_ends_the_session_that_the_browser_had(engine, visitor):
    visitor.log_in()
    first = Visitor(engine)
    first.cookie = visitor.cookie
    visitor.log_in()
    assert visitor.cookie != first.cookie
    assert visitor.is_in() and not first.is_in()


# --- other pages ---

FOREIGN = ("same-site", "cross-site", "Same-Origin", "x")


def test_other_pages_get_nothing(engine, visitor):
    """Another port of this machine is same-site, and the cookie goes with its requests."""
    visitor.log_in()
    body = {"organizationName": "acme", "displayName": "x", "active": True,
            "payloadUrl": "http://127.0.0.1:8099/"}
    for site in FOREIGN:
        for method, path, value in (("GET", HOOKS, None), ("HEAD", HOOKS, None),
                                    ("GET", "/api/session", None),
                                    ("GET", "/nothing", None), ("POST", HOOKS, body),
                                    ("DELETE", "/dashboard/session", None),
                                    ("POST", "/api/login-codes", {}),
                                    ("OPTIONS", HOOKS, None)):
            reply = visitor.ask(method, path, value, site=site)
            assert reply.status == 403, (site, method, path)
            assert "access-control-allow-origin" not in reply.headers
            if method != "HEAD":
                assert "another page" in reply.json()["message"]
    assert visitor.ask("GET", HOOKS).json() == []
    # The page itself is for everybody: links to it work.
    for site in (*FOREIGN, "none"):
        assert visitor.ask("GET", "/dashboard/o/acme", site=site).status == 200
    # What a person typed may be looked at, but changes nothing.
    assert visitor.ask("GET", HOOKS, site="none").status == 200
    assert visitor.ask("POST", HOOKS, body, site="none").status == 403


def test_no_other_page_logs_in(engine, visitor):
    """Or it could make somebody work in the session of another."""
    code = code_of(make_link(engine))
    for site in FOREIGN:
        assert visitor.log_in(site=site).status == 403
        assert visitor.log_in(code=code, site=site).status == 403
    assert visitor.log_in(site=None, Origin="http://127.0.0.1:9000").status == 403
    assert visitor.log_in(code=code).status == 204


def test_without_sec_fetch_headers_the_origin_decides(engine, visitor):
    visitor.log_in()
    ours = f"http://{visitor.host}"
    assert visitor.ask("GET", HOOKS, site=None).status == 200
    assert visitor.ask("GET", HOOKS, site=None, Origin=ours).status == 200
    refused = visitor.ask("POST", HOOKS, {}, site=None)
    assert refused.status == 403 and "Origin" in refused.json()["message"]
    assert visitor.ask("POST", HOOKS, {}, site=None, Origin=ours).status == 400
    for origin in ("http://127.0.0.1:9000", "null", f"https://{visitor.host}",
                   "http://evil.example", f"{ours}.evil.example"):
        for method, value in (("GET", None), ("POST", {})):
            assert visitor.ask(method, HOOKS, value, site=None,
                               Origin=origin).status == 403, origin


def test_a_change_needs_the_mark_that_no_form_can_send(engine, visitor):
    visitor.log_in()
    for mark in (None, "0", "", "11"):
        refused = visitor.ask("POST", HOOKS, {}, mark=mark)
        assert refused.status == 403 and "X-Posthorn: 1" in refused.json()["message"]
        assert visitor.ask("GET", HOOKS, mark=mark).status == 200
    assert visitor.ask("POST", HOOKS, {}).status == 400


def test_the_name_is_checked_with_a_session_as_without(engine, visitor):
    visitor.log_in()
    visitor.host = "evil.example"
    for path in (HOOKS, "/api/session", "/dashboard", "/"):
        assert visitor.ask("GET", path).status == 421
    assert visitor.log_in().status == 421


# --- who can listen ---

def test_beyond_this_machine_a_login_needs_tls(tmp_path):
    if not can_make_namespaces():
        pytest.skip("no network namespaces here")
    done = subprocess.run(
        ["unshare", "-n", sys.executable, str(ROOT / "tests/e2e/plain_world.py"), BINARY,
         str(tmp_path)], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    allowed = {name for name, reply in found.items() if reply["status"] == 204}
    assert allowed == {"loopback", "proxy"}, found
    for name, reply in found.items():
        assert reply["cookie"] == (name in allowed)
        if name not in allowed:
            assert reply["status"] == 403
            assert "api_tls_cert" in reply["message"]
            assert "dashboard_url" in reply["message"]


def test_a_page_behind_a_proxy_is_ours(make_engine):
    engine = make_engine(dashboard_url="https://hooks.example.com/").start()
    visitor = Visitor(engine, host="hooks.example.com")
    ours = "https://hooks.example.com"
    assert visitor.log_in(site=None, Origin=ours).status == 204
    assert visitor.ask("POST", HOOKS, {}, site=None, Origin=ours).status == 400
    for origin in ("http://hooks.example.com", "https://hooks.example.com:444",
                   "https://example.com"):
        assert visitor.ask("POST", HOOKS, {}, site=None, Origin=origin).status == 403
    assert make_link(engine).json()["url"].startswith(f"{ours}/dashboard/login#")


def test_a_password_that_a_proxy_asks_for_hides_no_session(engine, visitor):
    """The browser then sends it with each request, and the proxy passes it on."""
    proxy = {"Authorization": "Basic bWU6cGFzc3dvcmQ="}
    assert visitor.log_in(code=code_of(make_link(engine)), **proxy).status == 204
    assert visitor.ask("GET", HOOKS, **proxy).status == 200
    assert visitor.ask("POST", HOOKS, {}, **proxy).status == 400
    # What is meant for us wins over the cookie, right or wrong.
    for scheme in ("token", "Bearer", "bearer x"):
        assert visitor.ask("GET", HOOKS, Authorization=scheme).status == 401
    assert visitor.ask("GET", HOOKS, x_access_token="x").status == 401
    assert visitor.ask("DELETE", "/dashboard/session", **proxy).status == 204
    assert visitor.ask("GET", HOOKS, **proxy).status == 401


# --- when it ends ---

def test_a_storage_that_fails_for_a_moment_ends_no_session(make_engine, monkeypatch, tmp_path):
    fault = tmp_path / "tokens-fail"
    monkeypatch.setenv("FAULTY_TOKENS", str(fault))
    engine = make_engine()
    engine.binary = FAULTY
    engine.start()
    token = make_token(engine, "read", "write")["token"]
    visitor = Visitor(engine)
    visitor.log_in(token)
    code = code_of(make_link(engine, token))
    fault.touch()
    for reply in (visitor.ask("GET", HOOKS), visitor.ask("GET", "/api/session"),
                  engine.api("GET", HOOKS, token=token), Visitor(engine).log_in(code=code),
                  engine.intake(b'{"kind":"a.b","payload":{}}', token=token)):
        assert reply.status == 503 and reply.headers["retry-after"] == "1", reply
    fault.unlink()
    assert visitor.is_in()
    assert Visitor(engine).log_in(code=code).status == 204


def test_a_revoked_token_ends_its_sessions_within_one_request(engine, visitor):
    token = make_token(engine, "read", "write")
    visitor.log_in(token["token"])
    linked = Visitor(engine)
    linked.log_in(code=code_of(make_link(engine, token["token"], scopes=["read"])))
    waiting = code_of(make_link(engine, token["token"]))
    assert visitor.is_in() and linked.is_in()
    assert engine.api("DELETE", f"/api/orgs/acme/tokens/{token['id']}").status == 204
    for each in (visitor, linked):
        reply = each.ask("GET", HOOKS)
        assert reply.status == 401 and "log in again" in reply.json()["message"]
        assert each.ask("POST", HOOKS, {}).status == 401
    assert Visitor(engine).log_in(code=waiting).status == 401


def test_a_token_that_expires_ends_its_sessions(engine, visitor):
    token = make_token(engine, "read", expiresAt=int(time.time()) + 3)
    assert visitor.log_in(token["token"]).status == 204
    wait_for(lambda: not visitor.is_in(), "the session has ended")


def test_another_admin_token_ends_the_sessions_of_the_first(engine, visitor):
    visitor.log_in()
    (engine.data_dir / "admin.token").write_text("another-token-of-the-admin\n")
    os.kill(engine.process.pid, signal.SIGHUP)
    wait_for(lambda: not visitor.is_in(), "the session has ended")
    assert visitor.log_in().status == 204


def crash_api(engine):
    before = engine.pids("api")
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: engine.pids("api") not in ([], before), "another process is there")
    engine.wait_ready()


def test_sessions_go_on_through_a_restart_as_they_were(make_engine):
    engine = make_engine().start()
    file = engine.data_dir / "sessions"
    token = make_token(engine, "read", "write")
    people = [Visitor(engine) for _ in range(4)]
    admin, out, narrow, revoked = people
    admin.log_in()
    out.log_in()
    narrow.log_in(code=code_of(make_link(engine, org="acme", scopes=["read"], ttl="30d")))
    revoked.log_in(token["token"])
    code = code_of(make_link(engine))
    before = [v.ask("GET", "/api/session").json() for v in (admin, narrow)]
    assert out.ask("DELETE", "/dashboard/session").status == 204
    assert engine.stop() == 0
    assert file.stat().st_mode & 0o777 == 0o600
    kept = file.read_bytes()
    for secret in (*(v.cookie for v in people), token["token"], engine.token, code):
        assert secret.encode() not in kept
    engine.restart()
    assert [v.ask("GET", "/api/session").json() for v in (admin, narrow)] == before
    assert not out.is_in() and revoked.is_in()
    assert narrow.ask("POST", HOOKS, {}).status == 403
    # A code serves a minute, so none is kept.
    assert Visitor(engine).log_in(code=code).status == 401
    engine.api("DELETE", f"/api/orgs/acme/tokens/{token['id']}")
    wait_for(lambda: file.read_bytes() != kept, "the file is written anew")
    crash_api(engine)
    assert admin.is_in() and narrow.is_in() and not revoked.is_in()
    engine.stop()
    (engine.data_dir / "admin.token").write_text("another-token-of-the-admin\n")
    engine.restart()
    assert not admin.is_in() and not narrow.is_in()
    # What is damaged, or somebody else may have written, is nobody's session.
    admin.log_in()
    engine.stop()
    good = file.read_bytes()
    for spoil in (lambda: file.write_bytes(good[:-1]), lambda: file.chmod(0o666)):
        spoil()
        engine.restart()
        assert not admin.is_in() and "cannot be read" in engine.log()
        engine.stop()
        file.write_bytes(good)
        file.chmod(0o600)
    engine.restart()
    assert admin.is_in()
    # While it cannot be written, none stays there that has sessions which end meanwhile.
    narrow.log_in()
    wait_for(lambda: file.read_bytes() != good, "the file is written anew")
    (engine.data_dir / "sessions.tmp").mkdir()
    assert admin.ask("DELETE", "/dashboard/session").status == 204
    wait_for(lambda: not file.exists() and "cannot be written" in engine.log(),
             "the file is removed, and that is said")
    crash_api(engine)
    assert not admin.is_in() and not narrow.is_in()
    # What could not be written is tried once more at the end.
    admin.log_in()
    wait_for(lambda: engine.log().count("cannot be written") >= 2, "it cannot be written")
    (engine.data_dir / "sessions.tmp").rmdir()
    engine.stop()
    engine.restart()
    assert admin.is_in()
    # A logout is in the file when it is answered.
    good = file.read_bytes()
    out.log_in()
    wait_for(lambda: file.read_bytes() != good, "the file is written anew")
    assert out.ask("DELETE", "/dashboard/session").status == 204
    crash_api(engine)
    assert admin.is_in() and not out.is_in()


def test_sessions_end_with_the_dashboard(make_engine, tmp_path):
    engine, config = engine_with_file(make_engine, tmp_path)
    engine.start()
    visitor = Visitor(engine)
    visitor.log_in()
    code = code_of(make_link(engine))
    for is_on in (False, True):
        config.write_text(f"dashboard = {'yes' if is_on else 'no'}\n")
        os.kill(engine.process.pid, signal.SIGHUP)
        wait_for(lambda: (visitor.ask("GET", "/dashboard").status == 200) == is_on,
                 "the setting counts")
        assert visitor.ask("GET", HOOKS).status == 401
    assert make_link(engine).status == 201
    assert visitor.log_in(code=code).status == 401
    wait_for(lambda: not (engine.data_dir / "sessions").exists(), "the file is removed")
    visitor.log_in()
    for is_on in (False, True):
        engine.stop()
        config.write_text(f"dashboard = {'yes' if is_on else 'no'}\n")
        engine.restart()
    assert not visitor.is_in()


@pytest.fixture
def turned(make_engine, tmp_path):
    engine = make_engine()
    engine.clock = Clock(tmp_path)
    engine.binary = Clock.PROGRAM
    return engine.start()


def test_sessions_and_links_end_in_time(turned):
    engine, clock = turned, turned.clock
    idle, used, screen, left_open = (Visitor(engine) for _ in range(4))
    idle.log_in()
    left_open.log_in()
    used.log_in()
    screen.log_in(code=code_of(make_link(engine, org="acme", scopes=["read"], ttl="30d")))
    short = Visitor(engine)
    short.log_in(code=code_of(make_link(engine, ttl="10m")))
    late = code_of(make_link(engine))
    clock.turn(59)
    assert Visitor(engine).log_in(code=code_of(make_link(engine))).status == 204
    clock.turn(61)
    refused = Visitor(engine).log_in(code=late)
    assert refused.status == 401 and "within a minute" in refused.json()["message"]
    clock.turn(HOUR / 6 + 5)
    assert not short.is_in()
    clock.turn(HOUR - 60)
    assert used.is_in()
    # A tab that nobody looks at follows what happens, and asks for it anew.
    tab = follow(engine, left_open)
    wait_for(lambda: tab.status() == 200, "it follows")
    clock.turn(HOUR + 60)
    assert used.is_in() and not idle.is_in() and not left_open.is_in()
    wait_for(tab.is_at_end, "the answer ends")
    tab.close()
    for half in range(3, 24):
        clock.turn(half * HOUR / 2)
        assert used.is_in(), half
    clock.turn(12 * HOUR + 5)
    assert not used.is_in()
    clock.turn(30 * DAY - 60)
    assert screen.is_in()
    clock.turn(30 * DAY + 5)
    assert not screen.is_in()


def test_a_link_of_a_session_ends_with_it(turned):
    first, second = Visitor(turned), Visitor(turned)
    first.log_in(code=code_of(make_link(turned, ttl="20m")))
    reply = first.ask("POST", "/api/login-codes", {"org": "acme", "ttl": "12h"})
    assert second.log_in(code=code_of(reply)).status == 204
    ends = first.ask("GET", "/api/session").json()["expiresAt"]
    assert second.ask("GET", "/api/session").json()["expiresAt"] == ends
    turned.clock.turn(20 * 60 + 5)
    assert not second.is_in()


def test_of_too_many_sessions_the_oldest_ends(engine):
    reader = Visitor(engine)
    reader.log_in(make_token(engine, "read")["token"])
    browsers = [Visitor(engine) for _ in range(256)]
    for each in browsers:
        assert each.log_in().status == 204
    assert not browsers[0].is_in()
    assert browsers[1].is_in() and browsers[255].is_in()
    # Of another token: it did not have too many.
    assert reader.is_in()


# --- secrets ---

def test_no_secret_is_in_the_log(engine, visitor):
    secrets = [engine.token]
    token = make_token(engine, "read", "write")["token"]
    wrong = "pht_" + "5ecre7" * 10
    secrets += [token, wrong]
    visitor.log_in(token)
    secrets.append(visitor.cookie)
    visitor.log_in(wrong)
    for _ in range(2): # the second is refused
        code = code_of(make_link(engine))
        visitor.log_in(code=code)
        visitor.log_in(code=code)
        secrets += [code, visitor.cookie]
    visitor.ask("GET", HOOKS, site="cross-site")
    visitor.ask("DELETE", "/dashboard/session")
    stale = Visitor(engine)
    stale.cookie = visitor.cookie
    assert not stale.is_in()
    log = engine.log()
    assert 'msg="login link created"' in log
    metrics = engine.api("GET", "/metrics").body.decode()
    for secret in secrets:
        assert secret not in log and secret not in metrics
    for path in engine.data_dir.rglob("*"):
        if path.is_file() and path.name != "admin.token":
            content = path.read_bytes()
            for secret in secrets:
                assert secret.encode() not in content, path


# --- TLS ---

def test_a_listener_with_tls_takes_logins_under_every_name(make_engine, certificates):
    import ssl

    engine = make_engine(api_tls_cert=str(certificates.chain),
                         api_tls_key=str(certificates.key), api_hosts="hooks.example.com")
    context = ssl.create_default_context(cafile=str(certificates.ca))
    engine.connection = lambda port: (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S,
                                    context=context) if port == engine.api_port
        else http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S))
    engine.start()
    for host in ("hooks.example.com", f"127.0.0.1:{engine.api_port}"):
        reply = engine.request(engine.api_port, "POST", "/dashboard/session",
                               headers={"Host": host, "Origin": f"https://{host}"})
        assert reply.status == 204
        cookie = COOKIE.fullmatch(reply.headers["set-cookie"]).group(1)
        for origin, want in ((f"https://{host}", 400), (f"http://{host}", 403)):
            assert engine.api("POST", HOOKS, {}, token=None, headers={
                "Host": host, "Origin": origin, "X-Posthorn": "1",
                "Cookie": f"__Host-posthorn={cookie}"}).status == want
        url = engine.api("POST", "/api/login-codes", {}, headers={"Host": host}).json()["url"]
        assert url.startswith(f"https://{host}/dashboard/login#")
