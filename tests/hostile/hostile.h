// hostile.h — an engine whose sender does what an intruder would, when it is sent
// to a URL that says so.

#ifndef TESTS_HOSTILE_HOSTILE_H
#define TESTS_HOSTILE_HOSTILE_H

#include "common/str.h"

// The path is "/play/lies/KIND": what the next outcome of this sender says.
// "/play/scribble": it writes over all of the metrics that it can reach.
void play(struct str url);

#endif
