// SPDX-License-Identifier: MIT
// replay_progress.c — the replays that run, and how far each has come.
//
// How far a replay has come, and its results, are committed with the attempts.

#include "engine/dispatcher/record/replay_progress.h"

#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/fairness/share.h"
#include "common/log/log.h"
#include "common/model/delivery.h"
#include "common/model/replay.h"
#include "engine/delivery/match.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/turn.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

struct replays {
    struct running *first, *last; // in the order of their turns
    struct running **by_tag;      // hash table
    size_t mask, n;
    struct running *dirty, *dirty_last; // records to be written
    uint64_t n_changes, n_added;        // ever marked, ever written
    struct shares shares;
    uint32_t n_sent;
};

void replays_init(struct dispatcher *d)
{
    d->replays = xcalloc(1, sizeof(*d->replays));
}

void replays_sent(struct dispatcher *d)
{
    d->replays->n_sent++;
}

uint32_t replays_n_sent(const struct dispatcher *d)
{
    return d->replays->n_sent;
}

struct running *replays_first(const struct dispatcher *d)
{
    return d->replays->first;
}

size_t replays_n(const struct dispatcher *d)
{
    return d->replays->n;
}

struct running *replays_pop(struct dispatcher *d)
{
    struct running *r = d->replays->first;

    d->replays->first = r->next;
    if (r->next == NULL)
        d->replays->last = NULL;
    return r;
}

enum share replays_check(const struct dispatcher *d,
                         const struct share_limit *limit, uint64_t org_id,
                         bool is_admin)
{
    return shares_check(&d->replays->shares, limit, org_id, is_admin, 1);
}

uint64_t replays_n_changes(const struct dispatcher *d)
{
    return d->replays->n_changes;
}

uint64_t replays_n_added(const struct dispatcher *d)
{
    return d->replays->n_added;
}

// --- what a replay is, in memory ---

struct running *running_new(const struct replay *record)
{
    struct running *r = xcalloc(1, sizeof(*r));

    buf_init(&r->text, 0);
    replay_encode(record, &r->text);
    if (replay_decode(buf_str(&r->text), &r->record) != OK) {
        log_panic(
            "the record of a replay cannot be decoded after it was encoded",
            "");
    }
    r->tag = replay_tag(&record->id);
    r->read_no = record->next;
    return r;
}

struct replay_holder *replay_hold(struct dispatcher *d, uint64_t org_id)
{
    struct replay_holder *holder = xcalloc(1, sizeof(*holder));

    holder->shares = &d->replays->shares;
    holder->org_id = org_id;
    shares_add(holder->shares, org_id, 1);
    return holder;
}

void replay_join(struct replay_holder **place, struct replay_holder *holder)
{
    *place = holder;
    if (holder != NULL)
        holder->n++;
}

void replay_leave(struct replay_holder **place)
{
    struct replay_holder *holder = *place;

    *place = NULL;
    if (holder == NULL || --holder->n > 0)
        return;
    shares_remove(holder->shares, holder->org_id, 1);
    free(holder);
}

void running_slim(struct running *r)
{
    match_index_free(r->index);
    event_facts_clear(&r->facts);
    r->index = NULL;
    free(r->pending.at);
    r->pending = (struct number_set){ .at = NULL };
    r->are_pending_read = false;
}

void running_free(struct running *r)
{
    replay_leave(&r->holder);
    running_slim(r);
    buf_clear(&r->text);
    free(r);
}

#define ADDED_AT_ONCE 256 // replay records in a commit, at most
#define TABLE_MIN     64  // a power of two

// --- which there are ---

static struct running **place_of(const struct dispatcher *d, uint64_t tag,
                                 uint64_t hook_id)
{
    uint64_t mixed = (tag ^ hook_id) * UINT64_C(0x9e3779b97f4a7c15);

    return &d->replays->by_tag[(size_t)(mixed >> 20) & d->replays->mask];
}

static struct running *find_by_tag(const struct dispatcher *d, uint64_t tag,
                                   uint64_t hook_id)
{
    struct running *r = NULL;

    if (d->replays->by_tag != NULL)
        r = *place_of(d, tag, hook_id);
    while (r != NULL && (r->tag != tag || r->record.hook_id != hook_id))
        r = r->same_hash;
    return r;
}

static void put(struct dispatcher *d, struct running *r)
{
    struct running **place = place_of(d, r->tag, r->record.hook_id);

    r->same_hash = *place;
    *place = r;
}

static void grow(struct dispatcher *d)
{
    struct running **old = d->replays->by_tag;
    size_t n_old = old != NULL ? d->replays->mask + 1 : 0;

    d->replays->mask = (n_old > 0 ? n_old * 2 : TABLE_MIN) - 1;
    d->replays->by_tag =
        xcalloc(d->replays->mask + 1, sizeof(struct running *));
    for (size_t i = 0; i < n_old; i++) {
        struct running *next = NULL;

        for (struct running *r = old[i]; r != NULL; r = next) {
            next = r->same_hash;
            put(d, r);
        }
    }
    free(old);
}

