# SPDX-License-Identifier: MIT
"""Runs a program behind the system-call filter of deploy/posthorn.service.

    unit_filter.py [--drop-in FILE] PROGRAM [ARG...]

The sets of calls are asked of systemd-analyze, the filter is made with libseccomp: what
systemd does with the lines SystemCallFilter= and SystemCallErrorNumber= of a unit.
"""

import ctypes
import errno
import os
import pathlib
import subprocess
import sys

UNITS = [pathlib.Path(__file__).parents[2] / "deploy/posthorn.service"]
ALLOW = 0x7fff0000
REFUSE = 0x00050000  # with an errno in its lower half


def lines_of(name):
    """The values of a setting of the unit and its drop-in, in order."""
    return [line.split("=", 1)[1] for unit in UNITS
            for line in unit.read_text().splitlines() if line.startswith(f"{name}=")]


def calls_of(word):
    """The names of a set like @resources, those of sets in it among them."""
    if not word.startswith("@"):
        return {word}
    text = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True,
                          capture_output=True, text=True).stdout
    names = set()
    for line in text.splitlines()[1:]:
        if line.strip() and not line.strip().startswith("#"):
            names |= calls_of(line.strip())
    return names


def allowed_calls():
    """As systemd reads the lines: those with a tilde take away."""
    allowed = calls_of("@default")
    for value in lines_of("SystemCallFilter"):
        is_denial = value.startswith("~")
        for word in value.lstrip("~").split():
            if is_denial:
                allowed -= calls_of(word)
            else:
                allowed |= calls_of(word)
    return allowed


def confine():
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    code = getattr(errno, lines_of("SystemCallErrorNumber")[0])
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(REFUSE | code)))
    for name in allowed_calls():
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # this architecture has it
            assert library.seccomp_rule_add(
                context, ctypes.c_uint32(ALLOW), number, 0) == 0, name
    assert library.seccomp_load(context) == 0
    library.seccomp_release(context)


if __name__ == "__main__":
    command = sys.argv[1:]
    if command[0] == "--drop-in":
        UNITS.append(pathlib.Path(command[1]))
        command = command[2:]
    confine()
    os.execvp(command[0], command)
