// backup.c — copies a data directory, record by record.
//
// Happy path: a snapshot of every environment is taken at one moment, shards
// first and the event log last, so that an event that a shard knows is in it;
// records are read, checked, and written in order into a new directory under a
// temporary name, which gets its own name at the end. Indexes are made anew.
//
// If it fails: nothing has its name. A record that is damaged is set aside in
// damaged.jsonl, counted, and left out; what it was in the books is counted as
// cancelled.

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/codec.h"
#include "common/crypto.h"
#include "common/mem.h"
#include "queue/event_log.h"
#include "queue/files.h"
#include "queue/hook_keys.h"
#include "queue/identity.h"
#include "queue/reshard.h"
#include "queue/shard.h"

#define ROWS_AT_ONCE  5000
#define BYTES_AT_ONCE ((size_t)32 << 20) // of a transaction
#define SHOW_EVERY    2000

// An environment, and its copy.
struct pair {
    struct part part;
    struct store *from, *to;
    MDB_txn *snapshot;
    MDB_txn *txn; // of `to`; NULL: none is open
    size_t n_rows, n_bytes;
    struct needed needed; // of a shard
    struct shard_state state;
    bool has_state;
    uint64_t highest;  // position of an event that a shard knows
    int64_t n_dropped; // due and dead rows
};

struct copying {
    const struct queue_config *config;
    const char *to_dir;   // under its temporary name
    struct format format; // of the copy: it is another directory
    struct pair *pairs;
    size_t n_pairs;
    queue_progress on_progress;
    void *data;
    FILE *damaged; // opened with the first one
    struct queue_copied *out;
};

// --- writing ---

static enum err flush(struct pair *p)
{
    MDB_txn *txn = p->txn;
    enum err err;

    if (txn == NULL)
        return OK;
    p->txn = NULL;
    p->n_rows = 0;
    p->n_bytes = 0;
    err = needed_flush(p->to, txn, &p->needed);
    if (err == OK)
        return store_commit(p->to, txn);
    mdb_txn_abort(txn);
    return err;
}

static enum err ready(struct pair *p, size_t n_bytes)
{
    enum err err = OK;

    if (p->n_rows >= ROWS_AT_ONCE || p->n_bytes >= BYTES_AT_ONCE)
        err = flush(p);
    if (err == OK && p->txn == NULL)
        err = store_write(p->to, &p->txn);
    p->n_rows++;
    p->n_bytes += n_bytes;
    return err;
}

static enum err put(struct pair *p, unsigned db, MDB_val key, MDB_val val)
{
    enum err err = ready(p, key.mv_size + val.mv_size);
    int rc;

    if (err != OK)
        return err;
    rc = mdb_put(p->txn, p->to->dbs[db], &key, &val, MDB_APPEND);
    if (rc == MDB_KEYEXIST) // not in order, as in a damaged tree
        rc = mdb_put(p->txn, p->to->dbs[db], &key, &val, 0);
    return store_err(p->to, rc, "copy");
}

// --- damage ---

static enum err set_aside(struct copying *c, const struct pair *p, unsigned db,
                          MDB_val key, MDB_val val)
{
    struct buf line;

    c->out->n_damaged++;
    if (c->damaged == NULL) {
        char *path = xasprintf("%s/damaged.jsonl", c->to_dir);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        free(path);
        c->damaged = fd >= 0 ? fdopen(fd, "w") : NULL;
        if (c->damaged == NULL)
            return ERR_IO;
    }
    buf_init(&line, 0);
    buf_printf(&line, "{\"environment\":\"%s\",\"database\":\"%s\",\"key\":\"",
               p->part.name, p->part.dbs[db]);
    crypto_put_hex(&line, key.mv_data, key.mv_size);
    buf_puts(&line, "\",\"value\":\"");
    crypto_put_hex(&line, val.mv_data, val.mv_size);
    buf_puts(&line, "\"}\n");
    fwrite(line.at, 1, line.n_bytes, c->damaged);
    buf_clear(&line);
    return ferror(c->damaged) ? ERR_IO : OK;
}

