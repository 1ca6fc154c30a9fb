// SPDX-License-Identifier: MIT
// journal_mean_private.h — what the files of journal_mean share.

#ifndef TESTS_SUPPORT_JOURNAL_MEAN_PRIVATE_H
#define TESTS_SUPPORT_JOURNAL_MEAN_PRIVATE_H

#include <pthread.h>

#include "tests/support/journal_mean.h"

struct mean_entry {
    uint64_t seq;
    uint8_t id[JOURNAL_ENTRY_ID];
    char *bytes; // owned
    size_t n_bytes;
    bool is_off_chain;
    bool is_removed; // kept for mean_truth() alone
};

struct mean_chain {
    struct mean_entry *entries; // owned, in order
    size_t n, n_max;
    size_t last; // place of the last one of the chain, if last_seq is not 0
    uint64_t before_last;   // number of the one before it
    uint64_t last_seq;      // 0: there has been none
    uint64_t removed_seq;   // the highest number that was removed
    uint64_t trimmed_up_to; // the highest `before` of a trim
};

// What was lost on the way, and may still arrive.
struct mean_late {
    bool is_value;
    unsigned chain;
    uint64_t after; // or the expected revision
    uint8_t id[JOURNAL_ENTRY_ID];
    char key[JOURNAL_NAME_BYTES + 1];
    char *bytes; // owned; NULL: the value is deleted
    size_t n_bytes;
};

struct mean_value {
    char key[JOURNAL_NAME_BYTES + 1];
    char *bytes; // owned; NULL: deleted
    size_t n_bytes;
    uint64_t revision;
};

struct mean_lease {
    char name[JOURNAL_NAME_BYTES + 1];
    char holder[JOURNAL_NAME_BYTES + 1]; // "": nobody
    uint64_t taken_term;                 // when this holder took it
    uint64_t term;
    int64_t ends_at_ms;
};

struct mean_server {
    struct mean_handle *handle;
    char address[JOURNAL_NAME_BYTES + 1];
    journal_serve_fn fn;
    void *data;
    uint64_t next_ticket, now_serving;
    struct mean_server *next;
};

struct mean_handle {
    struct journal base;
    struct mean_world *world;
    char *name; // owned
    bool is_cut;
};

struct mean_world {
    pthread_mutex_t lock;
    pthread_cond_t changed; // by CLOCK_MONOTONIC
    uint64_t random;
    struct mean_faults faults;
    int64_t now_ms;
    uint64_t seq; // the last number of an entry, a revision, or a term
    struct mean_chain chains[JOURNAL_CHAINS_MAX];
    struct mean_late *late;
    size_t n_late, n_late_max;
    struct mean_value *values;
    size_t n_values, n_values_max;
    struct mean_lease *leases;
    size_t n_leases, n_leases_max;
    struct mean_server *servers;
    size_t n_handles;
};

static inline struct mean_handle *mean_handle_of(struct journal *j)
{
    return (struct mean_handle *)(void *)j;
}

// Begins an operation: locks the world, lets late ones arrive. ERR_AGAIN: the handle is
// cut off. In each case mean_end() unlocks it.
MUST_CHECK enum err mean_begin(struct mean_handle *h);
enum err mean_end(struct mean_handle *h, enum err err); // returns `err`

uint64_t mean_random(struct mean_world *w, uint64_t below);
bool mean_happens(struct mean_world *w, unsigned thousandths);
uint64_t mean_next_seq(struct mean_world *w);

// Waits for a change, with the world locked; false: the time is over.
bool mean_wait(struct mean_world *w, const struct timespec *until);
struct timespec mean_until(int64_t wait_ms);

void mean_push_late(struct mean_world *w, const struct mean_late *l,
                    const struct str *bytes);
// A late value arrives.
void mean_put_late(struct mean_world *w, const struct mean_late *l);

enum err mean_value_get(struct journal *j, struct str key, int64_t wait_ms,
                        struct buf *bytes, uint64_t *revision);
enum err mean_value_put(struct journal *j, struct str key,
                        const struct str *bytes, uint64_t expected,
                        int64_t wait_ms, uint64_t *revision);
enum err mean_value_watch(struct journal *j, struct str prefix, uint64_t after,
                          int64_t wait_ms, journal_value_fn on_value,
                          void *data, uint64_t *revision);
enum err mean_lease_take(struct journal *j, struct str name, struct str holder,
                         int64_t wait_ms, uint64_t *term);
enum err mean_lease_keep(struct journal *j, struct str name, struct str holder,
                         int64_t wait_ms, uint64_t *term);
enum err mean_lease_give(struct journal *j, struct str name, uint64_t term,
                         int64_t wait_ms);
enum err mean_lease_get(struct journal *j, struct str name, int64_t wait_ms,
                        struct buf *holder, uint64_t *term);
enum err mean_request(struct journal *j, struct str address, struct str body,
                      int64_t wait_ms, struct buf *answer);
enum err mean_serve(struct journal *j, struct str address, journal_serve_fn fn,
                    void *data);
void mean_stop_serving(struct mean_handle *h);

#endif
