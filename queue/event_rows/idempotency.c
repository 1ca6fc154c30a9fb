// SPDX-License-Identifier: MIT
// idempotency.c — what makes an event a repetition of an earlier one.
//
// Rows of ids that producers chose live as long as their event, since events are
// found through them; rows of idempotency keys live for 24 h, and `key_times`
// orders them by age.

#include "queue/event_rows/idempotency.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"

#define CONTENT_PARTS 9

static char old_until_name[] = "old_keys";

enum err event_hasher_open(const struct queue_config *config, struct store *s,
                           struct event_hasher *out)
{
    MDB_val key = val_at(old_until_name, sizeof(old_until_name) - 1);
    struct format f;
    MDB_val val;
    MDB_txn *txn;
    enum err err = format_read(config->data_dir, &f);

    if (err == OK && !f.has_key)
        err = ERR_INVALID;
    if (err == OK)
        err = store_read(s, &txn);
    if (err != OK)
        return err;
    memcpy(out->key, f.key, sizeof(out->key));
    out->old_until_us = 0;
    out->removed_from = UINT64_MAX;
    err = store_err(s, mdb_get(txn, store_db(s, EVENTS_META), &key, &val),
                    "get old keys");
    if (err == OK && val.mv_size == 8)
        out->old_until_us = (int64_t)get_be64(val.mv_data);
    store_read_end(s);
    return err == ERR_NOTFOUND ? OK : err;
}

enum err event_put_old_until(struct store *s, MDB_txn *txn, int64_t until_us)
{
    uint8_t bytes[8];
    MDB_val key = val_at(old_until_name, sizeof(old_until_name) - 1);
    MDB_val val = val_at(bytes, sizeof(bytes));

    put_be64(bytes, (uint64_t)until_us);
    return store_err(s, row_put(txn, store_db(s, EVENTS_META), &key, &val, 0),
                     "put old keys");
}

// --- hashes ---

static void hash(const struct event_hasher *h, const struct str *parts,
                 size_t n_parts, uint8_t out[16])
{
    const struct str key = { (const char *)h->key, sizeof(h->key) };
    uint8_t whole[SHA256_BYTES];

    crypto_hmac_sha256(key, parts, n_parts, whole);
    memcpy(out, whole, 16);
}

static void key_of(const struct event_hasher *h, const char kind[2],
                   struct str org, struct str name,
                   uint8_t out[EVENT_KEY_BYTES])
{
    const struct str parts[] = { { kind, 2 }, org, { "", 1 }, name };

    hash(h, parts, sizeof(parts) / sizeof(parts[0]), out);
}

void event_key_of_id(const struct event_hasher *h, enum dialect dialect,
                     struct str org, const struct id *id,
                     uint8_t out[EVENT_KEY_BYTES])
{
    const char kind[2] = { (char)dialect, 'i' };

    key_of(h, kind, org,
           (struct str){ (const char *)id->bytes, sizeof(id->bytes) }, out);
}

bool event_key(const struct event_hasher *h, const struct new_event *ne,
               uint8_t out[EVENT_KEY_BYTES])
{
    const struct event *e = &ne->event;
    const char kind[2] = { (char)e->dialect, 'k' };

    if (ne->has_id) {
        event_key_of_id(h, e->dialect, e->org, &e->id, out);
    } else if (ne->idempotency.n_bytes > 0) {
        key_of(h, kind, e->org, ne->idempotency, out);
    } else {
        return false;
    }
    return true;
}

static void parts_of(const struct event *e, struct str parts[CONTENT_PARTS])
{
    const struct str all[CONTENT_PARTS] = {
        e->kind,   { "", 1 }, e->project, { "", 1 },  e->stack,
        { "", 1 }, e->env,    { "", 1 },  e->payload,
    };

    memcpy(parts, all, sizeof(all));
}

void event_content(const struct event_hasher *h, const struct event *e,
                   uint8_t out[16])
{
    struct str parts[CONTENT_PARTS];

    parts_of(e, parts);
    hash(h, parts, CONTENT_PARTS, out);
}

// --- format 4: the same bytes, hashed without a key ---

static void old_hash(const struct str *parts, size_t n_parts, uint8_t out[16])
{
    struct buf b;

    buf_init(&b, 0);
    for (size_t i = 0; i < n_parts; i++)
        buf_put_str(&b, parts[i]);
    hash128(buf_str(&b), out);
    buf_clear(&b);
}

