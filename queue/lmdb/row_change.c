// SPDX-License-Identifier: MIT
// row_change.c — the change of a row to bytes and back.

#include "queue/lmdb/row_change.h"

#include <stdint.h>

#define DELETED       0x80u
#define KEY_MAX_BYTES 511 // LMDB's limit

static void put_number(struct buf *to, uint32_t number, unsigned n_bytes)
{
    while (n_bytes-- > 0)
        buf_putc(to, (char)(number >> (8 * n_bytes)));
}

void row_change_put(struct buf *to, const struct row_change *change)
{
    put_number(to, change->db | (change->is_deleted ? DELETED : 0), 1);
    put_number(to, (uint32_t)change->key.n_bytes, 2);
    buf_put_str(to, change->key);
    if (!change->is_deleted) {
        put_number(to, (uint32_t)change->value.n_bytes, 4);
        buf_put_str(to, change->value);
    }
}

static bool take_bytes(struct str *from, size_t n_bytes, struct str *out)
{
    if (from->n_bytes < n_bytes)
        return false;
    *out = (struct str){ from->at, n_bytes };
    from->at += n_bytes;
    from->n_bytes -= n_bytes;
    return true;
}

static bool take_number(struct str *from, size_t n_bytes, uint32_t *out)
{
    struct str bytes;

    if (!take_bytes(from, n_bytes, &bytes))
        return false;
    *out = 0;
    for (size_t i = 0; i < n_bytes; i++)
        *out = *out << 8 | (uint8_t)bytes.at[i];
    return true;
}

enum err row_change_take(struct str *bytes, size_t n_dbs,
                         struct row_change *out)
{
    struct str rest = *bytes;
    uint32_t db;
    uint32_t n;

    if (rest.n_bytes == 0)
        return ERR_NOTFOUND;
    *out = (struct row_change){ .value = STR_EMPTY };
    if (!take_number(&rest, 1, &db) || !take_number(&rest, 2, &n) || n == 0 ||
        n > KEY_MAX_BYTES || !take_bytes(&rest, n, &out->key))
        return ERR_CORRUPT;
    out->is_deleted = (db & DELETED) != 0;
    out->db = db & ~DELETED;
    if (out->db >= n_dbs ||
        (!out->is_deleted &&
         (!take_number(&rest, 4, &n) || !take_bytes(&rest, n, &out->value))))
        return ERR_CORRUPT;
    *bytes = rest;
    return OK;
}
