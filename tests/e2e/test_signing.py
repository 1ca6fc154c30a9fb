# SPDX-License-Identifier: MIT
"""Signatures as v1a: keys of webhooks and of organizations, checked with a published
library; where private keys must never be; who sees which public key."""

import base64
import json
import pathlib
import re
import subprocess

import nacl.exceptions
import nacl.signing
import pytest

from engine import BINARY
from support import wait_for

ORGS = "/api/orgs/acme"
HOOKS = f"{ORGS}/hooks"
AKINON = "/organizations/64b0c0ffee0123456789abcd"
# RFC 8032, 7.1, test 1; and the thumbprint of its key in RFC 8037, A.3.
PAIR = bytes.fromhex(
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
ID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
WHSK = "whsk_" + base64.b64encode(PAIR).decode()


def is_signed(request, key):
    """What libsodium says of the request and a public key: its 32 bytes, or whpk_."""
    if isinstance(key, str):
        key = base64.b64decode(key.removeprefix("whpk_"), validate=True)
    text = b".".join((request.headers["webhook-id"].encode(),
                      request.headers["webhook-timestamp"].encode(), request.body))
    for signature in request.headers["webhook-signature"].split():
        version, value = signature.split(",")
        try:
            if version == "v1a":
                nacl.signing.VerifyKey(key).verify(text, base64.b64decode(value))
                return True
        except nacl.exceptions.BadSignatureError:
            pass
    return False


def signed_keys(request):
    return request.headers["webhook-signature"].count("v1a,")


def send(engine, receiver, path="/"):
    engine.settle_hooks()
    count = len(receiver.got(path))
    engine.post_event()
    return receiver.wait(count + 1, path)[-1]


def jwks(engine, path):
    """The public keys that anybody sees there, by their ids."""
    reply = engine.api("GET", f"{path}/.well-known/jwks.json", token=None)
    if reply.status == 404:
        return {}
    assert reply.status == 200, reply
    assert all((k["kty"], k["crv"]) == ("OKP", "Ed25519") for k in reply.json()["keys"])
    return {k["kid"]: base64.urlsafe_b64decode(k["x"] + "=") for k in reply.json()["keys"]}


@pytest.mark.shared
def test_a_key_of_its_own_signs_beside_the_secret(engine, receiver):
    hook = engine.create_hook(receiver.url(), name="own", signingKey="own",
                              secret="whsec_" + "A" * 32)
    first = engine.api("GET", hook).json()
    assert first["signingKey"] == "own" and "signingKeyOverlap" not in first
    request = send(engine, receiver)
    assert is_signed(request, first["publicKey"]) and signed_keys(request) == 1
    assert request.headers["webhook-signature"].startswith("v1,")
    # "own" is what there is already; "new" is another one, beside which it signs on.
    assert engine.api("PATCH", hook, {"signingKey": "own"}).json() == first
    second = engine.api("PATCH", hook, {"signingKey": "new"}).json()
    assert second["signingKeyOverlap"]["keys"] == 2 and "secretOverlap" not in second
    third = json.loads(engine.run("hook", "update", "--org", "acme", "--hook", "own",
                                  "--signing-key-file", "-", "--json",
                                  stdin=WHSK + "\n").stdout)
    assert is_signed(request, first["publicKey"])
    request = send(engine, receiver)
    publics = [h["publicKey"] for h in (first, second, third)]
    assert all(is_signed(request, key) for key in publics) and signed_keys(request) == 3
    shown = jwks(engine, hook)
    assert shown[ID] == PAIR[32:]
    assert sorted(shown.values()) == sorted(base64.b64decode(k[5:]) for k in publics)
    # A secret has nothing to do with it: it can go, and what replaced it, too.
    engine.api("PATCH", hook, {"secret": "__remove-secret"})
    engine.run("hook", "update", "--org", "acme", "--hook", "own",
               "--end-secret-overlap", "yes")
    request = send(engine, receiver)
    assert signed_keys(request) == 1 and is_signed(request, PAIR[32:])
    assert "pulumi-webhook-signature" not in request.headers
    assert list(jwks(engine, hook)) == [ID]
    body = engine.api("PATCH", hook, {"signingKey": None}).json()
    assert "signingKey" not in body and "publicKey" not in body
    assert "webhook-signature" not in send(engine, receiver).headers
    assert jwks(engine, hook) == {}


@pytest.mark.shared
def test_an_organization_signs_for_its_webhooks(engine, receiver):
    engine.create_hook(receiver.url("/a"), name="a", signingKey="organization")
    engine.create_hook(receiver.url("/b"), name="b", signingKey="organization")
    (made,) = engine.api("GET", f"{ORGS}/signing-keys").json()
    a, b = send(engine, receiver, "/a"), receiver.wait(1, "/b")[0]
    assert is_signed(a, made["publicKey"]) and is_signed(b, made["publicKey"])
    assert list(jwks(engine, ORGS)) == [made["id"]] == list(jwks(engine, f"{HOOKS}/a"))
    told = engine.run("signing-key", "create", "--org", "acme", "--key-file", "-",
                      stdin=WHSK).stdout
    assert ID in told and made["id"] in told
    a = send(engine, receiver, "/a")
    assert is_signed(a, made["publicKey"]) and is_signed(a, PAIR[32:])
    assert list(jwks(engine, ORGS)) == [ID, made["id"]]
    again = engine.api("POST", f"{ORGS}/signing-keys", {"key": WHSK})
    assert again.status == 409
    last = engine.api("POST", f"{ORGS}/signing-keys", {"endOverlap": True}).json()
    assert len(last) == 1
    # From the organization's keys to one of its own, with an overlap.
    own = engine.api("PATCH", f"{HOOKS}/a", {"signingKey": "new"}).json()
    a = send(engine, receiver, "/a")
    assert is_signed(a, own["publicKey"]) and is_signed(a, last[0]["publicKey"])
    assert len(jwks(engine, f"{HOOKS}/a")) == 2 and len(jwks(engine, ORGS)) == 1
    # What has no keys looks like what does not exist.
    bodies = {engine.api("GET", f"{path}/.well-known/jwks.json", token=None).body
              for path in (f"{HOOKS}/none", "/api/orgs/nobody", "/api/orgs/nobody/hooks/x")}
    assert len(bodies) == 1
    for body, why in (({"key": "whsk_AAAA"}, "64 bytes"), ({"key": 1}, "string"),
                      ({"key": "s"}, "whsk_"), ([], "object")):
        reply = engine.api("POST", f"{ORGS}/signing-keys", body)
        assert reply.status == 400 and why in reply.json()["message"]


@pytest.mark.shared
def test_webhooks_of_akinon_sign_too(engine, receiver):
    path = f"{AKINON}/projects/64b0c0ffee0123456789abce/settings/webhooks"
    made = engine.api("POST", path, {
        "name": "ak", "url": receiver.url("/ak"), "active": True,
        "events": ["deployment.build.created"], "signingKey": "organization"}).json()
    assert made["signingKey"] == "organization"
    assert engine.api("POST", f"{path}/{made['_id']}/ping").status == 200
    (request,) = receiver.wait(1, "/ak")
    (key,) = jwks(engine, AKINON).values()
    assert is_signed(request, key)
    assert jwks(engine, f"/api/v1{path}/{made['_id']}") == jwks(engine, AKINON)
    assert "PUBLIC KEY" in engine.run("signing-key", "list", "--akinon", "--org",
                                      AKINON[15:]).stdout


@pytest.mark.settings(secret_overlap="1s")
def test_private_keys_stay_where_they_are(engine, receiver, tmp_path):
    """No answer, log line or file has one but an export that was asked for them."""
    hook = engine.create_hook(receiver.url("/a"), name="a", signingKey=WHSK)
    engine.create_hook(receiver.url("/b"), name="b", signingKey="organization")
    answers = [engine.api("GET", path).body for path in (hook, f"{ORGS}/signing-keys")]
    answers.append(engine.api("POST", f"{ORGS}/signing-keys", {"key": WHSK}).body)
    answers.append(engine.api("GET", f"{ORGS}/signing-keys").body)
    engine.api("PATCH", hook, {"signingKey": "new"})
    second = engine.api("PATCH", hook, {"signingKey": WHSK}).json()["publicKey"]
    wait_for(lambda: len(engine.api("GET", f"{ORGS}/signing-keys").json()) == 1
             and "signingKeyOverlap" not in engine.api("GET", hook).json()
             and "replaced signing key of an organization" in engine.log(),
             "what was replaced is removed")
    engine.stop()
    for command in (("rekey", "--data-dir", engine.data_dir),
                    ("verify", "--data-dir", engine.data_dir)):
        subprocess.run([BINARY, *command], check=True, capture_output=True, timeout=60)
    files = [f.read_bytes() for f in pathlib.Path(engine.data_dir).rglob("*") if f.is_file()]
    for form in (PAIR[:32], PAIR[:32].hex().encode(), base64.b64encode(PAIR)[:42]):
        assert not any(form in text for text in (*answers, *files, engine.log().encode()))
    shown, whole = (subprocess.run(
        [BINARY, "export", "--data-dir", engine.data_dir, *more], check=True,
        capture_output=True, text=True, timeout=60).stdout
        for more in ((), ("--with-secrets",)))
    assert WHSK not in shown and WHSK in whole
    engine.start()
    assert second in engine.api("GET", hook).body.decode()
    a = send(engine, receiver, "/a")
    b = receiver.wait(1, "/b")[-1]
    assert is_signed(a, PAIR[32:]) and is_signed(b, PAIR[32:])
    (tmp_path / "hooks").write_text(whole.replace('"a"', '"c"'))
    engine.run("import", "--on-conflict", "skip", str(tmp_path / "hooks"))
    assert engine.api("GET", f"{HOOKS}/c").json()["publicKey"] == second
    erasure = engine.api("DELETE", ORGS).json()["id"]
    wait_for(lambda: engine.api("GET", f"/api/erasures/{erasure}").json()["step"] == "done",
             "the organization is erased")
    assert jwks(engine, ORGS) == jwks(engine, hook) == {}
    # An import brings the keys of organizations, but never in place of others.
    assert "2 webhooks" in engine.run("verify", str(tmp_path / "hooks")).stdout
    engine.run("import", str(tmp_path / "hooks"))
    assert list(jwks(engine, ORGS)) == list(jwks(engine, f"{HOOKS}/b")) == [ID]
    engine.run("signing-key", "create", "--org", "acme")
    told = engine.run("import", str(tmp_path / "hooks"), status=1)
    assert "another key" in told.stderr


def test_nothing_is_sent_without_the_keys_of_its_organization(make_engine, receiver, tmp_path):
    """It is a dead letter after three attempts. A repair takes the damaged keys out."""
    engine = make_engine(retry_schedule="50ms,50ms", breaker_failures="0").start()
    hook = engine.create_hook(receiver.url("/in"), signingKey="organization")
    engine.stop()
    engine.check_books = False
    path = engine.data_dir / "hooks/data.mdb"
    key_and_version = re.compile(rb"(value\x03.{8})\x01", re.DOTALL)
    data, n = key_and_version.subn(lambda m: m[1] + b"\0", path.read_bytes())
    assert n > 0
    path.write_bytes(data)
    assert "value of an organization" in engine.run("verify", engine.data_dir, status=1).stderr
    engine.start()
    event = engine.post_event()
    row = engine.wait_deliveries(hook, 3)[0]
    assert "signing keys of the organization cannot be read" in row["error"]["message"]
    assert receiver.got("/in") == []
    engine.stop()
    engine.run("repair", "--data-dir", engine.data_dir, "--to", tmp_path / "mended", status=...)
    engine.data_dir.rename(tmp_path / "damaged")
    (tmp_path / "mended").rename(engine.data_dir)
    engine.start()
    made = engine.api("POST", f"{ORGS}/signing-keys", {})
    assert made.status == 201, made
    engine.settle_hooks()
    assert engine.api("POST", f"{hook}/replay", {}).status == 202
    request = receiver.wait(1, "/in")[0]
    assert request.id == event and is_signed(request, made.json()[0]["publicKey"])