// --- records ---

static enum err copy_row(struct pair *p, unsigned db, MDB_val key, MDB_val val)
{
    enum err err = ready(p, key.mv_size + val.mv_size);

    return err == OK ? needed_put_row(p->to, p->txn, &p->needed, db, key, val)
                     : err;
}

static enum err copy_attempt(struct pair *p, MDB_val key, MDB_val val,
                             const struct attempt *a)
{
    uint8_t place[PLACE_BYTES];
    struct shard_state state = { .next_no = get_be64(key.mv_data) };
    enum err err = ready(p, key.mv_size + val.mv_size);

    attempt_place(a, place);
    if (err == OK) {
        err = shard_put_attempt(
            p->to, p->txn, &state,
            (struct str){ (const char *)place, sizeof(place) },
            str_of_val(val));
    }
    return err;
}

// Whether a record of a shard is sound. Sets `*attempt` for one of the history.
static bool is_sound(unsigned db, MDB_val key, MDB_val val,
                     struct attempt *attempt)
{
    struct str k = str_of_val(key);
    struct str v = str_of_val(val);
    struct due_row due;
    struct dead_row dead;
    struct replay replay;
    struct stats stats;
    struct event event;
    struct hook_health health;
    struct unreported_dead untold;
    struct str id_key;
    bool is_good = true;

    switch (db) {
    case SHARD_DUE:
        return due_decode(k, v, &due) == OK;
    case SHARD_DEAD:
        return dead_decode(k, v, &dead) == OK;
    case SHARD_ATTEMPTS:
        return k.n_bytes == 8 && attempt_decode(v, attempt) == OK;
    case SHARD_HEALTH:
        return k.n_bytes == 8 && health_decode(v, &health, &untold) == OK;
    case SHARD_OUTBOX:
        return event_decode(v, &event, &id_key) == OK;
    case SHARD_REPLAYS:
        return replay_decode(v, &replay) == OK && replay_is_at(&replay, k);
    case SHARD_STATS:
        stats_init(&stats);
        is_good =
            k.n_bytes == STATS_KEY_BYTES && stats_add_record(&stats, v) == OK;
        stats_clear(&stats);
        return is_good;
    default:
        return true;
    }
}

static enum err copy_of_shard(struct copying *c, struct pair *p, unsigned db,
                              MDB_val key, MDB_val val)
{
    struct attempt attempt;

    if (!is_sound(db, key, val, &attempt)) {
        p->n_dropped += db == SHARD_DUE || db == SHARD_DEAD;
        return set_aside(c, p, db, key, val);
    }
    switch (db) {
    case SHARD_DUE:
    case SHARD_DEAD:
        return copy_row(p, db, key, val);
    case SHARD_ATTEMPTS:
        return copy_attempt(p, key, val, &attempt);
    case SHARD_META: // written at the end
    case SHARD_BY_OWNER:
    case SHARD_FAILED:
    case SHARD_BY_EVENT:
    case SHARD_NEEDED:
        return OK; // made anew
    default:
        return put(p, db, key, val);
    }
}

static enum err copy_of_events(struct copying *c, struct pair *p, unsigned db,
                               MDB_val key, MDB_val val)
{
    struct event event;
    struct key_row row;
    struct str id_key;
    bool is_good = true;

    if (db == EVENTS_EVENTS) {
        is_good = event_decode_at(str_of_val(key), str_of_val(val), &event,
                                  &id_key) == OK;
    }
    if (db == EVENTS_META && identity_is(key))
        return OK;
    if (db == EVENTS_KEYS)
        is_good = key_decode(str_of_val(val), &row) == OK;
    return is_good ? put(p, db, key, val) : set_aside(c, p, db, key, val);
}

