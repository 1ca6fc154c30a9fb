// SPDX-License-Identifier: MIT
// backlog.c — how much waits for hooks and organizations, as dispatchers report it.

#include "common/messages/backlog.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/hash_map.h"
#include "common/base/mem.h"
#include "common/process/role.h"

// --- frames ---

#define HOOK(name) MEMBER(struct hook_frame, name)
#define ORG(name)  MEMBER(struct org_backlog, name)

struct hook_frame {
    struct hook_backlog b;
    bool is_paused;
};

static const struct member hook_members[] = {
    HOOK(b.hook_id),
    HOOK(b.n_rows),
    HOOK(b.n_bytes),
    HOOK(is_paused),
};

static const struct member org_members[] = {
    ORG(org_id),
    ORG(n_rows),
    ORG(n_bytes),
    ORG(growth),
    ORG(fullest[0].hook_id),
    ORG(fullest[0].n_rows),
    ORG(fullest[0].n_bytes),
    ORG(fullest[1].hook_id),
    ORG(fullest[1].n_rows),
    ORG(fullest[1].n_bytes),
};
_Static_assert(BACKLOG_FULLEST == 2, "the frame has all that are listed");

void org_backlog_pack(struct buf *frame, const struct org_backlog *b)
{
    frame_pack(frame, FRAME_ORG_BACKLOG, MEMBERS(org_members), b);
}

void hook_backlog_pack(struct buf *frame, const struct hook_backlog *b,
                       bool is_paused)
{
    const struct hook_frame hook = { *b, is_paused };

    frame_pack(frame, FRAME_HOOK_BACKLOG, MEMBERS(hook_members), &hook);
}

// --- the fullest ---

uint64_t hook_backlog_bytes(const struct hook_backlog *b)
{
    return b->n_bytes + b->n_rows * BACKLOG_ROW_BYTES;
}

void org_backlog_rank(struct org_backlog *b, const struct hook_backlog *hook)
{
    struct hook_backlog next = *hook;

    if (next.hook_id == 0 || next.n_rows == 0)
        return;
    for (size_t i = 0; i < BACKLOG_FULLEST; i++) {
        struct hook_backlog here = b->fullest[i];

        if (here.hook_id != 0 &&
            hook_backlog_bytes(&here) >= hook_backlog_bytes(&next))
            continue;
        b->fullest[i] = next;
        next = here;
    }
}

// --- the table ---

// An organization or a hook, by number, and what each shard reported about it.
struct entry {
    struct hash_node node; // by its number, which the engine gives
    uint64_t no;
    struct org_backlog shards[]; // for a hook: one, in `fullest[0]`
};

struct backlog_table {
    unsigned n_shards;
    struct hash_map orgs, hooks;
};

static struct entry *entry_of(struct hash_node *n)
{
    return HASH_OBJECT(n, struct entry, node);
}

static struct entry *find(const struct hash_map *m, uint64_t no)
{
    return entry_of(hash_map_find(m, no));
}

static struct entry *make(struct hash_map *m, uint64_t no, unsigned n_shards)
{
    struct entry *entry = find(m, no);

    if (entry != NULL)
        return entry;
    entry = xcalloc(1, sizeof(*entry) + n_shards * sizeof(struct org_backlog));
    entry->no = no;
    hash_map_add(m, &entry->node, no);
    return entry;
}

static bool is_empty(const struct entry *entry, unsigned n_shards)
{
    for (unsigned k = 0; k < n_shards; k++) {
        if (entry->shards[k].n_rows > 0)
            return false;
    }
    return true;
}

static void drop(struct hash_map *m, struct entry *entry)
{
    if (entry == NULL)
        return;
    hash_map_remove(m, &entry->node);
    free(entry);
}

struct backlog_table *backlog_table_new(unsigned n_shards)
{
    struct backlog_table *t = xcalloc(1, sizeof(*t));

    t->n_shards = n_shards;
    return t;
}

static void clear(struct hash_map *m)
{
    struct hash_node *n;

    while ((n = hash_map_next(m, NULL)) != NULL)
        drop(m, entry_of(n));
    hash_map_clear(m);
}

void backlog_table_free(struct backlog_table *t)
{
    if (t == NULL)
        return;
    clear(&t->orgs);
    clear(&t->hooks);
    free(t);
}

static void take_org(struct backlog_table *t, unsigned shard, struct str frame)
{
    struct org_backlog b;
    struct entry *entry;

    if (frame_unpack(frame, FRAME_ORG_BACKLOG, MEMBERS(org_members), &b) !=
            OK ||
        b.org_id == 0)
        return;
    entry = make(&t->orgs, b.org_id, t->n_shards);
    entry->shards[shard] = b;
    if (is_empty(entry, t->n_shards))
        drop(&t->orgs, entry);
}

