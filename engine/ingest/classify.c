// SPDX-License-Identifier: MIT
// classify.c — decides which filters an event has, and where it belongs.

#include "engine/ingest/classify.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/model/event_kinds.h"

#define NAME_MAX_CHARS   100
#define FILTER_MAX_BYTES 64 // of a filter's name that is put together here
#define SHOWN_MAX_BYTES  100

// What is read, the result, and where errors are written.
struct work {
    const struct json_value *payload;
    struct classified *out;
    struct buf *why;
};

// --- errors ---

static void put_shown(struct buf *why, struct str text)
{
    if (text.n_bytes > SHOWN_MAX_BYTES)
        text.n_bytes = SHOWN_MAX_BYTES;
    buf_put_json(why, text);
}

// `payload.action must be "created" or "deleted", it is "x"`
static enum err refuse(const struct work *w, const char *field,
                       const char *allowed)
{
    const struct json_value *v = json_get(w->payload, field);

    buf_printf(w->why, "payload.%s must be %s, it is ", field, allowed);
    if (v == NULL) {
        buf_puts(w->why, "missing");
    } else if (json_is(v, JSON_STRING)) {
        put_shown(w->why, json_str(v));
    } else {
        buf_puts(w->why, json_type_name(v));
    }
    return ERR_INVALID;
}

// --- fields ---

static bool has_field(const struct work *w, const char *field)
{
    const struct json_value *v = json_get(w->payload, field);

    return v != NULL && !json_is(v, JSON_NULL);
}

static enum err read_text(const struct work *w, const char *field,
                          const char *allowed, struct str *out)
{
    const struct json_value *v = json_get(w->payload, field);

    if (!json_is(v, JSON_STRING) || json_str(v).n_bytes == 0)
        return refuse(w, field, allowed);
    *out = json_str(v);
    return OK;
}

static enum err read_bool(const struct work *w, const char *field, bool *out)
{
    const struct json_value *v = json_get(w->payload, field);

    if (!json_is(v, JSON_BOOL))
        return refuse(w, field, "a boolean");
    *out = json_bool(v);
    return OK;
}

// At most NAME_MAX_CHARS characters, no control character (Unicode's Cc).
static bool is_name(struct str name)
{
    size_t n_chars = 0;

    for (size_t i = 0; i < name.n_bytes;) {
        unsigned char c = (unsigned char)name.at[i];
        size_t n_bytes = utf8_len(name.at + i, name.n_bytes - i);

        if (n_bytes == 0 || c < 0x20 || c == 0x7f)
            return false;
        if (c == 0xc2 && (unsigned char)name.at[i + 1] < 0xa0)
            return false;
        n_chars++;
        i += n_bytes;
    }
    return n_chars <= NAME_MAX_CHARS;
}

static enum err read_name(const struct work *w, const char *field,
                          struct str *out)
{
    static const char allowed[] =
        "a string of 1 to 100 characters without control characters";
    struct str name = STR_EMPTY;
    enum err err;

    err = read_text(w, field, allowed, &name);
    if (err != OK)
        return err;
    if (!is_name(name))
        return refuse(w, field, allowed);
    *out = name;
    return OK;
}

// --- filters ---

// Sets the filter `prefix`_`word`, if events of `kind` have it. Exact: unlike
// in a hook's list, no other spelling is understood.
static bool set_filter(const struct work *w, const char *kind,
                       const char *prefix, struct str word)
{
    char name[FILTER_MAX_BYTES];
    size_t n_bytes = strlen(prefix) + 1;

    if (n_bytes + word.n_bytes > sizeof(name))
        return false;
    memcpy(name, prefix, n_bytes - 1);
    name[n_bytes - 1] = '_';
    memcpy(name + n_bytes, word.at, word.n_bytes);
    n_bytes += word.n_bytes;
    for (size_t i = 0; i < n_filters; i++) {
        if (strcmp(filters[i].kind, kind) == 0 &&
            str_is((struct str){ name, n_bytes }, filters[i].name)) {
            w->out->filters |= UINT64_C(1) << i;
            return true;
        }
    }
    return false;
}

// Sets the one filter of this name, which the event always has.
static void set_named(const struct work *w, const char *name)
{
    int number = filter_find(str_of(name));

    assert(number >= 0);
    w->out->filters |= UINT64_C(1) << number;
}

// --- kinds ---

static enum err read_preview(const struct work *w)
{
    struct str result;
    enum err err;

    err = read_text(w, "result", "a string like \"succeeded\"", &result);
    if (err != OK)
        return err;
    set_filter(w, "stack_preview", "preview", result);
    return OK;
}

