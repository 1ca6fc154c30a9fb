// questions.h — what the api process asks of this dispatcher.

#ifndef ENGINE_DISPATCHER_REQUESTS_QUESTIONS_H
#define ENGINE_DISPATCHER_REQUESTS_QUESTIONS_H

#include <stdint.h>

#include "common/base/err.h"

struct answer;
struct ask;
struct buf;
struct dispatcher;
struct event;
struct followed;

void questions_on_link(struct dispatcher *d, int fd); // to api

// The same question has the same number, whenever it is asked.
uint64_t question_hash(const struct ask *ask);

// --- on_demand.c ---

// Sent with the next commit's answers; `n_apis` is the link that asked.
void manual_answer_later(struct dispatcher *d, uint64_t n_apis,
                         const struct answer *answer);
// Now.
void manual_answer_now(struct dispatcher *d, const struct answer *answer);

// A ping, a redelivery, or how it goes with a hook. On an error nothing was
// answered.
MUST_CHECK enum err manual_start(struct dispatcher *d, const struct ask *ask);

// Whether an attempt by hand may begin for this hook, which is then in `out`.
// ERR_AGAIN, ERR_FULL, ERR_BUSY, ERR_NOTFOUND, ERR_CRASHED: as in an answer.
MUST_CHECK enum err manual_may_begin(struct dispatcher *d, uint64_t hook_no,
                                     struct followed **out);

// Sends a ping that was sent before once more, for whoever asks.
void manual_ping_again(struct dispatcher *d, struct followed *f,
                       const struct ask *ask, const struct event *event,
                       uint32_t n_attempts);

// --- traces.c ---

// Looks for an id that the event log does not know in the history of the hook: a ping
// is sent again, and of an event that is gone the answer says so. It is answered
// later. ERR_BUSY: too many questions wait; on an error nothing was answered.
MUST_CHECK enum err traces_search(struct dispatcher *d,
                                  const struct followed *f,
                                  const struct ask *ask);

// --- explain.c ---

// It is answered later. ERR_BUSY: too many questions wait; on an error nothing was
// answered.
MUST_CHECK enum err explain_start(struct dispatcher *d, const struct ask *ask);

// --- discard.c, replay_jobs.c ---

void discard_on_ask(struct dispatcher *d, const struct ask *ask);
void replays_on_ask(struct dispatcher *d, const struct ask *ask);
// Nobody waits for the answer to this question any more.
void discard_forget(struct dispatcher *d, uint64_t no);
void jobs_forget(struct dispatcher *d, uint64_t no);

// --- status.c ---

// Appends a JSON object.
void status_put(struct dispatcher *d, struct followed *f, struct buf *out);

#endif
