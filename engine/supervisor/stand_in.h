// SPDX-License-Identifier: MIT
// stand_in.h — answers for a role that listens and does not answer.
//
// The listening sockets belong to the supervisor. While the role that serves such a
// socket has not turned its loop for three seconds (it is stopped, spins, waits for the
// disk or does not run), new connections get 503 with the reason from the supervisor,
// so that clients do not wait without an answer. As soon as the role is back, it
// accepts again.

#ifndef ENGINE_SUPERVISOR_STAND_IN_H
#define ENGINE_SUPERVISOR_STAND_IN_H

#include <uv.h>

#include "engine/supervisor/child.h"

struct stand_in;

// Makes a stand-in for a child that listens. The child must outlive the stand-in.
struct stand_in *stand_in_new(uv_loop_t *loop, const struct child *c);

// Checks whether the stand-in is needed. To be called every PULSE_EVERY_MS.
void stand_in_check(struct stand_in *s);

#endif
