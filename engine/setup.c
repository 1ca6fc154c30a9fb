// setup.c — the setup role: prepares the data directory, then ends.
//
// A process of its own, because no process may open LMDB and then fork.

#include <unistd.h>

#include "common/auth.h"
#include "common/log.h"
#include "common/role.h"
#include "engine/roles.h"
#include "queue/queue.h"

int setup_role(unsigned index)
{
    struct role *role = role_start(ROLE_SETUP, index);
    const struct config *config = role_config(role);
    struct queue_config qc = { .data_dir = config->data_dir,
                               .max_bytes = config->max_queue_bytes,
                               .n_shards = (unsigned)config->dispatchers };
    struct buf why;

    buf_init(&why, 0);
    if (queue_prepare(&qc, &why) != OK) {
        log_warn("data directory cannot be used", "data_dir=%s reason=%s",
                 log_quote(str_of(config->data_dir)), log_quote(buf_str(&why)));
        _exit(1);
    }
    if (auth_prepare(config->data_dir) != OK) {
        log_warn("admin.token cannot be written", "data_dir=%s",
                 log_quote(str_of(config->data_dir)));
        _exit(1);
    }
    _exit(0); // without tearing LMDB down (queue.h)
}
