# SPDX-License-Identifier: MIT
"""Pulumi's command line, built from its source, against a running engine."""

import os
import re
import subprocess

from conftest import finish
from engine import Engine
from receiver import Receiver

ROOT = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"


class CommandLine:
    """Runs the program in a project named web, as somebody with the engine's token."""

    def __init__(self, program, engine, directory):
        self.program = program
        self.project = directory / "web"
        self.project.mkdir()
        (self.project / "Pulumi.yaml").write_text("name: web\nruntime: yaml\n")
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(directory),
            "PULUMI_HOME": str(directory / "home"), "NO_COLOR": "1",
            "PULUMI_ACCESS_TOKEN": engine.token,
            "PULUMI_BACKEND_URL": f"http://127.0.0.1:{engine.api_port}",
            "PULUMI_SKIP_UPDATE_CHECK": "1"}
        self.n_commands = 0

    def run(self, words, *more, fails=False):
        """All that the command prints."""
        command = [*words.split(), *more]
        done = subprocess.run(
            [str(self.program), *command, "--non-interactive"], cwd=self.project,
            env=self.environment, capture_output=True, text=True, timeout=120)
        text = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"pulumi {command}: {text}"
        self.n_commands += 1
        return text


def rows(engine, path):
    return engine.api("GET", path).json()


def nobody_is_known(pulumi, engine, url):
    """A machine on which nothing has named an organization."""
    assert "admin@posthorn" in pulumi.run("whoami")
    for command in ("org webhook ls", "stack webhook ls --stack dev",
                    "env webhook ls dev"):
        assert "default_organization" in pulumi.run(command, fails=True)
    text = pulumi.run("stack webhook new --stack acme/web/unnamed --name n --yes",
                      "--url", url)
    assert re.search("Organization: +acme", text), text
    assert len(rows(engine, "/api/stacks/acme/web/unnamed/hooks")) == 1


def organizations(pulumi, engine, url):
    """There is one now, which is the default."""
    pulumi.run("org webhook new --name o --yes", "--url", url)
    (hook,) = rows(engine, "/api/orgs/acme/hooks")
    assert hook["name"] in pulumi.run("org webhook ls")


def stacks(pulumi, engine, url):
    assert "unnamed" in pulumi.run("stack ls -a")
    pulumi.run("stack init acme/web/dev")
    assert "already exists" in pulumi.run("stack init acme/web/dev", fails=True)
    pulumi.run("stack init acme/web/gone")
    pulumi.run("stack select --create acme/web/chosen")
    text = pulumi.run("stack")
    assert "Current stack is chosen" in text and "Owner: acme" in text, text
    pulumi.run("stack webhook new --name s --yes", "--url", url)
    (hook,) = rows(engine, "/api/stacks/acme/web/chosen/hooks")
    assert hook["name"] in pulumi.run("stack webhook ls")
    pulumi.run("stack webhook ping", hook["name"])
    pulumi.run("stack select acme/web/dev")
    assert '"version": 3' in pulumi.run("stack export")
    pulumi.run("stack rm acme/web/gone --yes")
    assert "webhooks" in pulumi.run("stack rm acme/web/chosen --yes", fails=True)
    for command in ("stack ls", "stack ls -a", "stack ls -o acme -p web"):
        text = pulumi.run(command)
        assert all(name in text for name in ("dev", "chosen", "unnamed")), text
        assert "gone" not in text, text
    assert "dev" not in pulumi.run("stack ls -o nobody")


def environments(pulumi, engine, url):
    assert pulumi.run("env ls").strip() == ""
    # In two parts: acme is an organization, and web is none.
    pulumi.run("env webhook new acme/prod e --url", url)
    assert len(rows(engine, "/api/esc/environments/acme/default/prod/hooks")) == 1
    pulumi.run("env webhook new web/prod e --url", url)
    (hook,) = rows(engine, "/api/esc/environments/acme/web/prod/hooks")
    pulumi.run("env webhook new acme/other/prod e --url", url)
    assert hook["name"] in pulumi.run("env webhook ls web/prod")
    pulumi.run("env webhook ping web/prod", hook["name"])
    wanted = ["acme/default/prod", "acme/other/prod", "acme/web/prod"]
    assert pulumi.run("env ls").split() == wanted
    assert pulumi.run("env ls -o acme -p web").split() == ["acme/web/prod"]


def default_organization(pulumi, engine):
    """With a second organization only the setting says which."""
    engine.post_event(org="beta")
    assert "default_organization" in pulumi.run("org webhook ls", fails=True)
    assert engine.stop() == 0
    engine.restart(default_organization="acme")
    assert "1 webhook" in pulumi.run("org webhook ls")


def check(program, directory):
    """Returns how many commands were run."""
    receiver = Receiver()
    engine = Engine(directory).start()
    try:
        pulumi = CommandLine(program, engine, directory)
        url = receiver.url("/hook")
        nobody_is_known(pulumi, engine, url)
        organizations(pulumi, engine, url)
        stacks(pulumi, engine, url)
        environments(pulumi, engine, url)
        default_organization(pulumi, engine)
        finish(engine)
        return pulumi.n_commands
    finally:
        if engine.is_running():
            engine.kill9()
        receiver.stop()
