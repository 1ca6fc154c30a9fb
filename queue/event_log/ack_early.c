// SPDX-License-Identifier: MIT
// ack_early.c — the negative control of the crash test.
//
// Built only with POSTHORN_ACK_EARLY: acknowledges before the commit, which then
// comes late. A crash test that does not notice this proves nothing.

#include "queue/event_log/inside.h"

#ifdef POSTHORN_ACK_EARLY

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/arena.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"

#define LATE_US 20000

struct early {
    struct append append;
    struct arena arena;
};

static void on_late(struct append *a, enum err err)
{
    struct early *e = a->data;

    (void)err; // it was acknowledged already
    arena_clear(&e->arena);
    free(e);
}

static void copy_event(struct arena *arena, struct new_event *ne)
{
    struct event *e = &ne->event;

    e->kind = arena_copy(arena, e->kind);
    e->org = arena_copy(arena, e->org);
    e->project = arena_copy(arena, e->project);
    e->stack = arena_copy(arena, e->stack);
    e->env = arena_copy(arena, e->env);
    e->payload = arena_copy(arena, e->payload);
    ne->idempotency = arena_copy(arena, ne->idempotency);
}

struct append *event_log_ack_early(struct event_log *log, struct append *a)
{
    struct early *e = xcalloc(1, sizeof(*e));

    (void)log;
    for (size_t i = 0; i < a->n_events; i++) {
        if (!a->events[i].has_id)
            crypto_random(a->events[i].event.id.bytes, 16);
        a->events[i].has_id = true;
        a->events[i].was_stored = true;
    }
    e->append = *a;
    e->append.events = arena_take(&e->arena, a->n_events * sizeof(*a->events));
    memcpy(e->append.events, a->events, a->n_events * sizeof(*a->events));
    for (size_t i = 0; i < a->n_events; i++)
        copy_event(&e->arena, &e->append.events[i]);
    e->append.done = on_late;
    e->append.data = e;
    a->done(a, OK);
    return &e->append;
}

void event_log_be_late(void)
{
    usleep(LATE_US);
}

#endif
