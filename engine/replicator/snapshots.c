// SPDX-License-Identifier: MIT
// snapshots.c — writes snapshots of the parts that this node owns.
//
// A part is written when its chain has grown by as much as the last snapshot was large, so
// that all snapshots together cost as much as the chain itself, and by CHAIN_BYTES at least.
// A part that changed is written once a day at least, so that what was erased leaves the
// servers, too.

#include "engine/replicator/snapshots.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log/log.h"

#define LOOK_MS     1000
#define CHAIN_BYTES (UINT64_C(64) << 20)
#define RETRY_US    (INT64_C(60) * 1000000)
#define AGE_US      (INT64_C(24) * 3600 * 1000000)

struct snapshots {
    struct chain_host **hosts;
    size_t n_hosts;
    uint64_t *done_bytes; // of each host: its n_appended_bytes at the last one
    uint64_t *snapshot_bytes; // of each host: how large that was
    int64_t *not_before_us;   // of each host: no try before
    int64_t *done_us;         // of each host: monotonic, when that was
    atomic_bool is_stopping;
    uv_thread_t thread;
};

static bool is_due(struct snapshots *s, size_t i,
                   const struct chain_host_status *status)
{
    uint64_t since;

    if (status->state != CHAIN_HOST_OWNS ||
        clock_mono_us() < s->not_before_us[i])
        return false;
    if (status->n_appended_bytes < s->done_bytes[i])
        s->done_bytes[i] = 0; // it counts anew since it owns the chain again
    since = status->n_appended_bytes - s->done_bytes[i];
    if (since > 0 && clock_mono_us() - s->done_us[i] >= AGE_US)
        return true;
    return since >= CHAIN_BYTES && since >= s->snapshot_bytes[i];
}

static void look(struct snapshots *s, size_t i)
{
    struct chain_host_status status = chain_host_status(s->hosts[i]);
    uint64_t n_bytes = 0;
    enum err err;

    if (!is_due(s, i, &status))
        return;
    err = chain_host_snapshot(s->hosts[i], &n_bytes);
    if (err == OK) {
        s->snapshot_bytes[i] = n_bytes;
        s->done_bytes[i] = status.n_appended_bytes;
        s->done_us[i] = clock_mono_us();
        log_info("a snapshot was written", "part=%zu bytes=%" PRIu64, i,
                 n_bytes);
    } else {
        log_warn("a snapshot could not be written", "part=%zu reason=%s", i,
                 log_quote(str_of(err_str(err))));
        s->not_before_us[i] = clock_mono_us() + RETRY_US;
    }
}

static void run(void *data)
{
    struct snapshots *s = data;

    while (!atomic_load(&s->is_stopping)) {
        for (size_t i = 0; i < s->n_hosts && !atomic_load(&s->is_stopping); i++)
            look(s, i);
        uv_sleep(LOOK_MS);
    }
}

struct snapshots *snapshots_start(struct chain_host **hosts, size_t n_hosts)
{
    struct snapshots *s = xcalloc(1, sizeof(*s));

    s->hosts = hosts;
    s->n_hosts = n_hosts;
    s->done_bytes = xcalloc(n_hosts, sizeof(*s->done_bytes));
    s->snapshot_bytes = xcalloc(n_hosts, sizeof(*s->snapshot_bytes));
    s->done_us = xcalloc(n_hosts, sizeof(*s->done_us));
    s->not_before_us = xcalloc(n_hosts, sizeof(*s->not_before_us));
    for (size_t i = 0; i < n_hosts; i++)
        s->done_us[i] = clock_mono_us();
    if (uv_thread_create(&s->thread, run, s) != 0)
        log_fatal("a thread cannot be started", "");
    return s;
}

void snapshots_stop(struct snapshots *s)
{
    atomic_store(&s->is_stopping, true);
}
