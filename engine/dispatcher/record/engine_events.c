// SPDX-License-Identifier: MIT
// engine_events.c — the engine's own events: what happened to hooks and deliveries.
//
// An event is put into the shard in the same transaction as the change that it reports,
// then sent to ingest, which alone writes the event log, and removed when ingest has
// committed it. It keeps its id on the way, so it is in the log only once.
//
// An event goes to the organization of the hook that it is about. If the operator has
// hooks, a copy with another id goes to the operator's organization: so no organization
// ever reads an event of another. Nothing that happens to the operator's hooks makes an
// event, and a delivery of an engine event makes no further event when it becomes dead.

#include "engine/dispatcher/record/engine_events.h"

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/encoding/id.h"
#include "common/encoding/json_writer.h"
#include "common/log/log.h"
#include "common/messages/engine_event.h"
#include "common/model/event.h"
#include "common/model/event_kinds.h"
#include "common/model/hook.h"
#include "common/model/operator.h"
#include "common/process/blame.h"
#include "common/process/channel.h"
#include "common/process/role.h"
#include "common/process/role_kind.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/turn.h"
#include "engine/dispatcher/record/backlog.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

#define IN_WORK_MAX 64 // events that are sent to ingest and not stored yet

void engine_events_init(struct dispatcher *d)
{
    d->engine_events = xcalloc(1, sizeof(*d->engine_events));
    // An earlier process may have left some.
    d->engine_events->has_outbox = true;
}

static bool wants_own_events(const struct hook *hook)
{
    for (size_t i = 0; i < hook->n_kinds; i++) {
        if (kind_is_own(hook->kinds[i]))
            return true;
    }
    return false;
}

void engine_events_on_hook(struct dispatcher *d, const struct hook *hook)
{
    struct engine_events *e = d->engine_events;

    e->has_operator = e->has_operator || hook->is_operator;
    if (!hook->is_operator && wants_own_events(hook))
        e->has_subscribers = true;
}

// --- what happened ---

// Leaves out the URL: for some receivers it is a secret.
static void put_hook(const struct hook *hook, struct json_writer *w)
{
    const struct hook_scope *scope = &hook->scope;

    json_open_object(w, "hook");
    json_put_str(w, "organizationName", scope->org);
    json_put_given(w, "projectName", scope->project);
    if (scope->level == LEVEL_STACK)
        json_put_str(w, "stackName", scope->target);
    if (scope->level == LEVEL_ENVIRONMENT)
        json_put_str(w, "environmentName", scope->target);
    json_put_str(w, "name", hook->name);
    json_put_str(w, "displayName", hook->display_name);
    json_close(w);
}

struct event engine_event_in(const struct hook_scope *scope, const char *kind)
{
    struct event event = { .accepted_at_us = clock_now_us(),
                           .dialect = scope->dialect,
                           .kind = str_of(kind),
                           .org = scope->org,
                           .project = scope->project };
    uint8_t random[16];

    crypto_random(random, sizeof(random));
    event.id = id_v4(random);
    if (scope->level == LEVEL_STACK)
        event.stack = scope->target;
    if (scope->level == LEVEL_ENVIRONMENT)
        event.env = scope->target;
    return event;
}

static void put_event(struct dispatcher *d, const struct hook_scope *scope,
                      const char *kind, struct str payload)
{
    struct event event = engine_event_in(scope, kind);

    event.payload = payload;
    batch_outbox_put(d->open_batch, &event);
    d->engine_events->has_outbox = true;
    commit_schedule(d);
}

bool engine_event_is_wanted(const struct dispatcher *d, const struct hook *hook)
{
    return (d->engine_events->has_subscribers ||
            d->engine_events->has_operator) &&
           !operator_is_org(hook->scope.org);
}

void engine_event_add(struct dispatcher *d, const struct hook *hook,
                      const char *kind, struct str members)
{
    const struct hook_scope operators = { .dialect = DIALECT_PULUMI,
                                          .level = LEVEL_ORGANIZATION,
                                          .org = STR(OPERATOR_ORG) };
    struct buf payload;
    struct json_writer w = json_writer(&payload);

    if (!engine_event_is_wanted(d, hook))
        return;
    buf_init(&payload, 0);
    json_open_object(&w, NULL);
    put_hook(hook, &w);
    json_put_contents(&w, members);
    clock_put_rfc3339(json_open_text(&w, "at"), clock_now_ms());
    json_close_text(&w);
    json_close(&w);
    if (d->engine_events->has_subscribers)
        put_event(d, &hook->scope, kind, buf_str(&payload));
    if (d->engine_events->has_operator)
        put_event(d, &operators, kind, buf_str(&payload));
    buf_clear(&payload);
}

