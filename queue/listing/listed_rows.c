// SPDX-License-Identifier: MIT
// listed_rows.c — the rows of a shard's table `listed`.

#include "queue/listing/listed_rows.h"

#include <string.h>

#include "common/base/codec.h"
#include "queue/lmdb/row_changes.h"

#define LISTED_VERSION 1
#define EVENT_BYTES    9  // offset(1) matched(4) kind(4)
#define RANGE_BYTES    16 // from(8) to(8)

static const char range_name[] = "listed";

// --- numbers ---

static void put_be32(uint8_t *to, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(number >> (24 - 8 * i));
}

static uint32_t get_be32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 |
           (uint32_t)from[2] << 8 | from[3];
}

uint32_t listed_kind(struct str kind)
{
    return (uint32_t)hash64(kind, 0);
}

unsigned listed_home(enum dialect dialect, struct str org, unsigned n_shards)
{
    return (unsigned)((hash64(org, dialect) >> 32) % n_shards);
}

// --- keys ---

static size_t put_name(enum dialect dialect, struct str org, uint8_t *bytes)
{
    bytes[0] = (uint8_t)dialect;
    memcpy(bytes + 1, org.at, org.n_bytes);
    bytes[1 + org.n_bytes] = 0;
    return org.n_bytes + 2;
}

size_t listed_key(enum dialect dialect, struct str org, uint64_t block,
                  uint8_t bytes[LISTED_KEY_MAX_BYTES])
{
    size_t n_bytes = put_name(dialect, org, bytes);

    put_be64(bytes + n_bytes, block);
    return n_bytes + 8;
}

static bool read_key(struct str key, struct listed_row *out)
{
    const uint8_t *at = (const uint8_t *)key.at;

    if (key.n_bytes < 1 + 1 + 1 + 8 || key.n_bytes > LISTED_KEY_MAX_BYTES ||
        at[key.n_bytes - 9] != 0 ||
        (at[0] != DIALECT_PULUMI && at[0] != DIALECT_AKINON))
        return false;
    out->dialect = (enum dialect)at[0];
    out->org = (struct str){ key.at + 1, key.n_bytes - 10 };
    out->block = get_be64(at + key.n_bytes - 8);
    return out->block <= UINT64_MAX / LISTED_BLOCK;
}

// --- records ---

void listed_encode(const struct listed_row *row, struct buf *out)
{
    uint8_t bytes[LISTED_BLOCK * EVENT_BYTES];
    uint8_t *at = bytes;
    size_t start = record_begin(out, LISTED_VERSION);

    for (size_t i = 0; i < row->n; i++, at += EVENT_BYTES) {
        at[0] = (uint8_t)(row->events[i].number % LISTED_BLOCK);
        put_be32(at + 1, row->events[i].n_matched);
        put_be32(at + 5, row->events[i].kind);
    }
    pack_i64(out, row->newest_us);
    pack_str(out, (struct str){ (const char *)bytes, row->n * EVENT_BYTES });
    record_end(out, start);
}

static bool read_events(struct str bytes, struct listed_row *out)
{
    const uint8_t *at = (const uint8_t *)bytes.at;
    int last = -1;

    out->n = bytes.n_bytes / EVENT_BYTES;
    if (out->n == 0 || out->n > LISTED_BLOCK ||
        bytes.n_bytes % EVENT_BYTES != 0)
        return false;
    for (size_t i = 0; i < out->n; i++, at += EVENT_BYTES) {
        if (at[0] <= last || at[0] >= LISTED_BLOCK)
            return false;
        last = at[0];
        out->events[i] = (struct listed_event){
            .number = out->block * LISTED_BLOCK + at[0],
            .n_matched = get_be32(at + 1),
            .kind = get_be32(at + 5),
        };
    }
    return true;
}

enum err listed_decode(uint32_t place, struct str key, struct str record,
                       struct listed_row *out)
{
    struct unpack u;
    uint8_t version;
    struct str events;
    enum err err;

    if (!read_key(key, out))
        return ERR_CORRUPT;
    err = record_open(place, record, LISTED_VERSION, &version, &u);
    if (err != OK)
        return err;
    out->newest_us = unpack_i64(&u);
    events = unpack_str(&u);
    err = unpack_done(&u);
    return err == OK && !read_events(events, out) ? ERR_CORRUPT : err;
}

