// event_keys.c — idempotency: what makes an event the same as an earlier one.
//
// Rows of ids that producers chose live as long as their event, since events
// are found by them; rows of idempotency keys live for 24 h, and `key_times`
// says which are due to go.

#include "queue/event_keys.h"

#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "common/mem.h"
#include "queue/schema.h"

static void key_of(enum family family, char what, struct str org,
                   struct str name, uint8_t out[EVENT_KEY_BYTES])
{
    struct buf b;

    buf_init(&b, 0);
    buf_putc(&b, (char)family);
    buf_putc(&b, what);
    buf_put_str(&b, org);
    buf_putc(&b, '\0');
    buf_put_str(&b, name);
    hash128(buf_str(&b), out);
    buf_clear(&b);
}

void event_key_of_id(enum family family, struct str org, const struct id *id,
                     uint8_t out[EVENT_KEY_BYTES])
{
    key_of(family, 'i', org,
           (struct str){ (const char *)id->bytes, sizeof(id->bytes) }, out);
}

bool event_key(const struct new_event *ne, uint8_t out[EVENT_KEY_BYTES])
{
    const struct event *e = &ne->event;

    if (ne->has_id) {
        event_key_of_id(e->family, e->org, &e->id, out);
    } else if (ne->idempotency.n_bytes > 0) {
        key_of(e->family, 'k', e->org, ne->idempotency, out);
    } else {
        return false;
    }
    return true;
}

static void content_of(const struct event *e, uint8_t out[16])
{
    const struct str parts[] = { e->kind, e->project, e->stack, e->env };
    struct buf b;

    buf_init(&b, 0);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        buf_put_str(&b, parts[i]);
        buf_putc(&b, '\0');
    }
    buf_put_str(&b, e->payload);
    hash128(buf_str(&b), out);
    buf_clear(&b);
}

enum err event_key_get(struct store *s, MDB_txn *txn,
                       const uint8_t key[EVENT_KEY_BYTES], struct key_row *out)
{
    MDB_val k = val_at(key, EVENT_KEY_BYTES);
    MDB_val v;
    int rc = mdb_get(txn, s->dbs[EVENTS_KEYS], &k, &v);

    if (rc == MDB_NOTFOUND)
        return ERR_NOTFOUND;
    if (rc != 0)
        return store_err(s, rc, "get key");
    return key_decode(str_of_val(v), out);
}

int64_t event_key_now_us(const struct append *a, const struct new_event *ne)
{
    return a->now_us != 0 ? a->now_us : ne->event.accepted_at_us;
}

// A damaged row is none: the event is stored anew.
static enum err check_stored(struct store *s, MDB_txn *txn,
                             struct new_event *ne, const uint8_t *key,
                             int64_t now_us)
{
    struct key_row row = { 0 };
    uint8_t content[16];
    enum err err = event_key_get(s, txn, key, &row);

    if (err == ERR_NOTFOUND || err == ERR_CORRUPT)
        return OK;
    if (err != OK)
        return err;
    // One that is dated further ahead is from before the clock was set back.
    if (now_us - row.accepted_at_us > EVENT_KEY_WINDOW_US ||
        row.accepted_at_us - now_us > EVENT_KEY_WINDOW_US)
        return OK;
    content_of(&ne->event, content);
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

// Neighbours of the same key: the first of them is stored, the others repeat
// it.
static enum err check_within(struct append *a, const struct keyed *keyed,
                             size_t n)
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
        content_of(&a->events[keyed[first].index].event, first_content);
        content_of(&ne->event, content);
        if (memcmp(content, first_content, sizeof(content)) != 0) {
            a->fault = keyed[i].index;
            return ERR_CONFLICT;
        }
        ne->repeats = &a->events[keyed[first].index];
    }
    return OK;
}

enum err event_keys_check(struct store *s, MDB_txn *txn, struct append *a)
{
    struct keyed *keyed = NULL;
    size_t n = 0;
    enum err err = OK;

    for (size_t i = 0; i < a->n_events && err == OK; i++) {
        struct new_event *ne = &a->events[i];
        struct keyed one = { .index = i };

        ne->was_stored = true;
        ne->repeats = NULL;
        if (!event_key(ne, one.key))
            continue;
        if (keyed == NULL)
            keyed = xmalloc(a->n_events * sizeof(*keyed));
        keyed[n++] = one;
        err = check_stored(s, txn, ne, one.key, event_key_now_us(a, ne));
        if (err == ERR_CONFLICT)
            a->fault = i;
    }
    if (err == OK && n > 1) {
        qsort(keyed, n, sizeof(*keyed), by_key);
        err = check_within(a, keyed, n);
    }
    free(keyed);
    return err;
}

const struct new_event *event_keys_repeats(const struct append *a, size_t i)
{
    return a->events[i].repeats;
}

enum err event_key_put(struct store *s, MDB_txn *txn,
                       const struct new_event *ne,
                       const uint8_t key[EVENT_KEY_BYTES], int64_t now_us)
{
    struct key_row row = { .position = ne->event.position,
                           .accepted_at_us = now_us,
                           .event_id = ne->event.id };
    uint8_t time_key[8 + EVENT_KEY_BYTES];
    struct buf record;
    MDB_val k = val_at(key, EVENT_KEY_BYTES);
    MDB_val v;
    int rc;

    content_of(&ne->event, row.content);
    buf_init(&record, 0);
    key_encode(&row, &record);
    v = val_of(buf_str(&record));
    rc = mdb_put(txn, s->dbs[EVENTS_KEYS], &k, &v, 0);
    buf_clear(&record);
    if (rc == 0 && !ne->has_id) {
        put_be64(time_key, (uint64_t)row.accepted_at_us);
        memcpy(time_key + 8, key, EVENT_KEY_BYTES);
        k = val_at(time_key, sizeof(time_key));
        v = val_at("", 0);
        rc = mdb_put(txn, s->dbs[EVENTS_KEY_TIMES], &k, &v, 0);
    }
    return store_err(s, rc, "put key");
}

// The row of a key may be that of a later event: then it stays.
static int remove_if_of(struct store *s, MDB_txn *txn, const uint8_t *key,
                        int64_t accepted_at_us)
{
    struct key_row row = { 0 };
    MDB_val k = val_at(key, EVENT_KEY_BYTES);

    if (event_key_get(s, txn, key, &row) != OK ||
        row.accepted_at_us != accepted_at_us)
        return 0;
    return mdb_del(txn, s->dbs[EVENTS_KEYS], &k, NULL);
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
    int rc = mdb_cursor_open(txn, s->dbs[EVENTS_KEY_TIMES], &cursor);

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
            rc = mdb_cursor_del(cursor, 0);
        *n_removed += rc == 0;
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &val, MDB_FIRST);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "expire keys");
}
