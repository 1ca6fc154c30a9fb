// SPDX-License-Identifier: MIT
// journal_lmdb.c — handles of a journal in LMDB.

#include "queue/journal/journal_lmdb.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/files/small_file.h"
#include "queue/journal/lmdb_chains.h"
#include "queue/journal/lmdb_requests.h"
#include "queue/journal/lmdb_space.h"
#include "queue/journal/lmdb_values.h"

#define MAP_BYTES     (UINT64_C(8) << 30)
#define BOOT_ID_FILE  "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_BYTES 64

// --- the machine's clock ---

static int64_t boot_ms(void *data)
{
    struct timespec t;

    (void)data;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static pthread_mutex_t boot_id_lock = PTHREAD_MUTEX_INITIALIZER;
static char boot_id[BOOT_ID_BYTES];

static enum err find_clock(const struct journal_lmdb_config *config,
                           struct buf *why, struct journal_lmdb_clock *out)
{
    const char *fault = NULL;
    enum err err = OK;

    if (config->clock != NULL) {
        *out = *config->clock;
        return OK;
    }
    pthread_mutex_lock(&boot_id_lock);
    if (boot_id[0] == '\0') {
        err = small_file_read(BOOT_ID_FILE, boot_id, sizeof(boot_id), NULL,
                              &fault);
    }
    pthread_mutex_unlock(&boot_id_lock);
    if (err != OK) {
        buf_printf(why, "%s, by which leases end after a reboot: %s",
                   BOOT_ID_FILE, fault);
        return ERR_IO;
    }
    *out = (struct journal_lmdb_clock){ .now_ms = boot_ms, .boot_id = boot_id };
    return OK;
}

// --- a handle ---

static enum err judge(struct journal *j, struct buf *faults)
{
    struct store *store = lmdb_handle_of(j)->space->store;

    if (store_is_in_place(store))
        return OK;
    buf_printf(faults, "%s: its files were removed or replaced\n",
               store_path(store));
    return ERR_INVALID;
}

// The environment stays open (queue/lmdb).
static void close_handle(struct journal *j)
{
    struct lmdb_handle *h = lmdb_handle_of(j);

    lmdb_stop_serving(j);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static const struct journal_ops lmdb_ops = {
    .close = close_handle,
    .judge = judge,
    .append = lmdb_append,
    .last = lmdb_last,
    .trim = lmdb_trim,
    .reader_open = lmdb_reader_open,
    .reader_next = lmdb_reader_next,
    .reader_close = lmdb_reader_close,
    .value_get = lmdb_value_get,
    .value_put = lmdb_value_put,
    .value_watch = lmdb_value_watch,
    .lease_take = lmdb_lease_take,
    .lease_keep = lmdb_lease_keep,
    .lease_give = lmdb_lease_give,
    .lease_get = lmdb_lease_get,
    .request = lmdb_request,
    .serve = lmdb_serve,
};

enum err journal_lmdb_open(const struct journal_lmdb_config *config,
                           struct buf *why, struct journal **out)
{
    struct journal_lmdb_clock clock;
    struct lmdb_space *space;
    struct lmdb_handle *h;
    enum err err = find_clock(config, why, &clock);

    if (err == OK) {
        err = lmdb_space_open(
            config->dir, config->map_bytes != 0 ? config->map_bytes : MAP_BYTES,
            why, &space);
    }
    if (err != OK)
        return err;
    h = xcalloc(1, sizeof(*h));
    h->base.ops = &lmdb_ops;
    h->space = space;
    h->clock = clock;
    pthread_mutex_init(&h->lock, NULL);
    *out = &h->base;
    return OK;
}
