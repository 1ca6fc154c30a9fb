// SPDX-License-Identifier: MIT
// akinon_hook_json.c — a webhook of Akinon App Maker as JSON: read, checked, merged,
// printed. Pure.
//
// The published answer to a create is a project, surely by mistake. Our answer has all
// members of a webhook and the required members of a project, so that a client made
// from either description accepts it. (One difference remains: a project's name has at
// least two letters, and the schema of webhooks does not require that.)

#include <stdlib.h>
#include <string.h>

#include "api/json/delivery_policy_json.h"
#include "api/json/headers_json.h"
#include "api/json/json_members.h"
#include "api/json/pulumi_hook_json.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/utf8.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"
#include "common/model/akinon_names.h"
#include "common/model/formats/format.h"

// The maximum of a project's name, since the answer is also a project.
#define NAME_MAX_CHARS 100
#define SLUG_MIN_BYTES 2

// --- reading ---

static enum err read_event(const struct validation *validation,
                           const struct json_value *item, struct hook *hook)
{
    struct str event = json_str(item);

    if (!json_is(item, JSON_STRING) || !akinon_is_event(event)) {
        buf_printf(validation->why,
                   "events: %s is no event like deployment.build.created, of "
                   "1 to 5 parts of a-z 0-9 _ -",
                   json_is(item, JSON_STRING) ? log_quote(event)
                                              : json_type_name(item));
        return ERR_INVALID;
    }
    for (size_t i = 0; i < hook->n_kinds; i++) {
        if (str_eq(hook->kinds[i], event))
            return OK;
    }
    if (hook->n_kinds == HOOK_LIST_MAX) {
        buf_printf(validation->why, "events: more than %d", HOOK_LIST_MAX);
        return ERR_INVALID;
    }
    hook->kinds[hook->n_kinds++] = arena_copy(validation->arena, event);
    return OK;
}

static enum err read_events(const struct validation *validation,
                            const struct json_value *body, struct hook *hook)
{
    const struct json_value *list = member_find(body, "events");
    struct json_iter it = json_iter(list);
    const struct json_value *item;

    validation_at(validation, "events");
    if (list == NULL)
        return OK;
    if (!json_is(list, JSON_ARRAY)) {
        return validation_refuse(validation,
                                 "events must be an array of strings");
    }
    hook->n_kinds = 0;
    hook->kinds =
        arena_take(validation->arena, HOOK_LIST_MAX * sizeof(*hook->kinds));
    while ((item = json_next(&it, NULL)) != NULL) {
        enum err err = read_event(validation, item, hook);

        if (err != OK)
            return err;
    }
    return OK;
}

static enum err check(const struct validation *validation,
                      const struct hook *hook)
{
    size_t n = utf8_count(hook->display_name.at, hook->display_name.n_bytes);
    struct buf reason;
    enum err err;

    validation_at(validation, "name");
    if (n == 0 || n > NAME_MAX_CHARS) {
        return validation_refuse(validation,
                                 "name must be 1 to 100 characters");
    }
    validation_at(validation, "url");
    buf_init(&reason, 0);
    err = format_check_http(hook->url, "", &reason);
    if (err != OK) {
        buf_puts(validation->why, "url: ");
        buf_put_str(validation->why, buf_str(&reason));
    }
    buf_clear(&reason);
    return err;
}

static enum err merge(const struct validation *validation,
                      const struct json_value *body, struct hook *hook)
{
    enum err err;

    if (!json_is(body, JSON_OBJECT))
        return validation_refuse(validation, "the body must be a JSON object");
    err = member_text(validation, body, "name", &hook->display_name);
    if (err == OK)
        err = member_url(validation, body, "url", &hook->url);
    if (err == OK)
        err = hook_merge_active(validation, body, hook);
    if (err == OK)
        err = read_events(validation, body, hook);
    if (err == OK)
        err = headers_merge(validation, body, hook);
    if (err == OK)
        err = policy_merge(validation, body, hook);
    if (err == OK)
        err = check(validation, hook);
    return err;
}

static enum err read_new(const struct validation *validation,
                         const struct json_value *body, struct hook *hook)
{
    static const char *const required[] = { "name", "url", "events" };

    if (!json_is(body, JSON_OBJECT))
        return validation_refuse(validation, "the body must be a JSON object");
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        validation_at(validation, required[i]);
        if (member_find(body, required[i]) == NULL) {
            buf_printf(validation->why, "%s is required", required[i]);
            return ERR_INVALID;
        }
    }
    hook->format = FORMAT_AKINON;
    hook->active = true;
    return merge(validation, body, hook);
}

// --- printing ---

static void put_time(struct json_writer *w, const char *key, int64_t at_ms)
{
    clock_put_rfc3339(json_open_text(w, key), at_ms);
    json_close_text(w);
}

static void print(const struct hook_showing *to, const struct hook *hook,
                  struct json_writer *w)
{
    json_put_str(w, "_id", hook->name);
    json_put_str(w, "name", hook->display_name);
    json_put_str(w, "url", hook->url);
    headers_print(hook, to->is_masked, w);
    json_put_bool(w, "active", hook->active);
    json_open_array(w, "events");
    for (size_t i = 0; i < hook->n_kinds; i++)
        json_put_str(w, NULL, hook->kinds[i]);
    json_close(w);
    put_time(w, "createdAt", hook->created_at_ms);
    put_time(w, "updatedAt", hook->updated_at_ms);
    headers_print_marks(hook, w);
    policy_print(to, hook, w);
}

// Appends a slug (^[a-z0-9-]{2,100}$) made from the name's characters where possible.
static void put_slug(struct str name, struct buf *out)
{
    size_t start = out->n_bytes;

    for (size_t i = 0;
         i < name.n_bytes && out->n_bytes - start < NAME_MAX_CHARS; i++) {
        char c = name.at[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            buf_putc(out, c);
        } else if (out->n_bytes > start && out->at[out->n_bytes - 1] != '-') {
            buf_putc(out, '-');
        }
    }
    if (out->n_bytes - start < SLUG_MIN_BYTES) {
        out->n_bytes = start;
        buf_puts(out, "webhook");
    }
}

static void print_created(const struct hook_showing *to,
                          const struct hook *hook, struct json_writer *w)
{
    print(to, hook, w);
    put_slug(hook->display_name, json_open_text(w, "slug"));
    json_close_text(w);
    json_put_str(w, "organization", hook->scope.org);
    json_put_str(w, "project", hook->scope.project);
    json_put_text(w, "status", "draft");
}

// Appends an ObjectId: four bytes of time, then random bytes that make it unique.
static void put_name(const uint8_t *random, int64_t at_ms, struct buf *out)
{
    uint8_t time[8];

    put_be64(time, (uint64_t)(at_ms / 1000));
    crypto_put_hex(out, time + 4, 4);
    crypto_put_hex(out, random, HOOK_NAME_RANDOM);
}

const struct hook_dialect akinon_dialect = {
    .read_new = read_new,
    .merge = merge,
    .print = print,
    .print_created = print_created,
    .put_name = put_name,
};
