// text.c — small judgements about text that several places make.

#include "common/text.h"

#include <stddef.h>

bool text_is_name(struct str s)
{
    if (s.n_bytes == 0 || s.n_bytes > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < s.n_bytes; i++) {
        char c = s.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

int text_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}
