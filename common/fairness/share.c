// SPDX-License-Identifier: MIT
// share.c — how much of a shared resource each organization holds.
//
// The table uses open addressing and is at most half full; removing an entry moves
// later ones up, so no tombstones remain.

#include "common/fairness/share.h"

#include <assert.h>
#include <stdlib.h>

#include "common/base/mem.h"

#define LEAST_PLACES 16
#define SPREAD       UINT64_C(0x9e3779b97f4a7c15)

static size_t home_of(const struct shares *s, uint64_t no)
{
    return (size_t)((no * SPREAD) >> 32) & (s->n_slots - 1);
}

static size_t next_of(const struct shares *s, size_t slot)
{
    return (slot + 1) & (s->n_slots - 1);
}

// The index where the number is, or would be.
static size_t slot_of(const struct shares *s, uint64_t no)
{
    size_t slot = home_of(s, no);

    while (s->rows[slot].n > 0 && s->rows[slot].no != no)
        slot = next_of(s, slot);
    return slot;
}

static void resize(struct shares *s, size_t n_slots)
{
    struct share_row *old = s->rows;
    size_t n_old = s->n_slots;

    s->rows = xcalloc(n_slots, sizeof(*s->rows));
    s->n_slots = n_slots;
    for (size_t i = 0; i < n_old; i++) {
        if (old[i].n > 0)
            s->rows[slot_of(s, old[i].no)] = old[i];
    }
    free(old);
}

uint64_t shares_of(const struct shares *s, uint64_t no)
{
    return s->n_rows > 0 ? s->rows[slot_of(s, no)].n : 0;
}

// Whether `held` + `more` exceeds `most`, without overflow.
static bool is_over(uint64_t held, uint64_t more, uint64_t most)
{
    return held > most || more > most - held;
}

enum share share_check(const struct share_limit *limit, uint64_t held,
                       uint64_t all, bool is_admin, uint64_t more)
{
    uint64_t open =
        limit->whole > limit->reserve ? limit->whole - limit->reserve : 0;

    if (is_admin)
        return is_over(all, more, limit->whole) ? SHARE_RESERVED : SHARE_THERE;
    if (is_over(held, more, limit->of_one))
        return SHARE_OF_ONE;
    return is_over(all, more, open) ? SHARE_OF_ALL : SHARE_THERE;
}

enum share shares_check(const struct shares *s, const struct share_limit *limit,
                        uint64_t no, bool is_admin, uint64_t more)
{
    return share_check(limit, shares_of(s, no), s->n, is_admin, more);
}

void shares_add(struct shares *s, uint64_t no, uint64_t more)
{
    struct share_row *row;

    if (more == 0)
        return;
    if (2 * (s->n_rows + 1) > s->n_slots)
        resize(s, s->n_slots > 0 ? 2 * s->n_slots : LEAST_PLACES);
    row = &s->rows[slot_of(s, no)];
    s->n_rows += row->n == 0;
    row->no = no;
    row->n += more;
    s->n += more;
}

// Closes the gap: moves each later entry into it that the gap separates from its
// home.
static void close_gap(struct shares *s, size_t gap)
{
    size_t mask = s->n_slots - 1;

    for (size_t at = next_of(s, gap); s->rows[at].n > 0; at = next_of(s, at)) {
        size_t home = home_of(s, s->rows[at].no);

        if (((at - home) & mask) < ((at - gap) & mask))
            continue; // its home is after the gap
        s->rows[gap] = s->rows[at];
        s->rows[at].n = 0;
        gap = at;
    }
}

void shares_remove(struct shares *s, uint64_t no, uint64_t less)
{
    size_t slot;

    if (less == 0)
        return;
    assert(s->n_rows > 0);
    slot = slot_of(s, no);
    assert(s->rows[slot].n >= less && s->n >= less);
    s->rows[slot].n -= less;
    s->n -= less;
    if (s->rows[slot].n > 0)
        return;
    s->n_rows--;
    close_gap(s, slot);
    if (s->n_slots > LEAST_PLACES && 8 * s->n_rows < s->n_slots)
        resize(s, s->n_slots / 2);
}

void shares_clear(struct shares *s)
{
    free(s->rows);
    *s = (struct shares){ .rows = NULL };
}
