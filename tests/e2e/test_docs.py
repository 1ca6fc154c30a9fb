# SPDX-License-Identifier: MIT
"""The chapters in docs/: their commands work as written, their links lead somewhere, and
man pages and the site are made of them.

A fence says how its commands are tried (docs/README.md): `sh` as they stand, `sh root` with
a service manager that has the test's engine for the service, `sh root new` on a machine without
data, `sh elsewhere` not at all, except that the program must know the options and the tree
the files.
"""

import os
import pathlib
import re
import shlex
import subprocess
import threading
from html.parser import HTMLParser

import pytest

from engine import BINARY, Engine
from receiver import Answer
from support import ROOT, wait_for

DOCS = ROOT / "docs"
CHAPTERS = ("install", "concepts", "operate", "cluster", "comparison")
# Without sanitizers a command takes a tenth of the time, and here it is about the words.
RELEASE = os.environ.get("POSTHORN_RELEASE", str(ROOT / "build/posthorn"))
PROGRAM = RELEASE if pathlib.Path(RELEASE).exists() else BINARY
FENCE = re.compile(r"^```sh(?P<how>[a-z ]*)\n(?P<script>.*?)^```$", re.M | re.S)


def blocks(chapter):
    """[(how, script)] in the order of the chapter."""
    text = (DOCS / f"{chapter}.md").read_text()
    return [(match["how"].strip(), match["script"]) for match in FENCE.finditer(text)]


class Service(Engine):
    """The engine as a service, and `systemctl` for those who call it by its name."""

    def __init__(self, directory, receiver):
        super().__init__(directory, retry_schedule="50ms")
        self.binary = PROGRAM
        self.receiver = receiver
        (directory / "backup").mkdir()
        self.conf = directory / "posthorn.conf"
        self.conf.write_text("".join(f"{k} = {v}\n" for k, v in self.settings.items()))
        self.tools = directory / "bin"
        self.tools.mkdir()
        self.ask, self.reply = directory / "ask", directory / "reply"
        os.mkfifo(self.ask)
        os.mkfifo(self.reply)
        # A new hook counts within 100 ms; a person is slower than that.
        self.make_tool("posthorn", f"""{PROGRAM} "$@" || exit
            [ "$1 $2" != "hook create" ] || sleep 0.15""")
        self.make_tool("systemctl", f"""echo "$*" >{self.ask}
            read -r answer <{self.reply}
            echo "$answer"
            [ "$answer" != failed ]""")
        self.manager = threading.Thread(target=self.manage, daemon=True)
        self.manager.start()

    def make_tool(self, name, script):
        tool = self.tools / name
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    def command(self):
        return [self.binary, "serve", "--config", str(self.conf)]

    def manage(self):
        while (words := self.ask.read_text().split()) != ["end"]:
            try:
                answer = self.act(*words)
            except Exception as fault:  # the block fails, and shows the log
                print(fault)
                answer = "failed"
            self.reply.write_text(answer + "\n")

    def act(self, verb, unit):
        assert unit == "posthorn"
        if verb == "is-active":
            return "active" if self.is_running() else "failed"
        if verb in ("stop", "restart") and self.is_running():
            assert self.stop() == 0
        if verb in ("start", "restart"):
            self.start()
        if verb == "reload":
            n = self.log().count("settings reloaded")
            self.process.send_signal(1)
            wait_for(lambda: self.log().count("settings reloaded") > n, "it has reloaded")
            # The roles are told, and the API knows the token of the file a moment later.
            wait_for(lambda: self.api("GET", "/api/orgs").status == 200, "the API has, too")
        return verb

    def close(self):
        self.ask.write_text("end\n")
        self.manager.join()

    def here(self, script):
        """What a person would paste, with the test's places instead."""
        for old, new in (("127.0.0.1:8080", f"127.0.0.1:{self.api_port}"),
                         ("127.0.0.1:8081", f"127.0.0.1:{self.ingest_port}"),
                         ("http://127.0.0.1:9000", self.receiver.url("").rstrip("/")),
                         ("/etc/posthorn", str(self.directory)),
                         ("/var/lib/posthorn", str(self.data_dir)),
                         ("/backup/", f"{self.directory}/backup/")):
            script = script.replace(old, new)
        return script

    def paste(self, *scripts):
        """Commands that are pasted one block after the other into one shell."""
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", self.here("\n".join(scripts))],
            capture_output=True, text=True, timeout=240, cwd=self.directory,
            env={**os.environ, "PATH": f"{self.tools}:{os.environ['PATH']}",
                 "POSTHORN_DATA_DIR": str(self.data_dir)})
        assert done.returncode == 0, f"{done.stdout}{done.stderr}{self.log()[-3000:]}"
        return done.stdout


@pytest.fixture
def service(make_engine, tmp_path, receiver):
    """Judged at its end as every engine is."""
    made = make_engine()  # its place among those that are judged
    service = Service(made.directory, receiver)
    made.__class__, made.__dict__ = Service, service.__dict__
    made.start()
    yield made
    made.close()


def put_aside(data_dir):
    """A line that stands where a block is for a machine without data."""
    return f"systemctl stop posthorn\nmv {data_dir} {data_dir}.elsewhere; mkdir {data_dir}"


