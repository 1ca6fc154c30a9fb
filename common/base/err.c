// SPDX-License-Identifier: MIT
// err.c — names for results.

#include "common/base/err.h"

const char *err_str(enum err err)
{
#define ERR_TEXT(name, text) [name] = (text),
    static const char *const texts[] = { ERR_LIST(ERR_TEXT) };
#undef ERR_TEXT

    return texts[err];
}
