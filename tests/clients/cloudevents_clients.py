# SPDX-License-Identifier: MIT
"""The SDKs of CloudEvents for Python (PyPI) and JavaScript (npm): what they make is posted
in every mode of HTTP, and what a hook sends is read by them. The SDK for Go, which knows the
handshake, allows what a hook sends, or not."""

import os
import pathlib
import shutil
import subprocess
import sys

from generated_clients import must, run

HERE = pathlib.Path(__file__).resolve().parent / "cloudevents"


def is_installed(directory, name):
    return ((directory / name).exists()
            and (directory / name).read_bytes() == (HERE / name).read_bytes())


def python_prepare(directory):
    """None: what is needed is there. Else why it cannot be."""
    if is_installed(directory, "requirements.txt"):
        return None
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    must(sys.executable, "-m", "venv", "venv", cwd=directory)
    done = run("venv/bin/pip", "install", "--no-deps", "-r", HERE / "requirements.txt",
               cwd=directory)
    if done.returncode != 0:
        return f"no packages from PyPI: {done.stderr.strip()[-300:]}"
    shutil.copy(HERE / "requirements.txt", directory)
    return None


def python_check(directory, arguments):
    must("venv/bin/python", HERE / "exchange.py", *arguments, cwd=directory)


def javascript_prepare(directory):
    if shutil.which("npm") is None:
        return "no npm"
    if is_installed(directory, "package-lock.json"):
        return None
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    shutil.copy(HERE / "package.json", directory)
    shutil.copy(HERE / "package-lock.json", directory / "package-lock.json")
    done = run("npm", "ci", "--no-audit", "--no-fund", cwd=directory,
               env={**os.environ, "npm_config_update_notifier": "false"})
    if done.returncode != 0:
        (directory / "package-lock.json").unlink()
        return f"no packages from npm: {done.stderr.strip()[-300:]}"
    return None


def javascript_check(directory, arguments):
    shutil.copy(HERE / "exchange.mjs", directory)
    must("node", "exchange.mjs", *arguments, cwd=directory)


def check_go(program, directory):
    """The SDK's own answer to the handshake lets events go, at the rate that it names; to
    somebody else it lets none go."""
    from conftest import finish
    from engine import Engine
    from support import wait_for

    engine = Engine(directory, webhook_origin="engine.example.com").start()
    receivers = [subprocess.Popen([program, *words], stdout=subprocess.PIPE, text=True)
                 for words in (["engine.example.com", "120"], ["else.example.com", "120"])]
    try:
        urls = [f"http://127.0.0.1:{int(r.stdout.readline())}/" for r in receivers]
        hooks = [engine.create_hook(url, format="cloudevents", handshake=True) for url in urls]
        event = engine.post_event(payload={"n": 1})
        assert receivers[0].stdout.readline() == 'order.created {"n":1}\n'
        assert engine.wait_deliveries(hooks[0], 1)[0]["responseCode"] in (200, 202, 204), event
        state = wait_for(lambda: (lambda s: s["state"] == "refused" and s)(
            engine.api("GET", hooks[1]).json()["handshakeState"]), "the other one refuses")
        assert "status 400" in state["reason"]
        assert engine.api("GET", hooks[0]).json()["handshakeState"]["ratePerMinute"] == 120
        assert engine.deliveries(hooks[1]) == []
        finish(engine)
    finally:
        if engine.is_running():
            engine.kill9()
        for receiver in receivers:
            receiver.kill()
            receiver.wait()
