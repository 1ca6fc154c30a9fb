// SPDX-License-Identifier: MIT
// orgs.c — the numbers of organizations: given out once, never reused.

#include "queue/catalog/orgs.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/base/text.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"

#define ORG_KEY_MAX_BYTES 511 // LMDB's own limit

static char last_name[] = "last_org";

// --- rows ---

static MDB_val key_of(enum dialect dialect, struct str org,
                      char bytes[ORG_KEY_MAX_BYTES])
{
    bytes[0] = (char)dialect;
    memcpy(bytes + 1, org.at, org.n_bytes);
    return val_at(bytes, org.n_bytes + 1);
}

static bool is_number(uint64_t no)
{
    return no > OWNER_IS_ORG;
}

// Decodes a record of the table by name.
static enum err decode_no(uint32_t place, struct str bytes, uint64_t *no)
{
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, bytes, ORG_VERSION, &version, &u);

    if (err != OK)
        return err;
    *no = unpack_u64(&u);
    return is_number(*no) ? unpack_done(&u) : ERR_CORRUPT;
}

// Decodes a record of the table by number: the name is the key in the other table.
static enum err decode_name(uint32_t place, struct str bytes, struct str *name)
{
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, bytes, ORG_VERSION, &version, &u);

    if (err != OK)
        return err;
    *name = unpack_str(&u);
    return unpack_done(&u);
}

bool orgs_decode(unsigned db, uint32_t place, MDB_val key, MDB_val val,
                 struct str *name, uint64_t *no)
{
    if (db == HOOKS_ORGS) {
        *name = str_of_val(key);
        return decode_no(place, str_of_val(val), no) == OK;
    }
    if (key.mv_size != 8)
        return false;
    *no = get_be64(key.mv_data);
    return is_number(*no) && decode_name(place, str_of_val(val), name) == OK;
}

static enum err check_table(struct store *s, MDB_txn *txn, unsigned db,
                            size_t *n, size_t *n_damaged)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, store_db(s, db), &cursor);

    *n = 0;
    if (rc != 0)
        return store_err(s, rc, "check organizations");
    while ((rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0) {
        struct str name;
        uint64_t no;

        *n_damaged +=
            !orgs_decode(db, store_place(s, db, key), key, val, &name, &no);
        ++*n;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "check organizations");
}

enum err orgs_check(struct store *s, MDB_txn *txn, struct orgs_checked *out)
{
    enum err err;

    *out = (struct orgs_checked){ 0 };
    err = check_table(s, txn, HOOKS_ORGS, &out->n_names, &out->n_damaged);
    if (err != OK)
        return err;
    return check_table(s, txn, HOOKS_ORG_NOS, &out->n_numbers, &out->n_damaged);
}

// --- finding ---

// Searches all rows by number, for a name whose own row is damaged. ERR_CORRUPT:
// none of these rows has the name.
static enum err search(struct store *s, MDB_txn *txn, struct str name,
                       uint64_t *no)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, store_db(s, HOOKS_ORG_NOS), &cursor);

    if (rc != 0)
        return store_err(s, rc, "search organization");
    *no = 0;
    while (*no == 0 &&
           (rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0) {
        struct str found;

        if (key.mv_size == 8 &&
            decode_name(store_place(s, HOOKS_ORG_NOS, key), str_of_val(val),
                        &found) == OK &&
            str_eq(found, name))
            *no = get_be64(key.mv_data);
    }
    mdb_cursor_close(cursor);
    if (*no != 0)
        return OK;
    return rc == MDB_NOTFOUND ? ERR_CORRUPT
                              : store_err(s, rc, "search organization");
}

static enum err find_direct(struct store *s, MDB_txn *txn, MDB_val name,
                            uint64_t *no)
{
    MDB_val val;
    enum err err =
        store_err(s, mdb_get(txn, store_db(s, HOOKS_ORGS), &name, &val),
                  "find organization");

    return err == OK ? decode_no(store_place(s, HOOKS_ORGS, name),
                                 str_of_val(val), no)
                     : err;
}

