// SPDX-License-Identifier: MIT
// stats.c — results and durations of attempts, in sums that can be added up.

#include "queue/records/stats.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/histogram.h"
#include "common/base/mem.h"
#include "queue/records/schema.h"

#define SUB_BITS 5
#define BUCKETS  ((uint32_t)(64 - SUB_BITS + 1) << SUB_BITS)

const char *phase_name(enum phase phase)
{
    static const char *const names[PHASES] = { "queueUs",     "dnsUs",
                                               "connectUs",   "tlsUs",
                                               "firstByteUs", "totalUs" };

    return names[phase];
}

// --- histograms ---

// The index of the bucket, or where it would be.
static size_t place_of(const struct bars *b, uint32_t bucket)
{
    size_t low = 0;
    size_t high = b->n_bars;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (b->at[middle].bucket < bucket) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void bars_add(struct bars *b, uint32_t bucket, uint32_t n)
{
    size_t at = place_of(b, bucket);

    b->n += n;
    if (at < b->n_bars && b->at[at].bucket == bucket) {
        b->at[at].n =
            n > UINT32_MAX - b->at[at].n ? UINT32_MAX : b->at[at].n + n;
        return;
    }
    if (b->n_bars == b->room) {
        b->room = b->room > 0 ? b->room * 2 : 8;
        b->at = xrealloc(b->at, b->room * sizeof(*b->at));
    }
    memmove(b->at + at + 1, b->at + at, (b->n_bars - at) * sizeof(*b->at));
    b->at[at] = (struct bar){ bucket, n };
    b->n_bars++;
}

static void bars_note(struct bars *b, int64_t value_us)
{
    if (value_us < 0)
        value_us = 0;
    if (value_us > b->max_us)
        b->max_us = value_us;
    bars_add(b, (uint32_t)histogram_bucket((uint64_t)value_us, SUB_BITS), 1);
}

int64_t bars_percentile(const struct bars *b, double percent)
{
    double exact = (double)b->n * percent / 100.0;
    uint64_t wanted = (uint64_t)exact;
    uint64_t seen = 0;

    if ((double)wanted < exact || wanted == 0)
        wanted++;
    for (size_t i = 0; i < b->n_bars; i++) {
        seen += b->at[i].n;
        if (seen >= wanted) {
            int64_t end =
                (int64_t)histogram_bucket_end(b->at[i].bucket, SUB_BITS);

            return end < b->max_us ? end : b->max_us;
        }
    }
    return b->max_us;
}

// --- sums ---

void stats_init(struct stats *s)
{
    memset(s, 0, sizeof(*s));
}

void stats_clear(struct stats *s)
{
    for (size_t i = 0; i < PHASES; i++)
        free(s->phases[i].at);
    stats_init(s);
}

uint64_t stats_attempts(const struct stats *s)
{
    uint64_t n = 0;

    for (unsigned i = DELIVERY_DELIVERED; i <= DELIVERY_CANCELLED; i++)
        n += s->states[i];
    return n;
}

void stats_note(struct stats *s, const struct attempt *attempt)
{
    const struct timing *t = &attempt->timing;

    s->states[attempt->state]++;
    s->errors[attempt->error]++;
    if (attempt->attempt == 1)
        bars_note(&s->phases[PHASE_QUEUE], t->queue_us);
    if (!t->reused_connection && t->connect_us > 0) {
        bars_note(&s->phases[PHASE_DNS], t->dns_us);
        bars_note(&s->phases[PHASE_CONNECT], t->connect_us);
        if (t->tls_us > 0)
            bars_note(&s->phases[PHASE_TLS], t->tls_us);
    }
    if (attempt->response_code > 0)
        bars_note(&s->phases[PHASE_FIRST_BYTE], t->first_byte_us);
    bars_note(&s->phases[PHASE_TOTAL], t->total_us);
}

static void stats_merge(struct stats *into, const struct stats *from)
{
    for (size_t i = 0; i < STATES; i++)
        into->states[i] += from->states[i];
    for (size_t i = 0; i < ERROR_CLASSES; i++)
        into->errors[i] += from->errors[i];
    for (size_t i = 0; i < PHASES; i++) {
        const struct bars *b = &from->phases[i];

        for (size_t k = 0; k < b->n_bars; k++)
            bars_add(&into->phases[i], b->at[k].bucket, b->at[k].n);
        if (b->max_us > into->phases[i].max_us)
            into->phases[i].max_us = b->max_us;
    }
}

// --- records ---

void stats_encode(const struct stats *s, struct buf *out)
{
    size_t start = record_begin(out, STATS_VERSION);

    for (size_t i = 0; i < STATES; i++)
        pack_u64(out, s->states[i]);
    for (size_t i = 0; i < ERROR_CLASSES; i++)
        pack_u64(out, s->errors[i]);
    for (size_t i = 0; i < PHASES; i++) {
        const struct bars *b = &s->phases[i];
        uint32_t last = 0;

        pack_i64(out, b->max_us);
        pack_array(out, (uint32_t)b->n_bars);
        for (size_t k = 0; k < b->n_bars; k++) {
            pack_u64(out, b->at[k].bucket - last);
            pack_u64(out, b->at[k].n);
            last = b->at[k].bucket;
        }
    }
    record_end(out, start);
}

static void unpack_bars(struct unpack *u, struct bars *b)
{
    int64_t max_us = unpack_i64(u);
    uint32_t n = unpack_array(u, BUCKETS);
    uint64_t bucket = 0;

    if (max_us > b->max_us)
        b->max_us = max_us;
    for (uint32_t i = 0; i < n && !u->bad; i++) {
        uint64_t count;

        bucket += unpack_u64(u);
        count = unpack_u64(u);
        if (bucket >= BUCKETS || count > UINT32_MAX) {
            u->bad = true;
        } else {
            bars_add(b, (uint32_t)bucket, (uint32_t)count);
        }
    }
}

enum err stats_add_record_at(struct stats *into, uint32_t place,
                             struct str record)
{
    struct stats s;
    struct unpack u;
    uint8_t version;
    enum err err = record_open(place, record, STATS_VERSION, &version, &u);

    if (err != OK)
        return err;
    stats_init(&s);
    for (size_t i = 0; i < STATES; i++)
        s.states[i] = unpack_u64(&u);
    for (size_t i = 0; i < ERROR_CLASSES; i++)
        s.errors[i] = unpack_u64(&u);
    for (size_t i = 0; i < PHASES; i++)
        unpack_bars(&u, &s.phases[i]);
    err = unpack_done(&u);
    if (err == OK)
        stats_merge(into, &s);
    stats_clear(&s);
    return err;
}

enum err stats_add_record(struct stats *into, struct str record)
{
    return stats_add_record_at(into, RECORD_NOWHERE, record);
}
