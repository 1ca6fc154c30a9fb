// SPDX-License-Identifier: MIT
// placement.h — which senders an endpoint's attempts go through.

#ifndef ENGINE_DISPATCHER_SCHEDULE_PLACEMENT_H
#define ENGINE_DISPATCHER_SCHEDULE_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/dispatcher/schedule/schedule.h"

// An endpoint's place: one sender, so that connections are used again; several while
// it is so busy that one sender would work and the others sleep.
struct placement {
    uint32_t senders; // a bit for each; never 0
    uint32_t n_begun; // attempts since the last look
    uint32_t rate;    // attempts in the last look
    uint32_t n_calm;  // looks since several senders were last needed
};

// A new endpoint goes to the sender with the least work, of those that take orders; of
// all, if none does.
void placement_begin(struct schedule *s, struct placement *p);
void placement_end(struct schedule *s, const struct placement *p);

// The sender for the next attempt: of those of the endpoint that take orders, the one
// with the fewest attempts in flight.
unsigned placement_sender(const struct schedule *s, const struct placement *p);

// A look, four times a second: each endpoint is counted. If the senders have been uneven
// for a second, each endpoint is considered, and moves if that makes them more even.
// If no move does, the busiest endpoint gets one sender more.
struct placement_move {
    bool is_wanted;
    unsigned from, to;
    uint64_t wanted; // half the difference of their work
    uint64_t moved;
    struct placement *busiest; // of those that stay
};

void placement_look_begin(struct schedule *s);
void placement_count(struct schedule *s, struct placement *p);
struct placement_move placement_want(struct schedule *s);
void placement_consider(struct schedule *s, struct placement_move *move,
                        struct placement *p);
void placement_look_end(struct schedule *s, const struct placement_move *move);

#endif
