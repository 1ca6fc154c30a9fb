// SPDX-License-Identifier: MIT
// curl_text.c — a request as a command of curl, to be pasted into a POSIX shell.

#include "api/json/curl_text.h"

#include "common/base/text.h"
#include "common/base/utf8.h"

// An argument may have 128 KiB in Linux. What printf writes has no limit, since it is a
// part of the shell.
#define ARGUMENT_MAX_BYTES ((size_t)64 * 1024)

// --- quoting ---

// Whether a terminal passes the text to the shell as it is.
static bool is_pasteable(struct str text, bool may_have_lines)
{
    size_t n;

    for (size_t i = 0; i < text.n_bytes; i += n) {
        n = 1;
        if (text.at[i] == '\n' && may_have_lines)
            continue;
        if (text_is_unsafe(text.at + i, text.n_bytes - i) > 0)
            return false;
        n = utf8_len(text.at + i, text.n_bytes - i);
    }
    return true;
}

// Puts a part of a text in single quotes.
static void put_plain(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n_bytes; i++) {
        if (text.at[i] == '\'') {
            buf_puts(out, "'\\''");
        } else {
            buf_putc(out, text.at[i]);
        }
    }
}

// Puts a command that writes the bytes to its output.
static void put_printf(struct str bytes, struct buf *out)
{
    buf_puts(out, "printf '");
    for (size_t i = 0; i < bytes.n_bytes; i++) {
        unsigned char c = (unsigned char)bytes.at[i];

        if (c == '\'') {
            buf_puts(out, "'\\''");
        } else if (c == '%') {
            buf_puts(out, "%%");
        } else if (c == '\\') {
            buf_puts(out, "\\\\");
        } else if (c < ' ' || c > '~') {
            buf_printf(out, "\\%03o", (unsigned)c);
        } else {
            buf_putc(out, (char)c);
        }
    }
    buf_putc(out, '\'');
}

// Puts a text as one word.
static void put_word(struct str text, struct buf *out)
{
    if (is_pasteable(text, false)) {
        buf_putc(out, '\'');
        put_plain(text, out);
        buf_putc(out, '\'');
    } else {
        buf_puts(out, "\"$(");
        put_printf(text, out);
        buf_puts(out, ")\"");
    }
}

// --- variables ---

void curl_put_variable(struct str name, struct buf *out)
{
    if (!str_eq_any_case(name, STR("authorization")) &&
        !str_eq_any_case(name, STR("cookie")) &&
        !(name.n_bytes > 2 && (name.at[0] == 'x' || name.at[0] == 'X') &&
          name.at[1] == '-'))
        buf_puts(out, "HEADER_");
    for (size_t i = 0; i < name.n_bytes; i++) {
        char c = name.at[i];

        if (c >= 'a' && c <= 'z') {
            buf_putc(out, (char)(c - 'a' + 'A'));
        } else if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
            buf_putc(out, c);
        } else {
            buf_putc(out, '_');
        }
    }
}

// --- the command ---

static void put_option(const char *option, struct buf *out)
{
    buf_puts(out, " \\\n  ");
    buf_puts(out, option);
    buf_putc(out, ' ');
}

static void put_header(const struct curl_header *header, struct buf *out)
{
    struct buf line;

    put_option("--header", out);
    buf_init(&line, 0);
    buf_put_str(&line, header->name);
    // Without a value curl would leave the header out.
    buf_puts(&line,
             header->is_masked || header->value.n_bytes > 0 ? ": " : ";");
    if (!header->is_masked)
        buf_put_str(&line, header->value);
    put_word(buf_str(&line), out);
    if (header->is_masked) {
        buf_puts(out, "\"$");
        curl_put_variable(header->name, out);
        buf_putc(out, '"');
    }
    buf_clear(&line);
}

void curl_put(const struct curl_request *request, struct buf *out)
{
    bool is_piped =
        !request->is_get && (request->body.n_bytes > ARGUMENT_MAX_BYTES ||
                             !is_pasteable(request->body, true));

    if (is_piped) {
        put_printf(request->body, out);
        buf_puts(out, " | ");
    }
    // As the engine: the URL is not changed, and the receiver is not asked first.
    buf_puts(out, "curl --globoff --path-as-is");
    buf_puts(out, request->is_get ? "" : " --request POST");
    put_option("--url", out);
    put_word(request->url, out);
    for (size_t i = 0; i < request->n_headers; i++)
        put_header(&request->headers[i], out);
    if (request->is_get)
        return;
    put_option("--header", out);
    buf_puts(out, "'Expect:'");
    if (is_piped) {
        put_option("--data-binary", out);
        buf_puts(out, "@-");
    } else {
        put_option("--data-raw", out);
        buf_putc(out, '\'');
        put_plain(request->body, out);
        buf_putc(out, '\'');
    }
}
