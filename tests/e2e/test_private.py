# SPDX-License-Identifier: MIT
"""What commands write is for their owner, whom they talk to is named, and
secrets that cannot work are refused."""

import base64
import os
import socket
import stat
import subprocess
import threading

import pytest

from engine import BINARY

KEY = base64.b64encode(bytes(range(250, 226, -1))).decode()  # 24 bytes, + and /


def posthorn(*args, status=0, env=None, umask=0):
    done = subprocess.run(
        [BINARY, *map(str, args)], capture_output=True, text=True, timeout=60,
        env={**os.environ, **(env or {})}, umask=umask)
    assert done.returncode == status, done
    return done


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


# --- files ---

def test_exported_secrets_are_for_their_owner_alone(engine, receiver,
                                                    tmp_path):
    engine.create_hook(receiver.url(), secret="s3cret")
    out = tmp_path / "out"
    out.mkdir(mode=0o777)
    file = out / "hooks.jsonl"
    file.write_text("old")
    file.chmod(0o666)  # what was there for everybody is replaced
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (out / "hooks.jsonl.tmp").symlink_to(victim)  # laid by somebody else
    posthorn("export", "--data-dir", engine.data_dir, "--with-secrets",
             "--output", file)
    assert "s3cret" in file.read_text() and mode_of(file) == 0o600
    assert victim.read_text() == "untouched"
    assert sorted(p.name for p in out.iterdir()) == [
        "hooks.jsonl", "hooks.jsonl.tmp"]


@pytest.mark.parametrize("what", ["link", "fifo", "directory"])
def test_export_writes_to_files_only(engine, tmp_path, what):
    place = tmp_path / "place"
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    if what == "link":
        place.symlink_to(victim)
    elif what == "fifo":
        os.mkfifo(place)
    else:
        place.mkdir()
    before = os.lstat(place)
    done = posthorn("export", "--data-dir", engine.data_dir, "--output", place,
                    status=1)
    assert "not a regular file" in done.stderr
    assert os.lstat(place).st_ino == before.st_ino
    assert victim.read_text() == "untouched"


def test_no_command_leaves_a_file_that_others_may_read(engine, receiver,
                                                       tmp_path):
    """Without any help from the umask."""
    engine.create_hook(receiver.url(), secret="s3cret")
    out = tmp_path / "out"
    out.mkdir()
    posthorn("bench", "--target", receiver.url(), "--count", "2", "--duration",
             "1", "--output", out / "bench.json", "--html", out / "bench.html")
    posthorn("export", "--data-dir", engine.data_dir, "--output", out / "hooks")
    posthorn("backup", out / "backup", "--data-dir", engine.data_dir)
    posthorn("restore", out / "backup", "--data-dir", out / "restored")
    for root in (out, engine.data_dir):
        files = [p for p in root.rglob("*") if p.is_file()]
        assert len(files) > 5
        open_ones = [p for p in files if mode_of(p) & 0o077]
        assert not open_ones
    for made in ("backup", "restored"):
        directories = [out / made, *(p for p in (out / made).rglob("*")
                                     if p.is_dir())]
        assert not [p for p in directories if mode_of(p) & 0o077]


# --- proxies ---

class Listener:
    """Takes connections and notes what comes first."""

    def __init__(self):
        self.got = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client:
                self.got.append(client.recv(65536))
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
                               b"[]")

    def stop(self):
        self.socket.close()


@pytest.fixture
def proxy():
    listener = Listener()
    yield listener
    listener.stop()


def client(engine, **more):
    return {"POSTHORN_TOKEN": engine.token,
            "POSTHORN_API": f"http://127.0.0.1:{engine.api_port}",
            "POSTHORN_INGEST": f"http://127.0.0.1:{engine.ingest_port}", **more}


