# SPDX-License-Identifier: MIT
"""Who may do what: every route of both APIs and of the intake, asked with every kind of
token, under every spelling of its path.

The routes come from the program's own tables (posthorn-routes), so a new one is asked,
too. What must come of a request follows from the scope that the table declares and from
whose token it is; nothing that belongs to another organization may be in an answer.
"""

import functools
import http.client
import json
import pathlib
import re
import subprocess
import time
import urllib.parse

import pytest

from engine import BINARY
from support import compact, wait_for

ROUTES = pathlib.Path(BINARY).parent / "posthorn-routes"

# What needs no token, and nothing else does.
PUBLIC = {"/api/openapi.json", "/api/openapi/pulumi-spec.json", "/healthz", "/readyz",
          "/metrics", "/dashboard", "/dashboard/{path}"}
# Public keys, for receivers, which have no token.
KEYS = "/.well-known/jwks.json"
# What tells each token about its own organization.
OWN = {"/api/user/stacks", "/api/esc/environments"}
# Names that Akinon's API takes: ids. The same organizations have hooks of both APIs.
OURS, THEIRS = "5f0c1a2b3c4d5e6f70819203", "5f0c1a2b3c4d5e6f70819204"
# Ends, has a prefix in common, and is not there any more.
NEAR, GONE = OURS[:-1], "5f0c1a2b3c4d5e6f7081920a"
PROJECT = "63ea10b94a472e003305232b"
NAMES = {"project": PROJECT, "stack": "prod", "env": "staging",
         "event": "0190f3c4-7a1e-7c3b-9d52-3f1b2a4c5d6e", "token": "0011223344556677",
         "replay": "0190f3c4-7a1e-7c3b-9d52-3f1b2a4c5d6e", "path": "app.js",
         "attempt": "1", "erasure": "0190f3c4-7a1e-7c3b-9d52-3f1b2a4c5d6e",
         "kind": "order.created"}
# Whose deletion erases an organization.
WHOLE = "/api/orgs/{org}"
MISSING = {False: "nosuch", True: "0" * 24} # hooks, in the two APIs
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# What changes nothing but who is logged in, for whoever may do something.
LOGIN = {"/dashboard/session", "/api/login-codes"}
CHANGES = ("POST", "PUT", "PATCH", "DELETE")
REFUSALS_AT_ONCE = 40 # of one address: then it is slowed down, with 429


