// copy_to.c — the writing end of a copy: an environment that is made record by
// record.

#include "queue/admin/copy_to.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/files/small_file.h"
#include "common/log/log.h"
#include "queue/admin/migrate.h"
#include "queue/admin/reshard.h"
#include "queue/catalog/hook_keys.h"
#include "queue/catalog/orgs.h"
#include "queue/lmdb/files.h"
#include "queue/shard/shard.h"

#define ROWS_AT_ONCE  5000
#define BYTES_AT_ONCE ((size_t)32 << 20) // of a transaction

#define SMALL_FILE_BYTES 4096

// --- writing ---

enum err copy_make(struct copy_to *c, const char *dir, const struct part *part)
{
    char *path = xasprintf("%s/%s", dir, part->name);
    enum err err;

    *c = (struct copy_to){ .part = *part, .state = { .next_no = 1 } };
    buf_init(&c->plain, 0);
    err = prepare_environment(path, part->map_bytes, part->dbs, part->n_dbs,
                              &c->store);
    free(path);
    return err;
}

void copy_clear(struct copy_to *c)
{
    buf_clear(&c->plain);
}

enum err copy_flush(struct copy_to *c)
{
    MDB_txn *txn = c->txn;
    enum err err;

    if (txn == NULL)
        return OK;
    c->txn = NULL;
    c->n_rows = 0;
    c->n_bytes = 0;
    err = needed_flush(c->store, txn, &c->needed);
    if (err == OK)
        return store_commit(c->store, txn);
    mdb_txn_abort(txn);
    return err;
}

enum err copy_ready(struct copy_to *c, size_t n_bytes)
{
    enum err err = OK;

    if (c->n_rows >= ROWS_AT_ONCE || c->n_bytes >= BYTES_AT_ONCE)
        err = copy_flush(c);
    if (err == OK && c->txn == NULL)
        err = store_write(c->store, &c->txn);
    c->n_rows++;
    c->n_bytes += n_bytes;
    return err;
}

enum err copy_put_as_is(struct copy_to *c, unsigned db, MDB_val key,
                        MDB_val val)
{
    enum err err = copy_ready(c, key.mv_size + val.mv_size);
    int rc;

    if (err != OK)
        return err;
    rc = mdb_put(c->txn, c->store->dbs[db], &key, &val, MDB_APPEND);
    if (rc == MDB_KEYEXIST) // not in order, as in a damaged tree
        rc = mdb_put(c->txn, c->store->dbs[db], &key, &val, 0);
    return store_err(c->store, rc, "copy");
}

enum err copy_put_record(struct copy_to *c, unsigned db, MDB_val key,
                         struct str record)
{
    enum err err = copy_ready(c, key.mv_size + record.n_bytes);
    int rc;

    if (err != OK)
        return err;
    rc = store_put(c->store, c->txn, db, key, record, MDB_APPEND);
    if (rc == MDB_KEYEXIST)
        rc = store_put(c->store, c->txn, db, key, record, 0);
    return store_err(c->store, rc, "copy");
}

static enum err put_attempt(struct copy_to *c, const struct copy_record *r)
{
    uint8_t place[PLACE_BYTES];
    struct shard_state state = { .next_no = get_be64(r->key.mv_data) };
    enum err err = copy_ready(c, r->key.mv_size + r->val.mv_size);

    attempt_place(&r->attempt, place);
    if (err == OK) {
        err = shard_put_attempt(
            c->store, c->txn, &state,
            (struct str){ (const char *)place, sizeof(place) },
            buf_str(&c->plain));
    }
    if (state.last_org > c->last_org)
        c->last_org = state.last_org;
    return err;
}

static enum err put_of_shard(struct copy_to *c, const struct copy_record *r)
{
    enum err err;

    switch (r->db) {
    case SHARD_DUE:
    case SHARD_DEAD:
        err = copy_ready(c, r->key.mv_size + r->val.mv_size);
        if (err == OK) {
            err = needed_put_row(c->store, c->txn, &c->needed, r->db, r->key,
                                 buf_str(&c->plain));
        }
        return err;
    case SHARD_ATTEMPTS:
        return put_attempt(c, r);
    case SHARD_META: // written at the end
    case SHARD_BY_OWNER:
    case SHARD_FAILED:
    case SHARD_BY_EVENT:
    case SHARD_NEEDED:
        return OK; // made anew
    default:
        return copy_put_record(c, r->db, r->key, buf_str(&c->plain));
    }
}

