# SPDX-License-Identifier: MIT
"""Whom the processes become when root starts the engine, and whose the data is."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

import engine as engine_module
from engine import Engine
from support import wait_for
from test_sandbox import HOSTILE, status_of

NOBODY, OTHER_NOBODY, SOMEBODY = 65534, 65533, 12345
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def has_account(name):
    return subprocess.run(["getent", "passwd", name],
                          capture_output=True).returncode == 0


@pytest.fixture
def make(monkeypatch):
    """Engines in a directory that everybody can pass; not started."""
    made = []

    def make_engine(binary=engine_module.BINARY, **settings):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-users-"))
        directory.chmod(0o755)
        # The account of a package would be taken before all others.
        if has_account("posthorn"):
            settings.setdefault("user", "nobody")
        engine = Engine(directory, **settings)
        engine.binary = binary
        made.append(engine)
        return engine

    yield make_engine
    for engine in made:
        if engine.is_running():
            assert engine.stop() == 0
        engine.check_log()
        shutil.rmtree(engine.directory)


def uids_of(engine, role=None):
    return {int(uid) for pid in engine.pids(role)
            for uid in status_of(pid)["Uid"].split()}


def owners_in(directory):
    return {path.lstat().st_uid for path in [directory, *directory.rglob("*")]}


def refusal(engine):
    done = subprocess.run(engine.command(), capture_output=True, text=True,
                          timeout=30)
    assert done.returncode != 0
    return done.stderr


def run(*words, **settings):
    done = subprocess.run([engine_module.BINARY, *map(str, words)],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, **settings})
    assert done.returncode == 0, done.stderr
    return done.stdout


def deliver(engine, receiver, count=1):
    before = len(receiver.got())
    for _ in range(count):
        engine.post_event()
    receiver.wait(before + count, seconds=20)


def test_no_role_is_root_or_has_capabilities(make, receiver):
    engine = make().start()
    engine.create_hook(receiver.url())
    deliver(engine, receiver)
    assert uids_of(engine) == {NOBODY, OTHER_NOBODY}
    assert uids_of(engine, "sender") == {OTHER_NOBODY}
    for pid in engine.pids():
        fields = status_of(pid)
        assert fields["Groups"].strip() == ""
        assert all(int(fields[f"Cap{kind}"], 16) == 0
                   for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"))
    assert owners_in(engine.data_dir) == {NOBODY}
    for role in ("dispatcher", "api", "ingest"):  # who comes back is the same
        for pid in engine.pids(role):
            os.kill(pid, 9)
        wait_for(lambda: engine.is_ready(), "it is back")
    assert 0 not in uids_of(engine)
    assert engine.wait_settled()["delivered"] == 1


def test_settings_name_the_users(make):
    engine = make(user=str(SOMEBODY), sender_user="54321").start()
    assert uids_of(engine) == {SOMEBODY, 54321}
    assert uids_of(engine, "sender") == {54321}
    assert owners_in(engine.data_dir) == {SOMEBODY}


def test_owner_of_the_directory_is_taken(make):
    if has_account("posthorn"):
        pytest.skip("that account comes first")
    engine = make()
    engine.data_dir.mkdir(mode=0o700)
    os.chown(engine.data_dir, SOMEBODY, SOMEBODY)
    engine.start()
    assert uids_of(engine, "api") == {SOMEBODY}
    assert uids_of(engine, "sender") == {NOBODY}


def test_directory_of_an_earlier_version_is_handed_over(make, receiver):
    """One that root owns, as all were: also while nobody else can go there, the
    engine works as before."""
    engine = make()
    engine.directory.chmod(0o700)
    engine.start()
    assert "the roles stay root" in engine.log()
    assert uids_of(engine, "api") == {0} != uids_of(engine, "sender")
    hook = engine.create_hook(receiver.url())
    deliver(engine, receiver)
    engine.wait_deliveries(hook, 1)
    assert engine.stop() == 0
    assert owners_in(engine.data_dir) == {0}
    engine.directory.chmod(0o755)
    engine.start()
    assert owners_in(engine.data_dir) == {NOBODY}
    deliver(engine, receiver)
    assert len(engine.wait_deliveries(hook, 2)) == 2
    assert engine.wait_settled()["delivered"] == 2


def test_commands_of_root_leave_the_engine_its_files(make, receiver):
    engine = make().start()
    engine.create_hook(receiver.url(), secret="0123456789abcdef0123456789")
    deliver(engine, receiver)
    backup = engine.directory / "backup"
    run("verify", "--data-dir", engine.data_dir)
    run("backup", "--data-dir", engine.data_dir, backup)
    assert owners_in(engine.data_dir) == {NOBODY}
    assert engine.stop() == 0
    run("rekey", "--data-dir", engine.data_dir)
    (engine.data_dir / "events/lock.mdb").unlink()
    run("verify", "--data-dir", engine.data_dir)
    assert owners_in(engine.data_dir) == {NOBODY}
    engine.start()
    deliver(engine, receiver)
    assert engine.stop() == 0
    shutil.rmtree(engine.data_dir)
    run("restore", backup, "--data-dir", engine.data_dir)
    engine.start()
    assert owners_in(engine.data_dir) == {NOBODY}
    deliver(engine, receiver)


def test_key_elsewhere_is_made_for_the_roles(make, receiver):
    engine = make()
    keys = engine.directory / "keys"
    keys.mkdir(mode=0o755)
    engine.settings["secret_key_file"] = key = keys / "key"
    engine.start()
    assert key.stat().st_uid == NOBODY
    assert engine.stop() == 0
    run("rekey", "--data-dir", engine.data_dir,
        POSTHORN_SECRET_KEY_FILE=str(key))
    assert key.stat().st_uid == NOBODY
    engine.start()
    assert engine.stop() == 0
    os.chown(key, 0, 0)
    assert f"run chown {NOBODY} {key}" in refusal(engine)
    os.chown(key, NOBODY, NOBODY)
    keys.chmod(0o700)
    assert f"{key} cannot be read by the user {NOBODY}" in refusal(engine)
    keys.chmod(0o755)
    key.chmod(0o404)
    assert f"run chmod o= {key}" in refusal(engine)


def test_token_that_root_writes_is_read_after_a_reload(make):
    engine = make().start()
    token = engine.data_dir / "admin.token"
    token.unlink()
    token.write_text("phk_" + "a" * 40 + "\n")
    token.chmod(0o600)
    assert owners_in(engine.data_dir) == {0, NOBODY}
    engine.process.send_signal(1)
    wait_for(lambda: owners_in(engine.data_dir) == {NOBODY}, "it is theirs")
    assert engine.stop() == 0
    token.chmod(0o604)
    assert f"run chmod o= {token}" in refusal(engine)


def test_directory_of_somebody_else_is_refused(make):
    engine = make(user="nobody")
    engine.data_dir.mkdir(mode=0o700)
    os.chown(engine.data_dir, SOMEBODY, SOMEBODY)
    words = refusal(engine)
    assert f"belongs to the user {SOMEBODY}" in words
    assert f"run chown -R {NOBODY}:" in words
    assert os.listdir(engine.data_dir) == []
    os.chown(engine.data_dir, 0, 0)
    (engine.data_dir / "events").mkdir()
    os.chown(engine.data_dir / "events", SOMEBODY, SOMEBODY)
    assert f"events in it belongs to the user {SOMEBODY}" in refusal(engine)


def test_what_lies_elsewhere_is_not_handed_over(make):
    """A link in the directory leads to a file of root's that is not ours."""
    engine = make()
    engine.start()
    assert engine.stop() == 0
    for name in ("hard", "soft"):
        (engine.directory / name).write_text("root's")
    os.link(engine.directory / "hard", engine.data_dir / "hard")
    os.symlink(engine.directory / "soft", engine.data_dir / "soft")
    engine.start()
    assert (engine.directory / "hard").stat().st_uid == 0
    assert (engine.directory / "soft").stat().st_uid == 0


