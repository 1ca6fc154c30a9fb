# SPDX-License-Identifier: MIT
"""What organizations share: each has a share, the admin token a reserve, and
whoever wants more is told which limit that is. One row a limit."""

import json
import os
import re
import signal

import pytest

from caps_cases import (CASES, ORGS, ROWS, Bytes, Done, Patterns, Questions, Replays, Requests,
                        Webhooks)
from receiver import Answer
from support import ROOT, event_of, wait_for


def rows_of_readme():
    """The settings that each row of the table names."""
    text = (ROOT / "README.md").read_text()
    table = text[text.index("## Caps"):].split("\n\n")[1]
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    return [(set(re.findall(r"`(max_[a-z_]+)`", " ".join(row))),
             int(row[-1].strip(" |"))) for row in rows]


def test_the_table_of_the_readme_has_these_rows():
    rows = rows_of_readme()
    assert len(rows) == len(ROWS)
    for case, (named, code) in zip(ROWS, rows):
        assert code == case.code, case
        assert {*case.settings} - case.others <= named, case


def refusal_of(thing):
    return json.loads(thing.bytes[thing.bytes.index(b"{"):])["message"]


def is_there(thing):
    status = thing.status()
    return status is None or status < 300


def take_all(case, who, org):
    """Everything that is given; and what refuses the rest."""
    held = []
    while True:
        thing = case.hold(who, org)
        if not is_there(thing):
            return held, thing
        held.append(thing)
        assert len(held) < 500, "no limit holds it"


@pytest.fixture
def case(request, make_engine, receiver):
    engine = make_engine(request_timeout="20s", **request.param.settings)
    engine.start()
    tokens = {org: engine.api("POST", f"/api/orgs/{org}/tokens", {
        "scopes": ["ingest", "read", "write"]}).json()["token"]
        for org in ORGS}
    case = request.param(engine, receiver, tokens)
    case.prepare()
    yield case
    case.go_on()


@pytest.mark.parametrize("case", CASES, indirect=True,
                         ids=lambda c: c.__name__.lower())
def test_an_organization_takes_its_share_and_others_get_theirs(case):
    held, refused = take_all(case, "acme", "acme")
    name = (f"{case.setting}_per_organization" if case.setting else case.name)
    assert len(held) == case.share or not case.share, refusal_of(refused)
    assert refused.status() == case.code
    assert name in refusal_of(refused), refusal_of(refused)
    if case.code == 429:
        assert b"retry-after: 1" in head_of(refused)
    theirs, refused = take_all(case, "zeta", "zeta")
    assert len(theirs) == case.share or (theirs and not case.share)
    assert name in refusal_of(refused)
    admin = take_all(case, "admin", "acme")[0] if isinstance(
        case, Bytes) else []
    assert admin or not isinstance(case, Bytes)
    held += admin
    if case.whole:
        held += theirs + share_of_the_rest(case)
    else:
        held += theirs
    case.release(held)
    assert_all_is_free(case)


def assert_all_is_free(case):
    """The whole share is there again, at once."""
    case.prepare_again()

    held = wait_for(lambda: whole_share(case), "all is free again", 30)
    case.release(held)


def whole_share(case):
    """What a share comes to; None if there is not as much yet."""
    held = take_all(case, "acme", "acme")[0]
    if len(held) == case.share or (held and not case.share):
        return held
    for thing in held:
        thing.close()
    return None


def share_of_the_rest(case):
    """The third gets what the reserve leaves, the admin token the reserve,
    for whichever organization."""
    rest, refused = take_all(case, "other", "other")
    assert len(rest) == case.whole - case.reserve - 2 * case.share
    message = refusal_of(refused)
    assert refused.status() == case.code
    assert f"{case.setting}," in message and "reserve" in message, message
    assert case.engine.api("GET", "/healthz", token=None).status == 200
    admins, refused = take_all(case, "admin", "acme")
    assert len(admins) == case.reserve
    if isinstance(case, Requests):  # who comes now is not read any more
        assert refused.status() == 503
    else:
        assert f"({case.setting})" in refusal_of(refused)
    return rest + admins


def head_of(thing):
    if isinstance(thing, Done):
        return "\n".join(f"{k}: {v}" for k, v in
                         thing.reply.headers.items()).lower().encode()
    return thing.bytes.split(b"\r\n\r\n")[0].lower()




def kill_role(case, role):
    """Until another one does its work."""
    engine, old = case.engine, case.engine.pids(role)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: (lambda pids: pids and not {*pids} & {*old})(
        engine.pids(role)), "it is started again", 30)
    wait_for(engine.is_ready, "it is ready", 30)
    for hook in getattr(case, "hooks", {}).values():
        wait_for(lambda: engine.api("GET", f"{hook}/status").status == 200,
                 "its dispatcher answers", 30)


