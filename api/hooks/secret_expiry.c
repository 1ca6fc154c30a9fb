// SPDX-License-Identifier: MIT
// secret_expiry.c — removes replaced secrets from hooks when they sign no more.
//
// Signing checks the time by itself; this module only makes sure that an old secret
// does not stay on the disk longer than it is of use.
//
// Happy path: each hook with replaced secrets is in a list, with the time at which the
// first of these secrets ends. Once a second the hooks that are due are changed, one
// after another, as many as a slice allows. Only the list is searched, however many
// hooks there are.
//
// If it fails: a hook that somebody changed meanwhile, or for which there is no room, is
// tried again in the next second.

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
    size_t next;       // index of the entry to check first
    uint64_t changing; // the hook whose change is under way; 0: none
    int64_t until_us;  // monotonic; no further change begins after it
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

// Puts the hook into the list as due.
static void retry(struct expiries *e, uint64_t hook_id)
{
    struct expiry *expiry = find(e, hook_id);

    if (expiry == NULL)
        expiry = add(e, hook_id);
    expiry->at_ms = 0;
}

// Takes a hook whose secrets are due out of the list. 0: there is none.
static uint64_t take_due(struct expiries *e, int64_t now_ms)
{
    for (size_t k = 0; k < e->n; k++) {
        size_t i = e->next < e->n ? e->next : 0;

        if (e->at[i].at_ms <= now_ms) {
            uint64_t hook_id = e->at[i].hook_id;

            e->next = i;
            e->at[i] = e->at[--e->n];
            return hook_id;
        }
        e->next = i + 1;
    }
    return 0;
}

static void change_next(struct api *api);

static void on_changed(void *data, const struct catalog_result *result)
{
    struct api *api = data;
    struct expiries *e = api->expiries;

    if (result->err == OK) {
        log_info("a replaced secret has expired and was removed", "%s",
                 hook_log(result->hook));
        api_hint(api);
    } else if (result->err != ERR_NOTFOUND && result->err != ERR_CORRUPT) {
        // The disk is full, or somebody changed the hook: later.
        retry(e, e->changing);
    }
    e->changing = 0;
    if (result->err == OK && clock_mono_us() < e->until_us)
        change_next(api);
}

// Removes the hook's secrets whose overlap has ended, if there are any: the secret may
// have been replaced once more meanwhile.
static void change(struct api *api, const struct hook *hook, int64_t now_ms)
{
    const struct catalog_caller caller = { .done = on_changed, .data = api };
    struct hook changed = *hook;
    struct old_secret left[OLD_SECRETS_MAX];

    changed.old = left;
    changed.n_old = 0;
    for (size_t k = 0; k < hook->n_old; k++) {
        if (hook->old[k].until_ms > now_ms)
            left[changed.n_old++] = hook->old[k];
    }
    expire_note(api, &changed);
    if (changed.n_old == hook->n_old)
        return;
    api->expiries->changing = hook->no;
    hook_update(api->hooks, &changed, &caller);
}

// Begins the change of the next hook that is due, if there is one.
static void change_next(struct api *api)
{
    struct expiries *e = api->expiries;
    int64_t now_ms = clock_now_ms();
    uint64_t hook_id;

    while (e->changing == 0 && (hook_id = take_due(e, now_ms)) != 0) {
        struct hook *hook = NULL;
        enum err err = hook_get_by_no(api->hooks, hook_id, copy, &hook);

        if (err == OK) {
            change(api, hook, now_ms);
        } else if (err != ERR_NOTFOUND && err != ERR_CORRUPT) {
            retry(e, hook_id);
            return;
        }
        hook_free(hook);
    }
}

void expire_on_second(struct api *api)
{
    struct expiries *e = api->expiries;

    e->until_us = clock_mono_us() + SLICE_US;
    if (e->changing == 0)
        change_next(api);
}
