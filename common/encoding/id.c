// SPDX-License-Identifier: MIT
// id.c — 128-bit ids, written as UUIDs (RFC 9562).

#include "common/encoding/id.h"

#include <string.h>

#include "common/base/text.h"

void id_format(const struct id *id, char text[ID_TEXT_BYTES + 1])
{
    static const char hex[] = "0123456789abcdef";
    char *to = text;

    for (size_t i = 0; i < sizeof(id->bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = hex[id->bytes[i] >> 4];
        *to++ = hex[id->bytes[i] & 15];
    }
    *to = '\0';
}

enum err id_parse(struct str text, struct id *out)
{
    struct id id;
    size_t at = 0;

    if (text.n_bytes != ID_TEXT_BYTES)
        return ERR_INVALID;
    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        int high;
        int low;

        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (text.at[at++] != '-')
                return ERR_INVALID;
        }
        high = text_hex_value(text.at[at++]);
        low = text_hex_value(text.at[at++]);
        if (high < 0 || low < 0)
            return ERR_INVALID;
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *out = id;
    return OK;
}

bool id_eq(const struct id *a, const struct id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

// 48 bits of milliseconds, version, 12 bits of noise, variant, 14 bits of
// noise, 48 bits of serial.
struct id id_v7(int64_t at_ms, uint64_t serial, uint32_t noise)
{
    struct id id;
    uint64_t ms = (uint64_t)at_ms;

    for (size_t i = 0; i < 6; i++) {
        id.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
        id.bytes[10 + i] = (uint8_t)(serial >> (40 - 8 * i));
    }
    id.bytes[6] = (uint8_t)(0x70 | (noise & 0x0f));
    id.bytes[7] = (uint8_t)(noise >> 4);
    id.bytes[8] = (uint8_t)(0x80 | (noise >> 12 & 0x3f));
    id.bytes[9] = (uint8_t)(noise >> 18);
    return id;
}

struct id id_v4(const uint8_t random[16])
{
    struct id id;

    memcpy(id.bytes, random, sizeof(id.bytes));
    id.bytes[6] = (uint8_t)(0x40 | (random[6] & 0x0f));
    id.bytes[8] = (uint8_t)(0x80 | (random[8] & 0x3f));
    return id;
}

uint64_t id_serial(const struct id *id)
{
    uint64_t serial = 0;

    for (size_t i = 10; i < 16; i++)
        serial = serial << 8 | id->bytes[i];
    return serial;
}
