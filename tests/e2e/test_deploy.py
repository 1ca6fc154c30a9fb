# SPDX-License-Identifier: MIT
"""What stands in deploy/: the sample configuration, install-deps and the quickstart."""

import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

from engine import BINARY, group_members
from nats_servers import find_server
from support import ROOT, free_ports, wait_for

SAMPLE = ROOT / "deploy" / "posthorn.conf"


def run_posthorn(*args):
    return subprocess.run([BINARY, *args], capture_output=True, text=True,
                          timeout=20, cwd=ROOT)


# --- the sample configuration ---

def test_sample_is_good():
    result = run_posthorn("config", "--check", str(SAMPLE))
    assert result.returncode == 0, result.stdout + result.stderr


def test_sample_shows_every_setting_with_its_default():
    printed = dict(re.findall(r"(?m)^(\w+) = (.*?) +#",
                              run_posthorn("config").stdout))
    shown = dict(re.findall(r"(?m)^#?(\w+) = ?(.*)$", SAMPLE.read_text()))
    assert len(printed) > 15
    shown["data_dir"] = "./var"  # the one that a service has elsewhere
    assert shown == {name: value.strip() for name, value in printed.items()}


def test_bad_configuration_is_refused(tmp_path):
    path = tmp_path / "bad.conf"
    path.write_text("senders = 99\nsender = 1\n")
    result = run_posthorn("config", "--check", str(path))
    assert result.returncode == 1
    output = result.stdout + result.stderr
    assert "senders" in output and '"sender"' in output


def test_version():
    result = run_posthorn("version")
    assert result.returncode == 0
    assert "posthorn 1.0.0-rc1\n" in result.stdout


# --- the sample of a server's configuration ---

SERVER = ROOT / "deploy" / "nats-server.conf"


def test_the_servers_take_their_sample(tmp_path):
    """As it is, and with all that is a comment: a setting follows its # without a space."""
    program = find_server()
    sample = SERVER.read_text()
    whole = re.sub(r"(?m)^( *)#(?=\w|\}|    )", r"\1", sample).replace("/etc/nats/", f"{tmp_path}/")
    assert "\n    tls {" in whole and "\ntls {" in whole and "\naccounts {" in whole
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=n1",
                    "-keyout", "server.key", "-out", "server.pem"],
                   cwd=tmp_path, check=True, capture_output=True)
    shutil.copy(tmp_path / "server.pem", tmp_path / "ca.pem")
    for text in (sample, whole):
        path = tmp_path / "nats-server.conf"
        path.write_text(text)
        judged = subprocess.run([program, "-t", "-c", path], capture_output=True, text=True,
                                timeout=20)
        assert judged.returncode == 0, judged.stderr
    (tmp_path / "ca.pem").unlink()  # it looks at what is in the blocks
    assert subprocess.run([program, "-t", "-c", path], capture_output=True).returncode != 0


# --- what install-deps adds to apt ---

class Apt:
    """A machine whose apt does nothing but say what it was asked, with files of apt of
    its own; nothing is installed on it but `installed`."""

    SUITES = {"bookworm": "http://mirror.invalid/debian/",
              "bookworm-security": "http://mirror.invalid/debian-security/"}

    def __init__(self, directory, version="12", suites=SUITES):
        self.directory = directory
        for folder in ("bin", "sources", "preferences"):
            (directory / folder).mkdir()
        (directory / "apt.conf").write_text(
            f'Dir::Etc::sourceparts "{directory}/sources";\n'
            f'Dir::Etc::preferencesparts "{directory}/preferences";\n')
        (directory / "os-release").write_text(
            f'ID=debian\nVERSION_ID="{version}"\nPRETTY_NAME="Debian {version}"\n')
        targets = "\n".join(f"{name} {at}" for name, at in suites.items())
        self.write("apt-get", f"""
            if [ "$1" = indextargets ]; then echo "{targets}"; exit; fi
            echo "$*" >>{directory}/asked""")
        self.path = os.environ["PATH"]
        self.offers({})
        self.has_all(False)
        self.sources = directory / "sources" / "posthorn-trixie.list"
        self.pins = directory / "preferences" / "posthorn-trixie"

    def write(self, name, text):
        path = self.directory / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def has_all(self, yes):
        self.write("dpkg-query", """
            case $* in *Version*) echo "installed 3.6.4-1"; exit ;; esac
            for name; do [ "${name#-}" != "$name" ] || echo "installed $name"; done"""
                   if yes else "exit 1")

    def offers(self, versions):
        """apt could install 3.6 of everything but these; None: not at all."""
        cases = "\n".join(f'{name}) echo "  Candidate: {version or "(none)"}" ;;'
                          for name, version in versions.items())
        self.write("apt-cache", f"""
            case $2 in {cases}
            *) echo "  Candidate: 3.6.4-1" ;;
            esac""")

    def hide(self, name):
        """No program of this name is found, wherever the machine has one."""
        folder = self.directory / "path"
        folder.mkdir()
        for place in os.environ["PATH"].split(":"):
            for program in (os.listdir(place) if os.path.isdir(place) else ()):
                if program != name and not os.path.lexists(folder / program):
                    os.symlink(os.path.join(place, program), folder / program)
        self.path = str(folder)

    def install_deps(self, *options, status=0, **environment):
        """What it printed, and what apt-get was asked for."""
        asked = self.directory / "asked"
        asked.unlink(missing_ok=True)
        result = subprocess.run(
            [ROOT / "deploy" / "install-deps", *options], capture_output=True, text=True,
            timeout=60, env={**os.environ, "APT_CONFIG": str(self.directory / "apt.conf"),
                             "OS_RELEASE": str(self.directory / "os-release"),
                             "PATH": f"{self.directory}/bin:{self.path}", **environment})
        assert result.returncode == status, result.stdout + result.stderr
        return result.stdout + result.stderr, asked.read_text() if asked.exists() else ""


