// SPDX-License-Identifier: MIT
// backlog_routes.c — how much waits: for a hook, for an organization, for the engine.
//
// The dispatchers report it once a second; these handlers make no query.

#include "api/system/handlers.h"

#include <inttypes.h>

#include "api/core/api_request.h"
#include "api/core/backlog_json.h"
#include "common/process/metrics.h"

#define SHOWN_MAX 10 // organizations

// --- organizations ---

static void put_name(struct str org, struct buf *out)
{
    buf_puts(out, "{\"organizationName\":");
    buf_put_json(out, org);
    buf_putc(out, ',');
}

void backlog_get_org(struct api_request *rq)
{
    struct hook_scope scope;
    struct org_backlog b;
    uint64_t org_id;
    struct buf body;

    if (!request_org(rq, &scope) || !request_org_no(rq, &scope, &org_id))
        return;
    buf_init(&body, 0);
    backlog_of_org(rq->api->backlogs, org_id, &b);
    put_name(scope.org, &body);
    // Without a number, an organization never had a hook or a token.
    buf_printf(&body, "\"exists\":%s,", org_id != 0 ? "true" : "false");
    backlog_put_org(rq->api, &b, &body);
    buf_putc(&body, '}');
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
    put_name(hook->scope.org, data);
    return false;
}

static void put_ranking(const struct api *api, const struct ranking *r,
                        struct buf *out)
{
    const char *separator = "";

    for (size_t i = 0; i < r->n; i++) {
        size_t start = out->n_bytes;

        buf_puts(out, separator);
        if (hook_get_by_no(api->hooks, r->orgs[i].fullest[0].hook_id,
                           put_org_name, out) != OK) {
            buf_cut(out, start); // its hooks were deleted: not shown
            continue;
        }
        backlog_put_org(api, &r->orgs[i], out);
        buf_putc(out, '}');
        separator = ",";
    }
}

void backlog_get_engine(struct api_request *rq)
{
    struct ranking *r = arena_take(&rq->arena, sizeof(*r));
    const struct config *config = rq->api->config;
    int64_t used = metrics_sum_gauge(GAUGE_QUEUE_BYTES, NULL);
    struct buf body;

    *r = (struct ranking){ .config = config };
    backlog_each_org(rq->api->backlogs, rank, r);
    buf_init(&body, 0);
    buf_printf(&body,
               "{\"queueBytes\":%" PRId64 ",\"maxQueueBytes\":%" PRIu64
               ",\"refusing\":%s",
               used, config->max_queue_bytes,
               used > 0 && (uint64_t)used > config->max_queue_bytes / 10 * 8
                   ? "true"
                   : "false");
    buf_printf(&body,
               ",\"waiting\":%" PRIu64 ",\"waitingBytes\":%" PRIu64
               ",\"pausedHooks\":%" PRId64 ",\"organizations\":[",
               r->n_rows, r->n_bytes,
               metrics_sum_gauge(GAUGE_HOOKS_PAUSED, NULL));
    put_ranking(rq->api, r, &body);
    buf_puts(&body, "]}");
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}
