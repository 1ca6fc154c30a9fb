// SPDX-License-Identifier: MIT
// blame.h — which record a process was working on when it died.
//
// No record may prevent a role from running. Before a role works on a record, it
// notes it in memory that it shares with the supervisor and that outlives the role;
// this costs a few stores. If the role then dies by a signal that it raised itself
// (an assertion, a fault), the supervisor counts a death for that record. A record
// with two deaths is worked on alone, one with three is set aside; what that means
// depends on the role.
//
// Each thread has its own note: the loop and the worker. Deaths by SIGKILL or
// SIGTERM, and by signals that another process sent, are not counted.

#ifndef COMMON_PROCESS_BLAME_H
#define COMMON_PROCESS_BLAME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"

#define BLAME_ALONE  2   // deaths: nothing else is worked on meanwhile
#define BLAME_ASIDE  3   // it is not worked on any more
#define BLAME_MAX    64  // records that are remembered; the oldest goes first
#define BLAME_WAIT_S 600 // how long a request is refused

enum blame_kind {
    BLAME_NOTHING,
    BLAME_EVENT,    // a: 0, b: position; being read or matched
    BLAME_DELIVERY, // a: hook, b: position; being sent, settled, committed
    BLAME_HOOK,     // a: hook, b: revision; being loaded
    BLAME_ROWS,     // a: hook; its due rows being read
    BLAME_REPLAY,   // a, b: its id
    BLAME_OWN,      // a, b: id of an event of the engine's own
    BLAME_ORDER,    // a: dispatcher, b: number of the order; a sender's
    BLAME_REQUEST   // a, b: hash of the request
};

struct blamed {
    uint64_t kind, a, b;
};

struct blame_page; // opaque: lies in shared memory

// --- the supervisor ---

// Makes a page for one role: returns its descriptor, which the role inherits, and
// the page. -1 (errno).
int blame_create(struct blame_page **out);

// Call for a role that has died by this signal. True: it raised the signal itself;
// `*out` is what it was working on, perhaps BLAME_NOTHING, and a death is counted
// for it. Clears the notes. Trusts nothing in the page.
bool blame_attribute(struct blame_page *page, int signum, struct blamed *out,
                     uint32_t *n_deaths);

// --- the role, of its own page; without one, nothing is noted ---

// Maps the page, and installs handlers that record which thread raised a fatal
// signal.
void blame_attach(int fd);

// Notes what this thread works on now; returns what it worked on before, which
// the caller gives back to blame_end().
struct blamed blame_begin(enum blame_kind kind, uint64_t a, uint64_t b);
void blame_end(struct blamed before);

// Hashes incoming bytes, on top of `before`. Each start of the engine uses another
// seed, so nobody can make a request that is mistaken for somebody else's.
uint64_t blame_hash(struct str bytes, uint64_t before);

// How often the role has died with a record.
uint32_t blame_deaths(enum blame_kind kind, uint64_t a, uint64_t b);
// The work on the record succeeded, or the record is gone.
void blame_forget(enum blame_kind kind, uint64_t a, uint64_t b);
// Somebody asks to try the record once more: it is then tried alone.
void blame_forgive(enum blame_kind kind, uint64_t a, uint64_t b);

// Whether any record has deaths; then the i-th such record, for loops up to
// BLAME_MAX: false if that entry is free.
bool blame_is_any(void);
bool blame_at(unsigned i, struct blamed *out, uint32_t *n_deaths);

// The process ends by itself, with an exit status, because of what this thread
// works on: counted as a death by signal. Callable from any context.
void blame_this_thread(void);

// Blames the loop, whichever thread calls this (the watchdog).
void blame_the_loop(void);

#endif
