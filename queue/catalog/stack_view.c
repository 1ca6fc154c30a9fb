// SPDX-License-Identifier: MIT
// stack_view.c — reads which organizations, stacks and environments were named:
// merges what hooks and events have named, in the order of the keys.

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "queue/catalog/stack_names.h"
#include "queue/records/schema.h"

// Sorts before every name, and after every key part that ends with a NUL.
#define BEFORE_NAMES "\1"

struct stack_view {
    struct store *events;
    struct store *hooks;
};

enum err stack_view_open(const struct queue_config *config,
                         struct stack_view **out)
{
    struct stack_view *view = xcalloc(1, sizeof(*view));
    char *events = xasprintf("%s/events", config->data_dir);
    char *hooks = xasprintf("%s/hooks", config->data_dir);
    enum err err = store_open(events, config->max_bytes, true, events_dbs,
                              EVENTS_DBS, &view->events);

    if (err == OK) {
        err = store_open(hooks, config->max_bytes, true, hooks_dbs, HOOKS_DBS,
                         &view->hooks);
    }
    free(events);
    free(hooks);
    if (err != OK) {
        free(view);
        return err;
    }
    *out = view;
    return OK;
}

// --- one ---

static enum err find_in(struct store *s, unsigned db,
                        const struct stack_name *name)
{
    char bytes[STACK_KEY_MAX_BYTES];
    struct str key;
    MDB_val k;
    MDB_val v;
    MDB_txn *txn;
    enum err err;
    int rc;

    if (stack_key(name, bytes, &key) != OK)
        return ERR_NOTFOUND;
    err = store_read(s, &txn);
    if (err != OK)
        return err;
    k = val_of(key);
    rc = mdb_get(txn, store_db(s, db), &k, &v);
    store_read_end(s);
    return store_err(s, rc, "find stack");
}

enum err stack_find_in_events(struct stack_view *view,
                              const struct stack_name *name)
{
    return find_in(view->events, EVENTS_STACKS, name);
}

enum err stack_find(struct stack_view *view, const struct stack_name *name)
{
    enum err err = find_in(view->hooks, HOOKS_STACKS, name);

    return err == ERR_NOTFOUND ? stack_find_in_events(view, name) : err;
}

// --- the next one ---

// The first key at or after `from`, which is not empty. Empty result: there is
// none.
static enum err next_in(struct store *s, unsigned db, struct str from,
                        struct buf *out)
{
    MDB_cursor *cursor;
    MDB_val key = val_of(from);
    MDB_val val;
    MDB_txn *txn;
    enum err err = store_read(s, &txn);
    int rc;

    buf_reset(out);
    if (err != OK)
        return err;
    rc = mdb_cursor_open(txn, store_db(s, db), &cursor);
    if (rc == 0) {
        rc = store_seek(cursor, &key, &val);
        mdb_cursor_close(cursor);
    }
    if (rc == 0)
        buf_put_str(out, str_of_val(key));
    err = store_err(s, rc, "list stacks");
    store_read_end(s);
    return err == ERR_NOTFOUND ? OK : err;
}

static bool is_before(struct str a, struct str b)
{
    size_t n_bytes = a.n_bytes < b.n_bytes ? a.n_bytes : b.n_bytes;
    int order = n_bytes > 0 ? memcmp(a.at, b.at, n_bytes) : 0;

    return order < 0 || (order == 0 && a.n_bytes < b.n_bytes);
}

struct reading { // a merged read of both environments
    struct stack_view *view;
    struct buf from; // where the search for the next key begins
    struct buf of_hooks, of_events;
};

static void reading_init(struct reading *r, struct stack_view *view)
{
    r->view = view;
    buf_init(&r->from, 0);
    buf_init(&r->of_hooks, 0);
    buf_init(&r->of_events, 0);
}

static void reading_clear(struct reading *r)
{
    buf_clear(&r->of_events);
    buf_clear(&r->of_hooks);
    buf_clear(&r->from);
}

// The first name of either environment at or after `from`, which lies in `r`. Empty
// organization: there is none.
static enum err next_of_both(struct reading *r, struct str *key,
                             struct stack_name *name)
{
    struct str from = buf_str(&r->from);
    enum err err = next_in(r->view->hooks, HOOKS_STACKS, from, &r->of_hooks);
    struct str a, b;

