# SPDX-License-Identifier: MIT
"""A running engine for many tests, of which each sees its own part alone.

To a test its organization is `acme`, as with an engine of its own. In the engine that is
another one for each test: its name is exchanged in requests, in answers and in the log, and
has as many bytes. What goes other ways, such as a command or a raw socket, is passed through
real() and shown().
"""

import itertools
import string

from engine import Engine
from support import wait_for

COUNTS = ("accepted", "missing", "matched", "delivered", "expired", "cancelled", "hooks")
# Such as a_a0, which stands in nothing else: not in a number, an id, or a name of a test.
NAMES = map("".join, itertools.product(
    string.ascii_lowercase, "_", string.ascii_lowercase, string.digits))


def exchange(text, old, new):
    if isinstance(text, bytes):
        return text.replace(old.encode(), new.encode())
    return text.replace(old, new) if isinstance(text, str) else text


class Share(Engine):
    """The part of one test. With `books` it may ask for the books, in which stands what
    was counted since the test began."""

    def __init__(self, whole, books=False):
        self.__dict__.update(whole.__dict__)
        self.whole = whole
        self.org = next(NAMES)
        self.hooks = []
        self.log_begin = len(whole.log())
        self.books = self.wait_begin() if books else None

    def wait_begin(self):
        """The books, once those of other tests in it do not change any more."""
        def settled():
            books = self.whole.verify()
            return sum(books[name] for name in ("unmatched", "pending", "dead")) == 0 and books
        return wait_for(settled, "what other tests left is settled")

    def close(self):
        """Nothing goes on that the next test could notice."""
        for hook in self.hooks:
            super().request(self.api_port, "DELETE", hook)

    def real(self, text):
        return exchange(text, "acme", self.org)

    def shown(self, text):
        return exchange(text, self.org, "acme")

    def request(self, port, method, path, body=None, headers=None, token=...):
        path = self.real(path)
        reply = super().request(port, method, path, self.real(body), headers, token)
        if method == "POST" and reply.status == 201 and path.endswith(("/hooks", "/webhooks")):
            made = reply.json()
            self.hooks.append(f"{path}/{made.get('_id') or made['name']}")
        reply.body = self.shown(reply.body)
        reply.headers = {name: self.shown(value) for name, value in reply.headers.items()}
        return reply

    def log(self):
        return self.shown(self.whole.log()[self.log_begin:])

    def verify(self):
        assert self.books, "the mark is shared(books=True)"
        books = self.whole.verify()
        return {**books, **{name: books[name] - self.books[name] for name in COUNTS}}

    def stop(self, seconds=None):
        raise AssertionError("the engine is shared: the mark is missing that this test has "
                             "its own")

    spawn = kill9 = restart = stop
