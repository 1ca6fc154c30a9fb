// SPDX-License-Identifier: MIT
// aside.c — records that dispatchers of this shard died with (blame.h).
//
// A delivery or an event with two deaths is worked on alone (schedule/alone.h). With
// three deaths it is set aside: a delivery becomes a dead
// letter, which can be sent again by hand; an event is passed over; a hook is not
// followed, and what waits for it goes on waiting.
//
// The deaths of a record that went well are forgotten only after the commit of its
// result: a record may kill the process in the commit, too.

#include "engine/dispatcher/deliver/aside.h"

#include <assert.h>
#include <inttypes.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "common/process/blame.h"
#include "engine/dispatcher/loop/core.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/hooks.h"
#include "engine/dispatcher/schedule/alone.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "engine/dispatcher/schedule/step.h"
#include "queue/queue.h"

static_assert(DEATHS_ALONE == BLAME_ALONE && DEATHS_ASIDE == BLAME_ASIDE,
              "the scheduling core and blame.h count alike");

// A delivery that was a suspect, and went well.
struct survivor {
    uint64_t hook_id, position;
    uint64_t after_commit; // its deaths are forgotten after this commit
};

struct aside {
    struct survivor survivors[BLAME_MAX];
    size_t n_survivors;
};

struct blamed aside_note(const struct delivery *dv)
{
    uint64_t position = get_be64(delivery_position(dv).bytes);

    return blame_begin(position == 0 ? BLAME_REQUEST : BLAME_DELIVERY,
                       hook_state_id(delivery_hook(dv)), position);
}

bool aside_refuses_pings(const struct hook_state *f)
{
    return blame_deaths(BLAME_REQUEST, hook_state_id(f), 0) >= BLAME_ASIDE;
}

uint32_t aside_deaths(uint64_t hook_id, struct position position)
{
    return blame_is_any()
               ? blame_deaths(BLAME_DELIVERY, hook_id, get_be64(position.bytes))
               : 0;
}

// --- replays ---

enum admission aside_of_replay(struct dispatcher *d, uint64_t hook_id,
                               struct position position)
{
    enum admission admission = alone_admits_replay(
        &d->schedule, aside_deaths(hook_id, position), clock_mono_us());

    if (admission == ADMIT_ALONE) {
        log_warn("the dispatcher died twice with a delivery: it is tried alone",
                 "%s position=%" PRIu64, hook_log_no(hook_id),
                 get_be64(position.bytes));
    }
    return admission;
}

// --- events ---

static void pass_over(struct dispatcher *d)
{
    struct position next = d->read_to;

    put_be64(next.bytes, get_be64(next.bytes) + 1);
    d->read_to = next;
    log_warn("the dispatcher died three times with an event: it is passed "
             "over, and goes to no hook of this shard",
             "position=%" PRIu64, get_be64(next.bytes));
    batch_count(d->open_batch, COUNT_DAMAGED, 1);
    commit_schedule(d);
}

// The first event after `read_to` that is a suspect. False: there is none.
static bool find_suspect(const struct dispatcher *d, uint64_t *position,
                         uint32_t *n_deaths)
{
    uint64_t read_to = get_be64(d->read_to.bytes);
    bool is_found = false;

    for (unsigned i = 0; i < BLAME_MAX; i++) {
        struct blamed record;
        uint32_t n;

        if (!blame_at(i, &record, &n) || record.kind != BLAME_EVENT ||
            record.b <= read_to || (is_found && record.b > *position))
            continue;
        is_found = true;
        *position = record.b;
        *n_deaths = n;
    }
    return is_found;
}

bool aside_limit_scan(struct dispatcher *d, struct event_scan *scan)
{
    uint64_t position = 0;
    uint32_t n_deaths = 0;
    uint64_t n_before;

    if (!blame_is_any())
        return true;
    while (find_suspect(d, &position, &n_deaths)) {
        n_before = position - get_be64(d->read_to.bytes) - 1;
        if (n_before > 0) {
            if (n_before < scan->max)
                scan->max = (size_t)n_before;
            break;
        }
        scan->max = 1;
        if (n_deaths < BLAME_ASIDE) {
            if (alone_admits_event(&d->schedule, n_deaths, clock_mono_us()))
                break;
            return false;
        }
        pass_over(d);
        scan->max = BATCH_EVENTS;
    }
    scan->after = d->read_to;
    return true;
}

void aside_scanned(struct dispatcher *d)
{
    uint64_t read_to = get_be64(d->read_to.bytes);

    if (!blame_is_any())
        return;
    for (unsigned i = 0; i < BLAME_MAX; i++) {
        struct blamed record;
        uint32_t n_deaths;

        if (blame_at(i, &record, &n_deaths) && record.kind == BLAME_EVENT &&
            record.b <= read_to)
            blame_forget(BLAME_EVENT, 0, record.b);
    }
}

// --- suspects that went well ---

void aside_survived(struct dispatcher *d, struct delivery *dv)
{
    struct aside *a = d->aside;

    delivery_set_deaths(dv, 0);
    if (aside_deaths(hook_state_id(delivery_hook(dv)), delivery_position(dv)) ==
            0 ||
        a->n_survivors == BLAME_MAX)
        return;
    a->survivors[a->n_survivors++] = (struct survivor){
        .hook_id = hook_state_id(delivery_hook(dv)),
        .position = get_be64(delivery_position(dv).bytes),
        .after_commit = commit_number(d),
    };
}

void aside_committed(struct dispatcher *d)
{
    struct aside *a = d->aside;
    size_t n = 0;

    for (size_t i = 0; i < a->n_survivors; i++) {
        const struct survivor *s = &a->survivors[i];

        if (s->after_commit <= schedule_n_commits(&d->schedule)) {
            blame_forget(BLAME_DELIVERY, s->hook_id, s->position);
        } else {
            a->survivors[n++] = *s;
        }
    }
    a->n_survivors = n;
}

// --- hooks ---

void aside_set(struct dispatcher *d, struct hook_state *f, bool is_aside)
{
    const struct schedule_event event = { .kind = SCHEDULE_HOOK_ASIDE,
                                          .hook = f,
                                          .is_set = is_aside };

    core_note(d, &event);
}

bool aside_hook(struct dispatcher *d, const struct hook *hook)
{
    struct hook_state *f;

    if (blame_deaths(BLAME_HOOK, hook->no, hook->revision) < BLAME_ASIDE)
        return false;
    f = hook_find_or_add(d, hook->no);
    log_warn("the dispatcher died three times with a hook: it is not followed "
             "until it is changed",
             "%s revision=%" PRIu64, hook_log(hook), hook->revision);
    aside_set(d, f, true);
    return true;
}

void aside_init(struct dispatcher *d)
{
    d->aside = xcalloc(1, sizeof(*d->aside));
}
