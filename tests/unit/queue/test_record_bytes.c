// SPDX-License-Identifier: MIT
// test_record_bytes.c — the bytes of records and frames, against a golden file: what an
// earlier version stored or sent is read, and what is stored or sent stays the same.
//
// After an intended change, write the file again and read the difference:
//   GOLDEN_WRITE=1 BUILD/tests/unit test_record_bytes && git diff tests/golden

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/messages/engine_event.h"
#include "common/messages/query.h"
#include "common/messages/send_order.h"
#include "queue/orgs/org_value_rows.h"
#include "queue/records/hook_health.h"
#include "queue/records/replay_record.h"
#include "queue/records/schema.h"
#include "tests/support/record_samples.h"
#include "tests/support/unit.h"

#define GOLDEN "tests/golden/records.txt"

// --- decoding, and encoding again ---

static enum err again_event(struct str in, struct buf *out)
{
    struct event e;
    struct str key;
    enum err err = event_decode(RECORD_NOWHERE, in, &e, &key);

    if (err == OK) {
        event_encode(&e, key.n_bytes > 0 ? (const uint8_t *)key.at : NULL, out);
    }
    return err;
}

// A function that decodes `in`, and encodes what came into `out`.
// NOLINTBEGIN(bugprone-macro-parentheses): a type
#define AGAIN(name, type, decode, encode)                        \
    static enum err again_##name(struct str in, struct buf *out) \
    {                                                            \
        struct type x = { 0 };                                   \
        enum err err = decode;                                   \
                                                                 \
        if (err == OK)                                           \
            encode;                                              \
        return err;                                              \
    }
// NOLINTEND(bugprone-macro-parentheses)

static uint8_t row_key[DUE_KEY_BYTES];
static struct hook_room room;
static struct unreported_dead dead_room;

AGAIN(key, key_row, key_decode(RECORD_NOWHERE, in, &x), key_encode(&x, out))
AGAIN(due, due_row,
      due_decode(RECORD_NOWHERE,
                 (struct str){ (const char *)row_key, DUE_KEY_BYTES }, in, &x),
      due_encode(&x, row_key, out))
AGAIN(dead, dead_row,
      dead_decode(RECORD_NOWHERE,
                  (struct str){ (const char *)row_key, DEAD_KEY_BYTES }, in,
                  &x),
      dead_encode(&x, row_key, out))
AGAIN(attempt, attempt, attempt_decode(RECORD_NOWHERE, in, &x),
      attempt_encode(&x, out))
AGAIN(state, shard_state, state_decode(RECORD_NOWHERE, in, &x),
      state_encode(&x, out))
AGAIN(token, token,
      token_decode(RECORD_NOWHERE, STR("0123456789abcdef0123456789abcdef"), in,
                   &x),
      token_encode(&x, out))
AGAIN(org_value, org_value,
      org_value_decode(RECORD_NOWHERE, VALUE_KEY, val_of(in), NULL, NULL, &x),
      org_value_encode(&x, VALUE_KEY, NULL, out))
AGAIN(hook, hook, hook_decode(RECORD_NOWHERE, in, NULL, &x, &room),
      hook_encode(&x, NULL, out))
AGAIN(health, hook_health, health_decode(RECORD_NOWHERE, in, &x, &dead_room),
      health_encode(&x, out))
AGAIN(replay, replay, replay_decode(in, &x), replay_encode(&x, out))
AGAIN(order, order, order_unpack(in, &x), order_pack(out, &x))
AGAIN(outcome, outcome, outcome_unpack(in, &x), outcome_pack(out, &x))
AGAIN(query, query, query_unpack(in, &x), query_pack(out, &x))
AGAIN(reply, reply, reply_unpack(in, &x), reply_pack(out, &x))
AGAIN(engine_event, engine_event, engine_event_unpack(in, &x),
      engine_event_pack(out, &x))
AGAIN(engine_event_reply, engine_event_reply, engine_event_reply_unpack(in, &x),
      engine_event_reply_pack(out, &x))
AGAIN(disable, disable, disable_unpack(in, &x), disable_pack(out, &x))

