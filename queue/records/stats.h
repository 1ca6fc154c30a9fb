// SPDX-License-Identifier: MIT
// stats.h — results and durations of attempts, in sums that can be added up. Part
// of queue.h, which is what to include.
//
// Sums are kept by hook and by organization, for windows of five minutes and of an
// hour, in the same transactions as the attempts. A query about a week adds up 169
// sums, however many attempts there were.

#ifndef QUEUE_RECORDS_STATS_H
#define QUEUE_RECORDS_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/model/delivery.h"

enum phase {
    PHASE_QUEUE, // of first attempts
    PHASE_DNS,   // this and the next two: of new connections only
    PHASE_CONNECT,
    PHASE_TLS,
    PHASE_FIRST_BYTE, // of attempts that got a response
    PHASE_TOTAL,
    PHASES
};

const char *phase_name(enum phase phase); // "queueUs", as in the timing

// A histogram: 32 buckets for each power of two (an error below 3.2 %); empty
// buckets are not stored.
struct bar {
    uint32_t bucket;
    uint32_t n;
};

struct bars {
    struct bar *at; // owned; by bucket
    size_t n_bars, room;
    uint64_t n;
    int64_t max_us;
};

#define STATES 5 // one more than the greatest enum delivery_state

struct stats {
    uint64_t states[STATES];        // attempts, by the state after them
    uint64_t errors[ERROR_CLASSES]; // ERROR_NONE: those that succeeded
    struct bars phases[PHASES];
};

void stats_init(struct stats *s);
void stats_clear(struct stats *s);
void stats_note(struct stats *s, const struct attempt *attempt);
uint64_t stats_attempts(const struct stats *s); // how many there were

// The value that `percent` of the values do not exceed, rounded up to its bucket's
// end; 0 if there are none.
int64_t bars_percentile(const struct bars *b, double percent);

// stats_add_record() of a record that lies at its place.
MUST_CHECK enum err stats_add_record_at(struct stats *into, uint32_t place,
                                        struct str record);
void stats_encode(const struct stats *s, struct buf *out);
// Adds what the record holds to `into`. ERR_CORRUPT: nothing was added.
MUST_CHECK enum err stats_add_record(struct stats *into, struct str record);

#endif
