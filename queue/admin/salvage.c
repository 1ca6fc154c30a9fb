// SPDX-License-Identifier: MIT
// salvage.c — copies what can be read of a damaged environment into a sound one.
//
// Happy path: the trees are walked page by page; each record is checked by its
// checksum and its key, and put. Indexes are made from the records.
//
// If a page is damaged, the key range that its parent states is noted as a gap.
// Leaves that no tree leads to, and that are not free, were below that page: they
// are assigned to the table into whose gap their keys fall.

#include "queue/admin/salvage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/encoding/json_writer.h"
#include "queue/admin/copy_records.h"
#include "queue/catalog/hook_keys.h"
#include "queue/catalog/orgs.h"
#include "queue/erasure/erasure_row.h"
#include "queue/event_rows/hidden.h"
#include "queue/orgs/org_value_rows.h"
#include "queue/shard/shard.h"

struct run {
    struct salvage *s;
    struct copy_to *to;
    const struct salvage_how *how;
    enum err err; // errors of writing
};

static void say(const struct salvage_how *how, const struct part *part,
                const char *what)
{
    char *text = xasprintf("%s: %s", part->name, what);

    if (how->on_fault != NULL)
        how->on_fault(how->data, text);
    free(text);
}

// --- records ---

static bool is_text(struct str key, const char *name)
{
    return str_eq(key, str_of(name));
}

// A row whose event is lost would wait for ever.
static bool has_event(const struct run *run, MDB_val key)
{
    struct store *events = run->how->events->store;
    MDB_val position =
        val_at((const uint8_t *)key.mv_data + key.mv_size - 8, 8);
    MDB_val val;
    MDB_txn *txn;
    bool is_there;

    if (store_read(events, &txn) != OK)
        return false;
    is_there =
        mdb_get(txn, store_db(events, EVENTS_EVENTS), &position, &val) == 0;
    store_read_end(events);
    return is_there;
}

// Begins a line of what is set aside.
static void begin_line(const struct part *part, size_t db,
                       struct json_writer *w)
{
    json_open_object(w, NULL);
    json_put_text(w, "environment", part->name);
    json_put_text(w, "database", part->dbs[db]);
}

static enum err drop_row(struct run *run, const struct copy_record *r)
{
    const uint8_t *key = r->key.mv_data;
    struct buf line;
    struct json_writer w = json_writer(&line);
    enum err err;

    run->to->n_dropped++;
    buf_init(&line, 0);
    begin_line(&run->s->part, r->db, &w);
    json_put_u64(&w, "hook", get_be64(key));
    json_put_u64(&w, "event", get_be64(key + r->key.mv_size - 8));
    json_put_text(&w, "reason", "its event is lost");
    json_close(&w);
    run->s->n_damaged[r->db]++;
    err = aside_put_line(run->how->aside, buf_str(&line));
    buf_clear(&line);
    return err;
}

static void note_last(struct salvage *s, uint64_t no, uint64_t revision)
{
    if (no > s->last_hook)
        s->last_hook = no;
    if (revision > s->last_revision)
        s->last_revision = revision;
}

// Puts a hook with its rows by number and by revision.
static enum err put_hook(struct run *run, struct copy_record *r)
{
    struct hook_room room;
    struct hook hook;
    uint8_t no[8];
    uint8_t revision[8];
    uint8_t change[16] = { 0 };
    enum err err;

    hook_room_init(&room);
    err = hook_decode_at(r->place, str_of_val(r->key), str_of_val(r->val), NULL,
                         &hook, &room);
    hook_room_clear(&room);
    if (err != OK)
        return err;
    put_be64(no, hook.no);
    put_be64(revision, hook.revision);
    put_be64(change, hook.no);
    note_last(run->s, hook.no, hook.revision);
    err = copy_put(run->to, r);
    if (err == OK)
        err = copy_put_as_is(run->to, HOOKS_BY_NO, val_at(no, 8), r->key);
    if (err == OK) {
        err = copy_put_as_is(run->to, HOOKS_CHANGES, val_at(revision, 8),
                             val_at(change, 16));
    }
    return err;
}

// Puts both directions: what one table has lost is made from the other.
static enum err put_org(struct run *run, const struct copy_record *r)
{
    struct str name;
    uint64_t no;
    enum err err = copy_ready(run->to, 0);

    if (err == OK && orgs_decode(r->db, r->place, r->key, r->val, &name, &no))
        err = orgs_put(run->to->store, run->to->txn, name, no);
    return err;
}