static void take_hook(struct backlog_table *t, unsigned shard, struct str frame)
{
    struct hook_frame hook;
    struct entry *entry;

    if (frame_unpack(frame, FRAME_HOOK_BACKLOG, MEMBERS(hook_members), &hook) !=
            OK ||
        hook.b.hook_id == 0)
        return;
    if (!hook.is_paused) {
        drop(&t->hooks, find(&t->hooks, hook.b.hook_id));
        return;
    }
    entry = make(&t->hooks, hook.b.hook_id, 1);
    entry->shards[0].org_id = shard; // which shard reported it
    entry->shards[0].fullest[0] = hook.b;
}

bool backlog_take(struct backlog_table *t, unsigned shard, struct str frame)
{
    struct unpack u = unpack_of(frame);
    uint64_t type = unpack_u64(&u);

    if (type != FRAME_ORG_BACKLOG && type != FRAME_HOOK_BACKLOG)
        return false;
    if (shard >= t->n_shards)
        return true;
    if (type == FRAME_ORG_BACKLOG) {
        take_org(t, shard, frame);
    } else {
        take_hook(t, shard, frame);
    }
    return true;
}

static void forget_orgs(struct backlog_table *t, unsigned shard)
{
    struct hash_node *next;

    for (struct hash_node *n = hash_map_next(&t->orgs, NULL); n != NULL;
         n = next) {
        struct entry *entry = entry_of(n);

        next = hash_map_next(&t->orgs, n);
        entry->shards[shard] = (struct org_backlog){ .n_rows = 0 };
        if (is_empty(entry, t->n_shards))
            drop(&t->orgs, entry);
    }
}

void backlog_forget(struct backlog_table *t, unsigned shard)
{
    struct hash_node *next;

    if (shard >= t->n_shards)
        return;
    forget_orgs(t, shard);
    for (struct hash_node *n = hash_map_next(&t->hooks, NULL); n != NULL;
         n = next) {
        next = hash_map_next(&t->hooks, n);
        if (entry_of(n)->shards[0].org_id == shard)
            drop(&t->hooks, entry_of(n));
    }
}

static void sum_up(const struct backlog_table *t, const struct entry *entry,
                   struct org_backlog *out)
{
    *out = (struct org_backlog){ .org_id = entry->no };
    for (unsigned k = 0; k < t->n_shards; k++) {
        const struct org_backlog *b = &entry->shards[k];

        out->n_rows += b->n_rows;
        out->n_bytes += b->n_bytes;
        out->growth += b->growth;
        for (size_t i = 0; i < BACKLOG_FULLEST; i++)
            org_backlog_rank(out, &b->fullest[i]);
    }
}

void backlog_of_org(const struct backlog_table *t, uint64_t org_id,
                    struct org_backlog *out)
{
    const struct entry *entry = find(&t->orgs, org_id);

    *out = (struct org_backlog){ .org_id = org_id };
    if (entry != NULL)
        sum_up(t, entry, out);
}

bool backlog_of_hook(const struct backlog_table *t, uint64_t hook_id,
                     struct hook_backlog *out)
{
    const struct entry *entry = find(&t->hooks, hook_id);

    if (entry != NULL)
        *out = entry->shards[0].fullest[0];
    return entry != NULL;
}

void backlog_each_org(const struct backlog_table *t, org_backlog_visit visit,
                      void *data)
{
    for (struct hash_node *n = hash_map_next(&t->orgs, NULL); n != NULL;
         n = hash_map_next(&t->orgs, n)) {
        struct org_backlog b;

        sum_up(t, entry_of(n), &b);
        visit(data, &b);
    }
}

// --- an organization's share of the queue ---

void backlog_share(const struct org_backlog *b, const struct config *config,
                   uint64_t log_bytes, struct backlog_share *out)
{
    uint64_t payloads = b->n_bytes < log_bytes ? b->n_bytes : log_bytes;
    uint64_t left;

    out->n_bytes = payloads + b->n_rows * BACKLOG_ROW_BYTES;
    out->quota_bytes = config_org_quota_bytes(config);
    out->is_full = out->n_bytes >= out->quota_bytes;
    out->percent =
        (unsigned)((double)out->n_bytes * 100 / (double)out->quota_bytes);
    left = out->is_full ? 0 : out->quota_bytes - out->n_bytes;
    out->full_in_s = -1;
    if (out->is_full) {
        out->full_in_s = 0;
    } else if (b->growth > 0) {
        out->full_in_s = (int64_t)(left / (uint64_t)b->growth);
    }
}
