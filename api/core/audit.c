// SPDX-License-Identifier: MIT
// audit.c — lines of the log that say who did what, and from what to what.

#include "api/core/audit.h"

#include <stdarg.h>
#include <string.h>

#include "api/core/api_request.h"
#include "api/json/pulumi_hook_json.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"
#include "common/model/request_header.h"
#include "common/model/url_mask.h"
#include "queue/queue.h"

// --- who ---

static struct str token_name(const struct api_request *rq)
{
    return (struct str){ rq->grant.name, rq->grant.n_name_bytes };
}

static struct str token_id(const struct api_request *rq)
{
    return (struct str){ rq->grant.id, rq->grant.n_id_bytes };
}

// Whether it is the token in admin.token, which has no id.
static bool is_file_token(const struct api_request *rq)
{
    return rq->grant.is_admin && rq->grant.n_id_bytes == 0;
}

void audit_put_who(const struct api_request *rq, struct buf *out)
{
    if (is_file_token(rq)) {
        buf_puts(out, "the admin token");
        return;
    }
    buf_puts(out, rq->grant.is_admin ? "admin token " : "token ");
    buf_put_str(out, token_id(rq));
    if (rq->grant.n_name_bytes > 0) {
        buf_puts(out, " (");
        buf_put_str(out, token_name(rq));
        buf_putc(out, ')');
    }
}

static void put_line(const struct api_request *rq, const char *msg,
                     const char *about, const char *fields)
{
    bool is_file = is_file_token(rq);
    struct str name = is_file ? STR("admin token") : token_name(rq);
    struct str id = is_file ? STR("admin") : token_id(rq);

    log_info(msg, "by=%s by_id=%s peer=%s%s%s%s%s", log_quote(name),
             log_quote(id), log_quote(str_of(rq->http->peer)),
             about[0] != '\0' ? " " : "", about, fields[0] != '\0' ? " " : "",
             fields);
}

void audit(const struct api_request *rq, const char *msg, const char *fields,
           ...)
{
    struct buf text;
    va_list args;

    buf_init(&text, 0);
    va_start(args, fields);
    buf_vprintf(&text, fields, args);
    va_end(args);
    put_line(rq, msg, "", buf_cstr(&text));
    buf_clear(&text);
}

static void put_about(const struct hook_scope *scope, uint64_t hook_id,
                      struct buf *out)
{
    if (hook_id != 0) {
        buf_puts(out, hook_log_no(hook_id));
        return;
    }
    buf_printf(out, "org=%s", log_quote(scope->org));
    if (scope->project.n_bytes > 0)
        buf_printf(out, " project=%s", log_quote(scope->project));
}

void audit_of(const struct api_request *rq, const char *msg,
              const struct hook_scope *scope, uint64_t hook_id,
              const char *fields, ...)
{
    struct buf about, text;
    va_list args;

    buf_init(&about, 0);
    buf_init(&text, 0);
    put_about(scope, hook_id, &about);
    va_start(args, fields);
    buf_vprintf(&text, fields, args);
    va_end(args);
    put_line(rq, msg, buf_cstr(&about), buf_cstr(&text));
    buf_clear(&about);
    buf_clear(&text);
}

// --- what a hook was and is ---

// A hook as JSON twice: unmasked for comparing, and masked for showing.
struct picture {
    const struct hook *hook; // NULL: none
    struct buf open, masked;
    struct json *json; // `masked`, parsed
};

static void print(const struct hook_showing *to, const struct hook *hook,
                  struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_open_object(&w, NULL);
    hook_print(to, hook, &w);
    json_close(&w);
}

static void picture_take(const struct api_request *rq, const struct hook *hook,
                         struct picture *p)
{
    struct hook_showing to = { .is_masked = false,
                               .ciphertext_key = rq->api->ciphertext_key };

    *p = (struct picture){ .hook = hook };
    buf_init(&p->open, 0);
    buf_init(&p->masked, 0);
    if (hook == NULL)
        return;
    print(&to, hook, &p->open);
    to.is_masked = true;
    print(&to, hook, &p->masked);
    if (json_parse(buf_str(&p->masked), &json_no_limits, &p->json, NULL) != OK)
        p->json = NULL;
}

static void picture_clear(struct picture *p)
{
    crypto_wipe_buf(&p->open);
    buf_clear(&p->masked);
    json_free(p->json);
}

static void put_open(const struct picture *p, const char *key, struct buf *out)
{
    if (p->hook != NULL &&
        json_compact_member(buf_str(&p->open), key, out) != OK)
        buf_reset(out);
}

struct changes {
    struct picture old, hook;
    struct buf names, values;
};

// Appends a member's name as the name of a log field: "payloadUrl" as "payload_url".
static void put_name(const char *key, struct buf *out)
{
    for (; *key != '\0'; key++) {
        if (*key >= 'A' && *key <= 'Z')
            buf_putc(out, '_');
        buf_putc(out, (char)(*key >= 'A' && *key <= 'Z' ? *key | 0x20 : *key));
    }
}

static void add_name(struct changes *ch, const char *key)
{
    if (ch->names.n_bytes > 0)
        buf_putc(&ch->names, ',');
    put_name(key, &ch->names);
}