@pytest.mark.parametrize("case", [Questions], indirect=True, ids=["questions"])
@pytest.mark.parametrize("role", ["dispatcher", "api"])
def test_what_a_dead_process_held_is_free(case, role):
    held = take_all(case, "acme", "acme")[0]
    assert len(held) == case.share
    if role == "dispatcher":
        kill_role(case, role)
        for question in held:
            wait_for(lambda: question.status() == 503, "it is answered")
        case.prepare_again()
    else:
        for pid in case.engine.pids(role):
            os.kill(pid, signal.SIGKILL)
        for question in held:
            wait_for(question.is_at_end, "its connection is gone")
        case.go_on()
        wait_for(case.engine.is_ready, "it is started again", 30)
        case.prepare_again()
    again = take_all(case, "acme", "acme")[0]
    assert len(again) == case.share
    for question in [*held, *again]:
        question.close()


@pytest.mark.parametrize("case", [Replays], indirect=True, ids=["replays"])
def test_replays_count_also_after_a_crash(case):
    held = take_all(case, "acme", "acme")[0]
    assert len(held) == case.share
    kill_role(case, "dispatcher")
    refused = case.hold("acme", "acme")
    assert "max_replays_per_organization" in refusal_of(refused)
    assert is_there(case.hold("zeta", "zeta"))
    held[0].close()
    wait_for(lambda: is_there(case.hold("acme", "acme")), "one has ended")


@pytest.mark.parametrize("case", [Webhooks, Patterns], indirect=True,
                         ids=["webhooks", "patterns"])
def test_webhooks_count_also_after_a_crash(case):
    held = take_all(case, "acme", "acme")[0]
    kill_role(case, "api")
    refused = case.hold("acme", "acme")
    assert f"{case.setting}_per_organization" in refusal_of(refused)
    assert is_there(case.hold("admin", "acme"))  # it has no share
    held[0].close()
    held[1].close()
    assert is_there(case.hold("acme", "acme"))


@pytest.mark.parametrize("case", [Patterns], indirect=True, ids=["patterns"])
def test_a_pattern_is_counted_when_a_webhook_gets_it(case):
    engine, token = case.engine, case.tokens["acme"]
    plain = engine.create_hook(case.receiver.url())
    pattern = {"pattern": {"kind": ["a.b"]}}
    take_all(case, "acme", "acme")
    for query in ("", "?dryRun=true"):
        refused = engine.api("PATCH", plain + query, pattern, token=token)
        assert refused.status == 409 and refused.json()["field"] == "pattern"
        assert "3 webhooks with a pattern" in refused.json()["message"]
    assert "pattern" not in engine.api("GET", plain).json()
    with_one = f"/api/orgs/acme/hooks/p{case.n - 1}"
    # Another pattern instead of one takes no more.
    assert engine.api("PATCH", with_one, {"pattern": {"kind": ["c"]}}, token=token).status == 200
    assert engine.api("PATCH", plain, {"displayName": "y"}, token=token).status == 200
    assert engine.api("PATCH", with_one, {"pattern": None}, token=token).status == 200
    assert engine.api("PATCH", plain, pattern, token=token).status == 200
    # An erased organization gives back what it had.
    for org in ("zeta", "other"):
        refused = take_all(case, org, org)[1]
    assert "all organizations together" in refusal_of(refused)
    erased = engine.api("DELETE", "/api/orgs/acme")
    assert erased.status == 202, erased
    wait_for(lambda: engine.api("GET", erased.headers["location"]).json()["step"] == "done",
             "it is erased")
    assert is_there(case.hold("other", "other"))


@pytest.mark.settings(max_queue_bytes="16MiB",
                      max_queue_bytes_per_organization="16MiB",
                      retry_schedule="1h", failing_after="1")
def test_the_operator_is_told_while_the_queue_is_full(engine, receiver):
    """What intake leaves of the queue is for the engine's own events."""
    receiver.script("/zeta", Answer(500))
    engine.create_hook(receiver.url("/operator"), "/api/orgs/posthorn/hooks")
    engine.create_hook(receiver.url("/acme"), paused=True)
    zeta = engine.create_hook(receiver.url("/zeta"), "/api/orgs/zeta/hooks",
                              paused=True)
    engine.post_event(org="zeta")

    def is_full():
        reply = engine.intake(event_of(200_000))
        return (reply.status == 503
                and "queue is at its quota" in reply.json()["message"])

    wait_for(is_full, "the queue is full", 60)
    assert engine.api("PATCH", zeta, {"paused": False}).status == 200
    receiver.wait(1, "/operator", 30)
    told = receiver.got("/operator")[0]
    assert json.loads(told.body)["hook"]["organizationName"] == "zeta"
    assert is_full()
    assert engine.api("DELETE", "/api/orgs/acme/hooks/"
                      + engine.api("GET", "/api/orgs/acme/hooks"
                                   ).json()[0]["name"]).status == 204
