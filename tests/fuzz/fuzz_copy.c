// SPDX-License-Identifier: MIT
// fuzz_copy.c — rows that are copied into a backup, or converted from format 4: whatever
// they are, each row in the copy is sound in its place, and belongs to an organization
// that has a number.
//
// Input: a byte of choices, then rows: which part and table, a short text that is the
// key, a version, how many bytes, and the values of the record.

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "queue/admin/convert.h"
#include "queue/admin/copy_records.h"
#include "queue/catalog/orgs.h"
#include "queue/queue.h"
#include "queue/records/schema.h"
#include "tests/fuzz/fuzz.h"

#define PARTS    3
#define ROWS_MAX 64
#define ORGS_MAX UINT64_C(128)

enum { IS_BACKUP = 1 };

static struct copy_to copies[PARTS];

static void make_copies(void)
{
    const struct queue_config config = { .max_bytes = (size_t)16 << 20,
                                         .n_shards = 1 };
    char *deliveries = xasprintf("%s/deliveries", fuzz_folder());

    CHECK(mkdir(deliveries, 0700) == 0);
    free(deliveries);
    for (unsigned i = 0; i < PARTS; i++) {
        struct part part = part_of(&config, i);

        CHECK(copy_make(&copies[i], fuzz_folder(), &part) == OK);
    }
}

// Numbers are handed out in the commit that ends the first two: nothing of it stays.
static void empty(struct copy_to *c)
{
    MDB_txn *txn;

    if (c->txn != NULL)
        mdb_txn_abort(c->txn);
    c->txn = NULL;
    CHECK(store_write(c->store, &txn) == OK);
    for (unsigned db = 0; db < c->part.n_dbs; db++)
        CHECK(mdb_drop(txn, c->store->dbs[db], 0) == 0);
    CHECK(store_commit(c->store, txn) == OK);
    c->n_rows = 0;
    c->n_bytes = 0;
    c->n_dropped = 0;
    c->last_org = 0;
    c->migration = NULL;
    memset(&c->needed, 0, sizeof(c->needed));
    c->state = (struct shard_state){ .next_no = 1 };
    c->has_state = false;
}

struct row {
    unsigned part, db;
    struct str key;
    struct buf record;
};

static bool take_row(struct str *input, struct row *out)
{
    uint8_t which = take_u8(input);
    uint8_t version;
    uint16_t n_bytes;
    size_t start;
    struct str values;

    out->part = which % PARTS;
    out->db = which / PARTS % (unsigned)copies[out->part].part.n_dbs;
    out->key = take_text(input);
    version = take_u8(input);
    n_bytes = (uint16_t)(take_u8(input) << 8);
    n_bytes |= take_u8(input);
    values =
        (struct str){ input->at,
                      n_bytes < input->n_bytes ? n_bytes : input->n_bytes };
    if (values.n_bytes > 0) {
        input->at += values.n_bytes;
        input->n_bytes -= values.n_bytes;
    }
    buf_init(&out->record, 0);
    if (copy_is_record(&copies[out->part].part, out->db)) {
        start = record_begin(&out->record, version);
        buf_put_str(&out->record, values);
        record_end(&out->record, start);
    } else {
        buf_put_str(&out->record, values);
    }
    return out->key.n_bytes > 0; // LMDB has no others
}

static void put(const struct row *row)
{
    struct copy_to *c = &copies[row->part];
    struct copy_record r = { .db = row->db,
                             .key = val_of(row->key),
                             .val = val_at(row->record.at, row->record.n_bytes),
                             .place = RECORD_NOWHERE };

    if (!copy_check_record(c, &r))
        return;
    // Rows come in no order here; an environment is large enough for what they hold.
    CHECK(copy_put(c, &r) == OK);
}

// --- the rows in the copy ---

static void check_org(const struct copy_to *c, const struct copy_record *r)
{
    if (c->migration == NULL || c->part.dbs != shard_dbs ||
        r->db != SHARD_ATTEMPTS)
        return;
    CHECK(r->attempt.org_id > OWNER_IS_ORG);
    CHECK(r->attempt.org_id < OWNER_IS_ORG + ORGS_MAX);
}

