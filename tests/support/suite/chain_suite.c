// SPDX-License-Identifier: MIT
// chain_suite.c — appends while servers die, races, and how soon a value is seen.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "tests/support/suite/journal_suite.h"

#define WAIT_MS      10000
#define APPEND_CHAIN 1
#define RACE_CHAIN   2
#define RACERS       4

// --- entries ---

// An entry is its number and the one that it follows, and filled up.
#define HEAD_BYTES 16

struct entry {
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t seq;
};

static void fill_entry(char *bytes, size_t n_bytes, uint64_t number,
                       uint64_t after)
{
    memset(bytes, (int)('a' + number % 26), n_bytes);
    put_be64((uint8_t *)bytes, number);
    put_be64((uint8_t *)bytes + 8, after);
}

// Until it is known: each minute without is a fault.
static void append_surely(struct journal *j, struct entry *e, struct str bytes,
                          uint64_t after, unsigned *n_again)
{
    int64_t begun_us = clock_mono_us();
    enum err err;

    while ((err = journal_append(j, APPEND_CHAIN, after, e->id, bytes, 1000,
                                 &e->seq)) == ERR_AGAIN) {
        ++*n_again;
        if (clock_mono_us() - begun_us > 60 * INT64_C(1000000))
            suite_fail("no answer for a minute");
    }
    if (err != OK) {
        suite_fail("append behind %llu: %s", (unsigned long long)after,
                   err_str(err));
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void say_figures(int64_t *took_us, unsigned n, int64_t all_us,
                        unsigned n_again)
{
    size_t middle = n / 2;
    size_t late = (size_t)n * 99 / 100;

    qsort(took_us, n, sizeof(*took_us), compare);
    printf("%u appends: %.0f/s, p50 %.2f ms, p99 %.2f ms, longest %.0f ms, "
           "%u asked again\n",
           n, n * 1e6 / (double)all_us, (double)took_us[middle] / 1e3,
           (double)took_us[late] / 1e3, (double)took_us[n - 1] / 1e3, n_again);
}

// Reads what was appended, behind `after`.
static void check_chain(struct journal *j, uint64_t after,
                        const struct entry *entries, unsigned n)
{
    struct journal_reader *r;
    struct journal_entry got;
    enum err err = journal_reader_open(j, APPEND_CHAIN, after, &r);

    if (err != OK)
        suite_fail("reader: %s", err_str(err));
    for (unsigned i = 0; i < n;) {
        err = journal_reader_next(r, WAIT_MS, &got);
        if (err != OK && err != ERR_AGAIN)
            suite_fail("entry %u of %u: %s", i, n, err_str(err));
        if (err != OK)
            continue;
        if (got.seq != entries[i].seq ||
            memcmp(got.id, entries[i].id, JOURNAL_ENTRY_ID) != 0 ||
            get_be64((const uint8_t *)got.bytes.at) != i ||
            get_be64((const uint8_t *)got.bytes.at + 8) != after)
            suite_fail("entry %u is not the one that was stored", i);
        after = got.seq;
        i++;
    }
    err = journal_reader_next(r, 500, &got);
    if (err == OK)
        suite_fail("an entry that nobody stored");
    journal_reader_close(r);
}

void suite_append(unsigned n, size_t n_bytes)
{
    struct journal *j = suite_open();
    struct entry *entries = xcalloc(n, sizeof(*entries));
    int64_t *took_us = xcalloc(n, sizeof(*took_us));
    char *bytes = xmalloc(n_bytes);
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t before = 0;
    unsigned n_again = 0;
    enum err err = journal_last(j, APPEND_CHAIN, WAIT_MS, &before, id);
    int64_t begun_us = clock_mono_us();

    if (err != OK && err != ERR_NOTFOUND)
        suite_fail("last: %s", err_str(err));
    for (unsigned i = 0; i < n; i++) {
        uint64_t after = i > 0 ? entries[i - 1].seq : before;

        took_us[i] = clock_mono_us();
        crypto_random(entries[i].id, JOURNAL_ENTRY_ID);
        fill_entry(bytes, n_bytes, i, after);
        append_surely(j, &entries[i], (struct str){ bytes, n_bytes }, after,
                      &n_again);
        took_us[i] = clock_mono_us() - took_us[i];
        if (i == n / 2)
            puts("half");
    }
    say_figures(took_us, n, clock_mono_us() - begun_us, n_again);
    check_chain(j, before, entries, n);
    journal_close(j);
    free(bytes);
    free(took_us);
    free(entries);
}

// --- races ---

struct race {
    pthread_barrier_t barrier;
    struct journal *handles[RACERS];
    uint64_t tip;
    uint64_t seqs[RACERS]; // 0: it did not succeed
    uint8_t ids[RACERS][JOURNAL_ENTRY_ID];
    unsigned n_rounds;
};

struct racer {
    struct race *race;
    unsigned number;
};

static void *run_racer(void *data)
{
    const struct racer *me = data;
    struct race *race = me->race;
    unsigned n = me->number;

    for (unsigned i = 0; i < race->n_rounds; i++) {
        enum err err;

        pthread_barrier_wait(&race->barrier);
        crypto_random(race->ids[n], JOURNAL_ENTRY_ID);
        err = journal_append(race->handles[n], RACE_CHAIN, race->tip,
                             race->ids[n], STR("a racer"), WAIT_MS,
                             &race->seqs[n]);
        if (err != OK)
            race->seqs[n] = 0;
        pthread_barrier_wait(&race->barrier);
    }
    return NULL;
}

// One success, which is the chain's last entry; or, with answers that were lost, none.
static void check_round(struct race *race, unsigned round)
{
    uint8_t id[JOURNAL_ENTRY_ID];
    uint64_t last = 0;
    unsigned n = 0;

    if (journal_last(race->handles[0], RACE_CHAIN, WAIT_MS, &last, id) != OK)
        suite_fail("last: no answer");
    for (unsigned i = 0; i < RACERS; i++) {
        if (race->seqs[i] == 0)
            continue;
        n++;
        if (race->seqs[i] != last ||
            memcmp(race->ids[i], id, JOURNAL_ENTRY_ID) != 0)
            suite_fail("round %u: who succeeded is not the last one", round);
    }
    if (n != 1)
        suite_fail("round %u: %u of %u succeeded", round, n, RACERS);
    race->tip = last;
}

void suite_race(unsigned n_rounds)
{
    struct race race = { .n_rounds = n_rounds };
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    uint8_t id[JOURNAL_ENTRY_ID];

    pthread_barrier_init(&race.barrier, NULL, RACERS + 1);
    for (unsigned i = 0; i < RACERS; i++) {
        race.handles[i] = suite_open();
        racers[i] = (struct racer){ &race, i };
        pthread_create(&threads[i], NULL, run_racer, &racers[i]);
    }
    if (journal_last(race.handles[0], RACE_CHAIN, WAIT_MS, &race.tip, id) ==
        ERR_AGAIN)
        suite_fail("last: no answer");
    for (unsigned i = 0; i < n_rounds; i++) {
        pthread_barrier_wait(&race.barrier); // they begin
        pthread_barrier_wait(&race.barrier); // they have ended
        check_round(&race, i);
    }
    for (unsigned i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        journal_close(race.handles[i]);
    }
    pthread_barrier_destroy(&race.barrier);
    printf("%u rounds: one success in each\n", n_rounds);
}

// --- values ---

struct seen {
    uint64_t revision;
    int64_t at_us;
};

static void on_value(void *data, const struct journal_value *v)
{
    struct seen *seen = data;

    seen->revision = v->revision;
    seen->at_us = clock_mono_us();
}

struct putter {
    struct journal *j;
    unsigned n;
    int64_t put_us; // when the value was stored
};

static void *put_one(void *data)
{
    struct putter *p = data;
    struct timespec pause = { 0, 300000000 };
    char key[32];
    struct str value = STR("value");
    uint64_t revision = 0;
    enum err err;

    nanosleep(&pause, NULL); // the watch waits by now
    snprintf(key, sizeof(key), "watched.%u", p->n);
    err = journal_value_put(p->j, str_of(key), &value, 0, WAIT_MS, &revision);
    p->put_us = clock_mono_us();
    if (err != OK)
        suite_fail("put: %s", err_str(err));
    return NULL;
}

void suite_watch(unsigned n)
{
    struct journal *watcher = suite_open();
    struct putter p = { .j = suite_open() };
    uint64_t after = 0;

    for (; p.n < n; p.n++) {
        struct seen seen = { 0 };
        pthread_t thread;
        enum err err;

        pthread_create(&thread, NULL, put_one, &p);
        do {
            err = journal_value_watch(watcher, STR("watched."), after, WAIT_MS,
                                      on_value, &seen, &after);
        } while (err == ERR_AGAIN || (err == OK && seen.revision < after));
        pthread_join(thread, NULL);
        if (err != OK)
            suite_fail("watch: %s", err_str(err));
        printf("seen after %.1f ms\n", (double)(seen.at_us - p.put_us) / 1e3);
    }
    journal_close(watcher);
    journal_close(p.j);
}
