// SPDX-License-Identifier: MIT
// akinon.c — the body of Akinon App Maker's webhooks.
//
// Its layout is not published: this one is ours, and this file is the only
// place that knows it.

#include "common/base/clock.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "common/model/formats/format.h"

static void render(const struct format_event *event, struct buf *out)
{
    struct json_writer w = json_writer(out);
    char id[ID_TEXT_BYTES + 1];
    struct json *json;

    id_format(event->id, id);
    json_open_object(&w, NULL);
    json_put_text(&w, "id", id);
    json_put_str(&w, "event", event->kind);
    clock_put_rfc3339(json_open_text(&w, "createdAt"),
                      event->accepted_at_us / 1000);
    json_close_text(&w);
    json_put_str(&w, "organization", event->org);
    json_put_str(&w, "project", event->project);
    if (json_parse(event->payload, &json_no_limits, &json, NULL) == OK) {
        json_free(json);
        json_put_raw(&w, "data", event->payload);
    } else {
        json_put_raw(&w, "data", STR("{}"));
    }
    json_close(&w);
}

const struct format format_akinon = {
    .name = "akinon",
    .number = 5,
    .is_pulumi = false,
    .is_for_organizations = false,
    .check_url = format_check_http,
    .render = render,
};
