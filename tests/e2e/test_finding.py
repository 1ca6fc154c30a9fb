# SPDX-License-Identifier: MIT
"""Which engine a command means: how it finds it, and that it takes no other for it."""

import contextlib
import http.server
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import threading

import pytest

from engine import BINARY, Engine
from support import free_ports, wait_for

HOOK = ("hook", "list", "--org", "acme", "--json")
STATUS = ("status", "--json")  # of any engine, also one without a webhook


def posthorn(*words, status=0, cwd=None, **env):
    """Runs a command; no variable of the caller's names an engine."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POSTHORN_")}
    done = subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True,
                          timeout=60, cwd=cwd, env={**kept, **env})
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done


def names(done):
    return [hook["displayName"] for hook in json.loads(done.stdout)]


def variables(engine):
    return {"POSTHORN_API": f"http://127.0.0.1:{engine.api_port}",
            "POSTHORN_INGEST": f"http://127.0.0.1:{engine.ingest_port}",
            "POSTHORN_TOKEN": engine.token}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two engines of this machine; each has a webhook that is called like it."""
    engines = []
    try:
        for name in ("a", "b"):
            engine = Engine(tmp_path_factory.mktemp(name), dispatchers="1", senders="1")
            engine.name = name
            engines.append(engine.start())
            engine.create_hook("http://127.0.0.1:2009/", displayName=name)
        yield engines
        for engine in engines:
            assert engine.stop() == 0
            engine.check_log()
    finally:
        for engine in engines:
            if engine.is_running():
                engine.kill9()


def config_of(engine, path):
    path.write_text("".join(f"{k} = {v}\n" for k, v in engine.settings.items()))
    return path


def accepted(engine):
    return sum(engine.metrics()["posthorn_events_accepted_total"].values())


def engine_file(engine):
    return engine.data_dir / "engine.json"


# --- what is found ---

def test_a_data_directory_finds_its_engine(two):
    """Also when variables of another engine are set."""
    a, b = two
    for engine, other in ((a, b), (b, a)):
        assert names(posthorn(*HOOK, "--data-dir", engine.data_dir)) == [engine.name]
        assert names(posthorn(*HOOK, "--data-dir", engine.data_dir,
                              **variables(other))) == [engine.name]
    before = json.loads(posthorn("status", "--json", "--data-dir", b.data_dir).stdout)
    posthorn("send", "--org", "acme", "--kind", "a.b", "--data-dir", b.data_dir,
             **variables(a))
    assert before and accepted(b) == 1
    assert accepted(a) == 0


def test_a_configuration_finds_its_engine(two, tmp_path):
    a, b = two
    file = config_of(b, tmp_path / "b.conf")
    assert names(posthorn(*HOOK, "--config", file)) == ["b"]
    assert names(posthorn(*HOOK, "--config", file, **variables(a))) == ["b"]


def with_etc(text, *words, status=0, **env):
    """Runs a command where /etc holds posthorn/posthorn.conf and nothing else."""
    script = ("mount -t tmpfs none /etc && mkdir /etc/posthorn && "
              f"printf %s {shlex.quote(text)} >/etc/posthorn/posthorn.conf && "
              'exec "$0" "$@"')
    kept = {k: v for k, v in os.environ.items() if not k.startswith("POSTHORN_")}
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script,
         BINARY, *map(str, words)], capture_output=True, text=True, timeout=60,
        env={**kept, **env})
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done


def test_the_service_is_found_without_a_word(two, tmp_path):
    """/etc/posthorn/posthorn.conf, by commands that call the engine and by those that
    read its directory; what is named otherwise goes before."""
    a, b = two
    text = config_of(b, tmp_path / "b.conf").read_text()
    assert names(with_etc(text, *HOOK)) == ["b"]
    assert names(with_etc(text, *HOOK, "--data-dir", a.data_dir)) == ["a"]
    assert names(with_etc(text, *HOOK, **variables(a))) == ["a"]
    books = json.loads(with_etc(text, "verify", "--json").stdout)
    assert books["accepted"] == accepted(b)
    with_etc(text, "backup", tmp_path / "backup")
    assert (tmp_path / "backup/FORMAT").exists()
    told = with_etc("nonsense = 1\n", *HOOK, status=1)
    assert "/etc/posthorn/posthorn.conf" in told.stderr and "nonsense" in told.stderr
    assert names(with_etc("nonsense = 1\n", *HOOK, "--data-dir", a.data_dir)) == ["a"]


