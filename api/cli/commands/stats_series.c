// SPDX-License-Identifier: MIT
// stats_series.c — `posthorn stats --series`: a window, slot by slot.

#include "api/cli/commands/stats_series.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/terminal.h"

static void put_rate(struct table *t, const struct json_value *rate)
{
    struct str digits = json_number(rate);
    char text[32];

    if (digits.n_bytes == 0 || digits.n_bytes >= sizeof(text)) {
        table_put(t, STR("-"), DIM); // no attempt ended
        return;
    }
    memcpy(text, digits.at, digits.n_bytes);
    text[digits.n_bytes] = '\0';
    table_printf(t, "%.1f %%", strtod(text, NULL) * 100);
}

static void put_duration(struct table *t, const struct json_value *us)
{
    struct buf text;

    buf_init(&text, 0);
    if (us != NULL) {
        terminal_put_duration(&text, json_int_or_zero(us));
    } else {
        buf_putc(&text, '-');
    }
    table_put(t, buf_str(&text), us != NULL ? PLAIN : DIM);
    buf_clear(&text);
}

static void put_slot(struct table *t, const struct json_value *slot)
{
    static const char *const outcomes[] = { "delivered", "retrying", "dead" };
    const struct json_value *total =
        json_get(json_get(slot, "timing"), "totalUs");
    struct buf text;

    buf_init(&text, 0);
    terminal_put_time(&text, json_int_or_zero(json_get(slot, "from")));
    table_put(t, buf_str(&text), PLAIN);
    buf_clear(&text);
    table_printf(t, "%" PRId64, json_int_or_zero(json_get(slot, "attempts")));
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        table_printf(t, "%" PRId64,
                     json_int_or_zero(
                         json_get(json_get(slot, "outcomes"), outcomes[i])));
    }
    put_rate(t, json_get(slot, "successRate"));
    put_duration(t, json_get(total, "p50"));
    put_duration(t, json_get(total, "p99"));
}

static void print_series(const struct json_value *series)
{
    static const char *const titles[] = { "FROM",  "ATTEMPTS", "DELIVERED",
                                          "AGAIN", "DEAD",     "SUCCESS",
                                          "P50",   "P99" };
    struct json_iter it = json_iter(json_get(series, "slots"));
    const struct json_value *slot;
    struct table t;

    table_init(&t, titles, 8, "0");
    while ((slot = json_next(&it, NULL)) != NULL)
        put_slot(&t, slot);
    table_end(&t, stdout);
}

int stats_series(const struct args *args, struct buf *path)
{
    struct client_call call = { .method = "GET" };
    const char *window = args_text(args, "window");
    struct buf answer;
    int status = EXIT_FAILED;

    buf_init(&answer, 0);
    buf_puts(path, "/series");
    if (window != NULL)
        buf_printf(path, "?window=%s", window);
    call.path = buf_cstr(path);
    if (client_request(args, &call, &answer) == OK)
        status = client_print(args, &answer, print_series);
    buf_clear(&answer);
    return status;
}
