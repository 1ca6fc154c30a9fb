// SPDX-License-Identifier: MIT
// tokens.c — tokens of organizations, by their hash.
//
// Processes look a token up for each request, in the last committed state, so a
// revoked token stops working at once in every process.

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/model/akinon_names.h"
#include "queue/catalog/hook_keys.h"
#include "queue/catalog/orgs.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"

struct token_store {
    struct store *store;
    struct catalog_writer *writer; // the hooks'; NULL: a view
};

static struct token_store *store_new(struct store *store,
                                     struct catalog_writer *writer)
{
    struct token_store *ts = xcalloc(1, sizeof(*ts));

    ts->store = store;
    ts->writer = writer;
    return ts;
}

struct token_store *token_store_of(struct hook_store *hs)
{
    return store_new(hs->store, hs->writer);
}

enum err token_store_view(const struct queue_config *config,
                          struct token_store **out)
{
    char *dir = xasprintf("%s/hooks", config->data_dir);
    struct store *store;
    enum err err =
        store_open(dir, config->max_bytes, true, hooks_dbs, HOOKS_DBS, &store);

    free(dir);
    if (err == OK)
        *out = store_new(store, NULL);
    return err;
}

enum dialect token_dialect(struct str org)
{
    return akinon_is_id(org) ? DIALECT_AKINON : DIALECT_PULUMI;
}

// --- listing ---

static enum err list_from(struct store *s, MDB_cursor *cursor, struct str org,
                          token_visit visit, void *data)
{
    bool goes_on = true;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_get(cursor, &key, &val, MDB_FIRST);

    while (rc == 0 && goes_on) {
        struct token token;

        if (token_decode(store_place(s, HOOKS_TOKENS, key), str_of_val(key),
                         str_of_val(val), &token) != OK) {
            log_warn("a damaged token is skipped", "");
        } else if (str_eq(token.org, org)) {
            goes_on = visit(data, &token);
        }
        rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
    }
    return rc == 0 || rc == MDB_NOTFOUND ? OK : store_err(s, rc, "list tokens");
}

// --- writing ---

// A write of a token.
struct token_write {
    struct catalog_write base;
    struct token_store *ts;
    struct token token;
    struct str old_id; // token_replace()
    int64_t until_ms;
};

static struct token_write *write_new(struct token_store *ts,
                                     catalog_apply apply,
                                     const struct catalog_caller *caller)
{
    struct token_write *w = catalog_write_new(sizeof(*w), apply, caller);

    assert(ts->writer != NULL);
    w->ts = ts;
    return w;
}

static void copy_token(struct token_write *w, const struct token *token)
{
    w->token = *token;
    w->token.id = arena_copy(&w->base.arena, token->id);
    w->token.org = arena_copy(&w->base.arena, token->org);
    w->token.name = arena_copy(&w->base.arena, token->name);
}

static enum err put_token(struct store *s, MDB_txn *txn,
                          const struct token *token, unsigned flags)
{
    uint8_t hash[TOKEN_HASH_BYTES] = { 0 };
    struct buf record;
    enum err err;

    memcpy(hash, token->hash, sizeof(hash));
    buf_init(&record, 0);
    token_encode(token, &record);
    err = store_err(s,
                    store_put(s, txn, HOOKS_TOKENS, val_at(hash, sizeof(hash)),
                              buf_str(&record), flags),
                    "put token");
    buf_clear(&record);
    return err;
}

static enum err apply_create(struct catalog_write *base, MDB_txn *txn)
{
    struct token_write *w = (struct token_write *)base;
    struct store *s = w->ts->store;
    const struct token *token = &w->token;
    uint64_t org_id;
    bool is_leaving = false;
    enum err err = orgs_is_leaving(s, txn, token->org, &is_leaving);

    if (err != OK || is_leaving)
        return err == OK ? ERR_BUSY : err;
    // From now on the organization has shares of what organizations share.
    err = orgs_give(s, txn, token_dialect(token->org), token->org, &org_id);
    return err == OK ? put_token(s, txn, token, MDB_NOOVERWRITE) : err;
}

void token_create(struct token_store *ts, const struct token *token,
                  const struct catalog_caller *caller)
{
    struct token_write *w = write_new(ts, apply_create, caller);

    copy_token(w, token);
    catalog_writer_add(ts->writer, &w->base);
}

static enum err number_each(struct store *s, MDB_txn *txn, MDB_cursor *cursor)
{
    enum err err = OK;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_get(cursor, &key, &val, MDB_FIRST);

    while (rc == 0 && err == OK) {
        struct token t;
        uint64_t org_id;

        if (token_decode(store_place(s, HOOKS_TOKENS, key), str_of_val(key),
                         str_of_val(val), &t) == OK)
            err = orgs_give(s, txn, token_dialect(t.org), t.org, &org_id);
        rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
    }
    if (err == OK && rc != 0 && rc != MDB_NOTFOUND)
        err = store_err(s, rc, "number organizations");
    return err;
}

enum err token_number_orgs(struct token_store *ts)
{
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_write(ts->store, &txn);

    if (err != OK)
        return err;
    err = store_err(
        ts->store,
        mdb_cursor_open(txn, store_db(ts->store, HOOKS_TOKENS), &cursor),
        "number organizations");
    if (err == OK) {
        err = number_each(ts->store, txn, cursor);
        mdb_cursor_close(cursor);
    }
    return store_write_end(ts->store, txn, err);
}

struct wanted {
    struct str id;
    uint8_t hash[TOKEN_HASH_BYTES];
    bool is_found;
};

