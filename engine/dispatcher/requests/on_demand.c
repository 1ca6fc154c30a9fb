// on_demand.c — attempts that somebody asked for: pings and redeliveries.
//
// Happy path: the api process asks; the delivery is found, in memory, in the
// index, or settled long ago; it is sent at once, beside the windows of its
// hook and its sender; when the row of the attempt is committed, the answer
// says where it lies.
//
// A delivery that is not settled makes its next attempt now instead of later.
// One that was settled has a past: a success takes it out of the dead letters,
// a failure leaves it where it is. A ping is a delivery of an event that is in
// no log; its payload lies in its row of the history.
//
// If it fails: the answer says why. If the api process is gone, nobody is
// answered; the attempt is made and kept all the same.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"
#include "common/messages/query.h"
#include "engine/dispatcher/requests/questions.h"
#include "engine/dispatcher/requests/reopen.h"
#include "engine/dispatcher/schedule/schedule.h"

struct manual {
    struct manual *next; // of the same delivery, or of the same commit
    uint64_t n_apis;     // the link that asked
    struct answer answer;
};

// --- answers ---

static void send_answer(struct dispatcher *d, const struct manual *m)
{
    if (d->api == NULL || m->n_apis != d->n_apis)
        return;
    answer_pack(chan_begin(d->api), &m->answer);
    if (chan_end(d->api) != OK) {
        const struct answer too_big = { .no = m->answer.no, .err = ERR_TOOBIG };

        answer_pack(chan_begin(d->api), &too_big);
        chan_end_small(d->api);
    }
}

void manual_answer(struct dispatcher *d, struct delivery *dv,
                   int64_t started_at_us)
{
    while (dv->manual != NULL) {
        struct manual *m = dv->manual;

        dv->manual = m->next;
        memcpy(m->answer.position, dv->position.bytes,
               sizeof(m->answer.position));
        m->answer.started_at_us = started_at_us;
        m->next = d->filling_answers;
        d->filling_answers = m;
    }
}

static void end(struct dispatcher *d, struct manual *m)
{
    send_answer(d, m);
    free(m);
    d->n_manual--;
}

void manual_refuse(struct dispatcher *d, struct delivery *dv, enum err err)
{
    while (dv->manual != NULL) {
        struct manual *m = dv->manual;

        dv->manual = m->next;
        m->answer.err = err;
        end(d, m);
    }
}

void manual_answer_later(struct dispatcher *d, uint64_t n_apis,
                         const struct answer *answer)
{
    struct manual *m = xcalloc(1, sizeof(*m));

    m->n_apis = n_apis;
    m->answer = *answer;
    m->next = d->filling_answers;
    d->filling_answers = m;
    d->n_manual++;
    settle_touch(d);
}

void manual_answer_now(struct dispatcher *d, const struct answer *answer)
{
    const struct manual m = { .n_apis = d->n_apis, .answer = *answer };

    send_answer(d, &m);
}

void manual_send_answers(struct dispatcher *d, enum err err)
{
    struct manual **lists[] = { &d->committing_answers, &d->filling_answers };

    for (size_t i = 0; i < (err == OK ? 1 : 2); i++) {
        while (*lists[i] != NULL) {
            struct manual *m = *lists[i];

            *lists[i] = m->next;
            m->answer.err = err;
            end(d, m);
        }
    }
}

// --- what became of it ---

void manual_take_back(struct dispatcher *d, struct delivery *dv)
{
    switch (dv->past) {
    case PAST_NONE:
    case PAST_PING:
        return;
    case PAST_DELIVERED:
        change_count(d->filling, COUNT_DELIVERED, -1);
        break;
    case PAST_DEAD:
        change_dead_del(d->filling, dv->hook->no, dv->position);
        break;
    case PAST_CANCELLED:
        change_count(d->filling, COUNT_CANCELLED, -1);
        break;
    case PAST_EXPIRED:
        change_count(d->filling, COUNT_DEAD_EXPIRED, -1);
        break;
    case PAST_NEVER:
        change_count(d->filling, COUNT_MATCHED, 1);
        break;
    }
    dv->past = PAST_NONE;
}

enum delivery_state manual_settle(struct dispatcher *d,
                                  const struct delivery *dv, bool is_delivered)
{
    switch (dv->past) {
    case PAST_NONE: // the caller moves these
    case PAST_NEVER:
    case PAST_PING:
    case PAST_EXPIRED:
        break;
    case PAST_DELIVERED:
        return DELIVERY_DELIVERED;
    case PAST_DEAD:
        if (is_delivered) {
            change_dead_del(d->filling, dv->hook->no, dv->position);
            change_count(d->filling, COUNT_DELIVERED, 1);
        }
        break;
    case PAST_CANCELLED:
        if (!is_delivered)
            return DELIVERY_CANCELLED;
        change_count(d->filling, COUNT_CANCELLED, -1);
        change_count(d->filling, COUNT_DELIVERED, 1);
        break;
    }
    return is_delivered ? DELIVERY_DELIVERED : DELIVERY_DEAD;
}

// --- starting ---

static void add_asker(struct dispatcher *d, struct delivery *dv,
                      const struct ask *ask, const struct id *event_id)
{
    struct manual *m = xcalloc(1, sizeof(*m));

    m->n_apis = d->n_apis;
    m->answer.no = ask->no;
    m->answer.event_id = *event_id;
    m->next = dv->manual;
    dv->manual = m;
    d->n_manual++;
}

