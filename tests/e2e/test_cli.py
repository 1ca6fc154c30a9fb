# SPDX-License-Identifier: MIT
"""The command line: every command against a real engine, in a pipe and in a
real terminal."""

import json
import os
import re
import shlex
import signal
import subprocess
import time
import uuid

import pytest

from engine import BINARY
from receiver import Answer
from support import compact, wait_asking, wait_for

pytestmark = [pytest.mark.shared,
              pytest.mark.settings(retry_schedule="50ms", breaker_failures="0")]

DOWN, UP = Answer(status=500), Answer(status=200)


@pytest.fixture
def posthorn(engine):
    return engine.run


@pytest.fixture
def failed(engine, receiver, posthorn):
    """A hook with three dead letters, whose receiver answers again."""
    hook = engine.create_hook(receiver.url("/in"), name="audit")
    receiver.script("/in", DOWN)
    engine.post_batch([{"kind": "order.made", "payload": {"n": n}}
                       for n in range(3)])
    wait_for(lambda: len(engine.deliveries(hook, "?state=dead")) == 3, "dead")
    receiver.script("/in", UP)
    return hook


HOOK = ("--org", "acme", "--hook", "audit")


# --- what each command does ---

@pytest.mark.smoke
def test_send_one(engine, receiver, posthorn, tmp_path):
    engine.create_hook(receiver.url("/in"))
    event = posthorn("send", "--org", "acme", "--kind", "a.b", "--payload",
                     '{"n": 1}').stdout.strip()
    assert receiver.wait(1, "/in")[0].id == event
    file = tmp_path / "payload.json"
    file.write_text('{"from": "a file"}')
    chosen = str(uuid.uuid4())
    for _ in range(2):  # the second is the first
        done = posthorn("send", "--org=acme", "--kind=a.b", "--payload-file",
                        str(file), "--id", chosen, "--json")
        assert json.loads(done.stdout)["id"] == chosen
    assert receiver.wait(2, "/in")[1].body == b'{"from":"a file"}'
    posthorn("send", "--org", "acme", "--kind", "a.b", "--payload-file", "-",
             stdin='{"n": 3}')
    bad = posthorn("send", "--org", "acme", "--kind", "a.b", "--payload", "{",
                   status=1)
    assert "JSON" in bad.stderr


@pytest.mark.shared(books=True)
def test_send_many(engine, receiver, posthorn, tmp_path):
    engine.create_hook(receiver.url("/in"))
    file = tmp_path / "events.jsonl"
    file.write_text("".join(compact({"kind": "a.b", "payload": {"n": n}}) + "\n"
                            for n in range(2500)))
    done = posthorn("send", "--org", "acme", "--file", str(file))
    assert "2500 events accepted" in done.stdout
    lines = [compact({"kind": "a.b", "payload": {}}), "", "nonsense"]
    bad = posthorn("send", "--org", "acme", "--file", "-",
                   stdin="\n".join(lines), status=1)
    assert "line 3" in bad.stderr and "0 events accepted" in bad.stdout
    engine.wait_settled()
    assert len(receiver.got("/in")) == 2500


def test_deliveries(engine, failed, posthorn):
    table = posthorn("deliveries", *HOOK).stdout.splitlines()
    assert len(table) == 7 and table[0].startswith("TIME (UTC)")
    assert all(" 500 " in line and line.rstrip().endswith("status 500")
               for line in table[1:])
    rows = json.loads(posthorn("deliveries", *HOOK, "--state", "dead",
                               "--json").stdout)
    assert [r["state"] for r in rows] == ["dead"] * 3
    assert len(json.loads(posthorn("deliveries", "--org", "acme", "--limit",
                                   "4", "--json").stdout)) == 4
    none = posthorn("deliveries", *HOOK, "--kind", "z.z")
    assert "There are none." in none.stderr
    assert "--state" not in none.stderr
    bad = posthorn("deliveries", *HOOK, "--state", "asleep", status=1)
    assert "delivered, retrying, dead or cancelled" in bad.stderr