static void check_table(struct copy_to *c, unsigned db)
{
    struct copy_record r = { .db = db };
    MDB_cursor *cursor;

    CHECK(mdb_cursor_open(c->txn, c->store->dbs[db], &cursor) == 0);
    while (mdb_cursor_get(cursor, &r.key, &r.val, MDB_NEXT) == 0) {
        r.place = store_place(c->store, db, r.key);
        CHECK(copy_check_record(c, &r));
        check_org(c, &r);
    }
    mdb_cursor_close(cursor);
}

static void check_copies(void)
{
    for (unsigned i = 0; i < PARTS; i++) {
        struct copy_to *c = &copies[i];

        CHECK(copy_ready(c, 0) == OK);
        for (unsigned db = 0; db < c->part.n_dbs; db++) {
            if (copy_is_record(&c->part, db))
                check_table(c, db);
        }
    }
}

static void copy_part(unsigned part, struct str input)
{
    for (size_t n = 0; n < ROWS_MAX && input.n_bytes > 0; n++) {
        struct row row;

        if (take_row(&input, &row) && row.part == part)
            put(&row);
        buf_clear(&row.record);
    }
}

void fuzz_one(struct str input)
{
    static const struct event_hasher hasher = { .key = "0123456789abcdef" };
    uint8_t choices = take_u8(&input);
    struct migration *m = NULL;

    if (copies[0].store == NULL)
        make_copies();
    if ((choices & IS_BACKUP) == 0)
        m = migration_new(&hasher);
    for (unsigned i = 0; i < PARTS; i++)
        copies[i].migration = m;
    copy_part(0, input);
    copy_part(1, input);
    if (m != NULL) {
        CHECK(migration_begin_shards(m, &copies[0], &copies[1], 1) == OK);
    }
    copy_part(2, input);
    check_copies();
    for (unsigned i = 0; i < PARTS; i++)
        empty(&copies[i]);
    migration_free(m);
}

// --- seeds ---

static void put_row(struct buf *out, unsigned part, unsigned db, struct str key,
                    const struct buf *record)
{
    size_t n_bytes = record->n_bytes - 5; // without version and checksum

    buf_putc(out, (char)(part + db * PARTS));
    buf_putc(out, (char)key.n_bytes);
    buf_put_str(out, key);
    buf_putc(out, record->at[0]);
    buf_putc(out, (char)(n_bytes >> 8));
    buf_putc(out, (char)n_bytes);
    buf_put(out, record->at + 1, n_bytes);
}

// The organization's number in format 4, which is a hash of its name.
static uint64_t old_number(struct str org)
{
    return hash64(org, DIALECT_PULUMI) | OWNER_IS_ORG;
}

static void put_event(struct buf *out, struct buf *record, struct str org)
{
    uint8_t position[8] = { [7] = 1 };
    struct event e = { .dialect = DIALECT_PULUMI,
                       .id = id_v7(1, 1, 7),
                       .kind = STR("a.b"),
                       .org = org,
                       .payload = STR("{}") };
    uint8_t key[EVENT_KEY_BYTES];
    struct key_row row = { .is_old = true, .event_id = e.id };

    event_key_of_old_id(e.dialect, e.org, &e.id, key);
    memcpy(row.position.bytes, position, sizeof(position));
    buf_reset(record);
    event_encode(&e, key, record);
    put_row(out, 0, EVENTS_EVENTS,
            (struct str){ (const char *)position, sizeof(position) }, record);
    buf_reset(record);
    key_encode(&row, record);
    put_row(out, 0, EVENTS_KEYS, (struct str){ (const char *)key, sizeof(key) },
            record);
}