void engine_event_add_of_hook(struct dispatcher *d, const struct hook_state *f,
                              const char *kind, struct str reason,
                              struct str more)
{
    struct buf members;
    struct json_writer w = json_writer(&members);

    log_info("the engine changed the state of a hook", "%s event=%s reason=%s",
             hook_log_or_no(hook_record(f), hook_state_id(f)), kind,
             log_quote(reason));
    buf_init(&members, 0);
    json_open_object(&w, NULL);
    json_put_str(&w, "reason", reason);
    json_put_contents(&w, more);
    json_close(&w);
    engine_event_add(d, hook_record(f), kind, buf_str(&members));
    buf_clear(&members);
}

// --- to ingest ---

static bool on_outbox(void *data, const struct event *event)
{
    struct dispatcher *d = data;
    const struct engine_event engine_event = { .id = event->id,
                                               .dialect =
                                                   (unsigned)event->dialect,
                                               .accepted_at_us =
                                                   event->accepted_at_us,
                                               .kind = event->kind,
                                               .org = event->org,
                                               .project = event->project,
                                               .stack = event->stack,
                                               .env = event->env,
                                               .payload = event->payload };

    if (blame_deaths(BLAME_OWN, get_be64(event->id.bytes),
                     get_be64(event->id.bytes + 8)) >= BLAME_ASIDE) {
        log_warn("the dispatcher died three times with an event of the "
                 "engine's own, which is dropped",
                 "");
        batch_outbox_del(d->open_batch, &event->id);
        commit_schedule(d);
        return true;
    }
    blame_begin(BLAME_OWN, get_be64(event->id.bytes),
                get_be64(event->id.bytes + 8));
    engine_event_pack(channel_begin(d->ingest), &engine_event);
    if (channel_end(d->ingest) !=
        OK) { // else it would stay in the shard for ever
        log_warn("an event of the engine's own is too large and is dropped",
                 "bytes=%zu", event->payload.n_bytes);
        batch_outbox_del(d->open_batch, &event->id);
        commit_schedule(d);
        return true;
    }
    d->engine_events->n_in_work++;
    return true;
}

void engine_events_send(struct dispatcher *d)
{
    struct blamed before;

    if (!d->engine_events->has_outbox || d->engine_events->n_in_work > 0 ||
        d->ingest == NULL || d->is_draining)
        return;
    before = blame_begin(BLAME_NOTHING, 0, 0); // each event is noted by itself
    if (shard_outbox_read(d->shard, IN_WORK_MAX, on_outbox, d) != OK)
        log_fatal("the outbox of the engine's own events cannot be read", "");
    blame_end(before);
    // Events that are added but not committed yet are looked for after the commit.
    if (d->engine_events->n_in_work == 0 && batch_n(d->open_batch) == 0)
        d->engine_events->has_outbox = commit_is_busy(d);
}

static void on_engine_event_reply(struct dispatcher *d,
                                  const struct engine_event_reply *reply)
{
    if (d->engine_events->n_in_work > 0)
        d->engine_events->n_in_work--;
    if (reply->err != OK)
        return; // sent again a second later, or sooner
    batch_outbox_del(d->open_batch, &reply->id);
    commit_schedule(d);
}

static void on_frame(void *data, struct str frame)
{
    struct dispatcher *d = data;
    struct engine_event_reply reply;

    if (engine_event_reply_unpack(frame, &reply) == OK) {
        on_engine_event_reply(d, &reply);
    } else {
        turn_mark(d, TURN_HOOKS); // a hint
        turn_mark(d, TURN_READ);
    }
}

static void on_closed(void *data)
{
    struct dispatcher *d = data;

    d->ingest = NULL; // the supervisor brings a new link
    d->engine_events->n_in_work = 0;
}

void engine_events_on_link(struct dispatcher *d, int fd)
{
    if (d->ingest != NULL)
        channel_close(d->ingest);
    d->engine_events->n_in_work = 0;
    backlog_on_link(d);
    d->ingest = role_open_channel(
        d->role, ROLE_INGEST, fd,
        &(struct channel_handlers){
            .on_frame = on_frame, .on_closed = on_closed, .data = d });
    engine_events_send(d);
}