static bool is_word(struct str text)
{
    for (size_t i = 0; i < text.n_bytes; i++) {
        if (text.at[i] < 'a' || text.at[i] > 'z')
            return false;
    }
    return text.n_bytes <= SHOWN_MAX_BYTES;
}

static enum err read_update(const struct work *w)
{
    char prefix[SHOWN_MAX_BYTES + 1];
    struct str operation;
    struct str result;
    bool is_preview = false;
    enum err err;

    err = read_text(w, "kind", "a string like \"update\"", &operation);
    if (err != OK)
        return err;
    err = read_text(w, "result", "a string like \"succeeded\"", &result);
    if (err != OK)
        return err;
    if (has_field(w, "isPreview")) {
        err = read_bool(w, "isPreview", &is_preview);
        if (err != OK)
            return err;
    }
    if (is_preview)
        return read_preview(w);
    if (!is_word(operation))
        return OK; // it has no filter
    memcpy(prefix, operation.at, operation.n_bytes);
    prefix[operation.n_bytes] = '\0';
    set_filter(w, "stack_update", prefix, result);
    return OK;
}

static enum err read_deployment(const struct work *w)
{
    static const struct {
        const char *status;
        const char *filter;
    } filter_of[] = {
        { "queued", "deployment_queued" },
        { "not-started", "deployment_queued" },
        { "accepted", "deployment_queued" },
        { "running", "deployment_started" },
        { "succeeded", "deployment_succeeded" },
        { "failed", "deployment_failed" },
    };
    struct str status;
    enum err err;

    err = read_text(w, "status", "a string like \"running\"", &status);
    if (err != OK)
        return err;
    for (size_t i = 0; i < sizeof(filter_of) / sizeof(*filter_of); i++) {
        if (str_is(status, filter_of[i].status))
            set_named(w, filter_of[i].filter);
    }
    return OK;
}

// A drift detection that did not succeed may not know whether there is drift.
static enum err read_drift(const struct work *w)
{
    struct str status;
    bool is_detected = false;
    enum err err;

    err = read_text(w, "status", "a string like \"succeeded\"", &status);
    if (err != OK)
        return err;
    if (str_is(status, "succeeded") || has_field(w, "driftDetected")) {
        err = read_bool(w, "driftDetected", &is_detected);
        if (err != OK)
            return err;
    }
    set_filter(w, "drift_detection", "drift_detection", status);
    if (is_detected)
        set_named(w, "drift_detected");
    return OK;
}

// Pulumi has not published this payload: the outcome may have either name.
static enum err read_rotation(const struct work *w)
{
    const char *field =
        !has_field(w, "status") && has_field(w, "result") ? "result" : "status";
    struct str outcome;
    enum err err;

    err = read_text(w, field, "a string like \"succeeded\"", &outcome);
    if (err != OK)
        return err;
    set_filter(w, "environment_rotation", "environment_rotation", outcome);
    return OK;
}

static enum err read_import_change(const struct work *w)
{
    set_named(w, "imported_environment_changed");
    return OK;
}

enum place { IN_STACK, IN_ENVIRONMENT };

#define TAG_ACTIONS "\"created\", \"updated\" or \"deleted\""

// How the payload of each kind in the table is read: by the function `read`, or else
// from the word in `field`, which follows the kind in the filter's name. A word that no
// filter has is refused if Pulumi's pages list all words, else accepted.
static const struct rule {
    const char *kind;
    enum err (*read)(const struct work *w);
    const char *field;
    const char *allowed;
    enum place place;
    bool is_strict;
} rules[] = {
    { "stack", NULL, "action", "\"created\" or \"deleted\"", IN_STACK, true },
    { "stack_update", read_update, NULL, NULL, IN_STACK, false },
    { "stack_preview", read_preview, NULL, NULL, IN_STACK, false },
    { "deployment", read_deployment, NULL, NULL, IN_STACK, false },
    { "deployment_file_ingestion", NULL, "status", "a string like \"failed\"",
      IN_STACK, false },
    { "drift_detection", read_drift, NULL, NULL, IN_STACK, false },
    { "drift_remediation", NULL, "status", "a string like \"succeeded\"",
      IN_STACK, false },
    { "policy_violation", NULL, "enforcementLevel",
      "a string like \"mandatory\"", IN_STACK, false },
    { "environment", NULL, "action", "\"created\" or \"deleted\"",
      IN_ENVIRONMENT, true },
    { "environment_revision", NULL, "action", "\"created\" or \"retracted\"",
      IN_ENVIRONMENT, true },
    { "environment_revision_tag", NULL, "action", TAG_ACTIONS, IN_ENVIRONMENT,
      true },
    { "environment_tag", NULL, "action", TAG_ACTIONS, IN_ENVIRONMENT, true },
    { "imported_environment_changed", read_import_change, NULL, NULL,
      IN_ENVIRONMENT, false },
    { "environment_rotation", read_rotation, NULL, NULL, IN_ENVIRONMENT,
      false },
    { "change_request", NULL, "action", "a string like \"created\"",
      IN_ENVIRONMENT, false },
};