def test_settings_of_the_service_that_are_not_used_are_not_passed_over(two):
    told = with_etc("nonsense = 1\n", *HOOK, "--data-dir", two[0].data_dir)
    assert "/etc/posthorn/posthorn.conf" in told.stderr and "not used" in told.stderr


def test_settings_of_the_service_that_may_not_be_read_are_an_error():
    """What they say is wanted; others' would be taken for theirs."""
    script = ("mount -t tmpfs none /etc && mkdir /etc/posthorn && "
              "touch /etc/posthorn/posthorn.conf && chmod 0 /etc/posthorn/posthorn.conf "
              '&& exec setpriv --bounding-set=-all --inh-caps=-all "$0" "$@"')
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, BINARY,
         *STATUS], capture_output=True, text=True, timeout=60,
        env={k: v for k, v in os.environ.items() if not k.startswith("POSTHORN_")})
    if any(word in done.stderr for word in ("unshare", "mount:", "setpriv")):
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 1
    assert "/etc/posthorn/posthorn.conf: cannot be read" in done.stderr


def test_a_key_file_of_the_service_is_used_with_its_directory(make_engine, tmp_path):
    """`rekey --data-dir` of the directory that the service's settings name seals with
    the key that they name."""
    key = tmp_path / "posthorn.key"
    engine = make_engine(secret_key_file=str(key)).start()
    assert engine.stop() == 0
    before = key.read_text()
    text = config_of(engine, tmp_path / "conf").read_text()
    with_etc(text, "rekey", "--data-dir", engine.data_dir)
    assert key.read_text() != before
    assert not (engine.data_dir / "secret.key").exists()


def test_an_engine_that_listens_everywhere_is_found(make_engine):
    engine = make_engine()
    engine.settings["api_listen"] = f"0.0.0.0:{engine.api_port}"
    engine.settings["ingest_listen"] = f"[::]:{engine.ingest_port}"
    engine.start()
    engine.create_hook("http://127.0.0.1:2009/")
    posthorn(*STATUS, "--data-dir", engine.data_dir)
    posthorn("send", "--org", "acme", "--kind", "a.b", "--data-dir", engine.data_dir)


# --- what is not taken for it ---

def test_an_engine_of_another_directory_is_noticed(two):
    a, b = two
    for words, env in (
            (("--api", f"http://127.0.0.1:{a.api_port}", "--data-dir", b.data_dir), {}),
            ((), {"POSTHORN_API": f"http://127.0.0.1:{a.api_port}",
                  "POSTHORN_DATA_DIR": str(b.data_dir)})):
        told = posthorn(*HOOK, *words, status=1, **env)
        assert f"127.0.0.1:{a.api_port}" in told.stderr
        assert str(b.data_dir) in told.stderr and "another" in told.stderr
    told = posthorn("send", "--org", "acme", "--kind", "a.b", "--data-dir", b.data_dir,
                    "--ingest", f"http://127.0.0.1:{a.ingest_port}", status=1)
    assert "another" in told.stderr
    assert accepted(a) == 0


class Recorder(http.server.BaseHTTPRequestHandler):
    """Somebody else's server, which notes what it is sent."""

    def do_GET(self):
        self.server.got.append((self.path, self.headers.get("Authorization")))
        body = self.server.body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def stranger():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    server.got, server.body = [], b'{"status":"ok","instance":"0123"}'
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_stranger_gets_no_token(two, stranger):
    """It is asked who it is, without the token, before it is told anything."""
    posthorn(*HOOK, "--data-dir", two[0].data_dir, "--api", stranger.url, status=1)
    assert [(path.split("?")[0], token) for path, token in stranger.got] == [
        ("/healthz", None)]


