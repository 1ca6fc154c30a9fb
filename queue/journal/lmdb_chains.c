// SPDX-License-Identifier: MIT
// lmdb_chains.c — chains and their readers in LMDB.

#include "queue/journal/lmdb_chains.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "queue/journal/lmdb_space.h"

#define RECORD_FORMAT 1
#define KEY_BYTES     12
#define TRIM_KEY      STR("trim")
// The list of pages that a commit frees needs consecutive pages itself.
#define TRIM_STEP_BYTES ((size_t)1 << 20)

struct lmdb_reader {
    struct journal_reader base;
    struct lmdb_space *space;
    unsigned chain;
    uint64_t after; // the last one read
    struct buf bytes;
};

// --- keys ---

static void put_be32(uint8_t to[4], uint32_t number)
{
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t)(number >> (8 * (3 - i)));
}

static struct str make_key(uint8_t to[KEY_BYTES], unsigned chain, uint64_t seq)
{
    put_be32(to, chain);
    put_be64(to + 4, seq);
    return (struct str){ (const char *)to, KEY_BYTES };
}

// The number of the entry, if it is one of this chain; 0: it is not.
static uint64_t seq_of(MDB_val key, unsigned chain)
{
    uint8_t prefix[4];

    put_be32(prefix, chain);
    if (key.mv_size != KEY_BYTES || memcmp(key.mv_data, prefix, 4) != 0)
        return 0;
    return get_be64((const uint8_t *)key.mv_data + 4);
}

// --- what is there ---

// The last entry of the chain. ERR_NOTFOUND: none.
static enum err find_last(struct lmdb_space *s, MDB_txn *txn, unsigned chain,
                          uint64_t *seq, uint8_t id[JOURNAL_ENTRY_ID])
{
    uint8_t room[KEY_BYTES];
    MDB_cursor *cursor;
    MDB_val key = val_of(make_key(room, chain + 1, 0));
    MDB_val val;
    struct unpack u;
    struct str found_id = STR_EMPTY;
    int rc = mdb_cursor_open(txn, store_db(s->store, LMDB_ENTRIES), &cursor);
    enum err err = store_err(s->store, rc, "last entry");

    if (err != OK)
        return err;
    rc = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);
    rc = mdb_cursor_get(cursor, &key, &val,
                        rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    err = store_err(s->store, rc, "last entry");
    *seq = err == OK ? seq_of(key, chain) : 0;
    if (err == OK && *seq == 0)
        err = ERR_NOTFOUND;
    if (err == OK)
        err = lmdb_open_record(s, LMDB_ENTRIES, key, val, &u);
    if (err == OK)
        found_id = unpack_str(&u);
    if (err == OK && found_id.n_bytes != JOURNAL_ENTRY_ID)
        err = ERR_CORRUPT;
    if (err == OK)
        memcpy(id, found_id.at, JOURNAL_ENTRY_ID);
    mdb_cursor_close(cursor);
    return err;
}

static struct str make_trim_key(char to[8], unsigned chain)
{
    memcpy(to, TRIM_KEY.at, TRIM_KEY.n_bytes);
    put_be32((uint8_t *)to + TRIM_KEY.n_bytes, chain);
    return (struct str){ to, 8 };
}

// The highest number that was removed; 0: none.
static enum err find_removed(struct lmdb_space *s, MDB_txn *txn, unsigned chain,
                             uint64_t *seq)
{
    char key[8];
    struct unpack u;
    enum err err = lmdb_get(s, txn, LMDB_META, make_trim_key(key, chain), &u);

    *seq = err == OK ? unpack_u64(&u) : 0;
    if (err == ERR_NOTFOUND)
        return OK;
    return err == OK ? unpack_done(&u) : err;
}

// --- appending ---

struct append {
    unsigned chain;
    uint64_t after;
    const uint8_t *id;
    struct str bytes;
    uint64_t seq;
};

static enum err put_entry(struct lmdb_space *s, MDB_txn *txn,
                          const struct append *a)
{
    struct str id = { (const char *)a->id, JOURNAL_ENTRY_ID };
    uint8_t key[KEY_BYTES];
    struct buf record;
    size_t start;
    enum err err;

    buf_init(&record, 0);
    start = record_begin(&record, RECORD_FORMAT);
    pack_str(&record, id);
    pack_str(&record, a->bytes);
    record_end(&record, start);
    err = lmdb_put(s, txn, LMDB_ENTRIES, make_key(key, a->chain, a->seq),
                   &record, false);
    buf_clear(&record);
    return err;
}

