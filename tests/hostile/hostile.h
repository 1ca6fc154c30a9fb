// SPDX-License-Identifier: MIT
// hostile.h — an engine whose sender does what an intruder would, when it is sent
// to a URL that says so.

#ifndef TESTS_HOSTILE_HOSTILE_H
#define TESTS_HOSTILE_HOSTILE_H

#include <stdbool.h>

// "/play/lies/KIND": what the next outcome of this sender says. "/play/scribble":
// it writes over all of the metrics that it can reach. Else nothing.
void play(const char *url);

// "/attack?NAME=VALUE&...": tries everything, and says on stderr what succeeded.
// "/attack/NAME?...": that alone. Else nothing.
void attack(const char *url);

// Tries the one of this name; true: it succeeded.
bool attack_by_name(const char *name);

// Tries what an intruder in another role would, and says on stderr what succeeded.
void attack_as_other(void);

#endif