class Liar(Recorder):
    """What somebody says who wants to be taken for the engine of a directory."""

    def do_GET(self):
        self.server.got.append((self.path, self.headers.get("Authorization")))
        status, body = self.server.says
        if body == "relayed":  # of the last engine, which is another one's proof
            body = self.server.relay(self.path)
        elif body == "echo":
            nonce = self.path.rpartition("=")[2]
            body = json.dumps({"status": "ok", "instance": self.server.instance,
                               "proof": nonce})
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if self.server.closes:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET


@contextlib.contextmanager
def liars(*ports):
    """On each port; what they got is in the first one's list."""
    servers, threads = [], []
    try:
        for port in ports:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Liar)
            servers.append(server)
            server.got, server.closes, server.instance = servers[0].__dict__.setdefault(
                "got", []), False, ""
            threads.append(threading.Thread(target=server.serve_forever, args=(0.02,)))
            threads[-1].start()
        yield servers
    finally:
        for server, thread in zip(servers, threads):
            server.shutdown()
            thread.join()
        for server in servers:
            server.server_close()


SEND = ("send", "--org", "acme", "--kind", "a.b", "--payload", "{}")


def test_a_stranger_on_the_ports_of_an_engine_that_is_gone_hears_nothing(
        make_engine, tmp_path):
    """Killed or stopped, however the directory is named; the error says what to do."""
    engine = make_engine().start()
    file = config_of(engine, tmp_path / "conf")
    text = file.read_text()
    engine.kill9()
    (tmp_path / "cwd").mkdir()
    (tmp_path / "cwd/var").symlink_to(engine.data_dir)
    own = {"POSTHORN_API_LISTEN": engine.settings["api_listen"],
           "POSTHORN_INGEST_LISTEN": engine.settings["ingest_listen"]}
    with liars(engine.api_port, engine.ingest_port) as servers:
        for server in servers:
            server.says = (200, '{"status":"ok"}')
        for is_dead in (True, False):
            for words in (HOOK, SEND):
                said = [posthorn(*words, "--config", file, status=1),
                        posthorn(*words, "--data-dir", engine.data_dir, status=1),
                        posthorn(*words, cwd=tmp_path / "cwd", status=1, **own),
                        posthorn(*words, "--config", file, "--token", "t" * 20, status=1),
                        with_etc(text, *words, status=1)]
                for done in said:
                    assert "no engine runs with" in done.stderr, done.stderr
                    assert "start it" in done.stderr
                    assert ("is gone" if is_dead else "is not there") in done.stderr
            engine_file(engine).unlink(missing_ok=True)
        assert servers[0].got == []


def test_who_cannot_prove_to_be_the_engine_hears_no_token(make_engine, two):
    """As from outside of a container: that the engine is gone cannot be seen."""
    engine = make_engine().start()
    engine.kill9()
    file = json.loads(engine_file(engine).read_text())
    engine_file(engine).write_text(json.dumps({**file, "pid_space": 1}))

    def of_another(path):
        return two[0].request(two[0].api_port, "GET", path, token=None).body.decode()

    repeated = json.dumps({"status": "ok", "instance": file["instance"]})
    with liars(engine.api_port, engine.ingest_port) as servers:
        for says in ((200, "{}"), (200, "[]"), (200, repeated), (404, "gone"),
                     (404, '{"code":404,"message":"no such path"}'), (503, "{}"),
                     (200, "relayed"), (200, "echo"), (200, "x" * 200000),
                     (200, repeated[:-1] + ', "proof": ""}'),
                     (200, repeated[:-1] + f', "proof": "{"0" * 64}"}}')):
            for server in servers:
                server.says, server.relay = says, of_another
                server.instance = file["instance"]
            for words in (HOOK, SEND):
                told = posthorn(*words, "--data-dir", engine.data_dir, status=1)
                assert str(engine.data_dir) in told.stderr, told.stderr
        got = servers[0].got
        assert len(got) >= 22
        assert {path.split("?")[0] for path, _ in got} == {"/healthz"}
        assert {token for _, token in got} == {None}
        assert len({path for path, _ in got}) == len(got)  # each time another one
        # Of an earlier version: nothing is asked at all.
        got.clear()
        old = {k: v for k, v in file.items() if k not in ("secret", "directory")}
        engine_file(engine).write_text(json.dumps({**old, "pid_space": 1}))
        told = posthorn(*HOOK, "--data-dir", engine.data_dir, status=1)
        assert "earlier version" in told.stderr and "--api and --token" in told.stderr
        assert got == []