def pasted(service, chapter):
    """What one shell gets of a chapter."""
    scripts = []
    for how, script in blocks(chapter):
        assert how in ("", "root", "root new", "elsewhere"), how
        if how == "root new":
            scripts.append(put_aside(service.data_dir))
        if how != "elsewhere":
            scripts.append(script)
    assert scripts, chapter
    return scripts


def test_every_command(service, receiver):
    said = service.paste(*pasted(service, "install"))
    assert "active\n" in said and "delivered" in said
    receiver.wait(1, path="/first")
    service.paste(*pasted(service, "concepts"))
    receiver.wait(1, path="/orders")
    # A hook that fails, for those who look for the reason: its letter is dead at once.
    receiver.script("/dead", Answer(status=500))
    dead = service.create_hook(receiver.url("/dead"), retrySchedule=["10ms"])
    service.post_event()
    wait_for(lambda: service.deliveries(dead, "?state=dead"), "there is a dead letter")
    receiver.script("/dead", Answer())
    old = service.token
    said = service.paste(*pasted(service, "operate"))
    for place in ("1 of 1 delivered, 0 dead again", "It adds up.", "removed webhooks  4",
                  "none of its filters or groups wants the kind order.created"):
        assert place in said, said
    assert service.token != old
    assert service.api("GET", "/api/orgs", token=old).status == 401
    aside = [path.name for path in service.directory.glob("data.*")]
    assert sorted(aside) == ["data.damaged", "data.elsewhere", "data.newer", "data.old"]


def elsewhere():
    return [(chapter, script) for chapter in CHAPTERS
            for how, script in blocks(chapter) if how == "elsewhere"]


def test_what_is_tried_elsewhere_is_known():
    """Options by --help, files of the tree by their names."""
    n = 0
    for _, script in elsewhere():
        for line in script.splitlines():
            words = shlex.split(line)
            for word in words:
                if word.startswith("deploy/"):
                    assert (ROOT / word).exists(), line
            program = [i for i, word in enumerate(words) if word.split("/")[-1] == "posthorn"]
            if not program or program[0] + 1 == len(words) or words[0] == "sudo":
                continue
            command, *options = words[program[0] + 1:]
            if not re.fullmatch(r"[a-z][a-z-]*", command):
                continue
            said = subprocess.run([PROGRAM, command, "--help"], capture_output=True, text=True)
            assert said.returncode == 0, line
            for option in options:
                if option.startswith("--"):
                    assert re.search(rf"^  {option}\b", said.stdout, re.M), line
                    n += 1
    assert n > 2


# --- links ---

def slug(heading):
    """The anchor that a heading gets, at a code host and on the site."""
    text = re.sub(r"[`*]", "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(path):
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def links(path):
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    text = re.sub(r"`[^`\n]*`", "", text)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def test_links_lead_somewhere():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard",
                             "*.md"], cwd=ROOT, check=True, capture_output=True, text=True)
    files = [ROOT / name for name in listed.stdout.split() if (ROOT / name).exists()]
    n, faults = 0, []
    for path in files:
        for link in links(path):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name) if name else path
            n += 1
            # Made by docs/make, so it is no file of the tree.
            if target == DOCS / "api.md":
                continue
            if not target.exists() or (anchor and anchor not in anchors(target)):
                faults.append(f"{path.relative_to(ROOT)}: {link}")
            if path.stem in CHAPTERS and path.parent == DOCS and target.parent != DOCS:
                faults.append(f"{path.name}: {link} is not on the site")
    assert faults == [] and n > 50


# --- what is made of them ---

class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.add(attrs["id"])
        for name in ("href", "src"):
            if name in attrs:
                self.links.append(attrs[name])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp("docs")
    subprocess.run([DOCS / "make", "--man", directory / "man", "--site", directory / "site"],
                   check=True, timeout=60)
    return directory


def test_the_site_is_whole(made):
    pages = {path.name: Page(path.read_text()) for path in (made / "site").glob("*.html")}
    assert set(pages) == {f"{name}.html" for name in ("index", "api", *CHAPTERS)}
    for name, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            other, _, anchor = link.partition("#")
            assert (made / "site" / (other or name)).exists(), (name, link)
            assert not anchor or anchor in pages[other or name].ids, (name, link)
        # Nothing is loaded from elsewhere.
        assert not [link for link in page.links
                    if link.endswith((".css", ".js", ".png")) and "//" in link]
    for chapter in CHAPTERS:
        assert anchors(DOCS / f"{chapter}.md") <= pages[f"{chapter}.html"].ids


def test_the_pages_are_clean(made):
    """As lintian judges them: man says nothing about them, and they have a name."""
    pages = sorted((made / "man").iterdir())
    assert [page.name for page in pages] == sorted(
        f"posthorn-{name}.7" for name in ("api", *CHAPTERS) if name != "comparison")
    for page in pages:
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"})
        assert (done.returncode, done.stderr) == (0, ""), page.name
        said = subprocess.run(["lexgrog", page], capture_output=True, text=True)
        assert said.returncode == 0 and f'"{page.stem} - ' in said.stdout, page.name