enum err orgs_find(struct store *s, MDB_txn *txn, enum dialect dialect,
                   struct str org, uint64_t *no)
{
    char bytes[ORG_KEY_MAX_BYTES];
    MDB_val name;
    enum err err;

    if (org.n_bytes >= sizeof(bytes))
        return ERR_NOTFOUND;
    name = key_of(dialect, org, bytes);
    err = find_direct(s, txn, name, no);
    return err == ERR_CORRUPT ? search(s, txn, str_of_val(name), no) : err;
}

// --- handing out ---

// The last number that was given out; OWNER_IS_ORG: none was.
static enum err last_no(struct store *s, MDB_txn *txn, uint64_t *no)
{
    MDB_val key = val_at(last_name, sizeof(last_name) - 1);
    MDB_val val;
    MDB_cursor *cursor;
    int rc = mdb_get(txn, store_db(s, HOOKS_META), &key, &val);

    *no = OWNER_IS_ORG;
    if (rc == 0 && val.mv_size == 8 && get_be64(val.mv_data) > *no)
        *no = get_be64(val.mv_data);
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = mdb_cursor_open(txn, store_db(s, HOOKS_ORG_NOS), &cursor);
    if (rc != 0)
        return store_err(s, rc, "read organizations");
    rc = mdb_cursor_get(cursor, &key, &val, MDB_LAST);
    if (rc == 0 && key.mv_size == 8 && get_be64(key.mv_data) > *no)
        *no = get_be64(key.mv_data);
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(s, rc, "read organizations");
}

static enum err put_last(struct store *s, MDB_txn *txn, uint64_t no)
{
    uint8_t bytes[8];
    MDB_val key = val_at(last_name, sizeof(last_name) - 1);
    MDB_val val = val_at(bytes, sizeof(bytes));

    put_be64(bytes, no);
    return store_err(s, row_put(txn, store_db(s, HOOKS_META), &key, &val, 0),
                     "number organization");
}

enum err orgs_raise_last(struct store *s, MDB_txn *txn, uint64_t at_least)
{
    uint64_t last;
    enum err err = last_no(s, txn, &last);

    return err == OK && last < at_least ? put_last(s, txn, at_least) : err;
}

enum err orgs_give_nobody(struct store *s, MDB_txn *txn, uint64_t *no)
{
    enum err err = last_no(s, txn, no);

    return err == OK ? put_last(s, txn, ++*no) : err;
}

static enum err put_by_name(struct store *s, MDB_txn *txn, MDB_val name,
                            uint64_t no)
{
    struct buf record;
    size_t start;
    enum err err;

    buf_init(&record, 0);
    start = record_begin(&record, ORG_VERSION);
    pack_u64(&record, no);
    record_end(&record, start);
    err = store_err(s, store_put(s, txn, HOOKS_ORGS, name, buf_str(&record), 0),
                    "number organization");
    buf_clear(&record);
    return err;
}

static enum err put_by_no(struct store *s, MDB_txn *txn, uint64_t no,
                          MDB_val name)
{
    uint8_t bytes[8];
    struct buf record;
    size_t start;
    enum err err;

    put_be64(bytes, no);
    buf_init(&record, 0);
    start = record_begin(&record, ORG_VERSION);
    pack_str(&record, str_of_val(name));
    record_end(&record, start);
    err = store_err(
        s,
        store_put(s, txn, HOOKS_ORG_NOS, val_at(bytes, 8), buf_str(&record), 0),
        "number organization");
    buf_clear(&record);
    return err;
}

enum err orgs_put(struct store *s, MDB_txn *txn, struct str name, uint64_t no)
{
    enum err err = put_by_name(s, txn, val_of(name), no);

    return err == OK ? put_by_no(s, txn, no, val_of(name)) : err;
}

