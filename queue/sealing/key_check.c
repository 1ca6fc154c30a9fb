// SPDX-License-Identifier: MIT
// key_check.c — checks that the keys are those that secrets are sealed with; seals
// anew.

#include "queue/sealing/key_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/files/keyring.h"
#include "common/log/log.h"
#include "queue/catalog/directory_key.h"
#include "queue/catalog/hook_keys.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/row_changes.h"
#include "queue/orgs/org_value_rows.h"
#include "queue/records/schema.h"

static char seal_name[] = "seal";
static const struct str context = { "seal", 4 };
static const struct str known = { "posthorn", 8 };

static enum err open_hooks(const struct queue_config *config, struct store **s)
{
    char *dir = xasprintf("%s/hooks", config->data_dir);
    enum err err =
        store_open(dir, config->max_bytes, false, hooks_dbs, HOOKS_DBS, s);

    free(dir);
    return err;
}

static enum err put_known(struct store *s, MDB_txn *txn, struct keyring *keys)
{
    MDB_val key = val_at(seal_name, sizeof(seal_name) - 1);
    struct buf sealed;
    MDB_val val;
    enum err err;

    buf_init(&sealed, 0);
    keyring_seal(keys, context, known, &sealed);
    val = val_of(buf_str(&sealed));
    err = store_err(s, row_put(txn, store_db(s, HOOKS_META), &key, &val, 0),
                    "put seal");
    buf_clear(&sealed);
    return err;
}

// ERR_NOTFOUND: nothing was sealed yet.
static enum err open_known(struct store *s, MDB_txn *txn, struct keyring *keys)
{
    MDB_val key = val_at(seal_name, sizeof(seal_name) - 1);
    struct buf plain;
    MDB_val val;
    enum err err = store_err(
        s, mdb_get(txn, store_db(s, HOOKS_META), &key, &val), "get seal");

    if (err != OK)
        return err;
    buf_init(&plain, 0);
    err = keyring_open(keys, context, str_of_val(val), &plain);
    if (err == OK && !str_eq(buf_str(&plain), known))
        err = ERR_CORRUPT;
    buf_clear(&plain);
    return err;
}

// --- sealing anew ---

static enum err reseal_one(struct store *s, MDB_cursor *cursor, MDB_val key,
                           MDB_val val, struct keyring *keys)
{
    struct hook_room room;
    struct buf record, own;
    struct hook h;
    enum err err;

    hook_room_init(&room);
    buf_init(&record, 0);
    err = hook_decode(store_place(s, HOOKS_HOOKS, key), str_of_val(val), keys,
                      &h, &room);
    if (err == OK) {
        hook_encode(&h, keys, &record);
        record_move(record.at, record.n_bytes,
                    store_place(s, HOOKS_HOOKS, key));
        // The key lies in the page, in which a record of another length is moved:
        // copy it.
        buf_init(&own, KEY_MAX_BYTES);
        buf_put_str(&own, str_of_val(key));
        key = val_of(buf_str(&own));
        val = val_of(buf_str(&record));
        err = store_err(s, row_cursor_put(cursor, &key, &val, MDB_CURRENT),
                        "put hook");
        buf_clear(&own);
    } else if (err == ERR_CORRUPT) {
        err = OK; // it was damaged before; verify reports that
    }
    buf_clear(&record);
    hook_room_clear(&room);
    return err;
}

// Counts the secrets that it sealed; seals all if `wanted` is NULL.
static enum err reseal_all(struct store *s, MDB_txn *txn, struct keyring *keys,
                           bool (*wanted)(uint32_t place, struct str record),
                           uint64_t *n_hooks)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    enum err err = store_err(
        s, mdb_cursor_open(txn, store_db(s, HOOKS_HOOKS), &cursor), "reseal");
    int rc;

    if (err != OK)
        return err;
    rc = mdb_cursor_get(cursor, &key, &val, MDB_FIRST);
    for (; err == OK && rc == 0; rc = store_next(cursor, &key, &val)) {
        if (wanted != NULL &&
            !wanted(store_place(s, HOOKS_HOOKS, key), str_of_val(val)))
            continue;
        err = reseal_one(s, cursor, key, val, keys);
        (*n_hooks)++;
        rc = mdb_cursor_get(cursor, &key, &val, MDB_GET_CURRENT); // it moved
        if (rc != 0)
            break;
    }
    mdb_cursor_close(cursor);
    if (err == OK && rc != MDB_NOTFOUND)
        err = store_err(s, rc, "reseal");
    return err;
}

