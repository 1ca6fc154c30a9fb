# SPDX-License-Identifier: MIT
"""Tokens of organizations: scopes, the other organization, revocation, the
command line; and that nobody guesses fast."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import Pending, compact, wait_for

pytestmark = pytest.mark.shared

ORG = "/api/orgs/acme"
ID = "5f0c1a2b3c4d5e6f70819203"
AKINON = f"/organizations/{ID}/projects/63ea10b94a472e003305232b"
SCOPES = ("ingest", "read", "write")


def create(engine, *scopes, org="acme", **more):
    reply = engine.api("POST", f"/api/orgs/{org}/tokens",
                       {"scopes": list(scopes), **more})
    assert reply.status == 201, reply
    return reply.json()


def post(engine, token, org="acme"):
    return engine.intake(compact({"kind": "a.b", "payload": {}}).encode(), org,
                         token=token)


def command(engine, *words, **more):
    return engine.run("token", *words, **more)


# --- what a token allows ---

HOOK = {"organizationName": "acme", "displayName": "d",
        "payloadUrl": "http://example.com/", "active": True}
CALLS = [  # method, path, body, scope
    ("GET", f"{ORG}/hooks", None, "read"),
    ("POST", f"{ORG}/hooks", HOOK, "write"),
    ("GET", f"{ORG}/hooks/x", None, "read"),
    ("PATCH", f"{ORG}/hooks/x", {}, "write"),
    ("DELETE", f"{ORG}/hooks/x", None, "write"),
    ("GET", f"{ORG}/hooks/x/deliveries", None, "read"),
    ("POST", f"{ORG}/hooks/x/ping", None, "write"),
    ("POST", f"{ORG}/hooks/x/deliveries/y/redeliver", None, "write"),
    ("GET", "/api/stacks/acme/web/prod", None, "read"),
    ("GET", "/api/stacks/acme/web/prod/hooks", None, "read"),
    ("GET", "/api/esc/environments/acme/web/prod/hooks", None, "read"),
    ("GET", "/api/preview/environments/acme/prod/hooks", None, "read"),
    ("GET", "/api/user", None, "any"),
    ("GET", "/api/cli/version", None, "any"),
    ("GET", f"{ORG}/tokens", None, "admin"),
    ("POST", f"{ORG}/tokens", {"scopes": ["read"]}, "admin"),
    ("DELETE", f"{ORG}/tokens/x", None, "admin"),
]


@pytest.mark.parametrize("scope", SCOPES)
def test_scopes(engine, scope):
    own = create(engine, scope)["token"]
    other = create(engine, *SCOPES, org="other")["token"]
    for method, path, body, wanted in CALLS:
        reply = engine.api(method, path, body, token=own)
        if wanted in (scope, "any"):
            assert reply.status not in (401, 403), (method, path, reply)
        else:
            assert reply.status == 403, (method, path, reply)
            assert reply.json()["message"].startswith("Forbidden: ")
        reply = engine.api(method, path, body, token=other)
        if wanted == "any":
            assert reply.status == 200
        else:
            assert reply.status == 403, (method, path, reply)
    assert post(engine, own).status == (202 if scope == "ingest" else 403)
    assert post(engine, other).status == 403
    assert post(engine, own, "other").status == 403


@pytest.mark.smoke
def test_all_scopes_together(engine):
    token = create(engine, *SCOPES)["token"]
    assert post(engine, token).status == 202
    assert engine.api("POST", f"{ORG}/hooks", HOOK, token=token).status == 201
    assert len(engine.api("GET", f"{ORG}/hooks", token=token).json()) == 1


def test_the_answer_tells_nothing_of_another_organization(engine):
    engine.create_hook("http://example.com/", name="there")
    token = create(engine, *SCOPES, org="other")["token"]
    # But for the organization's name, which whoever asks has given.
    bodies = {engine.api("GET", f"/api/orgs/{org}/hooks/{name}",
                         token=token).body.replace(org.encode(), b"ORG")
              for org, name in (("acme", "there"), ("acme", "nope"),
                                ("nobody", "x"))}
    assert len(bodies) == 1


def test_akinon_organizations(engine):
    for org in (ID, ID.upper()):
        token = create(engine, *SCOPES, org=org)["token"]
        for path in (AKINON, AKINON.replace(ID, ID.upper()),
                     "/api/v1" + AKINON):
            reply = engine.api("GET", f"{path}/settings/webhooks",
                               headers={"x-access-token": token}, token=None)
            assert reply.status == 200, reply
            reply = engine.request(
                engine.ingest_port, "POST", f"{path}/events",
                b'{"event":"a.b"}', {"Content-Type": "application/json",
                                     "Authorization": f"Bearer {token}"})
            assert reply.status == 202, reply
        other = AKINON.replace(ID, "0" * 24)
        reply = engine.api("GET", f"{other}/settings/webhooks", token=token)
        assert reply.status == 403
        assert reply.json()["statusCode"] == 403
    assert len(engine.api("GET", f"/api/orgs/{ID}/tokens").json()) == 2


def test_who_am_i(engine):
    token = create(engine, "read")["token"]
    engine.create_hook("http://example.com/", "/api/orgs/zeta/hooks")
    names = [o["githubLogin"] for o in engine.api(
        "GET", "/api/user", token=token).json()["organizations"]]
    assert names == ["acme"]
    reply = engine.api("GET", "/api/user/organizations/default", token=token)
    assert reply.json()["GitHubLogin"] == "acme"


# --- making and revoking ---

def test_life_of_a_token(engine):
    made = create(engine, "read", "ingest", name="order service")
    assert made["token"].startswith("pht_") and len(made["token"]) == 68
    assert made["scopes"] == ["ingest", "read"]
    assert made["organization"] == "acme" and made["name"] == "order service"
    assert abs(made["createdAt"] - time.time()) < 60
    assert made["expiresAt"] is None
    listed = engine.api("GET", f"{ORG}/tokens").json()
    token = made.pop("token")
    assert listed == [made]
    assert engine.api("GET", "/api/orgs/nobody/tokens").json() == []
    path = f"{ORG}/tokens/{made['id']}"
    assert engine.api("DELETE", path.replace("acme", "other")).status == 404
    assert engine.api("GET", f"{ORG}/hooks", token=token).status == 200
    reply = engine.api("DELETE", path)
    assert reply.status == 204 and reply.body == b""
    assert engine.api("DELETE", path).status == 404
    assert engine.api("GET", f"{ORG}/hooks", token=token).status == 401
    assert engine.api("GET", f"{ORG}/tokens").json() == []


def test_who_follows_with_a_revoked_token_gets_no_more(engine):
    made = engine.api("POST", "/api/orgs/acme/tokens", {"scopes": ["read"]}).json()
    followers = [Pending(engine.api_port, "GET", engine.real("/api/orgs/acme/tail"), token)
                 for token in (made["token"], engine.token)]
    for each in followers:
        wait_for(lambda each=each: each.status() == 200, "it follows")
    assert engine.api("DELETE", f"/api/orgs/acme/tokens/{made['id']}").status == 204
    revoked, other = followers
    wait_for(lambda: revoked.status() and revoked.is_at_end(), "the answer ends")
    assert not other.is_at_end()
    for each in followers:
        each.close()


def test_revoked_everywhere_within_a_second(engine):
    """While both processes are busy with requests under the token."""
    made = create(engine, *SCOPES)
    last = {}
    stop = threading.Event()

    def work(name, call):
        while not stop.is_set():
            began = time.monotonic()
            if call().status in (200, 202):
                last[name] = began

    workers = [
        threading.Thread(target=work, args=("ingest", lambda: post(
            engine, made["token"]))),
        threading.Thread(target=work, args=("api", lambda: engine.api(
            "GET", f"{ORG}/hooks", token=made["token"])))]
    for worker in workers:
        worker.start()
    wait_for(lambda: len(last) == 2, "both work")
    engine.api("DELETE", f"{ORG}/tokens/{made['id']}")
    revoked = time.monotonic()
    for name in ("ingest", "api"):
        assert post(engine, made["token"]).status in (401, 429)
    stop.set()
    for worker in workers:
        worker.join()
    assert max(last.values()) - revoked < 1.0


def test_tokens_expire(engine):
    made = create(engine, "read", expiresAt=int(time.time()) + 4)
    status = engine.api("GET", f"{ORG}/hooks", token=made["token"]).status
    if time.time() < made["expiresAt"]:  # else the machine was too busy to tell
        assert status == 200
    wait_for(lambda: engine.api("GET", f"{ORG}/hooks",
                                token=made["token"]).status == 401,
             "it has expired")


@pytest.mark.parametrize("body, word", [
    ({}, "scopes"), ({"scopes": []}, "scopes"), ({"scopes": "read"}, "scopes"),
    ({"scopes": ["admin"]}, "scopes"), ({"scopes": ["read", "read"]}, "scopes"),
    ({"scopes": [1]}, "scopes"), ({"scopes": ["read"], "name": 1}, "name"),
    ({"scopes": ["read"], "name": "a" * 101}, "name"),
    ({"scopes": ["read"], "expiresAt": 1}, "expiresAt"),
    ({"scopes": ["read"], "expiresAt": "tomorrow"}, "expiresAt"),
    ({"scopes": ["read"], "expiresAt": 10**18}, "expiresAt"),
    ({"scopes": ["read"], "expiresAt": -(2**63)}, "expiresAt"),
])
def test_bad_tokens(engine, body, word):
    reply = engine.api("POST", f"{ORG}/tokens", body)
    assert reply.status == 400 and word in reply.json()["message"]
    assert engine.api("GET", f"{ORG}/tokens").json() == []


def test_only_hashes_are_kept(engine):
    token = create(engine, *SCOPES)["token"]
    assert post(engine, token).status == 202
    engine.api("GET", f"{ORG}/hooks", token=token)
    secret = token.removeprefix("pht_").encode()
    assert secret.decode() not in engine.log()
    for path in engine.data_dir.rglob("*"):
        if path.is_file():
            assert secret not in path.read_bytes(), path


@pytest.mark.alone
def test_tokens_outlive_restarts(engine):
    token = create(engine, "read")["token"]
    assert engine.stop() == 0
    engine.start()
    assert engine.api("GET", f"{ORG}/hooks", token=token).status == 200


# --- guessing ---

def test_guessing_is_slowed_down(engine):
    good = create(engine, "read")["token"]

    def guess(number):
        return engine.api("GET", f"{ORG}/hooks", token=f"guess-{number:020}")

    assert [guess(n).status for n in range(40)] == [401] * 40
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(guess, range(1000)))
    limited = [r for r in replies if r.status == 429]
    assert limited and {r.status for r in replies} <= {401, 429}
    limited = limited[0]
    assert int(limited.headers["retry-after"]) >= 1
    assert limited.json()["code"] == 429
    for token in (good, engine.token):
        assert engine.api("GET", f"{ORG}/hooks", token=token).status == 200
    wait_for(lambda: engine.api("GET", f"{ORG}/hooks",
                                token="guess").status == 401, "again")


# --- the command line ---

def test_command_line(engine):
    made = command(engine, "create", "--org", "acme", "--scopes",
                   "ingest,read", "--name", "café ☕")
    token = made.stdout.strip()
    assert post(engine, token).status == 202
    assert token not in made.stderr
    listed = command(engine, "list", "--org", "acme").stdout
    assert "ingest,read" in listed and "café ☕" in listed
    assert token not in listed
    (row,) = json.loads(command(engine, "list", "--org", "acme",
                                "--json").stdout)
    command(engine, "revoke", "--org", "acme", row["id"])
    assert post(engine, token).status == 401
    gone = command(engine, "revoke", "--org", "acme", row["id"], status=1)
    assert "Not Found" in gone.stderr and gone.stdout == ""
    full = json.loads(command(engine, "create", "--org", "acme", "--scopes",
                              "write", "--json").stdout)
    assert full["scopes"] == ["write"] and full["token"].startswith("pht_")


def test_command_line_on_the_engines_machine(engine):
    """Without address and token: what the settings say."""
    made = command(engine, "create", "--org", "a.b-c_d", "--scopes", "read",
                   "--data-dir", str(engine.data_dir), POSTHORN_TOKEN="")
    assert made.stdout.startswith("pht_")
    made = command(
        engine, "list", "--org", "a.b-c_d", POSTHORN_TOKEN="", POSTHORN_API="",
        POSTHORN_DATA_DIR=str(engine.data_dir),
        POSTHORN_API_LISTEN=f"127.0.0.1:{engine.api_port}")
    assert made.stdout.count("\n") == 2


def test_command_line_misused(engine):
    for args in ((), ("make",), ("create", "--org", "acme"),
                 ("create", "--scopes", "read"), ("list",),
                 ("list", "--org", "acme", "more"), ("list", "--colour"),
                 ("revoke", "--org", "acme")):
        assert "usage: posthorn token" in command(
            engine, *args, status=2).stderr
    wrong = command(engine, "create", "--org", "acme", "--scopes", "all",
                    status=1)
    assert "scopes must be" in wrong.stderr
    nobody = command(engine, "list", "--org", "acme", "--api",
                     "http://127.0.0.1:9", status=1)
    assert "http://127.0.0.1:9" in nobody.stderr
    refused = command(engine, "list", "--org", "acme", "--token", "wrong",
                      status=1)
    assert "Unauthorized" in refused.stderr
