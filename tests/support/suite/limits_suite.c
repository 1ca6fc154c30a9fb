// SPDX-License-Identifier: MIT
// limits_suite.c — a journal that is full, and a lease that ends by itself.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "tests/support/suite/journal_suite.h"

#define WAIT_MS    10000
#define FULL_CHAIN 3
#define FULL_BYTES 300000
#define FULL_TRIES 1000
#define KEEP_MS    2000
#define KEEPS      10
#define LATE_MS    5000

// --- full ---

static enum err append_one(struct journal *j, struct str bytes, uint64_t *tip)
{
    uint8_t id[JOURNAL_ENTRY_ID];

    crypto_random(id, sizeof(id));
    return journal_append(j, FULL_CHAIN, *tip, id, bytes, WAIT_MS, tip);
}

void suite_full(void)
{
    struct journal *j = suite_open();
    char *room = xcalloc(1, FULL_BYTES);
    struct str bytes = { room, FULL_BYTES };
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t tip = 0;
    uint64_t last = 0;
    unsigned n = 0;
    enum err err;

    while ((err = append_one(j, bytes, &tip)) == OK && n < FULL_TRIES)
        n++;
    if (err != ERR_FULL)
        suite_fail("after %u entries: %s", n, err_str(err));
    if (journal_last(j, FULL_CHAIN, WAIT_MS, &last, id) != OK || last != tip)
        suite_fail("the last entry is another one, once it is full");
    if (journal_trim(j, FULL_CHAIN, tip, WAIT_MS) != OK)
        suite_fail("no trim, once it is full");
    err = append_one(j, bytes, &tip);
    if (err != OK)
        suite_fail("behind a trim: %s", err_str(err));
    printf("full after %u entries\n", n);
    journal_close(j);
    free(room);
}

// --- a lease ---

static void sleep_ms(int64_t ms)
{
    struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&pause, NULL);
}

// Keeps it, whatever happens to the servers. Returns when the last call began.
static int64_t keep(struct journal *j, struct str name, uint64_t *term)
{
    int64_t kept_us = clock_mono_us();

    for (unsigned i = 0; i < KEEPS; i++) {
        int64_t begun_us = clock_mono_us();
        uint64_t before = *term;
        enum err err = journal_lease_keep(j, name, STR("first"), WAIT_MS, term);

        if (err == OK && *term <= before)
            suite_fail("keep: the term does not grow");
        if (err == OK) {
            kept_us = begun_us;
        } else if (err != ERR_AGAIN) {
            suite_fail("keep: %s", err_str(err));
        }
        puts("kept");
        sleep_ms(KEEP_MS);
    }
    return kept_us;
}

void suite_lease(void)
{
    struct journal *first = suite_open();
    struct journal *second = suite_open();
    struct str name = STR("a-lease");
    uint64_t term = 0;
    uint64_t next = 0;
    int64_t kept_us;
    int64_t took_ms;
    enum err err =
        journal_lease_take(first, name, STR("first"), WAIT_MS, &term);

    if (err != OK)
        suite_fail("take: %s", err_str(err));
    kept_us = keep(first, name, &term);
    while ((err = journal_lease_take(second, name, STR("second"), WAIT_MS,
                                     &next)) != OK) {
        if (err != ERR_EXISTS && err != ERR_AGAIN)
            suite_fail("take: %s", err_str(err));
        sleep_ms(100);
    }
    took_ms = (clock_mono_us() - kept_us) / 1000;
    if (took_ms < JOURNAL_LEASE_MS || took_ms > JOURNAL_LEASE_MS + LATE_MS)
        suite_fail("the lease ended after %lld ms", (long long)took_ms);
    if (next <= term)
        suite_fail("take: the term does not grow");
    err = journal_lease_keep(first, name, STR("first"), WAIT_MS, &term);
    if (err != ERR_CONFLICT)
        suite_fail("keep of a lease that ended: %s", err_str(err));
    printf("the lease ended after %lld ms\n", (long long)took_ms);
    journal_close(second);
    journal_close(first);
}
