// SPDX-License-Identifier: MIT
// fuzz_frames.c — frames between processes: values that are read lie within the frame, and
// packing them again gives the same values.
//
// Input: a byte that says which frame, then the frame without its type.

#include <string.h>

#include "common/base/codec.h"
#include "common/messages/backlog.h"
#include "common/messages/engine_event.h"
#include "common/messages/lead_address.h"
#include "common/messages/query.h"
#include "common/messages/send_order.h"
#include "common/process/role.h"
#include "tests/fuzz/fuzz.h"

union frame {
    struct order order;
    struct outcome outcome;
    struct query query;
    struct reply reply;
    struct engine_event engine_event;
    struct engine_event_reply engine_event_reply;
    struct disable disable;
    struct handshake_report handshake;
    struct lead_address lead_address;
};

// Reads it, or packs what was read, or a good one.
#define FRAME(name)                                                  \
    static enum err read_##name(struct str frame, union frame *out)  \
    {                                                                \
        return name##_unpack(frame, &out->name);                     \
    }                                                                \
    static void put_##name(const union frame *from, struct buf *out) \
    {                                                                \
        name##_pack(out, &from->name);                               \
    }

FRAME(order)
FRAME(outcome)
FRAME(query)
FRAME(reply)
FRAME(engine_event)
FRAME(engine_event_reply)
FRAME(disable)
FRAME(handshake)
FRAME(lead_address)

static const struct {
    uint8_t type;
    enum err (*read)(struct str frame, union frame *out);
    void (*put)(const union frame *from, struct buf *out);
    union frame good;
} frames[] = {
    { FRAME_ORDER,
      read_order,
      put_order,
      { .order = { .no = 7,
                   .url = { "https://a/", 10 },
                   .headers = { "A: b\0", 5 },
                   .body = { "{}", 2 },
                   .connect_timeout_ms = 1,
                   .request_timeout_ms = 2 } } },
    { FRAME_OUTCOME,
      read_outcome,
      put_outcome,
      { .outcome = { .no = 7,
                     .started_at_us = 1,
                     .response_code = 200,
                     .response_headers = { "A: b\r\n", 6 },
                     .response_body = { "ok", 2 } } } },
    { FRAME_QUERY,
      read_query,
      put_query,
      { .query = { .no = 1,
                   .what = QUERY_DISCARD,
                   .org = { "acme", 4 },
                   .by = { "me", 2 },
                   .max = 3 } } },
    { FRAME_REPLY,
      read_reply,
      put_reply,
      { .reply = { .no = 1, .err = ERR_GONE, .text = { "{}", 2 } } } },
    { FRAME_ENGINE_EVENT,
      read_engine_event,
      put_engine_event,
      { .engine_event = { .dialect = 1,
                          .kind = { "posthorn.hook.dead", 18 },
                          .org = { "acme", 4 },
                          .payload = { "{}", 2 } } } },
    { FRAME_ENGINE_EVENT_REPLY,
      read_engine_event_reply,
      put_engine_event_reply,
      { .engine_event_reply = { .err = ERR_FULL } } },
    { FRAME_DISABLE,
      read_disable,
      put_disable,
      { .disable = { .hook_id = 3, .revision = 4, .reason = 1 } } },
    { FRAME_HANDSHAKE,
      read_handshake,
      put_handshake,
      { .handshake = { .hook_id = 3,
                       .revision = 4,
                       .origin = { "a.b", 3 },
                       .answer = HANDSHAKE_REFUSED,
                       .reason = { "no", 2 } } } },
    { FRAME_LEAD,
      read_lead_address,
      put_lead_address,
      { .lead_address = { .api = { "10.0.0.1:80", 11 },
                          .ingest = { "[fd00::1]:81", 12 } } } },
};

#define N_FRAMES (sizeof(frames) / sizeof(frames[0]))

