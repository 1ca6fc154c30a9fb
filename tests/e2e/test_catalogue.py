# SPDX-License-Identifier: MIT
"""An organization's catalogue of kinds: what it says about its own kinds of events."""

import json
import time
from urllib.parse import quote

import pytest

KINDS = "/api/orgs/acme/kinds"
AKINON = "/organizations/5f0a3c1e8d2b4a7c9e612b7d/kinds"
SCHEMA = {"type": "object", "required": ["number"]}


def described(engine, kind="order.created", at=KINDS, status=200, **entry):
    reply = engine.api("PUT", f"{at}/{quote(kind, safe='')}", entry)
    assert reply.status == status, reply
    return reply.json()


@pytest.mark.shared
@pytest.mark.parametrize("at", [KINDS, AKINON, "/api/v1" + AKINON])
def test_a_kind_is_described_changed_and_removed(engine, at):
    kind = "orders/create.eu"
    path = f"{at}/{quote(kind, safe='')}"
    assert engine.api("GET", path).status == 404
    assert engine.api("DELETE", path).status == 404
    before = time.time() * 1000
    entry = described(engine, kind, at, description="Größe & <Ort>", example=[1.50, None],
                      schema=SCHEMA)
    assert before - 1 <= entry.pop("updatedAt") <= time.time() * 1000 + 1
    assert entry == {"kind": kind, "description": "Größe & <Ort>", "example": [1.5, None],
                     "schema": SCHEMA}
    listed = engine.api("GET", at).json()["catalogue"]
    assert [(e["kind"], e["hasExample"], e["hasSchema"]) for e in listed] == [(kind, True, True)]
    # What is said replaces all that was said.
    described(engine, kind, at, schema=False)
    entry = engine.api("GET", path).json()
    assert entry["description"] == "" and entry["schema"] is False and "example" not in entry
    assert engine.api("DELETE", path).status == 204
    assert engine.api("GET", at).json()["catalogue"] == []


@pytest.mark.shared
def test_an_example_keeps_its_bytes(engine):
    body = b'{"example": {"n": 1.10, "e": 1E3,  "text": "\\u00e9", "b": 1, "a": 2}}'
    reply = engine.api("PUT", KINDS + "/a.b", body=body,
                       headers={"Content-Type": "application/json"})
    assert reply.status == 200
    assert b'"example":{"n":1.10,"e":1E3,"text":"\\u00e9","b":1,"a":2}' in reply.body


@pytest.mark.shared
def test_what_is_refused(engine):
    for kind in ("stack_update", "posthorn.hook.disabled", "a", "a..b", "a b.c", "a." + "b" * 64):
        reply = described(engine, kind, status=400)
        assert "kind: " in reply["message"], kind
    for entry, word in (({"description": 5}, "description must be a string"),
                        ({"description": "x" * 1001}, "at most 1000"),
                        ({"schema": "text"}, "schema must be a JSON Schema"),
                        ({"schema": [1]}, "schema must be"),
                        ({"example": "x" * 17000}, "example: "),
                        ({"example": "x" * 9000, "schema": {"a": "y" * 9000}}, "schema: ")):
        assert word in described(engine, status=400, **entry)["message"], entry
    assert engine.api("PUT", KINDS + "/a.b", [1]).status == 400


@pytest.mark.shared
def test_each_organization_has_its_own(engine):
    described(engine, description="ours")
    described(engine, at="/api/orgs/other/kinds", description="theirs")
    tokens = [engine.api("POST", "/api/orgs/acme/tokens", {"scopes": [s]}).json()["token"]
              for s in ("read", "write", "ingest")]
    path = KINDS + "/order.created"
    statuses = [engine.api("GET", path, token=t).status for t in tokens]
    assert statuses == [200, 403, 403]
    statuses = [engine.api("PUT", path, {}, token=t).status for t in tokens]
    assert statuses == [403, 200, 403]
    for token in tokens:
        assert engine.api("GET", "/api/orgs/other/kinds/order.created", token=token).status == 403
        assert engine.api("DELETE", "/api/orgs/other/kinds/order.created",
                          token=token).status == 403
    assert engine.api("GET", "/api/orgs/other/kinds/order.created").json()[
        "description"] == "theirs"


def test_limit_backup_restart_and_erasure(make_engine, tmp_path):
    engine = make_engine(max_kinds_per_organization="2").start()
    described(engine, "a.a", description="canary-92ab41")
    described(engine, "a.b")
    assert "max_kinds_per_organization" in described(engine, "a.c", status=409)["message"]
    described(engine, "a.b", description="again")  # in place of one
    described(engine, "a.c", at="/api/orgs/other/kinds")
    engine.run("backup", tmp_path / "copy", "--data-dir", engine.data_dir)
    engine.stop()
    copy = make_engine()
    copy.data_dir.parent.mkdir(exist_ok=True)
    engine.run("restore", tmp_path / "copy", "--data-dir", copy.data_dir)
    for one in (engine, copy):
        one.start()
        assert [e["description"] for e in one.api("GET", KINDS).json()["catalogue"]] == [
            "canary-92ab41", "again"]
        assert one.verify()["matched"] == 0
    copy.stop()
    engine.run("org", "erase", "acme", "--yes")
    assert engine.api("GET", KINDS).json()["catalogue"] == []
    assert engine.api("GET", "/api/orgs/other/kinds/a.c").status == 200
    engine.stop()
    engine.run("compact", "--data-dir", engine.data_dir)
    assert not [f for f in engine.data_dir.rglob("*")
                if f.is_file() and b"canary-92ab41" in f.read_bytes()]


@pytest.mark.shared
def test_the_command(engine, tmp_path):
    (tmp_path / "example.json").write_text('{"number": 7}')
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "bad.json").write_text("{")
    engine.post_event("order.paid")
    of = ("--org", "acme")
    engine.run("kind", "set", "order.created", *of, "--description", "An order was placed",
               "--example", tmp_path / "example.json", "--schema", tmp_path / "schema.json")
    entry = json.loads(engine.run("kind", "get", "order.created", *of).stdout)
    assert entry["example"] == {"number": 7} and entry["schema"] == SCHEMA
    table = engine.run("kind", "list", *of).stdout
    assert "An order was placed" in table and "example, schema" in table
    assert "order.paid" in table and "not described" in table
    assert len(json.loads(engine.run("kind", "list", *of, "--json").stdout)["catalogue"]) == 1
    engine.run("kind", "remove", "order.created", *of)
    engine.run("kind", "get", "order.created", *of, status=1)
    assert "bad.json" in engine.run("kind", "set", "a.b", *of, "--schema", tmp_path / "bad.json",
                                    status=1).stderr
    for words in (["list"], ["get", *of], ["set", *of], ["list", *of, "--description", "x"]):
        engine.run("kind", *words, status=2)
