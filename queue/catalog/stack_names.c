// SPDX-License-Identifier: MIT
// stack_names.c — records which organizations, stacks and environments were named.
//
// Stacks need not be created: they exist because something named them. Ingest
// records what events name, in the transaction that stores the events; api records
// what hooks name and what clients create. Readers look into both (stack_view.c).
//
// A key is organization, project and stack, separated by NULs; for an environment
// the stack is empty and the environment's name follows; for an organization the
// other parts are empty. An organization's row holds the number of its other rows.

#include "queue/catalog/stack_names.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/catalog/hook_keys.h"
#include "queue/catalog/orgs.h"
#include "queue/lmdb/row_changes.h"
#include "queue/records/schema.h"

#define STACKS_MAX      1000000
#define STACKS_ONE_PART 10

// --- keys ---

struct share_limit stacks_limit(const struct queue_config *config)
{
    static const struct share_limit usual = {
        .whole = STACKS_MAX, .of_one = STACKS_MAX / STACKS_ONE_PART
    };

    return config->stacks.whole > 0 ? config->stacks : usual;
}

static void put_part(char *key, size_t *n_bytes, struct str part)
{
    if (part.n_bytes > 0)
        memcpy(key + *n_bytes, part.at, part.n_bytes);
    *n_bytes += part.n_bytes;
}

enum err stack_key(const struct stack_name *name, char *key, struct str *out)
{
    struct str last = name->env.n_bytes > 0 ? name->env : name->stack;
    size_t n_bytes = 0;

    if (name->org.n_bytes > NAME_MAX_BYTES ||
        name->project.n_bytes > NAME_MAX_BYTES || last.n_bytes > NAME_MAX_BYTES)
        return ERR_INVALID;
    put_part(key, &n_bytes, name->org);
    key[n_bytes++] = '\0';
    put_part(key, &n_bytes, name->project);
    key[n_bytes++] = '\0';
    if (name->env.n_bytes > 0)
        key[n_bytes++] = '\0';
    put_part(key, &n_bytes, last);
    *out = (struct str){ key, n_bytes };
    return OK;
}

// Removes the text before the next NUL from `rest`. False: there is none.
static bool take_part(struct str *rest, struct str *part)
{
    const char *end =
        rest->n_bytes > 0 ? memchr(rest->at, '\0', rest->n_bytes) : NULL;

    if (end == NULL)
        return false;
    *part = (struct str){ rest->at, (size_t)(end - rest->at) };
    rest->at = end + 1;
    rest->n_bytes -= part->n_bytes + 1;
    return true;
}

enum err stack_name_of(struct str key, struct stack_name *out)
{
    struct str none;

    *out = (struct stack_name){ .org = STR_EMPTY };
    if (!take_part(&key, &out->org) || !take_part(&key, &out->project))
        return ERR_CORRUPT;
    if (take_part(&key, &none)) {
        out->env = key;
    } else {
        out->stack = key;
    }
    return OK;
}

// Whether the names are well-formed: of an organization, or of a stack or
// environment.
static bool is_good(const struct stack_name *name)
{
    if (!text_is_name(name->org))
        return false;
    if (name->project.n_bytes == 0)
        return name->stack.n_bytes == 0 && name->env.n_bytes == 0;
    return text_is_name(name->project) &&
           text_is_name(name->env.n_bytes > 0 ? name->env : name->stack);
}

// --- how many there are ---

// Counts the rows of an organization whose own row, of an earlier version, has no
// count.
static enum err count_rows(struct store *s, MDB_txn *txn, unsigned db,
                           struct str org, uint64_t *n)
{
    char bytes[STACK_KEY_MAX_BYTES];
    struct str prefix;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, store_db(s, db), &cursor);

    *n = 0;
    if (rc != 0)
        return store_err(s, rc, "count stacks");
    memcpy(bytes, org.at, org.n_bytes);
    bytes[org.n_bytes] = '\0';
    prefix = (struct str){ bytes, org.n_bytes + 1 };
    key = val_of(prefix);
    rc = store_seek(cursor, &key, &val);
    while (rc == 0 && str_starts(str_of_val(key), prefix)) {
        *n += key.mv_size > prefix.n_bytes + 1; // without its own row
        rc = store_next(cursor, &key, &val);
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? OK
                                         : store_err(s, rc, "count stacks");
}

