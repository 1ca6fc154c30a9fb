# SPDX-License-Identifier: MIT
"""What the shells offer to complete, asked of the shells themselves."""

import os
import re
import shlex
import subprocess
import tempfile

from engine import BINARY


def plain(*words):
    return subprocess.run([BINARY, *words], check=True, capture_output=True, text=True,
                          timeout=30).stdout


NAMES = re.findall(r"^  ([a-z][a-z-]*) ", plain("help"), re.M)


def complete(*words):
    script = ("source <({0} completion bash); COMP_WORDS=({1}); "
              "COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _posthorn; "
              "echo \"${{COMPREPLY[@]}}\"").format(
                  BINARY, " ".join(shlex.quote(w) for w in words))
    done = subprocess.run(["bash", "-c", script], capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout.split()


def test_bash_completes():
    assert complete("posthorn", "repl") == ["replay"]
    assert set(complete("posthorn", "")) == set(NAMES)
    assert complete("posthorn", "hook", "cre") == ["create"]
    assert complete("posthorn", "deliveries", "--sta") == ["--state", "--stack"]
    assert complete("posthorn", "deliveries", "--state", "de") == [
        "delivered", "dead"]
    assert complete("posthorn", "send", "--org", "") == []


def test_zsh_takes_its_completion():
    script = plain("completion", "zsh")
    done = subprocess.run(["zsh", "-fn"], input=script, capture_output=True,
                          text=True, timeout=30)
    assert done.returncode == 0 and done.stderr == "", done
    assert script.startswith("#compdef posthorn")


def fish_completes(*lines):
    """What fish offers for each line."""
    script = "source (%s completion fish | psub)\n" % BINARY + "".join(
        f"echo '# {number}'; complete -C {shlex.quote(line)}\n"
        for number, line in enumerate(lines))
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(["fish", "--no-config", "-c", script], text=True,
                              capture_output=True, timeout=30,
                              env={**os.environ, "HOME": home, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0 and done.stderr == "", done
    return [[word.split("\t")[0] for word in part.splitlines()[1:]]
            for part in done.stdout.split("# ")[1:]]


def test_fish_completes():
    names, verbs, options, states, others = fish_completes(
        "posthorn ", "posthorn hook ", "posthorn deliveries --sta",
        "posthorn deliveries --state d", "posthorn send --org ")
    assert set(names) == set(NAMES)
    assert set(verbs) >= {"create", "ping", "status"} and "serve" not in verbs
    assert set(options) == {"--state", "--stack"}
    assert set(states) == {"delivered", "dead"}
    assert others == []


def test_every_option_of_help_is_completed():
    """The three shells know each option that the help of a command shows."""
    scripts = {shell: plain("completion", shell)
               for shell in ("bash", "zsh", "fish")}
    for name in NAMES:
        for option in re.findall(r"^  --([a-z-]+)", plain(name, "--help"), re.M):
            assert f"-n '__posthorn_is {name}' -l {option} " in scripts["fish"]
            assert re.search(rf"^ +{name}\) COMPREPLY=.*--{option}[ \"]",
                             scripts["bash"], re.M), (name, option)
            part = scripts["zsh"].split(f"\n        {name})\n")[1].split(";;")[0]
            assert f"'*--{option}[" in part, (name, option)
