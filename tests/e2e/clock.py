# SPDX-License-Identifier: MIT
"""A wall clock that a test turns while the engine runs."""

import mmap
import os
import struct
import subprocess

from support import ROOT

HOUR, DAY = 3600, 24 * 3600
YEAR = 365 * DAY


class Clock:
    """Seconds that the processes of an engine see added to the wall clock; the
    monotonic clock stays. Sanitized programs take no preloaded library before
    their own run-time's, so engines with a clock are plain programs."""

    PROGRAM = os.environ.get("POSTHORN_RELEASE", str(ROOT / "build/posthorn"))

    def __init__(self, directory):
        self.library = directory / "clock_shim.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O2", "-o", self.library,
             ROOT / "tests/e2e/clock_shim.c", "-ldl"], check=True)
        self.path = directory / "clock_offset"
        self.path.write_bytes(bytes(8))
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 8)

    def turn(self, seconds):
        """So much ahead of the true time (behind: negative)."""
        self.page[:8] = struct.pack("=q", int(seconds))

    def environment(self):
        return {**os.environ, "LD_PRELOAD": str(self.library),
                "CLOCK_SHIM": str(self.path), "POSTHORN_DEBUG_ENV": "1"}
