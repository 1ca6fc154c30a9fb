// SPDX-License-Identifier: MIT
// engine_event_writer.c — writes the engine's own events to the event log.
//
// A dispatcher sends an event; it is appended under its own id, so that sending it
// twice is harmless, and the dispatcher gets an answer once it is committed.

#include "engine/ingest/engine_event_writer.h"

#include <stdlib.h>

#include "common/base/arena.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/messages/engine_event.h"
#include "common/process/blame.h"
#include "common/process/channel.h"

struct pending_event {
    struct append append;
    struct new_event event;
    struct arena arena; // holds what the event points to
    struct engine_event_link *link;
    uint64_t n_links;
    engine_event_done done;
};

static void tell(const struct engine_event_link *link,
                 const struct engine_event_reply *reply)
{
    if (link->channel == NULL)
        return;
    engine_event_reply_pack(channel_begin(link->channel), reply);
    channel_end_small(link->channel);
}

static void on_appended(struct append *a, enum err err)
{
    struct pending_event *e = a->data;
    struct engine_event_link *link = e->link;
    // The dispatcher keeps the event and offers it again.
    bool is_refused = err == ERR_FULL || err == ERR_LOST || err == ERR_AGAIN;
    struct engine_event_reply reply = { .id = e->event.event.id,
                                        .err = is_refused ? ERR_FULL : OK };

    if (err == ERR_CONFLICT) {
        log_warn("an event of the engine's own has the id of another event and "
                 "is dropped",
                 "");
    } else if (err != OK && !is_refused) {
        log_fatal("the event log cannot be written", "reason=%s",
                  log_quote(str_of(err_str(err))));
    }
    if (link->n_links == e->n_links)
        tell(link, &reply);
    blame_forget(BLAME_OWN, a->blamed.a, a->blamed.b);
    e->done(link->data);
    arena_clear(&e->arena);
    free(e);
}

// Whether the event is not appended, and the dispatcher is not to offer it again. An error:
// nobody knows, and it is to be offered again.
static enum err judge(struct hook_store *hooks,
                      const struct engine_event *event,
                      const struct blamed *record, bool *is_dropped)
{
    if (blame_deaths(BLAME_OWN, record->a, record->b) >= BLAME_ASIDE) {
        log_warn("the process died three times with an event of the engine's "
                 "own, which is dropped",
                 "");
        *is_dropped = true;
        return OK;
    }
    return erasure_is_of(hooks, event->org, is_dropped);
}

void engine_event_receive(struct engine_event_link *link, struct event_log *log,
                          struct hook_store *hooks, struct str frame,
                          engine_event_done done)
{
    struct pending_event *e;
    struct event *event;
    struct engine_event received;
    struct engine_event_reply reply;
    struct blamed before;
    struct blamed record;
    bool is_dropped = false;

    if (engine_event_unpack(frame, &received) != OK ||
        (received.dialect != DIALECT_PULUMI &&
         received.dialect != DIALECT_AKINON)) {
        log_warn("an event of the engine's own has an invalid form",
                 "bytes=%zu", frame.n_bytes);
        return;
    }
    record = (struct blamed){ BLAME_OWN, get_be64(received.id.bytes),
                              get_be64(received.id.bytes + 8) };
    reply = (struct engine_event_reply){ .id = received.id };
    if (judge(hooks, &received, &record, &is_dropped) != OK)
        reply.err = ERR_FULL;
    if (is_dropped || reply.err != OK) {
        tell(link, &reply);
        return;
    }
    before = blame_begin(BLAME_OWN, record.a, record.b);
    e = xcalloc(1, sizeof(*e));
    e->link = link;
    e->n_links = link->n_links;
    e->done = done;
    e->event.has_id = true;
    event = &e->event.event;
    event->id = received.id;
    event->accepted_at_us = received.accepted_at_us;
    event->dialect = (enum dialect)received.dialect;
    event->kind = arena_copy(&e->arena, received.kind);
    event->org = arena_copy(&e->arena, received.org);
    event->project = arena_copy(&e->arena, received.project);
    event->stack = arena_copy(&e->arena, received.stack);
    event->env = arena_copy(&e->arena, received.env);
    event->payload = arena_copy(&e->arena, received.payload);
    e->append = (struct append){
        .events = &e->event, .n_events = 1, .done = on_appended, .data = e
    };
    e->append.blamed = record;
    event_log_append(log, &e->append);
    blame_end(before);
}