static const struct {
    const char *name;
    void (*put)(struct buf *out);
    enum err (*again)(struct str in, struct buf *out);
} kinds[] = {
    { "event", put_event, again_event },
    { "event-without-key", put_event_without_key, again_event },
    { "cloud-event", put_cloud_event, again_event },
    { "erased-event", put_erased_event, again_event },
    { "sealed-event", put_sealed_event, again_event },
    { "key", put_key, again_key },
    { "due", put_due, again_due },
    { "dead", put_dead, again_dead },
    { "attempt", put_attempt, again_attempt },
    { "sealed-attempt", put_sealed_attempt, again_attempt },
    { "state", put_state, again_state },
    { "token", put_token, again_token },
    { "org-value", put_org_value, again_org_value },
    { "hook", put_hook, again_hook },
    { "health", put_health, again_health },
    { "replay", put_replay, again_replay },
    { "order", put_order, again_order },
    { "outcome", put_outcome, again_outcome },
    { "query", put_query, again_query },
    { "reply", put_reply, again_reply },
    { "engine-event", put_engine_event, again_engine_event },
    { "engine-event-reply", put_engine_event_reply, again_engine_event_reply },
    { "disable", put_disable, again_disable },
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

// --- tests ---

// A line of the golden file. Of long records only the beginning and a hash are there.
static void put_line(const char *name, struct str bytes, struct buf *out)
{
    size_t n_shown = bytes.n_bytes > 400 ? 400 : bytes.n_bytes;

    buf_printf(out, "%s %zu %016llx ", name, bytes.n_bytes,
               (unsigned long long)hash64(bytes, 0));
    for (size_t i = 0; i < n_shown; i++)
        buf_printf(out, "%02x", (uint8_t)bytes.at[i]);
    buf_putc(out, '\n');
}

static void bytes_are_what_they_were(void **state)
{
    struct buf lines;
    struct buf bytes;
    struct buf golden;
    char piece[4096];
    size_t n;
    FILE *file;

    (void)state;
    buf_init(&lines, 0);
    buf_init(&bytes, 0);
    buf_init(&golden, 0);
    for (size_t i = 0; i < N_KINDS; i++) {
        buf_reset(&bytes);
        kinds[i].put(&bytes);
        put_line(kinds[i].name, buf_str(&bytes), &lines);
    }
    if (getenv("GOLDEN_WRITE") != NULL) {
        file = fopen(GOLDEN, "we");
        assert_non_null(file);
        fwrite(lines.at, 1, lines.n_bytes, file);
        fclose(file);
    }
    file = fopen(GOLDEN, "re");
    assert_non_null(file);
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        buf_put(&golden, piece, n);
    fclose(file);
    assert_string_equal(buf_cstr(&lines), buf_cstr(&golden));
    buf_clear(&lines);
    buf_clear(&bytes);
    buf_clear(&golden);
}

// An event without a key, as version 1 had it: no trace.
static void an_event_of_version_1_is_read(void **state)
{
    static const uint8_t record[] = { 0x01, 0xc4, 0x10, 0x00, 0x00, 0x00, 0x00,
                                      0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                      0x00, 0x00, 0x00, 0x00, 0x00, 0xd0, 0xd8,
                                      0x01, 0x00, 0xc4, 0x00, 0xc4, 0x00, 0xc4,
                                      0x00, 0xc4, 0x00, 0xc4, 0x00, 0xc4, 0x00,
                                      0xc4, 0x00, 0xfd, 0x93, 0x07, 0xa3 };
    struct event e = { .trace = STR("other") };
    struct str key;

    (void)state;
    assert_int_equal(
        event_decode(RECORD_NOWHERE,
                     (struct str){ (const char *)record, sizeof(record) }, &e,
                     &key),
        OK);
    assert_int_equal(e.accepted_at_us, -40);
    assert_int_equal(e.trace.n_bytes, 0);
}

// A hook as it was before the handshake.
static void a_hook_of_version_10_is_read(void **state)
{
    static const char hex[] =
        "0a11cd03e80102c40461636d65c403776562c40470726f64c4016ec40164c40968"
        "7474703a2f2f782f02c3cffedcba98765432100392c403612e62c403632e2a90c4"
        "0635732c333073cd1b5803ccc8ce00011170c3c40b637573746f6d65722e6964c4"
        "00c40463657274020102fdc363c305c40301ff02c3cf000001a0c4506c01c4027b"
        "7dc302d8870f01";
    struct hook_room hook_room;
    uint8_t record[sizeof(hex) / 2];
    struct hook h;

    (void)state;
    for (size_t i = 0; i < sizeof(record); i++) {
        const char pair[] = { hex[2 * i], hex[2 * i + 1], '\0' };

        record[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    hook_room_init(&hook_room);
    memset(&h, 0xff, sizeof(h)); // of an earlier one
    assert_int_equal(
        hook_decode(RECORD_NOWHERE,
                    (struct str){ (const char *)record, sizeof(record) }, NULL,
                    &h, &hook_room),
        OK);
    assert_true(str_eq(h.url, STR("http://x/")));
    assert_int_equal(h.signing, SIGNING_ORGANIZATION);
    assert_false(h.handshake.is_wanted);
    assert_int_equal(h.handshake.answer, HANDSHAKE_NONE);
    assert_int_equal(h.handshake.origin.n_bytes, 0);
    hook_room_clear(&hook_room);
}

static void what_is_read_is_what_was_written(void **state)
{
    struct buf bytes;
    struct buf again;

    (void)state;
    buf_init(&bytes, 0);
    buf_init(&again, 0);
    for (size_t i = 0; i < N_KINDS; i++) {
        buf_reset(&bytes);
        buf_reset(&again);
        kinds[i].put(&bytes);
        assert_int_equal(kinds[i].again(buf_str(&bytes), &again), OK);
        if (!str_eq(buf_str(&bytes), buf_str(&again)))
            fail_msg("%s", kinds[i].name);
    }
    buf_clear(&bytes);
    buf_clear(&again);
}

static void what_is_cut_short_or_too_long_is_refused(void **state)
{
    struct buf bytes;
    struct buf again;

    (void)state;
    buf_init(&bytes, 0);
    buf_init(&again, 0);
    for (size_t i = 0; i < N_KINDS; i++) {
        size_t n_bytes;

        buf_reset(&bytes);
        kinds[i].put(&bytes);
        n_bytes = bytes.n_bytes;
        buf_putc(&bytes, '\0');
        for (size_t n = 0; n <= n_bytes + 1; n += n < 700 ? 1 : 97) {
            struct str part = { bytes.at, n };
            // The first version of this record is just two numbers.
            bool is_first =
                kinds[i].put == put_health && n == HEALTH_FIRST_BYTES;

            if (n != n_bytes && !is_first && kinds[i].again(part, &again) == OK)
                fail_msg("%s of %zu bytes", kinds[i].name, n);
        }
    }
    buf_clear(&bytes);
    buf_clear(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_what_they_were),
        cmocka_unit_test(an_event_of_version_1_is_read),
        cmocka_unit_test(a_hook_of_version_10_is_read),
        cmocka_unit_test(what_is_read_is_what_was_written),
        cmocka_unit_test(what_is_cut_short_or_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