def test_the_token_goes_over_the_connection_of_the_proof(make_engine):
    """Whoever takes the port over between the two is a stranger."""
    engine = make_engine().start()
    api = f"127.0.0.1:{engine.api_port}"

    def of_the_engine(path):
        return engine.request(engine.api_port, "GET", path, token=None).body.decode()

    with liars(0) as (server,):
        server.says, server.relay, server.closes = (200, "relayed"), of_the_engine, True
        url = f"http://127.0.0.1:{server.server_address[1]}"
        told = posthorn(*STATUS, "--data-dir", engine.data_dir, "--api", url, status=1)
        assert "closed" in told.stderr
        assert [token for _, token in server.got] == [None]
    assert api in engine_file(engine).read_text()
    posthorn(*STATUS, "--data-dir", engine.data_dir)


def test_a_change_never_goes_to_the_engine_of_a_copied_directory(make_engine, tmp_path):
    """The copy has the same token and, by its settings, the same ports."""
    a = make_engine().start()
    copy = tmp_path / "copy"
    posthorn("backup", tmp_path / "backup", "--data-dir", a.data_dir)
    posthorn("restore", tmp_path / "backup", "--data-dir", copy)
    assert (copy / "admin.token").read_text() == (a.data_dir / "admin.token").read_text()
    file = tmp_path / "b.conf"
    file.write_text("".join(
        f"{k} = {copy if k == 'data_dir' else v}\n" for k, v in a.settings.items()))
    create = ("hook", "create", "--org", "acme", "--display-name", "x",
              "--url", "http://127.0.0.1:2009/")
    told = [posthorn(*create, "--config", file, status=1),
            posthorn(*SEND, "--data-dir", copy, status=1)]
    assert all(f"no engine runs with {copy}" in t.stderr for t in told)
    # One that was copied with all that was in it, also as another machine sees it.
    shutil.copy(engine_file(a), copy)
    there = json.loads(engine_file(a).read_text())
    told = [posthorn(*create, "--config", file, status=1)]
    assert "copy of another data directory" in told[0].stderr
    (copy / "engine.json").write_text(json.dumps(
        {**there, "directory": copy.stat().st_ino, "secret": "0" * 32}))
    told = posthorn(*create, "--config", file, status=1)
    assert "did not prove" in told.stderr
    assert a.api("GET", "/api/orgs/acme/hooks").json() == []
    assert accepted(a) == 0


def test_who_brings_address_and_token_is_asked_nothing_of_a_directory(
        two, stranger, tmp_path):
    """Whatever lies in the directory where the command is run."""
    stranger.body = b"{}"
    (tmp_path / "var").symlink_to(two[0].data_dir)
    posthorn(*STATUS, "--api", stranger.url, "--token", "t" * 20, cwd=tmp_path)
    posthorn(*STATUS, cwd=tmp_path, POSTHORN_API=stranger.url, POSTHORN_TOKEN="t" * 20)
    assert stranger.got and not any("healthz" in path for path, _ in stranger.got)


def test_who_reads_the_token_reads_the_file_that_tells_the_engine(make_engine):
    engine = make_engine().start()
    assert engine_file(engine).stat().st_mode & 0o777 == 0o600
    assert engine.stop() == 0
    token = engine.data_dir / "admin.token"
    os.chmod(token, 0o640)
    engine.start()
    assert engine_file(engine).stat().st_mode & 0o777 == 0o640
    for port in (engine.api_port, engine.ingest_port):
        for challenge in ("short", "x" * 65, "0123456789abcde%0A", "0123456789abcdef%"):
            reply = engine.request(port, "GET", f"/healthz?challenge={challenge}",
                                   token=None)
            assert reply.status == 400 and "challenge" in reply.json()["message"]


