// SPDX-License-Identifier: MIT
// stack_catch_up.c — records the environments of hooks that an earlier version
// made: it recorded stacks only.

#include <string.h>

#include "queue/catalog/hook_keys.h"
#include "queue/catalog/stack_names.h"
#include "queue/records/schema.h"

static const char level[] = { DIALECT_PULUMI, LEVEL_ENVIRONMENT };

// Removes the text before the next NUL from `rest`. Empty: there is none.
static struct str take_part(struct str *rest)
{
    const char *end =
        rest->n_bytes > 0 ? memchr(rest->at, '\0', rest->n_bytes) : NULL;
    struct str part = { rest->at, 0 };

    if (end == NULL)
        return STR_EMPTY;
    part.n_bytes = (size_t)(end - rest->at);
    rest->at = end + 1;
    rest->n_bytes -= part.n_bytes + 1;
    return part;
}

static struct stack_name name_of(struct str key)
{
    struct stack_name name = { .org = STR_EMPTY };

    key.at += sizeof(level);
    key.n_bytes -= sizeof(level);
    name.org = take_part(&key);
    name.project = take_part(&key);
    name.env = take_part(&key);
    return name;
}

static bool is_noted(struct hook_store *hs, MDB_txn *txn,
                     const struct stack_name *name)
{
    char bytes[STACK_KEY_MAX_BYTES];
    struct str row;
    MDB_val key;
    MDB_val val;

    if (stack_key(name, bytes, &row) != OK)
        return true; // it cannot be recorded at all
    key = val_of(row);
    return mdb_get(txn, store_db(hs->store, HOOKS_STACKS), &key, &val) !=
           MDB_NOTFOUND;
}

// Appends the key of one hook for each environment that is not recorded, each key
// after its length.
static enum err find_missing(struct hook_store *hs, MDB_txn *txn,
                             struct buf *out)
{
    const struct str prefix = { level, sizeof(level) };
    MDB_cursor *cursor;
    struct buf from;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, store_db(hs->store, HOOKS_HOOKS), &cursor);

    if (rc != 0)
        return store_err(hs->store, rc, "list environments");
    buf_init(&from, 0);
    buf_put_str(&from, prefix);
    key = val_of(buf_str(&from));
    rc = store_seek(cursor, &key, &val);
    while (rc == 0 && str_starts(str_of_val(key), prefix)) {
        struct stack_name name = name_of(str_of_val(key));

        if (!is_noted(hs, txn, &name)) {
            buf_put(out, &key.mv_size, sizeof(key.mv_size));
            buf_put(out, key.mv_data, key.mv_size);
        }
        buf_reset(&from); // continue after all hooks of the environment
        buf_put_str(&from, prefix);
        buf_put_str(&from, name.org);
        buf_putc(&from, '\0');
        buf_put_str(&from, name.project);
        buf_putc(&from, '\0');
        buf_put_str(&from, name.env);
        buf_putc(&from, '\1');
        key = val_of(buf_str(&from));
        rc = store_seek(cursor, &key, &val);
    }
    mdb_cursor_close(cursor);
    buf_clear(&from);
    return rc == 0 || rc == MDB_NOTFOUND
               ? OK
               : store_err(hs->store, rc, "list environments");
}

static enum err note_all(struct hook_store *hs, MDB_txn *txn, struct str keys)
{
    enum err err = OK;

    while (err == OK && keys.n_bytes > 0) {
        struct stack_name name;
        size_t n_bytes;

        memcpy(&n_bytes, keys.at, sizeof(n_bytes));
        name = name_of((struct str){ keys.at + sizeof(n_bytes), n_bytes });
        err = stacks_note(hs->store, txn, HOOKS_STACKS, &name, &hs->stacks,
                          &hs->seen);
        keys.at += sizeof(n_bytes) + n_bytes;
        keys.n_bytes -= sizeof(n_bytes) + n_bytes;
    }
    return err;
}

enum err stacks_note_environments(struct hook_store *hs)
{
    struct buf missing;
    MDB_txn *txn;
    enum err err = store_read(hs->store, &txn);

    if (err != OK)
        return err;
    buf_init(&missing, 0);
    err = find_missing(hs, txn, &missing);
    store_read_end(hs->store);
    if (err == OK && missing.n_bytes > 0) {
        err = store_write(hs->store, &txn);
        if (err == OK) {
            err = note_all(hs, txn, buf_str(&missing));
            err = store_write_end(hs->store, txn, err);
        }
        if (err != OK)
            stacks_forget(&hs->seen);
    }
    buf_clear(&missing);
    return err;
}
