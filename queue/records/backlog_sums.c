// SPDX-License-Identifier: MIT
// backlog_sums.c — how much waits for each hook, summed up while rows move.

#include "queue/records/backlog_sums.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "queue/records/schema.h"

#define TABLE_MIN 64   // a power of two
#define SMALL     4096 // the largest table that is kept for reuse

void backlog_sums_clear(struct backlog_sums *s)
{
    free(s->at);
    *s = (struct backlog_sums){ .n = 0 };
}

void backlog_sums_reset(struct backlog_sums *s)
{
    if (s->n_mask > SMALL && s->n * 8 < s->n_mask) {
        backlog_sums_clear(s); // larger than is worth keeping
        return;
    }
    if (s->n > 0)
        memset(s->at, 0, (s->n_mask + 1) * sizeof(*s->at));
    s->n = 0;
}

// The entry of the hook, or the free one where it would be.
static struct backlog_sum *place_of(const struct backlog_sums *s,
                                    uint64_t hook_id)
{
    size_t i = (size_t)(hook_id * UINT64_C(0x9e3779b97f4a7c15) >> 20);

    while (s->at[i & s->n_mask].hook_id != 0 &&
           s->at[i & s->n_mask].hook_id != hook_id)
        i++;
    return &s->at[i & s->n_mask];
}

static void grow(struct backlog_sums *s)
{
    struct backlog_sums old = *s;
    size_t n_places = old.at != NULL ? (old.n_mask + 1) * 2 : TABLE_MIN;

    s->at = xcalloc(n_places, sizeof(*s->at));
    s->n_mask = n_places - 1;
    for (size_t i = 0; old.at != NULL && i <= old.n_mask; i++) {
        if (old.at[i].hook_id != 0)
            *place_of(s, old.at[i].hook_id) = old.at[i];
    }
    free(old.at);
}

void backlog_sums_add(struct backlog_sums *s, uint32_t place, struct str key,
                      struct str row, int sign)
{
    struct backlog_sum *sum;
    struct due_row due;
    uint64_t hook_id;

    if (key.n_bytes != DUE_KEY_BYTES)
        return;
    hook_id = get_be64((const uint8_t *)key.at);
    if (hook_id == 0)
        return; // no hook has the number 0
    if (s->at == NULL || (s->n + 1) * 2 > s->n_mask)
        grow(s);
    sum = place_of(s, hook_id);
    s->n += sum->hook_id == 0;
    sum->hook_id = hook_id;
    sum->backlog.n_rows += sign;
    if (due_decode(place, key, row, &due) == OK)
        sum->backlog.n_bytes += sign * (int64_t)due.payload_bytes;
}

void backlog_sums_each(const struct backlog_sums *s, backlog_visit visit,
                       void *data)
{
    for (size_t i = 0; s->n > 0 && i <= s->n_mask; i++) {
        if (s->at[i].hook_id != 0)
            visit(data, s->at[i].hook_id, &s->at[i].backlog);
    }
}
