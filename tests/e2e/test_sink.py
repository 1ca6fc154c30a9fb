# SPDX-License-Identifier: MIT
"""`posthorn sink` and the other commands that need no engine."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from engine import BINARY
from support import SECRET, free_ports, wait_for


def posthorn(*args, **more):
    return subprocess.run([BINARY, *args], capture_output=True, text=True,
                          timeout=30, **more)


class Sink:
    def __init__(self, directory, *options):
        self.port, = free_ports(1)
        self.out = directory / "sink.out"
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(
                [BINARY, "sink", "--listen", f"127.0.0.1:{self.port}",
                 *options], stdout=out, stderr=subprocess.PIPE)
        assert b"listening" in self.process.stderr.readline()

    def send(self, method="POST", path="/", body=b"", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=10)
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        reply.read()
        connection.close()
        return reply.status

    def lines(self):
        return [json.loads(line) for line in
                self.out.read_text("utf-8").splitlines()]

    def end(self, signum=signal.SIGTERM):
        """The exit status, and what it said on stderr since it listens."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        _, said = self.process.communicate(timeout=10)
        return self.process.returncode, said


@pytest.fixture
def make_sink(tmp_path):
    sinks = []

    def make(*options):
        sinks.append(Sink(tmp_path, *options))
        return sinks[-1]

    yield make
    for sink in sinks:
        assert sink.end() == (0, b"")


def pulumi(body, key=SECRET.encode()):
    return {"Pulumi-Webhook-Signature":
            hmac.new(key, body, hashlib.sha256).hexdigest()}


def standard(body, key=SECRET.encode()):
    mac = hmac.new(key, b"id-1.1700000000." + body, hashlib.sha256).digest()
    return {"webhook-id": "id-1", "webhook-timestamp": "1700000000",
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}"}


def test_a_request_becomes_a_line(make_sink):
    sink = make_sink("--status", "202")
    body = "{\"é\":1}\n".encode() + b"\xff\x00"
    assert sink.send("PUT", "/a%20b", body, {"X-One": "1", "X-Two": "\"q\""}
                     ) == 202
    line, = sink.lines()
    assert list(line) == ["time", "method", "path", "headers", "body",
                          "signature"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z",
                        line["time"])
    assert (line["method"], line["path"]) == ("PUT", "/a%20b")
    assert line["headers"]["X-One"] == "1"
    assert line["headers"]["X-Two"] == "\"q\""
    assert line["body"] == "{\"é\":1}\n\ufffd\0"
    assert line["signature"] == "absent"


def test_signatures_are_checked(make_sink):
    sink = make_sink("--secret", SECRET)
    body = b"{\"n\":1}"
    both = {**pulumi(body), **standard(body)}
    for headers, verdict in (
            ({}, "absent"),
            (pulumi(body), "valid"),
            (standard(body), "valid"),
            (both, "valid"),
            (pulumi(b"other"), "invalid"),
            (pulumi(body, b"other"), "invalid"),
            (standard(b"other"), "invalid"),
            ({**both, "webhook-id": "id-2"}, "invalid"),
            ({**both, **pulumi(b"other")}, "invalid"),
            ({**standard(body), "webhook-signature": "v1,AAAA "
              + standard(body)["webhook-signature"]}, "valid")):
        sink.send(body=body, headers=headers)
        assert sink.lines()[-1]["signature"] == verdict, headers


def test_a_secret_may_be_base64(make_sink):
    key = bytes(range(24))
    sink = make_sink("--secret", "whsec_" + base64.b64encode(key).decode())
    sink.send(body=b"x", headers=standard(b"x", key))
    assert sink.lines()[0]["signature"] == "valid"


