# SPDX-License-Identifier: MIT
"""What organizations share: each has a share, the admin token a reserve, and
whoever wants more is told which limit that is. One row a limit."""

import json
import os
import re
import signal
import socket
import time

import pytest

from receiver import Answer, Receiver
from support import ROOT, Pending, compact, event_of, wait_for

ORGS = ("acme", "zeta", "other")


class Case:
    """How one limit is reached. `hold` begins something that lasts; its
    `status()` is None or below 300 if it is there, else what refuses it."""

    others = set()  # settings that are no limits of this row

    def __init__(self, engine, receiver, tokens):
        self.engine, self.receiver, self.tokens = engine, receiver, tokens
        self.n = 0

    def token(self, who):
        return self.engine.token if who == "admin" else self.tokens[who]

    def prepare(self):
        pass

    def prepare_again(self):
        pass

    def release(self, held):
        for thing in held:
            thing.close()

    def stop_dispatchers(self):
        for pid in self.engine.pids("dispatcher"):
            os.kill(pid, signal.SIGSTOP)

    def go_on(self):
        for pid in self.engine.pids("dispatcher"):
            os.kill(pid, signal.SIGCONT)


class Done:
    """What an answered request holds."""

    def __init__(self, reply, end):
        self.reply, self.end = reply, end
        self.bytes = reply.body

    def status(self):
        return self.reply.status

    def close(self):
        self.end(self.reply)


class Webhooks(Case):
    setting, settings = "max_hooks", {"max_hooks": "8",
                                      "max_hooks_per_organization": "3"}
    share, whole, reserve, code = 3, 8, 1, 409

    def hold(self, who, org):
        self.n += 1
        path = f"/api/orgs/{org}/hooks"
        reply = self.engine.api("POST", path, {
            "organizationName": org, "displayName": "x", "active": True,
            "name": f"h{self.n}", "payloadUrl": self.receiver.url()},
            token=self.token(who))
        return Done(reply, lambda r: self.engine.api(
            "DELETE", f"{path}/{r.json()['name']}"))


class Patterns(Case):
    """Held by webhooks, which many more may be."""
    setting, settings = "max_patterns", {"max_patterns": "8",
                                         "max_patterns_per_organization": "3"}
    share, whole, reserve, code = 3, 8, 1, 409

    def hold(self, who, org):
        self.n += 1
        path = f"/api/orgs/{org}/hooks"
        reply = self.engine.api("POST", path, {
            "organizationName": org, "displayName": "x", "active": True,
            "name": f"p{self.n}", "payloadUrl": self.receiver.url(),
            "pattern": {"kind": ["a.b"]}}, token=self.token(who))
        assert reply.status == 201 or reply.json()["field"] == "pattern"
        # Half of them give it back by their end, half by a change.
        if self.n % 2:
            return Done(reply, lambda r: self.engine.api(
                "DELETE", f"{path}/{r.json()['name']}"))
        return Done(reply, lambda r: self.engine.api(
            "PATCH", f"{path}/{r.json()['name']}", {"pattern": None}))


class Stacks(Case):
    # The organizations count among all of them, too.
    setting, settings = "max_stacks", {"max_stacks": "11",
                                       "max_stacks_per_organization": "3"}
    share, whole, reserve, code = 3, 8, 1, 409

    def prepare(self):
        for org in ORGS:
            self.hold("admin", org).close()

    def hold(self, who, org):
        self.n += 1
        path = f"/api/stacks/{org}/web"
        reply = self.engine.api("POST", path, {"stackName": f"s{self.n}"},
                                token=self.token(who))
        stack = f"{path}/s{self.n}"
        return Done(reply, lambda r: self.engine.api("DELETE", stack))


class Kinds(Case):
    setting, settings = None, {"max_kinds_per_organization": "3"}
    share, whole, reserve, code = 3, None, None, 409
    name = "max_kinds_per_organization"

    def hold(self, who, org):
        self.n += 1
        path = f"/api/orgs/{org}/kinds/kind.n{self.n}"
        reply = self.engine.api("PUT", path, {})
        return Done(reply, lambda r: self.engine.api("DELETE", path))


