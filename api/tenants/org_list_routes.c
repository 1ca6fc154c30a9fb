// SPDX-License-Identifier: MIT
// org_list_routes.c — handler of the list of organizations: all that have, or had, a webhook
// or a token, in both APIs, in pages.
//
// Dead letters are counted in turns of the loop; what else is shown is in memory.

#include <string.h>

#include "api/core/api_request.h"
#include "api/core/backlog_json.h"
#include "api/json/pagination.h"
#include "api/tenants/handlers.h"
#include "api/tenants/retention_json.h"
#include "api/tenants/tenant.h"
#include "common/base/clock.h"

#define LIMIT_DEFAULT 100
#define HOOKS_AT_ONCE 100   // in one read of the store
#define DEAD_MAX      10000 // of an organization: then counting ends

struct org_page {
    struct api_request *rq;
    size_t limit, n;
    bool has_more;
    enum dialect dialect; // of those that are read now
    struct buf names;     // dialect(1) name NUL, each
    struct buf last;      // the one that was taken last: dialect(1) name
    uint8_t key[SHA256_BYTES];
    struct buf body;
    struct json_writer json; // writes into `body`
    size_t at;               // of `names`: those before are shown
    struct buf after;        // its hook whose dead letters were counted last
    size_t n_in_read, n_dead;
    enum err err;
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

static bool count_hook(void *data, const struct hook *hook)
{
    struct org_page *p = data;
    const struct api *api = p->rq->api;
    size_t n = 0;

    p->err =
        shard_view_dead(api->shards[queue_shard_of(hook->no, api->n_shards)],
                        hook->no, DEAD_MAX - p->n_dead, &n);
    p->n_dead += n;
    buf_reset(&p->after);
    hook_cursor_put(hook, &p->after);
    return p->err == OK && p->n_dead < DEAD_MAX &&
           ++p->n_in_read < HOOKS_AT_ONCE;
}

// Counts dead letters of some hooks. `is_end`: of all.
static enum err count_dead(struct org_page *p, enum dialect dialect,
                           struct str org, bool *is_end)
{
    struct buf after;
    enum err err;

    buf_init(&after, 0);
    buf_put_str(&after, buf_str(&p->after));
    p->n_in_read = 0;
    err = hook_list_org(p->rq->api->hooks, dialect, org, buf_str(&after),
                        count_hook, p);
    buf_clear(&after);
    *is_end = p->n_in_read < HOOKS_AT_ONCE;
    return err != OK ? err : p->err;
}

static enum err put_org(struct org_page *p, enum dialect dialect,
                        struct str org)
{
    const struct api *api = p->rq->api;
    struct json_writer *w = &p->json;
    struct org_retention own = { .delivered_ms = 0 };
    struct backlog_share share;
    struct org_backlog b;
    uint64_t no = 0;
    bool is_leaving = false;
    enum err err = org_number(api->hooks, dialect, org, &no);

    if (err == OK && no != 0)
        err = erasure_is_of(api->hooks, org, &is_leaving);
    if (err != OK || no == 0)
        return err; // it was erased meanwhile
    err = org_retention_get(api->hooks, no, &own);
    if (err != OK && err != ERR_NOTFOUND)
        return err;
    backlog_of_org(api->backlogs, no, &b);
    backlog_share_now(api->config, &b, &share);
    json_open_object(w, NULL);
    json_put_str(w, "organization", org);
    json_put_bool(w, "akinon", dialect == DIALECT_AKINON);
    json_put_u64(w, "webhooks", shares_of(&api->shares[CAP_HOOKS], no));
    json_put_u64(w, "waiting", b.n_rows);
    json_put_u64(w, "waitingBytes", share.n_bytes);
    json_put_u64(w, "dead", p->n_dead);
    json_put_bool(w, "moreDead", p->n_dead == DEAD_MAX);
    json_put_bool(w, "erasing", is_leaving);
    retention_print(api->config, &own, "retention", w);
    json_close(w);
    return OK;
}

static void respond(struct org_page *p)
{
    struct str body = buf_str(&p->body);
    struct http_response response = { .status = 200, .body = body };
    struct buf headers;
    struct buf token;

    buf_init(&headers, 0);
    buf_init(&token, 0);
    if (p->has_more) {
        page_token_put(p->key, STR_EMPTY, buf_str(&p->last), &token);
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

// Counts a little, and shows the organization once it is counted.
static enum err show_some(struct org_page *p)
{
    const char *entry = p->names.at + p->at;
    enum dialect dialect = (enum dialect)entry[0];
    struct str org = str_of(entry + 1);
    bool is_end;
    enum err err = count_dead(p, dialect, org, &is_end);

    if (err != OK || !is_end)
        return err;
    p->at += org.n_bytes + 2;
    err = put_org(p, dialect, org);
    p->n_dead = 0;
    buf_reset(&p->after);
    return err;
}

static bool work(struct api_request *rq, int64_t until_us)
{
    struct org_page *p = rq->data;
    enum err err = OK;

    while (err == OK && p->at < p->names.n_bytes) {
        if (clock_mono_us() >= until_us)
            return false;
        err = show_some(p);
    }
    if (err == OK) {
        json_close(&p->json);
        respond(p);
    } else {
        request_fail_store(rq, err);
    }
    return true;
}

static void on_free(struct api_request *rq)
{
    struct org_page *p = rq->data;

    buf_clear(&p->after);
    buf_clear(&p->body);
    buf_clear(&p->last);
    buf_clear(&p->names);
}

static struct org_page *page_of(struct api_request *rq)
{
    struct org_page *p = arena_take(&rq->arena, sizeof(*p));

    memset(p, 0, sizeof(*p));
    p->rq = rq;
    buf_init(&p->names, 0);
    buf_init(&p->last, 0);
    buf_init(&p->body, 0);
    buf_init(&p->after, 0);
    p->json = json_writer(&p->body);
    json_open_array(&p->json, NULL);
    auth_key(rq->api->auth, "orgs", p->key);
    rq->data = p;
    rq->on_free = on_free;
    return p;
}

void orgs_list(struct api_request *rq)
{
    struct page_query page = { .limit = LIMIT_DEFAULT };
    struct org_page *p = page_of(rq);
    struct buf why;
    enum err err;

    buf_init(&page.place, 0);
    buf_init(&why, 0);
    if (page_query_read(rq->http, p->key, STR_EMPTY, &page, &why) != OK) {
        http_fail(rq->http, 400, STR_EMPTY, "%s", buf_cstr(&why));
    } else if (request_count(rq)) {
        p->limit = page.limit;
        err = read_names(p, buf_str(&page.place));
        if (err == OK) {
            request_work(rq, work);
        } else {
            request_fail_store(rq, err);
        }
    }
    buf_clear(&why);
    buf_clear(&page.place);
}