static bool is_kept_meta_of_hooks(const struct copy_record *r)
{
    struct str key = str_of_val(r->key);

    return is_text(key, "seal") || is_text(key, "key") ||
           (is_text(key, "last_org") && r->val.mv_size == 8) ||
           org_values_is_count(r->key, r->val) ||
           orgs_is_leaving_row(r->key, r->val) ||
           erasure_row_is_sound(r->place, r->key, r->val) ||
           org_value_is_key(r->key); // sound, as was checked
}

static enum err put_of_hooks(struct run *run, struct copy_record *r)
{
    struct str key = str_of_val(r->key);

    switch (r->db) {
    case HOOKS_HOOKS:
        return put_hook(run, r);
    case HOOKS_ORGS:
    case HOOKS_ORG_NOS:
        return put_org(run, r);
    case HOOKS_BY_NO:
    case HOOKS_CHANGES:
        return OK; // made from the hooks
    case HOOKS_META:
        if (is_text(key, "last") && r->val.mv_size == 16) {
            note_last(run->s, get_be64(r->val.mv_data),
                      get_be64((const uint8_t *)r->val.mv_data + 8));
        }
        return is_kept_meta_of_hooks(r) ? copy_put(run->to, r) : OK;
    default:
        return copy_put(run->to, r);
    }
}

static enum err put_of_events(struct run *run, struct copy_record *r)
{
    struct str key = str_of_val(r->key);

    if (r->db != EVENTS_META ||
        ((is_text(key, "next") || is_text(key, "old_keys") ||
          is_text(key, "unused")) &&
         r->val.mv_size == 8) ||
        (is_text(key, "open") && r->val.mv_size == HIDDEN_BYTES) ||
        (is_text(key, "missing") && r->val.mv_size % 16 == 0))
        return copy_put(run->to, r);
    return OK;
}

static enum err put_record(struct run *run, struct copy_record *r)
{
    if (run->s->part.dbs == events_dbs)
        return put_of_events(run, r);
    if (run->s->part.dbs == hooks_dbs)
        return put_of_hooks(run, r);
    if (r->db == SHARD_DUE || r->db == SHARD_DEAD) {
        if (!has_event(run, r->key))
            return drop_row(run, r);
        return copy_put(
            run->how->owner_of(run->how->data, get_be64(r->key.mv_data)), r);
    }
    if (r->db == SHARD_ATTEMPTS &&
        get_be64(r->key.mv_data) >= run->to->state.next_no)
        run->to->state.next_no = get_be64(r->key.mv_data) + 1;
    return copy_put(run->to, r);
}

static struct copy_record record_of(const struct salvage *s,
                                    const struct walk_record *record)
{
    MDB_val key = val_of(record->key);

    return (struct copy_record){
        .db = record->table,
        .key = key,
        .val = val_of(record->value),
        .place = s->migration != NULL
                     ? RECORD_NOWHERE
                     : store_place_in(s->place, record->table, key),
    };
}

// The state was read when the environment was opened.
static bool is_lost_state(const struct salvage *s, const struct copy_record *r)
{
    return s->part.dbs == shard_dbs && r->db == SHARD_META && !s->has_state &&
           is_text(str_of_val(r->key), "state");
}

static bool on_record(void *data, const struct walk_record *record)
{
    struct run *run = data;
    struct copy_record r = record_of(run->s, record);
    bool is_sound =
        copy_check_record(run->to, &r) && !is_lost_state(run->s, &r);

    if (run->err != OK)
        return true;
    if (is_sound) {
        run->s->n_read[r.db]++;
        run->err = put_record(run, &r);
    } else if (record->is_last_try) {
        run->s->n_damaged[r.db]++;
        run->to->n_dropped += run->s->part.dbs == shard_dbs &&
                              (r.db == SHARD_DUE || r.db == SHARD_DEAD);
        run->err =
            aside_put(run->how->aside, &run->s->part, r.db, r.key, r.val);
    }
    return is_sound;
}

// Large values are recognized by the length of the key, which differs between
// tables.
static bool may_be_large(const struct salvage *s, unsigned table, size_t n_key)
{
    if (s->part.dbs == events_dbs)
        return table == EVENTS_EVENTS && n_key == 8;
    if (s->part.dbs == hooks_dbs)
        return table == HOOKS_HOOKS || table == HOOKS_META;
    return (table == SHARD_ATTEMPTS && n_key == 8) ||
           (table == SHARD_OUTBOX && n_key == 16) ||
           (table == SHARD_STATS && n_key == STATS_KEY_BYTES) ||
           (table == SHARD_REPLAYS && n_key == REPLAY_KEY_BYTES);
}

// Whether it is a value of an organization, which lies among rows of other kinds.
static bool is_value(const struct salvage *s, const struct copy_record *r)
{
    return s->part.dbs == hooks_dbs && r->db == HOOKS_META &&
           org_value_is_key(r->key);
}

