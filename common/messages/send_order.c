// SPDX-License-Identifier: MIT
// send_order.c — orders of a dispatcher to a sender, and the sender's outcomes.

#include "common/messages/send_order.h"

#include "common/base/codec.h"
#include "common/process/role.h"

#define AT_US_MAX   INT64_C(253402300799999999) // 9999-12-31T23:59:59.999999Z
#define TOOK_US_MAX INT64_C(86400000000) // a day: request_timeout has minutes
#define SLACK_US    INT64_C(1000000)     // of clocks that are slewed

#define ORDER(name)   MEMBER(struct order, name)
#define OUTCOME(name) MEMBER(struct outcome, name)

static const struct member order_members[] = {
    ORDER(no),
    ORDER(url),
    ORDER(headers),
    ORDER(connect_timeout_ms),
    ORDER(request_timeout_ms),
    ORDER(body),
    ORDER(client_cert),
    ORDER(client_key),
    MEMBER_MAX(struct order, method, ORDER_OPTIONS),
    ORDER(is_alone),
    ORDER(hook_no),
};

static const struct member outcome_members[] = {
    OUTCOME(no),
    OUTCOME(started_at_us),
    MEMBER_MAX(struct outcome, error, ERROR_CLASSES - 1),
    OUTCOME(error_message),
    OUTCOME(response_code),
    OUTCOME(truncated),
    OUTCOME(is_ours),
    OUTCOME(timing.dns_us),
    OUTCOME(timing.connect_us),
    OUTCOME(timing.tls_us),
    OUTCOME(timing.first_byte_us),
    OUTCOME(timing.total_us),
    OUTCOME(timing.reused_connection),
    OUTCOME(response_headers),
    OUTCOME(response_body),
};

const char *order_method_name(enum order_method method)
{
    switch (method) {
    case ORDER_POST:
        break;
    case ORDER_GET:
        return "GET";
    case ORDER_OPTIONS:
        return "OPTIONS";
    }
    return "POST";
}

void order_pack(struct buf *frame, const struct order *order)
{
    frame_pack(frame, FRAME_ORDER, MEMBERS(order_members), order);
}

enum err order_unpack(struct str frame, struct order *out)
{
    enum err err =
        frame_unpack(frame, FRAME_ORDER, MEMBERS(order_members), out);

    if (err == OK && out->headers.n_bytes > 0 &&
        out->headers.at[out->headers.n_bytes - 1] != '\0')
        return ERR_CORRUPT;
    return err;
}

void outcome_pack(struct buf *frame, const struct outcome *outcome)
{
    frame_pack(frame, FRAME_OUTCOME, MEMBERS(outcome_members), outcome);
}

static bool may_say(enum error_class error)
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
static bool is_sane(const struct outcome *o)
{
    unsigned status = o->response_code;
    bool has_answer = status >= STATUS_MIN && status <= STATUS_MAX;

    return may_say(o->error) && (has_answer || status == 0) &&
           has_answer == (o->error == ERROR_NONE) &&
           !(o->is_ours && has_answer) && are_times_sane(o) &&
           o->error_message.n_bytes <= ERROR_MESSAGE_MAX_BYTES &&
           o->response_headers.n_bytes <= RESPONSE_HEADERS_MAX_BYTES &&
           o->response_body.n_bytes <= RESPONSE_BODY_MAX_BYTES;
}

enum err outcome_unpack(struct str frame, struct outcome *out)
{
    enum err err =
        frame_unpack(frame, FRAME_OUTCOME, MEMBERS(outcome_members), out);

    out->timing.queue_us = 0;
    return err == OK && !is_sane(out) ? ERR_CORRUPT : err;
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
