// SPDX-License-Identifier: MIT
// liveness.c — whether a child shows signs of life.

#include "engine/supervisor/liveness.h"

#include <inttypes.h>
#include <signal.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/process/pulse.h"
#include "common/process/role.h"

#define START_TURNS 2 // a start may be idle twice as long as a loop

// Whether a role or setup that has not turned its loop yet makes progress. It may be
// idle longer than a loop may take for a turn; if it hangs, it is killed, since it
// might wait for ever.
static bool does_start(struct child *c, int64_t patience_us)
{
    int64_t idle_us = start_idle_us(&c->start, c->process.pid);

    if (idle_us <= START_TURNS * patience_us) {
        // A process that was stopped makes progress again. If it was killed, the role
        // counts as hanging until the next process is ready.
        if (c->hung_pid == c->process.pid && idle_us <= patience_us)
            c->has_hung = false;
        return !c->has_hung;
    }
    c->has_hung = true;
    c->hung_pid = c->process.pid;
    if (c->start.is_stopped) // somebody stopped it on purpose
        return false;
    log_warn("a role hangs before its first turn and is killed",
             "role=%s index=%u pid=%d idle_ms=%" PRId64, role_name(c->kind),
             c->index, c->process.pid, idle_us / 1000);
    child_kill(c, SIGKILL);
    return false;
}

// Whether a role has shown a sign of life within the manager's patience.
bool child_lives(struct child *c, int64_t patience_us)
{
    if (!c->is_alive && !c->is_wanted)
        return true;
    if (!c->is_alive)
        return !c->has_hung && clock_mono_us() - c->ended_us <= patience_us;
    if (c->kind == ROLE_SETUP || !pulse_has_turned(c->slot))
        return does_start(c, patience_us);
    return pulse_silent_us(c->slot) <= patience_us;
}
