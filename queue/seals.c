// seals.c — are these the keys that the secrets are sealed with? And new ones.

#include "queue/seals.h"

#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "common/keyring.h"
#include "common/mem.h"
#include "queue/schema.h"
#include "queue/store.h"

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
    err = store_err(s, mdb_put(txn, s->dbs[HOOKS_META], &key, &val, 0),
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
    enum err err =
        store_err(s, mdb_get(txn, s->dbs[HOOKS_META], &key, &val), "get seal");

    if (err != OK)
        return err;
    buf_init(&plain, 0);
    err = keyring_open(keys, context, str_of_val(val), &plain);
    if (err == OK && !str_eq(buf_str(&plain), known))
        err = ERR_CORRUPT;
    buf_clear(&plain);
    return err;
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
    err = open_known(s, txn, config->keys);
    if (err == ERR_NOTFOUND) {
        err = put_known(s, txn, config->keys);
        if (err == OK)
            return store_commit(s, txn);
    }
    mdb_txn_abort(txn);
    if (err == ERR_DENIED || err == ERR_CORRUPT) {
        buf_puts(why, "the secrets of the webhooks were sealed with another "
                      "key than secret_key_file holds; put the right file in "
                      "its place");
        err = ERR_INVALID;
    }
    return err;
}

// --- new keys ---

static enum err reseal_one(struct store *s, MDB_cursor *cursor, MDB_val key,
                           MDB_val val, struct keyring *keys)
{
    struct hook_room room;
    struct buf record;
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
        val = val_of(buf_str(&record));
        err = store_err(s, mdb_cursor_put(cursor, &key, &val, MDB_CURRENT),
                        "put hook");
    } else if (err == ERR_CORRUPT) {
        err = OK; // damaged before; verify says so
    }
    buf_clear(&record);
    hook_room_clear(&room);
    return err;
}

static enum err reseal_all(struct store *s, MDB_txn *txn, struct keyring *keys,
                           uint64_t *n_hooks)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    enum err err = store_err(
        s, mdb_cursor_open(txn, s->dbs[HOOKS_HOOKS], &cursor), "reseal");
    int rc = 0;

    if (err != OK)
        return err;
    while (err == OK &&
           (rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0) {
        err = reseal_one(s, cursor, key, val, keys);
        (*n_hooks)++;
    }
    mdb_cursor_close(cursor);
    if (err == OK && rc != MDB_NOTFOUND)
        err = store_err(s, rc, "reseal");
    return err;
}

enum err queue_reseal(const struct queue_config *config, uint64_t *n_hooks)
{
    struct store *s;
    MDB_txn *txn;
    enum err err = open_hooks(config, &s);

    *n_hooks = 0;
    if (err == OK)
        err = store_write(s, &txn);
    if (err != OK)
        return err;
    err = reseal_all(s, txn, config->keys, n_hooks);
    if (err == OK)
        err = put_known(s, txn, config->keys);
    if (err == OK)
        return store_commit(s, txn);
    mdb_txn_abort(txn);
    return err;
}
