// SPDX-License-Identifier: MIT
// post.c — the request that the generator sends: events, or a hook to be made.

#include "bench/post.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench/wire.h"
#include "common/base/buf.h"
#include "common/base/mem.h"

#define STACK_DIGITS 3
#define STACK_KEY    "\"stackName\":\"s"
#define ORG_DIGITS   6
#define NOBODY_PORT  1029

static const char user_json[] =
    "{\"name\":\"Morty Smith\",\"githubLogin\":\"morty\","
    "\"avatarUrl\":\"https://example.com/morty.png\"}";

static void put_payload(struct buf *out, const struct post_options *o)
{
    size_t start = out->n_bytes;

    buf_puts(out, "{" WIRE_STAMP_KEY);
    for (size_t i = 0; i < WIRE_STAMP_BYTES; i++)
        buf_putc(out, '0');
    buf_printf(out, "\",\"user\":%s,\"organization\":%s", user_json, user_json);
    buf_printf(out, ",\"projectName\":\"%s\"," STACK_KEY "000\"", o->project);
    buf_puts(out, ",\"updateUrl\":\"https://example.com/updates/42\","
                  "\"kind\":\"update\",\"result\":\"succeeded\","
                  "\"resourceChanges\":{\"update\":3,\"same\":28},"
                  "\"isPreview\":false,\"pad\":\"");
    while (out->n_bytes - start + 2 < o->payload_bytes)
        buf_putc(out, 'x');
    buf_puts(out, "\"}");
}

// Appends the body that creates a hook. The generator writes its stamps under keys that
// the API ignores.
static void put_hook(struct buf *out, const struct post_options *o)
{
    buf_puts(out, "{" WIRE_STAMP_KEY);
    for (size_t i = 0; i < WIRE_STAMP_BYTES; i++)
        buf_putc(out, '0');
    buf_printf(out,
               "\",\"organizationName\":\"%s\",\"displayName\":\"a hook\","
               "\"payloadUrl\":\"http://127.0.0.1:%" PRIu64 "/h/%s\","
               "\"active\":true,\"format\":\"raw\","
               "\"secret\":\"bench-secret\",\"filters\":[%s],"
               "\"unread\":{" STACK_KEY "000\"}}\n",
               o->hooks_of, o->hooks_port != 0 ? o->hooks_port : NOBODY_PORT,
               o->hooks_of, o->hooks_port != 0 ? "" : "\"update_failed\"");
}

static void put_line(struct buf *out, const struct post_options *o)
{
    if (o->hooks_of != NULL) {
        put_hook(out, o);
        return;
    }
    buf_printf(out, "{\"kind\":\"%s\",\"payload\":", o->kind);
    put_payload(out, o);
    buf_puts(out, "}\n");
}

static size_t offset_of(struct str line, const char *key)
{
    const char *at = memmem(line.at, line.n_bytes, key, strlen(key));

    return at != NULL ? (size_t)(at - line.at) + strlen(key) : 0;
}

static void put_head(struct buf *out, const struct post_options *o,
                     size_t body_bytes)
{
    buf_printf(out, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%" PRIu64 "\r\n",
               o->path, o->port);
    buf_printf(out, "Content-Type: application/%s\r\n",
               o->batch > 1 ? "x-ndjson" : "json");
    if (o->token != NULL)
        buf_printf(out, "Authorization: Bearer %s\r\n", o->token);
    buf_printf(out, "Content-Length: %zu\r\n\r\n", body_bytes);
}

static void find_orgs(struct post *p)
{
    size_t n = 0;

    for (size_t at = 0; n < POST_ORG_PLACES;) {
        struct str rest = { p->at + at, p->n_bytes - at };
        size_t found = offset_of(rest, POST_ORG);

        if (found == 0)
            break;
        at += found;
        p->orgs[n++] = at - ORG_DIGITS;
    }
}

void post_init(struct post *p, const struct post_options *options)
{
    struct buf line;
    struct buf out;

    buf_init(&line, 0);
    buf_init(&out, 0);
    put_line(&line, options);
    put_head(&out, options, line.n_bytes * (size_t)options->batch);
    *p = (struct post){ .first_line = out.n_bytes,
                        .line_bytes = line.n_bytes,
                        .stamp = offset_of(buf_str(&line), WIRE_STAMP_KEY),
                        .stack = offset_of(buf_str(&line), STACK_KEY),
                        .n_stacks = options->n_stacks,
                        .n_orgs = options->n_orgs,
                        .batch = options->batch };
    for (uint64_t i = 0; i < options->batch; i++)
        buf_put_str(&out, buf_str(&line));
    p->at = buf_take(&out, &p->n_bytes);
    if (p->n_orgs > 0)
        find_orgs(p);
    buf_clear(&line);
}

void post_copy(struct post *to, const struct post *from)
{
    *to = *from;
    to->at = xmalloc(from->n_bytes);
    memcpy(to->at, from->at, from->n_bytes);
}

void post_clear(struct post *p)
{
    free(p->at);
    p->at = NULL;
}

static void write_digits(char *to, size_t n_digits, uint64_t number)
{
    for (size_t digit = n_digits; digit > 0; digit--) {
        to[digit - 1] = (char)('0' + number % 10);
        number /= 10;
    }
}

void post_stamp(struct post *p, uint64_t seq, int64_t sent_us)
{
    char *line = p->at + p->first_line;

    for (uint64_t i = 0; i < p->batch; i++, line += p->line_bytes) {
        struct wire_stamp stamp = { .sent_us = sent_us, .seq = seq + i };

        wire_stamp_write(line + p->stamp, &stamp);
        write_digits(line + p->stack, STACK_DIGITS, stamp.seq % p->n_stacks);
    }
    if (p->n_orgs == 0 || p->batch == 0)
        return;
    for (size_t i = 0; i < POST_ORG_PLACES && p->orgs[i] != 0; i++) {
        write_digits(p->at + p->orgs[i], ORG_DIGITS,
                     seq / p->batch % p->n_orgs);
    }
}
