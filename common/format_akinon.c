// format_akinon.c — the body of Akinon App Maker's webhooks.
//
// Its layout is not published: this one is ours, and this file is the only
// place that knows it.

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "common/format.h"
#include "common/json.h"

static void put_text(struct buf *out, const char *key, struct str text)
{
    buf_printf(out, "\"%s\":", key);
    buf_put_json(out, text);
    buf_putc(out, ',');
}

// RFC 3339 with milliseconds, in UTC.
static void put_time(struct buf *out, int64_t at_us)
{
    time_t seconds = (time_t)(at_us / 1000000);
    struct tm tm;
    char text[32];

    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        text[0] = '\0'; // a clock beyond all years
    buf_printf(out, "\"createdAt\":\"%s.%03dZ\",", text,
               (int)(at_us / 1000 % 1000));
}

static void render(const struct format_event *event, struct buf *out)
{
    char id[ID_TEXT_BYTES + 1];
    struct json *json;

    id_format(event->id, id);
    buf_putc(out, '{');
    put_text(out, "id", str_of(id));
    put_text(out, "event", event->kind);
    put_time(out, event->accepted_at_us);
    put_text(out, "organization", event->org);
    put_text(out, "project", event->project);
    buf_puts(out, "\"data\":");
    if (json_parse(event->payload, &json_default_limits, &json, NULL) == OK) {
        json_free(json);
        buf_put_str(out, event->payload);
    } else {
        buf_puts(out, "{}");
    }
    buf_putc(out, '}');
}

const struct format format_akinon = {
    .name = "akinon",
    .number = 5,
    .is_pulumi = false,
    .is_for_organizations = false,
    .check_url = format_check_http,
    .render = render,
};
