// SPDX-License-Identifier: MIT
// tenant.c — the organization that a path names, as a whole: in both APIs.

#include "api/tenants/tenant.h"

#include "common/base/text.h"
#include "common/model/akinon_names.h"

enum dialect tenant_dialect(size_t i)
{
    return i == 0 ? DIALECT_PULUMI : DIALECT_AKINON;
}

bool tenant_read(struct api_request *rq, struct tenant *out)
{
    char lower[AKINON_ID_BYTES];

    *out = (struct tenant){ .org = rq->match.params[PARAM_ORG] };
    if (akinon_is_id(out->org)) {
        akinon_lower_id(out->org, lower);
        // Names of Pulumi's keep their case: what is erased must be what was named.
        if (!str_eq(out->org, (struct str){ lower, sizeof(lower) })) {
            http_fail(
                rq->http, 400, STR_EMPTY,
                "an organization's id must be written in lower case here");
            return false;
        }
    }
    if (!text_is_name(out->org)) {
        http_fail(
            rq->http, 400, STR_EMPTY,
            "the organization's name must be 1 to %d of A-Z a-z 0-9 . _ -",
            NAME_MAX_BYTES);
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        enum err err = org_number(rq->api->hooks, tenant_dialect(i), out->org,
                                  &out->org_nos[i]);

        if (err != OK) {
            request_fail_store(rq, err);
            return false;
        }
    }
    return true;
}

bool tenant_is_known(const struct api_request *rq, const struct tenant *tenant)
{
    const struct stack_name name = { .org = tenant->org };
    bool is_leaving;

    // If nobody can tell, it may be known.
    if (erasure_is_of(rq->api->hooks, tenant->org, &is_leaving) != OK)
        return true;
    return is_leaving || tenant->org_nos[0] != 0 || tenant->org_nos[1] != 0 ||
           akinon_is_id(tenant->org) ||
           stack_find(rq->api->stacks, &name) == OK;
}
