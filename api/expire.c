// expire.c — removes what hooks need no more: secrets that were replaced.
//
// Signing looks at the time by itself; this is so that an old secret does not
// lie on the disk longer than it is of use.

#include "api/expire.h"

#include <inttypes.h>

#include "api/server.h"
#include "common/clock.h"
#include "common/log.h"

#define AT_ONCE_MAX 256 // hooks changed at one look

struct look {
    struct api *api;
    int64_t now_ms;
    struct hook *hooks[AT_ONCE_MAX];
    size_t n;
};

// Of the secrets that are over later than that; returns how many they are.
static size_t note_after(struct api *api, const struct hook *hook,
                         int64_t after_ms)
{
    size_t n = 0;

    for (size_t i = 0; i < hook->n_old; i++) {
        if (hook->old[i].until_ms <= after_ms)
            continue;
        n++;
        if (hook->old[i].until_ms < api->next_expiry_ms)
            api->next_expiry_ms = hook->old[i].until_ms;
    }
    return n;
}

static bool on_hook(void *data, const struct hook *hook)
{
    struct look *look = data;

    if (hook->n_old == 0)
        return true;
    if (note_after(look->api, hook, look->now_ms) < hook->n_old)
        look->hooks[look->n++] = hook_copy(hook);
    if (look->n < AT_ONCE_MAX)
        return true;
    look->api->next_expiry_ms = 0; // there may be more: at the next second
    return false;
}

void expire_note(struct api *api, const struct hook *hook)
{
    (void)note_after(api, hook, INT64_MIN);
}

void expire_on_second(struct api *api)
{
    struct look look = { .api = api, .now_ms = clock_now_ms() };
    uint64_t last;

    if (look.now_ms < api->next_expiry_ms)
        return;
    api->next_expiry_ms = INT64_MAX;
    if (hook_watch(api->hooks, 0, on_hook, &look, &last) != OK)
        return;
    for (size_t i = 0; i < look.n; i++) {
        struct hook change = *look.hooks[i];
        struct old_secret left[OLD_SECRETS_MAX];

        change.old = left;
        change.n_old = 0;
        for (size_t k = 0; k < look.hooks[i]->n_old; k++) {
            if (look.hooks[i]->old[k].until_ms > look.now_ms)
                left[change.n_old++] = look.hooks[i]->old[k];
        }
        if (hook_update(api->hooks, &change) == OK) {
            log_info("replaced secret removed", "hook=%" PRIu64, change.no);
        } else {
            api->next_expiry_ms = 0; // the disk is full: later
        }
        hook_free(look.hooks[i]);
    }
    if (look.n > 0)
        api_hint(api);
}