static void old_key_of(const char kind[2], struct str org, struct str name,
                       uint8_t out[EVENT_KEY_BYTES])
{
    const struct str parts[] = { { kind, 2 }, org, { "", 1 }, name };

    old_hash(parts, sizeof(parts) / sizeof(parts[0]), out);
}

void event_key_of_old_id(enum dialect dialect, struct str org,
                         const struct id *id, uint8_t out[EVENT_KEY_BYTES])
{
    const char kind[2] = { (char)dialect, 'i' };

    old_key_of(kind, org,
               (struct str){ (const char *)id->bytes, sizeof(id->bytes) }, out);
}

static void content_of(const struct event_hasher *h, const struct key_row *row,
                       const struct event *e, uint8_t out[16])
{
    struct str parts[CONTENT_PARTS];

    if (!row->is_old) {
        event_content(h, e, out);
        return;
    }
    parts_of(e, parts);
    old_hash(parts, CONTENT_PARTS, out);
}

// --- rows ---

enum err event_key_get(struct store *s, MDB_txn *txn,
                       const uint8_t key[EVENT_KEY_BYTES], struct key_row *out)
{
    MDB_val k = val_at(key, EVENT_KEY_BYTES);
    MDB_val v;
    int rc = mdb_get(txn, store_db(s, EVENTS_KEYS), &k, &v);

    if (rc == MDB_NOTFOUND)
        return ERR_NOTFOUND;
    if (rc != 0)
        return store_err(s, rc, "get key");
    return key_decode(store_place(s, EVENTS_KEYS, k), str_of_val(v), out);
}

int64_t event_key_now_us(const struct append *a, const struct new_event *ne)
{
    return a->now_us != 0 ? a->now_us : ne->event.accepted_at_us;
}

// Format 4 stored only a hash of an idempotency key.
static enum err get_old_row(struct store *s, MDB_txn *txn,
                            const struct new_event *ne, struct key_row *out)
{
    const char kind[2] = { (char)ne->event.dialect, 'k' };
    uint8_t old_key[EVENT_KEY_BYTES];

    old_key_of(kind, ne->event.org, ne->idempotency, old_key);
    return event_key_get(s, txn, old_key, out);
}

// A damaged row counts as none: the event is stored again.
static enum err check_stored(const struct event_hasher *h, struct store *s,
                             MDB_txn *txn, struct new_event *ne,
                             const uint8_t *key, int64_t now_us)
{
    struct key_row row = { .is_old = false };
    uint8_t content[16];
    enum err err = event_key_get(s, txn, key, &row);

    if (err == ERR_NOTFOUND && !ne->has_id && now_us < h->old_until_us)
        err = get_old_row(s, txn, ne, &row);
    if (err == ERR_NOTFOUND || err == ERR_CORRUPT)
        return OK;
    if (err != OK)
        return err;
    if (position_number(row.position) >= h->removed_from)
        return OK;
    // A key with a date further ahead is from before the clock was set back.
    if (now_us - row.accepted_at_us > EVENT_KEY_WINDOW_US ||
        row.accepted_at_us - now_us > EVENT_KEY_WINDOW_US)
        return OK;
    content_of(h, &row, &ne->event, content);
    if (memcmp(content, row.content, sizeof(content)) != 0)
        return ERR_CONFLICT;
    ne->event.id = row.event_id;
    ne->event.position = row.position;
    ne->was_stored = false;
    return OK;
}

struct keyed {
    uint8_t key[EVENT_KEY_BYTES];
    size_t index; // of the event
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a;
    const struct keyed *y = b;
    int order = memcmp(x->key, y->key, sizeof(x->key));

    if (order != 0)
        return order;
    return x->index < y->index ? -1 : 1;
}

// After sorting, equal keys are neighbours: the first event is stored, the others
// repeat it.
static enum err check_within(const struct event_hasher *h, struct append *a,
                             const struct keyed *keyed, size_t n)
{
    size_t first = 0;
    uint8_t first_content[16];
    uint8_t content[16];

    for (size_t i = 1; i < n; i++) {
        struct new_event *ne = &a->events[keyed[i].index];

        if (memcmp(keyed[i].key, keyed[first].key, EVENT_KEY_BYTES) != 0) {
            first = i;
            continue;
        }
        event_content(h, &a->events[keyed[first].index].event, first_content);
        event_content(h, &ne->event, content);
        if (memcmp(content, first_content, sizeof(content)) != 0) {
            a->fault = keyed[i].index;
            return ERR_CONFLICT;
        }
        ne->repeats = &a->events[keyed[first].index];
    }
    return OK;
}

