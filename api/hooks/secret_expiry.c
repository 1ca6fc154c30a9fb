// SPDX-License-Identifier: MIT
// secret_expiry.c — removes replaced secrets from hooks when they sign no more.
//
// Signing checks the time by itself; this module only makes sure that an old secret
// does not stay on the disk longer than it is of use.
//
// Happy path: each hook with replaced secrets is in a list, with the time at which the
// first of these secrets ends. Once a second the hooks that are due are changed, one
// commit each, as many as a slice allows. Only the list is searched, however many hooks
// there are.

#include "api/hooks/secret_expiry.h"

#include <inttypes.h>
#include <stdlib.h>

#include "api/core/api_request.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/queue.h"

#define SLICE_US 5000 // in each second; at least one hook is changed

struct expiry {
    uint64_t hook_id;
    int64_t at_ms; // UTC epoch
};

struct expiries {      // hooks with replaced secrets
    struct expiry *at; // owned
    size_t n, room;
    size_t next; // index of the entry to check first
};

static struct expiry *find(const struct expiries *e, uint64_t hook_id)
{
    for (size_t i = 0; i < e->n; i++) {
        if (e->at[i].hook_id == hook_id)
            return &e->at[i];
    }
    return NULL;
}

static struct expiry *add(struct expiries *e, uint64_t hook_id)
{
    if (e->n == e->room) {
        e->room = e->room > 0 ? e->room * 2 : 64;
        e->at = xrealloc(e->at, e->room * sizeof(*e->at));
    }
    e->at[e->n] = (struct expiry){ .hook_id = hook_id };
    return &e->at[e->n++];
}

static void put(struct expiries *e, struct expiry *expiry,
                const struct hook *hook)
{
    if (expiry == NULL)
        expiry = add(e, hook->no);
    expiry->at_ms = INT64_MAX;
    for (size_t i = 0; i < hook->n_old; i++) {
        if (hook->old[i].until_ms < expiry->at_ms)
            expiry->at_ms = hook->old[i].until_ms;
    }
}

void expire_init(struct api *api)
{
    api->expiries = xcalloc(1, sizeof(*api->expiries));
}

void expire_note(struct api *api, const struct hook *hook)
{
    if (hook->n_old > 0)
        put(api->expiries, find(api->expiries, hook->no), hook);
}

void expire_note_first(struct api *api, const struct hook *hook)
{
    if (hook->n_old > 0)
        put(api->expiries, NULL, hook);
}

static bool copy(void *data, const struct hook *hook)
{
    *(struct hook **)data = hook_copy(hook);
    return false;
}

// Removes the hook's secrets whose overlap has ended.
static enum err change(struct api *api, struct expiry *expiry,
                       const struct hook *hook, int64_t now_ms)
{
    struct hook changed = *hook;
    struct old_secret left[OLD_SECRETS_MAX];
    enum err err;

    changed.old = left;
    changed.n_old = 0;
    for (size_t k = 0; k < hook->n_old; k++) {
        if (hook->old[k].until_ms > now_ms)
            left[changed.n_old++] = hook->old[k];
    }
    put(api->expiries, expiry, &changed);
    if (changed.n_old == hook->n_old)
        return OK; // the secret was replaced once more meanwhile
    err = hook_update(api->hooks, &changed);
    if (err == OK)
        log_info("a replaced secret has expired and was removed", "%s",
                 hook_log(hook));
    return err;
}

// False: the hook could not be changed; it is tried again.
static bool expire(struct api *api, struct expiry *expiry, int64_t now_ms)
{
    struct hook *hook = NULL;
    enum err err = hook_get_by_no(api->hooks, expiry->hook_id, copy, &hook);

    expiry->at_ms = INT64_MAX; // unless there is more
    if (err == OK && hook != NULL) {
        err = change(api, expiry, hook, now_ms);
        hook_free(hook);
    }
    if (err == OK || err == ERR_NOTFOUND || err == ERR_CORRUPT)
        return true;
    expiry->at_ms = now_ms; // the disk is full: later
    return false;
}

void expire_on_second(struct api *api)
{
    struct expiries *e = api->expiries;
    int64_t until_us = clock_mono_us() + SLICE_US;
    int64_t now_ms = clock_now_ms();
    bool has_changed = false;
    bool goes_on = true;

    e->next = e->next < e->n ? e->next : 0;
    for (size_t k = e->n; k > 0 && goes_on; k--) {
        size_t i = e->next < e->n ? e->next : 0;
        struct expiry *expiry = &e->at[i];

        if (expiry->at_ms <= now_ms) {
            goes_on = expire(api, expiry, now_ms);
            has_changed = has_changed || goes_on;
            goes_on = goes_on && clock_mono_us() < until_us;
        }
        if (expiry->at_ms == INT64_MAX) {
            *expiry = e->at[--e->n];
        } else {
            e->next = i + 1;
        }
    }
    if (has_changed)
        api_hint(api);
}
