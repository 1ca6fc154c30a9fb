# SPDX-License-Identifier: MIT
"""A service manager's end of the socket that NOTIFY_SOCKET names."""

import os
import socket
import time

from support import PATIENCE_S, wait_for


class Manager:
    """Receives what the engine says, in order, with the time of each text.

    is_abstract: the socket has a name and lies in no file system.
    """

    def __init__(self, directory, watchdog_seconds=None, is_abstract=False):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.address = (f"@posthorn-test-{os.getpid()}-{id(self)}" if is_abstract
                        else str(directory / "notify"))
        self.socket.bind(self.address.replace("@", "\0") if is_abstract
                         else self.address)
        if not is_abstract:
            os.chmod(self.address, 0o777)
        self.socket.setblocking(False)
        self.watchdog_seconds = watchdog_seconds
        self.said = []  # (time.monotonic(), {name: value})

    def environment(self):
        more = {"NOTIFY_SOCKET": self.address}
        if self.watchdog_seconds:
            more["WATCHDOG_USEC"] = str(int(self.watchdog_seconds * 1e6))
        return {**os.environ, **more}

    def hear(self):
        """All that was said so far."""
        while True:
            try:
                text = self.socket.recv(65536).decode()
            except BlockingIOError:
                return self.said
            self.said.append((time.monotonic(), dict(
                line.split("=", 1) for line in text.splitlines())))

    def texts(self, name):
        """The values that a name was given, in order."""
        return [text[name] for _, text in self.hear() if name in text]

    def times(self, name):
        return [at for at, text in self.hear() if name in text]

    def wait(self, name, count=1, seconds=PATIENCE_S):
        """Waits until a name was said so often; returns its values."""
        wait_for(lambda: len(self.texts(name)) >= count,
                 f"{name} was said {count} times", seconds)
        return self.texts(name)

    def close(self):
        self.socket.close()
