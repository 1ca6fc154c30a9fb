# SPDX-License-Identifier: MIT
"""README.md: the commands under "Every operation, to copy" work as written."""

import os
import re
import subprocess

from engine import BINARY
from support import ROOT

HEADING = "## Every operation, to copy"


def section():
    text = (ROOT / "README.md").read_text()
    assert HEADING in text
    return text.split(HEADING, 1)[1].split("\n## ", 1)[0]


def blocks():
    return re.findall(r"```sh\n(.*?)```", section(), re.DOTALL)


def places():
    """Pairs of lines: where the hooks are, and what their bodies say of it."""
    return re.findall(r"^(HOOKS=.*\nPLACE=.*)$", section(), re.MULTILINE)


def run(script, engine, receiver):
    """What a person would paste, with the test's addresses instead."""
    script = script.replace("http://127.0.0.1:8080",
                            f"http://127.0.0.1:{engine.api_port}")
    script = script.replace("http://127.0.0.1:8081",
                            f"http://127.0.0.1:{engine.ingest_port}")
    script = script.replace("http://127.0.0.1:9000", receiver.url("").rstrip("/"))
    script = script.replace("var/admin.token",
                            str(engine.data_dir / "admin.token"))
    script = script.replace("build/posthorn", BINARY)
    # Who follows may take longer than a second to begin: something happens until then.
    script = re.sub(r"^\(sleep 1; (.*)\) &$", r"(while sleep 1; do \1; done) &", script,
                    flags=re.MULTILINE).replace("timeout 20 ", "timeout 100 ")
    script = f"trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n{script}"
    result = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        capture_output=True, text=True, timeout=240, cwd=ROOT,
        env={**os.environ, "POSTHORN_DATA_DIR": str(engine.data_dir),
             "POSTHORN_INGEST_LISTEN": f"127.0.0.1:{engine.ingest_port}",
             "POSTHORN_API_LISTEN": f"127.0.0.1:{engine.api_port}"})
    assert result.returncode == 0, f"{result.stdout}{result.stderr}"
    return result.stdout


def test_every_operation(engine, receiver):
    output = run("\n".join(blocks()), engine, receiver)
    for place in (r'"displayName":"Audit log"', r'"kind":"ping"',
                  r'"accepted":2', r'"format":"pulumi_deployments"'):
        assert place in output
    assert receiver.got("/audit")


def test_hooks_in_every_place(engine, receiver):
    found = places()
    assert len(found) == 4
    setup, _, hooks = blocks()[:3]
    for place in found:
        output = run("\n".join((setup, place, hooks,
                                'call -X DELETE "$HOOKS/audit"')),
                     engine, receiver)
        assert '"kind":"ping"' in output
