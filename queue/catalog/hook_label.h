// SPDX-License-Identifier: MIT
// hook_label.h — how logs name a hook: as its users do. Part of queue.h, which is
// what to include.

#ifndef QUEUE_CATALOG_HOOK_LABEL_H
#define QUEUE_CATALOG_HOOK_LABEL_H

#include <stdint.h>

#include "common/base/buf.h"
#include "queue/catalog/hook_store.h"

// Fields of a log line:
//   hook="acme/web/prod/orders" of=stack hook_id=12
// `of` is organization, stack, environment or project. The text lies in one of 4
// static buffers of the thread: use it in the same call.
const char *hook_log(const struct hook *hook);
const char *hook_log_at(const struct hook_scope *scope, struct str name,
                        uint64_t no);

// Like hook_log(), by number: the name is looked up. A hook that was deleted is
// hook="(deleted)", one that cannot be read hook="(unreadable)". It is
// hook="(unknown)" on a thread that has no store, and within a visit of the store,
// since a store serves one read at a time.
const char *hook_log_no(uint64_t no);

// Like hook_log(), for a hook that may be gone (NULL): its number is then looked
// up.
const char *hook_log_or_no(const struct hook *hook, uint64_t no);

// Sets the store in which hook_log_no() finds names on this thread; NULL: none.
// Borrowed.
void hook_log_names(struct hook_store *hooks);

#endif
