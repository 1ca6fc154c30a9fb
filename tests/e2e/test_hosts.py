# SPDX-License-Identifier: MIT
"""Under which names the API answers; who may see the metrics; what roles are
told by the environment; small things that are refused."""

import http.client
import os
import signal
import socket
import subprocess

import pytest

from engine import BINARY, Reply, read_proc
from support import compact, wait_for

pytestmark = pytest.mark.shared


def ask(engine, host, path="/api/orgs/acme/hooks", token=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", engine.api_port,
                                            timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("Host", host)
        if token is not None:
            connection.putheader("Authorization", f"token {token}")
        connection.endheaders()
        return Reply(connection.getresponse())
    finally:
        connection.close()


OURS = ("127.0.0.1", "127.0.0.1:8080", "192.0.2.7", "[::1]", "[::1]:80",
        "localhost", "LocalHost:99", "localhost.", "a.b.localhost:8080",
        "posthorn.example.com", "Posthorn.Example.COM:443",
        "posthorn.example.com.", "x.internal", "a.b.internal:1",
        "dash.example.com", socket.gethostname(),
        socket.gethostname().upper() + ":8080",
        socket.gethostname().split(".")[0])
NOT_OURS = ("evil.example", "evil.example:8080", "localhost.evil.example",
            "127.0.0.1.evil.example", "xlocalhost", "internal", "xinternal",
            "a.posthorn.example.com", "posthorn.example.com.evil.example",
            "[::1", "[::1]x", "[evil]", "localhost:8080x", "127.0.0.1:x",
            ":8080", "dash.example.com.x", "127.1", "0x7f.1",
            "localhost@evil.example", "evil.example,localhost")


@pytest.fixture
def named(make_engine):
    return make_engine(api_hosts="posthorn.example.com, *.internal",
                       dashboard_url="https://dash.example.com:8443/").start()


def test_page_that_leads_its_own_name_here_gets_nothing(named):
    """With or without a token, on every path."""
    paths = ["/api/orgs/acme/hooks", "/metrics", "/api/openapi.json", "/",
             "/api/user", "/nothing"]
    for host in NOT_OURS:
        for token in (None, named.token):
            for path in paths[:2] if token else paths:
                reply = ask(named, host, path, token)
                assert reply.status == 421, (host, path)
                assert "api_hosts" in reply.json()["message"]
    for method in ("OPTIONS", "DELETE", "PATCH", "HEAD"):
        assert ask(named, "evil.example", method=method).status == 421


def test_addresses_and_names_of_our_own_are_answered(named):
    for host in OURS:
        assert ask(named, host, token=named.token).status == 200, host
        assert ask(named, host).status == 401, host
        assert ask(named, host, "/metrics").status == 200, host


def test_probes_are_answered_under_any_name(named):
    for host in ("evil.example", "10.1.2.3:8080", "posthorn-0.pods:8080"):
        for path in ("/healthz", "/readyz"):
            assert ask(named, host, path).status == 200
        assert ask(named, host, "/healthz", method="HEAD").status == 200


def refused(engine):
    done = subprocess.run(
        engine.command(), capture_output=True, text=True, timeout=30,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode != 0
    return done.stderr


def test_names_and_prefixes_that_are_none_are_refused(make_engine):
    for value in ("a:80", "*", "*.", "http://a/", ".a", "a.", "a/b", "[::1]"):
        assert "api_hosts: " in refused(make_engine(api_hosts=value)), value
    assert "dashboard_url: must be" in refused(
        make_engine(dashboard_url="posthorn.example.com"))
    for path in ("/p", "/dashboard", "?x", "//"):
        assert "without a path" in refused(
            make_engine(dashboard_url=f"https://posthorn.example.com{path}")), path
    for value in ("https://hooks.slack.com", "hooks.slack.com/",
                  "https://hooks.slack.com/,https://a.example"):
        assert "end with a slash" in refused(
            make_engine(slack_url_prefixes=value)), value


# --- the metrics ---

def test_metrics_are_for_who_has_their_token(make_engine, tmp_path):
    file = tmp_path / "metrics.token"
    file.write_text("a-token-for-prometheus\n")
    file.chmod(0o600)
    engine = make_engine(metrics_token_file=str(file)).start()

    def status(**headers):
        return engine.request(engine.api_port, "GET", "/metrics",
                              headers=headers, token=None).status

    assert status() == 401
    assert status(Authorization="Bearer another-token-of-somebody") == 401
    assert status(Authorization="Bearer a-token-for-prometheus") == 200
    assert status(Authorization=f"token {engine.token}") == 200
    reader = engine.api("POST", "/api/orgs/acme/tokens",
                        {"scopes": ["read"]}).json()["token"]
    assert status(Authorization=f"token {reader}") == 403
    # It opens nothing else.
    assert engine.api("GET", "/api/orgs/acme/hooks",
                      token="a-token-for-prometheus").status == 401
    assert engine.api("GET", "/readyz", token=None).status == 200


def test_metrics_stay_closed_when_their_token_cannot_be_read(make_engine,
                                                             tmp_path):
    engine = make_engine(metrics_token_file=str(tmp_path / "none")).start()
    assert engine.api("GET", "/metrics", token=None).status == 401
    assert engine.api("GET", "/metrics").status == 200


# --- the environment of roles ---

@pytest.mark.parametrize("debugs", [False, True])
def test_roles_get_the_variables_they_need_and_no_more(make_engine, debugs):
    engine = make_engine()
    extra = {"TZ": "Europe/Berlin", "LC_ALL": "C.UTF-8", "http_proxy": "http://x:1",
             "AWS_SECRET_ACCESS_KEY": "canary-env-77", "SSLKEYLOGFILE": "/tmp/k",
             "POSTHORN_TOKEN": "canary-token-78", "LD_BIND_NOW": "1",
             "POSTHORN_REPLAY_RATE": "77"}
    if debugs:
        extra["POSTHORN_DEBUG_ENV"] = "1"
    plain = engine.command

    engine.command = lambda: [
        "env", *(f"{k}={v}" for k, v in extra.items()), *plain()]
    engine.start()
    for pid in engine.pids():
        found = dict(v.split("=", 1) for v in
                     read_proc(pid, "environ").split("\0") if "=" in v)
        assert found["TZ"] == "Europe/Berlin" and found["LC_ALL"] == "C.UTF-8"
        assert found["POSTHORN_REPLAY_RATE"] == "77"
        for name in ("http_proxy", "AWS_SECRET_ACCESS_KEY", "SSLKEYLOGFILE",
                     "POSTHORN_TOKEN", "LD_BIND_NOW", "PATH"):
            assert (name in found) == debugs, name
    # A role that comes later, too.
    (pid,) = engine.pids("api")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: engine.pids("api") not in ([], [pid]), "another one")
    engine.wait_ready()
    (pid,) = engine.pids("api")
    assert ("canary-env-77" in read_proc(pid, "environ")) == debugs


# --- what is refused besides ---

def test_import_goes_to_paths_of_webhooks_only(engine, tmp_path):
    """Whoever writes the file must not choose what the admin's token does."""
    file = tmp_path / "hooks.jsonl"
    hook = {"organizationName": "acme", "displayName": "x", "active": True,
            "payloadUrl": "https://example.com/", "scopes": ["read"]}
    for path in ("/api/orgs/acme/tokens", "/api/orgs/acme/hooks/x/ping",
                 "/api/orgs/acme/dead/discard", "/api/orgs//hooks",
                 "/api/orgs/../hooks", "/api/orgs/%2e%2e/hooks",
                 "/api/orgs/a%2fb/hooks", "/api/orgs/acme/hooks?x=1",
                 "/api/orgs/acme/hooks#", "/api/orgs/acme/hooks/",
                 "api/orgs/acme/hooks", "//api/orgs/acme/hooks",
                 "@evil.example/api/orgs/acme/hooks",
                 "/api/stacks/acme/web/hooks", "/api/orgs/a%00/hooks",
                 "/api/orgs/a%zz/hooks", "/api/orgs/a b/hooks"):
        file.write_text(compact({"path": path, "hook": hook}) + "\n")
        done = subprocess.run(
            [BINARY, "import", str(file)], capture_output=True, text=True,
            timeout=60, env={**os.environ, "POSTHORN_TOKEN": engine.token,
                             "POSTHORN_API":
                             f"http://127.0.0.1:{engine.api_port}",
                             "POSTHORN_INGEST":
                             f"http://127.0.0.1:{engine.ingest_port}"})
        assert done.returncode == 1, path
        assert "path must be a path of webhooks" in done.stderr, path
    assert engine.api("GET", "/api/orgs/acme/tokens").json() == []
    assert engine.api("GET", "/api/orgs/acme/hooks").json() == []


def test_deployment_of_dots_is_refused(engine):
    place = {"organizationName": "acme", "projectName": "web",
             "stackName": "prod", "displayName": "x", "active": True,
             "format": "pulumi_deployments"}
    path = "/api/stacks/acme/web/prod/hooks"
    for url in ("../x", "x/..", "./x", "x/.", "../..", "./."):
        reply = engine.api("POST", path, {**place, "payloadUrl": url})
        assert reply.status == 400 and ". or .." in reply.json()["message"]
    for url in ("a/b", "..a/b..", "a.b/...", "a/.b"):
        assert engine.api("POST", path,
                          {**place, "payloadUrl": url}).status == 201, url
