// SPDX-License-Identifier: MIT
// address.c — IP addresses and blocks of them, as texts.

#include "common/pattern/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/base/buf.h"

#define V4_MAX_BYTES 15

// Zeros in front are allowed, and change nothing: 010.0.0.1 is 10.0.0.1.
static size_t v4_of(struct str text, uint8_t out[16])
{
    unsigned part = 0;
    size_t n_parts = 0;
    bool has_digit = false;

    if (text.n_bytes > V4_MAX_BYTES)
        return 0;
    for (size_t i = 0; i <= text.n_bytes; i++) {
        char c = '.';

        if (i < text.n_bytes)
            c = text.at[i];
        if (c >= '0' && c <= '9') {
            part = part * 10 + (unsigned)(c - '0');
            has_digit = true;
        } else if (c == '.' && has_digit && n_parts < 4) {
            out[n_parts++] = (uint8_t)part;
            part = 0;
            has_digit = false;
        } else {
            return 0;
        }
        if (part > 255)
            return 0;
    }
    return n_parts == 4 ? 4 : 0;
}

static size_t v6_of(struct str text, uint8_t out[16])
{
    static const uint8_t mapped[12] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255
    };
    char copy[INET6_ADDRSTRLEN];

    if (text.n_bytes >= sizeof(copy) ||
        memchr(text.at, '.', text.n_bytes) != NULL)
        return 0;
    memcpy(copy, text.at, text.n_bytes);
    copy[text.n_bytes] = '\0';
    if (strlen(copy) != text.n_bytes || inet_pton(AF_INET6, copy, out) != 1)
        return 0;
    if (memcmp(out, mapped, sizeof(mapped)) != 0)
        return 16;
    memmove(out, out + sizeof(mapped), 4);
    return 4;
}

size_t address_of(struct str text, uint8_t out[16])
{
    if (text.n_bytes < 2)
        return 0;
    if (memchr(text.at, ':', text.n_bytes) != NULL)
        return v6_of(text, out);
    return v4_of(text, out);
}

size_t network_of(struct str text, uint8_t out[16], uint8_t *n_bits)
{
    const char *slash =
        text.n_bytes > 0 ? memchr(text.at, '/', text.n_bytes) : NULL;
    size_t n_address = slash != NULL ? (size_t)(slash - text.at) : 0;
    unsigned bits = 0;
    size_t n_bytes;

    if (slash == NULL || n_address + 1 == text.n_bytes ||
        text.n_bytes - n_address > 4)
        return 0;
    for (size_t i = n_address + 1; i < text.n_bytes; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return 0;
        bits = bits * 10 + (unsigned)(text.at[i] - '0');
    }
    n_bytes = address_of((struct str){ text.at, n_address }, out);
    if (bits >= n_bytes * 8)
        return 0;
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned kept = bits > 8 * i ? bits - 8 * (unsigned)i : 0;

        if (kept < 8)
            out[i] &= (uint8_t)(0xff00U >> kept);
    }
    *n_bits = (uint8_t)bits;
    return n_bytes;
}

bool network_has(const uint8_t *network, size_t n_bytes, uint8_t n_bits,
                 const uint8_t *address)
{
    size_t n_whole = n_bits / 8;
    uint8_t mask = (uint8_t)(0xff00U >> n_bits % 8);

    return memcmp(network, address, n_whole) == 0 &&
           (n_whole == n_bytes ||
            (network[n_whole] & mask) == (address[n_whole] & mask));
}

void address_put(const uint8_t *address, size_t n_bytes, struct buf *out)
{
    char shown[INET6_ADDRSTRLEN] = "";

    (void)inet_ntop(n_bytes == 4 ? AF_INET : AF_INET6, address, shown,
                    sizeof(shown));
    buf_puts(out, shown);
}