// A question, and what was found for it.
struct search {
    struct dispatcher *d;
    struct followed *f;
    const struct hook_scope *scope; // of the hook
    const struct ask *ask;
};

static void ping_with(const struct search *s, const struct event *event,
                      uint32_t n_attempts)
{
    struct delivery *dv = reopen_as(s->d, s->f, position_start, PAST_PING);

    dv->n_attempts = n_attempts;
    dv->has_body = n_attempts > 0; // what was sent is what was kept
    add_asker(s->d, dv, s->ask, &event->id);
    send_event(s->d, dv, event);
}

void manual_ping_again(struct dispatcher *d, struct followed *f,
                       const struct ask *ask, const struct event *event,
                       uint32_t n_attempts)
{
    const struct search s = {
        .d = d, .f = f, .scope = &f->hook->scope, .ask = ask
    };

    ping_with(&s, event, n_attempts);
}

static void ping(const struct search *s)
{
    const struct hook_scope *scope = s->scope;
    struct event event = { .accepted_at_us = clock_now_us(),
                           .family = scope->family,
                           .kind = STR("ping"),
                           .org = scope->org,
                           .project = scope->project };
    uint8_t random[16];
    struct buf payload;

    crypto_random(random, sizeof(random));
    event.id = id_v4(random);
    if (scope->level == LEVEL_STACK)
        event.stack = scope->target;
    if (scope->level == LEVEL_ENVIRONMENT)
        event.env = scope->target;
    buf_init(&payload, 0);
    // The text of Pulumi Cloud, as its command line shows it.
    buf_printf(&payload,
               "{\"timestamp\":%" PRId64 ",\"message\":\"🍹 Just a friendly "
               "ping from Pulumi 🍹\"}",
               event.accepted_at_us / 1000000);
    event.payload = buf_str(&payload);
    ping_with(s, &event, 0);
    buf_clear(&payload);
}

// --- sending again ---

static enum err redeliver_event(struct search *s, struct position position)
{
    struct dispatcher *d = s->d;
    struct delivery *dv = open_find(d, s->f->no, position);
    enum err err;

    if (dv != NULL && dv->place == DELIVERY_SENT) { // that attempt is the one
        add_asker(d, dv, s->ask, &s->ask->event_id);
        return OK;
    }
    err = reopen_delivery(d, s->f, position, &dv);
    if (err != OK)
        return err;
    add_asker(d, dv, s->ask, &s->ask->event_id);
    // Somebody wants to see whether it still kills.
    blame_forgive(BLAME_DELIVERY, s->f->no, get_be64(position.bytes));
    send_delivery(d, dv);
    return OK;
}

// What the log does not know may be a ping, or an event that is gone.
static enum err redeliver(struct search *s)
{
    struct position position;
    enum err err = event_view_find(s->d->events, s->scope->family,
                                   s->scope->org, &s->ask->event_id, &position);

    if (err == OK)
        return redeliver_event(s, position);
    return err == ERR_NOTFOUND ? traces_search(s->d, s->f, s->ask) : err;
}

// --- questions ---

static enum err tell_status(struct dispatcher *d, const struct ask *ask)
{
    struct followed *f = followed_find(d, ask->hook_no);
    struct manual m = { .n_apis = d->n_apis, .answer = { .no = ask->no } };
    struct buf text;

    if (f != NULL && f->is_aside)
        return ERR_CRASHED;
    if (f == NULL || f->hook == NULL)
        return ERR_NOTFOUND;
    buf_init(&text, 0);
    status_put(d, f, &text);
    m.answer.text = buf_str(&text);
    send_answer(d, &m);
    buf_clear(&text);
    return OK;
}

enum err manual_may_begin(struct dispatcher *d, uint64_t hook_no,
                          struct followed **out)
{
    struct followed *f;

    if (d->is_draining)
        return ERR_AGAIN;
    if (!storage_has_room(d))
        return ERR_FULL;
    // The api process counts them for each organization; what a former one asked for
    // may be under way besides.
    if (d->n_manual >= d->config->max_manual || d->free_slot == NO_SLOT)
        return ERR_BUSY;
    if (aside_blocks(d))
        return ERR_AGAIN;
    f = followed_find(d, hook_no);
    if (f != NULL && f->is_aside)
        return ERR_CRASHED;
    if (f == NULL || f->hook == NULL)
        return ERR_NOTFOUND;
    if (!f->is_ready)
        f->sender = f->wanted_sender;
    *out = f;
    return d->senders[f->sender].chan == NULL ? ERR_AGAIN : OK;
}

enum err manual_start(struct dispatcher *d, const struct ask *ask)
{
    struct search search = { .d = d, .ask = ask };
    enum err err;

    if (ask->what == ASK_STATUS)
        return tell_status(d, ask);
    err = manual_may_begin(d, ask->hook_no, &search.f);
    if (err != OK)
        return err;
    if (ask->what == ASK_PING && aside_refuses_pings(search.f))
        return ERR_CRASHED;
    search.scope = &search.f->hook->scope;
    if (ask->what == ASK_REDELIVER)
        return redeliver(&search);
    ping(&search);
    return OK;
}
