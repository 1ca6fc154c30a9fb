// rows.c — attempts as rows of a table.

#include "api/rows.h"

#include <string.h>

#define YEAR_BYTES 5

void rows_begin(struct table *t, bool with_hook)
{
    static const char *const titles[] = { "TIME (UTC)", "STATE", "CODE",
                                          "TOOK",       "TRY",   "ID",
                                          "KIND",       "ERROR", "HOOK" };

    table_init(t, titles, with_hook ? 9 : 8, "78653");
}

static int64_t number(const struct json_value *v)
{
    int64_t n = 0;

    return json_int(v, &n) == OK ? n : 0;
}

void rows_put(struct table *t, const struct json_value *a)
{
    struct str state = json_str(json_get(a, "state"));
    const struct json_value *error = json_get(a, "error");
    int64_t code = number(json_get(a, "responseCode"));
    struct buf text;

    buf_init(&text, 0);
    screen_put_time(&text, number(json_get(a, "timestamp")));
    buf_consume(&text, YEAR_BYTES); // retention is shorter than a year
    table_put(t, buf_str(&text), PLAIN);
    table_put(t, state, screen_state_colour(state));
    if (code == 0) {
        table_put(t, STR("-"), RED);
    } else {
        buf_reset(&text);
        buf_put_i64(&text, code);
        table_put(t, buf_str(&text), code < 300 ? GREEN : RED);
    }
    buf_reset(&text);
    screen_put_duration(&text,
                        number(json_get(json_get(a, "timing"), "totalUs")));
    table_put(t, buf_str(&text), PLAIN);
    buf_reset(&text);
    buf_put_i64(&text, number(json_get(a, "attempt")));
    table_put(t, buf_str(&text), PLAIN);
    table_put(t, json_str(json_get(a, "id")), PLAIN);
    table_put(t, json_str(json_get(a, "kind")), PLAIN);
    buf_reset(&text);
    if (json_is(error, JSON_OBJECT)) {
        buf_put_str(&text, json_str(json_get(error, "class")));
        buf_puts(&text, ": ");
        buf_put_str(&text, json_str(json_get(error, "message")));
    } else {
        buf_put_str(&text, json_str(json_get(a, "reason")));
    }
    table_put(t, buf_str(&text), PLAIN);
    if (t->n_columns == 9)
        table_put(t, json_str(json_get(a, "hookName")), PLAIN);
    buf_clear(&text);
}

// --- filters ---

static const struct {
    const char *option;
    const char *param;  // of a query
    const char *member; // of a replay; NULL: it has none
} filters[] = {
    { "state", "state", "state" }, { "error", "error", "error" },
    { "kind", "kind", "kinds" },   { "code", "code", "code" },
    { "since", "since", "since" }, { "until", "until", "until" },
    { "id", "id", NULL },
};

#define N_FILTERS (sizeof(filters) / sizeof(filters[0]))

void rows_put_escaped(struct buf *path, const char *text)
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

void rows_put_query(const struct args *args, struct buf *path)
{
    for (size_t i = 0; i < N_FILTERS; i++) {
        const char *value = args_text(args, filters[i].option);

        if (value == NULL)
            continue;
        buf_putc(path,
                 memchr(path->at, '?', path->n_bytes) == NULL ? '?' : '&');
        buf_printf(path, "%s=", filters[i].param);
        rows_put_escaped(path, value);
    }
}

static bool is_number(const char *text)
{
    return text[0] != '\0' && strlen(text) < 12 &&
           strspn(text, "0123456789") == strlen(text);
}

void rows_put_members(const struct args *args, struct buf *body)
{
    const char *separator = "";
    const char *id;
    size_t n = 0;

    for (size_t i = 0; i < N_FILTERS; i++) {
        const char *value = args_text(args, filters[i].option);

        if (value == NULL || filters[i].member == NULL)
            continue;
        buf_printf(body, "%s\"%s\":", separator, filters[i].member);
        if (is_number(value)) {
            buf_puts(body, value);
        } else {
            buf_put_json(body, str_of(value));
        }
        separator = ",";
    }
    if (!args_has(args, "id"))
        return;
    buf_printf(body, "%s\"ids\":", separator);
    separator = "[";
    while ((id = args_next(args, "id", &n)) != NULL) {
        buf_puts(body, separator);
        buf_put_json(body, str_of(id));
        separator = ",";
    }
    buf_putc(body, ']');
}