enum err event_keys_check(const struct event_hasher *h, struct store *s,
                          MDB_txn *txn, struct append *a)
{
    struct keyed *keyed = NULL;
    size_t n = 0;
    enum err err = OK;

    for (size_t i = 0; i < a->n_events && err == OK; i++) {
        struct new_event *ne = &a->events[i];
        struct keyed one = { .index = i };

        ne->was_stored = true;
        ne->repeats = NULL;
        ne->has_key = event_key(h, ne, ne->key);
        if (!ne->has_key)
            continue;
        memcpy(one.key, ne->key, sizeof(one.key));
        if (keyed == NULL)
            keyed = xmalloc(a->n_events * sizeof(*keyed));
        keyed[n++] = one;
        err = check_stored(h, s, txn, ne, one.key, event_key_now_us(a, ne));
        if (err == ERR_CONFLICT)
            a->fault = i;
    }
    if (err == OK && n > 1) {
        qsort(keyed, n, sizeof(*keyed), by_key);
        err = check_within(h, a, keyed, n);
    }
    free(keyed);
    return err;
}

const struct new_event *event_keys_repeats(const struct append *a, size_t i)
{
    return a->events[i].repeats;
}

enum err event_key_put(const struct event_hasher *h, struct store *s,
                       MDB_txn *txn, const struct new_event *ne, int64_t now_us)
{
    struct key_row row = { .position = ne->event.position,
                           .accepted_at_us = now_us,
                           .event_id = ne->event.id };
    uint8_t time_key[8 + EVENT_KEY_BYTES];
    struct buf record;
    MDB_val k = val_at(ne->key, EVENT_KEY_BYTES);
    MDB_val v;
    int rc;

    event_content(h, &ne->event, row.content);
    buf_init(&record, 0);
    key_encode(&row, &record);
    rc = store_put(s, txn, EVENTS_KEYS, k, buf_str(&record), 0);
    buf_clear(&record);
    if (rc == 0 && !ne->has_id) {
        put_be64(time_key, (uint64_t)row.accepted_at_us);
        memcpy(time_key + 8, ne->key, EVENT_KEY_BYTES);
        k = val_at(time_key, sizeof(time_key));
        v = val_at("", 0);
        rc = row_put(txn, store_db(s, EVENTS_KEY_TIMES), &k, &v, 0);
    }
    return store_err(s, rc, "put key");
}

enum err event_key_remove(struct store *s, MDB_txn *txn,
                          const uint8_t key[EVENT_KEY_BYTES],
                          struct position position)
{
    struct key_row row;
    MDB_val k = val_at(key, EVENT_KEY_BYTES);
    int rc;

    if (event_key_get(s, txn, key, &row) != OK ||
        position_cmp(row.position, position) != 0)
        return OK;
    rc = row_del(txn, store_db(s, EVENTS_KEYS), &k);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "remove key");
}

// Removes the row of a key, unless it belongs to a later event.
static int remove_if_of(struct store *s, MDB_txn *txn, const uint8_t *key,
                        int64_t accepted_at_us)
{
    struct key_row row = { 0 };
    MDB_val k = val_at(key, EVENT_KEY_BYTES);

    if (event_key_get(s, txn, key, &row) != OK ||
        row.accepted_at_us != accepted_at_us)
        return 0;
    return row_del(txn, store_db(s, EVENTS_KEYS), &k);
}

bool event_key_is_old(MDB_val time_key, int64_t now_us)
{
    return time_key.mv_size == 8 + EVENT_KEY_BYTES &&
           now_us - (int64_t)get_be64(time_key.mv_data) > EVENT_KEY_WINDOW_US;
}

enum err event_keys_expire(struct store *s, MDB_txn *txn, int64_t now_us,
                           size_t max, size_t *n_removed)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, store_db(s, EVENTS_KEY_TIMES), &cursor);

    *n_removed = 0;
    if (rc != 0)
        return store_err(s, rc, "expire keys");
    rc = mdb_cursor_get(cursor, &key, &val, MDB_FIRST);
    for (size_t i = 0; i < max && rc == 0; i++) {
        uint8_t bytes[8 + EVENT_KEY_BYTES];
        int64_t at_us;

        if (!event_key_is_old(key, now_us))
            break;
        memcpy(bytes, key.mv_data, sizeof(bytes));
        at_us = (int64_t)get_be64(bytes);
        rc = remove_if_of(s, txn, bytes + 8, at_us);
        if (rc == 0)
            rc = row_cursor_del(cursor);
        *n_removed += rc == 0;
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &val, MDB_FIRST);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "expire keys");
}