@functools.lru_cache
def routes():
    text = subprocess.run([ROUTES], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def table():
    """(server, pattern, method) of every route."""
    return {(r["server"], r["pattern"], r["method"]): r for r in routes()}


def marker(org):
    return f"planted-{org[::-1]}"


# --- the tables ---

def test_every_route_declares_what_it_needs():
    for r in routes():
        what = f"{r['method']} {r['pattern']}"
        needs = r["scope"]
        if r["server"] == "intake":
            assert needs == "ingest", what
            continue
        # 0, what is left out in the table, is ingest: no route of the API needs that.
        assert needs in ("read", "write", "admin", "any"), f"{what} declares nothing"
        assert r["isPublic"] == (r["pattern"] in PUBLIC or r["pattern"].endswith(KEYS)), what
        if r["pattern"] in LOGIN:
            assert needs == "any", what
        elif r["method"] in CHANGES:
            assert needs in ("write", "admin"), f"{what} changes something"
        if needs == "any": # and then it is of no organization
            assert "{org}" not in r["pattern"], what
        if needs in ("read", "write") and not r["isPublic"]:
            assert "{org}" in r["pattern"] or r["pattern"] in OWN, f"{what} is of nobody"
        # Tokens are the admin's business alone.
        assert ("/tokens" in r["pattern"]) <= (needs == "admin"), what
    assert len(routes()) > 100


# --- the client ---

class Client:
    """Connections that are kept, from an address of their own: who is refused is slowed
    down by address, and 429 would hide what we want to see."""

    def __init__(self, engine):
        self.ports = {"api": engine.api_port, "intake": engine.ingest_port}
        self.connections = {}
        self.n_addresses = 0
        self.n_refused = 0
        self.n_requests = 0

    def connection(self, server):
        if server not in self.connections:
            self.n_addresses += 1
            self.n_refused = 0
            host = f"127.9.{self.n_addresses // 250}.{self.n_addresses % 250 + 1}"
            self.connections[server] = http.client.HTTPConnection(
                "127.0.0.1", self.ports[server], timeout=60, source_address=(host, 0))
        return self.connections[server]

    def drop(self, server):
        self.connections.pop(server).close()

    def ask(self, server, method, path, token, **more):
        """(status, headers and body as bytes). Addresses may share a place in the table
        of who was refused: then once more from another one."""
        for _ in range(50):
            status, text = self.ask_once(server, method, path, token, **more)
            if status != 429 or (method != "HEAD" and b"refused credentials" not in text):
                break
            for each in list(self.connections):
                self.drop(each)
        return status, text

    def ask_once(self, server, method, path, token, header="Authorization",
                 prefix="token "):
        """Never with a body: what is let in is then wrong, and changes nothing."""
        self.n_requests += 1
        connection = self.connection(server)
        connection.putrequest(method, path)
        if token is not None:
            connection.putheader(header, prefix + token)
        if method in CHANGES:
            connection.putheader("Content-Length", "0")
        connection.endheaders()
        answer = connection.getresponse()
        text = repr(answer.getheaders()).encode()
        if answer.getheader("Content-Type") == "text/event-stream":
            self.drop(server) # it has no end
            return answer.status, text
        body = answer.read()
        assert method != "HEAD" or body == b""
        self.n_refused += answer.status == 401
        if answer.will_close or self.n_refused >= REFUSALS_AT_ONCE:
            for each in list(self.connections):
                self.drop(each)
        return answer.status, text + body


# --- the world ---

def plant(engine, receiver, org):
    """Hooks of both APIs at every level with history, whose every text is marked."""
    mark = marker(org)
    hooks = {}
    headers = {"X-Marked": mark}
    url = receiver.url(f"/{mark}")
    for path, scope in (
            (f"/api/orgs/{org}/hooks", {}),
            (f"/api/stacks/{org}/{PROJECT}/prod/hooks",
             {"projectName": PROJECT, "stackName": "prod"}),
            (f"/api/esc/environments/{org}/{PROJECT}/staging/hooks",
             {"projectName": PROJECT, "envName": "staging"}),
            (f"/api/preview/environments/{org}/staging/hooks",
             {"projectName": "default", "envName": "staging"})):
        reply = engine.api("POST", path, {
            "organizationName": org, "displayName": mark, "payloadUrl": url,
            "active": True, "headers": headers, "name": f"h{len(hooks)}", **scope})
        assert reply.status == 201, reply
        hooks[path] = reply.json()["name"]
    path = f"/organizations/{org}/projects/{PROJECT}/settings/webhooks"
    reply = engine.api("POST", path, {"name": mark, "url": url, "events": ["a.b"],
                                      "headers": headers})
    assert reply.status == 201, reply
    hooks[path] = hooks["/api/v1" + path] = reply.json()["_id"]
    return hooks


def post_events(engine, org):
    for project in (PROJECT, "default"): # one for each environment
        reply = engine.intake(compact({"kind": "order.created", "payload": {
            "x": marker(org), "projectName": project, "stackName": "prod",
            "environmentName": "staging"}}).encode(), org)
        assert reply.status == 202, reply
    stored = reply.json()["id"]
    reply = engine.request(
        engine.ingest_port, "POST", f"/organizations/{org}/projects/{PROJECT}/events",
        compact({"event": "a.b", "data": {"x": marker(org)}}).encode(),
        {"Content-Type": "application/json"})
    assert reply.status == 202, reply
    return stored


def make_token(engine, org, *scopes, **more):
    reply = engine.api("POST", f"/api/orgs/{org}/tokens", {
        "scopes": list(scopes), "name": marker(org), **more})
    assert reply.status == 201, reply
    return reply.json()


class World:
    """Two organizations, and tokens: name -> (token, organization, scopes)."""

    def __init__(self, engine, receiver):
        self.hooks = {org: plant(engine, receiver, org) for org in (OURS, THEIRS)}
        engine.settle_hooks()
        self.events = {org: post_events(engine, org) for org in (OURS, THEIRS)}
        for org in (OURS, THEIRS):
            for path, hook in self.hooks[org].items():
                engine.wait_deliveries(f"{path}/{hook}", 1, seconds=30)
        nobody = (None, ())
        dead = make_token(engine, OURS, "read", "write", "ingest",
                          expiresAt=int(time.time()) + 2)
        revoked = make_token(engine, OURS, "read", "write", "ingest")
        assert engine.api("DELETE", f"/api/orgs/{OURS}/tokens/{revoked['id']}"
                          ).status == 204
        self.tokens = {
            "none": (None, *nobody), "empty": ("", *nobody),
            "garbage": ("pht_" + "0" * 64, *nobody),
            "expired": (dead["token"], *nobody),
            "revoked": (revoked["token"], *nobody),
            "admin": (engine.token, None, ("admin",)),
        }
        for name, org, *scopes in (
                ("read", OURS, "read"), ("write", OURS, "write"),
                ("ingest", OURS, "ingest"), ("all", OURS, "read", "write", "ingest"),
                ("their read", THEIRS, "read"),
                ("their all", THEIRS, "read", "write", "ingest"),
                ("near", NEAR, "read", "write", "ingest")):
            token = make_token(engine, org, *scopes)["token"]
            self.tokens[name] = (token, org, tuple(scopes))
        self.leave(engine)
        wait_for(lambda: engine.api("GET", "/api/user", token=dead["token"]
                                    ).status in (401, 429), "the token expires")

    def leave(self, engine):
        """An organization that has removed all that it had."""
        path = f"/api/orgs/{GONE}/hooks"
        assert engine.api("POST", path, {
            "organizationName": GONE, "displayName": "d", "active": True,
            "payloadUrl": "http://127.0.0.1:8099/", "name": "h0"}).status == 201
        kept = make_token(engine, GONE, "read", "write", "ingest")
        gone = make_token(engine, GONE, "read", "write", "ingest")
        assert engine.api("DELETE", f"{path}/h0").status == 204
        assert engine.api("DELETE", f"/api/orgs/{GONE}/tokens/{gone['id']}"
                          ).status == 204
        self.tokens["of nothing"] = (kept["token"], GONE, ("read", "write", "ingest"))
        self.tokens["removed"] = (gone["token"], None, ())

    def path(self, pattern, org, is_akinon, is_real):
        """The pattern's path in an organization, with a hook that is there or not."""
        values = {**NAMES, "org": org, "hook": MISSING[is_akinon],
                  "event": self.events.get(org, NAMES["event"])}
        if pattern == WHOLE and not is_real:
            values["org"] = "nosuch"
        path = pattern.split("/{hook}")[0].format(**values)
        if is_real and "{hook}" in pattern:
            values["hook"] = self.hooks[org][path]
        return pattern.format(**values)


# --- what must come of it ---

def same_org(a, b):
    """Ids of Akinon are the same in either case; else names are as they are."""
    if a is None or b is None:
        return False
    if re.fullmatch("[0-9a-fA-F]{24}", a) and re.fullmatch("[0-9a-fA-F]{24}", b):
        return a.lower() == b.lower()
    return a == b


def wanted(needs, org, token):
    """"401", "403" or "in": of a route that needs `needs` in `org`."""
    text, owner, scopes = token
    if "admin" in scopes:
        return "in"
    if not scopes:
        return "401"
    if needs == "any":
        return "in"
    # What names no organization is about the token's own.
    return "in" if needs in scopes and (org is None or same_org(owner, org)) else "403"


# Let in, and then told what is wrong with the request, or that it is there. Not: no
# such method, or another server's.
IN = {200, 201, 202, 204, 400, 404, 409, 410, 411, 415, 422, 429, 503}


def judge(status, want, what):
    if want == "in":
        assert status in IN, f"{what}: {status}, should be let in"
    else:
        assert status == int(want), f"{what}: {status}, should be {want}"


class Judge:
    def __init__(self, engine, world):
        self.client, self.world = Client(engine), world
        self.shown = set() # patterns that showed somebody what is their own

    def ask(self, server, method, path, name, **more):
        token = self.world.tokens[name]
        status, text = self.client.ask(server, method, path, token[0], **more)
        if token[2] != ("admin",):
            for org in (OURS, THEIRS):
                if not same_org(token[1], org):
                    assert marker(org).encode() not in text, (
                        f"{method} {path} with {name} shows what is {org}'s: {text!r}")
        return status, text


@pytest.fixture(scope="module")
def judge_of_all(tmp_path_factory):
    """One engine for all of these tests: they change nothing in it."""
    from conftest import finish
    from engine import Engine
    from receiver import Receiver

    receiver = Receiver()
    engine = Engine(tmp_path_factory.mktemp("authorization"),
                    max_connections_per_address="1000").start()
    try:
        yield Judge(engine, World(engine, receiver))
        finish(engine)
    finally:
        if engine.is_running():
            engine.kill9()
        receiver.stop()


def each(j, orgs=(OURS, THEIRS)):
    for r in routes():
        for org in orgs if "{org}" in r["pattern"] else orgs[:1]:
            for name, token in j.world.tokens.items():
                yield r, org, name, token


def is_real(r, want):
    """What is let in and changes something is asked of what is not there."""
    return r["method"] == "GET" or want != "in"


def test_a_token_does_what_its_route_declares_and_nothing_else(judge_of_all):
    j = judge_of_all
    for r, org, name, token in each(j):
        if r["pattern"] in OWN:
            org = token[1] or org
        want = "in" if r["isPublic"] else wanted(r["scope"], org, token)
        if r["pattern"] in LOGIN and token[2] == ("ingest",) and r["method"] == "POST":
            continue # may see nothing: no session for it
        path = j.world.path(r["pattern"], org, r["isAkinon"], is_real(r, want))
        what = f"{r['method']} {path} with {name}"
        status, text = j.ask(r["server"], r["method"], path, name)
        judge(status, want, what)
        if marker(org).encode() in text:
            j.shown.add(r["pattern"])
        if r["method"] == "GET":
            same, _ = j.ask(r["server"], "HEAD", path, name)
            assert same == status, f"HEAD {path} with {name}: {same}, not {status}"
    # The test sees what is planted: each list, hook and history of an organization.
    for r in routes():
        if r["method"] == "GET" and re.search(r"hooks(/\{hook\})?(/deliveries)?$",
                                              r["pattern"]):
            assert r["pattern"] in j.shown, f"{r['pattern']} showed nothing planted"


def test_another_method_of_a_path_is_no_way_around_its_token(judge_of_all):
    j = judge_of_all
    known = table()
    patterns = {(r["server"], r["pattern"], r["isAkinon"]) for r in routes()}
    for server, pattern, is_akinon in sorted(patterns):
        for method in METHODS:
            as_get = "GET" if method == "HEAD" else method
            if (server, pattern, as_get) in known:
                continue
            path = j.world.path(pattern, THEIRS, is_akinon, True)
            for name in ("none", "garbage", "all", "admin"):
                status, _ = j.ask(server, method, path, name)
                # The intake says of its one method without a token.
                want = ((204, 405) if name in ("all", "admin") or server == "intake"
                        else (401,))
                assert status in want, f"{method} {path} with {name}: {status}"


# --- spellings ---

def escaped(segment):
    return "".join(f"%{byte:02x}" for byte in segment.encode())


def spell_all(path):
    return "/".join(escaped(s) for s in path.split("/"))


def spell_names(path):
    return path.replace(OURS, escaped(OURS)).replace(THEIRS, escaped(THEIRS))


def spell_words(path):
    return re.sub(r"[a-z]", lambda m: m.group().upper(), path)


def spell_org(path):
    return path.replace(OURS, OURS.upper()).replace(THEIRS, THEIRS.upper())


SPELLINGS = {
    "escaped": spell_all, "escaped names": spell_names, "upper case": spell_words,
    "organization in upper case": spell_org,
    "slash at the end": lambda path: path + "/",
    "two slashes": lambda path: path.replace("/", "//", 1),
    "two slashes inside": lambda path: "//".join(path.rsplit("/", 1)),
    "dot": lambda path: "/." + path,
    "up": lambda path: path.replace(f"/{THEIRS}", f"/{OURS}/../{THEIRS}"),
    "up escaped": lambda path: path.replace(f"/{THEIRS}", f"/{OURS}%2f..%2f{THEIRS}"),
    "up in dots escaped": lambda path: path.replace(f"/{THEIRS}",
                                                    f"/{OURS}/%2e%2e/{THEIRS}"),
    "with the version": lambda path: "/api/v1" + path,
    "without the version": lambda path: path.removeprefix("/api/v1"),
    "parameter": lambda path: path.replace(f"/{THEIRS}", f"/{THEIRS};{OURS}"),
    "another organization in the query": lambda path: f"{path}?org={OURS}",
}


def pattern_of(server, path):
    """The patterns of a path and its organization, as RFC 3986 reads it: split, then
    decoded; a program of this test's own."""
    segments = [urllib.parse.unquote(s) for s in path.split("?")[0].split("/")]
    found = {}
    for r in routes():
        parts = r["pattern"].split("/")
        if r["server"] != server or len(parts) != len(segments):
            continue
        if all(s and p.startswith("{") or p == s for p, s in zip(parts, segments)):
            org = segments[parts.index("{org}")] if "{org}" in parts else None
            found[r["method"]] = (r, org)
    return found


@pytest.mark.parametrize("how", SPELLINGS)
def test_no_spelling_of_a_path_opens_what_the_plain_one_does_not(judge_of_all, how):
    j = judge_of_all
    spell = SPELLINGS[how]
    for r in routes():
        if r["isPublic"]:
            continue
        # The organization is theirs: of ours, all but the admin's are strangers.
        for name in ("none", "all", "their read", "near", "admin"):
            token = j.world.tokens[name]
            plain = j.world.path(r["pattern"], THEIRS, r["isAkinon"],
                                 is_real(r, wanted(r["scope"], THEIRS, token)))
            path = spell(plain)
            if path == plain:
                continue
            what = f"{r['method']} {path} with {name}"
            status, _ = j.ask(r["server"], r["method"], path, name)
            route, org = pattern_of(r["server"], path).get(r["method"], (None, None))
            if route is not None:
                want = ("in" if route["isPublic"]
                        else wanted(route["scope"], org, token))
                # A path of the intake is judged before its token.
                allowed = {400, 403, 404} if r["server"] == "intake" else set()
                if status not in allowed:
                    judge(status, want, what)
            elif r["server"] == "intake":
                assert status == 404, f"{what}: {status}"
            else: # without a token, nothing is told about paths
                want = (401,) if token[2] == () else (400, 404, 405)
                assert status in want, f"{what}: {status}"


# --- the ways to say a token ---

def test_every_way_to_say_a_token_is_checked_alike(judge_of_all):
    j = judge_of_all
    ways = [("Authorization", "Bearer "), ("Authorization", "TOKEN  "),
            ("x-access-token", "")]
    for header, prefix in ways:
        for path, org in ((f"/api/orgs/{OURS}/hooks", OURS),
                          (f"/api/orgs/{THEIRS}/hooks", THEIRS)):
            for name, token in j.world.tokens.items():
                status, _ = j.ask("api", "GET", path, name, header=header,
                                  prefix=prefix)
                judge(status, wanted("read", org, token), f"{header} {path} {name}")
    for name in ("admin", "read"):
        path = f"/api/orgs/{OURS}/hooks?token={j.world.tokens[name][0]}"
        assert j.ask("api", "GET", path, "none")[0] == 400
    # A scheme that is none, and one that hides another.
    for prefix in ("Basic ", "", "token", "token token "):
        assert j.ask("api", "GET", f"/api/orgs/{OURS}/hooks", "admin",
                     prefix=prefix)[0] == 401


def test_the_servers_do_not_answer_for_each_other(judge_of_all):
    j = judge_of_all
    for r in routes():
        if r["pattern"] == "/healthz":
            continue  # each says of itself that it lives
        other = "intake" if r["server"] == "api" else "api"
        path = j.world.path(r["pattern"], THEIRS, r["isAkinon"], True)
        for name in ("none", "admin"):
            status, _ = j.ask(other, r["method"], path, name)
            if pattern_of(other, path):
                continue
            assert status in ((404,) if other == "intake" or name == "admin"
                              else (401,)), f"{r['method']} {path} at {other}: {status}"