class Tokens(Case):
    setting, settings = None, {"max_tokens_per_organization": "4"}
    # One each of them has already.
    share, whole, reserve, code = 3, None, None, 409
    name = "max_tokens_per_organization"

    def hold(self, who, org):
        path = f"/api/orgs/{org}/tokens"
        reply = self.engine.api("POST", path, {"scopes": ["read"]})
        return Done(reply, lambda r: self.engine.api(
            "DELETE", f"{path}/{r.json()['id']}"))


class Tails(Case):
    setting, settings = "max_tails", {"max_tails": "8",
                                      "max_tails_per_organization": "3"}
    share, whole, reserve, code = 3, 8, 1, 429

    def hold(self, who, org):
        tail = Pending(self.engine.api_port, "GET", f"/api/orgs/{org}/tail",
                       self.token(who))
        wait_for(tail.status, "the answer begins")
        return tail


class Manual(Case):
    setting, settings = "max_manual", {
        "max_manual": "8", "max_manual_per_organization": "3"}
    share, whole, reserve, code = 3, 8, 1, 429

    def prepare(self):
        self.receiver.script("/", Answer(do="hang"))
        self.hooks = {org: self.engine.create_hook(
            self.receiver.url(), f"/api/orgs/{org}/hooks") for org in ORGS}

    def hold(self, who, org):
        count = len(self.receiver.got())
        ping = Pending(self.engine.api_port, "POST", f"{self.hooks[org]}/ping",
                       self.token(who))
        wait_for(lambda: ping.status() or len(self.receiver.got()) > count,
                 "it is sent, or refused")
        return ping

    def release(self, held):
        """Clients that go away change nothing: the attempts go on."""
        for ping in held:
            ping.close()
        refused = self.hold("acme", "acme")
        assert refused.status() == 429
        refused.close()
        self.receiver.stop()  # ends all that hang

    def prepare_again(self):
        self.receiver = Receiver()
        self.receiver.script("/", Answer(do="hang"))
        assert self.engine.api("PATCH", self.hooks["acme"], {
            "payloadUrl": self.receiver.url()}).status == 200
        self.engine.settle_hooks()


class Questions(Case):
    setting, settings = "max_questions", {
        "max_questions": "8", "max_questions_per_organization": "3"}
    share, whole, reserve, code = 3, 8, 1, 429

    def prepare(self):
        self.hooks = {org: self.engine.create_hook(
            self.receiver.url(), f"/api/orgs/{org}/hooks") for org in ORGS}
        self.stop_dispatchers()

    def hold(self, who, org):
        question = Pending(self.engine.api_port, "GET",
                           f"{self.hooks[org]}/status", self.token(who))
        # The api process takes what came first first: behind this one it has
        # been read.
        self.engine.api("GET", "/healthz", token=None)
        self.engine.api("GET", "/healthz", token=None)
        return question

    def release(self, held):
        for question in held[:2]:
            question.close()  # the dispatcher has them all the same
        refused = self.hold("acme", "acme")
        assert refused.status() == 429
        refused.close()
        self.go_on()
        for question in held[2:]:
            wait_for(lambda: question.status() == 200, "it is answered", 30)
            question.close()

    def prepare_again(self):
        self.stop_dispatchers()


class Replays(Case):
    setting, settings = "max_replays", {
        "max_replays": "8", "max_replays_per_organization": "3"}
    share, whole, reserve, code = 3, 8, 1, 429

    def prepare(self):
        self.hooks = {}
        for org in ORGS:
            hook = self.engine.create_hook(self.receiver.url(),
                                           f"/api/orgs/{org}/hooks")
            self.engine.post_event(org=org)
            self.engine.wait_deliveries(hook, 1)
            self.engine.api("PATCH", hook, {"paused": True})
            self.hooks[org] = hook
        self.engine.settle_hooks()

    def hold(self, who, org):
        hook = self.hooks[org]
        reply = self.engine.api("POST", f"{hook}/replay",
                                {"state": "delivered"}, token=self.token(who))
        assert reply.status in (202, 429), reply
        return Done(reply, lambda r: self.engine.api(
            "DELETE", f"{hook}/replays/{r.json()['replayId']}"))


