# SPDX-License-Identifier: MIT
"""Changes of hooks, stacks and tokens that wait for the disk: others are served
meanwhile, each change happens once, and its outcome is known."""

import contextlib
import json
import socket
import subprocess
import sys
import threading

import pytest

from support import compact, wait_for

pytestmark = pytest.mark.shared

ORG = "/api/orgs/acme/hooks"

# Keeps LMDB's write lock of an environment until a line comes. It never closes the
# environment: that would destroy the lock for the engine.
HOLDER = """
import ctypes, os, sys
lmdb = ctypes.CDLL("liblmdb.so.0")
env, txn = ctypes.c_void_p(), ctypes.c_void_p()
assert lmdb.mdb_env_create(ctypes.byref(env)) == 0
assert lmdb.mdb_env_open(env, sys.argv[1].encode(), 0, 0o600) == 0
assert lmdb.mdb_txn_begin(env, None, 0, ctypes.byref(txn)) == 0
print("held", flush=True)
sys.stdin.readline()
lmdb.mdb_txn_abort(txn)
print("released", flush=True)
os._exit(0)
"""


@contextlib.contextmanager
def hanging_disk(engine):
    """No change of hooks is committed before the end; yields what ends it."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(engine.data_dir / "hooks")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"

    def release():
        if holder.poll() is None:
            holder.stdin.write("\n")
            holder.stdin.flush()
            assert holder.stdout.readline() == "released\n"
            holder.wait()

    try:
        yield release
    finally:
        release()
        holder.stdin.close()
        holder.stdout.close()


def fields(**more):
    return {"organizationName": "acme", "displayName": "d", "active": True,
            "payloadUrl": "http://127.0.0.1:1029/", **more}


def token_of(engine, org):
    reply = engine.api("POST", f"/api/orgs/{org}/tokens",
                       {"name": "ci", "scopes": ["read", "write"]})
    assert reply.status == 201, reply
    return reply.json()["token"]


class Call(threading.Thread):
    """A request on its way."""

    def __init__(self, engine, *request, **more):
        super().__init__()
        self.run_it = lambda: engine.api(*request, **more)
        self.reply = None
        self.start()

    def run(self):
        self.reply = self.run_it()

    def result(self):
        self.join(120)
        assert self.reply is not None, "no answer"
        return self.reply


def requests_in_work(engine):
    """Connections to the API whose request the engine has read, as the kernel sees
    them."""
    lines = subprocess.run(
        ["ss", "-HtinO", "state", "established",
         f"( sport = :{engine.api_port} )"], capture_output=True, text=True,
        check=True).stdout.splitlines()
    return sum(line.split()[0] == "0" and "bytes_received:" in line
               for line in lines)


def wait_in_work(engine, count):
    wait_for(lambda: requests_in_work(engine) >= count, f"{count} are in work")


def names(engine, path=ORG):
    return sorted(hook["name"] for hook in engine.api("GET", path).json())


def test_others_are_served_while_a_change_waits_for_the_disk(engine):
    with hanging_disk(engine) as release:
        call = Call(engine, "POST", ORG, fields(name="late"))
        wait_in_work(engine, 1)
        for _ in range(20):
            assert names(engine) == []  # not before it is on the disk
            assert engine.api("GET", "/metrics", token=None).status == 200
        assert call.reply is None
        release()
    assert call.result().status == 201
    assert names(engine) == ["late"]


def test_a_change_is_made_and_logged_though_its_client_has_left(engine):
    body = engine.real(compact(fields(name="orphan"))).encode()
    with hanging_disk(engine) as release:
        with socket.create_connection(("127.0.0.1", engine.api_port)) as client:
            client.sendall(
                f"POST {engine.real(ORG)} HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: token {engine.token}\r\n"
                "Content-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            wait_in_work(engine, 1)
        second = Call(engine, "POST", ORG, fields(name="second"))
        wait_in_work(engine, 1)
        release()
    assert second.result().status == 201
    assert names(engine) == ["orphan", "second"]
    wait_for(lambda: engine.log().count('msg="hook created"') == 2, "logged")


def test_patches_that_waited_together_all_succeed(engine):
    path = f"{ORG}/{engine.api('POST', ORG, fields(name='h')).json()['name']}"
    changes = [{"displayName": "new"}, {"payloadUrl": "http://127.0.0.1:1030/"},
               {"active": False}, {"timeout": "7s"}, {"ordered": True},
               {"maxInFlight": 3}, {"paused": True}]
    with hanging_disk(engine) as release:
        calls = [Call(engine, "PATCH", path, change) for change in changes]
        wait_in_work(engine, len(changes))
        release()
    for call, change in zip(calls, changes):
        reply = call.result()
        assert reply.status == 200, reply
        (field, value), = change.items()
        assert reply.json()[field] == value
    hook = engine.api("GET", path).json()
    for change in changes:
        assert change.items() <= hook.items()


def test_a_limit_holds_for_those_who_waited_together(make_engine):
    engine = make_engine(max_hooks_per_organization="3",
                         max_tokens_per_organization="3").start()
    token = token_of(engine, "acme")
    with hanging_disk(engine) as release:
        hooks = [Call(engine, "POST", ORG, fields(), token=token)
                 for _ in range(8)]
        # Three hooks are counted before they are stored, so the others are refused.
        wait_for(lambda: sum(call.reply is not None for call in hooks) == 5,
                 "refused")
        made = [Call(engine, "POST", "/api/orgs/beta/tokens",
                     {"name": "ci", "scopes": ["read"]}) for _ in range(8)]
        wait_in_work(engine, 3 + 8)
        release()
    for calls in hooks, made:
        statuses = sorted(call.result().status for call in calls)
        assert statuses == [201] * 3 + [409] * 5
    assert len(names(engine)) == 3
    # What was refused holds nothing.
    assert engine.api("DELETE", f"{ORG}/{names(engine)[0]}").status == 204
    for status in 201, 409:
        assert engine.api("POST", ORG, fields(), token=token).status == status


def test_first_hooks_of_many_organizations_do_not_wait_for_each_other(
        make_engine):
    engine = make_engine(max_hooks="8", max_hooks_per_organization="3").start()

    def create(n):
        org = f"org{n}"
        return Call(engine, "POST", f"/api/orgs/{org}/hooks",
                    fields(organizationName=org))
    with hanging_disk(engine) as release:
        # The first hooks of six organizations, and four more of the last of these.
        calls = [create(min(n, 6)) for n in range(1, 11)]
        wait_for(lambda: sum(call.reply is not None for call in calls) == 2,
                 "refused, since eight are counted before one is stored")
        release()
    assert sorted(call.result().status for call in calls) == [201] * 8 + [409] * 2
    listed = [engine.api("GET", f"/api/orgs/org{n}/hooks").json()
              for n in range(1, 7)]
    assert sum(map(len, listed)) == 8
    # Each counts for its organization now, and what was refused holds nothing.
    first = next(hooks[0] for hooks in listed if hooks)
    org = first["organizationName"]
    path = f"/api/orgs/{org}/hooks"
    assert engine.api("DELETE", f"{path}/{first['name']}").status == 204
    for status in 201, 409:
        assert engine.api("POST", path, fields(organizationName=org)
                          ).status == status


def test_many_who_change_one_hook_at_once_all_succeed(engine):
    assert engine.api("POST", ORG, fields(name="x")).status == 201
    with hanging_disk(engine) as release:
        calls = [Call(engine, "PATCH", f"{ORG}/x", {"displayName": f"d{n}"})
                 for n in range(12)]
        wait_in_work(engine, len(calls))
        release()
    assert {call.result().status for call in calls} == {200}
    assert len({call.result().json()["displayName"] for call in calls}) == 12


def test_the_one_change_that_fails_harms_none_that_wait_with_it(engine):
    with hanging_disk(engine) as release:
        calls = [Call(engine, "POST", ORG, fields(name=name))
                 for name in ("a", "b", "same", "c", "d")]
        wait_in_work(engine, len(calls))
        twin = Call(engine, "POST", ORG, fields(name="same"))
        wait_in_work(engine, len(calls) + 1)
        release()
    statuses = sorted(call.result().status for call in [*calls, twin])
    assert statuses == [201] * 5 + [409]
    assert names(engine) == ["a", "b", "c", "d", "same"]


def test_a_stack_that_is_to_get_a_hook_is_not_forgotten(engine):
    stack = "/api/stacks/acme/web/prod"
    assert engine.api("POST", "/api/stacks/acme/web",
                      {"stackName": "prod"}).status == 200
    with hanging_disk(engine) as release:
        made = Call(engine, "POST", f"{stack}/hooks",
                    fields(projectName="web", stackName="prod"))
        wait_in_work(engine, 1)
        gone = Call(engine, "DELETE", stack)
        wait_in_work(engine, 2)
        release()
    assert made.result().status == 201
    assert gone.result().status == 409
    assert b"has webhooks" in gone.result().body
    assert engine.api("GET", stack).status == 200


def test_one_organizations_changes_do_not_wait_for_all_of_anothers(engine):
    tokens = {org: token_of(engine, org) for org in ("acme", "beta")}

    def create(org, name):
        return Call(engine, "POST", f"/api/orgs/{org}/hooks",
                    fields(organizationName=org, name=name), token=tokens[org])

    with hanging_disk(engine) as release:
        calls = []
        for n in range(40):
            calls.append(create("acme", f"a{n}"))
            wait_in_work(engine, len(calls))
        calls.append(create("beta", "b"))
        wait_in_work(engine, len(calls))
        release()
    assert {call.result().status for call in calls} == {201}
    wait_for(lambda: engine.log().count('msg="hook created"') == 41, "logged")
    order = [line for line in engine.log().splitlines()
             if 'msg="hook created"' in line]
    # 16 of acme's were under way, and one more may have had its turn.
    assert any('hook="beta/b"' in line for line in order[:18]), order


def test_a_change_that_waits_is_answered_before_the_engine_ends(make_engine):
    engine = make_engine().start()
    with hanging_disk(engine) as release:
        call = Call(engine, "POST", ORG, fields(name="last"))
        wait_in_work(engine, 1)
        stopping = threading.Thread(target=engine.stop)
        stopping.start()
        wait_for(lambda: 'msg="draining"' in engine.log(), "it is to end")
        release()
        stopping.join(120)
    assert call.result().status == 201
    engine.start()
    assert names(engine) == ["last"]


@pytest.mark.parametrize("kind", ["hook", "token", "stack"])
@pytest.mark.alone
def test_a_change_of_a_killed_process_is_whole_or_not_there(engine, kind):
    path, value = {
        "hook": (ORG, fields(name="x")),
        "token": ("/api/orgs/acme/tokens", {"name": "x", "scopes": ["read"]}),
        "stack": ("/api/stacks/acme/web", {"stackName": "x"}),
    }[kind]
    body = compact(value).encode()
    with hanging_disk(engine) as release:
        with socket.create_connection(("127.0.0.1", engine.api_port)) as client:
            client.sendall(
                f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: token {engine.token}\r\n"
                "Content-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            wait_in_work(engine, 1)
            engine.kill9()
        release()
    engine.start()
    assert names(engine) == []
    assert json.loads(engine.api("GET", "/api/orgs/acme/tokens").body) == []
    assert engine.api("POST", path, value).status in (200, 201)