bool copy_is_record(const struct part *part, unsigned db)
{
    static const unsigned of_events = 1U << EVENTS_EVENTS | 1U << EVENTS_KEYS;
    static const unsigned of_hooks = 1U << HOOKS_HOOKS | 1U << HOOKS_TOKENS |
                                     1U << HOOKS_ORGS | 1U << HOOKS_ORG_NOS;
    static const unsigned of_shards = 1U << SHARD_DUE | 1U << SHARD_DEAD |
                                      1U << SHARD_ATTEMPTS |
                                      1U << SHARD_HEALTH | 1U << SHARD_OUTBOX |
                                      1U << SHARD_STATS | 1U << SHARD_REPLAYS;
    unsigned dbs = part->dbs == events_dbs  ? of_events
                   : part->dbs == hooks_dbs ? of_hooks
                                            : of_shards;

    return (dbs & 1U << db) != 0;
}

enum err copy_put(struct copy_to *c, struct copy_record *r)
{
    enum err err = OK;

    if (!copy_is_record(&c->part, r->db)) {
        if (c->migration != NULL)
            err = migration_note_row(c->migration, c, r);
        if (err != OK || c->part.dbs == shard_dbs ||
            (r->db == c->part.meta_db && identity_is(r->key)))
            return err;
        return copy_put_as_is(c, r->db, r->key, r->val);
    }
    buf_reset(&c->plain);
    buf_put_str(&c->plain, str_of_val(r->val));
    record_move(c->plain.at, c->plain.n_bytes, r->place);
    if (c->migration != NULL)
        err = migration_convert(c->migration, c, r);
    if (err != OK)
        return err;
    if (c->part.dbs == shard_dbs)
        return put_of_shard(c, r);
    return copy_put_record(c, r->db, r->key, buf_str(&c->plain));
}

// --- judging ---

// Whether a record of a shard is sound. Sets `attempt` for one of the history.
static bool is_sound_of_shard(struct copy_record *r)
{
    MDB_val key = r->key;
    MDB_val val = r->val;
    uint32_t place = r->place;
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

    switch (r->db) {
    case SHARD_DUE:
        return due_decode(place, k, v, &due) == OK;
    case SHARD_DEAD:
        return dead_decode(place, k, v, &dead) == OK;
    case SHARD_ATTEMPTS:
        return k.n_bytes == 8 && attempt_decode(place, v, &r->attempt) == OK;
    case SHARD_HEALTH:
        return k.n_bytes == 8 &&
               health_decode(place, v, &health, &untold) == OK;
    case SHARD_OUTBOX:
        return event_decode(place, v, &event, &id_key) == OK;
    case SHARD_REPLAYS:
        return replay_decode_at(place, v, &replay) == OK &&
               replay_is_at(&replay, k);
    case SHARD_STATS:
        stats_init(&stats);
        is_good = k.n_bytes == STATS_KEY_BYTES &&
                  stats_add_record_at(&stats, place, v) == OK;
        stats_clear(&stats);
        return is_good;
    default:
        return true;
    }
}

static bool is_sound_of_events(const struct copy_record *r)
{
    struct event event;
    struct key_row row;
    struct str id_key;

    switch (r->db) {
    case EVENTS_EVENTS:
        return event_decode_at(r->place, str_of_val(r->key), str_of_val(r->val),
                               &event, &id_key) == OK;
    case EVENTS_KEYS:
        return key_decode(r->place, str_of_val(r->val), &row) == OK;
    default:
        return true;
    }
}

