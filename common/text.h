// text.h — small judgements about text that several places make.

#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdbool.h>

#include "common/str.h"

#define NAME_MAX_BYTES 100

// The name of an organization, project, stack or environment: 1 to
// NAME_MAX_BYTES of A-Z a-z 0-9 . _ - (what Pulumi Cloud allows).
bool text_is_name(struct str s);

// 0 to 15, or -1 if `c` is no hexadecimal digit.
int text_hex_value(char c);

#endif
