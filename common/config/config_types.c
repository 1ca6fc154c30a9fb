// SPDX-License-Identifier: MIT
// config_types.c — reads and writes the types of values that settings have.

#include "common/config/config_types.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

// Reads and removes digits at the front of the text. ERR_INVALID: there are none,
// or the number is too large.
static enum err take_number(struct str *text, uint64_t *out)
{
    uint64_t number = 0;
    size_t n = 0;

    while (n < text->n_bytes && isdigit((unsigned char)text->at[n])) {
        uint64_t digit = (uint64_t)(text->at[n] - '0');

        if (number > (UINT64_MAX - digit) / 10)
            return ERR_INVALID;
        number = number * 10 + digit;
        n++;
    }
    if (n == 0)
        return ERR_INVALID;
    text->at += n;
    text->n_bytes -= n;
    *out = number;
    return OK;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    { "", 1 },
    { "KiB", UINT64_C(1) << 10 },
    { "MiB", UINT64_C(1) << 20 },
    { "GiB", UINT64_C(1) << 30 },
    { "TiB", UINT64_C(1) << 40 },
    { NULL, 0 },
};

static const struct unit time_units[] = {
    { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
    { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
};

static enum err read_with_unit(struct str text, const struct unit *units,
                               uint64_t *out)
{
    uint64_t number;
    enum err err = take_number(&text, &number);

    if (err != OK)
        return err;
    for (const struct unit *u = units; u->name != NULL; u++) {
        if (!str_is(text, u->name))
            continue;
        if (number > UINT64_MAX / u->factor)
            return ERR_INVALID;
        *out = number * u->factor;
        return OK;
    }
    return ERR_INVALID;
}

enum err config_read_count(struct str text, uint64_t min, uint64_t max,
                           uint64_t *out)
{
    uint64_t number;
    enum err err = take_number(&text, &number);

    if (err != OK || text.n_bytes > 0 || number < min || number > max)
        return ERR_INVALID;
    *out = number;
    return OK;
}

enum err config_read_bytes(struct str text, uint64_t min, uint64_t max,
                           uint64_t *out)
{
    uint64_t number;
    enum err err = read_with_unit(text, size_units, &number);

    if (err != OK || number < min || number > max)
        return ERR_INVALID;
    *out = number;
    return OK;
}

enum err config_read_duration(struct str text, int64_t min_ms, int64_t max_ms,
                              int64_t *out_ms)
{
    uint64_t number;
    enum err err = read_with_unit(text, time_units, &number);

    if (err != OK || number > INT64_MAX || (int64_t)number < min_ms ||
        (int64_t)number > max_ms)
        return ERR_INVALID;
    *out_ms = (int64_t)number;
    return OK;
}

// Removes the next comma-separated piece from `rest`, and trims it. False: none is
// left.
static bool next_piece(struct str *rest, struct str *piece)
{
    const char *comma;

    if (rest->at == NULL)
        return false;
    comma = rest->n_bytes > 0 ? memchr(rest->at, ',', rest->n_bytes) : NULL;
    *piece = *rest;
    if (comma != NULL) {
        piece->n_bytes = (size_t)(comma - rest->at);
        rest->n_bytes -= piece->n_bytes + 1;
        rest->at = comma + 1;
    } else {
        *rest = STR_EMPTY;
    }
    *piece = str_trim(*piece, STR(" "));
    return true;
}

enum err config_read_schedule(struct str text, int64_t max_ms,
                              int64_t *waits_ms, size_t *n)
{
    struct str piece;
    size_t n_waits = 0;

    while (next_piece(&text, &piece)) {
        enum err err;

        if (n_waits == RETRIES_MAX)
            return ERR_INVALID;
        err = config_read_duration(piece, 1, max_ms, &waits_ms[n_waits]);
        if (err != OK)
            return err;
        n_waits++;
    }
    *n = n_waits;
    return n_waits > 0 ? OK : ERR_INVALID;
}

// Reads "address/bits" or "address/bits:port"; a bare address means that address
// only.
static enum err read_cidr(struct str piece, struct cidr *out)
{
    char text[INET6_ADDRSTRLEN + 16];
    char *slash;
    struct in_addr v4;
    uint64_t bits;
    uint64_t port = 0;
    struct str rest;

    *out = (struct cidr){ 0 };
    if (piece.n_bytes == 0 || piece.n_bytes >= sizeof(text))
        return ERR_INVALID;
    memcpy(text, piece.at, piece.n_bytes);
    text[piece.n_bytes] = '\0';
    slash = strchr(text, '/');
    if (slash != NULL)
        *slash = '\0';

    if (inet_pton(AF_INET, text, &v4) == 1) {
        out->address[10] = 0xff;
        out->address[11] = 0xff;
        memcpy(out->address + 12, &v4, sizeof(v4));
        out->n_bits = 96;
    } else if (inet_pton(AF_INET6, text, out->address) != 1) {
        return ERR_INVALID;
    }
    if (slash == NULL) {
        out->n_bits = 128;
        return OK;
    }
    rest = str_of(slash + 1);
    if (take_number(&rest, &bits) != OK || bits > 128u - out->n_bits)
        return ERR_INVALID;
    out->n_bits = (uint8_t)(out->n_bits + bits);
    if (rest.n_bytes > 0) {
        if (rest.at[0] != ':')
            return ERR_INVALID;
        rest.at++;
        rest.n_bytes--;
        if (config_read_count(rest, 1, 65535, &port) != OK)
            return ERR_INVALID;
    }
    out->port = (uint16_t)port;
    return OK;
}

enum err config_read_cidrs(struct str text, struct cidr *cidrs, size_t max,
                           size_t *n)
{
    struct str piece;
    size_t n_cidrs = 0;

    *n = 0;
    if (text.n_bytes == 0)
        return OK;
    while (next_piece(&text, &piece)) {
        if (n_cidrs == max || read_cidr(piece, &cidrs[n_cidrs]) != OK)
            return ERR_INVALID;
        n_cidrs++;
    }
    *n = n_cidrs;
    return OK;
}

static enum err read_port(struct str text, uint16_t *out)
{
    uint64_t port;

    if (config_read_count(text, 1, 65535, &port) != OK)
        return ERR_INVALID;
    *out = (uint16_t)port;
    return OK;
}

static enum err read_ports_piece(struct str piece, struct port_range *out)
{
    const char *dash =
        piece.n_bytes > 0 ? memchr(piece.at, '-', piece.n_bytes) : NULL;
    size_t n_first = dash != NULL ? (size_t)(dash - piece.at) : piece.n_bytes;

    if (read_port((struct str){ piece.at, n_first }, &out->first) != OK)
        return ERR_INVALID;
    out->last = out->first;
    if (dash != NULL &&
        read_port((struct str){ dash + 1, piece.n_bytes - n_first - 1 },
                  &out->last) != OK)
        return ERR_INVALID;
    return out->first <= out->last ? OK : ERR_INVALID;
}

enum err config_read_ports(struct str text, struct port_range *ranges,
                           size_t max, size_t *n)
{
    struct str piece;
    size_t n_ranges = 0;

    *n = 0;
    if (text.n_bytes == 0)
        return ERR_INVALID;
    while (next_piece(&text, &piece)) {
        if (n_ranges == max || read_ports_piece(piece, &ranges[n_ranges]) != OK)
            return ERR_INVALID;
        n_ranges++;
    }
    *n = n_ranges;
    return OK;
}

enum err config_read_bool(struct str text, bool *out)
{
    bool yes = str_is(text, "yes") || str_is(text, "true") ||
               str_is(text, "1") || str_is(text, "on");
    bool no = str_is(text, "no") || str_is(text, "false") ||
              str_is(text, "0") || str_is(text, "off");

    if (!yes && !no)
        return ERR_INVALID;
    *out = yes;
    return OK;
}

static void put_with_unit(uint64_t number, const struct unit *units,
                          struct buf *out)
{
    const struct unit *best = &units[0];

    for (const struct unit *u = units; u->name != NULL; u++) {
        if (number > 0 && number % u->factor == 0)
            best = u;
    }
    buf_put_u64(out, number / best->factor);
    buf_puts(out, best->name);
}

void config_put_bytes(uint64_t n_bytes, struct buf *out)
{
    put_with_unit(n_bytes, size_units, out);
}

void config_put_duration(int64_t duration_ms, struct buf *out)
{
    put_with_unit((uint64_t)duration_ms, time_units, out);
}

enum err config_address(const char *text, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    size_t n_bytes;
    uint64_t port;

    if (colon == NULL)
        return ERR_INVALID;
    n_bytes = (size_t)(colon - text);
    if (n_bytes >= sizeof(host) ||
        config_read_count(str_of(colon + 1), 1, 65535, &port) != OK)
        return ERR_INVALID;
    memcpy(host, text, n_bytes);
    host[n_bytes] = '\0';

    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return OK;
    }
    if (n_bytes < 2 || host[0] != '[' || host[n_bytes - 1] != ']')
        return ERR_INVALID;
    host[n_bytes - 1] = '\0';
    if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
        return ERR_INVALID;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    return OK;
}
