# SPDX-License-Identifier: MIT
"""The pages of an LMDB file, for tests that damage them."""

import struct

PAGE = 4096
BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8


class Pages:
    """A data.mdb, in memory until it is saved."""

    def __init__(self, path):
        self.path = path
        self.data = bytearray(path.read_bytes())

    def save(self):
        with open(self.path, "r+b") as file:
            file.write(self.data)
            file.truncate(len(self.data))

    def __len__(self):
        return len(self.data) // PAGE

    def get(self, n, count=1):
        return bytes(self.data[n * PAGE:(n + count) * PAGE])

    def put(self, n, page):
        self.data[n * PAGE:n * PAGE + len(page)] = page

    def header(self, n):
        """number, flags, pages of a large value."""
        number, _, flags, count = struct.unpack_from("<QHHI", self.data,
                                                     n * PAGE)
        return number, flags, count

    def newest_root(self):
        """Where the tree of databases begins that was committed last."""
        metas = [struct.unpack_from("<QQ", self.data, n * PAGE + 136)
                 for n in (0, 1)]
        newest = max((0, 1), key=lambda n: metas[n][1])
        return struct.unpack_from("<Q", self.data, newest * PAGE + 128)[0]

    def of_kind(self, kind):
        """Pages that say that they are of a kind, and where they are."""
        found, n = [], 2
        while n < len(self):
            number, flags, count = self.header(n)
            is_right = number == n and flags & 15 in (BRANCH, LEAF, OVERFLOW)
            if is_right and flags & kind:
                found.append(n)
            n += count if is_right and flags & OVERFLOW and 0 < count < 1e6 \
                else 1
        return found

    def value_with(self, wanted):
        """The first page of the large value that holds these bytes; stale copies
        do not count."""
        found = [n for n in self.of_kind(OVERFLOW)
                 if wanted in self.get(n, self.header(n)[2])]
        assert found, wanted
        return found[-1]

    def exchange(self, a, b, count=1, number=False):
        """Two pages, or so many; `number`: they say that they belong there."""
        first, second = self.get(a, count), self.get(b, count)
        self.put(a, second)
        self.put(b, first)
        if number:
            struct.pack_into("<Q", self.data, a * PAGE, a)
            struct.pack_into("<Q", self.data, b * PAGE, b)
