// SPDX-License-Identifier: MIT
// key_check.h — checks that the keys are those that secrets are sealed with. Part
// of queue.h, which is what to include outside of queue/.

#ifndef QUEUE_SEALING_KEY_CHECK_H
#define QUEUE_SEALING_KEY_CHECK_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "queue/records/queue_config.h"

// Opens the known text that the first start sealed; seals it if there is none.
// ERR_INVALID: none of the keys opens it, and nothing is written. Then makes the
// directory's key if there is none, and seals the values of headers that an earlier
// version stored in the open.
MUST_CHECK enum err seals_check(const struct queue_config *config,
                                struct buf *why);

// Seals every secret of the hooks and of the organizations again with the first of the keys, in one
// transaction. Only while the engine does not run. ERR_DENIED: a secret needs a key
// that is missing.
MUST_CHECK enum err queue_reseal(const struct queue_config *config,
                                 uint64_t *n_hooks);

#endif
