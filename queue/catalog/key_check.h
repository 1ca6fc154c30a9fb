// SPDX-License-Identifier: MIT
// key_check.h — are these the keys that the secrets are sealed with? Part of queue.h, which
// is what to include outside of queue/.

#ifndef QUEUE_CATALOG_KEY_CHECK_H
#define QUEUE_CATALOG_KEY_CHECK_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/records/queue_config.h"

// Makes the directory's key if there is none, and seals the values of headers
// that an earlier version left open. Before that:
// opens the known text that the first start sealed; seals it if there is none.
// ERR_INVALID: it opens with none of the keys; nothing is written.
MUST_CHECK enum err seals_check(const struct queue_config *config,
                                struct buf *why);

// Seals every secret of the hooks anew with the first of the keys, in one
// transaction. For an engine that does not run. ERR_DENIED: a secret needs a key
// that is not among them.
MUST_CHECK enum err queue_reseal(const struct queue_config *config,
                                 uint64_t *n_hooks);

#endif
