# SPDX-License-Identifier: MIT
"""The SDKs of CloudEvents for Python (PyPI) and JavaScript (npm): what they make is posted
in every mode of HTTP, and what a hook sends is read by them."""

import os
import pathlib
import shutil
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