def test_nobody_gets_the_token_of_an_engine_that_does_not_run(make_engine, stranger):
    """Its address may be another's by now."""
    engine = make_engine().start()
    assert engine.stop() == 0
    address = stranger.url.removeprefix("http://")
    for words, env in (
            ((), {"POSTHORN_API_LISTEN": address}), ((), {"POSTHORN_API": stranger.url}),
            (("--api", stranger.url), {}),
            (("--api", stranger.url, "--data-dir", engine.data_dir), {})):
        told = posthorn(*HOOK, *words, status=1,
                        POSTHORN_DATA_DIR=str(engine.data_dir), **env)
        assert f"no engine runs with {engine.data_dir}" in told.stderr
        assert "engine.json is not there" in told.stderr
    assert stranger.got == []


def test_a_token_alone_goes_to_the_address_of_the_settings(stranger, tmp_path):
    """From where no data directory is."""
    stranger.body = b'[{"displayName":"theirs"}]'
    posthorn(*HOOK, cwd=tmp_path, POSTHORN_TOKEN="t" * 20,
             POSTHORN_API_LISTEN=stranger.url.removeprefix("http://"))
    assert stranger.got[0][0].startswith("/api/orgs/acme/")
    assert {token for _, token in stranger.got} == {"token " + "t" * 20}


def test_an_address_alone_is_asked_nothing(two, stranger):
    """Who names address and token, means no directory."""
    stranger.body = b'[{"displayName":"theirs"}]'
    posthorn(*HOOK, "--api", stranger.url, "--token", "t" * 20, "--ingest", stranger.url)
    assert stranger.got[0][0].startswith("/api/orgs/acme/")
    assert "/healthz" not in dict(stranger.got)


def test_a_token_of_another_engine_is_said_to_be_one(two):
    a, b = two
    told = posthorn(*HOOK, status=1, **{**variables(a), "POSTHORN_TOKEN": b.token})
    assert "POSTHORN_TOKEN" in told.stderr


# --- the file ---

def test_the_file_names_the_run_that_wrote_it(make_engine):
    engine = make_engine().start()
    said = []
    for _ in range(2):
        file = json.loads(engine_file(engine).read_text())
        assert file["pid"] == engine.process.pid
        assert file["api"] == engine.settings["api_listen"]
        assert file["ingest"] == engine.settings["ingest_listen"]
        for port in (engine.api_port, engine.ingest_port):
            health = engine.request(port, "GET", "/healthz", token=None)
            assert health.status == 200
            assert health.json() == {"status": "ok", "instance": file["instance"]}
        said.append(file["instance"])
        assert engine.stop() == 0
        assert not engine_file(engine).exists()
        engine.start()
    assert len(set(said)) == 2
    assert not list(engine.data_dir.glob("engine.json.*"))


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_the_file_is_whose_the_directory_is():
    """So that the roles' user finds the engine that root has started, too."""
    room = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-finding-"))
    room.chmod(0o755)
    engine = Engine(room, user="12345", dispatchers="1", senders="1").start()
    try:
        st = engine_file(engine).stat()
        assert (st.st_uid, st.st_mode & 0o777) == (12345, 0o600)
        shutil.copy(BINARY, room / "posthorn")
        subprocess.run(
            ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups",
             room / "posthorn", *STATUS, "--data-dir", engine.data_dir], check=True,
            capture_output=True)
        assert engine.stop() == 0
    finally:
        if engine.is_running():
            engine.kill9()
        shutil.rmtree(room)


