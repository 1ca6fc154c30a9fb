# SPDX-License-Identifier: MIT
"""The limits of which organizations have shares: how each is reached, one class a row of the
README's table."""

import os
import signal
import time

from receiver import Answer, Receiver
from support import Pending, event_of, wait_for

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