// Keeps a key that is damaged, or sealed with other keys: nobody can open it.
static enum err reseal_key(struct store *s, MDB_txn *txn, struct keyring *keys)
{
    uint8_t key[HOOK_KEY_BYTES];
    enum err err = directory_key_get(s, txn, keys, key);

    if (err == OK)
        err = directory_key_put(s, txn, keys, key);
    crypto_wipe(key, sizeof(key));
    return err == ERR_NOTFOUND || err == ERR_CORRUPT || err == ERR_DENIED ? OK
                                                                          : err;
}

enum err queue_reseal(const struct queue_config *config, uint64_t *n_hooks)
{
    struct store *s;
    MDB_txn *txn;
    uint64_t n_values = 0;
    enum err err = open_hooks(config, &s);

    *n_hooks = 0;
    if (err == OK)
        err = store_write(s, &txn);
    if (err != OK)
        return err;
    err = reseal_all(s, txn, config->keys, NULL, n_hooks);
    if (err == OK)
        err = reseal_key(s, txn, config->keys);
    if (err == OK)
        err = org_values_reseal(s, txn, config->keys, &n_values);
    if (err == OK)
        err = put_known(s, txn, config->keys);
    return store_write_end(s, txn, err);
}

// --- at a start ---

// Whether a record is older than the sealing of header values.
static bool has_open_headers(uint32_t place, struct str record)
{
    struct hook_room room;
    struct hook h;
    bool is_so;

    if (record.n_bytes == 0 || (uint8_t)record.at[0] >= HOOK_VERSION_SEALED)
        return false;
    hook_room_init(&room);
    is_so =
        hook_decode(place, record, NULL, &h, &room) == OK && h.n_headers > 0;
    hook_room_clear(&room);
    return is_so;
}

// Uses a transaction of its own: if it fails, for lack of space or because of a
// damaged page, a later start tries again.
static void seal_open_headers(struct store *s, struct keyring *keys)
{
    uint64_t n_hooks = 0;
    MDB_txn *txn;
    enum err err = store_write(s, &txn);

    if (err == OK) {
        err = reseal_all(s, txn, keys, has_open_headers, &n_hooks);
        if (err == OK && n_hooks > 0) {
            err = store_commit(s, txn);
        } else {
            mdb_txn_abort(txn);
        }
    }
    if (err != OK) {
        log_warn("stored values of hooks' headers cannot be encrypted yet",
                 "reason=%s", log_quote(str_of(err_str(err))));
    } else if (n_hooks > 0) {
        log_info("stored values of hooks' headers were encrypted",
                 "hooks=%" PRIu64, n_hooks);
    }
}

// Leaves a damaged key of the directory to verify and repair.
static enum err make_what_lacks(struct store *s, MDB_txn *txn,
                                struct keyring *keys)
{
    enum err err = open_known(s, txn, keys);

    if (err == ERR_NOTFOUND)
        err = put_known(s, txn, keys);
    if (err != OK)
        return err;
    err = directory_key_make(s, txn, keys);
    return err == ERR_CORRUPT || err == ERR_DENIED ? OK : err;
}

enum err seals_check(const struct queue_config *config, struct buf *why)
{
    struct store *s;
    MDB_txn *txn;
    enum err err = open_hooks(config, &s);

    if (err == OK)
        err = store_write(s, &txn);
    if (err != OK)
        return err;
    err = make_what_lacks(s, txn, config->keys);
    err = store_write_end(s, txn, err); // mostly empty: that writes no page
    if (err == OK)
        seal_open_headers(s, config->keys);
    if (err == ERR_DENIED || err == ERR_CORRUPT) {
        buf_puts(why, "the secrets of the webhooks were encrypted with another "
                      "key than secret_key_file holds; put the right file in "
                      "its place");
        err = ERR_INVALID;
    }
    return err;
}
