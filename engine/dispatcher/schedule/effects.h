// SPDX-License-Identifier: MIT
// effects.h — what the scheduling core wants to be done.

#ifndef ENGINE_DISPATCHER_SCHEDULE_EFFECTS_H
#define ENGINE_DISPATCHER_SCHEDULE_EFFECTS_H

#include <stdbool.h>
#include <stddef.h>

// Effects of one step. More than a turn can use at once; with 24 bytes each they fit
// into a processor's first cache.
#define EFFECTS_MAX 128

struct delivery;
struct hook_state;
struct in_flight;

enum effect_kind {
    EFFECT_SEND,      // give the order of `attempt` to its sender
    EFFECT_SET_ASIDE, // `attempt` is not made: its delivery is set aside
    EFFECT_CANCEL,    // cancel `delivery`, which is in hand
    EFFECT_LOAD_ROWS, // read due rows of `hook`: SCHEDULE_ROWS_READ follows
    EFFECT_BREAKER_OPENED, // of `hook`
    EFFECT_HOOK_RESTS      // a deleted `hook` may be free of all work
};

enum cancel_reason {
    CANCEL_DELETED,      // the hook was deleted
    CANCEL_SWITCHED_OFF, // the hook was switched off
    CANCEL_DIED // dispatchers died with it, also while setting it aside
};

struct effect {
    enum effect_kind kind;
    enum cancel_reason reason; // of EFFECT_CANCEL
    bool is_alone; // EFFECT_SEND: dispatchers died with it, it is tried alone
    union {
        struct in_flight *attempt;
        struct delivery *delivery;
        struct hook_state *hook;
    };
};

struct effects {
    struct effect at[EFFECTS_MAX];
    size_t n;
};

#endif
