// SPDX-License-Identifier: MIT
// cloudevents.c — the event as a CloudEvent, version 1.0, in structured mode.
//
// What was posted as a CloudEvent keeps its source, its time, its subject and its
// extensions. Its id is the event's, as in the headers: source and id together are as
// unique as they were.

#include <stddef.h>

#include "common/base/clock.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "common/model/formats/format.h"

// Where the event belongs, as a URI reference: names consist of characters that stand in
// a path as they are, and others are percent-encoded.
static void put_segment(const char *before, struct str name, struct buf *out)
{
    static const char hex[] = "0123456789ABCDEF";

    if (name.n_bytes == 0)
        return;
    buf_puts(out, before);
    for (size_t i = 0; i < name.n_bytes; i++) {
        unsigned char c = (unsigned char)name.at[i];

        if ((c >= '0' && c <= '9') ||
            ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '.' ||
            c == '_' || c == '~') {
            buf_putc(out, (char)c);
        } else {
            buf_putc(out, '%');
            buf_putc(out, hex[c >> 4]);
            buf_putc(out, hex[c & 15]);
        }
    }
}

static void put_own_attributes(const struct format_event *event,
                               struct json_writer *w)
{
    struct buf source;

    buf_init(&source, 0);
    put_segment("/orgs/", event->org, &source);
    put_segment("/projects/", event->project, &source);
    put_segment("/stacks/", event->stack, &source);
    put_segment("/environments/", event->env, &source);
    json_put_str(w, "source", buf_str(&source));
    buf_clear(&source);
    clock_put_rfc3339(json_open_text(w, "time"), event->accepted_at_us / 1000);
    json_close_text(w);
}

static void render(const struct format_event *event, struct buf *out)
{
    struct json_writer w = json_writer(out);
    char id[ID_TEXT_BYTES + 1];
    struct json *json;

    id_format(event->id, id);
    json_open_object(&w, NULL);
    json_put_text(&w, "specversion", "1.0");
    json_put_text(&w, "id", id);
    json_put_str(&w, "type", event->kind);
    if (event->cloud.n_bytes > 0) {
        json_put_contents(&w, event->cloud);
    } else {
        put_own_attributes(event, &w);
    }
    json_put_text(&w, "datacontenttype", "application/json");
    if (json_parse(event->payload, &json_no_limits, &json, NULL) == OK) {
        json_free(json);
        json_put_raw(&w, "data", event->payload);
    } else {
        json_put_null(&w, "data");
    }
    json_close(&w);
}

const struct format format_cloudevents = {
    .name = "cloudevents",
    .number = 6,
    // Without a charset: JSON is UTF-8, and the SDK for JavaScript refuses one.
    .content_type = "application/cloudevents+json",
    .is_pulumi = true,
    .is_for_organizations = true,
    .check_url = format_check_http,
    .render = render,
};
