// SPDX-License-Identifier: MIT
// log_json.c — a line of the log as one JSON object.

#include "common/log/log_json.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/text.h"
#include "common/base/utf8.h"

#define VALUE_MAX_BYTES  4096 // of a value, not yet escaped
#define DIGITS_MAX       15   // more are not exact in every reader of JSON
#define KEYS_MAX         64
#define ESCAPE_MAX_BYTES 13 // of one character: two \uXXXX

struct line {
    char *to;
    size_t n;
    size_t room; // excludes the bytes that close the object
};

static bool put(struct line *l, const char *text, size_t n_bytes)
{
    if (l->room - l->n < n_bytes)
        return false;
    memcpy(l->to + l->n, text, n_bytes);
    l->n += n_bytes;
    return true;
}

static void put_text(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

// --- strings ---

static uint32_t code_point(const char *at, size_t n_bytes)
{
    static const unsigned char first_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t c = (unsigned char)at[0] & first_mask[n_bytes];

    for (size_t i = 1; i < n_bytes; i++)
        c = c << 6 | ((unsigned char)at[i] & 0x3f);
    return c;
}

static size_t escape(uint32_t c, char out[ESCAPE_MAX_BYTES])
{
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        return 2;
    }
    if (c >= 0x20 && c < 0x7f) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x10000)
        return (size_t)snprintf(out, ESCAPE_MAX_BYTES, "\\u%04x", c);
    c -= 0x10000;
    return (size_t)snprintf(out, ESCAPE_MAX_BYTES, "\\u%04x\\u%04x",
                            0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
}

enum put { PUT_WHOLE, PUT_CUT, PUT_NOT };

// Puts the string with its quotes; the closing quote has room even if the string
// was cut. Bytes that are not UTF-8 become U+FFFD.
static enum put put_string(struct line *l, struct str text)
{
    bool is_whole = true;

    if (l->room - l->n < 2)
        return PUT_NOT;
    l->room--;
    put(l, "\"", 1);
    for (size_t i = 0; i < text.n_bytes && is_whole;) {
        size_t n_bytes = utf8_len(text.at + i, text.n_bytes - i);
        uint32_t c = n_bytes > 0 ? code_point(text.at + i, n_bytes) : 0xfffd;
        char escaped[ESCAPE_MAX_BYTES] = "";
        size_t n_escaped = escape(c, escaped);

        is_whole = put(l, escaped, n_escaped);
        i += n_bytes > 0 ? n_bytes : 1;
    }
    l->room++;
    put(l, "\"", 1);
    return is_whole ? PUT_WHOLE : PUT_CUT;
}

// --- fields ---

// A number in a form that JSON allows, true or false.
static bool is_plain(struct str value)
{
    size_t start = value.n_bytes > 0 && value.at[0] == '-';
    size_t n_digits = value.n_bytes - start;

    if (str_is(value, "true") || str_is(value, "false"))
        return true;
    for (size_t i = start; i < value.n_bytes; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return false;
    }
    return n_digits > 0 && n_digits <= DIGITS_MAX &&
           (n_digits == 1 || value.at[start] != '0');
}

static bool is_hex(const char *at, const char *end)
{
    return end - at >= 2 && text_hex_value(at[0]) >= 0 &&
           text_hex_value(at[1]) >= 0;
}

// The text in quotes, as it was before log_quote(); `*at` moves past the closing
// quote, or to the end if a cut line has none.
static struct str unquote(const char **at, const char *end,
                          char value[VALUE_MAX_BYTES])
{
    const char *c = *at + 1;
    size_t n = 0;

    while (c < end && *c != '"') {
        char byte = *c++;

        if (byte == '\\' && c < end) {
            byte = *c++;
            if (byte == 'x' && is_hex(c, end)) {
                byte = (char)(text_hex_value(c[0]) << 4 | text_hex_value(c[1]));
                c += 2;
            }
        }
        if (n < VALUE_MAX_BYTES)
            value[n++] = byte;
    }
    *at = c < end ? c + 1 : end;
    return (struct str){ value, n };
}

static struct str up_to(const char **at, const char *end, char stop)
{
    const char *begin = *at;

    while (*at < end && **at != stop)
        (*at)++;
    return (struct str){ begin, (size_t)(*at - begin) };
}

static bool is_taken(struct str key)
{
    static const char *const names[] = { "time", "level", "role", "pid",
                                         "message" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_is(key, names[i]))
            return true;
    }
    return false;
}

static enum put put_value(struct line *l, const char **at, const char *end)
{
    char unquoted[VALUE_MAX_BYTES];
    struct str value;

    if (*at < end && **at == '"')
        return put_string(l, unquote(at, end, unquoted));
    value = up_to(at, end, ' ');
    if (!is_plain(value))
        return put_string(l, value);
    return put(l, value.at, value.n_bytes) ? PUT_WHOLE : PUT_NOT;
}

// Names of members written so far, as they appear in the line: each member occurs
// once.
struct keys {
    struct str at[KEYS_MAX];
    size_t n;
};

static bool is_there(const struct keys *keys, struct str key)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (str_eq(keys->at[i], key))
            return true;
    }
    return keys->n == KEYS_MAX;
}

// The name of a field as log.h allows it; other characters become underscores.
static struct str name_of(struct str key, char name[NAME_MAX_BYTES + 4])
{
    size_t n = is_taken(key) ? 3 : 0;

    memcpy(name, "of_", n);

    for (size_t i = 0; i < key.n_bytes && i < NAME_MAX_BYTES; i++) {
        char c = key.at[i];
        bool is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        name[n++] = (char)(is_good ? c : '_');
    }
    return (struct str){ name, n };
}

static enum put put_member(struct line *l, struct str name, const char **at,
                           const char *end)
{
    if (!put(l, ",", 1) || put_string(l, name) != PUT_WHOLE || !put(l, ":", 1))
        return PUT_NOT;
    return put_value(l, at, end);
}

static void put_fields(struct line *l, struct str fields)
{
    struct keys keys = { .n = 0 };
    const char *at = fields.at;
    const char *end = at + fields.n_bytes;

    while (at < end) {
        char text[NAME_MAX_BYTES + 4];
        struct str name = name_of(up_to(&at, end, '='), text);
        size_t before = l->n;
        enum put done = PUT_NOT;

        if (at < end) { // else the fields were cut within a name
            at++;
            done = put_member(l, name, &at, end);
        }
        if (done == PUT_NOT || is_there(&keys, name)) {
            l->n = before;
        } else {
            keys.at[keys.n++] =
                (struct str){ l->to + before + 2, name.n_bytes };
        }
        if (done != PUT_WHOLE)
            return;
        while (at < end && *at == ' ')
            at++;
    }
}

// NOLINTNEXTLINE(readability-non-const-parameter): it is written through `l`
size_t log_json(const struct log_line *line, char *to, size_t room)
{
    struct line l = { .to = to, .room = room - 1 };
    char pid[32];

    assert(room >= LOG_JSON_MIN_BYTES);
    snprintf(pid, sizeof(pid), "\",\"pid\":%d,\"message\":", line->pid);
    // These fit into LOG_JSON_MIN_BYTES.
    put_text(&l, "{\"time\":\"");
    put_text(&l, line->time);
    put_text(&l, "\",\"level\":\"");
    put_text(&l, line->level);
    put_text(&l, "\",\"role\":\"");
    put_text(&l, line->role);
    put_text(&l, pid);
    if (put_string(&l, str_of(line->msg)) == PUT_WHOLE &&
        line->fields.n_bytes > 0)
        put_fields(&l, line->fields);
    l.to[l.n++] = '}';
    return l.n;
}
