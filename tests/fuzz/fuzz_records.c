// SPDX-License-Identifier: MIT
// fuzz_records.c — records on disk, of each version: a record that is read and written again
// is read as the same values. And a record in a wrong place is not read.
//
// Input: a byte that says which record, a byte for its version, a short text that is
// its key, and the values. The checksum is made here, or nothing would pass it.

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/files/keyring.h"
#include "common/model/signing_key.h"
#include "queue/admin/copy_records.h"
#include "queue/catalog/orgs.h"
#include "queue/orgs/org_value_rows.h"
#include "queue/queue.h"
#include "queue/records/schema.h"
#include "tests/fuzz/fuzz.h"

struct record {
    uint32_t place;
    struct str key, bytes;
};

static struct keyring *keys;

// The same key in each process, so that seeds open.
static struct keyring *get_keys(void)
{
    char *path = xasprintf("%s/secret.key", fuzz_folder());
    struct buf why;

    if (keys == NULL) {
        buf_init(&why, 0);
        for (int i = 0; i < 64; i++)
            buf_putc(&why, "0123456789abcdef"[i % 16]);
        buf_putc(&why, '\n');
        fuzz_write("secret.key", buf_str(&why));
        CHECK(chmod(path, 0400) == 0);
        buf_reset(&why);
        CHECK(keyring_read(path, &keys, &why) == OK);
        buf_clear(&why);
    }
    free(path);
    return keys;
}

// --- each kind of record: reads it, and writes what was read ---

static enum err event(const struct record *r, struct buf *out)
{
    struct event e;
    struct str key = STR_EMPTY;
    enum err err = event_decode(r->place, r->bytes, &e, &key);

    if (err == OK) {
        event_encode(&e, key.n_bytes == 16 ? (const uint8_t *)key.at : NULL,
                     out);
    }
    return err;
}

static enum err key(const struct record *r, struct buf *out)
{
    struct key_row row;
    enum err err = key_decode(r->place, r->bytes, &row);

    if (err == OK)
        key_encode(&row, out);
    return err;
}

static enum err due(const struct record *r, struct buf *out)
{
    struct due_row row;
    uint8_t again[DUE_KEY_BYTES];
    enum err err = due_decode(r->place, r->key, r->bytes, &row);

    if (err == OK) {
        due_encode(&row, again, out);
        CHECK(str_eq(r->key, (struct str){ (char *)again, sizeof(again) }));
    }
    return err;
}

static enum err dead(const struct record *r, struct buf *out)
{
    struct dead_row row;
    uint8_t again[DEAD_KEY_BYTES];
    enum err err = dead_decode(r->place, r->key, r->bytes, &row);

    if (err == OK) {
        dead_encode(&row, again, out);
        CHECK(str_eq(r->key, (struct str){ (char *)again, sizeof(again) }));
    }
    return err;
}

static enum err attempt(const struct record *r, struct buf *out)
{
    struct attempt a;
    struct mark mark;
    struct stats stats;
    uint8_t place[PLACE_BYTES];
    enum err err = attempt_decode(r->place, r->bytes, &a);

    if (err != OK)
        return err;
    attempt_encode(&a, out);
    // Its row in the indexes tells what filters ask for.
    attempt_place(&a, place);
    CHECK(mark_decode((struct str){ (char *)place + 24, MARK_BYTES }, &mark));
    CHECK(mark.state == a.state && mark.error == a.error);
    CHECK(mark.code == a.response_code && mark.kind == mark_kind(a.kind));
    CHECK(mark.started_at_us == a.started_at_us);
    stats_init(&stats);
    stats_note(&stats, &a);
    stats_clear(&stats);
    return OK;
}

static enum err state(const struct record *r, struct buf *out)
{
    static struct shard_state s;
    enum err err = state_decode(r->place, r->bytes, &s);

    if (err == OK) {
        CHECK(s.n_handovers <= HANDOVERS_MAX);
        state_encode(&s, out);
    }
    return err;
}

static enum err health(const struct record *r, struct buf *out)
{
    struct unreported_dead untold;
    struct hook_health h;
    struct buf words;
    enum err err = health_decode(r->place, r->bytes, &h, &untold);

