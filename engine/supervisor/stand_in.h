// SPDX-License-Identifier: MIT
// stand_in.h — answers for a role that listens and does not answer.
//
// The listening sockets belong to the supervisor. While the role of one has not
// turned its loop for three seconds, whether it is stopped, spins, waits for
// the disk or is not there, newcomers get 503 with the reason from here, so
// that nobody waits in the dark. As soon as the role is back, it is its turn.

#ifndef ENGINE_SUPERVISOR_STAND_IN_H
#define ENGINE_SUPERVISOR_STAND_IN_H

#include <uv.h>

#include "engine/supervisor/child.h"

struct stand_in;

// For a child that listens; it must outlive the stand-in.
struct stand_in *stand_in_new(uv_loop_t *loop, const struct child *c);

// Looks whether it is needed. Call it every PULSE_EVERY_MS.
void stand_in_look(struct stand_in *s);

#endif
