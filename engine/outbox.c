// outbox.c — the engine's own events: what happened to hooks and deliveries.
//
// An event is put into the shard in the same transaction as what it tells, then
// handed to ingest, which alone writes the event log, and removed when ingest
// has committed it. It keeps its id on the way, so it is in the log once.
//
// A delivery of such an event makes no further one when it is dead.

#include <inttypes.h>

#include "common/ask.h"
#include "common/clock.h"
#include "common/crypto.h"
#include "common/emit.h"
#include "common/kinds.h"
#include "common/log.h"
#include "engine/dispatch.h"

#define IN_WORK_MAX 64 // events that ingest has been given

// --- what happened ---

static void put_member(struct buf *out, const char *key, struct str text)
{
    buf_printf(out, ",\"%s\":", key);
    buf_put_json(out, text);
}

// Not the URL: that of some receivers is a secret.
static void put_hook(const struct hook *hook, struct buf *out)
{
    const struct hook_scope *scope = &hook->scope;

    buf_puts(out, "{\"hook\":{\"organizationName\":");
    buf_put_json(out, scope->org);
    if (scope->project.n_bytes > 0)
        put_member(out, "projectName", scope->project);
    if (scope->level == LEVEL_STACK)
        put_member(out, "stackName", scope->target);
    if (scope->level == LEVEL_ENVIRONMENT)
        put_member(out, "environmentName", scope->target);
    put_member(out, "name", hook->name);
    put_member(out, "displayName", hook->display_name);
    buf_putc(out, '}');
}

static void put_time(struct buf *out, int64_t now_ms)
{
    buf_puts(out, ",\"at\":\"");
    clock_put_rfc3339(out, now_ms);
    buf_puts(out, "\"}");
}

static void put_event(struct dispatcher *d, const struct hook *hook,
                      const char *kind, struct str payload)
{
    struct event event = { .accepted_at_us = clock_now_us(),
                           .family = hook->scope.family,
                           .kind = str_of(kind),
                           .org = hook->scope.org,
                           .project = hook->scope.project,
                           .payload = payload };
    uint8_t random[16];

    crypto_random(random, sizeof(random));
    event.id = id_v4(random);
    if (hook->scope.level == LEVEL_STACK)
        event.stack = hook->scope.target;
    if (hook->scope.level == LEVEL_ENVIRONMENT)
        event.env = hook->scope.target;
    change_outbox_put(d->filling, &event);
    d->has_outbox = true;
    settle_touch(d);
}

void outbox_hook_event(struct dispatcher *d, const struct followed *f,
                       const char *kind, const char *reason)
{
    struct buf payload;

    log_info("hook changed by itself", "hook=%" PRIu64 " event=%s reason=%s",
             f->no, kind, reason);
    if (!d->has_subscribers)
        return;
    buf_init(&payload, 0);
    put_hook(f->hook, &payload);
    put_member(&payload, "reason", str_of(reason));
    put_time(&payload, clock_now_ms());
    put_event(d, f->hook, kind, buf_str(&payload));
    buf_clear(&payload);
}

void outbox_dead(struct dispatcher *d, const struct slot *s,
                 const struct attempt *attempt)
{
    const struct hook *hook = s->delivery->hook->hook;
    char id[ID_TEXT_BYTES + 1];
    struct buf payload;

    if (!d->has_subscribers || hook == NULL || kind_is_own(buf_str(&s->kind)))
        return;
    id_format(&s->event_id, id);
    buf_init(&payload, 0);
    put_hook(hook, &payload);
    buf_printf(&payload, ",\"delivery\":{\"id\":\"%s\"", id);
    put_member(&payload, "kind", buf_str(&s->kind));
    buf_printf(&payload, ",\"attempts\":%u,\"responseCode\":%u",
               attempt->attempt, attempt->response_code);
    put_member(&payload, "errorClass", str_of(error_name(attempt->error)));
    put_member(&payload, "errorMessage", attempt->error_message);
    buf_putc(&payload, '}');
    put_time(&payload, clock_now_ms());
    put_event(d, hook, "posthorn.delivery.dead", buf_str(&payload));
    buf_clear(&payload);
}

// --- to ingest ---

static bool on_outbox(void *data, const struct event *event)
{
    struct dispatcher *d = data;
    const struct emit emit = { .id = event->id,
                               .family = (unsigned)event->family,
                               .accepted_at_us = event->accepted_at_us,
                               .kind = event->kind,
                               .org = event->org,
                               .project = event->project,
                               .stack = event->stack,
                               .env = event->env,
                               .payload = event->payload };

    emit_pack(chan_begin(d->ingest), &emit);
    if (chan_end(d->ingest) != OK) { // it would stay for ever
        log_warn("event of the engine is too large, dropped", "bytes=%zu",
                 event->payload.n_bytes);
        change_outbox_del(d->filling, &event->id);
        settle_touch(d);
        return true;
    }
    d->n_outbox++;
    return true;
}

void outbox_send(struct dispatcher *d)
{
    if (!d->has_outbox || d->n_outbox > 0 || d->ingest == NULL ||
        d->is_draining)
        return;
    if (shard_outbox_read(d->shard, IN_WORK_MAX, on_outbox, d) != OK)
        log_fatal("outbox cannot be read", "");
    // What is said and not committed yet is looked for after the commit.
    if (d->n_outbox == 0 && change_n(d->filling) == 0)
        d->has_outbox = shard_is_committing(d->shard);
}

static void on_emitted(struct dispatcher *d, const struct emitted *emitted)
{
    if (d->n_outbox > 0)
        d->n_outbox--;
    if (emitted->err != OK)
        return; // offered again, at the next second at the latest
    change_outbox_del(d->filling, &emitted->id);
    settle_touch(d);
}

static void on_frame(void *data, struct str frame)
{
    struct dispatcher *d = data;
    struct emitted emitted;

    if (emitted_unpack(frame, &emitted) == OK) {
        on_emitted(d, &emitted);
    } else {
        dispatcher_look_again(d); // a hint
    }
}

static void on_closed(void *data)
{
    struct dispatcher *d = data;

    d->ingest = NULL; // the supervisor brings a new link
    d->n_outbox = 0;
}

void outbox_on_link(struct dispatcher *d, int fd)
{
    if (d->ingest != NULL)
        chan_close(d->ingest);
    d->n_outbox = 0;
    d->ingest = role_open_chan(d->role, ROLE_INGEST, fd,
                               &(struct chan_handlers){ .on_frame = on_frame,
                                                        .on_closed = on_closed,
                                                        .data = d });
    outbox_send(d);
}