def test_token_goes_to_no_proxy_of_the_environment(engine, receiver, proxy):
    url = f"http://127.0.0.1:{proxy.port}"
    env = client(engine, no_proxy="", **{
        name: url for name in ("http_proxy", "HTTP_PROXY", "https_proxy",
                               "all_proxy", "ALL_PROXY")})
    engine.api("POST", "/api/orgs/acme/tokens", {"scopes": ["read"]})  # it exists
    posthorn("hook", "list", "--org", "acme", env=env)
    posthorn("send", "--org", "acme", "--kind", "a.b", env=env)
    posthorn("status", env=env)
    posthorn("bench", "--target", receiver.url(), "--count", "2", "--duration",
             "1", env=env)
    posthorn("bench", "--count", "2", "--duration", "1", env=env)
    assert not proxy.got


def test_a_proxy_that_is_named_is_used(engine, proxy):
    posthorn("hook", "list", "--org", "acme", "--proxy",
             f"http://127.0.0.1:{proxy.port}",
             env=client(engine, no_proxy="*"))
    assert proxy.got[0].startswith(
        b"GET http://127.0.0.1:%d/api/orgs/acme/hooks" % engine.api_port)


# --- secrets and keys that cannot work ---

UNREADABLE = [
    ("whsec_", "nothing follows whsec_"),
    ("whsec_" + KEY[:-1], "lacks the padding, or is cut off"),
    ("whsec_" + base64.b64encode(b"k" * 25).decode().rstrip("="),
     "lacks the padding"),
    ("whsec_" + base64.urlsafe_b64encode(b"\xff" * 24).decode(), "url-safe"),
    ("whsec_" + KEY[:-1] + "!", "is not base64"),
    ("whsec_" + KEY[:16] + "\n" + KEY[16:] + "===", "is not base64"),
    ("whsec_" + base64.b64encode(b"k" * 25).decode()[:-3] + "x==",
     "is not base64"),
    ("whsec_" + base64.b64encode(b"k" * 23).decode(), "of 23 bytes"),
    ("whsec_" + base64.b64encode(b"k" * 65).decode(), "of 65 bytes"),
]


def test_whsec_secret_that_libraries_cannot_read_is_refused(engine, receiver):
    hook = engine.create_hook(receiver.url(), secret="whsec_" + KEY)
    before = engine.api("GET", hook).json()
    for secret, words in UNREADABLE:
        body = {"organizationName": "acme", "displayName": "x", "active": True,
                "payloadUrl": receiver.url(), "secret": secret}
        refused = engine.api("POST", "/api/orgs/acme/hooks", body)
        assert refused.status == 400, secret
        message = refused.json()["message"]
        assert words in message and "24 to 64 bytes" in message, secret
        assert secret == "whsec_" or secret[6:] not in message
        assert engine.api("PATCH", hook, {"secret": secret}).status == 400
        assert engine.api("GET", hook).json() == before


@pytest.mark.smoke
def test_whsec_secret_of_24_to_64_bytes_is_taken(engine, receiver):
    for n_bytes in (24, 25, 26, 64):
        engine.create_hook(receiver.url(), secret="whsec_" + base64.b64encode(
            (b"\xfe\xff" * 32)[:n_bytes]).decode())


def test_client_key_without_its_certificate_is_refused(engine, receiver,
                                                       certificates):
    chain, key = (path.read_text() for path in certificates.issue(
        "alone", usage="clientAuth"))
    body = {"organizationName": "acme", "displayName": "x", "active": True,
            "payloadUrl": "https://example.com/", "clientKey": key}
    refused = engine.api("POST", "/api/orgs/acme/hooks", body)
    assert refused.status == 400
    assert "clientKey needs clientCertificate" in refused.json()["message"]
    hook = engine.create_hook("https://example.com/")
    assert engine.api("PATCH", hook, {"clientKey": key}).status == 400
    both = {"clientKey": key, "clientCertificate": chain}
    assert engine.api("PATCH", hook, both).status == 200
    assert engine.api("PATCH", hook, {
        "clientCertificate": None, "clientKey": key}).status == 400
    assert engine.api("GET", hook).json()["hasClientCertificate"]
    # Without the certificate the key goes, too.
    gone = engine.api("PATCH", hook, {"clientCertificate": None})
    assert gone.status == 200 and "hasClientCertificate" not in gone.json()
