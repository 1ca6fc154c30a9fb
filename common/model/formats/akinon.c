// SPDX-License-Identifier: MIT
// akinon.c — the body of Akinon App Maker's webhooks.
//
// Its layout is not published: this one is ours, and this file is the only
// place that knows it.

#include "common/base/clock.h"
#include "common/encoding/json.h"
#include "common/model/formats/format.h"

static void put_text(struct buf *out, const char *key, struct str text)
{
    buf_printf(out, "\"%s\":", key);
    buf_put_json(out, text);
    buf_putc(out, ',');
}

static void render(const struct format_event *event, struct buf *out)
{
    char id[ID_TEXT_BYTES + 1];
    struct json *json;

    id_format(event->id, id);
    buf_putc(out, '{');
    put_text(out, "id", str_of(id));
    put_text(out, "event", event->kind);
    buf_puts(out, "\"createdAt\":\"");
    clock_put_rfc3339(out, event->accepted_at_us / 1000);
    buf_puts(out, "\",");
    put_text(out, "organization", event->org);
    put_text(out, "project", event->project);
    buf_puts(out, "\"data\":");
    if (json_parse(event->payload, &json_no_limits, &json, NULL) == OK) {
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
