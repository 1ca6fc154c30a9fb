// SPDX-License-Identifier: MIT
// summary.c — an event's content for people.

#include "common/model/formats/summary.h"

#include <string.h>

#include "common/base/utf8.h"
#include "common/encoding/json.h"
#include "common/model/event_kinds.h"

#define VALUE_MAX_BYTES 600
#define TITLE_MAX_BYTES 600
#define LABEL_MAX_BYTES 60
#define URL_MAX_SHOWN   1000

struct reading {
    const struct format_event *event;
    const struct json_value *payload;
    struct summary *out;
    struct buf text; // scratch
};

struct str summary_cut(struct str text, size_t max_bytes, bool *is_cut)
{
    size_t n = 0;

    *is_cut = text.n_bytes > max_bytes;
    if (!*is_cut)
        return text;
    while (n < text.n_bytes) {
        size_t len = utf8_len(text.at + n, text.n_bytes - n);

        if (len == 0 || n + len > max_bytes)
            break;
        n += len;
    }
    return (struct str){ text.at, n };
}

// --- texts ---

static void put_value(struct buf *out, const struct json_value *v)
{
    if (json_is(v, JSON_STRING)) {
        buf_put_plain(out, json_str(v));
    } else if (json_is(v, JSON_NUMBER)) {
        buf_put_str(out, json_number(v));
    } else if (json_is(v, JSON_BOOL)) {
        buf_puts(out, json_bool(v) ? "true" : "false");
    }
}

// Keeps the contents of `text`, at most `max_bytes`.
static struct str keep(struct reading *r, size_t max_bytes)
{
    struct str whole = buf_str(&r->text);
    bool is_cut;
    struct str part = summary_cut(whole, max_bytes, &is_cut);

    if (is_cut) {
        r->text.n_bytes = part.n_bytes;
        buf_puts(&r->text, "…");
    }
    return arena_copy(&r->out->arena, buf_str(&r->text));
}

// Adds a fact with the value in `text`, unless that is empty.
static void add_fact(struct reading *r, struct str label)
{
    struct summary *s = r->out;

    if (r->text.n_bytes == 0 || s->n_facts == SUMMARY_FACTS_MAX)
        return;
    s->facts[s->n_facts++] = (struct fact){ label, keep(r, VALUE_MAX_BYTES) };
}

static void add_member(struct reading *r, const char *label, const char *key)
{
    buf_reset(&r->text);
    put_value(&r->text, json_get(r->payload, key));
    add_fact(r, str_of(label));
}

// --- facts ---

static void add_user(struct reading *r)
{
    const struct json_value *user = json_get(r->payload, "user");
    struct str name = json_str(json_get(user, "name"));
    struct str login = json_str(json_get(user, "githubLogin"));

    buf_reset(&r->text);
    buf_put_plain(&r->text, name.n_bytes > 0 ? name : login);
    if (name.n_bytes > 0 && login.n_bytes > 0) {
        buf_puts(&r->text, " (");
        buf_put_plain(&r->text, login);
        buf_putc(&r->text, ')');
    }
    add_fact(r, STR("User"));
}

static void add_list(struct reading *r, const char *label, const char *key)
{
    const struct json_value *list = json_get(r->payload, key);
    struct json_iter it = json_iter(list);
    const struct json_value *item;

    if (!json_is(list, JSON_ARRAY))
        return;
    buf_reset(&r->text);
    while ((item = json_next(&it, NULL)) != NULL) {
        if (r->text.n_bytes > 0)
            buf_puts(&r->text, ", ");
        put_value(&r->text, item);
    }
    add_fact(r, str_of(label));
}

static void add_changes(struct reading *r)
{
    const struct json_value *changes = json_get(r->payload, "resourceChanges");
    struct json_iter it = json_iter(changes);
    const struct json_value *item;
    struct str key;

    if (!json_is(changes, JSON_OBJECT))
        return;
    buf_reset(&r->text);
    while ((item = json_next(&it, &key)) != NULL) {
        if (r->text.n_bytes > 0)
            buf_putc(&r->text, '\n');
        buf_put_plain(&r->text, key);
        buf_puts(&r->text, ": ");
        put_value(&r->text, item);
    }
    add_fact(r, STR("Resource changes"));
}

static void add_imported(struct reading *r)
{
    const struct json_value *imported =
        json_get(r->payload, "importedEnvironmentReference");

    buf_reset(&r->text);
    put_value(&r->text, json_get(imported, "projectName"));
    if (r->text.n_bytes > 0)
        buf_putc(&r->text, '/');
    put_value(&r->text, json_get(imported, "name"));
    put_value(&r->text, json_get(imported, "environmentName"));
    add_fact(r, STR("Imported environment"));
}

