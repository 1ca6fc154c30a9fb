// SPDX-License-Identifier: MIT
// delivery_policy_json.c — how a hook is delivered to as JSON: read, checked, printed.

#include "api/json/delivery_policy_json.h"

#include <string.h>

#include "api/json/handshake_json.h"
#include "api/json/pattern_json.h"
#include "api/json/signing_json.h"
#include "common/base/clock.h"
#include "common/config/config_types.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"
#include "common/model/request_header.h"

#define WAIT_MAX_MS         (INT64_C(7) * 24 * 3600 * 1000)
#define ORDER_KEY_MAX_BYTES 128
#define PEM_MAX_BYTES       ((size_t)16 * 1024)

// How a member is given: with a value, as null (the settings apply again), or absent.
enum given { GIVEN_NOT, GIVEN_NULL, GIVEN_VALUE };

static enum given look(const struct json_value *body, const char *key,
                       const struct json_value **out)
{
    *out = json_get(body, key);
    if (*out == NULL)
        return GIVEN_NOT;
    return json_is(*out, JSON_NULL) ? GIVEN_NULL : GIVEN_VALUE;
}

static enum err wrong_type(const struct validation *validation, const char *key,
                           const char *wanted, const struct json_value *v)
{
    buf_printf(validation->why, "%s must be %s, not %s", key, wanted,
               json_type_name(v));
    return ERR_INVALID;
}

// --- numbers and durations ---

static enum err read_number(const struct validation *validation,
                            const char *key, const struct json_value *v,
                            int64_t max, uint32_t *out)
{
    int64_t number;

    if (!json_is(v, JSON_NUMBER))
        return wrong_type(validation, key, "a number", v);
    if (json_int(v, &number) != OK || number < 1 || number > max) {
        buf_printf(validation->why, "%s must be a whole number of 1 to %lld",
                   key, (long long)max);
        return ERR_INVALID;
    }
    *out = (uint32_t)number;
    return OK;
}

static enum err merge_timeout(const struct validation *validation,
                              const struct json_value *body,
                              struct hook_policy *p)
{
    const struct json_value *v;

    validation_at(validation, "timeout");
    switch (look(body, "timeout", &v)) {
    case GIVEN_NOT:
        return OK;
    case GIVEN_NULL:
        p->timeout_ms = 0;
        return OK;
    case GIVEN_VALUE:
        break;
    }
    if (!json_is(v, JSON_STRING))
        return wrong_type(validation, "timeout", "a string like \"10s\"", v);
    if (config_read_duration(json_str(v), TIMEOUT_MIN_MS, TIMEOUT_MAX_MS,
                             &p->timeout_ms) != OK) {
        buf_printf(validation->why,
                   "timeout: %s is not a duration of 10ms to 5m",
                   log_quote(json_str(v)));
        return ERR_INVALID;
    }
    return OK;
}

static enum err merge_inflight(const struct validation *validation,
                               const struct json_value *body,
                               struct hook_policy *p)
{
    const struct json_value *v;
    enum given given = look(body, "maxInFlight", &v);

    validation_at(validation, "maxInFlight");
    if (given == GIVEN_NULL)
        p->max_inflight = 0;
    return given == GIVEN_VALUE
               ? read_number(validation, "maxInFlight", v, HOOK_INFLIGHT_MAX,
                             &p->max_inflight)
               : OK;
}

static enum err read_rate(const struct validation *validation,
                          const struct json_value *object,
                          struct hook_policy *p)
{
    struct json_iter it = json_iter(object);
    const struct json_value *v;
    struct str name;
    enum err err = OK;

