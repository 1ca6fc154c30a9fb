// stacks.c — which organizations and stacks hooks and events have named.
//
// Nobody makes a stack here: it is there because something named it. Ingest
// notes what events name, in the transaction that stores them, and api what
// hooks name; whoever asks looks into both.

#include "queue/stacks.h"

#include <stdlib.h>
#include <string.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/text.h"
#include "queue/schema.h"

#define KEY_MAX_BYTES (3 * NAME_MAX_BYTES + 2)

struct stack_view {
    struct store *events;
    struct store *hooks;
};

static struct str key_of(const struct stack_name *name, char key[KEY_MAX_BYTES])
{
    const struct str parts[] = { name->org, name->project, name->stack };
    size_t n_bytes = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (i > 0)
            key[n_bytes++] = '\0';
        if (parts[i].n_bytes > 0)
            memcpy(key + n_bytes, parts[i].at, parts[i].n_bytes);
        n_bytes += parts[i].n_bytes;
    }
    return (struct str){ key, n_bytes };
}

// Of a length that key_of() takes.
static bool is_short(const struct stack_name *name)
{
    return name->org.n_bytes <= NAME_MAX_BYTES &&
           name->project.n_bytes <= NAME_MAX_BYTES &&
           name->stack.n_bytes <= NAME_MAX_BYTES;
}

// --- writing ---

static enum err put_row(struct store *s, MDB_txn *txn, unsigned db,
                        const struct stack_name *name)
{
    char bytes[KEY_MAX_BYTES];
    MDB_val key = val_of(key_of(name, bytes));
    MDB_val val = val_at("", 0);
    int rc = mdb_put(txn, s->dbs[db], &key, &val, MDB_NOOVERWRITE);

    return rc == MDB_KEYEXIST ? OK : store_err(s, rc, "note stack");
}

static bool has_room(struct store *s, MDB_txn *txn, unsigned db,
                     struct stacks_seen *seen)
{
    MDB_stat stat;

    if (mdb_stat(txn, s->dbs[db], &stat) == 0 && stat.ms_entries < STACKS_MAX)
        return true;
    if (!seen->is_full) {
        seen->is_full = true;
        log_warn("too many stacks, new ones are not noted", "path=%s max=%d",
                 log_quote(str_of(s->path)), STACKS_MAX);
    }
    return false;
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

enum err stacks_note(struct store *s, MDB_txn *txn, unsigned db,
                     const struct stack_name *name, struct stacks_seen *seen)
{
    struct stack_name org = { .org = name->org };
    char bytes[KEY_MAX_BYTES];
    struct str key;
    size_t place;
    enum err err = OK;

    // Made for a measurement, and for nobody to find afterwards.
    if (!is_short(name) || str_starts(name->org, STR("posthorn-bench-")))
        return OK;
    key = key_of(name, bytes);
    place = (size_t)(hash_here(key, 0) % STACKS_SEEN);
    if (is_seen(seen, place, key))
        return OK;
    if (text_is_name(name->org) && has_room(s, txn, db, seen)) {
        err = put_row(s, txn, db, &org);
        if (err == OK && text_is_name(name->project) &&
            text_is_name(name->stack))
            err = put_row(s, txn, db, name);
    }
    if (err == OK)
        see(seen, place, key);
    return err;
}

void stacks_forget(struct stacks_seen *seen)
{
    for (size_t i = 0; i < STACKS_SEEN; i++)
        free(seen->keys[i].at);
    memset(seen, 0, sizeof(*seen));
}

// --- reading ---

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

static enum err find_in(struct store *s, unsigned db, struct str key)
{
    MDB_val k = val_of(key);
    MDB_val v;
    MDB_txn *txn;
    enum err err = store_read(s, &txn);
    int rc;

    if (err != OK)
        return err;
    rc = mdb_get(txn, s->dbs[db], &k, &v);
    store_read_end(s);
    return store_err(s, rc, "find stack");
}

enum err stack_find(struct stack_view *view, struct str org, struct str project,
                    struct str stack)
{
    struct stack_name name = { org, project, stack };
    char bytes[KEY_MAX_BYTES];
    struct str key;
    enum err err;

    if (!is_short(&name))
        return ERR_NOTFOUND;
    key = key_of(&name, bytes);
    err = find_in(view->hooks, HOOKS_STACKS, key);
    if (err == ERR_NOTFOUND)
        err = find_in(view->events, EVENTS_STACKS, key);
    return err;
}

// The first organization behind `after` (empty: the first of all). No name has
// a byte below '-', so that what belongs to one lies before its name and \1.
static enum err next_org(struct store *s, unsigned db, struct str after,
                         struct buf *out)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    MDB_txn *txn;
    enum err err = store_read(s, &txn);
    int rc;

    if (err != OK)
        return err;
    buf_reset(out);
    buf_put_str(out, after);
    buf_putc(out, '\1');
    key = val_of(buf_str(out));
    rc = mdb_cursor_open(txn, s->dbs[db], &cursor);
    if (rc == 0) {
        rc = store_seek(cursor, &key, &val);
        mdb_cursor_close(cursor);
    }
    err = store_err(s, rc, "list organizations");
    buf_reset(out);
    if (err == OK) {
        const char *end = memchr(key.mv_data, '\0', key.mv_size);

        if (end != NULL) {
            buf_put(out, key.mv_data,
                    (size_t)(end - (const char *)key.mv_data));
        } else {
            err = ERR_CORRUPT;
        }
    }
    store_read_end(s);
    return err == ERR_NOTFOUND ? OK : err; // with an empty name
}

// Is `a` the one to show first? An empty name is none.
static bool is_before(struct str a, struct str b)
{
    size_t n_bytes = a.n_bytes < b.n_bytes ? a.n_bytes : b.n_bytes;
    int order;

    if (a.n_bytes == 0 || b.n_bytes == 0)
        return b.n_bytes == 0;
    order = memcmp(a.at, b.at, n_bytes);
    return order < 0 || (order == 0 && a.n_bytes <= b.n_bytes);
}

enum err org_list(struct stack_view *view, org_visit visit, void *data)
{
    struct buf last, of_hooks, of_events;
    bool goes_on = true;
    enum err err = OK;

    buf_init(&last, 0);
    buf_init(&of_hooks, 0);
    buf_init(&of_events, 0);
    while (err == OK && goes_on) {
        struct str after = buf_str(&last);
        struct str org;

        err = next_org(view->hooks, HOOKS_STACKS, after, &of_hooks);
        if (err == OK)
            err = next_org(view->events, EVENTS_STACKS, after, &of_events);
        org = is_before(buf_str(&of_hooks), buf_str(&of_events))
                  ? buf_str(&of_hooks)
                  : buf_str(&of_events);
        goes_on = err == OK && org.n_bytes > 0 && visit(data, org);
        buf_reset(&last);
        buf_put_str(&last, org);
    }
    buf_clear(&of_events);
    buf_clear(&of_hooks);
    buf_clear(&last);
    return err;
}
