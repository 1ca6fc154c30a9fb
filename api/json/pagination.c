// SPDX-License-Identifier: MIT
// pagination.c — pages of lists: where the next one begins, and how it is announced.

#include "api/json/pagination.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/base/text.h"
#include "common/config/config_types.h"
#include "common/log/log.h"

#define CHECK_BYTES ((size_t)8) // length of the part of the HMAC in a token

// --- tokens ---

void page_token_put(const uint8_t key[SHA256_BYTES], struct str list,
                    struct str place, struct buf *out)
{
    uint8_t mac[SHA256_BYTES];
    uint8_t length
        [8]; // separates list and place: no other pair gives the same bytes
    struct str parts[] = { { (const char *)length, sizeof(length) },
                           list,
                           place };

    put_be64(length, list.n_bytes);
    crypto_hmac_sha256((struct str){ (const char *)key, SHA256_BYTES }, parts,
                       3, mac);
    crypto_put_hex(out, (const uint8_t *)place.at, place.n_bytes);
    crypto_put_hex(out, mac, CHECK_BYTES);
}

static enum err put_unhexed(struct str digits, struct buf *out)
{
    for (size_t i = 0; i + 1 < digits.n_bytes; i += 2) {
        int high = text_hex_value(digits.at[i]);
        int low = text_hex_value(digits.at[i + 1]);

        if (high < 0 || low < 0)
            return ERR_INVALID;
        buf_putc(out, (char)(high * 16 + low));
    }
    return OK;
}

// A token is valid if making it again from its place gives the same bytes.
enum err page_token_read(const uint8_t key[SHA256_BYTES], struct str list,
                         struct str text, struct buf *place)
{
    struct str digits = { text.at, text.n_bytes - 2 * CHECK_BYTES };
    struct buf found, again;
    enum err err = ERR_INVALID;

    if (text.n_bytes <= 2 * CHECK_BYTES || text.n_bytes % 2 != 0 ||
        digits.n_bytes > (size_t)2 * PAGE_PLACE_MAX_BYTES)
        return ERR_INVALID;
    buf_init(&found, 0);
    buf_init(&again, 0);
    if (put_unhexed(digits, &found) == OK) {
        page_token_put(key, list, buf_str(&found), &again);
        if (crypto_eq(buf_str(&again), text)) {
            buf_put_str(place, buf_str(&found));
            err = OK;
        }
    }
    buf_clear(&again);
    buf_clear(&found);
    return err;
}

// --- queries ---

static enum err read_limit(const struct http_request *r, size_t *limit,
                           struct buf *why)
{
    struct buf text;
    uint64_t number = 0;
    enum err err;

    buf_init(&text, 0);
    err = http_query(r, "limit", &text);
    if (err == OK)
        err = config_read_count(buf_str(&text), 1, PAGE_LIMIT_MAX, &number);
    if (err == OK) {
        *limit = (size_t)number;
    } else if (err != ERR_NOTFOUND) {
        buf_printf(why,
                   "limit: %s is not allowed; allowed: a number from 1 to %d",
                   log_quote(buf_str(&text)), PAGE_LIMIT_MAX);
    }
    buf_clear(&text);
    return err == ERR_NOTFOUND ? OK : err;
}

enum err page_query_read(const struct http_request *r,
                         const uint8_t key[SHA256_BYTES], struct str list,
                         struct page_query *out, struct buf *why)
{
    struct buf text;
    enum err err = read_limit(r, &out->limit, why);

    if (err != OK)
        return ERR_INVALID;
    buf_init(&text, 0);
    err = http_query(r, "continuationToken", &text);
    if (err == OK && text.n_bytes > 0)
        err = page_token_read(key, list, buf_str(&text), &out->place);
    buf_clear(&text);
    if (err == OK || err == ERR_NOTFOUND)
        return OK;
    buf_puts(why, "continuationToken is not one that this server gave out for "
                  "this list");
    return ERR_INVALID;
}

// --- headers ---

// Appends the request's query with the new continuationToken in place of the old one.
static void put_next_query(struct str query, struct str token, struct buf *out)
{
    static const struct str name = { "continuationToken=", 18 };

    buf_putc(out, '?');
    while (query.n_bytes > 0) {
        const char *and = memchr(query.at, '&', query.n_bytes);
        struct str pair = query;

        if (and != NULL)
            pair.n_bytes = (size_t)(and-query.at);
        query.at += pair.n_bytes + (and != NULL);
        query.n_bytes -= pair.n_bytes + (and != NULL);
        if (pair.n_bytes == 0 || str_starts(pair, name))
            continue;
        buf_put_str(out, pair);
        buf_putc(out, '&');
    }
    buf_put_str(out, name);
    buf_put_str(out, token);
}

// Appends a reference for a header of the form <reference>, and escapes characters that
// would end it early.
static void put_reference(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n_bytes; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if (c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"') {
            buf_printf(out, "%%%02X", (unsigned)c);
        } else {
            buf_putc(out, text.at[i]);
        }
    }
}

void page_put_headers(const struct http_request *r, struct str token,
                      struct buf *out)
{
    struct buf query;

    buf_init(&query, 0);
    put_next_query(r->query, token, &query);
    buf_puts(out, "Link: <");
    put_reference(r->path, out);
    put_reference(buf_str(&query), out);
    buf_puts(out, ">; rel=\"next\"\r\nX-Continuation-Token: ");
    buf_put_str(out, token);
    buf_puts(out, "\r\n");
    buf_clear(&query);
}
