// SPDX-License-Identifier: MIT
// stand_in.c — answers for a role that listens and does not answer.

#include "engine/supervisor/stand_in.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/process/metrics.h"
#include "common/process/pulse.h"
#include "common/stream/refusals.h"

#define NEEDED_AFTER_US INT64_C(3000000)
#define ASLEEP_US       INT64_C(1000000) // between two checks: we slept
#define RETRY_AFTER_S   5

struct stand_in {
    const struct child *child;
    uv_poll_t listener;
    struct refusals *visitors;
    bool is_needed;
    bool is_listening;
    int64_t served_at_us; // when the role last did its work
    int64_t checked_at_us;
};

static void set_listening(struct stand_in *s);

// --- visitors ---

static void put_answer(void *data, const char *why_not, struct buf *out)
{
    const struct stand_in *s = data;
    struct buf why;

    (void)why_not;
    buf_init(&why, 0);
    if (pulse_works(s->child->slot, &why))
        pulse_put_silence(s->child->slot, &why); // too short for /readyz
    refusal_put(out, metrics_slot_name(s->child->slot), buf_str(&why),
                RETRY_AFTER_S);
    buf_clear(&why);
}

static void on_left(void *data)
{
    set_listening(data);
}

// --- the listener ---

static void stop_listening(struct stand_in *s)
{
    s->is_listening = false;
    uv_poll_stop(&s->listener);
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
    struct stand_in *s = poll->data;

    (void)status;
    (void)events;
    while (!refusals_are_full(s->visitors)) {
        int fd = accept4(s->child->listen_fd, NULL, NULL,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 &&
            (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            return;
        if (fd < 0)
            break; // no descriptor: the next check tries again
        refusals_add(s->visitors, fd, child_speaks_tls(s->child), NULL);
    }
    stop_listening(s);
}

static void set_listening(struct stand_in *s)
{
    bool is_wanted = s->is_needed && !refusals_are_full(s->visitors);

    if (is_wanted == s->is_listening)
        return;
    if (is_wanted) {
        s->is_listening =
            uv_poll_start(&s->listener, UV_READABLE, on_listener) == 0;
    } else {
        stop_listening(s);
    }
}

// --- when it is needed ---

static bool is_needed(struct stand_in *s)
{
    const struct child *c = s->child;
    int64_t now_us = clock_mono_us();
    int64_t since_check_us = now_us - s->checked_at_us;

    s->checked_at_us = now_us;
    if (c->owner->is_ending)
        return !c->is_alive;
    if (!c->is_wanted) { // another role serves the socket
        s->served_at_us = now_us;
        return false;
    }
    if (since_check_us > ASLEEP_US) { // the role may have slept, too
        s->served_at_us += since_check_us;
        return s->is_needed;
    }
    if (c->is_ready)
        s->served_at_us = now_us - pulse_silent_us(c->slot);
    return now_us - s->served_at_us > NEEDED_AFTER_US;
}

void stand_in_check(struct stand_in *s)
{
    bool was_needed = s->is_needed;

    s->is_needed = is_needed(s);
    if (s->is_needed != was_needed && !s->child->owner->is_ending) {
        log_warn(
            s->is_needed
                ? "a role does not respond; its clients get 503 until it does"
                : "the role responds again",
            "role=%s", metrics_slot_name(s->child->slot));
    }
    refusals_tick(s->visitors);
    set_listening(s);
}

struct stand_in *stand_in_new(uv_loop_t *loop, const struct child *c)
{
    struct stand_in *s = xcalloc(1, sizeof(*s));

    s->child = c;
    s->served_at_us = clock_mono_us();
    s->checked_at_us = s->served_at_us;
    s->visitors = refusals_new(
        loop, &(struct refusals_owner){
                  .put_answer = put_answer, .on_left = on_left, .data = s });
    if (uv_poll_init(loop, &s->listener, c->listen_fd) != 0)
        log_fatal("a listening socket cannot be watched", "");
    s->listener.data = s;
    return s;
}