def test_events(engine, receiver, posthorn):
    engine.create_hook(receiver.url("/in"), filters=["order.made"])
    engine.post_batch([{"kind": "order.made", "payload": {"n": n}} for n in range(3)])
    lost = engine.post_event("nobody.wants")
    org = ("--org", "acme")

    def is_known():
        rows = json.loads(posthorn("events", *org, "--json").stdout)
        return all(r["matched"] is not None for r in rows) and rows
    rows = wait_for(is_known, "all events are matched")
    assert rows[0]["id"] == lost and [r["matched"] for r in rows] == [0, 1, 1, 1]
    table = posthorn("events", *org, "--limit", "2").stdout.splitlines()
    assert len(table) == 3 and table[0].startswith("ACCEPTED (UTC)")
    assert table[1].split()[2:5] == ["0", lost, "nobody.wants"]
    only = json.loads(posthorn("events", *org, "--unmatched", "--since", "1h", "--json").stdout)
    assert [r["id"] for r in only] == [lost]
    none = posthorn("events", *org, "--project", "web", "--stack", "prod")
    assert "There are none." in none.stderr
    assert "--stack" in posthorn("events", *org, "--project", "web", status=2).stderr


@pytest.mark.shared(books=True)
def test_pages_of_deliveries_are_one_list(engine, receiver, posthorn):
    hook = engine.create_hook(receiver.url("/in"), name="audit")
    engine.post_batch([{"kind": "a.b", "payload": {"n": n}}
                       for n in range(1500)])
    engine.wait_deliveries(hook, 1000, "?limit=1000", 30)
    engine.wait_settled()
    rows = json.loads(posthorn("deliveries", *HOOK, "--limit", "5000",
                               "--json").stdout)
    assert len({r["id"] for r in rows}) == 1500


@pytest.mark.smoke
def test_redeliver(engine, failed, receiver, posthorn):
    event = engine.deliveries(failed, "?state=dead")[0]["id"]
    assert "delivered" in posthorn("redeliver", *HOOK, event).stdout
    again = posthorn("redeliver", event, *HOOK, "--json").stdout
    assert json.loads(again)["attempt"] == 4
    unknown = posthorn("redeliver", *HOOK, str(uuid.uuid4()), status=1)
    assert "not found" in unknown.stderr.lower()


def test_replay(engine, failed, receiver, posthorn):
    dry = posthorn("replay", *HOOK, "--dry-run")
    assert "3 deliveries match; nothing was sent" in dry.stdout
    none = posthorn("replay", *HOOK, "--kind", "z.z")
    assert "No delivery matches" in none.stdout
    one = engine.deliveries(failed, "?state=dead")[0]["id"]
    done = posthorn("replay", *HOOK, "--id", one)
    assert "done, 1 of 1 delivered" in done.stdout
    started = json.loads(posthorn("replay", "start", "--org", "acme",
                                  "--no-wait", "--json").stdout)
    assert started["matched"] == 2
    watched = posthorn("replay", "watch", started["replayId"], "--org", "acme")
    assert "done, 2 of 2 delivered" in watched.stdout
    shown = posthorn("replay", "show", started["replayId"], "--org", "acme",
                     "--json")
    assert json.loads(shown.stdout)["delivered"] == 2
    listed = posthorn("replay", "list", "--org", "acme").stdout
    assert listed.count("done") == 2 and started["replayId"] in listed
    cancelled = posthorn("replay", "cancel", started["replayId"], "--org",
                         "acme")
    assert "done" in cancelled.stdout  # it has ended: that changes nothing


