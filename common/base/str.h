// SPDX-License-Identifier: MIT
// str.h — a borrowed stretch of bytes: pointer and length, no terminator.

#ifndef COMMON_BASE_STR_H
#define COMMON_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct str {
    const char *at; // borrowed; not NUL-terminated; may be NULL if empty
    size_t n_bytes;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
#define STR_EMPTY    ((struct str){ NULL, 0 })

// For printf's "%.*s".
#define STR_ARG(s) (int)(s).n_bytes, ((s).at != NULL ? (s).at : "")

static inline struct str str_of(const char *text)
{
    return (struct str){ text, text != NULL ? strlen(text) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n_bytes == b.n_bytes &&
           (a.n_bytes == 0 || memcmp(a.at, b.at, a.n_bytes) == 0);
}

// Letters of ASCII are equal in both cases.
static inline bool str_eq_any_case(struct str a, struct str b)
{
    return a.n_bytes == b.n_bytes &&
           (a.n_bytes == 0 || strncasecmp(a.at, b.at, a.n_bytes) == 0);
}

static inline bool str_is(struct str a, const char *text)
{
    return str_eq(a, str_of(text));
}

static inline bool str_starts(struct str a, struct str prefix)
{
    return a.n_bytes >= prefix.n_bytes &&
           (prefix.n_bytes == 0 ||
            memcmp(a.at, prefix.at, prefix.n_bytes) == 0);
}

// What str_trim() may remove: white space of C, and white space within a line of HTTP (OWS,
// RFC 9110, 5.6.3).
#define STR_SPACES STR(" \t\n\v\f\r")
#define STR_BLANKS STR(" \t")

// The part of `s` that neither begins nor ends with one of the characters of `set`.
static inline struct str str_trim(struct str s, struct str set)
{
    while (s.n_bytes > 0 && memchr(set.at, s.at[0], set.n_bytes) != NULL) {
        s.at++;
        s.n_bytes--;
    }
    while (s.n_bytes > 0 &&
           memchr(set.at, s.at[s.n_bytes - 1], set.n_bytes) != NULL)
        s.n_bytes--;
    return s;
}

#endif
