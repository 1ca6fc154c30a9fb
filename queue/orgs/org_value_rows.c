// SPDX-License-Identifier: MIT
// org_value_rows.c — the values of organizations as rows.

#include "queue/orgs/org_value_rows.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/encoding/crypto.h"
#include "common/files/keyring.h"
#include "common/log/log.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"

static const char prefix[] = "value";
static const char count_prefix[] = "values";

#define COUNT_BYTES sizeof(count_prefix) // with the use in place of the NUL

#define PREFIX_BYTES (sizeof(prefix) - 1)
#define USE_AT       PREFIX_BYTES
#define ORG_AT       (USE_AT + 1)
#define NAME_AT      (ORG_AT + 8)

// --- keys ---

MDB_val org_value_key(enum org_value_use use, uint64_t org_no, struct str name,
                      uint8_t bytes[ORG_VALUE_KEY_MAX_BYTES])
{
    memcpy(bytes, prefix, PREFIX_BYTES);
    bytes[USE_AT] = (uint8_t)use;
    put_be64(bytes + ORG_AT, org_no);
    if (name.n_bytes > 0)
        memcpy(bytes + NAME_AT, name.at, name.n_bytes);
    return val_at(bytes, NAME_AT + name.n_bytes);
}

bool org_value_is_key(MDB_val key)
{
    const uint8_t *bytes = key.mv_data;

    return key.mv_size >= NAME_AT && key.mv_size <= ORG_VALUE_KEY_MAX_BYTES &&
           memcmp(bytes, prefix, PREFIX_BYTES) == 0 && bytes[USE_AT] > 0 &&
           bytes[USE_AT] < ORG_VALUE_USES;
}

// --- records ---

// As a record holds it.
struct stored {
    uint64_t revision;
    bool is_sealed;
    struct str bytes;
};

#define OF(name) MEMBER(struct stored, name)

static const struct member members[] = {
    OF(revision),
    OF(is_sealed),
    OF(bytes),
};

void org_value_encode(const struct org_value *value, MDB_val key,
                      struct keyring *keys, struct buf *out)
{
    struct stored r = { .revision = value->revision,
                        .is_sealed = value->is_sealed,
                        .bytes = value->bytes };
    struct buf sealed;

    buf_init(&sealed, 0);
    if (value->is_sealed) {
        keyring_seal(keys, str_of_val(key), value->bytes, &sealed);
        r.bytes = buf_str(&sealed);
    }
    record_pack(out, ORG_VALUE_VERSION, MEMBERS(members), &r);
    buf_clear(&sealed);
}

enum err org_value_decode(uint32_t place, MDB_val key, MDB_val val,
                          struct keyring *keys, struct buf *plain,
                          struct org_value *out)
{
    const uint8_t *bytes = key.mv_data;
    struct stored r;
    enum err err;

    if (!org_value_is_key(key))
        return ERR_CORRUPT;
    err = record_unpack(place, str_of_val(val), ORG_VALUE_VERSION,
                        MEMBERS(members), &r);
    if (err != OK)
        return err;
    *out = (struct org_value){
        .use = (enum org_value_use)bytes[USE_AT],
        .org_no = get_be64(bytes + ORG_AT),
        .revision = r.revision,
        .name = { (const char *)bytes + NAME_AT, key.mv_size - NAME_AT },
        .bytes = r.bytes,
        .is_sealed = r.is_sealed,
        .is_open = true,
    };
    if (!r.is_sealed)
        return OK;
    buf_reset(plain);
    err = keys != NULL ? keyring_open(keys, str_of_val(key), r.bytes, plain)
                       : ERR_DENIED;
    out->is_open = err == OK;
    out->bytes = err == OK ? buf_str(plain) : STR_EMPTY;
    return err == ERR_DENIED ? OK : err;
}

// --- all of them ---

static MDB_val count_key(enum org_value_use use, uint8_t bytes[COUNT_BYTES])
{
    memcpy(bytes, count_prefix, COUNT_BYTES - 1);
    bytes[COUNT_BYTES - 1] = (uint8_t)use;
    return val_at(bytes, COUNT_BYTES);
}

bool org_values_is_count(MDB_val key, MDB_val val)
{
    return key.mv_size == COUNT_BYTES && val.mv_size == 8 &&
           str_starts(str_of_val(key), str_of(count_prefix));
}

enum err org_values_count(struct store *s, MDB_txn *txn, enum org_value_use use,
                          uint64_t *revision)
{
    uint8_t bytes[COUNT_BYTES];
    MDB_val key = count_key(use, bytes);
    MDB_val val;
    int rc = mdb_get(txn, store_db(s, HOOKS_META), &key, &val);

    *revision = 0;
    if (rc == 0 && val.mv_size == 8)
        *revision = get_be64(val.mv_data);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "count values");
}

enum err org_values_count_change(struct store *s, MDB_txn *txn,
                                 enum org_value_use use, uint64_t *revision)
{
    uint8_t name[COUNT_BYTES], bytes[8];
    MDB_val key = count_key(use, name);
    MDB_val val;
    enum err err = org_values_count(s, txn, use, revision);