    if (err != OK)
        return err;
    health_encode(&h, out);
    buf_init(&words, 0);
    hook_health_put_reason(&h, &words);
    CHECK((words.n_bytes > 0) == (h.cause != FAILING_NOT));
    buf_clear(&words);
    return OK;
}

static enum err hook_with(const struct record *r, struct keyring *k,
                          struct buf *out)
{
    struct hook_room room;
    struct hook h;
    struct hook *copy;
    struct buf of_copy;
    enum err err;

    hook_room_init(&room);
    err = hook_decode(r->place, r->bytes, k, &h, &room);
    if (err == OK) {
        CHECK(h.n_kinds <= HOOK_LIST_MAX && h.n_headers <= HOOK_LIST_MAX);
        CHECK(h.n_headers % 2 == 0 && h.n_old <= OLD_SECRETS_MAX);
        copy = hook_copy(&h);
        CHECK(str_eq(copy->url, h.url) && str_eq(copy->secret, h.secret));
        CHECK(str_eq(copy->sign_key, h.sign_key));
        buf_init(&of_copy, 0);
        // Without keys there are no secrets, and then none to be sealed.
        h.n_headers = 0;
        copy->n_headers = 0;
        if (k == NULL || h.secret.n_bytes + h.client_key.n_bytes + h.n_old +
                                 h.sign_key.n_bytes ==
                             0) {
            hook_encode(&h, NULL, out);
            hook_encode(copy, NULL, &of_copy);
            CHECK(str_eq(buf_str(out), buf_str(&of_copy)));
        }
        buf_clear(&of_copy);
        hook_free(copy);
    }
    hook_room_clear(&room);
    return err;
}

static enum err hook(const struct record *r, struct buf *out)
{
    struct buf ignored;
    enum err err = hook_with(r, NULL, out);

    buf_init(&ignored, 0);
    (void)!hook_with(r, get_keys(), &ignored);
    buf_clear(&ignored);
    return err;
}

static enum err token(const struct record *r, struct buf *out)
{
    struct token t;
    enum err err = token_decode(r->place, r->key, r->bytes, &t);

    if (err == OK)
        token_encode(&t, out);
    return err;
}

static enum err replay(const struct record *r, struct buf *out)
{
    struct replay replay;
    enum err err = replay_decode_at(r->place, r->bytes, &replay);

    if (err == OK) {
        CHECK(replay.filter.n_kinds <= FILTER_KINDS_MAX);
        replay_encode(&replay, out);
        (void)replay_is_at(&replay, r->key);
    }
    return err;
}

static enum err stats(const struct record *r, struct buf *out)
{
    struct stats s;
    enum err err;

    stats_init(&s);
    err = stats_add_record_at(&s, r->place, r->bytes);
    if (err == OK) {
        stats_encode(&s, out);
        for (size_t i = 0; i < PHASES; i++) {
            CHECK(bars_percentile(&s.phases[i], 50) <=
                  bars_percentile(&s.phases[i], 99));
        }
    }
    stats_clear(&s);
    return err;
}

static enum err org(const struct record *r, struct buf *out)
{
    struct str name = STR_EMPTY;
    uint64_t no = 0;
    MDB_val k = val_of(r->key);
    MDB_val v = val_of(r->bytes);
    size_t start;

    if (orgs_decode(HOOKS_ORGS, r->place, k, v, &name, &no)) {
        CHECK(no > OWNER_IS_ORG && str_eq(name, r->key));
        start = record_begin(out, ORG_VERSION);
        pack_u64(out, no);
    } else if (orgs_decode(HOOKS_ORG_NOS, r->place, k, v, &name, &no)) {
        CHECK(no > OWNER_IS_ORG && no == get_be64((const uint8_t *)r->key.at));
        start = record_begin(out, ORG_VERSION);
        pack_str(out, name);
    } else {
        return ERR_CORRUPT;
    }
    record_end(out, start);
    return OK;
}

// Its own key is the name of the value; the rest of the real one never changes.
static enum err org_value(const struct record *r, struct buf *out)
{
    uint8_t bytes[ORG_VALUE_KEY_MAX_BYTES];
    struct org_value value;
    struct buf plain;
    MDB_val key = org_value_key(ORG_EVENT_KIND, 9, r->key, bytes);
    enum err err;