def test_no_engine_is_an_error_that_says_what_was_looked_at(make_engine):
    engine = make_engine().start()
    other = variables(engine)
    posthorn(*STATUS, "--data-dir", engine.data_dir)
    pid = engine.process.pid
    engine.kill9()
    told = posthorn(*STATUS, "--data-dir", engine.data_dir, status=1)
    assert f"{engine_file(engine)} is of process {pid}, which is gone" in told.stderr
    # A process of that number is another one.
    file = json.loads(engine_file(engine).read_text())
    engine_file(engine).write_text(json.dumps({**file, "pid": os.getpid()}))
    told = posthorn(*STATUS, "--data-dir", engine.data_dir, status=1)
    assert "which is gone" in told.stderr
    for text in ("", "{", "[]", json.dumps({**file, "api": "x" * 500}),
                 json.dumps({**file, "pid": -1}), "x" * 10000,
                 json.dumps({**file, "api": "127.0.0.1:80\x1b[2J"}),
                 json.dumps({**file, "ingest": "evil.example/"}),
                 json.dumps({**file, "instance": "\x1b[2J"})):
        engine_file(engine).write_text(text)
        told = posthorn(*STATUS, "--data-dir", engine.data_dir, status=1)
        assert f"{engine_file(engine)} is not what an engine writes" in told.stderr
    engine_file(engine).unlink()
    told = posthorn(*STATUS, "--data-dir", engine.data_dir, status=1)
    assert f"{engine_file(engine)} is not there" in told.stderr
    told = posthorn(*STATUS, "--data-dir", engine.data_dir / "none", status=1)
    assert "none/engine.json is not there" in told.stderr
    told = posthorn(*STATUS, status=1, **other)  # an address where nobody is
    assert f"POSTHORN_API is {other['POSTHORN_API']}" in told.stderr
    told = posthorn(*STATUS, status=1, POSTHORN_DATA_DIR=str(engine.data_dir),
                    POSTHORN_API_LISTEN=f"127.0.0.1:{engine.api_port}")
    assert str(engine_file(engine)) in told.stderr
    told = posthorn(*STATUS, status=1, cwd=engine.directory)  # ./var is not there
    assert "no token" in told.stderr and "./var" in told.stderr
    engine.start()  # what is left of the last run is replaced
    posthorn(*STATUS, "--data-dir", engine.data_dir)


@pytest.mark.skipif(os.getuid() != 0, reason="needs mount")
def test_an_engine_on_a_full_disk_is_found(make_engine, tmp_path):
    """It cannot say where it is, but it has the directory; and says so when it can."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", disk], check=True)
    try:
        engine = make_engine(data_dir=str(disk / "data"))
        engine.data_dir = disk / "data"
        assert engine.start().stop() == 0
        with open(disk / "ballast", "wb") as ballast:
            room = os.statvfs(disk)
            os.posix_fallocate(ballast.fileno(), 0, room.f_bavail * room.f_frsize)
        engine.start()
        assert not engine_file(engine).exists()
        environment = {f"POSTHORN_{name.upper()}": engine.settings[name]
                       for name in ("api_listen", "ingest_listen")}
        posthorn("status", "--data-dir", engine.data_dir, **environment)
        posthorn("status", POSTHORN_DATA_DIR=str(engine.data_dir), **environment)
        (disk / "ballast").unlink()
        wait_for(engine_file(engine).exists, "the file is there")
        posthorn("status", "--data-dir", engine.data_dir)
        assert engine.stop() == 0
    finally:
        if engine.is_running():
            engine.kill9()
        subprocess.run(["umount", disk], check=True)


def test_a_link_in_the_files_place_is_neither_read_nor_written(make_engine, tmp_path):
    engine = make_engine().start()
    assert engine.stop() == 0
    other = tmp_path / "other.json"
    other.write_text("mine")
    engine_file(engine).symlink_to(other)
    (engine.data_dir / "engine.json.tmp").symlink_to(other)
    told = posthorn(*STATUS, "--data-dir", engine.data_dir, status=1)
    assert f"{engine_file(engine)} cannot be read" in told.stderr
    engine.start()
    assert other.read_text() == "mine" and not engine_file(engine).is_symlink()
    posthorn(*STATUS, "--data-dir", engine.data_dir)


def test_an_engine_that_is_refused_takes_nothing_from_the_other(two, tmp_path):
    """The directory is another's: its file stays."""
    a, _ = two
    before = engine_file(a).read_text()
    api, ingest = free_ports(2)
    posthorn("serve", f"--set=data_dir={a.data_dir}", f"--set=api_listen=127.0.0.1:{api}",
             f"--set=ingest_listen=127.0.0.1:{ingest}", status=1)
    assert engine_file(a).read_text() == before
    posthorn(*STATUS, "--data-dir", a.data_dir)


def test_a_backup_has_no_file_of_the_engine(two, tmp_path):
    posthorn("backup", tmp_path / "backup", "--data-dir", two[0].data_dir)
    assert not (tmp_path / "backup/engine.json").exists()