static void check_frame(size_t i, struct str frame)
{
    union frame read, again;
    struct buf packed, repacked;

    memset(&read, 0, sizeof(read));
    if (frames[i].read(frame, &read) != OK)
        return;
    memset(&again, 0, sizeof(again));
    buf_init(&packed, 0);
    buf_init(&repacked, 0);
    frames[i].put(&read, &packed);
    // Numbers take the shortest form, so it gets no longer but for the heads of
    // strings, which are msgpack's bin.
    CHECK(packed.n_bytes <= frame.n_bytes + 64);
    CHECK(frames[i].read(buf_str(&packed), &again) == OK);
    frames[i].put(&again, &repacked);
    CHECK(str_eq(buf_str(&packed), buf_str(&repacked)));
    for (size_t k = 0; k < N_FRAMES; k++)
        CHECK((frames[k].read(buf_str(&packed), &again) == OK) == (k == i));
    buf_clear(&packed);
    buf_clear(&repacked);
}

// --- backlogs: a table that gets one report after the other ---

#define SHARDS 3

static void count_org(void *data, const struct org_backlog *b)
{
    uint64_t *n = data;

    CHECK(b->org_id != 0);
    (*n)++;
}

static void check_backlogs(struct str input)
{
    struct backlog_table *t = backlog_table_new(SHARDS);
    struct org_backlog b;
    uint64_t n = 0;

    while (input.n_bytes > 0) {
        uint8_t shard = take_u8(&input);

        if (shard >= 0xf0) {
            backlog_forget(t, shard & 3);
        } else {
            struct str frame = take_text(&input);
            struct unpack u = unpack_of(frame);
            uint64_t type = unpack_u64(&u);

            CHECK(backlog_take(t, shard & 3, frame) ==
                  (type == FRAME_ORG_BACKLOG || type == FRAME_HOOK_BACKLOG));
        }
    }
    for (unsigned shard = 0; shard < SHARDS; shard++)
        backlog_forget(t, shard);
    backlog_each_org(t, count_org, &n);
    CHECK(n == 0); // nothing is left of what is forgotten
    backlog_of_org(t, UINT64_C(1) << 63 | 5, &b);
    CHECK(b.n_rows == 0 && b.n_bytes == 0);
    backlog_table_free(t);
}

void fuzz_one(struct str input)
{
    size_t i = take_u8(&input) % (N_FRAMES + 1);
    struct buf frame;

    if (i == N_FRAMES) {
        check_backlogs(input);
        return;
    }
    buf_init(&frame, 0);
    buf_putc(&frame, (char)frames[i].type); // a small number is one byte
    buf_put_str(&frame, input);
    check_frame(i, buf_str(&frame));
    buf_clear(&frame);
}

static void put_backlogs(struct buf *out)
{
    struct org_backlog org = { .org_id = UINT64_C(1) << 63 | 5,
                               .n_rows = 3,
                               .n_bytes = 400,
                               .fullest = { { 9, 2, 300 }, { 8, 1, 100 } } };
    struct buf frame;

    buf_init(&frame, 0);
    for (uint8_t shard = 0; shard < SHARDS; shard++) {
        buf_reset(&frame);
        org_backlog_pack(&frame, &org);
        buf_putc(out, (char)shard);
        buf_putc(out, (char)frame.n_bytes);
        buf_put_str(out, buf_str(&frame));
        buf_reset(&frame);
        hook_backlog_pack(&frame, &org.fullest[0], shard != 1);
        buf_putc(out, (char)shard);
        buf_putc(out, (char)frame.n_bytes);
        buf_put_str(out, buf_str(&frame));
    }
    buf_clear(&frame);
}

bool fuzz_seed(size_t i, struct buf *out)
{
    struct buf frame;

    if (i > N_FRAMES)
        return false;
    buf_putc(out, (char)i);
    if (i == N_FRAMES) {
        put_backlogs(out);
        return true;
    }
    buf_init(&frame, 0);
    frames[i].put(&frames[i].good, &frame);
    buf_put(out, frame.at + 1, frame.n_bytes - 1);
    buf_clear(&frame);
    return true;
}