    p->rate_per_second = 0;
    p->rate_burst = 0;
    while (err == OK && (v = json_next(&it, &name)) != NULL) {
        if (str_is(name, "perSecond")) {
            err = read_number(validation, "rateLimit.perSecond", v, RATE_MAX,
                              &p->rate_per_second);
        } else if (str_is(name, "burst")) {
            err = read_number(validation, "rateLimit.burst", v, RATE_MAX,
                              &p->rate_burst);
        } else {
            buf_printf(validation->why,
                       "rateLimit has perSecond and burst, and no %s",
                       log_quote(name));
            err = ERR_INVALID;
        }
    }
    if (err == OK && p->rate_per_second == 0)
        err = validation_refuse(validation, "rateLimit.perSecond is required");
    return err;
}

static enum err merge_rate(const struct validation *validation,
                           const struct json_value *body, struct hook_policy *p)
{
    const struct json_value *v;

    validation_at(validation, "rateLimit");
    switch (look(body, "rateLimit", &v)) {
    case GIVEN_NOT:
        return OK;
    case GIVEN_NULL:
        p->rate_per_second = 0;
        p->rate_burst = 0;
        return OK;
    case GIVEN_VALUE:
        break;
    }
    if (!json_is(v, JSON_OBJECT))
        return wrong_type(validation, "rateLimit", "an object", v);
    return read_rate(validation, v, p);
}

// --- the schedule ---

static enum err read_schedule(const struct validation *validation,
                              struct str text, struct hook_policy *p)
{
    int64_t waits_ms[RETRIES_MAX];
    size_t n;

    if (config_read_schedule(text, WAIT_MAX_MS, waits_ms, &n) != OK) {
        buf_printf(validation->why,
                   "retrySchedule must be 1 to %d waits like \"30s\", \"2m\" "
                   "or \"1h\", of at most 7d each",
                   RETRIES_MAX);
        return ERR_INVALID;
    }
    p->retry_schedule = arena_copy(validation->arena, text);
    return OK;
}

static enum err join_schedule(const struct validation *validation,
                              const struct json_value *list,
                              struct hook_policy *p)
{
    struct json_iter it = json_iter(list);
    const struct json_value *item;
    struct buf text;
    enum err err = OK;

    buf_init(&text, 0);
    while (err == OK && (item = json_next(&it, NULL)) != NULL) {
        if (!json_is(item, JSON_STRING)) {
            err = wrong_type(validation, "retrySchedule", "an array of strings",
                             item);
            continue;
        }
        if (text.n_bytes > 0)
            buf_putc(&text, ',');
        buf_put_str(&text, json_str(item));
    }
    if (err == OK)
        err = read_schedule(validation, buf_str(&text), p);
    buf_clear(&text);
    return err;
}

static enum err merge_schedule(const struct validation *validation,
                               const struct json_value *body,
                               struct hook_policy *p)
{
    const struct json_value *v;

    validation_at(validation, "retrySchedule");
    switch (look(body, "retrySchedule", &v)) {
    case GIVEN_NOT:
        return OK;
    case GIVEN_NULL:
        p->retry_schedule = STR_EMPTY;
        return OK;
    case GIVEN_VALUE:
        break;
    }
    if (!json_is(v, JSON_ARRAY)) {
        return wrong_type(validation, "retrySchedule", "an array of strings",
                          v);
    }
    return join_schedule(validation, v, p);
}

// --- order ---

// Whether the text is a path: names of members, separated by dots.
static bool is_path(struct str text)
{
    bool is_start = true;

    if (text.n_bytes > ORDER_KEY_MAX_BYTES)
        return false;
    for (size_t i = 0; i < text.n_bytes; i++) {
        char c = text.at[i];
        bool is_dot = c == '.';

        if ((is_dot && is_start) ||
            (!is_dot && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
             !(c >= '0' && c <= '9') && c != '_' && c != '-'))
            return false;
        is_start = is_dot;
    }
    return !is_start;
}

// null means false, as it is without the member.
static enum err merge_bool(const struct validation *validation,
                           const struct json_value *body, const char *key,
                           bool *out)
{
    const struct json_value *v;
    enum given given = look(body, key, &v);

    validation_at(validation, key);
    if (given == GIVEN_VALUE && !json_is(v, JSON_BOOL))
        return wrong_type(validation, key, "true or false", v);
    if (given != GIVEN_NOT)
        *out = given == GIVEN_VALUE && json_bool(v);
    return OK;
}

