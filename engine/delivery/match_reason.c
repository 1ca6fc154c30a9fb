// SPDX-License-Identifier: MIT
// match_reason.c — why a hook does not get an event, in words.
//
// It uses the same index as delivery, with one hook in it, so that both give the same
// result.

#include "engine/delivery/match_reason.h"

#include "common/model/event_kinds.h"
#include "common/model/operator.h"
#include "engine/delivery/match.h"

static void ignore_match(void *data, uint64_t hook_id, void *runtime)
{
    (void)data;
    (void)hook_id;
    (void)runtime;
}

static void put_filters(uint64_t bits, struct buf *out)
{
    const char *separator = "";

    for (size_t i = 0; i < n_filters; i++) {
        if ((bits & UINT64_C(1) << i) == 0)
            continue;
        buf_printf(out, "%s%s", separator, filters[i].name);
        separator = ", ";
    }
}

static void put_scope_reason(const struct hook_scope *scope,
                             const struct event *event, struct buf *out)
{
    bool is_env = scope->level == LEVEL_ENVIRONMENT;
    struct str target = is_env ? event->env : event->stack;

    if (scope->level == LEVEL_PROJECT) {
        buf_puts(out, "the event is of another project");
        return;
    }
    buf_printf(out, "the webhook is of the %s %.*s/%.*s, the event of ",
               is_env ? "environment" : "stack", STR_ARG(scope->project),
               STR_ARG(scope->target));
    if (target.n_bytes == 0) {
        buf_puts(out, "none");
    } else {
        buf_printf(out, "%.*s/%.*s", STR_ARG(event->project), STR_ARG(target));
    }
}

static const char *put_filter_reason(const struct hook *hook,
                                     const struct event *event, struct buf *out)
{
    if (operator_is_org(hook->scope.org) && !hook->is_operator) {
        buf_puts(out, "the webhook is from before its organization was the "
                      "operator's; it gets events once it is changed");
        return "operator";
    }
    if (kind_is_own(event->kind)) {
        buf_puts(out, "the engine's own events reach only webhooks that name "
                      "them in their filters");
        return "filters";
    }
    buf_printf(out, "none of its filters or groups wants the kind %.*s",
               STR_ARG(event->kind));
    if (event->filters != 0) {
        buf_puts(out, " (filters: ");
        put_filters(event->filters, out);
        buf_putc(out, ')');
    }
    return "filters";
}

// Appends why the hook would not want the event if it had always existed and been active;
// nothing if it would. Returns a word for it, or NULL.
static const char *put_match_reason(const struct hook *hook,
                                    struct event_facts *facts, struct buf *out)
{
    struct match_index *index = match_index_new();
    struct hook always = *hook;
    const char *code = NULL;

    always.active = true;
    always.from = position_start;
    if (!match_index_put(index, &always, NULL)) {
        buf_puts(out, "its pattern is not valid any more");
        code = "pattern";
    } else if (match_event(index, facts->event, ignore_match, NULL) == 0) {
        code = put_filter_reason(hook, facts->event, out);
    } else if (!match_holds(index, hook->no, facts)) {
        match_explain(index, hook->no, facts, out);
        code = "pattern";
    }
    match_index_free(index);
    event_facts_forget_paths(facts); // they were the index's
    return code;
}

const char *match_put_reason(const struct hook *hook, struct event_facts *facts,
                             bool is_stored, struct buf *out)
{
    const struct event *event = facts->event;
    const char *code;

    if (!hook_scope_holds(&hook->scope, event)) {
        put_scope_reason(&hook->scope, event, out);
        return "place";
    }
    code = put_match_reason(hook, facts, out);
    if (code != NULL)
        return code;
    if (hook->disabled == HOOK_GONE) {
        buf_puts(out,
                 "the webhook was switched off: its receiver answered 410");
        return "disabled";
    }
    if (hook->disabled == HOOK_FAILING) {
        buf_puts(out, "the webhook was switched off: it failed for too long");
        return "disabled";
    }
    if (!hook->active) {
        buf_puts(out, "the webhook is inactive");
        return "inactive";
    }
    if (is_stored && position_cmp(event->position, hook->from) <= 0) {
        buf_printf(out, "the webhook was %s after the event was accepted",
                   event->accepted_at_us < hook->created_at_ms * 1000
                       ? "created"
                       : "switched on");
        return "later";
    }
    return NULL;
}
