// SPDX-License-Identifier: MIT
// selection.c — which deliveries the body of a request chooses.

#include "api/deliveries/selection.h"

#include "api/json/delivery_filter.h"
#include "common/log/log.h"

#define RATE_MAX      1000000
#define LIMIT_MAX     1000000000
#define WHY_MAX_BYTES 4096

bool selection_refuse(struct selection *s, const char *key, const char *allowed)
{
    buf_printf(&s->why, "%s: this is not allowed; allowed: %s", key, allowed);
    return false;
}

static bool read_bool(struct selection *s, const struct json_value *v,
                      const char *key, bool *out)
{
    if (!json_is(v, JSON_BOOL))
        return selection_refuse(s, key, "true or false");
    *out = json_bool(v);
    return true;
}

static bool read_state(struct selection *s, const struct json_value *v)
{
    s->has_state = true;
    return filter_read_states(v, "state", &s->replay.filter, &s->why) == OK;
}

static bool read_error(struct selection *s, const struct json_value *v)
{
    return filter_read_errors(v, "error", &s->replay.filter, &s->why) == OK;
}

static bool read_kinds(struct selection *s, const struct json_value *v)
{
    return filter_read_kinds(v, "kinds", &s->replay.filter, &s->why) == OK;
}

static bool read_code(struct selection *s, const struct json_value *v)
{
    return filter_read_code(v, "code", &s->replay.filter, &s->why) == OK;
}

static bool read_since(struct selection *s, const struct json_value *v)
{
    return filter_read_time(v, "since", &s->replay.filter.since_us, &s->why) ==
           OK;
}

static bool read_until(struct selection *s, const struct json_value *v)
{
    return filter_read_time(v, "until", &s->replay.filter.until_us, &s->why) ==
           OK;
}

static bool read_ids(struct selection *s, const struct json_value *v)
{
    struct json_iter it = json_iter(v);
    const struct json_value *item;
    struct id id;

    // An empty list would filter nothing, and so choose everything.
    if (!json_is(v, JSON_ARRAY) || json_size(v) == 0 ||
        json_size(v) > REPLAY_IDS_MAX) {
        return selection_refuse(s, "ids",
                                "an array of 1 to 1000 ids of events");
    }
    while ((item = json_next(&it, NULL)) != NULL) {
        if (id_parse(json_str(item), &id) != OK)
            return selection_refuse(s, "ids", "ids of events, which are UUIDs");
        buf_put(&s->ids, id.bytes, sizeof(id.bytes));
    }
    return true;
}

static bool read_rate(struct selection *s, const struct json_value *v)
{
    int64_t rate;

    if (json_int(v, &rate) != OK || rate < 1 || rate > RATE_MAX) {
        return selection_refuse(s, "ratePerSecond",
                                "a number from 1 to 1000000");
    }
    s->replay.rate_per_second = (uint32_t)rate;
    return true;
}

static bool read_dry(struct selection *s, const struct json_value *v)
{
    return read_bool(s, v, "dryRun", &s->is_dry);
}

static bool read_unmatched(struct selection *s, const struct json_value *v)
{
    return read_bool(s, v, "unmatched", &s->replay.unmatched);
}

static bool read_continued(struct selection *s, const struct json_value *v)
{
    s->continued = json_str(v);
    if (!json_is(v, JSON_STRING) || s->continued.n_bytes == 0) {
        return selection_refuse(s, "continuationToken",
                                "one that this server gave out");
    }
    return true;
}

static bool read_limit(struct selection *s, const struct json_value *v)
{
    int64_t limit;

    if (json_int(v, &limit) != OK || limit < 1 || limit > LIMIT_MAX)
        return selection_refuse(s, "limit", "a number from 1 to 1000000000");
    s->limit = (uint64_t)limit;
    return true;
}

#define SELECT_BOTH (SELECT_REPLAY | SELECT_DISCARD)

static const struct {
    const char *key;
    bool (*read)(struct selection *s, const struct json_value *v);
    unsigned uses;
} members[] = {
    { "state", read_state, SELECT_REPLAY },
    { "error", read_error, SELECT_BOTH },
    { "kinds", read_kinds, SELECT_BOTH },
    { "code", read_code, SELECT_BOTH },
    { "since", read_since, SELECT_BOTH },
    { "until", read_until, SELECT_BOTH },
    { "ids", read_ids, SELECT_BOTH },
    { "ratePerSecond", read_rate, SELECT_REPLAY },
    { "dryRun", read_dry, SELECT_BOTH },
    { "unmatched", read_unmatched, SELECT_REPLAY },
    { "limit", read_limit, SELECT_DISCARD },
    { "continuationToken", read_continued, SELECT_DISCARD },
};

#define N_MEMBERS (sizeof(members) / sizeof(members[0]))

static bool read_member(struct selection *s, enum selection_use use,
                        struct str key, const struct json_value *v)
{
    for (size_t i = 0; i < N_MEMBERS; i++) {
        if ((members[i].uses & use) != 0 && str_is(key, members[i].key))
            return members[i].read(s, v);
    }
    buf_printf(&s->why,
               "%s: there is no such field; there are:", log_quote(key));
    for (size_t i = 0; i < N_MEMBERS; i++) {
        if ((members[i].uses & use) != 0)
            buf_printf(&s->why, " %s", members[i].key);
    }
    return false;
}

void selection_init(struct selection *s)
{
    *s = (struct selection){ .replay = { .filter = history_all } };
    buf_init(&s->ids, 0);
    buf_init(&s->why, WHY_MAX_BYTES);
}

void selection_clear(struct selection *s)
{
    buf_clear(&s->why);
    buf_clear(&s->ids);
}

bool selection_read(struct selection *s, enum selection_use use,
                    const struct json_value *body)
{
    struct json_iter it = json_iter(body);
    const struct json_value *v;
    struct str key;

    if (body != NULL && !json_is(body, JSON_OBJECT)) {
        buf_puts(&s->why, "the body must be a JSON object");
        return false;
    }
    while (body != NULL && (v = json_next(&it, &key)) != NULL) {
        if (!read_member(s, use, key, v))
            return false;
    }
    s->replay.ids = buf_str(&s->ids);
    if (s->replay.filter.since_us >= s->replay.filter.until_us)
        return selection_refuse(s, "until", "a time after since");
    return true;
}