static void add_value(struct changes *ch, const char *prefix, const char *key,
                      struct str value, bool is_plain)
{
    if (ch->values.n_bytes > 0)
        buf_putc(&ch->values, ' ');
    buf_puts(&ch->values, prefix);
    put_name(key, &ch->values);
    buf_putc(&ch->values, '=');
    buf_puts(&ch->values, is_plain ? "" : log_quote(value));
    if (is_plain)
        buf_put_str(&ch->values, value);
}

// Appends the names of headers only: their values are sealed on disk, so they must not
// appear in the log.
static void put_header_names(const struct hook *hook, struct buf *out)
{
    for (size_t i = 0; i + 1 < hook->n_headers; i += 2) {
        buf_puts(out, i > 0 ? ", " : "");
        buf_put_str(out, hook->headers[i]);
    }
}

static void add_side(struct changes *ch, const struct picture *p,
                     const char *prefix, const char *key)
{
    const struct json_value *v = NULL;
    struct buf text;

    if (p->hook == NULL)
        return;
    if (p->json != NULL)
        v = json_get(json_root(p->json), key);
    buf_init(&text, 0);
    if (strcmp(key, "payloadUrl") == 0) {
        url_put_masked(p->hook->format, p->hook->url, &text);
    } else if (strcmp(key, "headers") == 0) {
        put_header_names(p->hook, &text);
    } else if (json_is(v, JSON_STRING)) {
        buf_put_str(&text, json_str(v));
    } else if (v == NULL ||
               json_compact_member(buf_str(&p->masked), key, &text) != OK) {
        buf_reset(&text);
    }
    add_value(ch, prefix, key, buf_str(&text),
              json_is(v, JSON_BOOL) || json_is(v, JSON_NUMBER));
    buf_clear(&text);
}

static void add_member(struct changes *ch, const char *key)
{
    struct buf was, is;

    buf_init(&was, 0);
    buf_init(&is, 0);
    put_open(&ch->old, key, &was);
    put_open(&ch->hook, key, &is);
    if (!str_eq(buf_str(&was), buf_str(&is))) {
        add_name(ch, key);
        add_side(ch, &ch->old, "old_", key);
        add_side(ch, &ch->hook, "new_", key);
    }
    if (was.n_bytes > 0)
        crypto_wipe(was.at, was.n_bytes);
    if (is.n_bytes > 0)
        crypto_wipe(is.at, is.n_bytes);
    buf_clear(&was);
    buf_clear(&is);
}

static struct str text_of(const struct hook *hook,
                          struct str (*get)(const struct hook *))
{
    return hook != NULL ? get(hook) : STR_EMPTY;
}

static struct str get_secret(const struct hook *hook)
{
    return hook->secret;
}

static struct str get_cert(const struct hook *hook)
{
    return hook->client_cert;
}

static struct str get_key(const struct hook *hook)
{
    return hook->client_key;
}

// Logs a field whose value is never shown: whether there is one, and that it changed.
static void add_hidden(struct changes *ch, const char *key,
                       struct str (*get)(const struct hook *))
{
    struct str was = text_of(ch->old.hook, get);
    struct str is = text_of(ch->hook.hook, get);

    if (str_eq(was, is))
        return;
    add_name(ch, key);
    if (ch->old.hook != NULL) {
        add_value(ch, "old_", key, was.n_bytes > 0 ? STR(HEADER_MASK) : STR(""),
                  false);
    }
    if (ch->hook.hook != NULL) {
        add_value(ch, "new_", key, is.n_bytes > 0 ? STR(HEADER_MASK) : STR(""),
                  false);
    }
}

static void add_all(struct changes *ch)
{
    static const char *const members[] = {
        "displayName",   "payloadUrl",  "active",       "paused",
        "format",        "filters",     "groups",       "headers",
        "secretHeaders", "ordered",     "orderKey",     "retrySchedule",
        "timeout",       "maxInFlight", "rateLimit",    "disabled",
        "headerCase",    "pattern",     "traceContext", "signingKey",
        "publicKey",     "handshake",
    };

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        add_member(ch, members[i]);
    add_hidden(ch, "secret", get_secret);
    add_hidden(ch, "clientCertificate", get_cert);
    add_hidden(ch, "clientKey", get_key);
}

void audit_hook(const struct api_request *rq, const char *msg,
                const struct hook *old, const struct hook *hook)
{
    struct changes ch;
    struct buf fields;

    picture_take(rq, old, &ch.old);
    picture_take(rq, hook, &ch.hook);
    buf_init(&ch.names, 0);
    buf_init(&ch.values, 0);
    buf_init(&fields, 0);
    add_all(&ch);
    buf_printf(&fields, "changed=\"%s\" ", buf_cstr(&ch.names));
    buf_put_str(&fields, buf_str(&ch.values));
    put_line(rq, msg, hook_log(hook != NULL ? hook : old), buf_cstr(&fields));
    buf_clear(&fields);
    buf_clear(&ch.names);
    buf_clear(&ch.values);
    picture_clear(&ch.old);
    picture_clear(&ch.hook);
}