static enum err put_count(struct store *s, MDB_txn *txn, unsigned db,
                          struct str org, uint64_t n)
{
    struct stack_name name = { .org = org };
    char bytes[STACK_KEY_MAX_BYTES];
    uint8_t number[8] = { 0 };
    struct str row;
    MDB_val key;
    MDB_val val = val_at(number, sizeof(number));
    enum err err = stack_key(&name, bytes, &row);

    if (err != OK)
        return err;
    put_be64(number, n);
    key = val_of(row);
    return store_err(s, row_put(txn, store_db(s, db), &key, &val, 0),
                     "note stack");
}

// Adds the count to an organization's row of an earlier version, even if the
// requested name is then refused: so all its rows are walked only once.
static enum err count_of(struct store *s, MDB_txn *txn, unsigned db,
                         struct str org, uint64_t *n)
{
    struct stack_name name = { .org = org };
    char bytes[STACK_KEY_MAX_BYTES];
    struct str row;
    MDB_val key;
    MDB_val val;
    enum err err = stack_key(&name, bytes, &row);
    int rc;

    *n = 0;
    if (err != OK)
        return err;
    key = val_of(row);
    rc = mdb_get(txn, store_db(s, db), &key, &val);
    if (rc == MDB_NOTFOUND)
        return OK;
    if (rc == 0 && val.mv_size == 8) {
        *n = get_be64(val.mv_data);
        return OK;
    }
    err = rc == 0 ? count_rows(s, txn, db, org, n)
                  : store_err(s, rc, "count stacks");
    return err == OK ? put_count(s, txn, db, org, *n) : err;
}

struct adding {
    const struct share_limit *limit;
    bool is_admin;
    enum share share; // out; unless it is SHARE_THERE, nothing is put
};

static enum err check_share(struct store *s, MDB_txn *txn, unsigned db,
                            uint64_t held, struct adding *a)
{
    MDB_stat stat;
    enum err err =
        store_err(s, mdb_stat(txn, store_db(s, db), &stat), "count stacks");

    if (err == OK)
        a->share = share_check(a->limit, held, stat.ms_entries, a->is_admin, 1);
    return err;
}

// --- writing ---

// ERR_EXISTS.
static enum err add(struct store *s, MDB_txn *txn, unsigned db,
                    const struct stack_name *name, struct adding *a)
{
    char bytes[STACK_KEY_MAX_BYTES];
    struct str row;
    MDB_val key;
    MDB_val val;
    uint64_t held;
    enum err err = stack_key(name, bytes, &row);
    int rc;

    a->share = SHARE_THERE;
    if (err != OK)
        return err;
    key = val_of(row);
    rc = mdb_get(txn, store_db(s, db), &key, &val);
    if (rc != MDB_NOTFOUND)
        return rc == 0 ? ERR_EXISTS : store_err(s, rc, "note stack");
    err = count_of(s, txn, db, name->org, &held);
    if (err == OK)
        err = check_share(s, txn, db, held, a);
    if (err != OK || a->share != SHARE_THERE)
        return err;
    if (name->project.n_bytes == 0)
        return put_count(s, txn, db, name->org, 0);
    err = put_count(s, txn, db, name->org, held + 1);
    val = val_at("", 0);
    if (err == OK) {
        err = store_err(s, row_put(txn, store_db(s, db), &key, &val, 0),
                        "note stack");
    }
    return err;
}

// Warns once for each kind of limit.
static void warn_full(const struct store *s, const struct stack_name *name,
                      enum share share, struct stacks_seen *seen)
{
    bool *is_told = share == SHARE_OF_ONE ? &seen->is_one_full : &seen->is_full;

    if (*is_told)
        return;
    *is_told = true;
    if (share == SHARE_OF_ONE) {
        log_warn("an organization has too many stacks; new ones are not listed",
                 "path=%s org=%s setting=max_stacks_per_organization",
                 log_quote(str_of(store_path(s))), log_quote(name->org));
    } else {
        log_warn("there are too many stacks; new ones are not listed",
                 "path=%s setting=max_stacks",
                 log_quote(str_of(store_path(s))));
    }
}

