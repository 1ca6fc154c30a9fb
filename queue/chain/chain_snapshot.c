// SPDX-License-Identifier: MIT
// chain_snapshot.c — all rows of an environment at one point of its chain.
//
// Happy path: in one read transaction, the mark is read and all rows are appended; then
// the value names them, unless it has changed since the beginning; then what it named
// before is removed.
//
// If it fails: no value names what was appended, and the next snapshot removes it.

#include "queue/chain/chain_snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/random.h"
#include "common/log/log.h"
#include "queue/chain/chain_mark.h"
#include "queue/lmdb/row_changes.h"

#define TRY_MS         2000
#define LOAD_MS        30000 // an entry that is there must come
#define COMMIT_BYTES   ((size_t)16 << 20)
#define KEY_BYTES      24
#define RECORD_VERSION 1

static const struct member members[] = {
    MEMBER(struct chain_snapshot, begin),
    MEMBER(struct chain_snapshot, n),
    MEMBER(struct chain_snapshot, mark),
    MEMBER(struct chain_snapshot, seq),
    MEMBER(struct chain_snapshot, term),
    MEMBER(struct chain_snapshot, n_bytes),
};

static struct str key_of(unsigned chain, char room[KEY_BYTES])
{
    snprintf(room, KEY_BYTES, "snapshot.%u", chain);
    return str_of(room);
}

static enum err get(struct journal *j, unsigned chain,
                    struct chain_snapshot *out, uint64_t *revision)
{
    char key[KEY_BYTES];
    struct buf bytes;
    enum err err;

    *out = (struct chain_snapshot){ .begin = 0 };
    buf_init(&bytes, 0);
    err = journal_value_get(j, key_of(chain, key), TRY_MS, &bytes, revision);
    if (err == OK) {
        err = record_unpack(RECORD_NOWHERE, buf_str(&bytes), RECORD_VERSION,
                            MEMBERS(members), out);
    }
    buf_clear(&bytes);
    return err;
}

enum err chain_snapshot_get(struct journal *j, unsigned chain,
                            struct chain_snapshot *out)
{
    uint64_t revision;

    return get(j, chain, out, &revision);
}

// --- writing ---

struct writing {
    const struct chain_snapshot_job *job;
    struct chain_snapshot snapshot;
    uint64_t revision; // of the value, at the beginning
    uint64_t last;     // number of the last entry of the snapshots' chain
    struct buf rows, entry;
    struct chain_codec codec;
};

// Appends what `entry` holds, behind whatever is there.
static enum err append_bytes(struct writing *w)
{
    const struct chain_snapshot_job *job = w->job;
    unsigned chain = chain_of_snapshot(job->chain);
    uint8_t id[JOURNAL_ENTRY_ID];
    uint8_t last_id[JOURNAL_ENTRY_ID];

    crypto_random(id, sizeof(id));
    for (;;) {
        uint64_t seq = 0;
        enum err err = journal_append(job->journal, chain, w->last, id,
                                      buf_str(&w->entry), TRY_MS, &seq);

        if (err == ERR_CONFLICT) {
            err = journal_last(job->journal, chain, TRY_MS, &seq, last_id);
            if (err == ERR_NOTFOUND)
                seq = 0;
            if (err == OK || err == ERR_NOTFOUND)
                w->last = seq;
            // Another's entry is the last one. If this one was stored before that, it is
            // there twice then, and readers take it once.
            if (err != OK || memcmp(id, last_id, sizeof(id)) != 0)
                err = ERR_AGAIN;
        }
        if (err == OK) {
            w->last = seq;
            return OK;
        }
        if (err != ERR_AGAIN || !job->may_go_on(job->data))
            return err;
    }
}

static enum err append_entry(struct writing *w, struct str changes,
                             bool is_first, bool is_last)
{
    const struct chain_entry e = { .kind = CHAIN_ROWS,
                                   .term = w->snapshot.mark,
                                   .before = w->snapshot.n,
                                   .is_first = is_first,
                                   .is_last = is_last,
                                   .changes = changes };
    enum err err;

    buf_reset(&w->entry);
    chain_entry_encode(&w->codec, &e, &w->entry);
    err = append_bytes(w);
    if (w->snapshot.n == 0)
        w->snapshot.begin = w->last;
    w->snapshot.n++;
    return err;
}

