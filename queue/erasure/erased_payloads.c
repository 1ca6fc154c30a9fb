// SPDX-License-Identifier: MIT
// erased_payloads.c — which orders to erase a payload an environment has worked off.

#include "queue/erasure/erased_payloads.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "queue/erasure/payload_orders.h"
#include "queue/lmdb/row_changes.h"

#define NAME_BYTES 6
#define KEY_BYTES  (NAME_BYTES + 8)

static const char row_name[NAME_BYTES] = { 'w', 'i', 'p', 'e', 'd', ' ' };

static MDB_val key_of(struct position position, uint8_t bytes[KEY_BYTES])
{
    memcpy(bytes, row_name, NAME_BYTES);
    memcpy(bytes + NAME_BYTES, position.bytes, 8);
    return val_at(bytes, KEY_BYTES);
}

static bool is_row(MDB_val key)
{
    return key.mv_size == KEY_BYTES &&
           memcmp(key.mv_data, row_name, NAME_BYTES) == 0;
}

enum err erased_payload_read(struct store *s, unsigned db,
                             struct position position, bool *out)
{
    uint8_t bytes[KEY_BYTES];
    MDB_val key = key_of(position, bytes);
    MDB_val val;
    MDB_txn *txn;
    enum err err = store_read(s, &txn);
    int rc;

    *out = false;
    if (err != OK)
        return err;
    rc = mdb_get(txn, store_db(s, db), &key, &val);
    store_read_end(s);
    *out = rc == 0;
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "read erased payload");
}

enum err erased_payload_put(struct store *s, MDB_txn *txn, unsigned db,
                            struct position position)
{
    uint8_t bytes[KEY_BYTES];
    MDB_val key = key_of(position, bytes);
    MDB_val val = val_at("", 0);

    return store_err(s, row_put(txn, store_db(s, db), &key, &val, 0),
                     "note erased payload");
}

enum err erased_payloads_forget(struct store *s, MDB_txn *txn, unsigned db,
                                const struct payload_work *work)
{
    for (size_t i = 0; i < work->n_forget; i++) {
        uint8_t bytes[KEY_BYTES];
        MDB_val key = key_of(work->forget[i], bytes);
        int rc = row_del(txn, store_db(s, db), &key);

        if (rc != 0 && rc != MDB_NOTFOUND)
            return store_err(s, rc, "forget erased payload");
    }
    return OK;
}

// --- what is to be done ---

struct list {
    struct payload_to_erase *at; // of rows: without ids
    size_t n, room;
};

static void add(struct list *l, struct position position, struct id event_id)
{
    if (l->n == l->room) {
        l->room = l->room > 0 ? l->room * 2 : 16;
        l->at = xrealloc(l->at, l->room * sizeof(*l->at));
    }
    l->at[l->n++] = (struct payload_to_erase){ position, event_id };
}

static bool on_order(void *data, const struct payload_order *order)
{
    add(data, order->position, order->event_id);
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct payload_to_erase *x = a;
    const struct payload_to_erase *y = b;

    return position_cmp(x->position, y->position);
}

static bool has(const struct list *l, const struct payload_to_erase *what)
{
    return l->n > 0 &&
           bsearch(what, l->at, l->n, sizeof(*l->at), compare) != NULL;
}

// Reads all rows that are there.
static enum err read_rows(struct store *s, unsigned db, struct list *out)
{
    uint8_t bytes[KEY_BYTES];
    MDB_val key = key_of(position_start, bytes);
    MDB_val val;
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_read(s, &txn);
    int rc;

    if (err != OK)
        return err;
    rc = mdb_cursor_open(txn, store_db(s, db), &cursor);
    if (rc == 0) {
        rc = store_seek(cursor, &key, &val);
        while (rc == 0 && is_row(key)) {
            struct position position;

            memcpy(position.bytes, (const char *)key.mv_data + NAME_BYTES, 8);
            add(out, position, (struct id){ { 0 } });
            rc = store_next(cursor, &key, &val);
        }
        mdb_cursor_close(cursor);
    }
    store_read_end(s);
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(s, rc, "read erased payloads");
}

enum err payload_work_read(struct hook_store *hooks, struct store *s,
                           unsigned db, struct payload_work *out)
{
    struct list orders = { .n = 0 };
    struct list rows = { .n = 0 };
    enum err err = payload_orders_each(hooks, 0, on_order, &orders);

    out->n_erase = 0;
    out->n_forget = 0;
    payload_work_anew(out);
    if (err == OK)
        err = read_rows(s, db, &rows);
    if (err == OK && orders.n > 0)
        qsort(orders.at, orders.n, sizeof(*orders.at), compare);
    for (size_t i = 0;
         err == OK && i < orders.n && out->n_erase < PAYLOADS_AT_ONCE; i++) {
        if (!has(&rows, &orders.at[i])) // rows are in the order of positions
            out->erase[out->n_erase++] = orders.at[i];
    }
    for (size_t i = 0;
         err == OK && i < rows.n && out->n_forget < PAYLOADS_AT_ONCE; i++) {
        if (!has(&orders, &rows.at[i]))
            out->forget[out->n_forget++] = rows.at[i].position;
    }
    free(orders.at);
    free(rows.at);
    return err;
}