@pytest.mark.parametrize("settings, words", [
    ({"user": "root"}, "user: must be a user other than root"),
    ({"user": "no-such-account"}, "run useradd --system no-such-account"),
    ({"user": "12345", "sender_user": "12345"},
     "sender_user: 12345 is also the user of the other roles"),
])
def test_users_are_checked(make, settings, words):
    assert words in refusal(make(**settings))


def test_user_that_cannot_go_to_the_data_is_refused(make):
    """Nobody stays root who was told to be somebody else."""
    engine = make(user="nobody")
    engine.directory.chmod(0o700)
    assert f"the user {NOBODY} cannot reach {engine.data_dir}" in refusal(engine)


@pytest.mark.skipif(not pathlib.Path(HOSTILE).exists(),
                    reason="without the hostile program")
def test_hostile_api_has_the_data_and_nothing_else(make):
    engine = make()
    program = engine.directory / "posthorn-hostile-other"
    shutil.copy(HOSTILE, program)
    engine.binary = str(program)
    engine.start()
    engine.api("GET", "/metrics", token=None)
    wait_for(lambda: "attacks over" in engine.log(), "it has tried", 20)
    tried = dict(re.findall(r"attack (.*): (\w+)", engine.log()))
    assert len(tried) == 15
    assert {name for name, what in tried.items() if what != "refused"} == set()
