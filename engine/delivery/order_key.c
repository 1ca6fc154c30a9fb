// SPDX-License-Identifier: MIT
// order_key.c — which events of an ordered hook wait for each other.

#include "engine/delivery/order_key.h"

#include <stdlib.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/json.h"

static const struct json_value *member_at(const struct json_value *v,
                                          struct str path)
{
    const char *at = path.at;
    const char *end = path.at + path.n_bytes;

    while (v != NULL && at < end) {
        const char *stop = at;
        char *name;

        while (stop < end && *stop != '.')
            stop++;
        name = xstrndup(at, (size_t)(stop - at));
        v = json_get(v, name);
        free(name);
        at = stop + 1;
    }
    return v;
}

uint64_t order_key_of(struct str path, const struct json_value *payload)
{
    const struct json_value *v = member_at(payload, path);

    if (json_is(v, JSON_STRING))
        return hash64(json_str(v), 1);
    if (json_is(v, JSON_NUMBER))
        return hash64(json_number(v), 2);
    if (json_is(v, JSON_BOOL))
        return json_bool(v) ? 2 : 1;
    return 0;
}