static enum err merge_order(const struct validation *validation,
                            const struct json_value *body,
                            struct hook_policy *p)
{
    const struct json_value *v;
    enum given given;
    enum err err = merge_bool(validation, body, "ordered", &p->ordered);

    if (err != OK)
        return err;
    given = look(body, "orderKey", &v);
    validation_at(validation, "orderKey");
    if (given == GIVEN_NULL)
        p->order_key = STR_EMPTY;
    if (given == GIVEN_VALUE) {
        if (!json_is(v, JSON_STRING) || !is_path(json_str(v))) {
            return validation_refuse(
                validation, "orderKey must name a field of the payload, "
                            "like customer.id: at most 128 of A-Z a-z 0-9 "
                            "_ - with dots between names");
        }
        p->order_key = arena_copy(validation->arena, json_str(v));
    }
    if (p->order_key.n_bytes > 0 && !p->ordered) {
        return validation_refuse(validation,
                                 "orderKey needs ordered to be true");
    }
    return OK;
}

static enum err merge_header_case(const struct validation *validation,
                                  const struct json_value *body,
                                  struct hook *hook)
{
    const struct json_value *v;

    validation_at(validation, "headerCase");
    switch (look(body, "headerCase", &v)) {
    case GIVEN_NOT:
        return OK;
    case GIVEN_NULL:
        hook->lower_headers = false;
        return OK;
    case GIVEN_VALUE:
        break;
    }
    if (!json_is(v, JSON_STRING) || !str_is(json_str(v), "lower")) {
        return validation_refuse(validation,
                                 "headerCase must be \"lower\", or null for "
                                 "names as they are documented");
    }
    hook->lower_headers = true;
    return OK;
}

static enum err merge_trace_context(const struct validation *validation,
                                    const struct json_value *body,
                                    struct hook *hook)
{
    enum err err =
        merge_bool(validation, body, "traceContext", &hook->trace_context);

    if (err != OK)
        return err;
    for (size_t i = 0; hook->trace_context && i + 1 < hook->n_headers; i += 2) {
        if (!header_is_trace(hook->headers[i]))
            continue;
        if (member_find(body, "traceContext") == NULL)
            validation_at(validation, "headers");
        buf_printf(validation->why,
                   "traceContext sets the header %s, so headers cannot have it",
                   log_quote(hook->headers[i]));
        return ERR_INVALID;
    }
    return OK;
}

// --- the client's certificate ---

static enum err merge_pem(const struct validation *validation,
                          const struct json_value *body, const char *key,
                          struct str *out)
{
    const struct json_value *v;

    validation_at(validation, key);
    switch (look(body, key, &v)) {
    case GIVEN_NOT:
        return OK;
    case GIVEN_NULL:
        *out = STR_EMPTY;
        return OK;
    case GIVEN_VALUE:
        break;
    }
    if (!json_is(v, JSON_STRING))
        return wrong_type(validation, key, "a string", v);
    if (json_str(v).n_bytes > PEM_MAX_BYTES) {
        buf_printf(validation->why, "%s must be at most 16 KiB", key);
        return ERR_INVALID;
    }
    *out = arena_copy(validation->arena, json_str(v));
    return OK;
}

static bool gives_key(const struct json_value *body)
{
    return json_str(json_get(body, "clientKey")).n_bytes > 0;
}

static enum err merge_certificate(const struct validation *validation,
                                  const struct json_value *body,
                                  struct hook *hook)
{
    const char *reason;
    enum err err =
        merge_pem(validation, body, "clientCertificate", &hook->client_cert);