class Discards(Case):
    """One of an organization at a time, and with that the whole of them."""

    setting, settings = None, {}
    share, whole, reserve, code = 1, None, None, 409
    name = "are just being discarded"

    def prepare(self):
        self.hooks = {org: self.engine.create_hook(
            self.receiver.url(), f"/api/orgs/{org}/hooks") for org in ORGS}
        self.stop_dispatchers()

    def hold(self, who, org):
        discard = Pending(self.engine.api_port, "POST",
                          f"{self.hooks[org]}/dead/discard", self.token(who))
        self.engine.api("GET", "/healthz", token=None)
        self.engine.api("GET", "/healthz", token=None)
        return discard

    def release(self, held):
        self.go_on()
        for discard in held:
            wait_for(lambda: discard.status() == 200, "it is answered", 30)
            discard.close()

    def prepare_again(self):
        self.stop_dispatchers()


class Backlog(Case):
    """Events that wait. Of the whole, intake leaves a part for the engine's own
    events, as is shown below."""

    setting, settings = None, {"max_queue_bytes_per_organization": "1MiB"}
    share, whole, reserve, code = None, None, None, 503
    name = "fills its quota"

    def prepare(self):
        self.hooks = {org: self.engine.create_hook(
            self.receiver.url(), f"/api/orgs/{org}/hooks", paused=True)
            for org in ORGS}

    def hold(self, who, org):
        # The dispatchers tell what waits once a second.
        self.n += 1
        time.sleep(0.02 if self.n % 50 else 1.1)
        reply = self.engine.intake(event_of(40_000), org,
                                   token=self.token(who))
        return Done(reply, lambda r: None)

    def release(self, held):
        for org in ORGS:
            assert self.engine.api("DELETE", self.hooks[org]).status == 204

    def prepare_again(self):
        self.prepare()


class Requests(Case):
    """Connections, each with a request whose body does not come."""

    setting, settings = "max_connections", {
        "max_connections": "16", "max_connections_per_organization": "6"}
    share, whole, reserve, code = 6, 16, 1, 429
    path = "/api/orgs/{}/hooks"

    def port(self):
        return self.engine.api_port

    def hold(self, who, org):
        request = Pending(self.port(), "POST", self.path.format(org),
                          self.token(who), "Content-Length: 5\r\n"
                          "Expect: 100-continue\r\n")
        wait_for(lambda: request.status() or request.is_at_end(),
                 "it may go on, or not")
        return request


class Posts(Requests):
    path = "/api/orgs/{}/events"

    def port(self):
        return self.engine.ingest_port


class Bytes(Posts):
    """Of bodies that come slowly. The last eighth is for the admin token."""

    setting, settings = None, {
        "max_buffered_bytes": "1MiB", "max_batch_bytes": "256KiB",
        "max_event_bytes": "64KiB"}
    share, whole, reserve, code = 2, None, None, 503
    name = "max_buffered_bytes"
    others = {"max_batch_bytes", "max_event_bytes"}

    def hold(self, who, org):
        request = Pending(self.port(), "POST", self.path.format(org),
                          self.token(who), "Content-Length: 200000\r\n"
                          "Expect: 100-continue\r\n",
                          "application/x-ndjson")
        wait_for(lambda: request.status() == 100, "it may go on")
        request.bytes = b""
        request.socket.setblocking(True)
        request.socket.sendall(b" " * 100_000)
        request.socket.setblocking(False)
        for _ in range(3):  # behind which it has been read
            self.engine.request(self.port(), "GET", "/", token=None)
        return request


ROWS = (Webhooks, Patterns, Stacks, Kinds, Tokens, Tails, Manual, Questions, Replays, Discards,
        Requests, Bytes, Backlog)
CASES = (*ROWS, Posts)


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
