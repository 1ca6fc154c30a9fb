// SPDX-License-Identifier: MIT
// backlog_routes.c — how much waits: for a hook, for an organization, for the engine.
//
// The dispatchers report it once a second; these handlers make no query.

#include "api/system/handlers.h"

#include "api/core/api_request.h"
#include "api/core/backlog_json.h"
#include "common/process/metrics.h"

#define SHOWN_MAX 10 // organizations

// --- organizations ---

void backlog_get_org(struct api_request *rq)
{
    struct hook_scope scope;
    struct org_backlog b;
    uint64_t org_id;
    struct buf body;
    struct json_writer w = json_writer(&body);

    if (!request_org(rq, &scope) || !request_org_no(rq, &scope, &org_id))
        return;
    buf_init(&body, 0);
    backlog_of_org(rq->api->backlogs, org_id, &b);
    json_open_object(&w, NULL);
    json_put_str(&w, "organizationName", scope.org);
    // Without a number, an organization never had a hook or a token.
    json_put_bool(&w, "exists", org_id != 0);
    backlog_put_org(rq->api, &b, &w);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}

// --- the engine ---

struct ranking {
    struct org_backlog orgs[SHOWN_MAX]; // the fullest first
    uint64_t bytes[SHOWN_MAX];
    size_t n;
    uint64_t n_rows, n_bytes; // of all organizations
    const struct config *config;
};

static void rank(void *data, const struct org_backlog *b)
{
    struct ranking *r = data;
    struct backlog_share share;
    size_t i;

    backlog_share_now(r->config, b, &share);
    r->n_rows += b->n_rows;
    r->n_bytes += share.n_bytes;
    if (r->n == SHOWN_MAX && r->bytes[SHOWN_MAX - 1] >= share.n_bytes)
        return;
    i = r->n < SHOWN_MAX ? r->n++ : SHOWN_MAX - 1;
    while (i > 0 && r->bytes[i - 1] < share.n_bytes) {
        r->orgs[i] = r->orgs[i - 1];
        r->bytes[i] = r->bytes[i - 1];
        i--;
    }
    r->orgs[i] = *b;
    r->bytes[i] = share.n_bytes;
}

static bool put_org_name(void *data, const struct hook *hook)
{
    json_open_object(data, NULL);
    json_put_str(data, "organizationName", hook->scope.org);
    return false;
}

static void put_ranking(const struct api *api, const struct ranking *r,
                        struct json_writer *w)
{
    for (size_t i = 0; i < r->n; i++) {
        if (hook_get_by_no(api->hooks, r->orgs[i].fullest[0].hook_id,
                           put_org_name, w) != OK)
            continue; // its hooks were deleted: not shown
        backlog_put_org(api, &r->orgs[i], w);
        json_close(w);
    }
}

void backlog_get_engine(struct api_request *rq)
{
    struct ranking *r = arena_take(&rq->arena, sizeof(*r));
    const struct config *config = rq->api->config;
    int64_t used = metrics_sum_gauge(GAUGE_QUEUE_BYTES, NULL);
    struct buf body;
    struct json_writer w = json_writer(&body);

    *r = (struct ranking){ .config = config };
    backlog_each_org(rq->api->backlogs, rank, r);
    buf_init(&body, 0);
    json_open_object(&w, NULL);
    json_put_i64(&w, "queueBytes", used);
    json_put_u64(&w, "maxQueueBytes", config->max_queue_bytes);
    json_put_bool(&w, "refusing",
                  used > 0 &&
                      (uint64_t)used > config->max_queue_bytes / 10 * 8);
    json_put_u64(&w, "waiting", r->n_rows);
    json_put_u64(&w, "waitingBytes", r->n_bytes);
    json_put_i64(&w, "pausedHooks",
                 metrics_sum_gauge(GAUGE_HOOKS_PAUSED, NULL));
    json_open_array(&w, "organizations");
    put_ranking(rq->api, r, &w);
    json_close(&w);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}
