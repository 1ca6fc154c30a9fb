// SPDX-License-Identifier: MIT
// fold_table.h — the cases of letters, as data.

#ifndef COMMON_PATTERN_FOLD_TABLE_H
#define COMMON_PATTERN_FOLD_TABLE_H

#include <stddef.h>
#include <stdint.h>

// Every `step`th character from `first` to `last`, and how far its lower and its upper
// case are from it.
struct fold_range {
    uint16_t first;
    uint16_t last;
    int32_t to_lower;
    int32_t to_upper;
    uint8_t step;
};

// A character with a case of several characters.
struct fold_special {
    uint16_t c;
    const char *lower; // UTF-8
    const char *upper;
};

extern const struct fold_range fold_ranges[]; // by their first characters
extern const size_t fold_n_ranges;
extern const struct fold_special fold_specials[];
extern const size_t fold_n_specials;

#endif
