// SPDX-License-Identifier: MIT
// slack.c — a message of Slack: the title, and an attachment with the facts beside a bar
// of colour.
//
// Whoever shows `blocks` does not show `text`, which is for notifications and for
// receivers that know no blocks, such as Mattermost: title, facts and link, in words.
//
// Slack's limits are 3,000 characters for a section's text, 10 fields of 2,000, and
// about 13,000 in all blocks, 40,000 in `text`; here all blocks together stay under
// 10,000 bytes, and so does `text`. There are
// no buttons, since they would need an address that answers them.

#include <string.h>

#include "common/encoding/json_writer.h"
#include "common/model/formats/format.h"
#include "common/model/formats/summary.h"

#define TEXT_MAX_BYTES 500 // escaped

static bool has_prefix(struct str url, const char *prefixes)
{
    while (*prefixes != '\0') {
        struct str prefix;

        prefixes += strspn(prefixes, ", \t");
        prefix = (struct str){ prefixes, strcspn(prefixes, ", \t") };
        if (prefix.n_bytes > 0 && str_starts(url, prefix))
            return true;
        prefixes += prefix.n_bytes;
    }
    return false;
}

static enum err check_url(struct str url, const char *prefixes, struct buf *why)
{
    if (!has_prefix(url, prefixes)) {
        buf_printf(why,
                   "for the format slack it must start with one of: %s "
                   "(setting slack_url_prefixes)",
                   prefixes);
        return ERR_INVALID;
    }
    return format_check_http(url, prefixes, why);
}

// Escaped, and cut so that no escape is torn.
static void put_text(struct str text, struct buf *out)
{
    size_t start = out->n_bytes;
    size_t max_bytes = TEXT_MAX_BYTES;
    bool is_cut;

    // The three that Slack's reference on formatting names.
    buf_put_entities(out, summary_cut(text, max_bytes, &is_cut));
    while (out->n_bytes - start > TEXT_MAX_BYTES) {
        max_bytes /= 2;
        out->n_bytes = start;
        buf_put_entities(out, summary_cut(text, max_bytes, &is_cut));
    }
    if (is_cut)
        buf_puts(out, "…");
}

// Puts the contents of `scratch` as a member.
static void put_scratch(struct buf *scratch, const char *key,
                        struct json_writer *w)
{
    json_put_str(w, key, buf_str(scratch));
    buf_reset(scratch);
}

static const char *color_of(enum mood mood)
{
    switch (mood) { // of Pulumi's own example of a handler for Slack
    case MOOD_GOOD:
        return "#36a64f";
    case MOOD_BAD:
        return "#e01563";
    case MOOD_OTHER:
    case MOOD_NONE:
        break;
    }
    return "#e9a820";
}

// A text of Slack's Markdown. Verbatim: addresses, channels and names in it do not become
// links by themselves.
static void put_mrkdwn(struct buf *scratch, struct json_writer *w)
{
    json_put_text(w, "type", "mrkdwn");
    put_scratch(scratch, "text", w);
    json_put_bool(w, "verbatim", true);
}

static void put_title(const struct summary *s, struct buf *scratch,
                      struct json_writer *w)
{
    json_open_object(w, NULL);
    json_put_text(w, "type", "section");
    json_open_object(w, "text");
    buf_putc(scratch, '*');
    if (s->url.n_bytes > 0) {
        buf_putc(scratch, '<');
        buf_put_entities(scratch, s->url);
        buf_putc(scratch, '|');
    }
    put_text(s->title, scratch);
    buf_puts(scratch, s->url.n_bytes > 0 ? ">*" : "*");
    put_mrkdwn(scratch, w);
    json_close(w);
    json_close(w);
}

static void put_facts(const struct summary *s, struct buf *scratch,
                      struct json_writer *w)
{
    json_open_object(w, NULL);
    json_put_text(w, "type", "section");
    json_open_array(w, "fields");
    for (size_t i = 0; i < s->n_facts; i++) {
        json_open_object(w, NULL);
        buf_putc(scratch, '*');
        put_text(s->facts[i].label, scratch);
        buf_puts(scratch, "*\n");
        put_text(s->facts[i].value, scratch);
        put_mrkdwn(scratch, w);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}

static void put_attachment(const struct summary *s, struct buf *scratch,
                           struct json_writer *w)
{
    json_open_object(w, NULL);
    json_put_text(w, "color", color_of(s->mood));
    put_text(s->title, scratch);
    if (s->url.n_bytes > 0) {
        buf_puts(scratch, ": ");
        buf_put_entities(scratch, s->url);
    }
    put_scratch(scratch, "fallback", w);
    json_open_array(w, "blocks");
    if (s->n_facts > 0) {
        put_facts(s, scratch, w);
    } else {
        put_title(s, scratch, w);
    }
    json_close(w);
    json_close(w);
}

// Mattermost reads Markdown and mentions, so what could be either is separated by a
// zero-width space.
static void put_inert(struct str text, struct buf *out)
{
    struct buf plain;

    buf_init(&plain, 0);
    put_text(text, &plain);
    for (size_t i = 0; i < plain.n_bytes; i++) {
        buf_putc(out, plain.at[i]);
        if (plain.at[i] == '@' ||
            (plain.at[i] == ']' && i + 1 < plain.n_bytes &&
             plain.at[i + 1] == '('))
            buf_puts(out, "\xe2\x80\x8b");
    }
    buf_clear(&plain);
}

// Title, facts and link as lines.
static void put_lines(const struct summary *s, struct buf *scratch,
                      struct json_writer *w)
{
    put_inert(s->title, scratch);
    for (size_t i = 0; s->mood != MOOD_NONE && i < s->n_facts; i++) {
        buf_putc(scratch, '\n');
        put_inert(s->facts[i].label, scratch);
        buf_puts(scratch, ": ");
        put_inert(s->facts[i].value, scratch);
    }
    if (s->mood != MOOD_NONE && s->url.n_bytes > 0) {
        buf_putc(scratch, '\n');
        buf_put_entities(scratch, s->url);
    }
    put_scratch(scratch, "text", w);
}

static void render(const struct format_event *event, struct buf *out)
{
    struct json_writer w = json_writer(out);
    struct summary summary;
    struct buf scratch;

    summary_read(event, &summary);
    buf_init(&scratch, 0);
    json_open_object(&w, NULL);
    put_lines(&summary, &scratch, &w);
    if (summary.mood != MOOD_NONE) {
        if (summary.n_facts > 0) {
            json_open_array(&w, "blocks");
            put_title(&summary, &scratch, &w);
            json_close(&w);
        }
        json_open_array(&w, "attachments");
        put_attachment(&summary, &scratch, &w);
        json_close(&w);
    }
    json_close(&w);
    buf_clear(&scratch);
    summary_clear(&summary);
}

const struct format format_slack = {
    .name = "slack",
    .number = 2,
    .is_pulumi = true,
    .is_for_organizations = true,
    .check_url = check_url,
    .render = render,
};
