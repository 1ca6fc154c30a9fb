# SPDX-License-Identifier: MIT
"""All rows of an environment of LMDB, read beside the processes that use it."""

import ctypes
import hashlib

READ_ONLY, NEXT, NOT_FOUND = 0x20000, 8, -30798


class Value(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("data", ctypes.c_void_p)]

    @property
    def bytes(self):
        return ctypes.string_at(self.data, self.size)


def check(rc):
    assert rc == 0, f"LMDB says {rc}"


def table_rows(lib, txn, dbi):
    cursor, key, value = ctypes.c_void_p(), Value(), Value()
    check(lib.mdb_cursor_open(txn, dbi, ctypes.byref(cursor)))
    try:
        while True:
            rc = lib.mdb_cursor_get(cursor, ctypes.byref(key), ctypes.byref(value), NEXT)
            if rc == NOT_FOUND:
                return
            check(rc)
            yield key.bytes, value.bytes
    finally:
        lib.mdb_cursor_close(cursor)


def rows_of(directory):
    """{table: [(key, value)]} in the order of the rows, all at one moment."""
    lib = ctypes.CDLL("liblmdb.so.0")
    lib.mdb_cursor_close.restype = lib.mdb_txn_abort.restype = None
    lib.mdb_env_close.restype = None
    env, txn, dbi = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint()
    check(lib.mdb_env_create(ctypes.byref(env)))
    try:
        check(lib.mdb_env_set_maxdbs(env, 64))
        check(lib.mdb_env_open(env, str(directory).encode(), READ_ONLY, 0o600))
        check(lib.mdb_txn_begin(env, None, READ_ONLY, ctypes.byref(txn)))
        try:
            check(lib.mdb_dbi_open(txn, None, 0, ctypes.byref(dbi)))
            names = [key for key, _ in table_rows(lib, txn, dbi)]
            rows = {}
            for name in names:
                check(lib.mdb_dbi_open(txn, name, 0, ctypes.byref(dbi)))
                rows[name.decode()] = list(table_rows(lib, txn, dbi))
            return rows
        finally:
            lib.mdb_txn_abort(txn)
    finally:
        lib.mdb_env_close(env)


def parts_of(data_dir):
    """The environments of a data directory, by their names."""
    return sorted(str(path.parent.relative_to(data_dir))
                  for path in data_dir.glob("**/data.mdb"))


def digests(data_dir):
    """{part/table: (number of rows, digest of them)}"""
    found = {}
    for part in parts_of(data_dir):
        for table, rows in rows_of(data_dir / part).items():
            digest = hashlib.sha256()
            for key, value in sorted(rows):
                digest.update(b"%d %d " % (len(key), len(value)) + key + value)
            found[f"{part}/{table}"] = len(rows), digest.hexdigest()[:16]
    return found
