// SPDX-License-Identifier: MIT
// pulumi_hook_json.c — a hook as JSON: read, checked, merged, printed.

#include "api/json/pulumi_hook_json.h"

#include <string.h>

#include "api/json/delivery_policy_json.h"
#include "api/json/headers_json.h"
#include "api/json/secret_json.h"
#include "common/base/utf8.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"
#include "common/model/event_kinds.h"
#include "common/model/formats/format_table.h"
#include "common/model/operator.h"

// Reads the format. An empty string counts as an absent member.
static enum err read_format(const struct validation *validation,
                            const struct json_value *body, struct hook *hook)
{
    struct str name = STR_EMPTY;
    const struct format *format;
    enum err err = member_text(validation, body, "format", &name);

    if (err != OK || name.n_bytes == 0)
        return err;
    format = format_by_name(name);
    if (format == NULL || !format->is_pulumi) {
        buf_puts(validation->why, "format must be one of: ");
        format_put_names(validation->why);
        return ERR_INVALID;
    }
    hook->format = (enum hook_format)format->number;
    return OK;
}

// --- filters and groups ---

static unsigned level_bit(enum hook_level level)
{
    switch (level) {
    case LEVEL_ORGANIZATION:
        return LEVEL_BIT_ORG;
    case LEVEL_STACK:
        return LEVEL_BIT_STACK;
    case LEVEL_ENVIRONMENT:
        return LEVEL_BIT_ENV;
    case LEVEL_PROJECT:
        return 0;
    }
    return 0;
}

static enum err refuse_level(const struct validation *validation,
                             const char *what, const char *name,
                             enum hook_level level)
{
    buf_printf(validation->why, "%s: %s is not possible on %s webhooks", what,
               name, hook_level_name(level));
    return ERR_INVALID;
}

// Adds a filter that is not in the order so far, at its end.
static void add_to_order(struct hook *hook, uint8_t number)
{
    // The text lies in the arena, so it may be written.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): takes the const away
    uint8_t *at = (uint8_t *)(uintptr_t)hook->filter_order.at;

    at[hook->filter_order.n_bytes++] = number;
}

// Says why a name is neither a filter nor a pattern.
static enum err refuse_pattern(const struct validation *validation,
                               struct str name)
{
    const char *nearest = filter_nearest(name);

    buf_printf(validation->why, "filters: ");
    if (kind_has_separator(name)) {
        buf_printf(validation->why,
                   "%s is not a kind like order.created or a pattern like "
                   "order.*: segments of A-Z a-z 0-9 _ - with a dot, slash or "
                   "colon between two, at most %d characters, and a * only at "
                   "the end after one of them",
                   log_quote(name), KIND_MAX_BYTES);
        return ERR_INVALID;
    }
    buf_printf(validation->why, "there is no filter %s; ", log_quote(name));
    if (nearest != NULL)
        buf_printf(validation->why, "did you mean %s? ", nearest);
    buf_puts(validation->why, KIND_RULE);
    if (memchr(name.at, '*', name.n_bytes) != NULL) {
        buf_puts(validation->why, ", and a * stands after one of these, like "
                                  "order.*");
    }
    return ERR_INVALID;
}

static enum err add_pattern(const struct validation *validation,
                            struct str name, struct hook *hook)
{
    if (!kind_is_pattern(name))
        return refuse_pattern(validation, name);
    if (kind_is_reserved(name) && !kind_is_own(name)) {
        buf_printf(validation->why,
                   "filters: %s names no event; the engine's own begin with "
                   "posthorn. in lower case",
                   log_quote(name));
        return ERR_INVALID;
    }
    for (size_t i = 0; i < hook->n_kinds; i++) {
        if (str_eq(hook->kinds[i], name))
            return OK;
    }
    if (hook->n_kinds == HOOK_LIST_MAX) {
        buf_printf(validation->why, "filters: more than %d own kinds",
                   HOOK_LIST_MAX);
        return ERR_INVALID;
    }
    hook->kinds[hook->n_kinds++] = arena_copy(validation->arena, name);
    add_to_order(hook, FILTER_IS_KIND);
    return OK;
}

static enum err add_filter(const struct validation *validation, struct str name,
                           struct hook *hook)
{
    int number = filter_find(name);

    if (number < 0)
        return add_pattern(validation, name, hook);
    if ((filters[number].levels & level_bit(hook->scope.level)) == 0) {
        return refuse_level(validation, "filters", filters[number].name,
                            hook->scope.level);
    }
    if ((hook->filters >> number & 1) == 0)
        add_to_order(hook, (uint8_t)number);
    hook->filters |= UINT64_C(1) << number;
    return OK;
}

