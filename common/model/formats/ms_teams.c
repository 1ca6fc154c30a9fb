// SPDX-License-Identifier: MIT
// ms_teams.c — an adaptive card, as Microsoft Teams' Workflows accept it.
//
// A message may have 28 KB and fails in the field from 21 KB on; with the texts
// cut as they are, one has 10 KB at most.

#include <string.h>

#include "common/model/formats/format.h"
#include "common/model/formats/summary.h"

#define TEXT_MAX_BYTES 500

// Cards interpret some Markdown. Only a link could deceive, so "](" is separated by
// a zero-width space. Lines become a list.
static void put_text(struct str text, struct buf *scratch, struct buf *out)
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
    buf_put_json(out, buf_str(scratch));
    buf_reset(scratch);
}

static const char *color_of(enum mood mood)
{
    switch (mood) {
    case MOOD_GOOD:
        return ",\"color\":\"Good\"";
    case MOOD_BAD:
        return ",\"color\":\"Attention\"";
    case MOOD_OTHER:
        return ",\"color\":\"Warning\"";
    case MOOD_NONE:
        break;
    }
    return "";
}

static void put_facts(const struct summary *s, struct buf *scratch,
                      struct buf *out)
{
    buf_puts(out, ",{\"type\":\"FactSet\",\"facts\":[");
    for (size_t i = 0; i < s->n_facts; i++) {
        buf_puts(out, i > 0 ? ",{\"title\":" : "{\"title\":");
        put_text(s->facts[i].label, scratch, out);
        buf_puts(out, ",\"value\":");
        put_text(s->facts[i].value, scratch, out);
        buf_putc(out, '}');
    }
    buf_puts(out, "]}");
}

static void put_link(struct str url, struct buf *out)
{
    buf_puts(out, ",\"actions\":[{\"type\":\"Action.OpenUrl\",\"title\":"
                  "\"View in Pulumi Cloud\",\"url\":");
    buf_put_json(out, url);
    buf_puts(out, "}]");
}

static void render(const struct format_event *event, struct buf *out)
{
    struct summary s;
    struct buf scratch;

    summary_read(event, &s);
    buf_init(&scratch, 0);
    buf_puts(out,
             "{\"type\":\"message\",\"attachments\":[{\"contentType\":"
             "\"application/vnd.microsoft.card.adaptive\",\"contentUrl\":null,"
             "\"content\":{\"$schema\":"
             "\"http://adaptivecards.io/schemas/adaptive-card.json\","
             "\"type\":\"AdaptiveCard\",\"version\":\"1.4\","
             "\"msteams\":{\"width\":\"Full\"},\"body\":["
             "{\"type\":\"TextBlock\",\"text\":");
    put_text(s.title, &scratch, out);
    buf_puts(out, ",\"weight\":\"Bolder\",\"size\":\"Medium\",\"wrap\":true");
    buf_puts(out, color_of(s.mood));
    buf_putc(out, '}');
    if (s.n_facts > 0)
        put_facts(&s, &scratch, out);
    buf_putc(out, ']');
    if (s.url.n_bytes > 0)
        put_link(s.url, out);
    buf_puts(out, "}}]}");
    buf_clear(&scratch);
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
