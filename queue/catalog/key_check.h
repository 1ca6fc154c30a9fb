// key_check.h — are these the keys that the secrets are sealed with?

#ifndef QUEUE_CATALOG_KEY_CHECK_H
#define QUEUE_CATALOG_KEY_CHECK_H

#include "common/base/buf.h"
#include "common/base/err.h"

struct queue_config;

// Makes the directory's key if there is none, and seals the values of headers
// that an earlier version left open. Before that:
// opens the known text that the first start sealed; seals it if there is none.
// ERR_INVALID: it opens with none of the keys; nothing is written.
MUST_CHECK enum err seals_check(const struct queue_config *config,
                                struct buf *why);

#endif
