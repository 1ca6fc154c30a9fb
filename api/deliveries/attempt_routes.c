// SPDX-License-Identifier: MIT
// attempt_routes.c — handlers of the routes that a dispatcher answers: an attempt at
// once, and the status of a hook.
//
// Happy path: the hook is looked up, its dispatcher makes the attempt and commits its
// row, and the record is read and shown. The request is a success (200) whatever the
// result of the attempt, as with Pulumi Cloud: the record has the result.

#include "api/core/api_request.h"
#include "api/core/audit.h"
#include "api/core/backlog_json.h"
#include "api/deliveries/handlers.h"

void on_demand_respond(struct api_request *rq, uint64_t hook_id,
                       const struct reply *reply)
{
    switch (reply->err) {
    case OK:
        deliveries_show(rq, hook_id, reply);
        return;
    case ERR_NOTFOUND: // for a ping: the hook was deleted meanwhile
        request_fail_missing(rq, rq->match.params[PARAM_EVENT].n_bytes > 0
                                     ? PARAM_EVENT
                                     : PARAM_HOOK);
        return;
    case ERR_GONE:
        http_fail(rq->http, 410, STR_EMPTY, PAYLOAD_REMOVED);
        return;
    case ERR_LOCKED:
        http_fail(rq->http, 410, STR_EMPTY, PAYLOAD_LOCKED);
        return;
    case ERR_ERASED:
        http_fail(rq->http, 410, STR_EMPTY, PAYLOAD_ERASED);
        return;
    case ERR_BUSY:
        http_fail(rq->http, 429, STR("Retry-After: 1\r\n"), "%.*s",
                  STR_ARG(reply->text.n_bytes > 0
                              ? reply->text
                              : STR("too many such requests are in progress; "
                                    "try again")));
        return;
    case ERR_AGAIN:
        http_fail(rq->http, 503, STR("Retry-After: 1\r\n"),
                  "this cannot be sent right now; try again");
        return;
    case ERR_DENIED:
        http_fail(rq->http, 409, STR_EMPTY,
                  "this webhook awaits its receiver's permission, and nothing "
                  "is sent before that; handshakeState of the webhook says "
                  "what the receiver answered");
        return;
    case ERR_EXISTS:
    case ERR_CONFLICT:
    case ERR_INVALID:
    case ERR_TOOBIG:
    case ERR_FULL:
    case ERR_CORRUPT:
    case ERR_LOST:
    case ERR_CRASHED:
    case ERR_IO:
        break;
    }
    request_fail_store(rq, reply->err);
}

// Asks the hook's dispatcher. `what` names the action for the log; NULL: a query that
// changes nothing.
static void query_hook_of(struct api_request *rq,
                          const struct hook_scope *scope, struct query query,
                          const char *what, reply_handler then)
{
    char id[ID_TEXT_BYTES + 1] = "";

    if (query.what == QUERY_REDELIVER)
        id_format(&query.event_id, id);
    if (what != NULL) {
        audit_of(rq, what, scope, query.hook_id, "%s%s",
                 id[0] != '\0' ? "event=" : "", id);
    }
    query_dispatcher(rq, query, then);
}

static void query_hook(struct api_request *rq, struct query query,
                       const char *what, reply_handler then)
{
    struct hook_scope scope;

    if (request_hook_no(rq, &scope, &query.hook_id))
        query_hook_of(rq, &scope, query, what, then);
}

void on_demand_ping(struct api_request *rq)
{
    query_hook(rq, (struct query){ .what = QUERY_PING }, "ping asked for",
               on_demand_respond);
}

// Combines the dispatcher's reply about the hook with this process's figures of what
// waits for the organization.
static void on_status_reply(struct api_request *rq, uint64_t hook_id,
                            const struct reply *reply)
{
    struct hook_scope scope;
    struct org_backlog b;
    uint64_t org_id;
    struct buf body;
    struct json_writer w = json_writer(&body);

    if (reply->err != OK) {
        on_demand_respond(rq, hook_id, reply);
        return;
    }
    if (!request_org(rq, &scope) || !request_org_no(rq, &scope, &org_id))
        return;
    backlog_of_org(rq->api->backlogs, org_id, &b);
    buf_init(&body, 0);
    json_open_object(&w, NULL);
    json_put_contents(&w, reply->text);
    request_put_dead(rq, hook_id, &w);
    json_open_object(&w, "organization");
    backlog_put_org(rq->api, &b, &w);
    json_close(&w);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}

void on_demand_status(struct api_request *rq)
{
    query_hook(rq, (struct query){ .what = QUERY_STATUS }, NULL,
               on_status_reply);
}

void on_demand_redeliver(struct api_request *rq)
{
    struct query query = { .what = QUERY_REDELIVER };
    struct hook_scope scope;

    if (!request_hook_no(rq, &scope, &query.hook_id))
        return;
    if (id_parse(rq->match.params[PARAM_EVENT], &query.event_id) == OK) {
        query_hook_of(rq, &scope, query, "redelivery asked for",
                      on_demand_respond);
    } else {
        request_fail_missing(rq, PARAM_EVENT);
    }
}