needs_apt = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("apt-config"),
    reason="needs root, and apt to find its files")


@needs_apt
def test_install_deps_takes_security_updates_of_what_is_newer(tmp_path):
    apt = Apt(tmp_path)
    printed, asked = apt.install_deps()
    sources = apt.sources.read_text()
    assert "http://mirror.invalid/debian/ trixie main" in sources
    assert "http://mirror.invalid/debian-security/ trixie-security main" in sources
    pins = apt.pins.read_text()
    for suite in ("trixie", "trixie-security"):
        # Everything is held back, but for the few.
        refused, taken = re.findall(
            rf"Package: (.*)\nPin: release n={suite}\nPin-Priority: (.*)\n", pins)
        assert refused == ("*", "-1")
        assert taken[1] == "990" and "libmbed*" in taken[0] and " * " not in taken[0]
    # It says what it adds, where that is, and how to take it away.
    for line in (sources + pins).splitlines():
        assert line in printed
    assert f"rm {apt.pins} {apt.sources}" in printed
    assert "install" in asked and "libmbedtls-dev" in asked


@needs_apt
def test_install_deps_says_that_there_are_no_security_updates(tmp_path):
    apt = Apt(tmp_path, suites={"bookworm": "http://mirror.invalid/debian/"})
    printed, _ = apt.install_deps()
    assert "NO SECURITY UPDATES" in printed and str(apt.sources) in printed
    assert "deb " not in apt.sources.read_text().split("trixie main")[1]


@needs_apt
def test_install_deps_mends_what_an_earlier_version_wrote(tmp_path):
    apt = Apt(tmp_path)
    apt.has_all(True)
    apt.sources.write_text("deb http://mirror.invalid/debian/ trixie main\n")
    _, asked = apt.install_deps()
    assert "trixie-security" in apt.sources.read_text()
    assert "update" in asked and "install" not in asked
    assert apt.install_deps() == ("", ""), "the second time nothing is to be done"


@needs_apt
def test_install_deps_adds_nothing_where_nothing_is_too_old(tmp_path):
    apt = Apt(tmp_path, version="13")
    apt.install_deps()
    assert not apt.sources.exists() and not apt.pins.exists()


@needs_apt
@pytest.mark.parametrize("offered", ["2.28.8-1", "4.0.0-1", "4.0~rc1-1"])
def test_install_deps_says_all_that_is_missing_before_it_installs(tmp_path, offered):
    apt = Apt(tmp_path, version="24.04")
    apt.offers({"libllhttp-dev": None, "libmbedtls-dev": offered})
    printed, asked = apt.install_deps(status=1)
    assert "libllhttp-dev (apt knows none)" in printed
    assert f"libmbedtls-dev from 3.6 and below 4 (apt has {offered})" in printed
    assert "Debian 24.04 lacks" in printed and "Containerfile" in printed
    assert "update" in asked and "install" not in asked


@needs_apt
def test_install_deps_leaves_apt_as_it_was_when_it_refuses(tmp_path):
    """Also where Debian 13's packages can be judged only once apt knows them."""
    apt = Apt(tmp_path)
    for lacking, was_asked in (("cmake", False), ("libllhttp-dev", True)):
        apt.offers({lacking: None})
        printed, asked = apt.install_deps(status=1)
        assert f"{lacking} (apt knows none)" in printed
        assert ("adds to apt" in printed) == was_asked
        assert not apt.sources.exists() and not apt.pins.exists()
        assert " install " not in asked