static bool is_of(void *data, const struct walk_record *record)
{
    struct run *run = data;
    struct copy_record r = record_of(run->s, record);

    if (!copy_is_record(&run->s->part, record->table) && !is_value(run->s, &r))
        return false;
    return record->value.n_bytes == 0
               ? may_be_large(run->s, record->table, record->key.n_bytes)
               : copy_check_record(run->to, &r);
}

bool salvage_is_made_anew(const struct part *part, unsigned db)
{
    if (part->dbs == events_dbs)
        return false;
    if (part->dbs == hooks_dbs)
        return db == HOOKS_BY_NO || db == HOOKS_CHANGES;
    return db == SHARD_BY_OWNER || db == SHARD_FAILED || db == SHARD_BY_EVENT ||
           db == SHARD_NEEDED;
}

// --- gaps ---

static enum err note_gap(struct run *run, const struct walk_gap *gap)
{
    const struct part *part = &run->s->part;
    struct walk_gap copy = *gap;
    struct buf line;
    struct json_writer w = json_writer(&line);
    enum err err;

    if (gap->table >= part->n_dbs)
        return OK;
    buf_init(&line, 0);
    begin_line(part, gap->table, &w);
    crypto_put_hex(json_open_text(&w, "from"), copy.from.at, copy.from.n_bytes);
    json_close_text(&w);
    crypto_put_hex(json_open_text(&w, "to"), copy.to.at, copy.to.n_bytes);
    json_close_text(&w);
    json_put_text(&w, "reason",
                  "a page of keys from there to there is damaged; what is "
                  "known of them was found elsewhere");
    json_close(&w);
    err = aside_put_line(run->how->aside, buf_str(&line));
    buf_clear(&line);
    return err;
}

// --- an environment ---

static bool on_page(void *data)
{
    struct run *run = data;

    if (run->err == OK && run->how->on_page != NULL &&
        !run->how->on_page(run->how->data))
        run->err = ERR_AGAIN;
    return run->err == OK;
}

static void on_fault(void *data, const char *what)
{
    struct run *run = data;

    if (run->how->on_fault != NULL)
        run->how->on_fault(run->how->data, what);
}

// A walk over all of its tables; the caller sets the callbacks, and frees it.
static struct walk *new_walk(const struct salvage *s)
{
    struct walk *w = xcalloc(1, sizeof(*w));

    w->pages = s->pages;
    w->environment = s->part.name;
    w->names = s->part.dbs;
    w->n_names = s->part.n_dbs;
    w->snapshot = s->snapshot;
    return w;
}

enum err salvage_run(struct salvage *s, struct copy_to *to,
                     const struct salvage_how *how)
{
    struct run run = { .s = s, .to = to, .how = how };
    struct walk *w = new_walk(s);

    w->on_record = on_record;
    w->is_of = is_of;
    w->on_page = on_page;
    w->on_fault = on_fault;
    w->data = &run;
    walk_init(w);
    walk_all(w);
    if (run.err == OK && w->are_free_known)
        walk_orphans(w);
    for (size_t i = 0; i < w->n_gaps && run.err == OK; i++)
        run.err = note_gap(&run, &w->gaps[i]);
    for (size_t i = 0; i < WALK_TABLES_MAX; i++)
        s->n_lost[i] += w->lost[i];
    s->n_faults = w->n_faults;
    to->has_lost_list |= s->part.dbs == shard_dbs &&
                         (w->n_faults > 0 || s->n_damaged[SHARD_LISTED] > 0);
    walk_clear(w);
    free(w);
    return run.err;
}

// --- opening ---

static bool on_meta(void *data, const struct walk_record *record)
{
    struct salvage *s = data;
    const uint8_t *at = (const uint8_t *)record->value.at;

    if (is_text(record->key, "self") && record->value.n_bytes == 32) {
        s->has_self = true;
        memcpy(s->self.id, at, sizeof(s->self.id));
        s->self.shard = get_be64(at + 16);
        s->self.n_shards = get_be64(at + 24);
    }
    if (is_text(record->key, "state"))
        buf_put_str(&s->state_record, record->value);
    return true;
}

// Whether the state belongs to this shard.
static bool is_state_of(struct salvage *s, uint64_t shard)
{
    static const char name[] = "state";
    MDB_val key = val_at(name, sizeof(name) - 1);
    uint64_t place = store_place_of(s->part.dbs, shard);

    return state_decode(s->migration != NULL
                            ? RECORD_NOWHERE
                            : store_place_in(place, SHARD_META, key),
                        buf_str(&s->state_record), &s->state) == OK;
}