void replays_take_out(struct dispatcher *d, const struct running *r)
{
    struct running **link = place_of(d, r->tag, r->record.hook_id);

    while (*link != r)
        link = &(*link)->same_hash;
    *link = r->same_hash;
    d->replays->n--;
}

// Puts the replay behind the others in the order of turns.
void replays_append(struct dispatcher *d, struct running *r)
{
    r->next = NULL;
    if (d->replays->last != NULL) {
        d->replays->last->next = r;
    } else {
        d->replays->first = r;
    }
    d->replays->last = r;
}

void replays_add(struct dispatcher *d, struct running *r)
{
    if (d->replays->by_tag == NULL || d->replays->n > d->replays->mask)
        grow(d);
    put(d, r);
    d->replays->n++;
    replays_append(d, r);
    turn_mark(d, TURN_REPLAY);
}

uint64_t replays_touch(struct dispatcher *d, struct running *r)
{
    if (r->is_dirty)
        return d->replays->n_changes; // it is written by then at the latest
    r->is_dirty = true;
    r->next_dirty = NULL;
    if (d->replays->dirty_last != NULL) {
        d->replays->dirty_last->next_dirty = r;
    } else {
        d->replays->dirty = r;
    }
    d->replays->dirty_last = r;
    return ++d->replays->n_changes;
}

void replays_end(struct dispatcher *d, struct running *r,
                 enum replay_state state)
{
    replay_leave(&r->holder);
    r->record.state = state;
    r->record.ended_at_ms = clock_now_ms();
    replays_touch(d, r);
}

bool replays_are_of(const struct dispatcher *d, uint64_t org_id)
{
    for (const struct running *r = d->replays->first; r != NULL; r = r->next) {
        if (r->record.org_id == org_id)
            return true;
    }
    for (const struct running *r = d->replays->dirty; r != NULL;
         r = r->next_dirty) {
        if (r->record.org_id == org_id)
            return true;
    }
    return false;
}

// --- results ---

// The number in the source before which all is done.
static uint64_t progress(const struct running *r)
{
    bool is_list = r->record.ids.n_bytes > 0 && !r->record.unmatched;
    uint64_t least = UINT64_MAX;

    for (size_t i = 0; i < r->n_open; i++) {
        if (r->open[i] < least)
            least = r->open[i];
    }
    if (r->i_ahead < r->n_ahead && r->ahead[r->i_ahead].no < least)
        least = r->ahead[r->i_ahead].no;
    if (least == UINT64_MAX)
        return r->read_no;
    return is_list ? least : least - 1;
}

// A commit has ADDED_AT_ONCE replay records at most; the others go into later commits.
// The last commit of the process has all.
void replays_add_changed(struct dispatcher *d)
{
    for (size_t i = 0;
         (i < ADDED_AT_ONCE || d->is_final_commit) && d->replays->dirty != NULL;
         i++) {
        struct running *r = d->replays->dirty;

        d->replays->dirty = r->next_dirty;
        if (d->replays->dirty == NULL)
            d->replays->dirty_last = NULL;
        r->is_dirty = false;
        d->replays->n_added++;
        r->record.next = progress(r);
        batch_replay_put(d->open_batch, &r->record);
    }
}

static void finish(struct running *r, uint64_t no)
{
    for (size_t i = 0; i < r->n_open; i++) {
        if (r->open[i] == no) {
            r->open[i] = r->open[--r->n_open];
            return;
        }
    }
}

void replays_count(struct dispatcher *d, struct running *r,
                   enum delivery_state state)
{
    switch (state) {
    case DELIVERY_DELIVERED:
        r->record.delivered++;
        break;
    case DELIVERY_DEAD:
        r->record.dead++;
        break;
    case DELIVERY_CANCELLED:
        r->record.cancelled++;
        break;
    case DELIVERY_RETRYING:
        r->record.retrying++;
        break;
    }
    replays_touch(d, r);
}

void replays_settled(struct dispatcher *d, struct delivery *dv,
                     enum delivery_state state)
{
    struct delivery_notes *notes = delivery_notes(dv);
    struct running *r =
        find_by_tag(d, notes->replay, hook_state_id(delivery_hook(dv)));
    bool was_sent = notes->is_replaying;

    if (was_sent)
        d->replays->n_sent--;
    notes->is_replaying = false;
    if (r == NULL)
        return;
    if (was_sent) {
        finish(r, notes->replay_no);
    } else if (r->record.retrying > 0) {
        r->record.retrying--;
    }
    replays_count(d, r, state);
}
