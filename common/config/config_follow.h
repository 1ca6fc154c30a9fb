// SPDX-License-Identifier: MIT
// config_follow.h — settings that nobody has set and that follow another setting.
//
// When an operator lowers a bound, settings that must not exceed it and that nobody
// has set are lowered with it. Settings that were set stay unchanged;
// config_check.h reports if the two contradict each other.

#ifndef COMMON_CONFIG_CONFIG_FOLLOW_H
#define COMMON_CONFIG_CONFIG_FOLLOW_H

#include <stddef.h>

#include "common/base/buf.h"

struct config_follow {
    const char *setting; // what follows
    const char *of;      // what it must not exceed
};

extern const struct config_follow
    config_follows[]; // in the order to apply them
extern const size_t n_config_follows;

// Returns the text that the setting gets; the caller frees it. NULL: the setting
// keeps its text, or one of the texts is invalid. `reserve` is
// admin_reserve_percent.
char *config_follow(const struct config_follow *f, const char *text,
                    const char *of_text, const char *reserve);

#endif
