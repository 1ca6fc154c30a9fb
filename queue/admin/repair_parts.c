// SPDX-License-Identifier: MIT
// repair_parts.c — which parts belong to the directory that is repaired, and as
// which shard.
//
// Happy path: all parts have FORMAT's id; each shard states its number, and how
// many shards there are.
//
// "self", which states these, has no checksum. So an id that differs in a few bytes
// counts as damaged, one that differs in most bytes as another directory's. A
// shard's state also states its number; the number of shards must fit the hooks of
// the rows.

#include "queue/admin/repair_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

#define DAMAGED_BYTES_MAX 4 // of an id

__attribute__((format(printf, 2, 3))) static void say(const struct parts *p,
                                                      const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    p->on_fault(p->data, text);
}

// --- of this directory ---

static struct salvage *part_at(const struct parts *p, unsigned i)
{
    if (i < 2)
        return i == 0 ? p->events : p->hooks;
    return &p->shards[i - 2];
}

static bool has_id(const struct salvage *s, const uint8_t *id)
{
    size_t n_other = 0;

    if (!s->is_there || !s->has_self)
        return false;
    for (size_t i = 0; i < DIRECTORY_ID_BYTES; i++)
        n_other += s->self.id[i] != id[i];
    return n_other <= DAMAGED_BYTES_MAX;
}

static unsigned count_id(const struct parts *p, const uint8_t *id)
{
    unsigned n = 0;

    for (unsigned i = 0; i < p->n_dirs + 2; i++)
        n += has_id(part_at(p, i), id);
    return n;
}

// FORMAT's id, if any part has it; else the id of most parts. NULL: none is known.
static const uint8_t *find_id(const struct parts *p)
{
    const uint8_t *id = NULL;
    unsigned n_most = 0;

    if (p->format->has_id && count_id(p, p->format->id) > 0)
        return p->format->id;
    for (unsigned i = 0; i < p->n_dirs + 2; i++) {
        const struct salvage *s = part_at(p, i);

        if (s->is_there && s->has_self && count_id(p, s->self.id) > n_most) {
            n_most = count_id(p, s->self.id);
            id = s->self.id;
        }
    }
    if (id != NULL && p->format->has_id)
        say(p, "FORMAT is of another data directory than all parts");
    return id;
}

static void leave_out(struct salvage *s)
{
    s->is_there = false;
    s->has_state = false;
}

static void leave_out_others(struct parts *p)
{
    const uint8_t *id = find_id(p);

    for (unsigned i = 0; i < p->n_dirs + 2 && id != NULL; i++) {
        struct salvage *s = part_at(p, i);

        if (!s->is_there || !s->has_self || has_id(s, id))
            continue;
        say(p, "%s: it is of another data directory; nothing of it is taken",
            s->part.name);
        leave_out(s);
    }
}

// --- how many shards ---

static unsigned count_votes(const struct parts *p, unsigned n)
{
    unsigned n_votes = 0;

    for (unsigned k = 0; k < p->n_dirs; k++) {
        const struct salvage *s = &p->shards[k];

        n_votes += s->is_there && s->has_self && s->self.n_shards == n &&
                   s->self.shard < n;
    }
    return n_votes;
}

static uint64_t count_strangers(const struct parts *p, unsigned n)
{
    uint64_t sum = 0;

    for (unsigned k = 0; k < p->n_dirs; k++) {
        if (p->shards[k].is_there && p->shards[k].self.shard < n)
            sum += salvage_strangers(&p->shards[k], n);
    }
    return sum;
}

static unsigned count_there(const struct parts *p)
{
    unsigned n = 0;

    for (unsigned k = 0; k < p->n_dirs; k++)
        n += p->shards[k].is_there;
    return n;
}

// The number that most parts state and no row contradicts.
static unsigned find_n_shards(const struct parts *p)
{
    unsigned n_there = count_there(p);
    unsigned best = n_there > 0 ? n_there : 1;
    unsigned best_votes = count_votes(p, best);
    uint64_t best_strangers;

    if (best_votes == n_there)
        return best; // all parts state the same
    best_strangers = count_strangers(p, best);
    for (unsigned n = 1; n <= QUEUE_SHARDS_MAX; n++) {
        unsigned n_votes = count_votes(p, n);
        uint64_t n_strangers;

        if (n_votes == 0 || n == best)
            continue;
        n_strangers = count_strangers(p, n);
        if (n_strangers > best_strangers ||
            (n_strangers == best_strangers && n_votes <= best_votes))
            continue;
        best = n;
        best_votes = n_votes;
        best_strangers = n_strangers;
    }
    return best;
}

// --- which shard is where ---

// Of two parts with the same shard number, the one that was used longer is better.
static bool is_better(const struct salvage *a, const struct salvage *b)
{
    if (a->has_state != b->has_state)
        return a->has_state;
    if (a->snapshot.txn != b->snapshot.txn)
        return a->snapshot.txn > b->snapshot.txn;
    return a->part.shard == a->self.shard;
}

static void place(struct parts *p, unsigned k)
{
    struct salvage *s = &p->shards[k];
    unsigned *from;
    unsigned other;

    if (!s->is_there)
        return;
    if (s->self.shard >= p->n_shards) {
        say(p,
            "%s: it holds shard %" PRIu64
            " of another number of shards; nothing of it is taken",
            s->part.name, s->self.shard);
        leave_out(s);
        return;
    }
    from = &p->from[s->self.shard];
    if (*from == FROM_NOTHING) {
        *from = k;
        return;
    }
    other = is_better(s, &p->shards[*from]) ? *from : k;
    *from = other == k ? *from : k;
    say(p,
        "%s: it holds shard %" PRIu64
        ", which is taken from %s; nothing of it is taken",
        p->shards[other].part.name, s->self.shard, p->shards[*from].part.name);
    leave_out(&p->shards[other]);
}

void parts_check(struct parts *p)
{
    leave_out_others(p);
    p->n_shards = find_n_shards(p);
    for (unsigned i = 0; i < QUEUE_SHARDS_MAX; i++)
        p->from[i] = FROM_NOTHING;
    for (unsigned k = 0; k < p->n_dirs; k++)
        place(p, k);
    for (unsigned i = 0; i < p->n_shards; i++) {
        if (p->from[i] == FROM_NOTHING) {
            say(p,
                "shard %u of %u is in no directory; what waited there is lost",
                i, p->n_shards);
        }
    }
}