static void put_hook(struct buf *out, struct buf *record, struct str org)
{
    struct hook h = { .no = 5,
                      .scope = { .dialect = DIALECT_PULUMI,
                                 .level = LEVEL_ORGANIZATION,
                                 .org = org },
                      .name = STR("h"),
                      .url = STR("https://example.com/"),
                      .format = FORMAT_RAW,
                      .active = true };
    struct token t = { .id = STR("t"), .org = org, .scopes = 3 };
    struct buf key;

    buf_init(&key, 0);
    buf_put(&key, "\1\1", 2);
    buf_put_str(&key, org);
    buf_put(&key, "\0\0\0h", 4);
    buf_reset(record);
    hook_encode(&h, NULL, record);
    put_row(out, 1, HOOKS_HOOKS, buf_str(&key), record);
    buf_reset(record);
    token_encode(&t, record);
    put_row(out, 1, HOOKS_TOKENS, STR("0123456789abcdef0123456789abcdef"),
            record);
    buf_clear(&key);
}

static void put_shard(struct buf *out, struct buf *record, struct str org)
{
    uint8_t no[8] = { [7] = 1 };
    uint8_t stats_at[STATS_KEY_BYTES];
    struct attempt a = { .hook_id = 5,
                         .org_id = old_number(org),
                         .state = DELIVERY_DEAD,
                         .error = ERROR_STATUS,
                         .kind = STR("a.b"),
                         .response_code = 500 };
    struct hook_health h = { .n_failed = 3, .cause = FAILING_COUNT };
    struct stats stats;

    buf_reset(record);
    attempt_encode(&a, record);
    put_row(out, 2, SHARD_ATTEMPTS, (struct str){ (const char *)no, 8 },
            record);
    a.hook_id = 6; // which nobody knows
    buf_reset(record);
    attempt_encode(&a, record);
    no[7] = 2;
    put_row(out, 2, SHARD_ATTEMPTS, (struct str){ (const char *)no, 8 },
            record);
    buf_reset(record);
    health_encode(&h, record);
    put_row(out, 2, SHARD_HEALTH, (struct str){ (const char *)no, 8 }, record);
    stats_init(&stats);
    stats_note(&stats, &a);
    buf_reset(record);
    stats_encode(&stats, record);
    stats_clear(&stats);
    stats_key(0, 300, old_number(org), stats_at);
    put_row(out, 2, SHARD_STATS,
            (struct str){ (const char *)stats_at, sizeof(stats_at) }, record);
}

static void put_rows(struct buf *out, struct buf *record)
{
    static const struct due_row due = { .hook_id = 5, .payload_bytes = 9 };
    static const struct dead_row dead = { .hook_id = 5, .n_attempts = 3 };
    static const struct id id = { "0123456789abcde" };
    struct replay replay = { .id = id,
                             .hook_id = 5,
                             .org_id = old_number(STR("acme")),
                             .state = REPLAY_RUNNING };
    uint8_t key[REPLAY_KEY_BYTES];

    buf_reset(record);
    due_encode(&due, key, record);
    put_row(out, 2, SHARD_DUE, (struct str){ (const char *)key, DUE_KEY_BYTES },
            record);
    buf_reset(record);
    dead_encode(&dead, key, record);
    put_row(out, 2, SHARD_DEAD,
            (struct str){ (const char *)key, DEAD_KEY_BYTES }, record);
    buf_reset(record);
    replay_encode(&replay, record);
    memcpy(key, id.bytes, sizeof(id.bytes));
    put_be64(key + sizeof(id.bytes), replay.hook_id);
    put_row(out, 2, SHARD_REPLAYS,
            (struct str){ (const char *)key, REPLAY_KEY_BYTES }, record);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    struct buf record;

    if (i >= 4)
        return false;
    buf_init(&record, 0);
    buf_putc(out, (char)(i == 3 ? IS_BACKUP : 0));
    if (i != 1)
        put_event(out, &record, STR("acme"));
    if (i != 2)
        put_hook(out, &record, STR("acme"));
    put_shard(out, &record, STR("acme"));
    put_rows(out, &record);
    buf_clear(&record);
    return true;
}
