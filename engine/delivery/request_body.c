// SPDX-License-Identifier: MIT
// request_body.c — what an attempt sends: URL, method and body, by the hook's format.
//
// Happy path: a raw hook gets the event's payload as it is. For other formats the
// body is looked up in a cache by event and format, or made.

#include "engine/delivery/request_body.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/files/small_file.h"
#include "common/log/log.h"
#include "common/model/formats/format_table.h"
#include "common/process/metrics.h"

#define BODIES           16 // bodies in the cache; a power of two
#define TOKEN_ROOM_BYTES 4096

struct body {
    struct position event; // position_start: the entry is free
    int format;
    struct buf text;
};

struct renderer {
    const struct config *config; // borrowed
    struct body bodies[BODIES];
    // The body of a ping, or of an event that is only asked about: it is used once, and
    // has no position in the log that could be its key in the cache.
    struct buf unstored;
    struct buf url;
    struct buf authorization; // "token T"; empty: none
};

// --- the token ---

// The file is read as other files of tokens are: one that is a pipe must not hold up the
// loop.
static void read_token(struct renderer *r, const char *path)
{
    char text[TOKEN_ROOM_BYTES];
    struct str token = { text, 0 };
    const char *why = "";

    if (small_file_read(path, text, sizeof(text), NULL, &why) != OK) {
        log_warn("deployments_token_file cannot be read", "path=%s reason=%s",
                 log_quote(str_of(path)), log_quote(str_of(why)));
    } else {
        token.n_bytes = strlen(text);
    }
    while (token.n_bytes > 0 && (unsigned char)text[token.n_bytes - 1] <= ' ')
        token.n_bytes--;
    for (size_t i = 0; i < token.n_bytes; i++) {
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f) {
            log_warn("deployments_token_file must contain one line of visible "
                     "characters",
                     "path=%s", log_quote(str_of(path)));
            token.n_bytes = 0;
        }
    }
    if (token.n_bytes > 0) {
        buf_puts(&r->authorization, "token ");
        buf_put_str(&r->authorization, token);
    }
    crypto_wipe(text, sizeof(text));
}

void renderer_reload(struct renderer *r, const struct config *config)
{
    r->config = config;
    buf_reset(&r->authorization);
    if (config->deployments_token_file[0] != '\0')
        read_token(r, config->deployments_token_file);
}

struct renderer *renderer_new(const struct config *config)
{
    struct renderer *r = xcalloc(1, sizeof(*r));

    for (size_t i = 0; i < BODIES; i++)
        buf_init(&r->bodies[i].text, 0);
    buf_init(&r->unstored, 0);
    buf_init(&r->url, 0);
    buf_init(&r->authorization, 0);
    renderer_reload(r, config);
    return r;
}

// --- bodies ---

static void make_body(const struct format *format, const struct event *event,
                      struct buf *out)
{
    const struct format_event e = { .id = &event->id,
                                    .kind = event->kind,
                                    .org = event->org,
                                    .project = event->project,
                                    .stack = event->stack,
                                    .env = event->env,
                                    .payload = event->payload,
                                    .cloud = event->cloud,
                                    .accepted_at_us = event->accepted_at_us };

    buf_reset(out);
    format->render(&e, out);
    metrics_count(COUNTER_BODIES_RENDERED, 1);
}

static struct str body_of(struct renderer *r, const struct format *format,
                          const struct event *event)
{
    // The last byte of a position counts up from event to event.
    unsigned at = (unsigned)(event->position.bytes[7] * 4 + format->number);
    struct body *body = &r->bodies[at % BODIES];

    if (!position_is_stored(event->position)) {
        make_body(format, event, &r->unstored);
        return buf_str(&r->unstored);
    }
    if (body->format != format->number ||
        position_cmp(body->event, event->position) != 0) {
        make_body(format, event, &body->text);
        body->event = event->position;
        body->format = format->number;
    }
    return buf_str(&body->text);
}

// --- rendering ---

static enum err aim_at_deployments(struct renderer *r, const struct hook *hook,
                                   struct rendered *out)
{
    struct str base = str_of(r->config->deployments_url);

    if (base.n_bytes == 0)
        return ERR_DENIED;
    buf_reset(&r->url);
    format_deployments_url(base, hook->scope.org, hook->url, out->is_get,
                           &r->url);
    out->url = buf_str(&r->url);
    out->authorization = buf_str(&r->authorization);
    return OK;
}

enum err render(struct renderer *r, const struct hook *hook,
                const struct event *event, struct rendered *out)
{
    const struct format *format = format_by_number((int)hook->format);

    *out = (struct rendered){ .url = hook->url, .body = event->payload };
    if (format->render != NULL) {
        out->is_own_body = true;
        out->body = body_of(r, format, event);
    }
    if (hook->format != FORMAT_PULUMI_DEPLOYMENTS)
        return OK;
    if (str_is(event->kind, "ping")) { // it must not start a deployment
        out->is_get = true;
        out->body = STR_EMPTY;
    }
    return aim_at_deployments(r, hook, out);
}
