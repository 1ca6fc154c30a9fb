"""What stands in deploy/: the sample configuration and the quickstart."""

import os
import re
import signal
import socket
import subprocess

import pytest

from engine import BINARY, group_members
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
    assert "0.1.0" in result.stdout


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
