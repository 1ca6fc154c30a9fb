// SPDX-License-Identifier: MIT
// fuzz_outcome.c — how a dispatcher handles a sender's outcome: it is accepted only from the
// sender that has the attempt; then it is corrected, evaluated, and written into the history
// and the statistics.
//
// Input: choices of the delivery, then the frame without its type.

#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/messages/send_order.h"
#include "common/process/role.h"
#include "engine/delivery/retry.h"
#include "engine/delivery/retry_after.h"
#include "engine/dispatcher/deliver/outcome.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/attempt_rows.h"
#include "engine/dispatcher/record/verdict.h"
#include "queue/records/schema.h"
#include "tests/fuzz/fuzz.h"

#define NOW_US INT64_C(1790000000000000)

static void check_times(const struct outcome *o, int64_t elapsed_us)
{
    const struct timing *t = &o->timing;

    CHECK(o->started_at_us <= NOW_US);
    CHECK(o->started_at_us >= NOW_US - elapsed_us - 1000000);
    CHECK(t->total_us >= 0 && t->total_us <= elapsed_us);
    CHECK(t->dns_us >= 0 && t->dns_us <= t->total_us);
    CHECK(t->connect_us >= 0 && t->connect_us <= t->total_us);
    CHECK(t->tls_us >= 0 && t->tls_us <= t->total_us);
    CHECK(t->first_byte_us >= 0 && t->first_byte_us <= t->total_us);
}

// Checks a verdict against the table in retry.h.
static void check_verdict(const struct attempt_end *end,
                          const struct retry_policy *p, const struct verdict *v)
{
    bool is_success = end->error == ERROR_NONE && end->response_code >= 200 &&
                      end->response_code < 300;

    if (end->is_ours) {
        CHECK(v->kind == VERDICT_AGAIN && v->delay_ms > 0);
        return;
    }
    CHECK((v->kind == VERDICT_DELIVERED) == is_success);
    CHECK((v->error == ERROR_NONE) == is_success);
    CHECK(v->is_gone ==
          (end->error == ERROR_NONE && end->response_code == 410));
    if (v->kind == VERDICT_RETRY) {
        int64_t wait_ms = p->waits_ms[end->n_attempts - 1];

        CHECK(end->n_attempts <= p->n_waits);
        CHECK(v->delay_ms >= wait_ms * 8 / 10 - 1);
        CHECK(v->delay_ms >= end->retry_after_ms);
        CHECK(v->delay_ms <= 2 * RETRY_AFTER_MAX_MS);
    } else if (v->kind == VERDICT_DEAD && end->error != ERROR_BLOCKED) {
        CHECK(v->is_gone || end->n_attempts > p->n_waits);
    }
    CHECK(v->pause_ms >= 0 && v->pause_ms <= RETRY_AFTER_MAX_MS);
}

// Three senders have attempts in flight, and one entry is free. An outcome from a
// sender that does not have the attempt changes nothing: applying it would use a
// dispatcher, which does not exist here.
static void check_ownership(const struct outcome *o)
{
    static struct dispatcher d = { .schedule = { .n_slots = 4 } };
    struct in_flight *slots = d.schedule.slots;
    uint64_t index = o->no & UINT32_MAX;

    if (slots == NULL)
        slots = d.schedule.slots = xcalloc(d.schedule.n_slots, sizeof(*slots));
    for (uint32_t i = 0; i < 3; i++) {
        if (slots[i].delivery == NULL)
            slots[i].delivery = xcalloc(1, sizeof(struct delivery));
        slots[i].sender = i;
        slots[i].generation = 7 + i;
    }
    for (unsigned sender = 0; sender < 4; sender++) {
        struct outcome said = *o;

        if (index < 3 && sender == index && o->no >> 32 == 7 + index)
            continue; // its own
        CHECK(!outcome_apply(&d, sender, &said));
    }
}

static struct attempt attempt_of(const struct outcome *o,
                                 const struct verdict *v, uint32_t n_attempts)
{
    struct attempt a = { .hook_id = 1,
                         .kind = STR("a.b"),
                         .accepted_at_us = NOW_US - 1000,
                         .started_at_us = o->started_at_us,
                         .attempt = n_attempts,
                         .state = v->kind == VERDICT_DELIVERED
                                      ? DELIVERY_DELIVERED
                                      : DELIVERY_DEAD,
                         .error = v->error,
                         .error_message = o->error_message,
                         .response_code = o->response_code,
                         .truncated = o->truncated,
                         .timing = o->timing,
                         .response_headers = o->response_headers,
                         .response_body = o->response_body };

    return a;
}

