// SPDX-License-Identifier: MIT
// operator.h — the organization of the engine's operator.
//
// It is reserved: its hooks get the engine's own events of all organizations.
// Only admin tokens read and write it, and nobody posts events to it. Its own tokens are
// admin tokens. It is never erased.

#ifndef COMMON_MODEL_OPERATOR_H
#define COMMON_MODEL_OPERATOR_H

#include <stdbool.h>

#include "common/base/str.h"

#define OPERATOR_ORG "posthorn"

static inline bool operator_is_org(struct str org)
{
    return str_is(org, OPERATOR_ORG);
}

#endif
