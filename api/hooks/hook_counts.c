// SPDX-License-Identifier: MIT
// hook_counts.c — how many hooks, and hooks with a pattern, each organization has.

#include "api/hooks/hook_counts.h"

#include "api/core/api_request.h"

static bool has_pattern(const struct hook *hook)
{
    return hook != NULL && hook->pattern.n_bytes > 0;
}

void hook_counts_note(struct api *api, const struct hook *hook)
{
    shares_add(&api->shares[CAP_HOOKS], hook->org_id, 1);
    if (has_pattern(hook))
        shares_add(&api->shares[CAP_PATTERNS], hook->org_id, 1);
}

// Until its first hook is stored, an organization has no number to count under, so its
// first hooks count under a hash of its name, whose highest bit is 0: that of numbers is 1.
// Two names with the same hash would count as one for this moment.
static uint64_t name_hash(const struct hook_scope *scope)
{
    return hash_here(scope->org, scope->dialect) >> 1;
}

static uint64_t counted_as(const struct hook_counts *c)
{
    return c->org_id != 0 ? c->org_id : c->name_hash;
}

// Their number does not fall by itself, so the answer is 409, a conflict, and not 429.
static bool may_take(struct api_request *rq, const struct hook_counts *c,
                     enum cap_kind kind, const char *field)
{
    const struct shares *shares = &rq->api->shares[kind];
    struct share_limit limit = cap_limit(rq->api->config, kind);
    uint64_t held = shares_of(shares, c->name_hash);
    enum share share;
    struct buf why;

    if (c->org_id != 0)
        held += shares_of(shares, c->org_id);
    share =
        share_check(&limit, held, shares_of_all(shares), rq->grant.is_admin, 1);
    if (share == SHARE_THERE)
        return true;
    buf_init(&why, 0);
    cap_put_why(rq->api->config, kind, share, &why);
    http_fail_field(rq->http, 409, field, "%s", buf_cstr(&why));
    buf_clear(&why);
    return false;
}

bool hook_counts_begin(struct api_request *rq, struct hook_counts *counts,
                       uint64_t org_id, const struct hook *old,
                       const struct hook *new)
{
    *counts = (struct hook_counts){
        .org_id = org_id,
        .name_hash = name_hash(&new->scope),
        .adds_hook = old == NULL,
        .adds_pattern = has_pattern(new) && !has_pattern(old),
        .drops_pattern = has_pattern(old) && !has_pattern(new),
    };
    return (!counts->adds_hook || may_take(rq, counts, CAP_HOOKS, NULL)) &&
           (!counts->adds_pattern ||
            may_take(rq, counts, CAP_PATTERNS, "pattern"));
}

void hook_counts_take(struct api *api, struct hook_counts *counts)
{
    counts->is_taken = true;
    if (counts->adds_hook)
        shares_add(&api->shares[CAP_HOOKS], counted_as(counts), 1);
    if (counts->adds_pattern)
        shares_add(&api->shares[CAP_PATTERNS], counted_as(counts), 1);
}

// A record that could not be read at the start is not counted, and an erasure takes away
// all that its organization has, also what is being made.
static void remove_one(struct shares *shares, uint64_t org_id)
{
    if (shares_of(shares, org_id) > 0)
        shares_remove(shares, org_id, 1);
}

// Moves what was taken to the number that the organization has now; without a stored hook
// it is given back.
static void settle(struct shares *shares, const struct hook_counts *counts,
                   const struct hook *stored)
{
    remove_one(shares, counted_as(counts));
    if (stored != NULL)
        shares_add(shares, stored->org_id, 1);
}

void hook_counts_end(struct api *api, struct hook_counts *counts,
                     const struct hook *stored)
{
    if (!counts->is_taken)
        return;
    counts->is_taken = false;
    if (counts->adds_hook)
        settle(&api->shares[CAP_HOOKS], counts, stored);
    if (counts->adds_pattern)
        settle(&api->shares[CAP_PATTERNS], counts, stored);
    if (counts->drops_pattern && stored != NULL)
        remove_one(&api->shares[CAP_PATTERNS], stored->org_id);
}

void hook_counts_forget(struct api *api, uint64_t org_id,
                        const struct hook *old)
{
    remove_one(&api->shares[CAP_HOOKS], org_id);
    if (has_pattern(old))
        remove_one(&api->shares[CAP_PATTERNS], org_id);
}