def test_quiet_and_delay(make_sink):
    sink = make_sink("--quiet", "--delay-ms", "300")
    start = time.monotonic()
    assert sink.send() == 200
    assert time.monotonic() - start >= 0.3
    assert sink.lines() == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_answers_what_waits_and_ends_it(make_sink, signum):
    sink = make_sink("--delay-ms", "60000")
    with socket.create_connection(("127.0.0.1", sink.port), 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        wait_for(sink.lines, "the request is printed")
        assert sink.end(signum) == (0, b"")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_the_engines_deliveries_are_valid(engine, make_sink):
    sink = make_sink("--secret", SECRET)
    hook = engine.create_hook(f"http://127.0.0.1:{sink.port}/x", secret=SECRET)
    event = engine.post_event(payload={"emoji": "🍹"})
    engine.wait_deliveries(hook, 1)
    line, = sink.lines()
    assert line["signature"] == "valid"
    assert line["body"] == "{\"emoji\":\"🍹\"}"
    assert line["headers"]["Pulumi-Webhook-Id"] == event


def test_wrong_usage_is_told(tmp_path):
    for args, text in (
            ([], "usage: posthorn COMMAND"),
            (["bogus"], "no command bogus"),
            (["help", "bogus"], "no command bogus"),
            (["version", "x"], "usage: posthorn version"),
            (["verify", "--bogus"], "--bogus is not an option or argument of this command"),
            (["verify", "--data-dir"], "usage: posthorn verify"),
            (["verify", "a", "extra"], "extra is not an option or argument of this command"),
            (["config", "--check", "a", "--set", "b=c"], "checks its file"),
            (["sink"], "--listen is needed"),
            (["sink", "--listen", "127.0.0.1:1", "--status", "99"], "99"),
            (["sink", "--listen", "127.0.0.1:1", "--delay-ms", "-1"], "-1")):
        result = posthorn(*args)
        assert result.returncode == 2, args
        assert text in result.stderr and result.stdout == "", args


def test_every_command_has_help():
    listed = posthorn("--help")
    assert listed.returncode == 0
    names = re.findall(r"^  (\w+) ", listed.stdout, re.M)
    assert {"serve", "verify", "config", "sink", "version"} <= set(names)
    for name in names:
        result = posthorn(name, "--help")
        assert result.returncode == 0, name
        assert result.stdout.startswith(f"usage: posthorn {name}")
    assert re.fullmatch(r"posthorn \d+\.\d+\.\d+(-rc\d+)?\ndata directories of format 5; .*\n",
                        posthorn("version").stdout)


def test_a_file_of_settings_is_checked(tmp_path):
    file = tmp_path / "settings"
    file.write_text("senders = 3\n# a remark\nrequest_timeout = 10s\n")
    assert posthorn("config", "--check", str(file)).returncode == 0
    shown = posthorn("config", "--config", str(file), "--set",
                     "dispatchers=2",
                     env={**os.environ, "POSTHORN_MAX_INFLIGHT": "7"}).stdout
    for start in ("senders = 3  # from ", "dispatchers = 2  # from --set",
                  "max_inflight = 7  # from environment"):
        assert f"\n{start}" in shown
    file.write_text("sender = 3\nsenders = 99\n")
    result = posthorn("config", "--check", str(file))
    assert result.returncode == 1
    assert '"sender"' in result.stderr and "senders:" in result.stderr


def test_a_directory_without_a_queue_is_no_queue(tmp_path):
    result = posthorn("verify", "--data-dir", str(tmp_path))
    assert result.returncode == 1
    assert "no queue" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_books_are_printed_for_people_and_programs(engine, receiver):
    engine.create_hook(receiver.url())
    engine.post_event()
    assert engine.wait_settled()["delivered"] == 1
    result = posthorn("verify", "--data-dir", str(engine.data_dir))
    assert result.returncode == 0 and "It adds up." in result.stdout
    figures = dict(re.findall(r"^(\w+) +(\d+)", result.stdout, re.M))
    books = engine.verify()
    assert books.pop("balanced") is True
    assert figures == {name: str(value) for name, value in books.items()}
    assert books["accepted"] == books["matched"] == 1
