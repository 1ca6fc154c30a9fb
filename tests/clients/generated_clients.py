# SPDX-License-Identifier: MIT
"""Clients that published generators make of api/openapi.json, compiled, and called
against a running engine: openapi-python-client (PyPI) and @hey-api/openapi-ts (npm)."""

import filecmp
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent / "generated"
DOCUMENT = HERE.parent.parent.parent / "api/openapi.json"


def run(*command, cwd, **more):
    return subprocess.run([str(word) for word in command], cwd=cwd, text=True,
                          capture_output=True, timeout=900, **more)


def must(*command, cwd):
    done = run(*command, cwd=cwd)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def is_installed(directory, *lists):
    """Is there what these lists name? Then the registry is not asked."""
    return all((directory / name).exists()
               and filecmp.cmp(HERE / name, directory / name, shallow=False)
               for name in lists)


def python_prepare(directory):
    """None: what is needed is there. Else why it cannot be."""
    if is_installed(directory, "requirements.txt"):
        return None
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    must(sys.executable, "-m", "venv", "venv", cwd=directory)
    done = run("venv/bin/pip", "install", "-q", "--no-deps",
               "--disable-pip-version-check", "-r", HERE / "requirements.txt",
               cwd=directory)
    if done.returncode != 0:
        return f"no packages from PyPI: {done.stderr.strip()[-300:]}"
    shutil.copy(HERE / "requirements.txt", directory)
    return None


def python_check(directory, arguments):
    package = directory / "posthorn_client"
    shutil.rmtree(package, ignore_errors=True)
    (directory / "config.yaml").write_text("post_hooks: []\n")
    must("venv/bin/openapi-python-client", "generate", "--path", DOCUMENT,
         "--config", "config.yaml", "--meta", "none", "--output-path", package,
         cwd=directory)
    must("venv/bin/python", "-m", "compileall", "-q", package, cwd=directory)
    shutil.copy(HERE / "call_each_tag.py", directory)
    must("venv/bin/python", "call_each_tag.py", DOCUMENT, *arguments, cwd=directory)


def typescript_prepare(directory):
    lists = ("package.json", "package-lock.json")
    if shutil.which("npm") is None:
        return "no npm"
    if (directory / "node_modules/.bin/tsc").exists() and is_installed(
            directory, *lists):
        return None
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in lists:
        shutil.copy(HERE / name, directory)
    done = run("npm", "ci", "--no-audit", "--no-fund", cwd=directory,
               env={**os.environ, "npm_config_update_notifier": "false"})
    if done.returncode != 0:
        return f"no packages from npm: {done.stderr.strip()[-300:]}"
    return None


def typescript_check(directory, arguments):
    for old in ("client", "js"):
        shutil.rmtree(directory / old, ignore_errors=True)
    for name in ("tsconfig.json", "call_each_tag.ts"):
        shutil.copy(HERE / name, directory)
    must("node_modules/.bin/openapi-ts", "-i", DOCUMENT, "-o", "client",
         "-c", "@hey-api/client-fetch", cwd=directory)
    must("node_modules/.bin/tsc", "-p", ".", cwd=directory)
    must("node", "js/call_each_tag.js", DOCUMENT, *arguments, cwd=directory)


def check(call, directory):
    """Runs `call` with what it needs to reach an engine that lives in `directory`."""
    from conftest import finish
    from engine import Engine
    from receiver import Receiver

    receiver = Receiver()
    engine = Engine(directory).start()
    try:
        call([f"http://127.0.0.1:{engine.api_port}",
              f"http://127.0.0.1:{engine.ingest_port}", receiver.url("/hook"),
              engine.token])
        finish(engine)
    finally:
        if engine.is_running():
            engine.kill9()
        receiver.stop()
