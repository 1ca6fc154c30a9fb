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

static bool on_hook(void *data, const struct hook *hook)
{
    struct look *look = data;

    if (hook->old_secret.n_bytes == 0)
        return true;
    if (hook->old_secret_until_ms > look->now_ms) {
        expire_note(look->api, hook);
    } else {
        look->hooks[look->n++] = hook_copy(hook);
    }
    if (look->n < AT_ONCE_MAX)
        return true;
    look->api->next_expiry_ms = 0; // there may be more: at the next second
    return false;
}

void expire_note(struct api *api, const struct hook *hook)
{
    if (hook->old_secret.n_bytes > 0 &&
        hook->old_secret_until_ms < api->next_expiry_ms)
        api->next_expiry_ms = hook->old_secret_until_ms;
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

        change.old_secret = STR_EMPTY;
        change.old_secret_until_ms = 0;
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
