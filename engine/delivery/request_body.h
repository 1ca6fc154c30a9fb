// SPDX-License-Identifier: MIT
// request_body.h — what an attempt sends: URL, method and body, by the hook's format.
//
// A body is made once per event and format, however many hooks want it.

#ifndef ENGINE_DELIVERY_REQUEST_BODY_H
#define ENGINE_DELIVERY_REQUEST_BODY_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/config/config.h"
#include "queue/queue.h"

struct renderer; // opaque: a cache of bodies, and the deployments endpoint

struct rendered { // borrowed: until the next call
    struct str url;
    struct str body;
    struct str authorization; // value of the Authorization header; empty: none
    bool is_own_body;         // it is not the event's payload
    bool is_get;              // a GET without a body
};

struct renderer *renderer_new(const struct config *config);

// Takes new settings; reads deployments_token_file again.
void renderer_reload(struct renderer *r, const struct config *config);

// ERR_DENIED: a pulumi_deployments hook, and the settings do not say where
// deployments are made; `out` has all but the URL and the authorization.
MUST_CHECK enum err render(struct renderer *r, const struct hook *hook,
                           const struct event *event, struct rendered *out);

#endif
