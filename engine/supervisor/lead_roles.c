// SPDX-License-Identifier: MIT
// lead_roles.c — whether the roles of a cluster's lead run, or those that relay to it.
//
// Happy path: the lead is taken: the relays end, and the roles start. It is left: the roles
// end in the order of a drain, then the relays start, and the replicator is told.
//
// If it fails: a lead that was lost, or a replicator that has ended, kills the roles.

#include "engine/supervisor/lead_roles.h"

#include <signal.h>

#include "common/log/log.h"

const enum role_kind lead_roles_order[LEAD_ROLES_STAGES] = {
    ROLE_INGEST, ROLE_DISPATCHER, ROLE_SENDER, ROLE_API, ROLE_EXPORTER
};

enum role_kind lead_roles_drain_kind(size_t stage)
{
    if (stage == 0)
        return ROLE_RELAY;
    return stage <= LEAD_ROLES_STAGES ? lead_roles_order[stage - 1]
                                      : ROLE_REPLICATOR;
}

static bool is_of_lead(const struct child *c)
{
    return c->kind != ROLE_REPLICATOR && c->kind != ROLE_RELAY;
}

static bool is_gone(const struct child *c)
{
    return !c->is_alive && c->n_open_handles == 0;
}

static bool are_gone(const struct lead_roles *s, bool of_lead)
{
    for (size_t i = 0; i < *s->n_children; i++) {
        const struct child *c = &s->children[i];

        if (c->kind != ROLE_REPLICATOR && is_of_lead(c) == of_lead &&
            !is_gone(c))
            return false;
    }
    return true;
}

static void want(struct lead_roles *s, bool of_lead, bool is_wanted)
{
    for (size_t i = 0; i < *s->n_children; i++) {
        struct child *c = &s->children[i];

        if (c->kind != ROLE_REPLICATOR && is_of_lead(c) == of_lead)
            child_want(c, is_wanted);
    }
}

void lead_roles_init(struct lead_roles *s, struct child *children,
                     const size_t *n_children, bool is_node)
{
    *s = (struct lead_roles){ .children = children,
                              .n_children = n_children,
                              .is_up = !is_node };
    if (is_node)
        want(s, true, false);
}

static void tell_replicator(const struct lead_roles *s)
{
    for (size_t i = 0; i < *s->n_children; i++) {
        if (s->children[i].kind == ROLE_REPLICATOR)
            child_tell(&s->children[i], CONTROL_STOOD_DOWN);
    }
}

bool lead_roles_has_alive(const struct lead_roles *s, enum role_kind kind)
{
    for (size_t i = 0; i < *s->n_children; i++) {
        if (s->children[i].kind == kind && s->children[i].is_alive)
            return true;
    }
    return false;
}

static void tell_kind(const struct lead_roles *s, enum role_kind kind,
                      enum control_type type)
{
    for (size_t i = 0; i < *s->n_children; i++) {
        if (s->children[i].kind == kind)
            child_tell(&s->children[i], type);
    }
}

// Drains the next kind of role, if all of the kind before have ended.
static void go_on_leaving(struct lead_roles *s)
{
    while (s->stage < LEAD_ROLES_STAGES &&
           !lead_roles_has_alive(s, lead_roles_order[s->stage])) {
        s->stage++;
        if (s->stage < LEAD_ROLES_STAGES)
            tell_kind(s, lead_roles_order[s->stage], CONTROL_DRAIN);
    }
}

static void end_relays(struct lead_roles *s)
{
    want(s, false, false);
    tell_kind(s, ROLE_RELAY, CONTROL_DRAIN);
}

static void stand_up(struct lead_roles *s)
{
    log_info("this node is the lead of the cluster", "");
    s->is_up = true;
    s->is_leaving = false;
    end_relays(s);
    want(s, true, true);
}

static void kill_roles(struct lead_roles *s)
{
    for (size_t i = 0; i < *s->n_children; i++) {
        if (is_of_lead(&s->children[i]))
            child_kill(&s->children[i], SIGKILL);
    }
}

void lead_roles_on_closed(struct lead_roles *s)
{
    if (s->is_up)
        return;
    if (s->is_leaving)
        go_on_leaving(s);
    if (!are_gone(s, true))
        return;
    s->is_leaving = false;
    tell_replicator(s);
    want(s, false, true);
}

void lead_roles_obey(struct lead_roles *s, enum lead_order order)
{
    switch (order) {
    case LEAD_STAND_UP:
        stand_up(s);
        return;
    case LEAD_STAND_DOWN:
        log_info("this node leaves the lead of the cluster", "");
        s->is_up = false;
        s->is_leaving = true;
        s->stage = 0;
        want(s, true, false);
        tell_kind(s, lead_roles_order[0], CONTROL_DRAIN);
        break;
    case LEAD_FALL:
        log_warn("this node is not the lead of the cluster any more; its roles "
                 "are killed",
                 "");
        s->is_up = false;
        s->is_leaving = false;
        want(s, true, false);
        kill_roles(s);
        break;
    }
    lead_roles_on_closed(s); // perhaps none of them runs
}

void lead_roles_lose_replicator(struct lead_roles *s)
{
    if ((!s->is_up && !s->is_leaving) || are_gone(s, true))
        return;
    lead_roles_obey(s, LEAD_FALL);
}