static enum err add_group(const struct validation *validation, struct str name,
                          struct hook *hook)
{
    int number = group_find(name);

    if (number < 0) {
        buf_printf(validation->why, "groups: there is no group %s; groups are:",
                   log_quote(name));
        for (int i = 0; i < GROUPS; i++) {
            buf_printf(validation->why, "%s %s", i > 0 ? "," : "",
                       group_name((enum group)i));
        }
        return ERR_INVALID;
    }
    if ((group_levels((enum group)number) & level_bit(hook->scope.level)) ==
        0) {
        return refuse_level(validation, "groups",
                            group_name((enum group)number), hook->scope.level);
    }
    hook->groups |= UINT64_C(1) << number;
    return OK;
}

// Calls `add` for each string of the list; null is an empty list.
static enum err read_list(const struct validation *validation,
                          const struct json_value *list, const char *key,
                          enum err (*add)(const struct validation *, struct str,
                                          struct hook *),
                          struct hook *hook)
{
    struct json_iter it = json_iter(list);
    const struct json_value *item;

    validation_at(validation, key);
    if (list != NULL && !json_is(list, JSON_ARRAY) &&
        !json_is(list, JSON_NULL)) {
        buf_printf(validation->why, "%s must be an array of strings, not %s",
                   key, json_type_name(list));
        return ERR_INVALID;
    }
    while ((item = json_next(&it, NULL)) != NULL) {
        enum err err;

        if (!json_is(item, JSON_STRING)) {
            buf_printf(validation->why, "%s must hold strings, not %s", key,
                       json_type_name(item));
            return ERR_INVALID;
        }
        err = add(validation, json_str(item), hook);
        if (err != OK)
            return err;
    }
    return OK;
}

// Reads filters and groups. An absent list is unchanged, or becomes empty if the body
// is the whole state.
static enum err read_lists(const struct validation *validation,
                           const struct json_value *body, bool is_whole,
                           struct hook *hook)
{
    const struct json_value *list = json_get(body, "filters");
    enum err err = OK;

    if (list != NULL || is_whole) {
        hook->filters = 0;
        hook->n_kinds = 0;
        hook->kinds =
            arena_take(validation->arena, HOOK_LIST_MAX * sizeof(*hook->kinds));
        hook->filter_order =
            (struct str){ arena_take(validation->arena, FILTER_ORDER_MAX_BYTES),
                          0 };
        err = read_list(validation, list, "filters", add_filter, hook);
    }
    list = json_get(body, "groups");
    if (err == OK && (list != NULL || is_whole)) {
        hook->groups = 0;
        err = read_list(validation, list, "groups", add_group, hook);
    }
    return err;
}

// --- checking ---