    if (err == OK)
        err = merge_pem(validation, body, "clientKey", &hook->client_key);
    if (err != OK)
        return err;
    if (hook->client_cert.n_bytes == 0) {
        if (gives_key(body)) {
            return validation_refuse(validation,
                                     "clientKey needs clientCertificate");
        }
        hook->client_key = STR_EMPTY; // the key is removed with its certificate
        return OK;
    }
    if (hook->client_key.n_bytes == 0) {
        return validation_refuse(validation,
                                 "clientCertificate needs clientKey");
    }
    validation_at(validation, "clientCertificate");
    err = crypto_check_pair(hook->client_cert, hook->client_key, &reason);
    if (err != OK)
        buf_puts(validation->why, reason);
    return err;
}

enum err policy_merge(const struct validation *validation,
                      const struct json_value *body, struct hook *hook)
{
    struct hook_policy *p = &hook->policy;
    enum err err = merge_schedule(validation, body, p);

    if (err == OK)
        err = merge_timeout(validation, body, p);
    if (err == OK)
        err = merge_inflight(validation, body, p);
    if (err == OK)
        err = merge_rate(validation, body, p);
    if (err == OK)
        err = merge_order(validation, body, p);
    if (err == OK)
        err = merge_header_case(validation, body, hook);
    if (err == OK)
        err = merge_trace_context(validation, body, hook);
    if (err == OK)
        err = merge_bool(validation, body, "paused", &hook->paused);
    if (err == OK)
        err = merge_certificate(validation, body, hook);
    if (err == OK)
        err = pattern_merge(validation, body, hook);
    if (err == OK)
        err = signing_merge(validation, body, hook);
    if (err == OK)
        err = handshake_merge(validation, body, hook);
    return err;
}

// --- printing ---

static void print_schedule(struct str text, struct json_writer *w)
{
    const char *end = text.at + text.n_bytes;
    const char *at = text.at;

    json_open_array(w, "retrySchedule");
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t n_bytes = (size_t)((comma != NULL ? comma : end) - at);

        json_put_str(w, NULL, (struct str){ at, n_bytes });
        at += n_bytes + 1;
    }
    json_close(w);
}

static void print_disabled(const struct hook *hook, struct json_writer *w)
{
    json_open_object(w, "disabled");
    json_put_text(w, "reason", hook_disabled_name(hook->disabled));
    clock_put_rfc3339(json_open_text(w, "at"), hook->disabled_at_ms);
    json_close_text(w);
    json_close(w);
}

static void print_rate(const struct hook_policy *p, struct json_writer *w)
{
    json_open_object(w, "rateLimit");
    json_put_u64(w, "perSecond", p->rate_per_second);
    json_put_u64(w, "burst",
                 p->rate_burst > 0 ? p->rate_burst : p->rate_per_second);
    json_close(w);
}

void policy_print(const struct hook_showing *to, const struct hook *hook,
                  struct json_writer *w)
{
    const struct hook_policy *p = &hook->policy;

    if (p->retry_schedule.n_bytes > 0)
        print_schedule(p->retry_schedule, w);
    if (p->timeout_ms > 0) {
        config_put_duration(p->timeout_ms, json_open_text(w, "timeout"));
        json_close_text(w);
    }
    if (p->max_inflight > 0)
        json_put_u64(w, "maxInFlight", p->max_inflight);
    if (p->rate_per_second > 0)
        print_rate(p, w);
    if (p->ordered)
        json_put_bool(w, "ordered", true);
    json_put_given(w, "orderKey", p->order_key);
    if (hook->lower_headers)
        json_put_text(w, "headerCase", "lower");
    if (hook->trace_context)
        json_put_bool(w, "traceContext", true);
    if (hook->paused)
        json_put_bool(w, "paused", true);
    if (hook->client_cert.n_bytes > 0)
        json_put_bool(w, "hasClientCertificate", true);
    pattern_print(hook, w);
    signing_print(to, hook, w);
    handshake_print(to, hook, w);
    if (hook->disabled != HOOK_NOT_DISABLED)
        print_disabled(hook, w);
}
