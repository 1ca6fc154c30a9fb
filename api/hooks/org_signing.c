// SPDX-License-Identifier: MIT
// org_signing.c — the keys with which organizations sign requests as v1a.
//
// All keys of an organization are one value (queue/orgs), so that a new key and the time
// of the one before are stored together.
//
// Signing checks the times by itself; here, replaced keys are removed when they sign no
// more. The time of the first is known, so the values are read only then. If it fails,
// because somebody changed the keys meanwhile, or the disk is full, it is tried again in
// the next second.

#include "api/hooks/org_signing.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"

struct org_signing {
    int64_t due_ms;   // UTC epoch: when to look for replaced keys
    bool is_changing; // a removal is under way
};

void org_signing_init(struct api *api)
{
    api->org_signing = xcalloc(1, sizeof(*api->org_signing));
}

// --- reading and writing ---

struct reading {
    struct arena *arena;
    struct signing_keys *keys;
    uint64_t revision;
    enum err err;
};

static bool read_value(void *data, const struct org_value *value)
{
    struct reading *r = data;

    r->err = value->is_open ? signing_keys_unpack(value->bytes, r->keys)
                            : ERR_DENIED;
    r->revision = value->revision;
    if (r->err == OK)
        r->keys->org = arena_copy(r->arena, r->keys->org);
    return false;
}

enum err org_signing_get(struct api *api, uint64_t org_no, struct arena *arena,
                         struct signing_keys *out, uint64_t *revision)
{
    struct reading r = { .arena = arena, .keys = out };
    enum err err;

    out->n = 0;
    *revision = ORG_VALUE_NEW;
    if (org_no == 0)
        return ERR_NOTFOUND;
    err = org_value_get(api->hooks, ORG_SIGNING_KEY, org_no, STR_EMPTY,
                        read_value, &r);
    *revision = r.revision;
    return err == OK ? r.err : err;
}

void org_signing_put(struct api *api, const struct signing_keys *keys,
                     uint64_t revision, const struct catalog_caller *caller)
{
    struct org_value_put put = { .dialect = keys->dialect,
                                 .org = keys->org,
                                 .use = ORG_SIGNING_KEY,
                                 .is_secret = true,
                                 .revision = revision };
    struct buf bytes;

    buf_init(&bytes, 0);
    signing_keys_pack(keys, &bytes);
    put.bytes = buf_str(&bytes);
    org_value_put(api->hooks, &put, caller);
    crypto_wipe_buf(&bytes);
    api->org_signing->due_ms = 0;
}

void org_signing_make(struct api *api, const struct hook_scope *scope,
                      const struct catalog_caller *caller)
{
    struct signing_keys keys = { .dialect = scope->dialect,
                                 .org = scope->org,
                                 .n = 1 };

    signing_pair_make(keys.at[0].pair);
    keys.at[0].created_at_ms = clock_now_ms();
    org_signing_put(api, &keys, ORG_VALUE_NEW, caller);
    crypto_wipe(&keys, sizeof(keys));
}

// --- removing ---

struct looking {
    int64_t now_ms, next_ms;
    struct arena arena;
    struct signing_keys keys; // without those whose time is over
    uint64_t revision;
};

// Ends the scan at the first organization with keys whose time is over.
static bool look(void *data, const struct org_value *value)
{
    struct looking *l = data;

    if (!value->is_open || signing_keys_unpack(value->bytes, &l->keys) != OK)
        return true; // damaged: nothing can be said of it
    if (signing_keys_expire(&l->keys, l->now_ms)) {
        l->keys.org = arena_copy(&l->arena, l->keys.org);
        l->revision = value->revision;
        return false;
    }
    for (size_t i = 1; i < l->keys.n; i++) {
        if (l->keys.at[i].until_ms < l->next_ms)
            l->next_ms = l->keys.at[i].until_ms;
    }
    return true;
}

static void on_removed(void *data, const struct catalog_result *result)
{
    struct api *api = data;

    api->org_signing->is_changing = false;
    if (result->err == OK) {
        log_info("a replaced signing key of an organization has expired and "
                 "was removed",
                 "");
        api_hint(api);
    }
}

void org_signing_on_second(struct api *api)
{
    const struct catalog_caller caller = { .done = on_removed, .data = api };
    struct org_signing *o = api->org_signing;
    struct looking l = { .now_ms = clock_now_ms(), .next_ms = INT64_MAX };

    if (o->is_changing || l.now_ms < o->due_ms)
        return;
    if (org_value_each(api->hooks, ORG_SIGNING_KEY, 0, STR_EMPTY, look, &l) !=
        OK) {
        o->due_ms = 0;
    } else if (l.revision != 0) {
        o->is_changing = true;
        org_signing_put(api, &l.keys, l.revision, &caller);
    } else {
        o->due_ms = l.next_ms;
    }
    crypto_wipe(&l.keys, sizeof(l.keys));
    arena_clear(&l.arena);
}