static enum err append_work(struct lmdb_space *s, MDB_txn *txn, void *data)
{
    struct append *a = data;
    uint8_t id[JOURNAL_ENTRY_ID] = { 0 };
    uint64_t last = 0;
    enum err err = find_last(s, txn, a->chain, &last, id);

    if (err != OK && err != ERR_NOTFOUND)
        return err;
    if (err == OK && memcmp(id, a->id, sizeof(id)) == 0) {
        a->seq = last; // the same call, again
        return OK;
    }
    if (last != a->after)
        return ERR_CONFLICT;
    a->seq = last + 1;
    return put_entry(s, txn, a);
}

// NOLINTNEXTLINE(readability-function-size): the seam names them all
enum err lmdb_append(struct journal *j, unsigned chain, uint64_t after,
                     const uint8_t id[JOURNAL_ENTRY_ID], struct str bytes,
                     int64_t wait_ms, uint64_t *seq)
{
    struct append a = {
        .chain = chain, .after = after, .id = id, .bytes = bytes
    };
    enum err err;

    (void)wait_ms; // for the writer before us, LMDB waits
    if (chain >= JOURNAL_CHAINS_MAX)
        return ERR_INVALID;
    if (bytes.n_bytes > JOURNAL_ENTRY_BYTES)
        return ERR_TOOBIG;
    err = lmdb_write(lmdb_handle_of(j)->space, append_work, &a);
    if (err == OK)
        *seq = a.seq;
    return err;
}

enum err lmdb_last(struct journal *j, unsigned chain, int64_t wait_ms,
                   uint64_t *seq, uint8_t id[JOURNAL_ENTRY_ID])
{
    struct lmdb_space *s = lmdb_handle_of(j)->space;
    MDB_txn *txn;
    enum err err;

    (void)wait_ms;
    if (chain >= JOURNAL_CHAINS_MAX)
        return ERR_INVALID;
    err = lmdb_read(s, &txn);
    if (err != OK)
        return err;
    err = find_last(s, txn, chain, seq, id);
    mdb_txn_abort(txn);
    return err;
}

// --- trimming ---

struct trim {
    unsigned chain;
    uint64_t before;
    bool is_done;
};

// Removes entries up to the size of a step. Sets the highest number.
static enum err remove_entries(struct lmdb_space *s, MDB_cursor *cursor,
                               struct trim *t, uint64_t *removed)
{
    uint8_t room[KEY_BYTES];
    MDB_val key = val_of(make_key(room, t->chain, 0));
    MDB_val val;
    size_t n_bytes = 0;
    int rc = mdb_cursor_get(cursor, &key, &val, MDB_SET_RANGE);

    while (rc == 0) {
        uint64_t seq = seq_of(key, t->chain);

        t->is_done = seq == 0 || seq >= t->before;
        if (t->is_done || n_bytes >= TRIM_STEP_BYTES)
            break;
        n_bytes += val.mv_size;
        *removed = seq;
        rc = mdb_cursor_del(cursor, 0);
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
    }
    if (rc == MDB_NOTFOUND) {
        t->is_done = true;
        rc = 0;
    }
    return store_err(s->store, rc, "trim");
}

static enum err note_removed(struct lmdb_space *s, MDB_txn *txn, unsigned chain,
                             uint64_t seq)
{
    char key[8];
    struct buf record;
    size_t start;
    enum err err;

    buf_init(&record, 0);
    start = record_begin(&record, RECORD_FORMAT);
    pack_u64(&record, seq);
    record_end(&record, start);
    err = lmdb_put(s, txn, LMDB_META, make_trim_key(key, chain), &record, true);
    buf_clear(&record);
    return err;
}

static enum err trim_work(struct lmdb_space *s, MDB_txn *txn, void *data)
{
    struct trim *t = data;
    MDB_cursor *cursor;
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t last;
    uint64_t removed = 0;
    enum err err = find_last(s, txn, t->chain, &last, id);

