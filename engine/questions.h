// questions.h — what the api process asks of this dispatcher.

#ifndef ENGINE_QUESTIONS_H
#define ENGINE_QUESTIONS_H

#include "common/err.h"

struct ask;
struct buf;
struct dispatcher;
struct followed;

void questions_on_link(struct dispatcher *d, int fd); // to api

// --- manual.c ---

// A ping, a redelivery, or how it goes with a hook. On an error nothing was
// answered.
MUST_CHECK enum err manual_start(struct dispatcher *d, const struct ask *ask);

// --- explain.c ---

void explain_on_ask(struct dispatcher *d, const struct ask *ask);

// --- status.c ---

// Appends a JSON object.
void status_put(struct dispatcher *d, struct followed *f, struct buf *out);

#endif
