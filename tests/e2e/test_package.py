# SPDX-License-Identifier: MIT
"""The Debian package, as far as it can be judged without one being built: the unit's
accounts, and what must not drift apart. tests/service/packaged tries the package itself."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pytest

from engine import BINARY, Engine
from support import ROOT, wait_for
from test_sandbox import status_of
from test_service import needs_systemd, unit_with

DEBIAN = ROOT / "deploy/debian"
ACCOUNTS = DEBIAN / "accounts.conf"
ROLES, SENDERS = 12345, 12346


def with_accounts(directory):
    """The unit with the drop-in of the package, of the program that is there."""
    unit = unit_with(directory, BINARY)
    (directory / "posthorn.service.d").mkdir()
    shutil.copy(ACCOUNTS, directory / "posthorn.service.d")
    return unit


def test_the_package_has_the_programs_version():
    said = subprocess.run([BINARY, "version"], check=True, capture_output=True, text=True)
    version = said.stdout.split()[1].replace("-rc", "~rc")
    assert re.match(rf"posthorn \({re.escape(version)}-\d+\) ",
                    (DEBIAN / "changelog").read_text())


def test_the_package_is_built_with_what_install_deps_installs():
    wanted = re.search(r"(?s)^wanted=\((.*?)\)", (ROOT / "deploy/install-deps").read_text(),
                       re.M).group(1).split()
    control = (DEBIAN / "control").read_text()
    needed = re.search(r"(?s)Build-Depends:\n(.*?)\n\S", control).group(1)
    libraries = {word for word in wanted if word.startswith("lib") and word != "libc6-dev"}
    assert libraries | {"libnats-dev"} == set(re.findall(r"(?m)^ (lib[\w.-]+)", needed))


def test_the_sample_has_the_line_that_the_package_changes():
    assert "\n#sender_user = nobody\n" in (ROOT / "deploy/posthorn.conf").read_text()
    users = re.findall(r"(?m)^u (\S+) -", (DEBIAN / "posthorn.sysusers").read_text())
    assert users == ["posthorn", "posthorn-sender"]
    assert "sender_user = posthorn-sender" in (DEBIAN / "rules").read_text()


@needs_systemd
def test_systemd_understands_the_unit_with_accounts(tmp_path):
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", with_accounts(tmp_path)],
        capture_output=True, text=True)
    said = [line for line in (result.stdout + result.stderr).splitlines()
            if "posthorn" in line]
    assert said == []


@pytest.fixture
def behind_the_drop_in():
    """A plain build as root, with the capabilities and the filter of the drop-in."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="posthorn-package-"))
    directory.chmod(0o755)
    shutil.copy(ROOT / "build/posthorn", directory)
    engine = Engine(directory, user=str(ROLES), sender_user=str(SENDERS))
    kept = re.search(r"(?m)^CapabilityBoundingSet=(.*)$", ACCOUNTS.read_text()).group(1)
    caps = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in kept.split())
    options = engine.command()[1:]
    engine.command = lambda: [
        "setpriv", "--no-new-privs", "--inh-caps=-all", f"--bounding-set=-all,{caps}",
        sys.executable, str(ROOT / "tests/e2e/unit_filter.py"), "--drop-in", str(ACCOUNTS),
        str(directory / "posthorn"), *options]
    # As tmpfiles makes it.
    engine.data_dir.mkdir(mode=0o700)
    os.chown(engine.data_dir, ROLES, ROLES)
    yield engine
    if engine.is_running():
        engine.kill9()
    shutil.rmtree(directory)


@needs_systemd
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_two_accounts_work_behind_the_drop_ins_filter(receiver, behind_the_drop_in):
    """Nothing is refused that a role or the supervisor needs; nobody but the supervisor
    is root or has a capability."""
    engine = behind_the_drop_in.start()
    engine.create_hook(receiver.url("/it"))
    engine.post_event()
    receiver.wait(1, path="/it")
    main = engine.process.pid
    for pid in engine.pids():
        fields = status_of(pid)
        if pid != main:
            assert int(fields["CapEff"], 16) == 0 == int(fields["CapBnd"], 16)
            assert "0" not in fields["Uid"].split()
    assert {int(status_of(pid)["Uid"].split()[0]) for pid in engine.pids("sender")} == {
        SENDERS}
    engine.process.send_signal(1)
    wait_for(lambda: "settings reloaded" in engine.log(), "it was reloaded")
    assert engine.stop() == 0
    engine.check_log()
    assert "seccomp=yes" in engine.log()
    assert "level=warn" not in engine.log() and "level=fatal" not in engine.log()
