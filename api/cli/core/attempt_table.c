// SPDX-License-Identifier: MIT
// attempt_table.c — attempts as rows of a table.

#include "api/cli/core/attempt_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/core/when.h"
#include "common/base/clock.h"

// The id is never cut, since it is an argument of other commands. On 80 columns the
// table shows the time, the state, the id and the error's name; on 120 columns
// everything except the duration.
void attempt_table_begin(struct table *t, bool with_hook)
{
    static const char *const titles[] = { "TIME (UTC)", "STATE", "CODE",
                                          "TRY",        "TOOK",  "ID",
                                          "KIND",       "ERROR", "HOOK" };

    table_init(t, titles, with_hook ? 9 : 8, "867");
    t->droppable = "43826";
    t->spare = "43";
    t->good = 15;
    t->least = 10; // "status 500"
}

// Appends the class and message of an error, as "timeout: no answer for 30 s". The
// message "status 500" names its class already, so it stands alone.
static void put_error(const struct json_value *a, struct buf *out)
{
    const struct json_value *error = json_get(a, "error");
    struct str class = json_str(json_get(error, "class"));
    struct str message = json_str(json_get(error, "message"));

    if (error == NULL || json_is(error, JSON_NULL)) {
        buf_put_str(out, json_str(json_get(a, "reason")));
        return;
    }
    if (!str_starts(message, class)) {
        buf_put_str(out, class);
        buf_puts(out, message.n_bytes > 0 ? ": " : "");
    }
    buf_put_str(out, message);
}

void attempt_table_put(struct table *t, const struct json_value *a)
{
    struct str state = json_str(json_get(a, "state"));
    int64_t code = json_int_or_zero(json_get(a, "responseCode"));
    struct buf text;

    buf_init(&text, 0);
    terminal_put_time(&text, json_int_or_zero(json_get(a, "timestamp")));
    table_put(t, buf_str(&text), PLAIN);
    table_put(t, state, terminal_state_colour(state));
    if (code == 0) {
        table_put(t, STR("-"), RED);
    } else {
        buf_reset(&text);
        buf_put_i64(&text, code);
        table_put(t, buf_str(&text), code < 300 ? GREEN : RED);
    }
    buf_reset(&text);
    buf_put_i64(&text, json_int_or_zero(json_get(a, "attempt")));
    table_put(t, buf_str(&text), PLAIN);
    buf_reset(&text);
    terminal_put_duration(
        &text, json_int_or_zero(json_get(json_get(a, "timing"), "totalUs")));
    table_put(t, buf_str(&text), PLAIN);
    table_put(t, json_str(json_get(a, "id")), PLAIN);
    table_put(t, json_str(json_get(a, "kind")), PLAIN);
    buf_reset(&text);
    put_error(a, &text);
    table_put(t, buf_str(&text), PLAIN);
    if (t->n_columns == 9)
        table_put(t, json_str(json_get(a, "hookName")), PLAIN);
    buf_clear(&text);
}

// --- filters ---

static const struct {
    const char *option;
    const char *param;  // its name in a query
    const char *member; // its name in the body of a replay; NULL: it has none
} filters[] = {
    { "state", "state", "state" }, { "error", "error", "error" },
    { "kind", "kind", "kinds" },   { "code", "code", "code" },
    { "since", "since", "since" }, { "until", "until", "until" },
    { "id", "id", NULL },
};

#define N_FILTERS (sizeof(filters) / sizeof(filters[0]))

static const char *const time_options[] = { "since", "until" };
static char times[2][24]; // unix seconds, as text; empty: not given

bool attempt_filter_read_times(const struct args *args)
{
    int64_t now_s = clock_now_ms() / 1000;

    for (size_t i = 0; i < 2; i++) {
        const char *text = args_text(args, time_options[i]);
        int64_t seconds;

        times[i][0] = '\0';
        if (text == NULL)
            continue;
        if (!when_read(text, now_s, &seconds)) {
            command_misused(args->command, "--%s %s is no time; allowed: %s",
                            time_options[i], text, WHEN_ALLOWED);
            return false;
        }
        snprintf(times[i], sizeof(times[i]), "%" PRId64, seconds);
    }
    return true;
}

static const char *value_of(const struct args *args, const char *option)
{
    for (size_t i = 0; i < 2; i++) {
        if (strcmp(option, time_options[i]) == 0)
            return times[i][0] != '\0' ? times[i] : NULL;
    }
    return args_text(args, option);
}

void query_put_escaped(struct buf *path, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~,:";

    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL) {
            buf_putc(path, *text);
        } else {
            buf_printf(path, "%%%02X", (unsigned)(unsigned char)*text);
        }
    }
}

void attempt_filter_put_query(const struct args *args, struct buf *path)
{
    for (size_t i = 0; i < N_FILTERS; i++) {
        const char *value = value_of(args, filters[i].option);

        if (value == NULL)
            continue;
        buf_putc(path,
                 memchr(path->at, '?', path->n_bytes) == NULL ? '?' : '&');
        buf_printf(path, "%s=", filters[i].param);
        query_put_escaped(path, value);
    }
}

static bool is_number(const char *text)
{
    return text[0] != '\0' && strlen(text) < 12 &&
           strspn(text, "0123456789") == strlen(text);
}

void attempt_filter_put_members(const struct args *args, struct json_writer *w)
{
    const char *id;
    size_t n = 0;

    for (size_t i = 0; i < N_FILTERS; i++) {
        const char *value = value_of(args, filters[i].option);

        if (value == NULL || filters[i].member == NULL)
            continue;
        if (is_number(value)) {
            json_put_raw(w, filters[i].member, str_of(value));
        } else {
            json_put_text(w, filters[i].member, value);
        }
    }
    if (!args_has(args, "id"))
        return;
    json_open_array(w, "ids");
    while ((id = args_next(args, "id", &n)) != NULL)
        json_put_text(w, NULL, id);
    json_close(w);
}
