// SPDX-License-Identifier: MIT
// config_follow.h — settings that are left alone, and follow others that are not.
//
// A bound that an operator lowers takes with it what must not exceed it and what nobody
// has set. What was set stays as it is: config_check.h says if the two do not go together.

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

// The text that the setting has from now on; the caller frees it. NULL: it stays as it
// is, or one of the texts is not allowed. `reserve` is admin_reserve_percent.
char *config_follow(const struct config_follow *f, const char *text,
                    const char *of_text, const char *reserve);

#endif