@needs_apt
def test_install_deps_takes_promtool_alone_out_of_its_package(tmp_path):
    """No server is installed, so none is started."""
    apt = Apt(tmp_path, version="13")
    apt.has_all(True)
    apt.hide("promtool")
    package = tmp_path / "package" / "usr" / "bin"
    package.mkdir(parents=True)
    (package / "promtool").write_text("the checker")
    (package / "prometheus").write_text("the server")
    apt.write("apt-get", f"""
        echo "$*" >>{tmp_path}/asked
        case $* in *download*) touch prometheus_2_all.deb ;; esac""")
    apt.write("dpkg-deb", f"exec tar -c -C {tmp_path}/package .")
    target = tmp_path / "local" / "promtool"
    _, asked = apt.install_deps("--tests", PROMTOOL=str(target))
    assert "download prometheus" in asked and " install " not in asked
    assert target.read_text() == "the checker" and os.access(target, os.X_OK)
    assert os.listdir(target.parent) == ["promtool"]
    assert apt.install_deps("--tests", PROMTOOL=str(target)) == ("", "")


@needs_apt
def test_install_deps_brings_a_server_that_is_not_started(tmp_path):
    apt = Apt(tmp_path, version="13")
    apt.hide("nats-server")
    # Its package enables the service that is not masked, and would start it.
    units = tmp_path / "units"
    apt.write("apt-get", f"""
        case $* in *nats-server*)
            readlink {units}/nats-server.service >>{tmp_path}/asked
            mkdir -p {units}/multi-user.target.wants
            ln -s x {units}/multi-user.target.wants/nats-server.service ;;
        esac
        echo "$*" >>{tmp_path}/asked""")
    world = {"SYSTEMD_UNITS": str(units), "NATS_SERVER": "/nowhere"}
    _, asked = apt.install_deps("--cluster", **world)
    masked, installed = asked.splitlines()[-2:]
    assert masked == "/dev/null"
    assert "nats-server" in installed and "libnats-dev" in installed
    assert [path for path in units.rglob("*") if not path.is_dir()] == []
    apt.offers({"nats-server": "2.9.10-1+b3"})
    printed, asked = apt.install_deps("--cluster", status=1, **world)
    assert "nats-server from 2.10.27 (apt has 2.9.10-1+b3)" in printed
    assert " install " not in asked


def test_another_mbedtls_is_refused_with_a_sentence(tmp_path):
    """The configuration, where pkg-config knows no other mbedTLS."""
    for name in ("mbedx509", "mbedtls"):
        (tmp_path / f"{name}.pc").write_text(
            f"Name: {name}\nDescription: x\nVersion: 4.0.0\nLibs: -l{name}\n")
    result = subprocess.run(
        ["cmake", "-S", ROOT, "-B", tmp_path / "build"], capture_output=True, text=True,
        timeout=100, env={**os.environ, "PKG_CONFIG_PATH": str(tmp_path)})
    said = " ".join(result.stderr.split())
    assert result.returncode != 0
    assert "mbedTLS is 4.0.0 here" in said and "It needs 3.6" in said


# --- the quickstart ---

def heed_ctrl_c():
    """Whoever runs the tests in the background ignores it, and so would all
    that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def quickstart(tmp_path):
    """Starts it with a data directory and ports of its own, and a terminal's
    signals; whatever it leaves behind is ended."""
    started = []

    def start(*args, ports=None):
        ports = ports or free_ports(3)
        log = open(tmp_path / "output", "w+")
        process = subprocess.Popen(
            ["deploy/quickstart", "--ports", ",".join(map(str, ports)), *args],
            cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=heed_ctrl_c,
            env={**os.environ, "POSTHORN_DATA_DIR": str(tmp_path / "data")})
        process.output = lambda: (tmp_path / "output").read_text()
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


def assert_shown(output):
    assert "signature: valid" in output
    assert re.search(r"all of the answer at +\d+ µs", output)


def test_quickstart_once(quickstart):
    for _ in range(2):  # the second time there is a hook already
        process = quickstart("--once")
        assert process.wait(300) == 0, process.output()
        assert_shown(process.output())


def test_quickstart_until_ctrl_c(quickstart):
    ports = free_ports(3)
    process = quickstart(ports=ports)
    wait_for(lambda: "What arrives" in process.output(), "it runs", 300)
    assert_shown(process.output())
    link = re.search(r"^dashboard +http://posthorn\.localhost:(\d+)/dashboard/login#[\w-]{22}$",
                     process.output(), re.MULTILINE)
    assert link and int(link.group(1)) == ports[0]
    os.killpg(process.pid, signal.SIGINT)
    wait_for(lambda: process.poll() is not None,
             f"it ends; processes: {group_members(process.pid)}", 20)
    assert process.returncode == 0, process.output()
    assert not group_members(process.pid)
    for port in ports:  # the engine and the receiver have ended, too
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_quickstart_names_the_port_in_use(quickstart):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        a, b = free_ports(2)
        process = quickstart("--once", ports=(a, port, b))
        assert process.wait(300) == 1
    assert f"127.0.0.1:{port} (for the intake) is in use" in process.output()
    assert "--ports" in process.output()
