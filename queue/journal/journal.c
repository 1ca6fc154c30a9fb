// SPDX-License-Identifier: MIT
// journal.c — what is the same for each implementation.

#include "queue/journal/journal.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool journal_name_is_valid(struct str name)
{
    if (name.n_bytes == 0 || name.n_bytes > JOURNAL_NAME_BYTES)
        return false;
    for (size_t i = 0; i < name.n_bytes; i++) {
        bool is_inside = i > 0 && i + 1 < name.n_bytes;

        if (!is_word(name.at[i]) &&
            !(name.at[i] == '.' && is_inside && name.at[i - 1] != '.'))
            return false;
    }
    return true;
}