bool hook_name_is_valid(struct str name)
{
    if (name.n_bytes == 0 || name.n_bytes > HOOK_NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name.n_bytes; i++) {
        char c = name.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

static enum err check_format(const struct validation *validation,
                             const struct hook *hook)
{
    const struct format *format = format_by_number((int)hook->format);
    struct buf reason;
    enum err err;

    validation_at(validation, "format");
    if (hook->scope.level == LEVEL_ORGANIZATION &&
        !format->is_for_organizations) {
        buf_printf(validation->why,
                   "'%s' format can only be used on stack or environment "
                   "webhooks.",
                   format->name);
        return ERR_INVALID;
    }
    validation_at(validation, "payloadUrl");
    buf_init(&reason, 0);
    err = format->check_url(hook->url, validation->slack_url_prefixes, &reason);
    if (err != OK) {
        buf_puts(validation->why, "payloadUrl: ");
        buf_put_str(validation->why, buf_str(&reason));
    }
    buf_clear(&reason);
    return err;
}

// Checks filters of the operator's hooks, which get only the engine's own events.
static enum err check_operator(const struct validation *validation,
                               const struct hook *hook)
{
    bool is_own = hook->filters == 0 && hook->groups == 0;

    if (!operator_is_org(hook->scope.org))
        return OK;
    validation_at(validation, NULL);
    if (hook->scope.level != LEVEL_ORGANIZATION) {
        return validation_refuse(validation,
                                 "the organization " OPERATOR_ORG " is the "
                                 "operator's: it has no stacks and no "
                                 "environments");
    }
    for (size_t i = 0; i < hook->n_kinds; i++)
        is_own = is_own && kind_is_own(hook->kinds[i]);
    if (is_own)
        return OK;
    validation_at(validation, "filters");
    return validation_refuse(
        validation,
        "filters and groups: webhooks of the organization " OPERATOR_ORG
        " get the engine's own events only; "
        "allowed are filters like posthorn.*, "
        "posthorn.hook.* and posthorn.delivery.dead, or "
        "none");
}

static enum err check(const struct validation *validation,
                      const struct hook *hook)
{
    size_t n = utf8_count(hook->display_name.at, hook->display_name.n_bytes);

    validation_at(validation, "displayName");
    if (n == 0 || n > DISPLAY_NAME_MAX_CHARS) {
        return validation_refuse(validation,
                                 "displayName must be 1 to 255 characters");
    }
    validation_at(validation, "payloadUrl");
    if (hook->url.n_bytes == 0)
        return validation_refuse(validation, "payloadUrl must not be empty");
    if (check_operator(validation, hook) != OK)
        return ERR_INVALID;
    return check_format(validation, hook);
}

// --- create ---

static enum err check_required(const struct validation *validation,
                               const struct json_value *body)
{
    static const char *const keys[] = { "organizationName", "displayName",
                                        "payloadUrl", "active" };

    if (!json_is(body, JSON_OBJECT))
        return validation_refuse(validation, "the body must be a JSON object");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        validation_at(validation, keys[i]);
        if (member_find(body, keys[i]) == NULL) {
            buf_printf(validation->why, "%s is required", keys[i]);
            return ERR_INVALID;
        }
    }
    return OK;
}

// Checks that a name in the body equals the name in the URL.
static enum err check_same(const struct validation *validation,
                           const struct json_value *body, const char *key,
                           struct str wanted, const char *sentence)
{
    struct str given = STR_EMPTY;
    enum err err = member_text(validation, body, key, &given);

    if (err != OK || given.n_bytes == 0 || str_eq(given, wanted))
        return err;
    return validation_refuse(validation, sentence);
}

static enum err check_scope(const struct validation *validation,
                            const struct json_value *body,
                            const struct hook_scope *scope)
{
    struct str org = STR_EMPTY;
    enum err err = member_text(validation, body, "organizationName", &org);

    if (err == OK && !str_eq(org, scope->org)) {
        err = validation_refuse(validation,
                                "Organization name from request body doesn't "
                                "match URL.");
    }
    if (err != OK || scope->level == LEVEL_ORGANIZATION)
        return err;
    err = check_same(validation, body, "projectName", scope->project,
                     "Project name from request body doesn't match URL");
    if (err == OK && scope->level == LEVEL_STACK) {
        err = check_same(validation, body, "stackName", scope->target,
                         "Stack name from request body doesn't match URL");
    }
    if (err == OK && scope->level == LEVEL_ENVIRONMENT) {
        err = check_same(validation, body, "envName", scope->target,
                         "Environment name from request body doesn't match "
                         "URL");
    }
    return err;
}

static enum err read_name(const struct validation *validation,
                          const struct json_value *body, struct str *out)
{
    enum err err = member_text(validation, body, "name", out);

    if (err == OK && out->n_bytes > 0 && !hook_name_is_valid(*out)) {
        err = validation_refuse(validation,
                                "name must be 1 to 32 of A-Z a-z 0-9 . _ -");
    }
    return err;
}

// Reads the members that Pulumi's API does not have.
static enum err read_additions(const struct validation *validation,
                               const struct json_value *body, struct hook *hook)
{
    enum err err = headers_merge(validation, body, hook);

    return err == OK ? policy_merge(validation, body, hook) : err;
}

enum err hook_read_new(const struct validation *validation,
                       const struct json_value *body, struct hook *hook)
{
    enum err err = check_required(validation, body);

    hook->format = FORMAT_RAW;
    hook->is_operator = operator_is_org(hook->scope.org);
    if (err == OK)
        err = check_scope(validation, body, &hook->scope);
    if (err == OK)
        err = read_name(validation, body, &hook->name);
    if (err == OK)
        err = member_text(validation, body, "displayName", &hook->display_name);
    if (err == OK)
        err = member_url(validation, body, "payloadUrl", &hook->url);
    if (err == OK)
        err = member_bool(validation, body, "active", &hook->active);
    if (err == OK)
        err = read_format(validation, body, hook);
    if (err == OK)
        err = read_lists(validation, body, true, hook);
    if (err == OK)
        err = secret_read_new(validation, body, hook);
    if (err == OK)
        err = read_additions(validation, body, hook);
    if (err == OK)
        err = check(validation, hook);
    return err;
}

// --- update ---

enum err hook_merge_active(const struct validation *validation,
                           const struct json_value *body, struct hook *hook)
{
    if (member_find(body, "active") != NULL)
        hook->disabled = HOOK_NOT_DISABLED;
    return member_bool(validation, body, "active", &hook->active);
}

enum err hook_merge(const struct validation *validation,
                    const struct json_value *body, struct hook *hook)
{
    bool is_whole = member_find(body, "displayName") != NULL &&
                    member_find(body, "payloadUrl") != NULL &&
                    member_find(body, "active") != NULL;
    enum err err;

    if (!json_is(body, JSON_OBJECT))
        return validation_refuse(validation, "the body must be a JSON object");
    hook->is_operator = operator_is_org(hook->scope.org);
    err = member_text(validation, body, "displayName", &hook->display_name);
    if (err == OK)
        err = member_url(validation, body, "payloadUrl", &hook->url);
    if (err == OK)
        err = hook_merge_active(validation, body, hook);
    if (err == OK)
        err = read_format(validation, body, hook);
    if (err == OK)
        err = read_lists(validation, body, is_whole, hook);
    if (err == OK)
        err = secret_merge(validation, body, hook);
    if (err == OK)
        err = read_additions(validation, body, hook);
    if (err == OK)
        err = check(validation, hook);
    return err;
}

// --- printing ---

static void put_scope(const struct hook_scope *scope, struct json_writer *w)
{
    json_put_str(w, "organizationName", scope->org);
    if (scope->level == LEVEL_ORGANIZATION)
        return;
    json_put_str(w, "projectName", scope->project);
    if (scope->level == LEVEL_STACK)
        json_put_str(w, "stackName", scope->target);
    if (scope->level == LEVEL_ENVIRONMENT)
        json_put_str(w, "envName", scope->target);
}

// Puts the filters in the order in which they were given, so that a client that
// compares what it wrote with what it reads finds no change. Each filter appears once,
// even if the stored order repeats it.
static void put_filters(const struct hook *hook, struct json_writer *w)
{
    uint64_t left = hook->filters;
    size_t n_kinds = 0;

    if (left == 0 && hook->n_kinds == 0)
        return;
    json_open_array(w, "filters");
    for (size_t i = 0; i < hook->filter_order.n_bytes; i++) {
        uint8_t number = (uint8_t)hook->filter_order.at[i];

        if (number == FILTER_IS_KIND && n_kinds < hook->n_kinds) {
            json_put_str(w, NULL, hook->kinds[n_kinds++]);
        } else if (number < n_filters && (left >> number & 1) != 0) {
            json_put_text(w, NULL, filters[number].name);
            left &= ~(UINT64_C(1) << number);
        }
    }
    for (size_t i = 0; i < n_filters; i++) {
        if ((left >> i & 1) != 0)
            json_put_text(w, NULL, filters[i].name);
    }
    for (; n_kinds < hook->n_kinds; n_kinds++)
        json_put_str(w, NULL, hook->kinds[n_kinds]);
    json_close(w);
}

// Puts the groups sorted by name, as Pulumi Cloud lists them.
static void put_groups(const struct hook *hook, struct json_writer *w)
{
    const char *last = "";

    if (hook->groups == 0)
        return;
    json_open_array(w, "groups");
    for (int i = 0; i < GROUPS; i++) {
        const char *next = NULL;

        for (int j = 0; j < GROUPS; j++) {
            const char *name = group_name((enum group)j);

            if ((hook->groups >> j & 1) != 0 && strcmp(name, last) > 0 &&
                (next == NULL || strcmp(name, next) < 0))
                next = name;
        }
        if (next == NULL)
            break;
        json_put_text(w, NULL, next);
        last = next;
    }
    json_close(w);
}

void hook_print(const struct hook_showing *to, const struct hook *hook,
                struct json_writer *w)
{
    put_scope(&hook->scope, w);
    json_put_str(w, "name", hook->name);
    json_put_str(w, "displayName", hook->display_name);
    json_put_str(w, "payloadUrl", hook->url);
    json_put_bool(w, "active", hook->active);
    json_put_text(w, "format", format_by_number((int)hook->format)->name);
    put_filters(hook, w);
    put_groups(hook, w);
    secret_print(to, hook, w);
    if (hook->n_headers > 0) {
        headers_print(hook, to->is_masked, w);
        headers_print_marks(hook, w);
    }
    policy_print(to, hook, w);
}

// --- the dialect ---

// Appends a name of eight digits, as Pulumi Cloud makes them.
static void put_name(const uint8_t *random, int64_t at_ms, struct buf *out)
{
    (void)at_ms;
    crypto_put_hex(out, random, 4);
}

const struct hook_dialect pulumi_dialect = {
    .read_new = hook_read_new,
    .merge = hook_merge,
    .print = hook_print,
    .print_created = hook_print,
    .put_name = put_name,
};
