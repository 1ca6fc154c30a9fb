// SPDX-License-Identifier: MIT
// fold.h — texts that are equal whatever the case of their letters.
//
// A letter equals its lower case and its upper case, as Unicode maps them one by one,
// without a language: ß equals SS, but not ss. A folded text has for each character both
// of its forms, so a comparison looks nothing up.

#ifndef COMMON_PATTERN_FOLD_H
#define COMMON_PATTERN_FOLD_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/str.h"

// Appends the folded form of `text`, which is UTF-8; with `from_end`, of its characters
// in reverse order, for fold_ends().
void fold_put(struct str text, bool from_end, struct buf *out);

// Whether `text` is, begins with, or ends with what was folded.
bool fold_is(struct str folded, struct str text);
bool fold_starts(struct str folded, struct str text);
bool fold_ends(struct str folded, struct str text);

// Appends a text that has this folded form.
void fold_unput(struct str folded, bool from_end, struct buf *out);

#endif