static bool is_seen(const struct stacks_seen *seen, size_t place,
                    struct str key)
{
    return seen->keys[place].at != NULL &&
           str_eq(
               (struct str){ seen->keys[place].at, seen->keys[place].n_bytes },
               key);
}

static void see(struct stacks_seen *seen, size_t place, struct str key)
{
    free(seen->keys[place].at);
    seen->keys[place].at = xstrndup(key.at, key.n_bytes);
    seen->keys[place].n_bytes = key.n_bytes;
}

// Chooses the stack or environment, or else its organization. False: neither has a
// name.
static bool choose(const struct stack_name *name, struct stack_name *out)
{
    *out = *name;
    if (!is_good(out))
        *out = (struct stack_name){ .org = name->org };
    return is_good(out);
}

enum err stacks_note(struct store *s, MDB_txn *txn, unsigned db,
                     const struct stack_name *name,
                     const struct share_limit *limit, struct stacks_seen *seen)
{
    struct adding a = { .limit = limit };
    char bytes[STACK_KEY_MAX_BYTES];
    struct stack_name chosen;
    struct str key;
    size_t place;
    enum err err;

    // Organizations of `posthorn bench` exist for a measurement only.
    if (str_starts(name->org, STR("posthorn-bench-")))
        return OK;
    if (stack_key(name, bytes, &key) != OK) {
        if (!choose(name, &chosen))
            return OK;
        name = &chosen;
        err = stack_key(name, bytes, &key);
        if (err != OK)
            return err;
    }
    place = (size_t)(hash_here(key, 0) % STACKS_SEEN);
    if (is_seen(seen, place, key)) // before its names are checked
        return OK;
    err = choose(name, &chosen) ? add(s, txn, db, &chosen, &a) : OK;
    if (err == ERR_EXISTS)
        err = OK;
    if (err == OK && a.share != SHARE_THERE) {
        warn_full(s, name, a.share, seen);
    } else if (err == OK) {
        see(seen, place, key);
    }
    return err;
}

void stacks_forget(struct stacks_seen *seen)
{
    for (size_t i = 0; i < STACKS_SEEN; i++)
        free(seen->keys[i].at);
    memset(seen->keys, 0, sizeof(seen->keys));
}

// The organization's own row, which counts the others, is the first one of its rows.
enum err stacks_remove(struct store *s, MDB_txn *txn, unsigned db,
                       struct str org, size_t max, size_t *n)
{
    char bytes[STACK_KEY_MAX_BYTES];
    struct str prefix;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, store_db(s, db), &cursor);

    *n = 0;
    if (rc != 0)
        return store_err(s, rc, "forget stacks");
    memcpy(bytes, org.at, org.n_bytes);
    bytes[org.n_bytes] = '\0';
    prefix = (struct str){ bytes, org.n_bytes + 1 };
    while (rc == 0 && *n < max) {
        key = val_of(prefix);
        rc = store_seek(cursor, &key, &val);
        if (rc == 0 && !str_starts(str_of_val(key), prefix))
            rc = MDB_NOTFOUND;
        if (rc == 0)
            rc = row_cursor_del(cursor);
        *n += rc == 0;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? OK : store_err(s, rc, "forget stacks");
}

// --- by clients ---

// A write of a stack, an environment or an organization.
struct stack_write {
    struct catalog_write base;
    struct hook_store *hs;
    struct stack_name name;
    bool is_admin;
};

static struct stack_write *write_new(struct hook_store *hs, catalog_apply apply,
                                     const struct stack_name *name,
                                     const struct catalog_caller *caller)
{
    struct stack_write *w = catalog_write_new(sizeof(*w), apply, caller);
    struct arena *arena = &w->base.arena;

    assert(hs->writer != NULL);
    w->hs = hs;
    w->name = (struct stack_name){
        .org = arena_copy(arena, name->org),
        .project = arena_copy(arena, name->project),
        .stack = arena_copy(arena, name->stack),
        .env = arena_copy(arena, name->env),
    };
    return w;
}

