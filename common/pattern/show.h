// SPDX-License-Identifier: MIT
// show.h — operators as they are written in a pattern, for people.

#ifndef COMMON_PATTERN_SHOW_H
#define COMMON_PATTERN_SHOW_H

#include "common/base/buf.h"
#include "common/pattern/compiled.h"

void test_put(const struct pattern *p, const struct test *t, struct buf *out);

#endif
