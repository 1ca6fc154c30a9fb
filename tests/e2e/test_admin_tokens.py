# SPDX-License-Identifier: MIT
"""Tokens that are replaced, and admin tokens with a name."""

import json
import time

import pytest

from support import wait_for

ADMINS = "/api/orgs/posthorn/tokens"
OURS = "/api/orgs/acme/tokens"


def made(engine, path, token=..., status=201, **body):
    reply = engine.api("POST", path, body, token=engine.token if token is ... else token)
    assert reply.status == status, reply
    return reply.json()


def may(engine, token):
    """What a token may do: of an admin in the API, in another organization there, at intake,
    with metrics and the operator's webhooks."""
    return (engine.api("GET", "/api/orgs", token=token).status,
            engine.api("GET", "/api/orgs/acme/hooks", token=token).status,
            engine.intake(b'{"kind":"a.b","payload":{}}', "other", token=token).status,
            engine.api("GET", "/api/orgs/posthorn/hooks", token=token).status)


ALL = (200, 200, 202, 200)
NOTHING = (401, 401, 401, 401)


@pytest.mark.shared
def test_an_admin_token_with_a_name(engine):
    one = made(engine, ADMINS, scopes=["admin"], name="deploy")
    assert one["scopes"] == ["admin"] and one["organization"] == "posthorn"
    assert may(engine, one["token"]) == ALL
    # It makes and revokes others; each line of the audit says which token it was.
    two = made(engine, ADMINS, one["token"], scopes=["admin"],
               expiresAt=int(time.time()) + 2)
    assert may(engine, two["token"]) == ALL
    assert f'by="deploy" by_id="{one["id"]}"' in engine.log()
    listed = engine.api("GET", ADMINS, token=two["token"]).json()
    assert {t["id"] for t in listed} >= {one["id"], two["id"]}
    assert not any("token" in t for t in listed)
    assert one["token"] not in engine.log()
    wait_for(lambda: may(engine, two["token"]) == NOTHING, "it expires")
    who = engine.api("GET", "/api/session", token=one["token"]).json()
    assert who["admin"] is True and who["tokenName"] == "deploy" and who["tokenId"] == one["id"]
    assert engine.api("DELETE", f"{ADMINS}/{one['id']}", token=one["token"]).status == 204
    assert may(engine, one["token"]) == NOTHING
    assert may(engine, engine.token) == ALL


@pytest.mark.shared
def test_which_scopes_belong_to_whom(engine):
    for scopes in (["read"], ["admin", "read"], []):
        made(engine, ADMINS, status=400, scopes=scopes)
    for scopes in (["admin"], ["read", "admin"]):
        reply = made(engine, OURS, status=400, scopes=scopes)
        assert "\"ingest\", \"read\", \"write\"" in reply["message"]
    # A token of an organization gets no further than before.
    ours = made(engine, OURS, scopes=["ingest", "read", "write"])["token"]
    assert made(engine, ADMINS, ours, 403, scopes=["admin"])
    assert may(engine, ours) == (403, 200, 403, 403)


@pytest.mark.shared
def test_a_token_is_replaced(engine):
    old = made(engine, OURS, scopes=["read"], name="ci", expiresAt=int(time.time()) + 1000)
    path = f"{OURS}/{old['id']}/rotate"
    new = made(engine, path)
    assert (new["name"], new["scopes"]) == ("ci", ["read"]) and new["id"] != old["id"]
    assert 990 <= new["expiresAt"] - new["createdAt"] <= 1000
    for token in (old, new):
        assert engine.api("GET", "/api/orgs/acme/hooks", token=token["token"]).status == 200
    # It does not live longer than it was made for; a short overlap ends it.
    ends = {t["id"]: t["expiresAt"] for t in engine.api("GET", OURS).json()}
    assert ends[old["id"]] == old["expiresAt"]
    newer = made(engine, f"{OURS}/{new['id']}/rotate", overlap="1s",
                 expiresAt=int(time.time()) + 5000)
    assert newer["expiresAt"] > new["expiresAt"]
    wait_for(lambda: engine.api("GET", "/api/orgs/acme/hooks",
                                token=new["token"]).status == 401, "the overlap ends")
    last = made(engine, f"{OURS}/{newer['id']}/rotate", overlap="0s")
    assert engine.api("GET", "/api/orgs/acme/hooks", token=newer["token"]).status == 401
    assert newer["id"] not in {t["id"] for t in engine.api("GET", OURS).json()}
    assert "token replaced" in engine.log() and last["token"] not in engine.log()
    for body in ({"overlap": "31d"}, {"overlap": 5}, {"overlap": "-1s"}, {"expiresAt": 1}, [1]):
        assert engine.api("POST", f"{OURS}/{last['id']}/rotate", body).status == 400
    for missing in ("nothing", newer["id"]):
        assert engine.api("POST", f"{OURS}/{missing}/rotate", {}).status == 404
    # Nobody else's, and not by itself.
    assert engine.api("POST", f"/api/orgs/other/tokens/{last['id']}/rotate", {}).status == 404
    assert engine.api("POST", f"{OURS}/{last['id']}/rotate", {}, token=last["token"]).status == 403


def test_replacing_is_no_way_around_the_limit(make_engine):
    """An overlap has one more token; an expired one is not replaced."""
    engine = make_engine(max_tokens_per_organization="2").start()
    tokens = [made(engine, OURS, scopes=["read"]) for _ in range(2)]
    path = f"{OURS}/{tokens[0]['id']}/rotate"
    new = made(engine, path, overlap="30d")
    assert "max_tokens_per_organization" in made(engine, path, status=409)["message"]
    made(engine, OURS, status=409, scopes=["read"])
    made(engine, path, status=409, overlap="0s")
    assert engine.api("DELETE", f"{OURS}/{tokens[1]['id']}").status == 204
    made(engine, f"{OURS}/{new['id']}/rotate", overlap="1s")
    wait_for(lambda: "has expired" in engine.api(
        "POST", f"{OURS}/{new['id']}/rotate", {}).json()["message"], "it is over")
    # The operator's organization is not erased: its tokens would go, whoever asks.
    admin = made(engine, ADMINS, scopes=["admin"])["token"]
    for query in ("", "?dryRun=true"):
        assert engine.api("DELETE", "/api/orgs/posthorn" + query, token=admin).status == 409
    assert may(engine, admin) == ALL


@pytest.mark.shared
def test_the_commands(engine):
    token = engine.run("token", "create", "--operator", "--name", "ops", "--expires",
                       "90d").stdout.strip()
    assert may(engine, token) == ALL
    row = [t for t in json.loads(engine.run("token", "list", "--operator", "--json").stdout)
           if t["name"] == "ops"][0]
    assert abs(row["expiresAt"] - time.time() - 90 * 86400) < 60
    new = engine.run("token", "rotate", row["id"], "--operator", "--overlap", "0s").stdout.strip()
    assert may(engine, token) == NOTHING and may(engine, new) == ALL
    engine.run("org", "list", POSTHORN_TOKEN=new)
    for words in (["create", "--operator", "--scopes", "read"], ["create"], ["list"],
                  ["rotate", "--operator"], ["create", "--operator", "--expires", "soon"],
                  ["create", "--org", "acme", "--operator"],
                  ["list", "--operator", "--overlap", "1h"]):
        engine.run("token", *words, status=2)


def test_tokens_outlive_a_restart(engine):
    token = made(engine, ADMINS, scopes=["admin"])["token"]
    engine.stop()
    engine.start()
    assert may(engine, token) == ALL