def test_who_stops_watching_stops_nothing(engine, failed, receiver, posthorn):
    watching = subprocess.Popen(
        [BINARY, "replay", *map(engine.real, HOOK), "--rate", "2"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=engine.client_environment())
    receiver.wait(7, "/in")  # three died there before, twice tried
    watching.send_signal(signal.SIGINT)
    _, errors = watching.communicate(timeout=20)
    assert watching.returncode == 0 and "The replay goes on" in errors
    wait_for(lambda: engine.deliveries(failed, "?state=dead") == [],
             "the replay is done")


@pytest.mark.alone
def test_ctrl_c_while_it_is_counted_takes_it_back(engine, failed, receiver,
                                                  posthorn):
    """The engine is stopped for a moment, so that counting takes one."""
    (dispatcher,) = engine.pids("dispatcher")
    os.kill(dispatcher, signal.SIGSTOP)
    asking = subprocess.Popen(
        [BINARY, "replay", *HOOK], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=engine.client_environment())
    wait_asking(engine.api_port)
    asking.send_signal(signal.SIGINT)
    time.sleep(0.2)
    os.kill(dispatcher, signal.SIGCONT)
    _, errors = asking.communicate(timeout=30)
    assert asking.returncode == 1 and "is cancelled" in errors
    (row,) = engine.api("GET", f"{failed}/replays").json()
    assert row["replay"]["state"] in ("cancelled", "done")


def test_tail(engine, receiver, posthorn):
    engine.create_hook(receiver.url("/in"), name="audit")
    following = subprocess.Popen(
        [BINARY, "tail", "--org", engine.real("acme"), "--count", "2", "--json"],
        stdout=subprocess.PIPE, text=True, env=engine.client_environment())
    plain = subprocess.Popen(
        [BINARY, "tail", *map(engine.real, HOOK), "--kind", "a.c"], stdout=subprocess.PIPE,
        text=True, env=engine.client_environment())
    wait_asking(engine.api_port, 2)
    ids = [engine.post_event(kind) for kind in ("a.b", "a.c")]
    output, _ = following.communicate(timeout=20)
    assert following.returncode == 0
    assert {json.loads(line)["id"] for line in output.splitlines()} == set(ids)
    line = plain.stdout.readline()
    assert ids[1] in line and "delivered" in line and "\033" not in line
    plain.send_signal(signal.SIGINT)
    assert plain.wait(20) == 0


@pytest.mark.alone
def test_tail_goes_on_after_a_restart(engine, receiver, posthorn):
    hook = engine.create_hook(receiver.url("/in"), name="audit")
    following = subprocess.Popen(
        [BINARY, "tail", *HOOK, "--count", "2", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=engine.client_environment())
    wait_asking(engine.api_port)
    first = engine.post_event("a.b")
    assert json.loads(following.stdout.readline())["id"] == first
    assert engine.stop() == 0
    engine.restart()
    second = engine.post_event("a.b")
    engine.wait_deliveries(hook, 2)
    assert json.loads(following.stdout.readline())["id"] == second
    assert following.wait(20) == 0


def test_explain(engine, receiver, posthorn, tmp_path):
    engine.create_hook(receiver.url("/in"), name="audit", filters=["order.*"])
    engine.create_hook(receiver.url("/x"), name="other", filters=["team.*"])
    file = tmp_path / "event.json"
    file.write_text(compact({"kind": "order.made", "payload": {"n": 1}}))
    shown = posthorn("explain", *HOOK, "--event", str(file)).stdout
    assert re.search(r"audit +yes", shown) and re.search(r"other +no", shown)
    assert f"POST {receiver.url('/in')}" in shown and '{"n":1}' in shown
    event = engine.post_event("team.joined")
    told = json.loads(posthorn("explain", "--org", "acme", "--id", event,
                               "--json").stdout)
    assert {h["hookName"]: h["matches"] for h in told["hooks"]} == {
        "audit": False, "other": True}
    posthorn("explain", "--org", "acme", "--event", "/nowhere", status=1)


@pytest.mark.alone
def test_status_and_stats(engine, failed, posthorn):
    shown = posthorn("status").stdout
    assert shown.startswith("ready") and "dispatcher" in shown
    def is_told():
        told = json.loads(posthorn("status", "--json").stdout)
        return told["ready"] and told["dead"] == 3 and told
    told = wait_for(is_told, "three dead letters in the status")
    assert told["accepted"] == 3
    assert {r["name"].split(".")[0] for r in told["roles"]} >= {
        "ingest", "dispatcher", "sender", "api"}

    def are_there():
        return json.loads(posthorn("stats", *HOOK, "--json").stdout)[
            "1h"]["attempts"] == 6
    wait_for(are_there, "statistics", 20)
    table = posthorn("stats", "--org", "acme", "--window", "24h").stdout
    assert table.startswith("24h: 6 attempts, 0 delivered, 3 to be tried again")
    assert "totalUs" in table and "7d" not in table


@pytest.mark.alone
def test_without_an_engine(posthorn, engine):
    engine.stop()
    for words in (["status"], ["deliveries", "--org", "acme"],
                  ["tail", "--org", "acme"], ["send", "--org", "a", "--kind",
                                              "a.b"]):
        done = posthorn(*words, status=1)
        assert "127.0.0.1" in done.stderr, words


# --- bench ---

@pytest.mark.alone
def test_bench_through_the_engine(engine, posthorn, tmp_path):
    html, result = tmp_path / "b.html", tmp_path / "b.json"
    told = json.loads(posthorn(
        "bench", "--rate", "50", "--duration", "6", "--fan-out", "2",
        "--payload-bytes", "300", "--json", "--html", str(html), "--output",
        str(result)).stdout)
    assert told["sent"] == told["accepted"] == 300
    assert told["expected"] == told["delivered"] == 600
    assert set(told["phases"]) >= {"delivery", "accept", "queue", "connect",
                                   "firstByte", "attempt"}
    for phase in told["phases"].values():
        assert phase["p50"] <= phase["p90"] <= phase["p99"] <= phase["max"]
    assert sum(second["n"] for second in told["timeline"]) == 600
    page = html.read_text()
    assert page.count("<svg") == page.count("</svg>") == 2
    assert "http" not in page.replace(told["target"], "") and "<script" not in page
    # It has left nothing behind.
    assert engine.api("GET", "/api/user").json()["organizations"] == []
    assert posthorn("export", "--data-dir", str(engine.data_dir)).stdout == ""
    same = posthorn("bench", "--compare", str(result), "--with", str(result))
    assert "within noise" in same.stdout and "delivery p99" in same.stdout


def test_bench_of_a_receiver(receiver, posthorn, tmp_path):
    receiver.script("/slow", Answer(delay=0.02))
    told = json.loads(posthorn(
        "bench", "--target", receiver.url("/slow"), "--concurrency", "2",
        "--duration", "2", "--count", "50", "--json").stdout)
    assert told["sent"] == told["accepted"] == 50
    assert told["phases"]["delivery"]["p50"] >= 20000
    assert len(receiver.got("/slow")) == 50
    assert len({r.body for r in receiver.got("/slow")}) == 50


def test_bench_counts_a_stall_for_all_that_was_due(receiver, posthorn):
    """Open loop: one answer that takes a second delays those behind it."""
    receiver.script("/in", Answer(delay=1.0), UP)
    told = json.loads(posthorn(
        "bench", "--target", receiver.url("/in"), "--rate", "20",
        "--duration", "3", "--json").stdout)
    assert told["sent"] == 60 and told["phases"]["delivery"]["max"] >= 1e6


def test_bench_stays_on_this_machine(posthorn):
    for host in ("192.0.2.1", "127.0.0.1.nip.io", "example.com"):
        done = posthorn("bench", "--target", f"http://{host}/", status=1)
        assert "--allow-remote" in done.stderr, host


@pytest.mark.alone
def test_an_interrupted_bench_shows_what_it_knows(engine, posthorn):
    running = subprocess.Popen(
        [BINARY, "bench", "--rate", "50", "--duration", "60", "--json"],
        stdout=subprocess.PIPE, text=True, env=engine.client_environment())
    wait_for(lambda: sum(engine.metrics()["posthorn_events_accepted_total"].values())
             >= 20, "it sends")
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 0
    assert 20 <= json.loads(output)["sent"] < 3000
    assert engine.api("GET", "/api/orgs/acme/hooks").json() == []


# --- usage, help ---

NAMES = re.findall(r"^  ([a-z][a-z-]*) ", subprocess.run(
    [BINARY, "help"], capture_output=True, text=True).stdout, re.M)


def plain(*words, status=0):
    done = subprocess.run([BINARY, *words], capture_output=True, text=True,
                          timeout=30, stdin=subprocess.DEVNULL,
                          env={**os.environ, "POSTHORN_TOKEN": "t"})
    assert done.returncode == status, (words, done)
    return done


def test_there_are_all_commands():
    assert set(NAMES) >= {
        "serve", "send", "hook", "deliveries", "redeliver", "replay", "dead",
        "tail", "explain", "status", "stats", "bench", "token", "signing-key", "verify", "backup",
        "restore", "export", "import", "config", "rekey", "sink",
        "completion", "man", "version", "help"}


def test_version_in_json():
    said = json.loads(plain("version", "--json").stdout)
    words = plain("version").stdout.split()
    assert words[:2] == ["posthorn", said["version"]]
    assert str(said["format"]) in words[6] and str(said["oldestFormat"]) in words
    assert said["system"].startswith("Linux ") and " " in said["compiler"]
    assert said["build"] in ("Debug", "Release", "RelWithDebInfo")
    assert {"libuv", "lmdb", "libcurl", "yyjson", "llhttp", "mbedtls", "openssl",
            "libseccomp", "xxhash"} == set(said["builtWith"])
    assert all(re.match(r"\d+\.\d+", version) for version in said["builtWith"].values())


@pytest.mark.parametrize("name", NAMES)
def test_help_of_each_command(name):
    shown = plain(name, "--help").stdout
    assert shown.startswith(f"usage: posthorn {name}")
    assert name in ("help", "man") or "Example:" in shown
    assert all(len(line) <= 80 for line in shown.splitlines()
               if not line.startswith(("usage:", "  posthorn"))), shown
    assert plain("help", name).stdout == shown or name == "serve"


@pytest.mark.parametrize("words,named", [
    (["deliveries"], "--org is missing"),
    (["deliveries", "--org"], "--org needs a value"),
    (["deliveries", "--org", "a", "--limit", "0"], "--limit 0"),
    (["deliveries", "--org", "a", "--stack", "s"], "--project is missing"),
    (["deliveries", "--org", "a", "extra"], "extra is not an option or argument of this command"),
    (["redeliver", "--org", "a", "--hook", "h"], "EVENT is missing"),
    (["redeliver", "x", "--org", "a"], "--hook is missing"),
    (["replay", "asleep", "--org", "a"], "asleep is not an action"),
    (["replay", "show", "--org", "a"], "the replay's id is missing"),
    (["replay", "--org", "a", "--rate", "fast"], "--rate fast"),
    (["dead", "forget", "--org", "a"], "forget is not an action"),
    (["dead", "discard", "--org", "a", "--project", "p", "--stack", "s"],
     "need --hook"),
    (["replay", "--org", "a", "--project", "p", "--stack", "s"],
     "need --hook"),
    (["deliveries", "--org", "0" * 24, "--project", "0" * 24, "--akinon"],
     "--project needs --hook"),
    (["stats", "--org", "0" * 24, "--akinon", "--hook", "h"], "--akinon needs --org and"),
    (["dead", "discard", "--org", "a", "--limit", "0"], "--limit 0"),
    (["dead", "discard", "--org", "a", "--state", "dead"], "--state"),
    (["send", "--org", "a"], "--kind or --file"),
    (["send", "--kind", "a.b"], "--org is missing"),
    (["explain", "--org", "a"], "--event FILE or --id ID"),
    (["stats", "--org", "a", "--window", "2h"], "--window"),
    (["tail", "--org", "a", "--json=yes"], "takes no value"),
    (["tail", "--org", "a", "-x"], "-x is not an option or argument of this command"),
    (["bench", "--rate", "fast"], "--rate"),
    (["bench", "--rate", "5", "--concurrency", "2"], "--rate"),
    (["bench", "--duration", "4000"], "--duration 4000"),
    (["bench", "--with", "x"], "--compare"),
    (["completion"], "bash zsh"), (["completion", "tcsh"], "tcsh"),
    (["import"], "FILE is missing"), (["backup"], "DIR is missing"),
    (["import", "f", "--on-conflict", "maybe"], "--on-conflict"),
    (["hook"], "action is missing"), (["token", "create"], "--org is missing"),
    (["signing-key", "list"], "--org is missing"),
])
def test_wrong_usage_is_told_with_status_2(words, named):
    done = plain(*words, status=2)
    assert named in done.stderr and "usage: posthorn" in done.stderr
    assert done.stdout == ""


def test_the_manual_page_has_all_of_it():
    page = plain("man").stdout
    text = subprocess.run(["man", "-l", "-"], input=page, capture_output=True,
                          text=True, env={**os.environ, "MANWIDTH": "200"})
    assert text.returncode == 0 and text.stderr == ""
    for name in NAMES:
        assert f"   {name}" in text.stdout, name
    assert "--on-conflict WHAT" in text.stdout


# --- a real terminal ---

class Terminal:
    """A tmux of its own, with one window."""

    def __init__(self, directory, engine, width=100):
        self.real = engine.real
        self.socket = str(directory / "tmux")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width),
                  "-y", "40", "env", "-u", "NO_COLOR", "PS1=$ ", "bash",
                  "--norc", "--noprofile", env=engine.client_environment())

    def tmux(self, *words, **more):
        # Whatever the machine's language is, "…" is one column.
        environ = {**more.pop("env", os.environ), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["tmux", "-u", "-S", self.socket, *words],
                              capture_output=True, text=True, timeout=30,
                              encoding="utf-8", env=environ, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def type(self, text):
        self.tmux("send-keys", self.real(text), "Enter")

    def press(self, key):
        self.tmux("send-keys", key)

    def screen(self, colours=False):
        return self.tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def wait(self, text, seconds=20):
        return wait_for(lambda: text in self.screen() and self.screen(),
                        f"{text!r} on the screen", seconds)

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"],
                       capture_output=True, check=False)