static void add_team(struct reading *r)
{
    buf_reset(&r->text);
    put_value(&r->text, json_get(json_get(r->payload, "team"), "name"));
    add_fact(r, STR("Team"));
}

static bool is_kind(const struct reading *r, const char *kind)
{
    return str_is(r->event->kind, kind);
}

static bool is_custom(const struct reading *r)
{
    return kind_has_separator(r->event->kind);
}

static bool is_own(const struct reading *r)
{
    return kind_is_own(r->event->kind);
}

// Why the last delivery failed, from the engine's own event about dead letters.
static void add_own_error(struct reading *r)
{
    const struct json_value *delivery = json_get(r->payload, "delivery");

    buf_reset(&r->text);
    put_value(&r->text, json_get(delivery, "errorMessage"));
    add_fact(r, STR("Error"));
}

// For unknown kinds: the first members of the payload.
static void add_first_members(struct reading *r)
{
    struct json_iter it = json_iter(r->payload);
    const struct json_value *item;
    struct str key;

    while ((item = json_next(&it, &key)) != NULL &&
           r->out->n_facts < SUMMARY_FACTS_MAX) {
        struct str label;

        buf_reset(&r->text);
        buf_put_plain(&r->text, key);
        label = keep(r, LABEL_MAX_BYTES);
        buf_reset(&r->text);
        put_value(&r->text, item);
        if (label.n_bytes > 0)
            add_fact(r, label);
    }
}

// A payload that is no object has no members: it becomes one fact, as JSON.
static void add_payload(struct reading *r)
{
    buf_reset(&r->text);
    if (json_is(r->payload, JSON_STRING)) {
        buf_put_plain(&r->text, json_str(r->payload));
    } else {
        buf_put_plain(&r->text, r->event->payload);
    }
    add_fact(r, STR("Payload"));
}

static void add_known_members(struct reading *r)
{
    static const struct {
        const char *label, *key;
    } members[] = {
        { "Operation", "kind" },     { "Operation", "operation" },
        { "Action", "action" },      { "Status", "status" },
        { "Result", "result" },      { "Drift detected", "driftDetected" },
        { "Deployment", "version" }, { "Tag", "tagName" },
        { "Revision", "revision" },  { "Policy pack", "policyPackName" },
        { "Policy", "policyName" },  { "Enforcement", "enforcementLevel" },
        { "Message", "message" },
    };

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
        add_member(r, members[i].label, members[i].key);
    add_team(r);
    add_list(r, "Affected revisions", "affectedRevisions");
    add_imported(r);
    add_changes(r);
}

static void add_facts(struct reading *r)
{
    if (!is_custom(r))
        add_user(r);
    buf_reset(&r->text);
    buf_put_plain(&r->text, r->event->kind);
    add_fact(r, STR("Event kind"));
    if (is_custom(r) && !json_is(r->payload, JSON_OBJECT)) {
        add_payload(r);
    } else if (is_custom(r)) {
        add_first_members(r);
        if (is_own(r))
            add_own_error(r);
    } else {
        add_known_members(r);
    }
}

// --- title and mood ---

static void put_scope(struct reading *r)
{
    const struct format_event *e = r->event;
    const struct str parts[] = { e->org, e->project,
                                 e->stack.n_bytes > 0 ? e->stack : e->env };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].n_bytes == 0)
            continue;
        if (i > 0)
            buf_putc(&r->text, '/');
        buf_put_plain(&r->text, parts[i]);
    }
    buf_putc(&r->text, ' ');
}

// Puts which webhook one of the engine's own events is about.
static void put_own_scope(struct reading *r)
{
    static const char *const keys[] = { "organizationName", "projectName",
                                        "stackName", "environmentName" };
    const struct json_value *hook = json_get(r->payload, "hook");

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const struct json_value *name = json_get(hook, keys[i]);

        if (i > 0 && name != NULL)
            buf_putc(&r->text, '/');
        put_value(&r->text, name);
    }
    buf_puts(&r->text, " webhook ");
    put_value(&r->text, json_get(hook, "name"));
    buf_putc(&r->text, ' ');
}

static const struct {
    const char *kind, *phrase;
    enum mood mood;
} own_summaries[] = {
    { KIND_HOOK_FAILING, "is failing", MOOD_BAD },
    { KIND_HOOK_RECOVERED, "has recovered", MOOD_GOOD },
    { KIND_HOOK_DISABLED, "was switched off", MOOD_BAD },
    { KIND_DELIVERY_DEAD, "has dead letters", MOOD_BAD },
};

#define N_OWN_KINDS (sizeof(own_summaries) / sizeof(own_summaries[0]))

// N_OWN_KINDS: it is not one of the engine's own kinds.
static size_t own_kind(const struct reading *r)
{
    size_t i = 0;

    while (i < N_OWN_KINDS && !is_kind(r, own_summaries[i].kind))
        i++;
    return i;
}

