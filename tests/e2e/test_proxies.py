# SPDX-License-Identifier: MIT
"""The samples for nginx and Caddy, with the real servers in front of a real engine: TLS,
HTTP/2, the dashboard's login, streams that arrive as they are written, large posts."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from engine import BINARY
from support import ROOT, free_ports, wait_for

API, EVENTS = "posthorn.example.com", "events.example.com"


class Proxy:
    """A server with a sample of deploy/, as this machine needs it."""

    def __init__(self, directory, certificates, engine):
        self.directory = directory
        self.ca = certificates.ca
        self.port, self.admin_port = free_ports(2)
        self.chain, self.key = certificates.issue("proxy", f"DNS:{API},DNS:{EVENTS}")
        self.engine = engine
        self.process = None

    def sample(self, name):
        """Its addresses are those of the engine under test."""
        text = (ROOT / "deploy/proxies" / name).read_text()
        for port, here in ((8080, self.engine.api_port), (8081, self.engine.ingest_port)):
            assert f"127.0.0.1:{port}" in text
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{here}")
        return text

    def start(self):
        log = open(self.directory / "proxy.log", "w")
        self.process = subprocess.Popen(
            self.command(), stdout=log, stderr=log, cwd=self.directory,
            env={**os.environ, "HOME": str(self.directory)})
        wait_for(lambda: self.curl(API, "/healthz", check=False).returncode == 0,
                 f"it answers: {(self.directory / 'proxy.log').read_text()}")
        return self

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def curl_command(self, host, path, *options):
        return ["curl", "-sS", "--cacert", self.ca, "--noproxy", "*", "--resolve",
                f"{host}:{self.port}:127.0.0.1", *options,
                f"https://{host}:{self.port}{path}"]

    def curl(self, host, path, *options, check=True, **more):
        return subprocess.run(self.curl_command(host, path, *options), check=check,
                              capture_output=True, text=True, timeout=30, **more)


CLIENT = "127.0.0.9"  # of one request


class Nginx(Proxy):
    def command(self):
        text = self.sample("nginx.conf")
        text, n = re.subn(r"listen 443", f"listen 127.0.0.1:{self.port}", text)
        text = re.sub(r"(?m)^ *listen \[::\].*\n", "", text)
        text = re.sub(r"ssl_certificate /.*;", f"ssl_certificate {self.chain};", text)
        text = re.sub(r"ssl_certificate_key /.*;", f"ssl_certificate_key {self.key};", text)
        assert n == 2
        paths = " ".join(f"{kind}_temp_path {self.directory}/{kind};" for kind in (
            "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.directory / "nginx.conf").write_text(
            f"daemon off; pid {self.directory}/pid; error_log stderr;\n"
            f"{'user root;' if os.geteuid() == 0 else ''} events {{}}\n"
            f"http {{ access_log off; {paths}\n{text}}}\n")
        return [shutil.which("nginx", path="/usr/sbin:/usr/bin"), "-p", self.directory,
                "-c", self.directory / "nginx.conf"]


class Caddy(Proxy):
    def command(self):
        text = self.sample("Caddyfile")
        text, n = re.subn(r"(?m)^(\S+\.example\.com) \{$",
                          rf"\1:{self.port} {{\n\ttls {self.chain} {self.key}", text)
        assert n == 2
        (self.directory / "Caddyfile").write_text(
            f"{{\n\tadmin off\n\tauto_https off\n\tstorage file_system {self.directory}\n}}\n"
            f"{text}")
        return [shutil.which("caddy"), "run", "--config", self.directory / "Caddyfile",
                "--adapter", "caddyfile"]


def is_there(name):
    return shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin") is not None


@pytest.fixture(params=[
    pytest.param(kind, marks=pytest.mark.skipif(
        not is_there(kind.__name__.lower()), reason="deploy/install-deps --long"),
        id=kind.__name__.lower()) for kind in (Nginx, Caddy)])
def proxy(request, make_engine, certificates, tmp_path):
    engine = make_engine(dashboard_url=f"https://{API}",
                         trusted_proxies="127.0.0.1/32").start()
    made = request.param(tmp_path, certificates, engine)
    try:
        yield made.start()
    finally:
        made.stop()


def test_the_sample_serves_all_of_the_engine(proxy, receiver):
    """One after the other, since a proxy takes a second to start and end."""
    engine = proxy.engine
    token = ["-H", f"Authorization: token {engine.token}"]
    asks_json = ["-H", "Content-Type: application/json"]
    is_http2(proxy, token)
    metrics_stay_inside(proxy, token)
    hook = json.loads(proxy.curl(API, "/api/orgs/acme/hooks", *token, *asks_json, "-d", json.dumps(
        {"organizationName": "acme", "name": "all", "displayName": "all", "active": True,
         "payloadUrl": receiver.url("/in")})).stdout)
    assert hook["name"] == "all"
    time.sleep(0.2)
    a_stream_is_not_held_back(proxy, token)
    receiver.wait(1, path="/in")
    a_large_post_comes_through(proxy, token)
    a_browser_logs_in(proxy)
    the_client_is_named(proxy, token, asks_json)


def the_client_is_named(proxy, token, asks_json):
    """By what the proxy saw, not by what the client says."""
    proxy.curl(API, "/api/orgs/acme/hooks/all", *token, *asks_json, "-X", "PATCH", "-d",
               '{"displayName":"named"}', "--interface", CLIENT, "-H",
               "X-Forwarded-For: 203.0.113.9")
    (line,) = wait_for(lambda: [line for line in proxy.engine.log().splitlines()
                                if 'new_display_name="named"' in line], "it is logged")
    assert f'peer="{CLIENT}"' in line


def is_http2(proxy, token):
    shown = proxy.curl(API, "/readyz", "--http2", "-o", os.devnull, "-w",
                       "%{http_version} %{http_code}")
    assert shown.stdout == "2 200"
    shown = proxy.curl(EVENTS, "/api/orgs/acme/events", *token, "--http2", "-o", os.devnull,
                       "-w", "%{http_version} %{http_code}", "-d", "{")
    assert shown.stdout.startswith("2 4")
    old = proxy.curl(API, "/readyz", "--tls-max", "1.1", check=False)
    assert old.returncode != 0


def metrics_stay_inside(proxy, token):
    assert proxy.curl(API, "/metrics", *token, "-o", os.devnull, "-w",
                      "%{http_code}").stdout == "404"


def a_stream_is_not_held_back(proxy, token):
    """What happens is read while the stream is open, and before much has gathered."""
    tail = subprocess.Popen(
        proxy.curl_command(API, "/api/orgs/acme/tail", *token, "-N", "--http2", "-H",
                           "Accept: text/event-stream"), stdout=subprocess.PIPE)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(tail.stdout.readline, b"")))
    reader.start()
    time.sleep(0.3)  # until the stream has begun: only what comes later is in it
    event = json.loads(proxy.curl(EVENTS, "/api/orgs/acme/events", *token, "-H",
                                  "Content-Type: application/json", "-d",
                                  '{"kind":"order.created","payload":{}}').stdout)["id"]
    got = []

    def has_come():
        got[:] = [line for line in lines if event.encode() in line]
        return bool(got)

    # readline() is unbuffered enough: a line is there once it has come.
    wait_for(has_come, "the attempt is in the stream")
    assert tail.poll() is None
    tail.kill()
    tail.wait()
    reader.join()


def a_large_post_comes_through(proxy, token):
    """As large as the engine takes; what is larger is refused."""
    line = json.dumps({"kind": "order.created", "payload": {"text": "x" * 200_000}}) + "\n"
    for count, status in ((40, "202"), (60, "413")):
        posted = proxy.curl(EVENTS, "/api/orgs/nobody/events", *token, "-H",
                            "Content-Type: application/x-ndjson", "--data-binary", "@-",
                            "-o", os.devnull, "-w", "%{http_code}", input=line * count,
                            check=False)  # the answer may come before all of it was sent
        assert posted.stdout == status


def a_browser_logs_in(proxy):
    jar = proxy.directory / "jar"
    code = subprocess.run([BINARY, "dashboard"], check=True, capture_output=True, text=True,
                          env=proxy.engine.client_environment()).stdout.strip()
    assert code.startswith(f"https://{API}/dashboard/login#")
    marks = ["-H", "Sec-Fetch-Site: same-origin", "-H", "X-Posthorn: 1", "-b", jar, "-c", jar,
             "-o", os.devnull, "-w", "%{http_code}"]
    assert proxy.curl(API, "/dashboard/session", *marks, "-H", "Content-Type: application/json",
                      "-d", json.dumps({"code": code.split("#")[1]})).stdout == "204"
    assert proxy.curl(API, "/api/session", *marks).stdout == "200"
    page = proxy.curl(API, "/dashboard")
    assert "<html" in page.stdout