    if (err != OK)
        return err;
    put_be64(bytes, ++*revision);
    val = val_at(bytes, sizeof(bytes));
    return store_err(s, row_put(txn, store_db(s, HOOKS_META), &key, &val, 0),
                     "count values");
}

// Removes up to `max` of one use.
static int remove_use(MDB_cursor *cursor, enum org_value_use use,
                      uint64_t org_no, size_t max, size_t *n)
{
    uint8_t bytes[ORG_VALUE_KEY_MAX_BYTES];
    int rc = 0;

    while (rc == 0 && *n < max) {
        MDB_val from = org_value_key(use, org_no, STR_EMPTY, bytes);
        MDB_val key = from;
        MDB_val val;

        rc = store_seek(cursor, &key, &val);
        if (rc != 0 || !str_starts(str_of_val(key), str_of_val(from)))
            break;
        rc = row_cursor_del(cursor);
        *n += rc == 0;
    }
    return rc == MDB_NOTFOUND ? 0 : rc;
}

enum err org_values_remove(struct store *s, MDB_txn *txn, uint64_t org_no,
                           size_t max, size_t *n)
{
    MDB_cursor *cursor;
    enum err err =
        store_err(s, mdb_cursor_open(txn, store_db(s, HOOKS_META), &cursor),
                  "remove values");

    *n = 0;
    if (err != OK)
        return err;
    for (int i = 1; i < ORG_VALUE_USES && err == OK; i++) {
        enum org_value_use use = (enum org_value_use)i;
        size_t before = *n;
        uint64_t revision;

        err = store_err(s, remove_use(cursor, use, org_no, max, n),
                        "remove values");
        if (err == OK && *n > before)
            err = org_values_count_change(s, txn, use, &revision);
    }
    mdb_cursor_close(cursor);
    return err;
}

static enum err reseal_one(struct store *s, MDB_cursor *cursor, MDB_val key,
                           const struct org_value *value, struct keyring *keys)
{
    uint8_t bytes[ORG_VALUE_KEY_MAX_BYTES];
    struct buf record;
    MDB_val val;
    enum err err;

    // The key lies in the page, in which a record of another length is moved: copy it.
    memcpy(bytes, key.mv_data, key.mv_size);
    key = val_at(bytes, key.mv_size);
    buf_init(&record, 0);
    org_value_encode(value, key, keys, &record);
    record_move(record.at, record.n_bytes, store_place(s, HOOKS_META, key));
    val = val_of(buf_str(&record));
    err = store_err(s, row_cursor_put(cursor, &key, &val, MDB_CURRENT),
                    "put value");
    buf_clear(&record);
    return err;
}

// Does something with a value, or, with NULL, with a damaged one.
typedef enum err (*row_visit)(void *data, MDB_cursor *cursor, MDB_val key,
                              const struct org_value *value);

static enum err each_row(struct store *s, MDB_txn *txn, struct keyring *keys,
                         row_visit visit, void *data)
{
    MDB_val key = val_of(str_of(prefix));
    struct buf plain;
    MDB_cursor *cursor;
    MDB_val val;
    enum err err = OK;
    int rc = mdb_cursor_open(txn, store_db(s, HOOKS_META), &cursor);

    if (rc != 0)
        return store_err(s, rc, "read values");
    buf_init(&plain, 0);
    rc = store_seek(cursor, &key, &val);
    while (rc == 0 && err == OK &&
           str_starts(str_of_val(key), str_of(prefix))) {
        struct org_value value;
        bool is_sound = org_value_decode(store_place(s, HOOKS_META, key), key,
                                         val, keys, &plain, &value) == OK;

        if (org_value_is_key(key))
            err = visit(data, cursor, key, is_sound ? &value : NULL);
        rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    crypto_wipe_buf(&plain);
    return err == OK && rc != MDB_NOTFOUND ? store_err(s, rc, "read values")
                                           : err;
}

struct damage {
    size_t n;
};

static enum err count_damaged(void *data, MDB_cursor *cursor, MDB_val key,
                              const struct org_value *value)
{
    struct damage *damage = data;

    (void)cursor;
    (void)key;
    damage->n += value == NULL;
    return OK;
}

enum err org_values_check(struct store *s, MDB_txn *txn, size_t *n)
{
    struct damage damage = { 0 };
    enum err err = each_row(s, txn, NULL, count_damaged, &damage);

    *n = damage.n;
    return err;
}

struct resealing {
    struct store *s;
    struct keyring *keys;
    uint64_t n;
};

static enum err reseal(void *data, MDB_cursor *cursor, MDB_val key,
                       const struct org_value *value)
{
    struct resealing *r = data;

    if (value == NULL || !value->is_sealed)
        return OK;
    if (!value->is_open) {
        log_warn("a secret of an organization was sealed with a key that is "
                 "missing: it is lost",
                 "org_no=%" PRIu64, value->org_no);
        return OK;
    }
    r->n++;
    return reseal_one(r->s, cursor, key, value, r->keys);
}

enum err org_values_reseal(struct store *s, MDB_txn *txn, struct keyring *keys,
                           uint64_t *n)
{
    struct resealing r = { .s = s, .keys = keys };
    enum err err = each_row(s, txn, keys, reseal, &r);

    *n += r.n;
    return err;
}
