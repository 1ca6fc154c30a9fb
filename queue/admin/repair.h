// repair.h — the inside of a repair: everything that can be read, into a new tree.

#ifndef QUEUE_ADMIN_REPAIR_H
#define QUEUE_ADMIN_REPAIR_H

#include "queue/queue.h"

struct repair_to {
    const char *dir;  // made here, in the place of what is there
    bool is_in_place; // it is for the same directory: id and small files stay
    const struct queue_repair *how;
};

// Without locking, renaming, syncing `dir` itself. Records of format 4 are converted.
// ERR_CONFLICT: a part is missing or of another directory (is_in_place only).
MUST_CHECK enum err repair_into(const struct queue_config *config,
                                const struct repair_to *to,
                                struct queue_repaired *out);

#endif