static void check_history(const struct attempt *a)
{
    struct buf record, stats_record;
    struct attempt read;
    struct stats stats, again;

    buf_init(&record, 0);
    buf_init(&stats_record, 0);
    attempt_encode(a, &record);
    CHECK(attempt_decode(RECORD_NOWHERE, buf_str(&record), &read) == OK);
    CHECK(read.state == a->state && read.error == a->error);
    CHECK(str_eq(read.response_body, a->response_body));
    stats_init(&stats);
    stats_init(&again);
    stats_note(&stats, a);
    stats_encode(&stats, &stats_record);
    CHECK(stats_add_record(&again, buf_str(&stats_record)) == OK);
    CHECK(again.states[a->state] == 1 && again.errors[a->error] == 1);
    CHECK(bars_percentile(&again.phases[PHASE_TOTAL], 100) >=
          a->timing.total_us);
    stats_clear(&stats);
    stats_clear(&again);
    buf_clear(&record);
    buf_clear(&stats_record);
}

void fuzz_one(struct str input)
{
    static const int64_t waits_ms[] = { 5000, 30000, 120000, 86400000 };
    struct retry_policy policy = { .waits_ms = waits_ms,
                                   .overload_wait_ms = 5000 };
    uint32_t n_attempts = 1 + take_u8(&input) % 6;
    int64_t elapsed_us = take_u32(&input);
    struct outcome o;
    struct buf frame;

    policy.jitter = take_u32(&input);
    policy.n_waits = take_u8(&input) % 5;
    buf_init(&frame, 0);
    buf_putc(&frame, FRAME_OUTCOME);
    buf_put_str(&frame, input);
    memset(&o, 0xa5, sizeof(o));
    if (outcome_unpack(buf_str(&frame), &o) == OK) {
        struct attempt_end end = { .error = o.error,
                                   .is_ours = o.is_ours,
                                   .response_code = o.response_code,
                                   .n_attempts = n_attempts };
        struct verdict verdict;
        struct attempt attempt;

        check_ownership(&o);
        outcome_fit_into(&o, NOW_US, elapsed_us);
        check_times(&o, elapsed_us);
        end.retry_after_ms = retry_after_ms(o.response_headers, NOW_US / 1000);
        verdict = retry_decide(&end, &policy);
        check_verdict(&end, &policy, &verdict);
        if (verdict.kind != VERDICT_AGAIN) {
            attempt = attempt_of(&o, &verdict, n_attempts);
            check_history(&attempt);
        }
    }
    buf_clear(&frame);
}

static bool make_outcome(size_t i, struct outcome *o)
{
    *o = (struct outcome){ .no = UINT64_C(8) << 32 | (i % 5),
                           .started_at_us = NOW_US - 5000,
                           .timing = { .total_us = 4000 } };
    switch (i) {
    case 0:
        o->response_code = 200;
        o->response_body = STR("ok");
        return true;
    case 1:
        o->response_code = 429;
        o->response_headers = STR("Retry-After: 120\r\n");
        return true;
    case 2:
        o->response_code = 410;
        return true;
    case 3:
        o->response_code = 500;
        o->truncated = true;
        return true;
    case 4:
        o->error = ERROR_TIMEOUT;
        o->error_message = STR("no answer");
        return true;
    case 5:
        o->error = ERROR_BLOCKED;
        o->error_message = STR("refused");
        return true;
    case 6:
        o->error = ERROR_CONNECT;
        o->is_ours = true;
        return true;
    default:
        return false;
    }
}

bool fuzz_seed(size_t i, struct buf *out)
{
    struct outcome o;
    struct buf frame;

    if (!make_outcome(i, &o))
        return false;
    buf_init(&frame, 0);
    outcome_pack(&frame, &o);
    buf_put(out, "\1\0\1\0\0\7\7\7\7\3", 10);
    buf_put(out, frame.at + 1, frame.n_bytes - 1);
    buf_clear(&frame);
    return true;
}
