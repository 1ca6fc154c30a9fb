// SPDX-License-Identifier: MIT
// akinon_account_routes.c — handler of the list of Akinon's organizations: for the admin
// token all that ever had a webhook or a token, in pages; for another, its own.

#include "api/system/handlers.h"

#include "api/core/api_request.h"
#include "api/json/pagination.h"
#include "common/model/akinon_names.h"

#define LIMIT_DEFAULT 100

struct organizations {
    struct json_writer json;
    size_t limit, n;
    bool has_more;
    struct buf last; // the id that was shown last
};

static bool put_org(void *data, struct str org)
{
    struct organizations *o = data;

    if (o->n == o->limit) {
        o->has_more = true; // this one, at least
        return false;
    }
    o->n++;
    json_open_object(&o->json, NULL);
    json_put_str(&o->json, "_id", org);
    json_close(&o->json);
    buf_reset(&o->last);
    buf_put_str(&o->last, org);
    return true;
}

static enum err list(struct api_request *rq, struct str after,
                     struct organizations *o)
{
    struct str own = { rq->grant.org, rq->grant.n_org_bytes };
    char lower[AKINON_ID_BYTES];

    if (rq->grant.is_admin)
        return org_each(rq->api->hooks, DIALECT_AKINON, after, put_org, o);
    if (akinon_is_id(own)) {
        akinon_lower_id(own, lower);
        put_org(o, (struct str){ lower, sizeof(lower) });
    }
    return OK;
}

static void respond(struct api_request *rq, const uint8_t key[SHA256_BYTES],
                    const struct organizations *o, struct str body)
{
    struct http_response response = { .status = 200, .body = body };
    struct buf headers, token;

    buf_init(&headers, 0);
    buf_init(&token, 0);
    if (o->has_more) {
        page_token_put(key, STR_EMPTY, buf_str(&o->last), &token);
        page_put_headers(rq->http, buf_str(&token), &headers);
    }
    response.headers = buf_str(&headers);
    if (body.n_bytes > HTTP_SMALL_BYTES &&
        !http_has_room(rq->http, body.n_bytes)) {
        request_fail_room(rq);
    } else {
        http_respond(rq->http, &response);
    }
    buf_clear(&token);
    buf_clear(&headers);
}

void akinon_account_organizations(struct api_request *rq)
{
    struct page_query page = { .limit = LIMIT_DEFAULT };
    struct organizations o = { .n = 0 };
    uint8_t key[SHA256_BYTES];
    struct buf body, why;
    enum err err;

    auth_key(rq->api->auth, "akinonorgs", key);
    buf_init(&page.place, 0);
    buf_init(&body, 0);
    buf_init(&why, 0);
    buf_init(&o.last, 0);
    o.json = json_writer(&body);
    if (page_query_read(rq->http, key, STR_EMPTY, &page, &why) != OK) {
        http_fail(rq->http, 400, STR_EMPTY, "%s", buf_cstr(&why));
    } else {
        o.limit = page.limit;
        json_open_array(&o.json, NULL);
        err = list(rq, buf_str(&page.place), &o);
        json_close(&o.json);
        if (err == OK) {
            respond(rq, key, &o, buf_str(&body));
        } else {
            request_fail_store(rq, err);
        }
    }
    buf_clear(&o.last);
    buf_clear(&why);
    buf_clear(&body);
    buf_clear(&page.place);
}
