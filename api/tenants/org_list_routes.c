// SPDX-License-Identifier: MIT
// org_list_routes.c — handler of the list of organizations: all that have, or had, a webhook
// or a token, in both APIs, in pages.
//
// What is shown of each is in memory: nothing is counted for the list.

#include "api/core/api_request.h"
#include "api/core/backlog_json.h"
#include "api/json/pagination.h"
#include "api/tenants/handlers.h"
#include "api/tenants/tenant.h"

#define LIMIT_DEFAULT 100

struct org_page {
    struct api_request *rq;
    size_t limit, n;
    bool has_more;
    enum dialect dialect; // of those that are read now
    struct buf names;     // dialect(1) name NUL, each
    struct buf last;      // the one that was taken last: dialect(1) name
};

static bool take(void *data, struct str org)
{
    struct org_page *p = data;

    if (p->n == p->limit) {
        p->has_more = true; // this one, at least
        return false;
    }
    p->n++;
    buf_reset(&p->last);
    buf_putc(&p->last, (char)p->dialect);
    buf_put_str(&p->last, org);
    buf_put_str(&p->names, buf_str(&p->last));
    buf_putc(&p->names, '\0');
    return true;
}

// Reads the names of the page, after the place where the one before ended.
static enum err read_names(struct org_page *p, struct str place)
{
    enum err err = OK;

    for (size_t i = 0; i < 2 && err == OK && !p->has_more; i++) {
        struct str after = STR_EMPTY;

        p->dialect = tenant_dialect(i);
        if (place.n_bytes > 0 && place.at[0] > (char)p->dialect)
            continue; // these were shown
        if (place.n_bytes > 0 && place.at[0] == (char)p->dialect)
            after = (struct str){ place.at + 1, place.n_bytes - 1 };
        err = org_each(p->rq->api->hooks, p->dialect, after, take, p);
    }
    return err;
}

static enum err put_org(struct org_page *p, enum dialect dialect,
                        struct str org, struct json_writer *w)
{
    const struct api *api = p->rq->api;
    struct backlog_share share;
    struct org_backlog b;
    uint64_t no = 0;
    bool is_leaving = false;
    enum err err = org_number(api->hooks, dialect, org, &no);

    if (err == OK && no != 0)
        err = erasure_is_of(api->hooks, org, &is_leaving);
    if (err != OK || no == 0)
        return err; // it was erased meanwhile
    backlog_of_org(api->backlogs, no, &b);
    backlog_share_now(api->config, &b, &share);
    json_open_object(w, NULL);
    json_put_str(w, "organization", org);
    json_put_bool(w, "akinon", dialect == DIALECT_AKINON);
    json_put_u64(w, "webhooks", shares_of(&api->shares[CAP_HOOKS], no));
    json_put_u64(w, "waiting", b.n_rows);
    json_put_u64(w, "waitingBytes", share.n_bytes);
    json_put_bool(w, "erasing", is_leaving);
    json_close(w);
    return OK;
}

static enum err put_orgs(struct org_page *p, struct json_writer *w)
{
    const char *at = p->names.at;
    const char *end = at + p->names.n_bytes;
    enum err err = OK;

    json_open_array(w, NULL);
    while (err == OK && p->names.n_bytes > 0 && at < end) {
        struct str org = str_of(at + 1);

        err = put_org(p, (enum dialect)at[0], org, w);
        at = org.at + org.n_bytes + 1;
    }
    json_close(w);
    return err;
}

static void respond(struct org_page *p, const uint8_t key[SHA256_BYTES],
                    struct str body)
{
    struct http_response response = { .status = 200, .body = body };
    struct buf headers;
    struct buf token;

    buf_init(&headers, 0);
    buf_init(&token, 0);
    if (p->has_more) {
        page_token_put(key, STR_EMPTY, buf_str(&p->last), &token);
        page_put_headers(p->rq->http, buf_str(&token), &headers);
    }
    response.headers = buf_str(&headers);
    if (body.n_bytes > HTTP_SMALL_BYTES &&
        !http_has_room(p->rq->http, body.n_bytes)) {
        request_fail_room(p->rq);
    } else {
        http_respond(p->rq->http, &response);
    }
    buf_clear(&token);
    buf_clear(&headers);
}

static void answer(struct org_page *p, const uint8_t key[SHA256_BYTES],
                   struct str place)
{
    struct buf body;
    struct json_writer w = json_writer(&body);
    enum err err = read_names(p, place);

    buf_init(&body, 0);
    if (err == OK)
        err = put_orgs(p, &w);
    if (err == OK) {
        respond(p, key, buf_str(&body));
    } else {
        request_fail_store(p->rq, err);
    }
    buf_clear(&body);
}

void orgs_list(struct api_request *rq)
{
    struct page_query page = { .limit = LIMIT_DEFAULT };
    struct org_page p = { .rq = rq };
    uint8_t key[SHA256_BYTES];
    struct buf why;

    auth_key(rq->api->auth, "orgs", key);
    buf_init(&page.place, 0);
    buf_init(&why, 0);
    buf_init(&p.names, 0);
    buf_init(&p.last, 0);
    if (page_query_read(rq->http, key, STR_EMPTY, &page, &why) == OK) {
        p.limit = page.limit;
        answer(&p, key, buf_str(&page.place));
    } else {
        http_fail(rq->http, 400, STR_EMPTY, "%s", buf_cstr(&why));
    }
    buf_clear(&p.last);
    buf_clear(&p.names);
    buf_clear(&why);
    buf_clear(&page.place);
}
