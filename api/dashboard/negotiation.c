// SPDX-License-Identifier: MIT
// negotiation.c — headers with which a client says what it takes, and what it has.

#include "api/dashboard/negotiation.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct str trim(struct str s)
{
    while (s.n_bytes > 0 && is_blank(s.at[0])) {
        s.at++;
        s.n_bytes--;
    }
    while (s.n_bytes > 0 && is_blank(s.at[s.n_bytes - 1]))
        s.n_bytes--;
    return s;
}

// Takes the text before the next separator off `rest`.
static struct str next_part(struct str *rest, char separator)
{
    const char *end = memchr(rest->at, separator, rest->n_bytes);
    struct str part = *rest;

    if (end == NULL) {
        *rest = STR_EMPTY;
    } else {
        part.n_bytes = (size_t)(end - rest->at);
        rest->at = end + 1;
        rest->n_bytes -= part.n_bytes + 1;
    }
    return trim(part);
}

// Whether the parameters of an item refuse it: "q=0", "q=0.000".
static bool is_refused(struct str parameters)
{
    while (parameters.n_bytes > 0) {
        struct str one = next_part(&parameters, ';');

        if (one.n_bytes < 3 || (one.at[0] | 0x20) != 'q' || one.at[1] != '=')
            continue;
        for (size_t i = 2; i < one.n_bytes; i++) {
            if (one.at[i] != '0' && one.at[i] != '.')
                return false;
        }
        return true;
    }
    return false;
}

// Finds an item of a list such as "gzip;q=0.5, *;q=0". False: the list does not name it.
static bool find(struct str list, const char *name, bool *is_taken)
{
    while (list.n_bytes > 0) {
        struct str rest = next_part(&list, ',');
        struct str item = rest.n_bytes > 0 ? next_part(&rest, ';') : STR_EMPTY;

        if (!str_eq_any_case(item, str_of(name)))
            continue;
        *is_taken = !is_refused(rest);
        return true;
    }
    return false;
}

bool negotiation_takes_gzip(struct str accept_encoding)
{
    bool is_taken = false;

    if (!find(accept_encoding, "gzip", &is_taken) &&
        !find(accept_encoding, "x-gzip", &is_taken) &&
        !find(accept_encoding, "*", &is_taken))
        return false;
    return is_taken;
}

bool negotiation_asks_html(struct str accept)
{
    bool is_taken = false;

    return find(accept, "text/html", &is_taken) && is_taken;
}

bool negotiation_has(struct str if_none_match, struct str etag)
{
    struct str rest = if_none_match;

    if (str_is(trim(rest), "*"))
        return true;
    while (rest.n_bytes > 0) {
        const char *open = memchr(rest.at, '"', rest.n_bytes);
        const char *end = rest.at + rest.n_bytes;
        const char *close;

        if (open == NULL)
            return false;
        close = memchr(open + 1, '"', (size_t)(end - open - 1));
        if (close == NULL)
            return false;
        if (str_eq(etag, (struct str){ open + 1, (size_t)(close - open - 1) }))
            return true;
        rest = (struct str){ close + 1, (size_t)(end - close - 1) };
    }
    return false;
}
