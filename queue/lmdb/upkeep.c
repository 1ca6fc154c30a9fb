// SPDX-License-Identifier: MIT
// upkeep.c — what a process does every second for its open environments.

#include "queue/lmdb/upkeep.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/process/metrics.h"
#include "queue/lmdb/environment.h"

#define RESIDENT_MUCH_BYTES (UINT64_C(16) << 20)

bool queue_is_in_place(void)
{
    for (struct store *s = store_first(); s != NULL; s = s->next) {
        if (atomic_load(&s->is_displaced))
            return false;
    }
    return true;
}

void queue_upkeep(void)
{
    int64_t n_displaced = 0;

    for (struct store *s = store_first(); s != NULL; s = s->next) {
        int dead = 0;

        if (mdb_reader_check(s->env, &dead) == 0 && dead > 0) {
            log_debug("dead readers removed", "path=%s n=%d",
                      log_quote(str_of(s->path)), dead);
        }
        n_displaced += !store_is_in_place(s);
    }
    metrics_gauge(GAUGE_DISPLACED, n_displaced);
}

static uint64_t resident_file_bytes(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    unsigned long long shared = 0;

    if (statm == NULL)
        return 0;
    // NOLINTNEXTLINE(cert-err34-c): a kernel file; a miss leaves zero
    if (fscanf(statm, "%*u %*u %llu", &shared) != 1)
        shared = 0;
    fclose(statm);
    return shared * (uint64_t)sysconf(_SC_PAGESIZE);
}

// The maps are shared and read-only: dropping their pages costs a soft page fault
// each, and loses nothing. LMDB does not tell where it mapped a file, but the
// kernel does.
void queue_trim_memory(void)
{
    FILE *maps;
    char line[PATH_MAX + 128];

    if (resident_file_bytes() < RESIDENT_MUCH_BYTES)
        return;
    maps = fopen("/proc/self/maps", "re");
    if (maps == NULL)
        return;
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long long from;
        unsigned long long to;

        if (strstr(line, "/data.mdb") == NULL)
            continue;
        // NOLINTNEXTLINE(cert-err34-c): a kernel file of fixed form
        if (sscanf(line, "%llx-%llx", &from, &to) == 2) {
            // NOLINTNEXTLINE(performance-no-int-to-ptr): it is an address
            madvise((void *)(uintptr_t)from, to - from, MADV_DONTNEED);
        }
    }
    fclose(maps);
}