    buf_init(&plain, 0);
    err = org_value_decode(r->place, key, val_of(r->bytes), get_keys(), &plain,
                           &value);
    if (err == OK && !value.is_sealed) {
        org_value_encode(&value, key, NULL, out);
    } else {
        err = ERR_CORRUPT;
    }
    buf_clear(&plain);
    return err;
}

static const struct {
    enum err (*pass)(const struct record *r, struct buf *out);
    uint8_t version;
} kinds[] = {
    { event, EVENT_VERSION },     { key, KEY_VERSION },
    { due, DUE_VERSION },         { dead, DEAD_VERSION },
    { attempt, ATTEMPT_VERSION }, { state, STATE_VERSION },
    { health, HEALTH_VERSION },   { hook, HOOK_VERSION },
    { token, TOKEN_VERSION },     { replay, REPLAY_VERSION },
    { stats, STATS_VERSION },     { org_value, ORG_VALUE_VERSION },
    { org, ORG_VERSION },
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

// --- checks of a row by backups and repairs ---

static void check_record(const struct record *r)
{
    static const struct {
        const char *const *dbs;
        size_t n;
    } parts[] = { { events_dbs, EVENTS_DBS },
                  { hooks_dbs, HOOKS_DBS },
                  { shard_dbs, SHARD_DBS } };

    for (size_t p = 0; p < 3; p++) {
        struct copy_to to = { .part = { .dbs = parts[p].dbs,
                                        .n_dbs = parts[p].n } };

        for (unsigned db = 0; db < parts[p].n; db++) {
            struct copy_record row = { .db = db,
                                       .key = val_of(r->key),
                                       .val = val_of(r->bytes),
                                       .place = r->place };

            (void)copy_check_record(&to, &row);
        }
    }
}

static void check_elsewhere(size_t i, const struct record *r)
{
    struct record moved = *r;
    struct buf ignored;

    buf_init(&ignored, 0);
    moved.place = 0x12345678;
    CHECK(kinds[i].pass(&moved, &ignored) != OK);
    CHECK(ignored.n_bytes == 0);
    buf_clear(&ignored);
}

static void check(size_t i, const struct record *r)
{
    struct record again = *r;
    struct buf first, second;

    buf_init(&first, 0);
    buf_init(&second, 0);
    if (kinds[i].pass(r, &first) == OK) {
        again.bytes = buf_str(&first);
        CHECK(kinds[i].pass(&again, &second) == OK);
        CHECK(str_eq(buf_str(&first), buf_str(&second)));
        // The first records of health had no checksum.
        if (r->bytes.n_bytes != HEALTH_FIRST_BYTES)
            check_elsewhere(i, r);
        first.at[first.n_bytes / 2] ^= 0x10;
        again.bytes = buf_str(&first);
        buf_reset(&second);
        if (first.n_bytes != HEALTH_FIRST_BYTES)
            CHECK(kinds[i].pass(&again, &second) != OK);
    }
    buf_clear(&first);
    buf_clear(&second);
}

void fuzz_one(struct str input)
{
    size_t i = take_u8(&input) % N_KINDS;
    uint8_t version = take_u8(&input);
    struct record r = { .place = RECORD_NOWHERE };
    struct buf record;
    size_t start;

    r.key = take_text(&input);
    // The input itself, without a valid checksum.
    r.bytes = input;
    check_record(&r);
    buf_init(&record, 0);
    start = record_begin(&record, version);
    buf_put_str(&record, input);
    record_end(&record, start);
    r.bytes = buf_str(&record);
    check_record(&r);
    check(i, &r);
    buf_clear(&record);
}

// --- seeds: a good record of each kind ---

static void put_hook(struct buf *out)
{
    struct str kinds_of[] = { STR("order.*"), STR("a.b") };
    struct str headers[] = { STR("X-Token"), STR("0123456789abcdef") };
    char pair[SIGNING_PAIR_BYTES] = "a private key and its public key";
    struct str key = { pair, sizeof(pair) };
    struct old_secret old[] = { { STR("older"), 99, OLD_SECRET },
                                { key, 98, OLD_SIGNING_KEY },
                                { STR_EMPTY, 97, OLD_ORGANIZATION } };
    struct hook h = { .no = 5,
                      .revision = 6,
                      .scope = { DIALECT_PULUMI, LEVEL_STACK, STR("acme"),
                                 STR("web"), STR("prod") },
                      .name = STR("h"),
                      .display_name = STR("H"),
                      .url = STR("https://example.com/"),
                      .format = FORMAT_SLACK,
                      .active = true,
                      .kinds = kinds_of,
                      .n_kinds = 2,
                      .headers = headers,
                      .n_headers = 2,
                      .secret = STR("secret"),
                      .old = old,
                      .n_old = 3,
                      .signing = SIGNING_OWN,
                      .sign_key = key };

    hook_encode(&h, get_keys(), out);
}

static void put_rows(size_t i, struct buf *out)
{
    static const struct event e = { .dialect = DIALECT_PULUMI,
                                    .filters = 3,
                                    .kind = { "a.b", 3 },
                                    .org = { "acme", 4 },
                                    .payload = { "{}", 2 } };
    static const struct due_row d = { .hook_id = 1, .n_attempts = 2 };
    static const struct dead_row x = { .hook_id = 1, .n_attempts = 2 };
    static const struct attempt a = { .hook_id = 1,
                                      .state = DELIVERY_DEAD,
                                      .error = ERROR_STATUS,
                                      .kind = { "a.b", 3 },
                                      .response_code = 500 };
    uint8_t k[DUE_KEY_BYTES];

    switch (i) {
    case 0:
        event_encode(&e, (const uint8_t *)"0123456789abcdef", out);
        break;
    case 1:
        key_encode(&(struct key_row){ .accepted_at_us = 1 }, out);
        break;
    case 2:
        due_encode(&d, k, out);
        break;
    case 3:
        dead_encode(&x, k, out);
        break;
    case 4:
        attempt_encode(&a, out);
        break;
    default:
        break;
    }
}

static void put_state(struct buf *out)
{
    static const struct shard_state s = {
        .next_no = 9,
        .n_handovers = 1,
        .handovers = { { 2, { { { 1 } }, { { 2 } } } } },
    };

    state_encode(&s, out);
}

static void put_stats(struct buf *out)
{
    static const struct attempt a = { .state = DELIVERY_DELIVERED,
                                      .timing = { .total_us = 1234 } };
    struct stats s;

    stats_init(&s);
    stats_note(&s, &a);
    stats_encode(&s, out);
    stats_clear(&s);
}

static void put_org_value(struct buf *out)
{
    static const struct org_value value = { .revision = 3,
                                            .bytes = { "{}", 2 } };

    org_value_encode(&value, (MDB_val){ 0 }, NULL, out);
}

static void put_others(size_t i, struct buf *out)
{
    struct unreported_dead untold = { .n = 1, .newest = STR("{}") };
    struct hook_health h = { .n_failed = 3,
                             .cause = FAILING_COUNT,
                             .dead = &untold };
    struct token t = { .id = STR("t"), .org = STR("acme"), .scopes = 3 };
    struct replay r = { .state = REPLAY_RUNNING,
                        .filter = { .kinds = { STR("a.b") }, .n_kinds = 1 } };

    switch (i) {
    case 5:
        put_state(out);
        break;
    case 6:
        health_encode(&h, out);
        break;
    case 7:
        put_hook(out);
        break;
    case 8:
        token_encode(&t, out);
        break;
    case 9:
        replay_encode(&r, out);
        break;
    case 10:
        put_stats(out);
        break;
    case 11:
        put_org_value(out);
        break;
    default:
        break;
    }
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const uint8_t key_bytes[] = { 0,  0,  16, 0,  0, 0, 0,
                                         32, 24, 24, 17, 3, 8 };
    struct buf record;

    if (i >= N_KINDS)
        return false;
    buf_init(&record, 0);
    put_rows(i, &record);
    put_others(i, &record);
    buf_putc(out, (char)i);
    buf_putc(out, (char)kinds[i].version);
    buf_putc(out, (char)key_bytes[i]);
    for (uint8_t k = 0; k < key_bytes[i]; k++)
        buf_putc(out, (char)(k == 0 ? 0x80 : k));
    if (record.n_bytes > 5) // without version and checksum
        buf_put(out, record.at + 1, record.n_bytes - 5);
    if (i == N_KINDS - 1)
        buf_put(out, "\xc4\x05\1acme", 7);
    buf_clear(&record);
    return true;
}
