// SPDX-License-Identifier: MIT
// requesters.c — the queries that asked for an attempt, which are answered once its
// outcome is committed.
//
// If the api process is gone, no answer is sent; the attempt is made and kept all the
// same.

#include "engine/dispatcher/deliver/requesters.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/encoding/id.h"
#include "common/messages/query.h"
#include "common/process/channel.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/schedule.h"

struct requester {
    struct requester *next; // for the same delivery, or the same commit
    uint64_t n_apis;        // the link that asked
    struct reply answer;
};

void requesters_init(struct dispatcher *d)
{
    d->requesters = xcalloc(1, sizeof(*d->requesters));
}

uint32_t requesters_n(const struct dispatcher *d)
{
    return d->requesters->n;
}

void requesters_committing(struct dispatcher *d)
{
    d->requesters->committing = d->requesters->open;
    d->requesters->open = NULL;
}

static void send_answer(struct dispatcher *d, const struct requester *m)
{
    if (d->api == NULL || m->n_apis != d->n_apis)
        return;
    reply_pack(channel_begin(d->api), &m->answer);
    if (channel_end(d->api) != OK) {
        const struct reply too_big = { .no = m->answer.no, .err = ERR_TOOBIG };

        reply_pack(channel_begin(d->api), &too_big);
        channel_end_small(d->api);
    }
}

void requesters_answer(struct dispatcher *d, struct delivery *dv,
                       int64_t started_at_us)
{
    struct delivery_notes *notes = delivery_notes(dv);

    while (notes->requesters != NULL) {
        struct requester *m = notes->requesters;

        notes->requesters = m->next;
        memcpy(m->answer.position, delivery_position(dv).bytes,
               sizeof(m->answer.position));
        m->answer.started_at_us = started_at_us;
        m->next = d->requesters->open;
        d->requesters->open = m;
    }
}

static void end(struct dispatcher *d, struct requester *m)
{
    send_answer(d, m);
    free(m);
    d->requesters->n--;
}

void requesters_refuse(struct dispatcher *d, struct delivery *dv, enum err err)
{
    struct delivery_notes *notes = delivery_notes(dv);

    while (notes->requesters != NULL) {
        struct requester *m = notes->requesters;

        notes->requesters = m->next;
        m->answer.err = err;
        end(d, m);
    }
}

void requesters_answer_later(struct dispatcher *d, uint64_t n_apis,
                             const struct reply *answer)
{
    struct requester *m = xcalloc(1, sizeof(*m));

    m->n_apis = n_apis;
    m->answer = *answer;
    m->next = d->requesters->open;
    d->requesters->open = m;
    d->requesters->n++;
    commit_schedule(d);
}

void requesters_answer_now(struct dispatcher *d, const struct reply *answer)
{
    const struct requester m = { .n_apis = d->n_apis, .answer = *answer };

    send_answer(d, &m);
}

void requesters_send_answers(struct dispatcher *d, enum err err)
{
    struct requester **lists[] = { &d->requesters->committing,
                                   &d->requesters->open };

    for (size_t i = 0; i < (err == OK ? 1 : 2); i++) {
        while (*lists[i] != NULL) {
            struct requester *m = *lists[i];

            *lists[i] = m->next;
            m->answer.err = err;
            end(d, m);
        }
    }
}

void requesters_add(struct dispatcher *d, struct delivery *dv,
                    const struct query *ask, const struct id *event_id)
{
    struct requester *m = xcalloc(1, sizeof(*m));

    m->n_apis = d->n_apis;
    m->answer.no = ask->no;
    m->answer.event_id = *event_id;
    m->next = delivery_notes(dv)->requesters;
    delivery_notes(dv)->requesters = m;
    d->requesters->n++;
}