static enum err apply_create(struct catalog_write *base, MDB_txn *txn)
{
    struct stack_write *w = (struct stack_write *)base;
    struct hook_store *hs = w->hs;
    struct adding a = { .limit = &hs->stacks, .is_admin = w->is_admin };
    bool is_leaving = false;
    enum err err;

    if (!is_good(&w->name))
        return ERR_INVALID;
    if (hs->is_denied)
        return ERR_DENIED;
    err = orgs_is_leaving(hs->store, txn, w->name.org, &is_leaving);
    if (err != OK || is_leaving)
        return err == OK ? ERR_BUSY : err;
    // A count may be stored even if the name is refused.
    err = add(hs->store, txn, HOOKS_STACKS, &w->name, &a);
    base->result.share = a.share;
    return err;
}

void stack_create(struct hook_store *hs, const struct stack_name *name,
                  bool is_admin, const struct catalog_caller *caller)
{
    struct stack_write *w = write_new(hs, apply_create, name, caller);

    w->is_admin = is_admin;
    catalog_writer_add(hs->writer, &w->base);
}

struct hook_scope stack_hook_scope(const struct stack_name *name)
{
    bool is_env = name->env.n_bytes > 0;

    return (struct hook_scope){
        .dialect = DIALECT_PULUMI,
        .level = is_env ? LEVEL_ENVIRONMENT : LEVEL_STACK,
        .org = name->org,
        .project = name->project,
        .target = is_env ? name->env : name->stack,
    };
}

// ERR_EXISTS: there is a hook of the stack or environment.
static enum err check_no_hooks(struct store *s, MDB_txn *txn,
                               const struct stack_name *name)
{
    const struct hook_scope scope = stack_hook_scope(name);
    struct buf prefix;
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, store_db(s, HOOKS_HOOKS), &cursor);
    enum err err = store_err(s, rc, "find hooks of a stack");

    if (err != OK)
        return err;
    buf_init(&prefix, KEY_MAX_BYTES);
    if (hook_put_scope(&scope, &prefix) == OK) { // else no hook has such a key
        key = val_of(buf_str(&prefix));
        rc = store_seek(cursor, &key, &val);
        if (rc == 0 && str_starts(str_of_val(key), buf_str(&prefix))) {
            err = ERR_EXISTS;
        } else if (rc != MDB_NOTFOUND) {
            err = store_err(s, rc, "find hooks of a stack");
        }
    }
    mdb_cursor_close(cursor);
    buf_clear(&prefix);
    return err;
}

static enum err take(struct store *s, MDB_txn *txn,
                     const struct stack_name *name, struct str row)
{
    MDB_val key = val_of(row);
    uint64_t n;
    enum err err = check_no_hooks(s, txn, name);

    if (err == OK)
        err = count_of(s, txn, HOOKS_STACKS, name->org, &n);
    if (err == OK) {
        err = store_err(s, row_del(txn, store_db(s, HOOKS_STACKS), &key),
                        "forget stack");
    }
    if (err == OK)
        err = put_count(s, txn, HOOKS_STACKS, name->org, n > 0 ? n - 1 : 0);
    return err;
}

static enum err apply_delete(struct catalog_write *base, MDB_txn *txn)
{
    struct stack_write *w = (struct stack_write *)base;
    char bytes[STACK_KEY_MAX_BYTES];
    struct str row;
    enum err err =
        is_good(&w->name) && w->name.project.n_bytes > 0 ? OK : ERR_NOTFOUND;

    if (err == OK)
        err = stack_key(&w->name, bytes, &row);
    if (err == OK && w->hs->is_denied)
        err = ERR_DENIED;
    if (err != OK)
        return err;
    stacks_forget(&w->hs->seen);
    return take(w->hs->store, txn, &w->name, row);
}

void stack_delete(struct hook_store *hs, const struct stack_name *name,
                  const struct catalog_caller *caller)
{
    struct stack_write *w = write_new(hs, apply_delete, name, caller);

    catalog_writer_add(hs->writer, &w->base);
}
