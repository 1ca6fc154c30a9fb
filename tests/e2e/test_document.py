# SPDX-License-Identifier: MIT
"""Our OpenAPI document as generators read it: names of operations become names of
functions, files and classes, and what they make of two names must not be the same."""

import json
import pathlib
import re



def once(members):
    """An object whose names are all different: the last of two would hide the other."""
    assert len(dict(members)) == len(members), sorted(name for name, _ in members)
    return dict(members)


DOCUMENT = json.loads((pathlib.Path(__file__).resolve().parents[2]
                       / "api/openapi.json").read_text(), object_pairs_hook=once)
VERBS = ("Cancel", "Create", "Delete", "Discard", "Explain", "Export", "Follow", "Get",
         "List", "Ping", "Post", "Redeliver", "Replay", "Revoke", "Rotate", "Update")


def operations():
    return [(f"{method.upper()} {path}", o)
            for path, item in DOCUMENT["paths"].items() for method, o in item.items()
            if method in ("get", "put", "post", "patch", "delete")]


def test_no_two_operations_have_one_name_in_a_generated_client():
    """Python writes get_stack, files on some disks know no case."""
    seen = {}
    for where, operation in operations():
        name = re.sub("[^a-z0-9]", "", operation["operationId"].lower())
        assert name not in seen, f"{where} and {seen[name]}: {name}"
        seen[name] = where
    assert len(seen) > 100


def test_names_of_operations_are_a_verb_and_a_noun():
    verb = "|".join(f"{v}|{v.lower()}" for v in VERBS)
    noun = rf"(?!(?:{'|'.join(VERBS)})[A-Z])[A-Z][A-Za-z0-9]*"
    for where, operation in operations():
        name = operation["operationId"]
        assert re.fullmatch(f"(?:{verb}){noun}", name), f"{where}: {name}"
        # No other name stands within it, as in GetgetWebhookStats.
        assert not re.match(rf"(?:{verb})(?:{verb.lower()})", name), f"{where}: {name}"


def test_a_version_in_the_path_is_the_end_of_the_name():
    ids = {path: {m: o["operationId"] for m, o in item.items() if m in
                  ("get", "post", "patch", "delete")}
           for path, item in DOCUMENT["paths"].items()}
    for path, names in ids.items():
        if path.startswith("/api/v1/"):
            plain = ids[path.removeprefix("/api/v1")]
            assert names == {m: f"{name}V1" for m, name in plain.items()}, path


def test_every_operation_has_one_tag_that_is_declared():
    declared = [tag["name"] for tag in DOCUMENT["tags"]]
    assert len(set(declared)) == len(declared)
    for where, operation in operations():
        assert len(operation["tags"]) == 1, where
    assert {o["tags"][0] for _, o in operations()} == set(declared)
