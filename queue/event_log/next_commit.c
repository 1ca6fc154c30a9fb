// SPDX-License-Identifier: MIT
// next_commit.c — which of the waiting appends go into the next commit.
//
// One organization alone: as many as there are, in their order.
//
// While several organizations post: as many as there are, but of each organization only
// what a commit of a few milliseconds allows (PART_WEIGHT). A larger post is stored in
// parts, one such post at a time; organizations take turns with them. Posts of one
// organization keep their order: what is behind a post that waits waits, too.

#include "queue/event_log/next_commit.h"

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/fairness/share.h"
#include "common/fairness/turn_list.h"
#include "queue/event_log/inside.h"
#include "queue/event_log/parts.h"

#define BATCH_EVENTS 4096
#define LATELY_US    INT64_C(1000000)

void next_commit_add(struct event_log *log, struct append *a)
{
    struct posters *p = &log->posters;
    const struct event *e = &a->events[0].event;
    uint64_t org = hash_here(e->org, (uint64_t)e->dialect);

    a->weight = parts_weight(a);
    turn_add(&log->waiting, &a->turn, org);
    if (org != p->org)
        p->before_us = p->last_us;
    p->org = org;
    p->last_us = clock_mono_us();
}

static bool do_several_post(const struct event_log *log)
{
    return log->posters.before_us != 0 &&
           clock_mono_us() - log->posters.before_us < LATELY_US;
}

static void move(struct event_log *log, struct append *a)
{
    list_remove(&log->waiting, &a->turn.node);
    list_push(&log->batch, &a->turn.node);
}

static void take_all(struct event_log *log)
{
    size_t n_events = 0;

    while (log->waiting.first != NULL && n_events < BATCH_EVENTS) {
        struct append *a = LIST_FIRST(&log->waiting, struct append, turn.node);

        n_events += a->n_events;
        move(log, a);
    }
}

// A choice that walks over the waiting appends.
struct choice {
    struct shares taken; // weight, by organization
    uint64_t n_events, room;
    struct append *large; // to be stored in parts; NULL: none
};

// Nothing more of this organization is taken.
static void stop(struct choice *c, uint64_t org)
{
    shares_add(&c->taken, org, PART_WEIGHT);
}

static void consider(struct event_log *log, struct choice *c, struct append *a)
{
    if (shares_of(&c->taken, a->turn.holder_no) >= PART_WEIGHT)
        return;
    if (parts_are_needed(a)) {
        if (c->large == NULL)
            c->large = a;
        stop(c, a->turn.holder_no);
    } else if (a->n_events > c->room - c->n_events) {
        stop(c, a->turn.holder_no);
    } else {
        shares_add(&c->taken, a->turn.holder_no, a->weight);
        c->n_events += a->n_events;
        move(log, a);
    }
}

static void take_fairly(struct event_log *log)
{
    struct parts *p = &log->parts;
    struct choice c = { .room = parts_room(p, log->next) };
    struct append *next;

    if (parts_are_open(p) && p->now.phase != PARTS_UNDO)
        stop(&c, p->org);
    for (struct append *a = LIST_FIRST(&log->waiting, struct append, turn.node);
         a != NULL && c.n_events < BATCH_EVENTS; a = next) {
        next = LIST_NEXT(a, struct append, turn.node);
        consider(log, &c, a);
    }
    shares_clear(&c.taken);
    if (c.large != NULL && !parts_are_open(p)) {
        list_remove(&log->waiting, &c.large->turn.node);
        parts_open(p, c.large);
        turn_pass(&log->waiting, p->org);
    }
}

// While parts are stored, commits are by turns for others and for a part: so what
// others wait for is one part, and not one part and a half.
static void choose_beside_parts(struct event_log *log)
{
    struct parts *p = &log->parts;
    bool is_storing = p->now.phase == PARTS_PUT;

    p->is_in_commit = !p->is_resting;
    if (p->has_failed && p->is_in_commit)
        return;
    if (!is_storing || p->is_others_turn)
        take_fairly(log);
    p->is_others_turn = false;
    if (is_storing && log->batch.first != NULL)
        p->is_in_commit = false;
}

bool next_commit_choose(struct event_log *log)
{
    struct parts *p = &log->parts;

    p->is_in_commit = false;
    if (!parts_are_open(p) && !do_several_post(log)) {
        take_all(log);
    } else if (!parts_are_open(p)) {
        take_fairly(log);
        p->is_in_commit = log->batch.first == NULL && parts_are_open(p);
        p->is_others_turn = false;
    } else {
        choose_beside_parts(log);
    }
    return log->batch.first != NULL || p->is_in_commit;
}