static enum err copy_of_hooks(struct copying *c, struct pair *p, unsigned db,
                              MDB_val key, MDB_val val)
{
    struct hook_room room;
    struct hook hook;
    struct token token;
    bool is_good = true;

    if (db == HOOKS_HOOKS) {
        hook_room_init(&room);
        is_good = hook_decode_at(str_of_val(key), str_of_val(val), NULL, &hook,
                                 &room) == OK;
        hook_room_clear(&room);
    }
    if (db == HOOKS_META && identity_is(key))
        return OK;
    if (db == HOOKS_TOKENS)
        is_good = token_decode(str_of_val(key), str_of_val(val), &token) == OK;
    return is_good ? put(p, db, key, val) : set_aside(c, p, db, key, val);
}

// --- environments ---

static enum err copy_record(struct copying *c, struct pair *p, unsigned db,
                            MDB_val key, MDB_val val)
{
    if (!store_value_is_in_place(p->from, val))
        return set_aside(c, p, db, key, val);
    if (p->part.dbs == shard_dbs)
        return copy_of_shard(c, p, db, key, val);
    if (p->part.dbs == events_dbs)
        return copy_of_events(c, p, db, key, val);
    return copy_of_hooks(c, p, db, key, val);
}

static enum err copy_db(struct copying *c, struct pair *p, unsigned db)
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    enum err err = OK;
    int rc = mdb_cursor_open(p->snapshot, p->from->dbs[db], &cursor);

    if (rc != 0)
        return store_err(p->from, rc, "copy");
    while (err == OK &&
           (rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT)) == 0) {
        err = copy_record(c, p, db, key, val);
        if (++c->out->n_records % SHOW_EVERY == 0 && err == OK &&
            c->on_progress != NULL &&
            !c->on_progress(c->data, c->out->n_records, c->out->n_total))
            err = ERR_AGAIN;
    }
    mdb_cursor_close(cursor);
    if (err != OK)
        return err;
    return rc == MDB_NOTFOUND ? OK : store_err(p->from, rc, "copy");
}

// What was left out is in the books as cancelled.
static enum err write_state(struct copying *c, struct pair *p)
{
    enum err err = flush(p);

    if (err == OK)
        err = store_write(p->to, &p->txn);
    if (err != OK)
        return err;
    if (p->has_state) {
        p->state.counts[COUNT_CANCELLED] += p->n_dropped;
    } else {
        c->out->n_damaged++;
        err = shard_guess_state(p->to, p->txn, &p->state);
    }
    return err == OK ? shard_put_state(p->to, p->txn, &p->state) : err;
}

static enum err copy_environment(struct copying *c, struct pair *p)
{
    enum err err = OK;

    if (p->part.dbs == shard_dbs) {
        p->has_state = shard_read_state(p->from, p->snapshot, &p->state) == OK;
        if (!p->has_state)
            p->state = (struct shard_state){ .next_no = 1 };
    }
    for (unsigned db = 0; db < p->part.n_dbs && err == OK; db++)
        err = copy_db(c, p, db);
    if (err == OK && p->part.dbs == shard_dbs)
        err = write_state(c, p);
    if (err == OK)
        err = ready(p, 0);
    if (err == OK)
        err = identity_put(p->to, p->txn, &p->part, c->format.id);
    return err == OK ? flush(p) : err;
}

static enum err open_pair(struct copying *c, struct pair *p)
{
    return part_open(c->config, &p->part, true, &p->from);
}

static enum err take_snapshot(struct copying *c, struct pair *p)
{
    enum err err = store_read(p->from, &p->snapshot);

    for (size_t db = 0; db < p->part.n_dbs && err == OK; db++) {
        MDB_stat stat;

        err = store_err(p->from, mdb_stat(p->snapshot, p->from->dbs[db], &stat),
                        "copy");
        c->out->n_total += err == OK ? stat.ms_entries : 0;
    }
    return err;
}

