// SPDX-License-Identifier: MIT
// tally.c — what a receiver has seen: counts, times, distinct deliveries.

#include "bench/tally.h"

#include <string.h>

#include "bench/wire.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"

static size_t seen_bytes(const struct tally *t)
{
    return (size_t)(t->options.max_seq * t->options.n_paths / 8) + 1;
}

void tally_init(struct tally *t, const struct tally_options *options)
{
    memset(t, 0, sizeof(*t));
    t->options = *options;
    t->seen = xcalloc(1, seen_bytes(t));
}

void tally_reset(struct tally *t)
{
    struct tally_options options = t->options;
    uint8_t *seen = t->seen;

    memset(seen, 0, seen_bytes(t));
    memset(t, 0, sizeof(*t));
    t->options = options;
    t->seen = seen;
}

// The number at the end of /h/<number>; 0 without one.
static uint64_t path_number(struct str path)
{
    uint64_t number = 0;

    if (!str_starts(path, STR("/h/")))
        return 0;
    for (size_t i = 3; i < path.n_bytes; i++) {
        if (path.at[i] < '0' || path.at[i] > '9')
            break;
        number = number * 10 + (uint64_t)(path.at[i] - '0');
    }
    return number;
}

static void track(struct tally *t, uint64_t seq, uint64_t path)
{
    uint64_t bit = seq * t->options.n_paths + path;
    uint8_t mask = (uint8_t)(1U << (bit % 8));

    if (seq >= t->options.max_seq || path >= t->options.n_paths) {
        t->n_untracked++;
    } else if ((t->seen[bit / 8] & mask) != 0) {
        t->n_duplicates++;
    } else {
        t->seen[bit / 8] = (uint8_t)(t->seen[bit / 8] | mask);
        t->n_distinct++;
    }
}

static bool signature_is_right(const struct tally *t,
                               const struct tally_request *r)
{
    uint8_t mac[SHA256_BYTES];
    struct buf hex;
    bool right;

    buf_init(&hex, 0);
    crypto_hmac_sha256(t->options.secret, &r->body, 1, mac);
    crypto_put_hex(&hex, mac, sizeof(mac));
    right = str_eq(buf_str(&hex), r->signature);
    buf_clear(&hex);
    return right;
}

void tally_add(struct tally *t, const struct tally_request *r)
{
    struct wire_stamp stamp;

    if (t->n_requests == 0)
        t->first_us = r->at_us;
    t->last_us = r->at_us;
    t->n_requests++;
    t->n_body_bytes += r->body.n_bytes;

    if (t->options.secret.n_bytes > 0 && !signature_is_right(t, r))
        t->n_bad_signatures++;
    if (!t->options.is_timing && t->options.max_seq == 0)
        return;
    if (!wire_stamp_read(r->body, &stamp))
        return;
    t->n_stamped++;
    if (t->options.is_timing)
        histogram_put(&t->latency, r->at_us - stamp.sent_us);
    if (t->options.max_seq > 0)
        track(t, stamp.seq, path_number(r->path));
}

void tally_json(const struct tally *t, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_open_object(&w, NULL);
    json_put_u64(&w, "requests", t->n_requests);
    json_put_u64(&w, "body_bytes", t->n_body_bytes);
    json_put_i64(&w, "first_us", t->first_us);
    json_put_i64(&w, "last_us", t->last_us);
    json_put_u64(&w, "stamped", t->n_stamped);
    json_put_u64(&w, "distinct", t->n_distinct);
    json_put_u64(&w, "duplicates", t->n_duplicates);
    json_put_u64(&w, "untracked", t->n_untracked);
    json_put_u64(&w, "bad_signatures", t->n_bad_signatures);
    wire_put_histogram(&t->latency, "latency_us", &w);
    json_close(&w);
}