// Appends the rows that have come together.
static enum err append_rows(struct writing *w)
{
    struct str rest = buf_str(&w->rows);
    bool is_first = true;
    enum err err;

    do {
        size_t n =
            rest.n_bytes < CHAIN_BODY_BYTES ? rest.n_bytes : CHAIN_BODY_BYTES;

        err = append_entry(w, (struct str){ rest.at, n }, is_first,
                           n == rest.n_bytes);
        rest.at += n;
        rest.n_bytes -= n;
        is_first = false;
    } while (err == OK && rest.n_bytes > 0);
    w->snapshot.n_bytes += w->rows.n_bytes;
    buf_reset(&w->rows);
    return err;
}

static enum err append_table(struct writing *w, MDB_txn *txn, unsigned db)
{
    struct store *s = w->job->store;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, store_db(s, db), &cursor);
    enum err err = OK;

    if (rc != 0)
        return store_err(s, rc, "write snapshot");
    while (err == OK &&
           (rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0) {
        const struct row_change row = { .db = db,
                                        .key = str_of_val(key),
                                        .value = str_of_val(val) };

        if (db == w->job->meta_db && chain_mark_is(key))
            continue;
        row_change_put(&w->rows, &row);
        if (w->rows.n_bytes >= CHAIN_BODY_BYTES / 2)
            err = append_rows(w);
    }
    mdb_cursor_close(cursor);
    return err == OK && rc != MDB_NOTFOUND ? store_err(s, rc, "write snapshot")
                                           : err;
}

static enum err append_tables(struct writing *w, MDB_txn *txn)
{
    const struct chain_snapshot_job *job = w->job;
    struct chain_point at = { .seq = 0 };
    struct chain_snapshot before;
    enum err err = chain_mark_get(job->store, txn, job->meta_db, &at);

    if (err == OK || err == ERR_NOTFOUND)
        err = get(job->journal, job->chain, &before, &w->revision);
    if (err == ERR_NOTFOUND)
        w->revision = 0;
    if (err != OK && err != ERR_NOTFOUND)
        return err;
    if (before.n > 0 && before.seq > at.seq)
        return ERR_CONFLICT;
    w->snapshot.seq = at.seq;
    w->snapshot.term = at.term;
    err = OK;
    for (unsigned db = 0; db < store_n_dbs(job->store) && err == OK; db++) {
        if (store_has_table(job->store, db))
            err = append_table(w, txn, db);
    }
    return err == OK ? append_rows(w) : err; // an empty one ends it, too
}

// From now on it counts.
static enum err name_it(struct writing *w)
{
    const struct chain_snapshot_job *job = w->job;
    char key[KEY_BYTES];
    struct buf record;
    uint64_t revision = 0;
    enum err err;

    buf_init(&record, 0);
    record_pack(&record, RECORD_VERSION, MEMBERS(members), &w->snapshot);
    do {
        struct str bytes = buf_str(&record);
        struct chain_snapshot now;

        err = journal_value_put(job->journal, key_of(job->chain, key), &bytes,
                                w->revision, TRY_MS, &revision);
        // It may have been stored by the call before, whose answer was lost.
        if (err == ERR_CONFLICT &&
            get(job->journal, job->chain, &now, &revision) == OK &&
            now.mark == w->snapshot.mark)
            err = OK;
    } while (err == ERR_AGAIN && job->may_go_on(job->data));
    buf_clear(&record);
    return err;
}

// What is not removed now, the next snapshot removes.
static void trim(const struct writing *w)
{
    const struct chain_snapshot_job *job = w->job;
    enum err err = journal_trim(job->journal, chain_of_snapshot(job->chain),
                                w->snapshot.begin, TRY_MS);

    if (err == OK && w->snapshot.seq > 0) {
        err = journal_trim(job->journal, job->chain, w->snapshot.seq, TRY_MS);
    }
    if (err != OK) {
        log_info("what a snapshot replaces is removed with the next one",
                 "chain=%u", job->chain);
    }
}