// Adds the events of `more`, which is of the same block.
static void add_row(struct listed_row *row, const struct listed_row *more)
{
    struct listed_row sum = { .n = 0 };
    size_t i = 0;

    for (size_t k = 0; k < more->n; k++) {
        struct listed_event event = more->events[k];

        while (i < row->n && row->events[i].number < event.number)
            sum.events[sum.n++] = row->events[i++];
        if (i < row->n && row->events[i].number == event.number)
            event.n_matched += row->events[i++].n_matched;
        sum.events[sum.n++] = event;
    }
    while (i < row->n)
        sum.events[sum.n++] = row->events[i++];
    memcpy(row->events, sum.events, sum.n * sizeof(sum.events[0]));
    row->n = sum.n;
    if (more->newest_us > row->newest_us)
        row->newest_us = more->newest_us;
}

// --- the table ---

enum err listed_put(struct store *s, MDB_txn *txn, unsigned db, MDB_val key,
                    struct str record)
{
    struct listed_row row;
    struct listed_row more;
    struct buf sum;
    MDB_val there;
    int rc = mdb_get(txn, store_db(s, db), &key, &there);

    if (rc == MDB_NOTFOUND ||
        (rc == 0 && listed_decode(store_place(s, db, key), str_of_val(key),
                                  str_of_val(there), &row) != OK)) {
        return store_err(s, store_put(s, txn, db, key, record, 0),
                         "list events");
    }
    if (rc != 0)
        return store_err(s, rc, "list events");
    if (listed_decode(RECORD_NOWHERE, str_of_val(key), record, &more) != OK)
        return ERR_CORRUPT;
    add_row(&row, &more);
    buf_init(&sum, 0);
    listed_encode(&row, &sum);
    rc = store_put(s, txn, db, key, buf_str(&sum), 0);
    buf_clear(&sum);
    return store_err(s, rc, "list events");
}

// Removes rows whose keys begin with `name`.
static int erase_named(MDB_cursor *cursor, struct str name, size_t max,
                       size_t *n)
{
    int rc = 0;

    while (rc == 0 && *n < max) {
        MDB_val key = val_of(name);
        MDB_val val;

        rc = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
        if (rc == 0 && !str_starts(str_of_val(key), name))
            rc = MDB_NOTFOUND;
        if (rc == 0)
            rc = row_cursor_del(cursor);
        *n += rc == 0;
    }
    return rc;
}

enum err listed_erase(struct store *s, MDB_txn *txn, unsigned db,
                      struct str org, size_t max, size_t *n)
{
    static const enum dialect dialects[] = { DIALECT_PULUMI, DIALECT_AKINON };
    uint8_t bytes[LISTED_KEY_MAX_BYTES];
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, store_db(s, db), &cursor);

    *n = 0;
    if (rc != 0)
        return store_err(s, rc, "erase list");
    for (size_t i = 0; i < 2 && (rc == 0 || rc == MDB_NOTFOUND); i++) {
        size_t n_bytes = put_name(dialects[i], org, bytes);

        rc = erase_named(cursor, (struct str){ (const char *)bytes, n_bytes },
                         max, n);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "erase list");
}

// --- where the list is whole ---

void listed_range_take(MDB_val key, MDB_val val, struct listed_range *out)
{
    if (!str_is(str_of_val(key), range_name) || val.mv_size != RANGE_BYTES)
        return;
    memcpy(out->from.bytes, val.mv_data, 8);
    memcpy(out->to.bytes, (const uint8_t *)val.mv_data + 8, 8);
}

enum err listed_range_get(struct store *s, MDB_txn *txn, unsigned db,
                          struct listed_range *out)
{
    MDB_val key = val_at(range_name, sizeof(range_name) - 1);
    MDB_val val;
    int rc = mdb_get(txn, store_db(s, db), &key, &val);

    *out = (struct listed_range){ position_start, position_start };
    if (rc == MDB_NOTFOUND)
        return OK;
    if (rc == 0)
        listed_range_take(key, val, out);
    return store_err(s, rc, "get list");
}

enum err listed_range_put(struct store *s, MDB_txn *txn, unsigned db,
                          const struct listed_range *range)
{
    uint8_t bytes[RANGE_BYTES];
    MDB_val key = val_at(range_name, sizeof(range_name) - 1);
    MDB_val val = val_at(bytes, sizeof(bytes));

    memcpy(bytes, range->from.bytes, 8);
    memcpy(bytes + 8, range->to.bytes, 8);
    return store_err(s, row_put(txn, store_db(s, db), &key, &val, 0),
                     "note list");
}