static enum err make_pair(struct copying *c, struct pair *p)
{
    char *dir = xasprintf("%s/%s", c->to_dir, p->part.name);
    enum err err = prepare_environment(dir, p->part.map_bytes, p->part.dbs,
                                       p->part.n_dbs, &p->to);

    free(dir);
    return err;
}

// Shards first, the event log last.
static void list_pairs(struct copying *c)
{
    c->n_pairs = c->config->n_shards + 2;
    c->pairs = xcalloc(c->n_pairs, sizeof(*c->pairs));
    for (unsigned i = 0; i < c->n_pairs; i++)
        c->pairs[c->n_pairs - 1 - i].part = part_of(c->config, i);
}

static enum err make_directory(const struct copying *c)
{
    char *deliveries = xasprintf("%s/deliveries", c->to_dir);
    enum err err = file_remove_tree(c->to_dir);

    if (err == OK)
        err = file_mkdir(c->to_dir);
    if (err == OK)
        err = file_mkdir(deliveries);
    free(deliveries);
    return err;
}

static enum err copy_all(struct copying *c)
{
    enum err err = OK;

    for (size_t i = 0; i < c->n_pairs && err == OK; i++)
        err = open_pair(c, &c->pairs[i]);
    for (size_t i = 0; i < c->n_pairs && err == OK; i++)
        err = take_snapshot(c, &c->pairs[i]);
    for (size_t i = 0; i < c->n_pairs && err == OK; i++) {
        err = make_pair(c, &c->pairs[i]);
        if (err == OK)
            err = copy_environment(c, &c->pairs[i]);
        store_read_end(c->pairs[i].from);
    }
    return err;
}

// --- the directory ---

// A small file, if it is there; mode 0600.
static enum err copy_file(const struct copying *c, const char *name)
{
    char *from = xasprintf("%s/%s", c->config->data_dir, name);
    char text[4096];
    FILE *file = fopen(from, "re");
    size_t n = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    enum err err = OK;

    free(from);
    if (file == NULL)
        return errno == ENOENT ? OK : ERR_DENIED;
    fclose(file);
    text[n] = '\0';
    err = file_write(c->to_dir, name, text);
    crypto_wipe(text, sizeof(text));
    return err;
}

static enum err copy_files(const struct copying *c, bool with_keys)
{
    enum err err = OK;

    if (with_keys)
        err = copy_file(c, "secret.key");
    if (err == OK && with_keys)
        err = copy_file(c, "admin.token");
    return err == OK ? format_write(c->to_dir, &c->format) : err;
}

static enum err close_damaged(struct copying *c)
{
    enum err err = OK;

    if (c->damaged == NULL)
        return OK;
    if (fflush(c->damaged) != 0 || fsync(fileno(c->damaged)) != 0)
        err = ERR_IO;
    fclose(c->damaged);
    return err;
}

enum err queue_copy(const struct queue_config *config,
                    const struct queue_copy_to *to, queue_progress on_progress,
                    void *data, struct queue_copied *out)
{
    char *temporary_name = xasprintf("%s.tmp", to->name);
    char *temporary = xasprintf("%s/%s", to->parent, temporary_name);
    struct copying c = { .config = config,
                         .to_dir = temporary,
                         .on_progress = on_progress,
                         .data = data,
                         .out = out };
    enum err err;

    memset(out, 0, sizeof(*out));
    format_make_id(&c.format);
    c.format.is_complete = true;
    list_pairs(&c);
    err = make_directory(&c);
    if (err == OK)
        err = copy_all(&c);
    if (err == OK)
        err = copy_files(&c, to->with_keys);
    if (close_damaged(&c) != OK && err == OK)
        err = ERR_IO;
    if (err == OK)
        err = file_sync(temporary);
    if (err == OK)
        err = file_rename(to->parent, temporary_name, to->name);
    if (err != OK && file_remove_tree(temporary) != OK)
        err = err == ERR_AGAIN ? ERR_IO : err;
    free(temporary);
    free(temporary_name);
    free(c.pairs); // the environments stay open: queue.h says why
    return err;
}
