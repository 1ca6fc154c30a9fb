// manual.c — handlers of the routes that a dispatcher answers: an attempt at
// once, and how it goes with a hook.
//
// Happy path: the hook is looked up, its dispatcher makes the attempt and
// commits its row, the record is read and shown. Whatever came of the attempt,
// the call was a success (as with Pulumi Cloud): the record tells.

#include "api/manual.h"

#include "api/deliveries.h"
#include "api/server.h"
#include "common/log.h"

void manual_answered(struct call *c, uint64_t hook_no,
                     const struct answer *answer)
{
    switch (answer->err) {
    case OK:
        deliveries_show(c, hook_no, answer);
        return;
    case ERR_NOTFOUND:
        http_fail(c->request, 404, STR_EMPTY,
                  "Webhook or WebhookEvent not found: the webhook has no "
                  "delivery of this event");
        return;
    case ERR_GONE:
        http_fail(c->request, 410, STR_EMPTY,
                  "the payload of this event was removed by retention");
        return;
    case ERR_BUSY:
        http_fail(c->request, 429, STR("Retry-After: 1\r\n"),
                  "too many pings and redeliveries at once; try again");
        return;
    case ERR_AGAIN:
        http_fail(c->request, 503, STR("Retry-After: 1\r\n"),
                  "this cannot be sent right now; try again");
        return;
    case ERR_EXISTS:
    case ERR_CONFLICT:
    case ERR_INVALID:
    case ERR_TOOBIG:
    case ERR_FULL:
    case ERR_DENIED:
    case ERR_CORRUPT:
    case ERR_LOST:
    case ERR_CRASHED:
    case ERR_IO:
        break;
    }
    call_fail_store(c, answer->err);
}

static void ask_about_hook(struct call *c, struct ask ask, on_answer then)
{
    struct hook_scope scope;

    if (call_hook_no(c, &scope, &ask.hook_no))
        ask_dispatcher(c, ask, then);
}

void manual_ping(struct call *c)
{
    ask_about_hook(c, (struct ask){ .what = ASK_PING }, manual_answered);
}

static void status_answered(struct call *c, uint64_t hook_no,
                            const struct answer *answer)
{
    if (answer->err == OK) {
        call_answer(c, 200, answer->text);
    } else {
        manual_answered(c, hook_no, answer);
    }
}

void manual_status(struct call *c)
{
    ask_about_hook(c, (struct ask){ .what = ASK_STATUS }, status_answered);
}

void manual_redeliver(struct call *c)
{
    struct ask ask = { .what = ASK_REDELIVER };

    if (id_parse(c->match.params[PARAM_EVENT], &ask.event_id) != OK) {
        http_fail(c->request, 404, STR_EMPTY,
                  "Webhook or WebhookEvent not found: %s is no event's id, "
                  "which is a UUID",
                  log_quote(c->match.params[PARAM_EVENT]));
        return;
    }
    ask_about_hook(c, ask, manual_answered);
}
