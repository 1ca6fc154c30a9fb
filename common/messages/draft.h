// SPDX-License-Identifier: MIT
// draft.h — a hook that does not exist yet, as QUERY_DRAFT carries it: what decides which
// events it would get, and nothing else. No secret of it leaves the api process.

#ifndef COMMON_MESSAGES_DRAFT_H
#define COMMON_MESSAGES_DRAFT_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/model/hook.h"

void draft_pack(const struct hook *hook, struct buf *out);

// Texts of `out` are borrowed from `bytes`, its list of kinds lies in the arena. It wants
// events from the beginning of the log on. ERR_CORRUPT: the bytes have another form.
MUST_CHECK enum err draft_unpack(struct str bytes, struct arena *arena,
                                 struct hook *out);

#endif
