// SPDX-License-Identifier: MIT
// hook_label.h — how logs call a hook: as its users do. Part of queue.h, which is what
// to include.

#ifndef QUEUE_CATALOG_HOOK_LABEL_H
#define QUEUE_CATALOG_HOOK_LABEL_H

#include <stdint.h>

#include "common/base/buf.h"
#include "queue/catalog/hook_store.h"

// Fields of a line of the log:
//   hook="acme/web/prod/orders" of=stack hook_id=12
// `of` is organization, stack, environment or project. Lives in one of 4 static slots of
// the thread: use it in the same call.
const char *hook_log(const struct hook *hook);
const char *hook_log_at(const struct hook_scope *scope, struct str name,
                        uint64_t no);

// The same where only the number is at hand: the name is looked up. A hook that is
// there no more is hook="(deleted)", one that cannot be read hook="(unreadable)". It is
// hook="(unknown)" on a thread that has no store, and within a visit of the store, which is
// read by one at a time.
const char *hook_log_no(uint64_t no);

// Of a hook that may be gone (NULL): then by its number.
const char *hook_log_or_no(const struct hook *hook, uint64_t no);

// Where hook_log_no() finds names on this thread; NULL: nowhere. Borrowed.
void hook_log_names(struct hook_store *hooks);

#endif
