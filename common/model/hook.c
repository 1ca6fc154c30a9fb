// SPDX-License-Identifier: MIT
// hook.c — hooks in memory: copies, and their paths for people.

#include "common/model/hook.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/encoding/crypto.h"

bool hook_scope_holds(const struct hook_scope *scope, const struct event *event)
{
    if (scope->dialect != event->dialect || !str_eq(scope->org, event->org))
        return false;
    switch (scope->level) {
    case LEVEL_ORGANIZATION:
        return true;
    case LEVEL_STACK:
        return str_eq(scope->project, event->project) &&
               str_eq(scope->target, event->stack);
    case LEVEL_ENVIRONMENT:
        return str_eq(scope->project, event->project) &&
               str_eq(scope->target, event->env);
    case LEVEL_PROJECT:
        return str_eq(scope->project, event->project);
    }
    return false;
}

// --- how people call them ---

const char *hook_level_name(enum hook_level level)
{
    switch (level) {
    case LEVEL_ORGANIZATION:
        return "organization";
    case LEVEL_STACK:
        return "stack";
    case LEVEL_ENVIRONMENT:
        return "environment";
    case LEVEL_PROJECT:
        return "project";
    }
    return "nothing";
}

const char *hook_disabled_name(enum hook_disabled disabled)
{
    switch (disabled) {
    case HOOK_NOT_DISABLED:
        break;
    case HOOK_GONE:
        return "gone";
    case HOOK_FAILING:
        return "failing";
    }
    return "";
}

const char *hook_signing_name(enum hook_signing signing)
{
    switch (signing) {
    case SIGNING_NONE:
        break;
    case SIGNING_OWN:
        return "own";
    case SIGNING_ORGANIZATION:
        return "organization";
    }
    return "none";
}

bool hook_handshake_is_current(const struct hook *h, struct str origin)
{
    uint8_t sha256[SHA256_BYTES];

    if (h->handshake.answer == HANDSHAKE_NONE ||
        !str_eq(h->handshake.origin, origin))
        return false;
    crypto_sha256(h->url, sha256);
    return str_eq(h->handshake.url_sha256,
                  (struct str){ (const char *)sha256, sizeof(sha256) });
}

bool hook_awaits_handshake(const struct hook *h, struct str origin)
{
    return h->handshake.is_wanted &&
           (h->handshake.answer != HANDSHAKE_ALLOWED ||
            !hook_handshake_is_current(h, origin));
}

size_t hook_count_old(const struct hook *h, bool are_keys, int64_t *until_ms)
{
    size_t n = 0;

    *until_ms = 0;
    for (size_t i = 0; i < h->n_old; i++) {
        if ((h->old[i].kind != OLD_SECRET) != are_keys)
            continue;
        n++;
        if (h->old[i].until_ms > *until_ms)
            *until_ms = h->old[i].until_ms;
    }
    return n;
}

// --- a copy in one piece ---

static struct str copy_str(struct str s, char **to)
{
    char *at = *to;

    if (s.n_bytes > 0)
        memcpy(at, s.at, s.n_bytes);
    *to += s.n_bytes;
    return (struct str){ at, s.n_bytes };
}

static size_t list_bytes(const struct str *list, size_t n)
{
    size_t n_bytes = n * sizeof(*list);

    for (size_t i = 0; i < n; i++)
        n_bytes += list[i].n_bytes;
    return n_bytes;
}

static struct str *copy_list(const struct str *list, size_t n,
                             struct str **array, char **text)
{
    struct str *copy = *array;

    for (size_t i = 0; i < n; i++)
        copy[i] = copy_str(list[i], text);
    *array += n;
    return copy;
}

#define HOOK_TEXTS 17

// All but the lists.
static void texts_of(struct hook *h, struct str *texts[HOOK_TEXTS])
{
    struct str *all[HOOK_TEXTS] = {
        &h->handshake.origin,
        &h->handshake.url_sha256,
        &h->handshake.reason,
        &h->scope.org,
        &h->scope.project,
        &h->scope.target,
        &h->name,
        &h->display_name,
        &h->url,
        &h->secret,
        &h->client_cert,
        &h->client_key,
        &h->policy.retry_schedule,
        &h->policy.order_key,
        &h->filter_order,
        &h->pattern,
        &h->sign_key,
    };

    memcpy(texts, all, sizeof(all));
}

struct hook *hook_copy(const struct hook *h)
{
    struct hook draft = *h;
    struct str *texts[HOOK_TEXTS];
    struct hook *copy;
    struct str *array;
    char *text;
    size_t n_bytes = sizeof(*h) + list_bytes(h->kinds, h->n_kinds) +
                     list_bytes(h->headers, h->n_headers) +
                     h->n_old * sizeof(*h->old);

    texts_of(&draft, texts);
    for (size_t i = 0; i < HOOK_TEXTS; i++)
        n_bytes += texts[i]->n_bytes;
    for (size_t i = 0; i < h->n_old; i++)
        n_bytes += h->old[i].secret.n_bytes;
    copy = xmalloc(n_bytes);
    *copy = *h;
    copy->old = (struct old_secret *)(void *)(copy + 1);
    array = (struct str *)(void *)(copy->old + h->n_old);
    text = (char *)(array + h->n_kinds + h->n_headers);
    copy->kinds = copy_list(h->kinds, h->n_kinds, &array, &text);
    copy->headers = copy_list(h->headers, h->n_headers, &array, &text);
    texts_of(copy, texts);
    for (size_t i = 0; i < HOOK_TEXTS; i++)
        *texts[i] = copy_str(*texts[i], &text);
    for (size_t i = 0; i < h->n_old; i++) {
        copy->old[i] = h->old[i];
        copy->old[i].secret = copy_str(h->old[i].secret, &text);
    }
    return copy;
}

static void wipe_str(struct str s)
{
    // The text lies in the copy, which this module owns.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): takes the const away
    crypto_wipe((void *)(uintptr_t)s.at, s.n_bytes);
}

void hook_free(struct hook *h)
{
    if (h == NULL)
        return;
    wipe_str(h->secret);
    wipe_str(h->client_key);
    wipe_str(h->sign_key);
    for (size_t i = 0; i < h->n_old; i++)
        wipe_str(h->old[i].secret);
    for (size_t i = 0; i + 1 < h->n_headers; i += 2)
        wipe_str(h->headers[i + 1]);
    free(h);
}
