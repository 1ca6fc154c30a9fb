# SPDX-License-Identifier: MIT
"""What Pulumi's command line asks, replayed as version 3.274 asks it: each test is what
one command of a user's sends, in its order, and must find."""

import signal

import pytest

from conftest import running
from engine import Engine
from receiver import Receiver
from support import wait_for
from test_api_hooks import check_error
from test_hosts import refused
from test_pulumi_account import update_of

LOGIN = "admin@posthorn" # of the admin token: no organization can have this name


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One engine for tests that each have organizations of their own."""
    with running(Engine(tmp_path_factory.mktemp("pulumi"))) as engine:
        yield engine


@pytest.fixture(scope="module")
def receiver():
    r = Receiver()
    yield r
    r.stop()


def make_token(engine, org, *scopes):
    reply = engine.api("POST", f"/api/orgs/{org}/tokens", {"scopes": list(scopes)})
    assert reply.status == 201, reply
    return reply.json()["token"]


def init(engine, org, project, stack, status=200, **more):
    """`pulumi stack init ORG/PROJECT/STACK`"""
    reply = engine.api("POST", f"/api/stacks/{org}/{project}", {
        "stackName": stack, "tags": {"pulumi:project": project,
                                     "pulumi:runtime": "yaml"}}, **more)
    assert reply.status == status, reply
    return reply


def pages(engine, path, rows, token_name, query="", **more):
    """All rows of a list in pages, as the command line gathers them."""
    found, mark, n = [], None, 0
    while n == 0 or mark:
        place = f"continuationToken={mark}" if mark else ""
        reply = engine.api("GET", f"{path}?{query}&{place}", **more)
        assert reply.status == 200, reply
        found += reply.json()[rows]
        mark = reply.json().get(token_name)
        n += 1
        assert n < 1000
    return found


def stacks(engine, query="", **more):
    """`pulumi stack ls`"""
    return [f"{s['orgName']}/{s['projectName']}/{s['stackName']}" for s in
            pages(engine, "/api/user/stacks", "stacks", "continuationToken",
                  query, **more)]


def environments(engine, org="", **more):
    """`pulumi env ls`"""
    path = "/api/esc/environments" + (f"/{org}" if org else "")
    return [f"{e['organization']}/{e['project']}/{e['name']}" for e in
            pages(engine, path, "environments", "nextToken", **more)]


def hook_body(receiver, org, **more):
    """As both clients post it: with an empty name, and what only answers have."""
    return {"organizationName": org, "name": "", "displayName": "w", "active": True,
            "payloadUrl": receiver.url(), "hasSecret": False, "secretCiphertext": "",
            "format": "raw", **more}


# --- stacks ---

def test_stack_init_then_a_hook_for_it_that_nothing_named_before(shared, receiver):
    at = "/api/stacks/init/web/dev"
    assert shared.api("HEAD", "/api/stacks/init/web").status == 404 # `pulumi new`
    assert init(shared, "init", "web", "dev").json() == {"messages": []}
    assert shared.api("HEAD", "/api/stacks/init/web").status == 200
    stack = shared.api("GET", at).json()
    assert (stack["orgName"], stack["projectName"], stack["stackName"]) == (
        "init", "web", "dev")
    reply = shared.api("POST", f"{at}/hooks", hook_body(
        receiver, "init", projectName="web", stackName="dev"))
    assert reply.status == 201, reply
    (line,) = [l for l in shared.log().splitlines()
               if 'msg="stack created"' in l and 'org="init"' in l]
    assert 'by="admin token"' in line and 'stack="dev"' in line
    assert "init" in [o["githubLogin"] for o in
                      shared.api("GET", "/api/user").json()["organizations"]]


def test_a_hook_for_a_stack_that_nothing_has_named(shared, receiver):
    """`pulumi stack webhook new`, which makes one only if the stack is there."""
    at = "/api/stacks/unnamed/web/dev"
    assert stacks(shared, "organization=unnamed") == []
    stack = shared.api("GET", at)
    assert stack.status == 200 and stack.json()["stackName"] == "dev"
    assert stacks(shared, "organization=unnamed") == [] # asking names nothing
    reply = shared.api("POST", f"{at}/hooks", hook_body(
        receiver, "unnamed", projectName="web", stackName="dev"))
    assert reply.status == 201, reply
    assert stacks(shared, "organization=unnamed") == ["unnamed/web/dev"]


def test_the_operators_organization_has_no_stacks(shared):
    check_error(init(shared, "posthorn", "web", "dev", 400), 400, "operator's")
    assert shared.api("GET", "/api/stacks/posthorn/web/dev").status == 404
    assert shared.api("DELETE", "/api/stacks/posthorn/web/dev").status == 404
    assert stacks(shared, "organization=posthorn") == []


def test_a_stack_that_is_there_is_not_made_twice(shared):
    init(shared, "twice", "web", "dev")
    # The command line looks for "already exists", and then selects it.
    check_error(init(shared, "twice", "web", "dev", 409), 409, "already exists")
    shared.post_event("stack_update", update_of("web", "evented"), org="twice")
    check_error(init(shared, "twice", "web", "evented", 409), 409, "already exists")


@pytest.mark.parametrize("member, value", [
    ("state", {"version": 3, "deployment": {}}), ("config", {"environment": "x"}),
    ("teams", ["ops"]), ("createManagedEnvironment", True)])
def test_what_is_not_kept_is_refused_and_makes_no_stack(shared, member, value):
    reply = shared.api("POST", "/api/stacks/wishes/web", {
        "stackName": "dev", member: value})
    check_error(reply, 400, f"{member} must be left out")
    assert "wishes/web/dev" not in stacks(shared, "organization=wishes")
    # What asks for nothing is taken.
    nothing = {"teams": [], "createManagedEnvironment": False}.get(member)
    init(shared, "wishes", f"web-{member}", "dev")
    assert shared.api("POST", f"/api/stacks/wishes/web-{member}", {
        "stackName": "dev2", member: nothing}).status == 200


@pytest.mark.parametrize("body", [
    {}, {"stackName": None}, {"stackName": 7}, {"stackName": ""}, [],
    {"stackName": "a/b"}, {"stackName": "x" * 101}, {"stackName": LOGIN}])
def test_a_stack_without_a_good_name_is_refused(shared, body):
    reply = shared.api("POST", "/api/stacks/acme/names", body)
    check_error(reply, 400, "object" if body == [] else "stackName must be 1 to 100")
    assert shared.api("GET", "/api/stacks/acme/names").status == 404


def test_stacks_that_were_made_survive_a_kill(make_engine):
    engine = make_engine().start()
    init(engine, "acme", "web", "dev")
    engine.kill9()
    engine.start()
    assert stacks(engine) == ["acme/web/dev"]
    init(engine, "acme", "web", "dev", 409)


def test_stack_ls_shows_what_hooks_events_and_users_named(shared, receiver):
    init(shared, "ls", "web", "made")
    shared.create_hook(receiver.url(), "/api/stacks/ls/api/hooked/hooks",
                       projectName="api", stackName="hooked")
    shared.post_event("stack_update", update_of("web", "evented"), org="ls")
    shared.post_event("stack_update", update_of("web", "made"), org="ls") # once only
    shared.create_hook(receiver.url(), "/api/esc/environments/ls/web/env/hooks")
    init(shared, "ls2", "web", "other")
    mine = "organization=ls"
    assert stacks(shared, mine) == ["ls/api/hooked", "ls/web/evented", "ls/web/made"]
    assert stacks(shared, f"{mine}&project=web") == ["ls/web/evented", "ls/web/made"]
    assert stacks(shared, f"{mine}&project=we") == []
    assert stacks(shared, f"{mine}&project=webs") == []
    assert stacks(shared, f"{mine}&tagName=owner") == [] # no stack has a tag
    assert stacks(shared, "organization=nobody") == []
    assert stacks(shared, "organization=a%2Fb&project=%20") == []
    everything = stacks(shared) # `pulumi stack ls -a`
    assert {"ls/api/hooked", "ls/web/made", "ls2/web/other"} <= set(everything)
    assert len(set(everything)) == len(everything)
    web = stacks(shared, "project=web")
    assert {"ls/web/made", "ls2/web/other"} <= set(web)
    assert all("/web/" in name for name in web)
    rows = shared.api("GET", f"/api/user/stacks?{mine}").json()["stacks"]
    assert rows[0]["id"] == shared.api("GET", "/api/stacks/ls/api/hooked").json()["id"]


def test_a_token_lists_its_own_organization(shared, receiver):
    for org in ("mine", "mine-too", "theirs"):
        init(shared, org, "web", "dev")
        shared.create_hook(receiver.url(),
                           f"/api/esc/environments/{org}/web/prod/hooks")
    token = make_token(shared, "mine", "read")
    for query in ("", "organization=mine", "project=web"):
        assert stacks(shared, query, token=token) == ["mine/web/dev"]
    assert stacks(shared, "organization=theirs", token=token) == []
    assert environments(shared, token=token) == ["mine/web/prod"]
    assert environments(shared, "mine", token=token) == ["mine/web/prod"]
    assert shared.api("GET", "/api/esc/environments/theirs",
                      token=token).status == 403
    # What only posts events reads no names.
    token = make_token(shared, "mine", "ingest")
    for path in ("/api/user/stacks", "/api/esc/environments"):
        assert shared.api("GET", path, token=token).status == 403
    # Who reads makes none.
    token = make_token(shared, "mine", "read")
    assert init(shared, "mine", "web", "x", 403, token=token)
    token = make_token(shared, "mine", "write")
    assert init(shared, "mine", "web", "x", token=token)
    assert init(shared, "theirs", "web", "x", 403, token=token)


def test_long_lists_come_in_pages_and_nothing_is_lost(make_engine):
    engine = make_engine().start()
    events = [{"kind": "stack_update", "payload": update_of(f"p{i % 7}", f"s{i:04}")}
              for i in range(1300)]
    assert len(engine.post_batch(events, org="many")) == 1300
    events = [{"kind": "environment_revision", "payload": {
        "organization": {"githubLogin": "many"}, "projectName": f"p{i % 7}",
        "environmentName": f"e{i:03}", "action": "created"}} for i in range(600)]
    assert len(engine.post_batch(events, org="many")) == 600
    found = stacks(engine)
    assert found == sorted(f"many/p{i % 7}/s{i:04}" for i in range(1300))
    assert stacks(engine, "project=p3") == [s for s in found if "/p3/" in s]
    assert environments(engine) == sorted(
        f"many/p{i % 7}/e{i:03}" for i in range(600))
    reply = engine.api("GET", "/api/user/stacks")
    assert 0 < len(reply.json()["stacks"]) < 1300
    mark = reply.json()["continuationToken"]
    # A token is of one list.
    for path in ("/api/user/stacks?project=p1&", "/api/esc/environments?",
                 "/api/esc/environments/many?"):
        check_error(engine.api("GET", f"{path}continuationToken={mark}"), 400,
                    "continuationToken")
    for mark in ("1", mark[:-1], mark + "00", "%00", "x" * 3000):
        check_error(engine.api("GET", f"/api/user/stacks?continuationToken={mark}"),
                    400, "continuationToken")


def test_pulumi_stack_and_export_say_that_nothing_is_known(shared):
    init(shared, "show", "web", "dev")
    reply = shared.api("GET", "/api/stacks/show/web/dev/export")
    assert reply.status == 200, reply
    exported = reply.json()
    assert exported["version"] == 3
    assert "resources" not in exported["deployment"]
    # `pulumi stack` of one that nothing has named
    assert shared.api("GET", "/api/stacks/show/web/none/export").json() == exported


def test_stack_rm_forgets_what_only_users_named(shared, receiver):
    at = "/api/stacks/rm/web/dev"
    init(shared, "rm", "web", "dev")
    assert shared.api("DELETE", f"{at}?force=false").status == 204
    check_error(shared.api("DELETE", at), 404, "Stack 'rm/web/dev' not found")
    assert stacks(shared, "organization=rm") == []
    # A hook or an event names it again.
    hook = shared.create_hook(receiver.url(), f"{at}/hooks", projectName="web",
                              stackName="dev")
    check_error(shared.api("DELETE", at), 409, "has webhooks")
    assert shared.api("DELETE", hook).status == 204
    assert shared.api("DELETE", at).status == 204
    shared.create_hook(receiver.url(), f"{at}/hooks", projectName="web",
                       stackName="dev")
    assert stacks(shared, "organization=rm") == ["rm/web/dev"]
    shared.post_event("stack_update", update_of("web", "evented"), org="rm")
    check_error(shared.api("DELETE", "/api/stacks/rm/web/evented"), 409, "an event")


# --- environments ---

def test_env_rm_forgets_what_only_a_hook_has_named(shared, receiver):
    at = "/api/esc/environments/rm-env/web/dev"
    hook = shared.create_hook(receiver.url(), f"{at}/hooks", projectName="web",
                              envName="dev")
    check_error(shared.api("DELETE", at), 409, "the environment has webhooks")
    assert shared.api("DELETE", hook).status == 204
    assert environments(shared, "rm-env") == ["rm-env/web/dev"]
    assert shared.api("DELETE", at).status == 204
    assert environments(shared, "rm-env") == []
    check_error(shared.api("DELETE", at), 404, "Environment 'rm-env/web/dev' not found")
    shared.post_event("order.created", {"projectName": "web",
                                        "environmentName": "dev"}, org="rm-env")
    check_error(shared.api("DELETE", at), 409, "an event has named it")


def test_env_webhook_finds_the_organization_of_a_reference_of_two_parts(shared,
                                                                         receiver):
    """`pulumi env webhook new esc/dev`: is it project esc of the default organization,
    or the default project of the organization esc?"""
    shared.post_event(org="esc")
    shared.post_event(org="home")
    assert shared.api("GET", "/api/esc/environments/home/esc/dev").status == 404
    assert shared.api("GET", "/api/esc/environments/esc/default/dev").status == 200
    # What is no organization is a project.
    assert shared.api("GET", "/api/esc/environments/web/default/dev").status == 404
    hook = shared.create_hook(receiver.url(),
                              "/api/esc/environments/home/web/dev/hooks")
    reply = shared.api("GET", "/api/esc/environments/home/web/dev")
    assert reply.json() == {"organization": "home", "project": "web", "name": "dev"}
    assert environments(shared, "home") == ["home/web/dev"]
    assert shared.api("DELETE", hook).status == 204
    assert environments(shared, "home") == ["home/web/dev"]
    assert stacks(shared, "organization=home") == []


def test_a_token_knows_its_own_organization_though_nothing_named_it(shared):
    token = make_token(shared, "newcomer", "read")
    for org, status in (("newcomer", 200), ("esc", 403)):
        assert shared.api("GET", f"/api/esc/environments/{org}/default/dev",
                          token=token).status == status


def test_events_name_environments(shared):
    shared.post_event("environment", {
        "organization": {"githubLogin": "envs"}, "projectName": "web",
        "environmentName": "staging", "action": "created"}, org="envs")
    assert environments(shared, "envs") == ["envs/web/staging"]
    assert stacks(shared, "organization=envs") == []


def test_an_event_may_name_a_stack_and_an_environment(shared):
    shared.post_event("order.created", {
        "projectName": "web", "stackName": "prod", "environmentName": "test"},
        org="both")
    assert environments(shared, "both") == ["both/web/test"]
    assert stacks(shared, "organization=both") == ["both/web/prod"]


# --- which organization ---

def test_the_admins_login_is_no_organization(shared, receiver):
    """With no default organization the clients take the login instead."""
    user = shared.api("GET", "/api/user").json()
    assert user["githubLogin"] == LOGIN
    for method, path, body in (
            ("GET", f"/api/orgs/{LOGIN}/hooks", None),
            ("POST", f"/api/orgs/{LOGIN}/hooks", hook_body(receiver, LOGIN)),
            ("GET", f"/api/stacks/{LOGIN}/web/dev", None),
            ("POST", f"/api/stacks/{LOGIN}/web", {"stackName": "dev"}),
            ("GET", f"/api/esc/environments/{LOGIN}/web/dev/hooks", None)):
        check_error(shared.api(method, path, body), 400, "default_organization")
        check_error(shared.api(method, path.replace("@", "%40"), body), 400,
                    "default_organization")


def test_the_default_organization_is_a_setting(make_engine):
    engine = make_engine(default_organization="home").start()
    default = "/api/user/organizations/default"
    wanted = {"GitHubLogin": "home", "Messages": []}

    def orgs():
        return [o["githubLogin"] for o in
                engine.api("GET", "/api/user").json()["organizations"]]

    assert engine.api("GET", default).json() == wanted
    assert orgs() == ["home"] # though nothing has named it
    assert engine.api("GET", "/api/esc/environments/home/default/x").status == 200
    for org in ("beta", "alpha"):
        engine.post_event(org=org)
    assert engine.api("GET", default).json() == wanted
    assert sorted(orgs()) == ["alpha", "beta", "home"]
    engine.post_event(org="home")
    assert sorted(orgs()) == ["alpha", "beta", "home"]
    # A token of an organization has that one.
    token = make_token(engine, "beta", "read")
    assert engine.api("GET", default, token=token).json()["GitHubLogin"] == "beta"


def test_the_default_organization_changes_without_a_restart(make_engine):
    engine = make_engine()
    config = engine.directory / "posthorn.conf"
    config.write_text("default_organization = home\n")
    command = engine.command()
    engine.command = lambda: [*command, "--config", str(config)]
    engine.start()

    def default():
        reply = engine.api("GET", "/api/user/organizations/default")
        return reply.json().get("GitHubLogin")

    assert default() == "home"
    config.write_text("default_organization = away\n")
    engine.process.send_signal(signal.SIGHUP)
    wait_for(lambda: default() == "away", "the new one is the default")


@pytest.mark.parametrize("value", ["a b", "admin@posthorn", "x" * 101, "posthorn"])
def test_a_default_organization_that_is_none_is_refused(make_engine, value):
    assert "default_organization: must be" in refused(
        make_engine(default_organization=value))


# --- how many ---

def test_one_organization_cannot_take_the_names_of_others(make_engine, receiver):
    engine = make_engine(max_stacks="20", max_stacks_per_organization="4").start()
    tokens = {org: make_token(engine, org, "read", "write", "ingest")
              for org in ("greedy", "calm")}
    for i in range(4):
        init(engine, "greedy", "web", f"s{i}", token=tokens["greedy"])
    reply = init(engine, "greedy", "web", "more", 409, token=tokens["greedy"])
    check_error(reply, 409, "max_stacks_per_organization")
    # Its events are taken, and name stacks up to the same share.
    for i in range(10):
        engine.post_event("stack_update", update_of("web", f"e{i}"), org="greedy")
    assert len(stacks(engine, "organization=greedy")) == 8
    # Hooks are made all the same.
    reply = engine.api("POST", "/api/stacks/greedy/web/hooked/hooks", hook_body(
        receiver, "greedy", projectName="web", stackName="hooked"),
        token=tokens["greedy"])
    assert reply.status == 201, reply
    init(engine, "calm", "web", "s", token=tokens["calm"])
    assert engine.api("DELETE", "/api/stacks/greedy/web/s0",
                      token=tokens["greedy"]).status == 204
    init(engine, "greedy", "web", "more", token=tokens["greedy"])
    # The admin token is held to no share.
    init(engine, "greedy", "web", "admins")
    engine.kill9()
    engine.start()
    check_error(init(engine, "greedy", "web", "again", 409, token=tokens["greedy"]),
                409, "max_stacks_per_organization")


def test_json_of_the_lists_is_what_the_client_decodes(shared):
    """Go decodes into a struct: null and absent are one, another type is an error."""
    init(shared, "types", "web", "dev")
    page = shared.api("GET", "/api/user/stacks?organization=types").json()
    assert isinstance(page["stacks"], list)
    assert page.get("continuationToken") is None # "" would be asked for again
    for row in page["stacks"]:
        assert all(isinstance(row[k], str)
                   for k in ("id", "orgName", "projectName", "stackName"))
    page = shared.api("GET", "/api/esc/environments/types").json()
    assert page == {"environments": []}