    if (err == OK)
        err = next_in(r->view->events, EVENTS_STACKS, from, &r->of_events);
    *name = (struct stack_name){ .org = STR_EMPTY };
    *key = STR_EMPTY;
    if (err != OK)
        return err;
    a = buf_str(&r->of_hooks);
    b = buf_str(&r->of_events);
    *key = a.n_bytes > 0 && (b.n_bytes == 0 || is_before(a, b)) ? a : b;
    return key->n_bytes > 0 ? stack_name_of(*key, name) : OK;
}

// --- lists ---

enum err org_list(struct stack_view *view, org_visit visit, void *data)
{
    struct reading r;
    bool goes_on = true;
    enum err err = OK;

    reading_init(&r, view);
    buf_puts(&r.from, BEFORE_NAMES);
    while (err == OK && goes_on) {
        struct stack_name name;
        struct str key;

        err = next_of_both(&r, &key, &name);
        goes_on = err == OK && name.org.n_bytes > 0 && visit(data, name.org);
        buf_reset(&r.from);
        buf_put_str(&r.from, name.org);
        buf_puts(&r.from, BEFORE_NAMES); // after all of its rows
    }
    reading_clear(&r);
    return err;
}

// Puts the key at which the list begins.
static void put_start(const struct stack_query *q, struct buf *from)
{
    if (q->org.n_bytes > 0) {
        buf_put_str(from, q->org);
        buf_putc(from, '\0');
    }
    if (q->org.n_bytes == 0 || q->project.n_bytes == 0) {
        buf_puts(from, BEFORE_NAMES);
    } else {
        buf_put_str(from, q->project);
        buf_putc(from, '\0');
    }
}

static void put_project(const struct stack_name *name, struct str project,
                        struct buf *from)
{
    buf_put_str(from, name->org);
    buf_putc(from, '\0');
    buf_put_str(from, project);
    buf_putc(from, '\0');
}

// Whether the list should contain this name. If not, puts where the next match can
// be.
static bool is_wanted(const struct stack_query *q,
                      const struct stack_name *name, struct buf *from)
{
    bool is_env = name->env.n_bytes > 0;

    if (name->project.n_bytes == 0) { // the organization
        if (q->project.n_bytes > 0) {
            put_project(name, q->project, from);
        } else {
            buf_put_str(from, name->org);
            buf_putc(from, '\0');
            buf_puts(from, BEFORE_NAMES);
        }
        return false;
    }
    if (q->project.n_bytes > 0 && !str_eq(name->project, q->project)) {
        if (is_before(name->project, q->project)) {
            put_project(name, q->project, from);
        } else {
            buf_put_str(from, name->org);
            buf_puts(from, BEFORE_NAMES);
        }
        return false;
    }
    if (is_env == q->is_env)
        return true;
    put_project(name, name->project, from);
    if (is_env) {
        buf_puts(from, BEFORE_NAMES); // the project's stacks
    } else {
        from->at[from->n_bytes - 1] = BEFORE_NAMES[0]; // after them
    }
    return false;
}

// True: there may be more.
static enum err list_one(struct reading *r, const struct stack_query *q,
                         stack_visit visit, void *data, bool *has_more)
{
    struct stack_name name;
    struct str key;
    enum err err = next_of_both(r, &key, &name);

    *has_more = err == OK && name.org.n_bytes > 0 &&
                (q->org.n_bytes == 0 || str_eq(name.org, q->org));
    if (!*has_more)
        return err;
    buf_reset(&r->from);
    if (is_wanted(q, &name, &r->from)) {
        buf_put_str(&r->from, key);
        buf_putc(&r->from, '\0');
        visit(data, &name);
    }
    return OK;
}

enum err stack_list(struct stack_view *view, const struct stack_query *query,
                    size_t max, struct buf *place, stack_visit visit,
                    void *data)
{
    struct reading r;
    bool has_more = true;
    enum err err = OK;

    reading_init(&r, view);
    buf_put_str(&r.from, buf_str(place));
    if (place->n_bytes == 0)
        put_start(query, &r.from);
    for (size_t i = 0; i < max && err == OK && has_more; i++)
        err = list_one(&r, query, visit, data, &has_more);
    buf_reset(place);
    if (err == OK && has_more)
        buf_put_str(place, buf_str(&r.from));
    reading_clear(&r);
    return err;
}

void stack_place_put(const struct stack_name *name, struct buf *out)
{
    char bytes[STACK_KEY_MAX_BYTES];
    struct str key;

    if (stack_key(name, bytes, &key) != OK)
        return; // no name is listed that has no key
    buf_put_str(out, key);
    buf_putc(out, '\0');
}
