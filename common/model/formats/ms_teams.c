// SPDX-License-Identifier: MIT
// ms_teams.c — an adaptive card, as Microsoft Teams' Workflows accept it.
//
// A message may have 28 KB and fails in the field from 21 KB on; with the texts
// cut as they are, one has 10 KB at most.

#include <string.h>

#include "common/encoding/json_writer.h"
#include "common/encoding/url.h"
#include "common/model/formats/format.h"
#include "common/model/formats/summary.h"

#define TEXT_MAX_BYTES 500

// Cards interpret some Markdown. Only a link could deceive, so "](" is separated by
// a zero-width space. Lines become a list.
static void put_text(struct json_writer *w, const char *key, struct str text,
                     struct buf *scratch)
{
    bool is_cut;
    struct str part = summary_cut(text, TEXT_MAX_BYTES, &is_cut);

    for (size_t i = 0; i < part.n_bytes; i++) {
        if (part.at[i] == '\n') {
            buf_puts(scratch, ", ");
        } else {
            buf_putc(scratch, part.at[i]);
        }
        if (part.at[i] == ']' && i + 1 < part.n_bytes && part.at[i + 1] == '(')
            buf_puts(scratch, "\xe2\x80\x8b");
    }
    if (is_cut)
        buf_puts(scratch, "…");
    json_put_str(w, key, buf_str(scratch));
    buf_reset(scratch);
}

// NULL: the colour of text.
static const char *color_of(enum mood mood)
{
    switch (mood) {
    case MOOD_GOOD:
        return "Good";
    case MOOD_BAD:
        return "Attention";
    case MOOD_OTHER:
        return "Warning";
    case MOOD_NONE:
        break;
    }
    return NULL;
}

static void put_title(const struct summary *s, struct buf *scratch,
                      struct json_writer *w)
{
    json_open_object(w, NULL);
    json_put_text(w, "type", "TextBlock");
    put_text(w, "text", s->title, scratch);
    json_put_text(w, "weight", "Bolder");
    json_put_text(w, "size", "Medium");
    json_put_bool(w, "wrap", true);
    if (color_of(s->mood) != NULL)
        json_put_text(w, "color", color_of(s->mood));
    json_close(w);
}

static void put_facts(const struct summary *s, struct buf *scratch,
                      struct json_writer *w)
{
    json_open_object(w, NULL);
    json_put_text(w, "type", "FactSet");
    json_open_array(w, "facts");
    for (size_t i = 0; i < s->n_facts; i++) {
        json_open_object(w, NULL);
        put_text(w, "title", s->facts[i].label, scratch);
        put_text(w, "value", s->facts[i].value, scratch);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}

// The button says where it leads: a payload may name any address.
static void put_link(struct str url, struct buf *scratch, struct json_writer *w)
{
    struct url parts;
    bool is_url = url_parse(url, &parts, NULL) == OK;

    json_open_array(w, "actions");
    json_open_object(w, NULL);
    json_put_text(w, "type", "Action.OpenUrl");
    buf_puts(scratch, "Open ");
    put_text(w, "title", is_url ? str_of(parts.host) : url, scratch);
    json_put_str(w, "url", url);
    json_close(w);
    json_close(w);
}

static void put_card(const struct summary *s, struct json_writer *w)
{
    struct buf scratch;

    buf_init(&scratch, 0);
    json_put_text(w, "$schema",
                  "http://adaptivecards.io/schemas/adaptive-card.json");
    json_put_text(w, "type", "AdaptiveCard");
    json_put_text(w, "version", "1.4");
    json_open_object(w, "msteams");
    json_put_text(w, "width", "Full");
    json_close(w);
    json_open_array(w, "body");
    put_title(s, &scratch, w);
    if (s->n_facts > 0)
        put_facts(s, &scratch, w);
    json_close(w);
    if (s->url.n_bytes > 0)
        put_link(s->url, &scratch, w);
    buf_clear(&scratch);
}

static void render(const struct format_event *event, struct buf *out)
{
    struct json_writer w = json_writer(out);
    struct summary s;

    summary_read(event, &s);
    json_open_object(&w, NULL);
    json_put_text(&w, "type", "message");
    json_open_array(&w, "attachments");
    json_open_object(&w, NULL);
    json_put_text(&w, "contentType", "application/vnd.microsoft.card.adaptive");
    json_put_null(&w, "contentUrl");
    json_open_object(&w, "content");
    put_card(&s, &w);
    json_close(&w);
    json_close(&w);
    json_close(&w);
    json_close(&w);
    summary_clear(&s);
}

// Old connectors answer 200 and say in the body that Teams refused: "… failed with
// … returned HTTP error 429 …".
static bool says_failed(struct str response_body)
{
    static const char said[] = "HTTP error";

    return response_body.n_bytes > 0 &&
           memmem(response_body.at, response_body.n_bytes, said,
                  sizeof(said) - 1) != NULL;
}

const struct format format_ms_teams = {
    .name = "ms_teams",
    .number = 3,
    .is_pulumi = true,
    .is_for_organizations = true,
    .check_url = format_check_http,
    .render = render,
    .says_failed = says_failed,
};