// NULL: the kind has no rule.
static const struct rule *rule_of(struct str kind)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        if (str_is(kind, rules[i].kind))
            return &rules[i];
    }
    return NULL;
}

static enum err read_word(const struct work *w, const struct rule *rule)
{
    struct str word;
    enum err err;

    err = read_text(w, rule->field, rule->allowed, &word);
    if (err != OK)
        return err;
    if (!set_filter(w, rule->kind, rule->kind, word) && rule->is_strict)
        return refuse(w, rule->field, rule->allowed);
    return OK;
}

static enum err read_by_rule(const struct work *w, const struct rule *rule)
{
    enum err err;

    err = read_name(w, "projectName", &w->out->project);
    if (err != OK)
        return err;
    if (rule->place == IN_STACK) {
        err = read_name(w, "stackName", &w->out->stack);
    } else {
        err = read_name(w, "environmentName", &w->out->env);
    }
    if (err != OK)
        return err;
    return rule->read != NULL ? rule->read(w) : read_word(w, rule);
}

// The payload was defined by another service: a member that is not a valid name is
// ignored.
static void read_custom(const struct work *w)
{
    const struct {
        const char *field;
        struct str *out;
    } names[] = {
        { "projectName", &w->out->project },
        { "stackName", &w->out->stack },
        { "environmentName", &w->out->env },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const struct json_value *v = json_get(w->payload, names[i].field);

        if (json_is(v, JSON_STRING) && json_str(v).n_bytes > 0 &&
            is_name(json_str(v)))
            *names[i].out = json_str(v);
    }
}

static enum err refuse_kind(struct str kind, struct buf *why)
{
    int filter = filter_find(kind);
    const char *nearest = kind_nearest(kind);

    buf_puts(why, "kind ");
    put_shown(why, kind);
    if (kind_is_reserved(kind)) {
        buf_puts(why, " is the engine's own; kinds whose first segment is "
                      "posthorn, in any case, cannot be posted");
    } else if (str_is(kind, "ping")) {
        buf_puts(why, " is not an event; a hook's ping call sends it");
    } else if (filter >= 0) {
        buf_printf(why, " is a filter; the kind of its events is \"%s\"",
                   filters[filter].kind);
    } else if (kind.n_bytes > 0 && !kind_has_separator(kind)) {
        buf_puts(why, " is not known; ");
        if (nearest != NULL)
            buf_printf(why, "did you mean \"%s\"? ", nearest);
        buf_puts(why, KIND_RULE);
    } else {
        buf_printf(why,
                   " is not valid: own kinds are segments of A-Z, a-z, 0-9, _ "
                   "and - with a dot, slash or colon between two, like "
                   "\"order.created\", at most %d characters",
                   KIND_MAX_BYTES);
    }
    return ERR_INVALID;
}

static enum err need_object(const struct json_value *payload, struct buf *why)
{
    if (json_is(payload, JSON_OBJECT))
        return OK;
    buf_printf(why, "payload must be an object, it is %s",
               payload == NULL ? "missing" : json_type_name(payload));
    return ERR_INVALID;
}

static enum err classify_custom(const struct work *w)
{
    if (w->payload == NULL) {
        buf_puts(w->why, "payload must be a JSON value, it is missing");
        return ERR_INVALID;
    }
    read_custom(w);
    return OK;
}

enum err classify_event(struct str kind, const struct json_value *payload,
                        struct classified *out, struct buf *why)
{
    struct classified c = { 0 };
    struct work w = { .payload = payload, .out = &c, .why = why };
    const struct rule *rule = rule_of(kind);
    enum err err = OK;

    if (kind_is_custom(kind) && !kind_is_reserved(kind)) {
        err = classify_custom(&w);
    } else if (rule == NULL && !kind_is_known(kind)) {
        err = refuse_kind(kind, why);
    } else {
        // The kind "team" has no rule, and goes to hooks of organizations.
        err = need_object(payload, why);
        if (err == OK && rule != NULL)
            err = read_by_rule(&w, rule);
    }
    if (err == OK)
        *out = c;
    return err;
}