static bool compare_id(void *data, const struct token *token)
{
    struct wanted *w = data;

    if (!str_eq(token->id, w->id))
        return true;
    memcpy(w->hash, token->hash, sizeof(w->hash));
    w->is_found = true;
    return false;
}

static enum err revoke_in(struct store *s, MDB_txn *txn, struct str org,
                          struct str id)
{
    struct wanted wanted = { .id = id };
    MDB_val key = val_at(wanted.hash, sizeof(wanted.hash));
    MDB_cursor *cursor;
    enum err err =
        store_err(s, mdb_cursor_open(txn, store_db(s, HOOKS_TOKENS), &cursor),
                  "list tokens");

    if (err != OK)
        return err;
    err = list_from(s, cursor, org, compare_id, &wanted);
    mdb_cursor_close(cursor);
    if (err == OK && !wanted.is_found)
        err = ERR_NOTFOUND;
    if (err == OK) {
        err = store_err(s, row_del(txn, store_db(s, HOOKS_TOKENS), &key),
                        "delete token");
    }
    return err;
}

// What is known of a token that is to be replaced.
struct replaced {
    struct str id;
    uint8_t hash[TOKEN_HASH_BYTES];
    struct buf record; // its new record
    int64_t until_ms;
    bool is_found;
};

static bool end_old(void *data, const struct token *token)
{
    struct replaced *r = data;
    struct token t = *token;

    if (!str_eq(t.id, r->id))
        return true;
    if (t.expires_at_ms == 0 || t.expires_at_ms > r->until_ms)
        t.expires_at_ms = r->until_ms;
    memcpy(r->hash, t.hash, sizeof(t.hash));
    token_encode(&t, &r->record);
    r->is_found = true;
    return false;
}

static enum err find_old(struct store *s, MDB_txn *txn, struct str org,
                         struct replaced *r)
{
    MDB_cursor *cursor;
    enum err err =
        store_err(s, mdb_cursor_open(txn, store_db(s, HOOKS_TOKENS), &cursor),
                  "list tokens");

    if (err != OK)
        return err;
    err = list_from(s, cursor, org, end_old, r);
    mdb_cursor_close(cursor);
    return err == OK && !r->is_found ? ERR_NOTFOUND : err;
}

static enum err apply_replace(struct catalog_write *base, MDB_txn *txn)
{
    struct token_write *w = (struct token_write *)base;
    struct store *s = w->ts->store;
    struct replaced r = { .id = w->old_id, .until_ms = w->until_ms };
    MDB_val key = val_at(r.hash, sizeof(r.hash));
    enum err err;

    buf_init(&r.record, 0);
    err = find_old(s, txn, w->token.org, &r);
    if (err == OK && w->until_ms == 0) {
        err = store_err(s, row_del(txn, store_db(s, HOOKS_TOKENS), &key),
                        "delete token");
    } else if (err == OK) {
        err = store_err(
            s, store_put(s, txn, HOOKS_TOKENS, key, buf_str(&r.record), 0),
            "put token");
    }
    buf_clear(&r.record);
    return err == OK ? apply_create(base, txn) : err;
}

void token_replace(struct token_store *ts, struct str id, int64_t until_ms,
                   const struct token *token,
                   const struct catalog_caller *caller)
{
    struct token_write *w = write_new(ts, apply_replace, caller);

    copy_token(w, token);
    w->old_id = arena_copy(&w->base.arena, id);
    w->until_ms = until_ms;
    catalog_writer_add(ts->writer, &w->base);
}

static enum err apply_revoke(struct catalog_write *base, MDB_txn *txn)
{
    const struct token_write *w = (struct token_write *)base;

    return revoke_in(w->ts->store, txn, w->token.org, w->token.id);
}

void token_revoke(struct token_store *ts, struct str org, struct str id,
                  const struct catalog_caller *caller)
{
    struct token_write *w = write_new(ts, apply_revoke, caller);

    w->token.org = arena_copy(&w->base.arena, org);
    w->token.id = arena_copy(&w->base.arena, id);
    catalog_writer_add(ts->writer, &w->base);
}

// --- reading ---

enum err token_find(struct token_store *ts,
                    const uint8_t hash[TOKEN_HASH_BYTES], token_visit visit,
                    void *data)
{
    uint8_t bytes[TOKEN_HASH_BYTES] = { 0 };
    MDB_val key = val_at(bytes, sizeof(bytes));
    struct token token;
    MDB_txn *txn;
    MDB_val val;
    enum err err = store_read(ts->store, &txn);

    if (err != OK)
        return err;
    memcpy(bytes, hash, sizeof(bytes));
    err = store_err(ts->store,
                    mdb_get(txn, store_db(ts->store, HOOKS_TOKENS), &key, &val),
                    "get token");
    if (err == OK) {
        err = token_decode(store_place(ts->store, HOOKS_TOKENS, key),
                           str_of_val(key), str_of_val(val), &token);
    }
    if (err == OK)
        visit(data, &token);
    store_read_end(ts->store);
    return err;
}

enum err token_list(struct token_store *ts, struct str org, token_visit visit,
                    void *data)
{
    MDB_cursor *cursor;
    MDB_txn *txn;
    enum err err = store_read(ts->store, &txn);

    if (err != OK)
        return err;
    err = store_err(
        ts->store,
        mdb_cursor_open(txn, store_db(ts->store, HOOKS_TOKENS), &cursor),
        "list tokens");
    if (err == OK) {
        err = list_from(ts->store, cursor, org, visit, data);
        mdb_cursor_close(cursor);
    }
    store_read_end(ts->store);
    return err;
}
