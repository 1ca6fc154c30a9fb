// SPDX-License-Identifier: MIT
// org_values.h — small values that belong to an organization. Part of queue.h, which is
// what to include outside of queue/.
//
// They lie in the environment of the hooks, under the organization's number: the process
// that writes hooks is their only writer, all processes read them, backups contain them,
// and the erasure of an organization removes them. An organization that has none costs
// nothing.

#ifndef QUEUE_ORGS_ORG_VALUES_H
#define QUEUE_ORGS_ORG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/model/event.h"
#include "queue/catalog/hook_store.h"
#include "queue/orgs/org_value.h"

// --- reading, in any process ---

// The value is borrowed for the call. Return false to end the scan.
typedef bool (*org_value_visit)(void *data, const struct org_value *value);

// ERR_NOTFOUND. ERR_CORRUPT: it is damaged.
MUST_CHECK enum err org_value_get(struct hook_store *hs, enum org_value_use use,
                                  uint64_t org_no, struct str name,
                                  org_value_visit visit, void *data);

// The values of a use that an organization has, by name, after the name `after` (empty:
// from the first). With `org_no` 0 those of all organizations, by number and name, and
// `after` is not used. A damaged one is passed over, with a warning in the log.
MUST_CHECK enum err org_value_each(struct hook_store *hs,
                                   enum org_value_use use, uint64_t org_no,
                                   struct str after, org_value_visit visit,
                                   void *data);

// Grows with each change of a value of this use, erasures included: whoever has read them at
// this count is up to date. 0: there never was one.
MUST_CHECK enum err org_values_revision(struct hook_store *hs,
                                        enum org_value_use use, uint64_t *out);

// --- writing, in the process that writes hooks (hook_store.h says how writes end) ---

// Revisions to write under.
#define ORG_VALUE_ANY UINT64_MAX // whatever is there
#define ORG_VALUE_NEW 0          // there must be none

struct org_value_put {
    enum dialect dialect;
    struct str org;
    enum org_value_use use;
    struct str name;   // up to ORG_VALUE_NAME_MAX_BYTES
    struct str bytes;  // up to ORG_VALUE_MAX_BYTES
    bool is_secret;    // sealed on disk
    uint64_t revision; // that it must have now
    size_t max;        // how many values of this use it may have; 0: any number
};

// Stores a value, in place of the one of this name; an organization without a number gets
// one. The result has the value's new `revision`. ERR_CONFLICT: its revision is another
// one. ERR_BUSY: the organization is being erased. ERR_TOOBIG: it would be one more than
// `max`. ERR_INVALID: a name is malformed, or name or bytes are too long.
void org_value_put(struct hook_store *hs, const struct org_value_put *put,
                   const struct catalog_caller *caller);

// ERR_NOTFOUND: there is no such value. ERR_CONFLICT: its revision is another one.
void org_value_delete(struct hook_store *hs, uint64_t org_no,
                      enum org_value_use use, struct str name,
                      uint64_t revision, const struct catalog_caller *caller);

#endif