    t->is_done = true;
    if (err != OK)
        return err == ERR_NOTFOUND ? OK : err;
    if (t->before > last)
        t->before = last;
    err = store_err(
        s->store,
        mdb_cursor_open(txn, store_db(s->store, LMDB_ENTRIES), &cursor),
        "trim");
    if (err != OK)
        return err;
    err = remove_entries(s, cursor, t, &removed);
    mdb_cursor_close(cursor);
    return err == OK && removed != 0 ? note_removed(s, txn, t->chain, removed)
                                     : err;
}

enum err lmdb_trim(struct journal *j, unsigned chain, uint64_t before,
                   int64_t wait_ms)
{
    struct trim t = { .chain = chain, .before = before };
    int64_t until_us = clock_mono_us() + wait_ms * 1000;

    if (chain >= JOURNAL_CHAINS_MAX)
        return ERR_INVALID;
    for (;;) {
        enum err err = lmdb_write(lmdb_handle_of(j)->space, trim_work, &t);

        if (err != OK || t.is_done)
            return err == ERR_FULL ? ERR_AGAIN : err;
        if (clock_mono_us() > until_us)
            return ERR_AGAIN;
    }
}

// --- reading ---

enum err lmdb_reader_open(struct journal *j, unsigned chain, uint64_t after,
                          struct journal_reader **out)
{
    struct lmdb_reader *r;

    if (chain >= JOURNAL_CHAINS_MAX)
        return ERR_INVALID;
    r = xcalloc(1, sizeof(*r));
    r->base.ops = j->ops;
    r->space = lmdb_handle_of(j)->space;
    r->chain = chain;
    r->after = after;
    buf_init(&r->bytes, 0);
    *out = &r->base;
    return OK;
}

void lmdb_reader_close(struct journal_reader *reader)
{
    struct lmdb_reader *r = (struct lmdb_reader *)(void *)reader;

    buf_clear(&r->bytes);
    free(r);
}

static enum err copy_entry(struct lmdb_reader *r, MDB_val key, MDB_val val,
                           struct journal_entry *out)
{
    struct str id;
    struct str bytes;
    struct unpack u;
    enum err err = lmdb_open_record(r->space, LMDB_ENTRIES, key, val, &u);

    if (err != OK)
        return err;
    id = unpack_str(&u);
    bytes = unpack_str(&u);
    if (unpack_done(&u) != OK || id.n_bytes != JOURNAL_ENTRY_ID)
        return ERR_CORRUPT;
    buf_reset(&r->bytes);
    buf_put_str(&r->bytes, bytes);
    r->after = seq_of(key, r->chain);
    *out =
        (struct journal_entry){ .seq = r->after, .bytes = buf_str(&r->bytes) };
    memcpy(out->id, id.at, JOURNAL_ENTRY_ID);
    return OK;
}

static enum err look(struct lmdb_reader *r, MDB_txn *txn,
                     struct journal_entry *out)
{
    struct lmdb_space *s = r->space;
    uint8_t room[KEY_BYTES];
    MDB_cursor *cursor;
    MDB_val key = val_of(make_key(room, r->chain, r->after + 1));
    MDB_val val;
    uint64_t removed;
    enum err err = find_removed(s, txn, r->chain, &removed);

    if (err == OK && r->after > 0 && removed > r->after)
        err = ERR_GONE;
    if (err == OK && r->after == UINT64_MAX)
        err = ERR_NOTFOUND;
    if (err != OK)
        return err;
    err = store_err(
        s->store,
        mdb_cursor_open(txn, store_db(s->store, LMDB_ENTRIES), &cursor),
        "read");
    if (err != OK)
        return err;
    err = store_err(s->store, store_seek(cursor, &key, &val), "read");
    if (err == OK && seq_of(key, r->chain) == 0)
        err = ERR_NOTFOUND;
    if (err == OK)
        err = copy_entry(r, key, val, out);
    mdb_cursor_close(cursor);
    return err;
}

enum err lmdb_reader_next(struct journal_reader *reader, int64_t wait_ms,
                          struct journal_entry *out)
{
    struct lmdb_reader *r = (struct lmdb_reader *)(void *)reader;
    struct lmdb_patience p = lmdb_patience_of(wait_ms);

    for (;;) {
        MDB_txn *txn;
        enum err err = lmdb_read(r->space, &txn);

        if (err != OK)
            return err;
        p.seen = mdb_txn_id(txn);
        err = look(r, txn, out);
        mdb_txn_abort(txn);
        if (err != ERR_NOTFOUND || !lmdb_wait(r->space, &p))
            return err;
    }
}