enum err chain_snapshot_write(const struct chain_snapshot_job *job,
                              struct chain_snapshot *out)
{
    struct writing w = { .job = job };
    MDB_txn *txn;
    enum err err =
        store_err(job->store,
                  mdb_txn_begin(store_env(job->store), NULL, MDB_RDONLY, &txn),
                  "write snapshot");

    if (err != OK)
        return err;
    chain_codec_init(&w.codec, chain_of_snapshot(job->chain), job->keys);
    buf_init(&w.rows, 0);
    buf_init(&w.entry, 0);
    crypto_random(&w.snapshot.mark, sizeof(w.snapshot.mark));
    err = append_tables(&w, txn);
    mdb_txn_abort(txn);
    if (err == OK)
        err = name_it(&w);
    if (err == OK)
        trim(&w);
    chain_codec_clear(&w.codec);
    buf_clear(&w.rows);
    buf_clear(&w.entry);
    *out = w.snapshot;
    return err;
}

// --- loading ---

struct loading {
    const struct chain_snapshot_job *job;
    struct chain_snapshot snapshot;
    struct chain_codec codec;
    struct buf parts;
    MDB_txn *txn; // NULL: none is open
    uint64_t n;   // entries done
    size_t n_bytes;
};

static enum err load_entry(struct loading *l, const struct chain_entry *e)
{
    struct store *s = l->job->store;
    enum err err = OK;

    if (e->is_first)
        buf_reset(&l->parts);
    buf_put_str(&l->parts, e->changes);
    l->n++;
    if (!e->is_last)
        return OK;
    if (l->txn == NULL)
        err = store_write(s, &l->txn);
    if (err == OK)
        err = row_changes_apply(s, l->txn, buf_str(&l->parts));
    l->n_bytes += l->parts.n_bytes;
    if (err == OK && l->n_bytes >= COMMIT_BYTES) {
        MDB_txn *txn = l->txn;

        l->txn = NULL;
        l->n_bytes = 0;
        err = store_commit(s, txn);
    }
    return err;
}

static enum err load_entries(struct loading *l, struct journal_reader *reader)
{
    int64_t until_us = clock_mono_us() + LOAD_MS * INT64_C(1000);
    enum err err = OK;

    while (err == OK && l->n < l->snapshot.n) {
        struct journal_entry entry;
        struct chain_entry e;

        err = journal_reader_next(reader, TRY_MS, &entry);
        if ((err == ERR_NOTFOUND || err == ERR_AGAIN) &&
            clock_mono_us() < until_us && l->job->may_go_on(l->job->data)) {
            err = OK;
            continue;
        }
        if (err != OK)
            return err == ERR_NOTFOUND ? ERR_AGAIN : err;
        until_us = clock_mono_us() + LOAD_MS * INT64_C(1000);
        if (chain_entry_decode(&l->codec, entry.bytes, &e) == OK &&
            e.kind == CHAIN_ROWS && e.term == l->snapshot.mark &&
            e.before == l->n)
            err = load_entry(l, &e);
    }
    return err;
}

static enum err end_load(struct loading *l)
{
    const struct chain_snapshot_job *job = l->job;
    const struct chain_point at = { .seq = l->snapshot.seq,
                                    .term = l->snapshot.term };
    MDB_txn *txn = l->txn;
    enum err err = txn == NULL ? store_write(job->store, &txn) : OK;

    l->txn = NULL;
    if (err != OK)
        return err;
    return store_write_end(job->store, txn,
                           chain_mark_put(job->store, txn, job->meta_db, &at));
}

enum err chain_snapshot_load(const struct chain_snapshot_job *job)
{
    struct loading l = { .job = job };
    struct journal_reader *reader;
    enum err err = chain_snapshot_get(job->journal, job->chain, &l.snapshot);

    if (err == OK) {
        err = journal_reader_open(job->journal, chain_of_snapshot(job->chain),
                                  l.snapshot.begin - 1, &reader);
    }
    if (err != OK)
        return err;
    chain_codec_init(&l.codec, chain_of_snapshot(job->chain), job->keys);
    buf_init(&l.parts, 0);
    err = load_entries(&l, reader);
    if (err == OK)
        err = end_load(&l);
    if (l.txn != NULL)
        mdb_txn_abort(l.txn);
    journal_reader_close(reader);
    chain_codec_clear(&l.codec);
    buf_clear(&l.parts);
    return err;
}