// "environment_revision_tag" as words.
static void put_words(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.n_bytes; i++) {
        if (name.at[i] == '_' || name.at[i] == '-') {
            buf_putc(out, ' ');
        } else {
            buf_putc(out, name.at[i]);
        }
    }
}

// The member that states the result; an empty string if there is none.
static struct str word_of(const struct reading *r)
{
    static const char *const keys[] = { "result", "status", "action",
                                        "enforcementLevel" };
    struct str word = STR_EMPTY;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (word.n_bytes == 0)
            word = json_str(json_get(r->payload, keys[i]));
    }
    if (is_kind(r, "deployment") && str_is(word, "running"))
        return STR("started");
    if (is_kind(r, "deployment") &&
        (str_is(word, "not-started") || str_is(word, "accepted")))
        return STR("queued");
    return word;
}

static bool has_drift(const struct reading *r)
{
    return is_kind(r, "drift_detection") &&
           json_bool(json_get(r->payload, "driftDetected"));
}

static bool is_preview(const struct reading *r)
{
    return is_kind(r, "stack_preview") ||
           (is_kind(r, "stack_update") &&
            json_bool(json_get(r->payload, "isPreview")));
}

static void put_phrase(struct reading *r, struct str word)
{
    struct str operation = json_str(json_get(r->payload, "kind"));

    if (is_custom(r)) {
        buf_put_plain(&r->text, r->event->kind);
        return;
    }
    if (has_drift(r)) {
        buf_puts(&r->text, "drift detected");
        return;
    }
    if (is_preview(r)) {
        buf_puts(&r->text, "preview");
    } else if (is_kind(r, "stack_update") && operation.n_bytes > 0) {
        buf_put_plain(&r->text, operation);
    } else {
        put_words(&r->text, r->event->kind);
    }
    if (word.n_bytes > 0) {
        buf_putc(&r->text, ' ');
        buf_put_plain(&r->text, word);
    }
}

static enum mood mood_of(const struct reading *r, struct str word)
{
    static const char *const good[] = { "succeeded", "created", "applied",
                                        "approved" };
    static const char *const bad[] = { "failed", "deleted", "mandatory" };

    if (own_kind(r) < N_OWN_KINDS)
        return own_summaries[own_kind(r)].mood;
    if (is_custom(r) || has_drift(r))
        return MOOD_OTHER;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (str_is(word, good[i]))
            return MOOD_GOOD;
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (str_is(word, bad[i]))
            return MOOD_BAD;
    }
    return MOOD_OTHER;
}

// --- link ---

static bool is_link(struct str url)
{
    if (url.n_bytes == 0 || url.n_bytes > URL_MAX_SHOWN ||
        (!str_starts(url, STR("https://")) && !str_starts(url, STR("http://"))))
        return false;
    for (size_t i = 0; i < url.n_bytes; i++) {
        unsigned char c = (unsigned char)url.at[i];

        if (c <= ' ' || c >= 0x7f || strchr("<>|\"\\^`{}", c) != NULL)
            return false;
    }
    return true;
}

static struct str link_of(const struct reading *r)
{
    static const char *const keys[] = { "updateUrl", "deploymentUrl",
                                        "referenceUrl", "url" };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct str url = json_str(json_get(r->payload, keys[i]));

        if (is_link(url))
            return arena_copy(&r->out->arena, url);
    }
    return STR_EMPTY;
}

// --- all of it ---

static void read_ping(struct reading *r)
{
    put_value(&r->text, json_get(r->payload, "message"));
    if (r->text.n_bytes == 0)
        buf_puts(&r->text, "ping");
    r->out->title = keep(r, TITLE_MAX_BYTES);
}

static void read_event(struct reading *r)
{
    struct str word = word_of(r);

    if (own_kind(r) < N_OWN_KINDS) {
        put_own_scope(r);
        buf_puts(&r->text, own_summaries[own_kind(r)].phrase);
    } else {
        put_scope(r);
        put_phrase(r, word);
    }
    r->out->title = keep(r, TITLE_MAX_BYTES);
    r->out->mood = mood_of(r, word);
    r->out->url = link_of(r);
    add_facts(r);
}

void summary_read(const struct format_event *event, struct summary *out)
{
    struct reading r = { .event = event, .out = out };
    struct json *json = NULL;

    memset(out, 0, sizeof(*out));
    out->url = STR_EMPTY;
    buf_init(&r.text, 0);
    if (json_parse(event->payload, &json_no_limits, &json, NULL) == OK)
        r.payload = json_root(json);
    if (str_is(event->kind, "ping")) {
        read_ping(&r);
    } else {
        read_event(&r);
    }
    buf_clear(&r.text);
    json_free(json);
}

void summary_clear(struct summary *s)
{
    arena_clear(&s->arena);
}
