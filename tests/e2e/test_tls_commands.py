# SPDX-License-Identifier: MIT
"""The commands of an engine whose listeners speak TLS: whom they trust, and how they show
who they are."""

import json
import os
import subprocess

from engine import BINARY
from support import PATIENCE_S, wait_for
from tls_world import context_for, engine, files, make

__all__ = ["engine", "files", "make"]  # fixtures


def posthorn(engine, *args, **variables):
    env = {k: v for k, v in os.environ.items() if not k.startswith("POSTHORN_")}
    return subprocess.run([BINARY, *args], capture_output=True, text=True,
                          timeout=PATIENCE_S, cwd=engine.directory,
                          env={**env, **{k: str(v) for k, v in variables.items()}})


def test_commands_find_an_engine_by_its_key(engine, files):
    """The directory names it: no authority is needed, and none can stand in."""
    where = ("--data-dir", str(engine.data_dir))
    made = posthorn(engine, "hook", "create", "--org", "acme", "--display-name", "all",
                    "--url", "http://127.0.0.1:9999/", *where)
    assert made.returncode == 0, made.stderr
    sent = posthorn(engine, "send", "--org", "acme", "--kind", "order.created", *where)
    assert sent.returncode == 0, sent.stderr
    assert posthorn(engine, "status", *where).returncode == 0
    copy = engine.directory / "copy"
    backup = posthorn(engine, "backup", str(copy), *where)
    assert backup.returncode == 0, backup.stderr
    files.take(*files.certificates.issue("next"))
    engine.hup()
    wait_for(lambda: engine.log().count("certificate reloaded") == 2, "it is new")
    assert posthorn(engine, "status", *where).returncode == 0
    note = engine.data_dir / "engine.json"
    value = json.loads(note.read_text())
    assert value["api_pins"].count("sha256//") == 2
    value["api_pins"] = value["ingest_pins"] = "sha256//" + "A" * 43 + "="
    note.write_text(json.dumps(value))
    wrong = posthorn(engine, "status", *where)
    assert wrong.returncode == 1 and "names another key" in wrong.stderr


def test_commands_trust_authorities_for_an_address(engine, files):
    url = f"https://127.0.0.1:{engine.api_port}"
    where = ("--api", url, "--token", engine.token)
    refused = posthorn(engine, "status", *where)
    assert refused.returncode == 1 and "--ca names" in refused.stderr
    ca = str(files.certificates.ca)
    assert posthorn(engine, "status", *where, "--ca", ca).returncode == 0
    assert posthorn(engine, "status", POSTHORN_API=url, POSTHORN_TOKEN=engine.token,
                    POSTHORN_INGEST=url, POSTHORN_CA=ca).returncode == 0


def test_commands_show_a_certificate_of_their_own(make, files):
    certificates = files.certificates
    mine = certificates.issue("client", usage="clientAuth")
    engine = make(api_tls_client_ca=str(certificates.ca))
    engine.context = context_for(certificates, chain=mine)
    engine.start()
    where = ("--data-dir", str(engine.data_dir))
    assert posthorn(engine, "status", *where).returncode == 1
    shown = posthorn(engine, "status", *where, "--cert", str(mine[0]), "--cert-key",
                     str(mine[1]))
    assert shown.returncode == 0, shown.stderr
