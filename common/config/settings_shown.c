// SPDX-License-Identifier: MIT
// settings_shown.c — what people are told of a setting.

#include "common/config/settings_shown.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/config/config_types.h"

void setting_source_clear(struct setting_source *s)
{
    free(s->text);
    free(s->at);
    free(s->pending);
    *s = (struct setting_source){ .text = NULL };
}

void setting_source_set(struct setting_source *s, struct str text,
                        enum setting_origin origin, const char *at,
                        unsigned line)
{
    char *copy = xstrndup(text.at != NULL ? text.at : "", text.n_bytes);

    setting_source_clear(s);
    *s = (struct setting_source){ .text = copy,
                                  .origin = origin,
                                  .at = at != NULL ? xstrdup(at) : NULL,
                                  .line = line };
}

void setting_put_origin(const struct setting_source *s, struct buf *out)
{
    switch (s->origin) {
    case ORIGIN_DEFAULT:
        buf_puts(out, "default");
        break;
    case ORIGIN_FILE:
        buf_printf(out, "%s:%u", s->at, s->line);
        break;
    case ORIGIN_ENVIRONMENT:
        buf_puts(out, "environment");
        break;
    case ORIGIN_COMMAND_LINE:
        buf_puts(out, "--set");
        break;
    case ORIGIN_FOLLOWS:
        buf_puts(out, s->at);
        break;
    }
}

void setting_put_allowed(const struct setting *s, struct buf *out)
{
    switch (s->type) {
    case TYPE_BYTES:
        config_put_bytes(s->min, out);
        buf_puts(out, " to ");
        config_put_bytes(s->max, out);
        break;
    case TYPE_DURATION:
        config_put_duration((int64_t)s->min, out);
        buf_puts(out, " to ");
        config_put_duration((int64_t)s->max, out);
        break;
    case TYPE_COUNT:
        buf_printf(out, "%llu to %llu", (unsigned long long)s->min,
                   (unsigned long long)s->max);
        break;
    case TYPE_SCHEDULE:
        buf_printf(out, "1 to %d waits like 5s,2m,1h", RETRIES_MAX);
        break;
    case TYPE_CIDRS:
        buf_puts(out, "CIDRs like 10.0.0.0/8 or 127.0.0.1/32:8443");
        break;
    case TYPE_PORTS:
        buf_printf(out, "1 to %d ports and ranges like 443,1024-65535",
                   PORT_RANGES_MAX);
        break;
    case TYPE_ADDRESS:
        buf_puts(out, "address:port like 127.0.0.1:8080 or [::1]:8080");
        break;
    case TYPE_BOOL:
        buf_puts(out, "yes or no");
        break;
    case TYPE_TEXT:
    case TYPE_PATH:
        buf_puts(out, "text");
        break;
    }
}

// --- as JSON ---

static const char *const type_names[] = {
    [TYPE_TEXT] = "text",         [TYPE_PATH] = "path",
    [TYPE_ADDRESS] = "address",   [TYPE_COUNT] = "count",
    [TYPE_BYTES] = "bytes",       [TYPE_DURATION] = "duration",
    [TYPE_SCHEDULE] = "schedule", [TYPE_CIDRS] = "networks",
    [TYPE_PORTS] = "ports",       [TYPE_BOOL] = "boolean",
};

static const char *const origin_names[] = {
    [ORIGIN_DEFAULT] = "default",         [ORIGIN_FILE] = "file",
    [ORIGIN_ENVIRONMENT] = "environment", [ORIGIN_COMMAND_LINE] = "commandLine",
    [ORIGIN_FOLLOWS] = "follows",
};

// Each "https://user:password@host/" of the text becomes "https://********@host/".
static void put_masked(struct json_writer *w, const char *key, const char *text)
{
    const char *scheme;
    struct buf masked;

    buf_init(&masked, 0);
    while ((scheme = strstr(text, "://")) != NULL) {
        const char *begin = scheme + 3;
        const char *at = memrchr(begin, '@', strcspn(begin, "/,"));

        buf_put(&masked, text, (size_t)(begin - text));
        if (at != NULL)
            buf_puts(&masked, "********");
        text = at != NULL ? at : begin;
    }
    buf_puts(&masked, text);
    json_put_str(w, key, buf_str(&masked));
    buf_clear(&masked);
}

// Puts the value as a number, and its unit; null where it is no number.
static void put_number(const struct setting *s, const struct config *c,
                       struct json_writer *w)
{
    const char *unit = NULL;
    uint64_t n = 0; // durations are signed, but never negative

    if (s->type == TYPE_COUNT || s->type == TYPE_BYTES ||
        s->type == TYPE_DURATION) {
        memcpy(&n, (const char *)c + s->offset, sizeof(n));
        json_put_u64(w, "number", n);
    } else {
        json_put_null(w, "number");
    }
    if (s->type == TYPE_BYTES)
        unit = "bytes";
    if (s->type == TYPE_DURATION)
        unit = "ms";
    if (unit != NULL) {
        json_put_text(w, "unit", unit);
    } else {
        json_put_null(w, "unit");
    }
}

static void put_origin(const struct setting_source *from, struct json_writer *w)
{
    json_put_text(w, "origin", origin_names[from->origin]);
    if (from->origin == ORIGIN_FILE) {
        json_put_text(w, "file", from->at);
        json_put_u64(w, "line", from->line);
    }
    if (from->origin == ORIGIN_FOLLOWS)
        json_put_text(w, "follows", from->at);
}

static void print(const struct setting *s, const struct config *c,
                  const struct setting_source *from, struct json_writer *w)
{
    struct buf allowed;

    buf_init(&allowed, 0);
    setting_put_allowed(s, &allowed);
    json_open_object(w, NULL);
    json_put_text(w, "name", s->name);
    json_put_text(w, "type", type_names[s->type]);
    put_masked(w, "value", from->text);
    put_number(s, c, w);
    json_put_text(w, "default", s->fallback);
    put_origin(from, w);
    json_put_str(w, "allowed", buf_str(&allowed));
    json_put_bool(w, "needsRestart", !s->reloadable);
    if (from->pending != NULL)
        put_masked(w, "pendingValue", from->pending);
    json_put_text(w, "help", s->help);
    json_close(w);
    buf_clear(&allowed);
}

void settings_print(const struct config *c, struct json_writer *w)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        print(&settings[i], c, &c->sources[i], w);
}
