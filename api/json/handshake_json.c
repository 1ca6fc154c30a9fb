// SPDX-License-Identifier: MIT
// handshake_json.c — whether a hook wants the handshake with its receiver, and how it went,
// as JSON.

#include "api/json/handshake_json.h"

#include "common/base/clock.h"
#include "common/config/config.h"

enum err handshake_merge(const struct validation *validation,
                         const struct json_value *body, struct hook *hook)
{
    const struct json_value *v = json_get(body, "handshake");
    bool is_given = v != NULL && !json_is(v, JSON_NULL);

    validation_at(validation, "handshake");
    if (v != NULL)
        hook->handshake.is_wanted = false;
    if (is_given) {
        enum err err = member_bool(validation, body, "handshake",
                                   &hook->handshake.is_wanted);

        if (err != OK)
            return err;
    }
    if (!hook->handshake.is_wanted)
        return OK;
    if (hook->format == FORMAT_PULUMI_DEPLOYMENTS) {
        return validation_refuse(validation,
                                 "handshake asks a receiver, and a webhook of "
                                 "format pulumi_deployments has none of its "
                                 "own");
    }
    if (is_given && validation->config != NULL &&
        validation->config->webhook_origin[0] == '\0') {
        return validation_refuse(validation,
                                 "handshake needs the setting webhook_origin, "
                                 "which is not set");
    }
    return OK;
}

static void put_state(const struct hook_showing *to, const struct hook *hook,
                      struct json_writer *w)
{
    const struct hook_handshake *h = &hook->handshake;
    bool is_current = hook_handshake_is_current(hook, to->origin);
    const char *state = "awaiting";

    if (is_current && h->answer == HANDSHAKE_ALLOWED) {
        state = "allowed";
    } else if (is_current && h->answer == HANDSHAKE_REFUSED) {
        state = "refused";
    }
    json_open_object(w, "handshakeState");
    json_put_text(w, "state", state);
    if (is_current) {
        clock_put_rfc3339(json_open_text(w, "at"), h->at_ms);
        json_close_text(w);
        json_put_given(w, "reason", h->reason);
        if (h->rate_per_minute > 0)
            json_put_u64(w, "ratePerMinute", h->rate_per_minute);
    }
    json_close(w);
}

void handshake_print(const struct hook_showing *to, const struct hook *hook,
                     struct json_writer *w)
{
    if (!hook->handshake.is_wanted)
        return;
    json_put_bool(w, "handshake", true);
    if (to->origin.at != NULL)
        put_state(to, hook, w);
}
