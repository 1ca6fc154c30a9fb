// SPDX-License-Identifier: MIT
// send_order.c — orders of a dispatcher to a sender, and the sender's outcomes.

#include "common/messages/send_order.h"

#include "common/base/codec.h"
#include "common/process/role.h"

#define AT_US_MAX   INT64_C(253402300799999999) // 9999-12-31T23:59:59.999999Z
#define TOOK_US_MAX INT64_C(86400000000) // a day: request_timeout has minutes
#define SLACK_US    INT64_C(1000000)     // of clocks that are slewed

void order_pack(struct buf *frame, const struct order *order)
{
    pack_u64(frame, FRAME_ORDER);
    pack_u64(frame, order->no);
    pack_str(frame, order->url);
    pack_str(frame, order->headers);
    pack_i64(frame, order->connect_timeout_ms);
    pack_i64(frame, order->request_timeout_ms);
    pack_str(frame, order->body);
    pack_str(frame, order->client_cert);
    pack_str(frame, order->client_key);
    pack_bool(frame, order->is_get);
    pack_bool(frame, order->is_alone);
}

enum err order_unpack(struct str frame, struct order *out)
{
    struct unpack u = unpack_of(frame);

    if (unpack_u64(&u) != FRAME_ORDER)
        return ERR_CORRUPT;
    out->no = unpack_u64(&u);
    out->url = unpack_str(&u);
    out->headers = unpack_str(&u);
    out->connect_timeout_ms = unpack_i64(&u);
    out->request_timeout_ms = unpack_i64(&u);
    out->body = unpack_str(&u);
    out->client_cert = unpack_str(&u);
    out->client_key = unpack_str(&u);
    out->is_get = unpack_bool(&u);
    out->is_alone = unpack_bool(&u);
    if (out->headers.n_bytes > 0 &&
        out->headers.at[out->headers.n_bytes - 1] != '\0')
        return ERR_CORRUPT;
    return unpack_done(&u);
}

void outcome_pack(struct buf *frame, const struct outcome *outcome)
{
    const struct timing *t = &outcome->timing;

    pack_u64(frame, FRAME_OUTCOME);
    pack_u64(frame, outcome->no);
    pack_i64(frame, outcome->started_at_us);
    pack_u64(frame, outcome->error);
    pack_str(frame, outcome->error_message);
    pack_u64(frame, outcome->response_code);
    pack_bool(frame, outcome->truncated);
    pack_bool(frame, outcome->is_ours);
    pack_i64(frame, t->dns_us);
    pack_i64(frame, t->connect_us);
    pack_i64(frame, t->tls_us);
    pack_i64(frame, t->first_byte_us);
    pack_i64(frame, t->total_us);
    pack_bool(frame, t->reused_connection);
    pack_str(frame, outcome->response_headers);
    pack_str(frame, outcome->response_body);
}

static bool may_say(uint64_t error)
{
    // The other classes are set by dispatchers, which check responses.
    return error <= ERROR_PROTOCOL || error == ERROR_BLOCKED;
}

static bool took(int64_t duration_us)
{
    return duration_us >= 0 && duration_us <= TOOK_US_MAX;
}

static bool are_times_sane(const struct outcome *o)
{
    const struct timing *t = &o->timing;

    return o->started_at_us > 0 && o->started_at_us <= AT_US_MAX &&
           took(t->dns_us) && took(t->connect_us) && took(t->tls_us) &&
           took(t->first_byte_us) && took(t->total_us);
}

// There is either a response, or an error that says why not.
static bool is_sane(const struct outcome *o, uint64_t error, uint64_t status)
{
    bool has_answer = status >= STATUS_MIN && status <= STATUS_MAX;

    return may_say(error) && (has_answer || status == 0) &&
           has_answer == (error == ERROR_NONE) && !(o->is_ours && has_answer) &&
           are_times_sane(o) &&
           o->error_message.n_bytes <= ERROR_MESSAGE_MAX_BYTES &&
           o->response_headers.n_bytes <= RESPONSE_HEADERS_MAX_BYTES &&
           o->response_body.n_bytes <= RESPONSE_BODY_MAX_BYTES;
}

enum err outcome_unpack(struct str frame, struct outcome *out)
{
    struct unpack u = unpack_of(frame);
    struct timing *t = &out->timing;
    uint64_t error;
    uint64_t status;
    enum err err;

    if (unpack_u64(&u) != FRAME_OUTCOME)
        return ERR_CORRUPT;
    out->no = unpack_u64(&u);
    out->started_at_us = unpack_i64(&u);
    error = unpack_u64(&u);
    out->error_message = unpack_str(&u);
    status = unpack_u64(&u);
    out->truncated = unpack_bool(&u);
    out->is_ours = unpack_bool(&u);
    t->queue_us = 0;
    t->dns_us = unpack_i64(&u);
    t->connect_us = unpack_i64(&u);
    t->tls_us = unpack_i64(&u);
    t->first_byte_us = unpack_i64(&u);
    t->total_us = unpack_i64(&u);
    t->reused_connection = unpack_bool(&u);
    out->response_headers = unpack_str(&u);
    out->response_body = unpack_str(&u);
    err = unpack_done(&u);
    if (err != OK)
        return err;
    if (!is_sane(out, error, status))
        return ERR_CORRUPT;
    out->error = (enum error_class)error;
    out->response_code = (uint16_t)status;
    return OK;
}

static int64_t between(int64_t least, int64_t n, int64_t most)
{
    if (n < least)
        return least;
    return n > most ? most : n;
}

void outcome_fit_into(struct outcome *outcome, int64_t now_us,
                      int64_t elapsed_us)
{
    struct timing *t = &outcome->timing;
    int64_t longest_us = elapsed_us > 0 ? elapsed_us : 0;

    t->total_us = between(0, t->total_us, longest_us);
    t->dns_us = between(0, t->dns_us, t->total_us);
    t->connect_us = between(0, t->connect_us, t->total_us);
    t->tls_us = between(0, t->tls_us, t->total_us);
    t->first_byte_us = between(0, t->first_byte_us, t->total_us);
    outcome->started_at_us =
        between(now_us - longest_us - SLACK_US, outcome->started_at_us, now_us);
}