// The number of a shard determines where its records belong. The state also
// contains it and has a checksum; "self" has none.
static void take_state(struct salvage *s)
{
    bool is_likely = s->has_self && s->self.shard < QUEUE_SHARDS_MAX;
    uint64_t shard = is_likely ? s->self.shard : s->part.shard;

    s->has_state = false;
    if (s->part.dbs != shard_dbs) {
        shard = 0;
    } else if (s->state_record.n_bytes > 0) {
        s->has_state = is_state_of(s, shard);
    }
    for (uint64_t k = 0; s->part.dbs == shard_dbs && !s->has_state &&
                         s->state_record.n_bytes > 0 && k < QUEUE_SHARDS_MAX;
         k++) {
        s->has_state = is_state_of(s, k);
        shard = s->has_state ? k : shard;
    }
    s->self.shard = shard;
    s->place = store_place_of(s->part.dbs, shard);
}

// How many tables a snapshot leads to; for a shard, also reads its meta records.
static size_t count_tables(struct salvage *s)
{
    const char *const meta[] = { "meta" };
    struct walk *w = xcalloc(1, sizeof(*w));
    size_t n_tables;

    w->pages = s->pages;
    w->environment = s->part.name;
    buf_reset(&s->state_record);
    w->names = meta;
    w->n_names = 1;
    w->snapshot = s->snapshot;
    w->on_record = on_meta;
    w->data = s;
    walk_init(w);
    walk_all(w);
    n_tables = w->n_tables;
    take_state(s);
    walk_clear(w);
    free(w);
    return n_tables;
}

struct stranger_count {
    struct salvage *s;
    struct copy_to checker;
    unsigned n_shards;
    uint64_t n;
};

static bool on_stranger(void *data, const struct walk_record *record)
{
    struct stranger_count *c = data;
    struct copy_record r = record_of(c->s, record);

    if ((r.db == SHARD_DUE || r.db == SHARD_DEAD || r.db == SHARD_HEALTH) &&
        copy_check_record(&c->checker, &r)) {
        c->n += queue_shard_of(get_be64(r.key.mv_data), c->n_shards) !=
                c->s->self.shard;
    }
    return true;
}

uint64_t salvage_strangers(struct salvage *s, unsigned n_shards)
{
    struct stranger_count count = { .s = s,
                                    .checker = { .part = s->part },
                                    .n_shards = n_shards };
    struct walk *w = new_walk(s);

    w->on_record = on_stranger;
    w->data = &count;
    walk_init(w);
    walk_all(w);
    walk_clear(w);
    free(w);
    return count.n;
}

// The newest snapshot from which the tables can be found.
static void choose_snapshot(struct salvage *s, const struct salvage_how *how)
{
    struct page_snapshot snapshots[2];
    size_t n = pages_snapshots(s->pages, snapshots);
    uint64_t last = 0;

    if (n < 2) {
        say(how, &s->part,
            "a page that says where everything begins is damaged; if it was "
            "the newer one, what was committed last is lost");
    }
    for (size_t i = 0; i < n; i++) // the file never shrinks
        last = snapshots[i].last > last ? snapshots[i].last : last;
    for (size_t i = 0; i < n && !s->is_there; i++) {
        s->snapshot = snapshots[i];
        s->snapshot.last = last;
        s->is_there = count_tables(s) > 0;
        s->is_older = s->is_there && i > 0;
    }
    if (s->is_older) {
        say(how, &s->part,
            "its newest state cannot be read; the one before is taken, and "
            "what was committed last is lost");
    }
    if (n > 0 && !s->is_there) { // its leaves may still be found
        s->snapshot = snapshots[0];
        s->snapshot.last = last;
        s->is_there = true;
    }
}

enum err salvage_open(struct salvage *s, const struct salvage_how *how)
{
    char *dir = xasprintf("%s/%s", how->data_dir, s->part.name);
    enum err err = pages_open(dir, &s->pages);

    free(dir);
    buf_init(&s->state_record, 0);
    s->migration = how->migration;
    if (err == ERR_NOTFOUND || err == ERR_INVALID) {
        say(how, &s->part,
            err == ERR_NOTFOUND ? "it is missing" : "data.mdb is not a file");
        return OK;
    }
    if (err != OK)
        return err;
    choose_snapshot(s, how);
    s->n_lost[s->part.meta_db] = s->is_older || !s->is_there; // at least
    if (!s->is_there)
        say(how, &s->part, "nothing of it can be read");
    if (s->part.dbs == shard_dbs && s->state_record.n_bytes > 0 &&
        !s->has_state) {
        say(how, &s->part,
            "its state is damaged; how far it has come is taken from what "
            "waits there, and its counts begin anew");
    }
    return OK;
}

void salvage_close(struct salvage *s)
{
    pages_close(s->pages);
    buf_clear(&s->state_record);
}