@pytest.fixture
def terminal(engine, tmp_path):
    made = Terminal(tmp_path, engine)
    yield made
    made.close()


def test_a_table_fits_the_terminal_and_has_colours(engine, failed, terminal):
    terminal.type(f"clear; {BINARY} deliveries --org acme; echo '<end>'")
    screen = terminal.wait("\n<end>")
    rows = [line for line in screen.splitlines() if "status 500" in line]
    assert len(rows) == 6
    assert all(len(row) <= 100 and re.search(r"[0-9a-f-]{36}", row)
               for row in rows)
    assert "\033[31m" in terminal.screen(colours=True)
    terminal.type(f"clear; NO_COLOR=1 {BINARY} deliveries --org acme; "
                  "echo '<again>'")
    terminal.wait("\n<again>")
    shown = terminal.screen(colours=True)
    assert "\033[31m" not in shown and "dead" in shown


def test_progress_moves_and_ctrl_c_ends_the_watching(engine, failed, terminal,
                                                     receiver):
    terminal.type(f"clear; {BINARY} replay {' '.join(HOOK)} --rate 1; "
                  "echo status=$?")
    terminal.wait("replaying [")
    assert re.search(r"\d+:\d\d left", terminal.wait("left"))
    terminal.press("C-c")
    assert "The replay goes on" in terminal.wait("status=0")
    wait_for(lambda: engine.deliveries(failed, "?state=dead") == [],
             "the replay is done", 20)


def test_tail_in_a_terminal(engine, receiver, terminal):
    engine.create_hook(receiver.url("/in"), name="audit")
    terminal.type(f"clear; {BINARY} tail --org acme; echo status=$?")
    wait_asking(engine.api_port)
    event = engine.post_event("a.b")
    assert "delivered" in terminal.wait(event)
    terminal.press("C-c")
    terminal.wait("status=0")


def test_bench_has_a_live_line(engine, terminal):
    terminal.type(f"clear; {BINARY} bench --rate 20 --duration 30; "
                  "echo status=$?")
    assert "p99" in terminal.wait("arrived")
    terminal.press("C-c")
    assert "delivery" in terminal.wait("status=0", 40)