enum err orgs_give(struct store *s, MDB_txn *txn, enum dialect dialect,
                   struct str org, uint64_t *no)
{
    char bytes[ORG_KEY_MAX_BYTES];
    MDB_val name;
    enum err err;

    if (org.n_bytes >= sizeof(bytes))
        return ERR_INVALID;
    name = key_of(dialect, org, bytes);
    err = find_direct(s, txn, name, no);
    if (err == ERR_CORRUPT) { // rebuilt from the other table
        err = search(s, txn, str_of_val(name), no);
        if (err == OK)
            err = put_by_name(s, txn, name, *no);
        return err;
    }
    if (err != ERR_NOTFOUND)
        return err;
    err = orgs_give_nobody(s, txn, no);
    return err == OK ? orgs_put(s, txn, str_of_val(name), *no) : err;
}

// --- leaving ---

static const struct str leaving = { "erasing ", 8 };

// The key in `meta` of an organization that is being erased.
static MDB_val leaving_key(struct str org, char bytes[ORG_KEY_MAX_BYTES])
{
    memcpy(bytes, leaving.at, leaving.n_bytes);
    memcpy(bytes + leaving.n_bytes, org.at, org.n_bytes);
    return val_at(bytes, leaving.n_bytes + org.n_bytes);
}

bool orgs_is_leaving_row(MDB_val key, MDB_val val)
{
    return val.mv_size == 0 && key.mv_size > leaving.n_bytes &&
           key.mv_size <= leaving.n_bytes + NAME_MAX_BYTES &&
           str_starts(str_of_val(key), leaving);
}

enum err orgs_is_leaving(struct store *s, MDB_txn *txn, struct str org,
                         bool *out)
{
    char bytes[ORG_KEY_MAX_BYTES];
    MDB_val key;
    MDB_val val;
    int rc;

    *out = false;
    if (org.n_bytes == 0 || org.n_bytes > NAME_MAX_BYTES)
        return OK;
    key = leaving_key(org, bytes);
    rc = mdb_get(txn, store_db(s, HOOKS_META), &key, &val);
    *out = rc == 0;
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "find organization");
}

enum err orgs_leave(struct store *s, MDB_txn *txn, struct str org)
{
    char bytes[ORG_KEY_MAX_BYTES];
    MDB_val key;
    MDB_val val = val_at("", 0);

    if (org.n_bytes == 0 || org.n_bytes > NAME_MAX_BYTES)
        return ERR_INVALID;
    key = leaving_key(org, bytes);
    return store_err(s, row_put(txn, store_db(s, HOOKS_META), &key, &val, 0),
                     "erase organization");
}

static enum err remove_row(struct store *s, MDB_txn *txn, unsigned db,
                           MDB_val key)
{
    int rc = row_del(txn, store_db(s, db), &key);

    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "erase organization");
}

enum err orgs_forget(struct store *s, MDB_txn *txn, struct str org)
{
    static const enum dialect dialects[] = { DIALECT_PULUMI, DIALECT_AKINON };
    char bytes[ORG_KEY_MAX_BYTES];
    enum err err = org.n_bytes > NAME_MAX_BYTES ? ERR_INVALID : OK;

    for (size_t i = 0; i < 2 && err == OK; i++) {
        uint8_t number[8];
        uint64_t no = 0;

        err = orgs_find(s, txn, dialects[i], org, &no);
        if (err == OK) {
            put_be64(number, no);
            err = remove_row(s, txn, HOOKS_ORG_NOS, val_at(number, 8));
        }
        if (err == OK || err == ERR_NOTFOUND || err == ERR_CORRUPT) {
            err =
                remove_row(s, txn, HOOKS_ORGS, key_of(dialects[i], org, bytes));
        }
    }
    return err == OK ? remove_row(s, txn, HOOKS_META, leaving_key(org, bytes))
                     : err;
}
