// SPDX-License-Identifier: MIT
// shake_turns.h — whose TLS handshake goes on next.
//
// A handshake costs a hundred times what a request costs, and anybody may ask for one.
// So client addresses take turns: however many connections an address opens, another
// one waits for one step of it. For each address (of IPv6: a network of 64 bits) the
// handshakes that begin in a second and those under way are limited. Further ones of
// the address wait, within their own time limit. When the limit of those under way has
// kept a new one waiting for a second, the oldest ends.

#ifndef COMMON_STREAM_SHAKE_TURNS_H
#define COMMON_STREAM_SHAKE_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/hash_map.h"
#include "common/base/list.h"
#include "common/fairness/rate_limiter.h"

#define SHAKE_ADDRESS_BYTES 16 // IPv6; IPv4 as ::ffff:a.b.c.d
#define SHAKES_AT_ONCE      64 // of an address, under way

struct shake_peer;

// A connection's part; of zeros: it shakes no hands.
struct shaker {
    struct list_node ready; // in its peer's list of those with something to do
    struct list_node under_way; // in its peer's list of those that have begun
    struct shake_peer *peer;
    int64_t begun_us; // of the caller's clock
    bool is_ready, is_begun;
};

struct shake_turns {
    struct hash_map peers;
    struct list ring;    // peers that have something to do, by turns
    struct list stalled; // peers that must wait before they begin another
    struct limiter rates;
    // Makes the next steps of a handshake; then shakes_ready() or shakes_leave() may be
    // called again for it, or later.
    void (*on_turn)(void *data, struct shaker *shaker);
    // Ends the connection, at the latest later; the shaker has left.
    void (*on_evicted)(void *data, struct shaker *shaker);
    void *data;
};

void shakes_init(struct shake_turns *t, unsigned max_per_second);
void shakes_clear(struct shake_turns *t); // nobody is left

// `is_of_many`: the address stands for many clients; it takes turns like any other, and
// begins as many handshakes as come.
void shakes_join(struct shake_turns *t, struct shaker *shaker,
                 const uint8_t address[SHAKE_ADDRESS_BYTES], bool is_of_many);
// It has something to do. Does nothing if that is known.
void shakes_ready(struct shake_turns *t, struct shaker *shaker);
// It is done, or its connection ends. Does nothing if it has left.
void shakes_leave(struct shake_turns *t, struct shaker *shaker);

// Lets those that had to wait try again; called a few times a second.
void shakes_tick(struct shake_turns *t);

// Gives one peer its turn. False: nobody has anything to do.
bool shakes_run(struct shake_turns *t, int64_t now_us);

#endif