static bool is_sound_of_hooks(const struct copy_record *r)
{
    struct str key = str_of_val(r->key);
    struct str val = str_of_val(r->val);
    uint64_t no;
    struct hook_room room;
    struct hook hook;
    struct token token;
    bool is_good = true;

    if (r->db == HOOKS_ORGS || r->db == HOOKS_ORG_NOS)
        return orgs_decode(r->db, r->place, r->key, r->val, &val, &no);
    if (r->db == HOOKS_HOOKS) {
        hook_room_init(&room);
        is_good = hook_decode_at(r->place, key, val, NULL, &hook, &room) == OK;
        hook_room_clear(&room);
    }
    if (r->db == HOOKS_TOKENS)
        is_good = token_decode(r->place, key, val, &token) == OK;
    return is_good;
}

bool copy_judge(const struct copy_to *c, struct copy_record *r)
{
    if (c->part.dbs == shard_dbs)
        return is_sound_of_shard(r);
    if (c->part.dbs == events_dbs)
        return is_sound_of_events(r);
    return is_sound_of_hooks(r);
}

// --- the end of an environment ---

static enum err put_state(struct copy_to *c)
{
    enum err err = OK;

    if (c->has_state) {
        c->state.counts[COUNT_CANCELLED] += c->n_dropped;
    } else {
        err = shard_guess_state(c->store, c->txn, &c->state);
    }
    if (c->state.last_org < c->last_org)
        c->state.last_org = c->last_org;
    return err == OK ? shard_put_state(c->store, c->txn, &c->state) : err;
}

enum err copy_finish(struct copy_to *c, const uint8_t *id)
{
    enum err err = copy_flush(c); // the state is made of what is committed

    if (err == OK)
        err = copy_ready(c, 0);
    if (err == OK && c->part.dbs == shard_dbs)
        err = put_state(c);
    if (err == OK)
        err = identity_put(c->store, c->txn, &c->part, id);
    return err == OK ? copy_flush(c) : err;
}

// --- what is left out ---

enum err aside_put_line(struct aside *a, struct str line)
{
    if (a->file == NULL) {
        char *path = xasprintf("%s/damaged.jsonl", a->dir);
        int fd = open(
            path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        free(path);
        a->file = fd >= 0 ? fdopen(fd, "w") : NULL;
        if (a->file == NULL)
            return ERR_IO;
    }
    fwrite(line.at, 1, line.n_bytes, a->file);
    fputc('\n', a->file);
    return ferror(a->file) ? ERR_IO : OK;
}

enum err aside_put(struct aside *a, const struct part *part, unsigned db,
                   MDB_val key, MDB_val val)
{
    struct buf line;
    enum err err;

    a->n++;
    buf_init(&line, 0);
    buf_printf(&line, "{\"environment\":\"%s\",\"database\":\"%s\",\"key\":\"",
               part->name, part->dbs[db]);
    crypto_put_hex(&line, key.mv_data, key.mv_size);
    buf_puts(&line, "\",\"value\":\"");
    crypto_put_hex(&line, val.mv_data, val.mv_size);
    buf_puts(&line, "\"}");
    err = aside_put_line(a, buf_str(&line));
    buf_clear(&line);
    return err;
}

enum err aside_close(struct aside *a)
{
    enum err err = OK;

    if (a->file == NULL)
        return OK;
    if (fflush(a->file) != 0 || fsync(fileno(a->file)) != 0)
        err = ERR_IO;
    fclose(a->file);
    a->file = NULL;
    return err;
}

// --- the directory ---

enum err copy_make_directory(const char *dir)
{
    char *deliveries = xasprintf("%s/deliveries", dir);
    enum err err = file_mkdir(dir);

    if (err == OK)
        err = file_mkdir(deliveries);
    free(deliveries);
    return err;
}

enum err copy_small_file(const char *from_dir, const char *to_dir,
                         const char *name)
{
    char *from = xasprintf("%s/%s", from_dir, name);
    char text[SMALL_FILE_BYTES];
    const char *why = "";
    enum err err = small_file_read(from, text, sizeof(text), NULL, &why);

    if (err == OK) {
        err = file_write(to_dir, name, text);
    } else if (err != ERR_NOTFOUND) {
        log_warn("cannot be copied", "path=%s reason=%s",
                 log_quote(str_of(from)), log_quote(str_of(why)));
    }
    crypto_wipe(text, sizeof(text));
    free(from);
    return err == ERR_NOTFOUND ? OK : err;
}
