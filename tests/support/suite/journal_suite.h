// SPDX-License-Identifier: MIT
// journal_suite.h — what the parts of journal_suite.c share.

#ifndef TESTS_SUPPORT_SUITE_JOURNAL_SUITE_H
#define TESTS_SUPPORT_SUITE_JOURNAL_SUITE_H

#include <stdbool.h>

#include "queue/journal/journal.h"

// One more handle on the journal of the command line; ends the program if there is none.
struct journal *suite_open(void);

// Ends the program with a sentence and status 1.
__attribute__((noreturn, format(printf, 1, 2))) void
suite_fail(const char *format, ...);

// Appends `n` entries of `n_bytes`, each until it is known to be stored, then reads the chain
// from its beginning: every entry is there, once, behind the one that it names. Says "half" in
// the middle, and figures at the end.
void suite_append(unsigned n, size_t n_bytes);

// In each round, four handles append behind the same entry at once: one succeeds, or none.
void suite_race(unsigned n_rounds);

// A value that is put is seen by another handle's watch: `n` times, one after the other.
void suite_watch(unsigned n);

// Appends until there is no room, then trims, which makes room. Says after how many entries.
void suite_full(void);

// A lease is kept ten times, with a line "kept" for each; then nobody keeps it, and another
// gets it when its time is over.
void suite_lease(void);

#endif
