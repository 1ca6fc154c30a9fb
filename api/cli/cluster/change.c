// SPDX-License-Identifier: MIT
// change.c — `posthorn cluster drain`, `join` and `leave`: which nodes may lead.
//
// Happy path: a node that runs is told by a request, and stores that itself; for one that
// does not run, the member's value is changed, which the node reads at its start.
//
// If it fails: whoever is told to drain goes on with it, also if this command ends; what is
// waited for has an end.

#include "api/cli/cluster/change.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "api/cli/core/terminal.h"
#include "common/base/clock.h"
#include "common/encoding/json.h"

#define ANSWER_MS  5000
#define LOOK_MS    100
#define TRIES      20
#define WAIT_S     60 // for another lead
#define WAIT_S_MAX 86400

struct change {
    struct cluster_call *call;
    const char *node;
    uint64_t wait_s;
};

// --- who is meant ---

static int is_unknown(const struct change *ch)
{
    struct cluster_call *c = ch->call;
    struct buf names;

    buf_init(&names, 0);
    for (size_t i = 0; i < c->n_members; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", c->members[i].node);
    command_failed(c->args->command, "the cluster has no node %s; it has %s",
                   ch->node, names.n_bytes > 0 ? buf_cstr(&names) : "none yet");
    buf_clear(&names);
    return EXIT_FAILED;
}

// Connects, and finds the node. 0: it is there; else the exit status, and stderr has
// the reason.
static int begin(struct change *ch, struct cluster_call *c)
{
    *ch = (struct change){ .call = c, .node = c->args->operands[1] };
    if (c->args->n_operands < 2) {
        return command_misused(c->args->command, "%s needs the name of a node",
                               c->args->operands[0]);
    }
    if (!cluster_node_is_valid(str_of(ch->node))) {
        return command_misused(c->args->command,
                               "%s cannot be the name of a node: 1 to 32 "
                               "letters, digits, - and _",
                               ch->node);
    }
    if (!args_number(c->args, "wait", 1, WAIT_S_MAX, WAIT_S, &ch->wait_s))
        return EXIT_USAGE;
    if (!cluster_find(c))
        return EXIT_FAILED;
    return cluster_member_of(c, ch->node) != NULL ? 0 : is_unknown(ch);
}

static bool is_live(const struct change *ch)
{
    const struct cluster_member *m = cluster_member_of(ch->call, ch->node);

    return m != NULL && m->is_live;
}

static bool does_lead(const struct change *ch)
{
    const struct cluster_member *m = cluster_member_of(ch->call, ch->node);

    return m != NULL && m->is_lead;
}

// Another node that leads, or can. NULL: there is none.
static const struct cluster_member *other(const struct change *ch,
                                          bool is_leading)
{
    for (size_t i = 0; i < ch->call->n_members; i++) {
        const struct cluster_member *m = &ch->call->members[i];

        if (strcmp(m->node, ch->node) != 0 && m->is_live && !m->is_drained &&
            (m->is_lead || !is_leading))
            return m;
    }
    return NULL;
}

// --- changing ---

static enum err request(const struct change *ch, const char *node,
                        const char *what, struct buf *answer)
{
    struct buf address;
    enum err err;

    buf_init(&address, 0);
    cluster_put_node_name(&address, str_of(node));
    err = journal_request(ch->call->journal, buf_str(&address), str_of(what),
                          ANSWER_MS, answer);
    buf_clear(&address);
    return err;
}

static enum err tell(const struct change *ch, const char *what)
{
    struct buf answer;
    enum err err;

    buf_init(&answer, 0);
    err = request(ch, ch->node, what, &answer);
    buf_clear(&answer);
    return err;
}

// Of a node that does not run. Another process may change it at the same time.
static enum err store(const struct change *ch, bool is_drained)
{
    struct journal *j = ch->call->journal;
    struct cluster_member m;
    enum err err = ERR_AGAIN;

    for (unsigned i = 0; i < TRIES && (err == ERR_AGAIN || err == ERR_CONFLICT);
         i++) {
        err = cluster_member_get(j, str_of(ch->node), &m);
        if (err == OK) {
            m.is_drained = is_drained;
            err = cluster_member_put(j, &m);
        }
    }
    return err;
}

// 0: done; else stderr has the reason.
static int set_drained(const struct change *ch, bool is_drained)
{
    const struct command *command = ch->call->args->command;
    enum err err = is_live(ch) ? tell(ch, is_drained ? "drain" : "join")
                               : store(ch, is_drained);

    if (err == OK)
        return 0;
    if (is_live(ch)) {
        return command_failed(command,
                              "%s does not answer, and its lease has not "
                              "ended; try again in half a minute",
                              ch->node);
    }
    return command_failed(command, "%s cannot be changed: %s", ch->node,
                          err_str(err));
}

// Whether the other node that has the lead says that it leads, which begins a moment after.
static bool does_other_lead(const struct change *ch)
{
    const struct cluster_member *m = other(ch, true);
    struct json *json = NULL;
    struct buf answer;
    bool does = false;

    if (m == NULL)
        return false;
    buf_init(&answer, 0);
    if (request(ch, m->node, "status", &answer) == OK &&
        json_parse(buf_str(&answer), &json_default_limits, &json, NULL) == OK) {
        does =
            str_eq(json_str(json_get(json_root(json), "state")), STR("leads"));
    }
    json_free(json);
    buf_clear(&answer);
    return does;
}

// Waits until the node does not lead and, if one can, another node does.
static int wait_for_other(const struct change *ch, bool did_lead)
{
    const struct command *command = ch->call->args->command;
    int64_t until_us = clock_mono_us() + (int64_t)ch->wait_s * 1000000;

    while (does_lead(ch) ||
           (other(ch, false) != NULL && !does_other_lead(ch))) {
        if (terminal_is_interrupted()) {
            return command_failed(command,
                                  "interrupted; %s is drained, and hands over "
                                  "when its work is done",
                                  ch->node);
        }
        if (clock_mono_us() > until_us) {
            return command_failed(command,
                                  does_lead(ch)
                                      ? "%s still leads after %u s; it hands "
                                        "over when its work is done"
                                      : "%s does not lead any more, but after "
                                        "%u s no other node leads",
                                  ch->node, (unsigned)ch->wait_s);
        }
        uv_sleep(LOOK_MS);
        (void)!cluster_look(ch->call); // asked again
    }
    if (did_lead && other(ch, true) != NULL)
        printf("%s leads\n", other(ch, true)->node);
    return 0;
}

// 0: done; else stderr has the reason.
static int drain(const struct change *ch)
{
    const struct args *args = ch->call->args;
    bool did_lead = does_lead(ch);
    int status;

    if (is_live(ch) && other(ch, false) == NULL && !args_has(args, "force")) {
        return command_failed(args->command,
                              "no other node can lead; without %s nothing is "
                              "taken in or delivered (--force does it)",
                              ch->node);
    }
    terminal_catch_interrupts();
    status = set_drained(ch, true);
    if (status == 0) {
        printf(did_lead ? "%s is drained, and hands over\n" : "%s is drained\n",
               ch->node);
        fflush(stdout);
        status = wait_for_other(ch, did_lead);
    }
    return status;
}

int cluster_drain(struct cluster_call *c)
{
    struct change ch;
    int status = begin(&ch, c);

    return status == 0 ? drain(&ch) : status;
}

int cluster_let_join(struct cluster_call *c)
{
    struct change ch;
    int status = begin(&ch, c);

    if (status == 0)
        status = set_drained(&ch, false);
    if (status == 0)
        printf("%s may lead\n", ch.node);
    return status;
}

// --- leaving ---

static int remove_member(const struct change *ch)
{
    const struct command *command = ch->call->args->command;
    bool was_live = is_live(ch);
    enum err err = ERR_AGAIN;

    for (unsigned i = 0; i < TRIES && (err == ERR_AGAIN || err == ERR_CONFLICT);
         i++)
        err = cluster_member_remove(ch->call->journal, str_of(ch->node));
    if (err != OK && err != ERR_NOTFOUND) {
        return command_failed(command, "%s cannot be removed: %s", ch->node,
                              err_str(err));
    }
    printf("%s is not of the cluster any more%s\n", ch->node,
           was_live ? "; stop its engine: when it starts again, it joins again"
                    : "");
    return 0;
}

int cluster_leave(struct cluster_call *c)
{
    struct change ch;
    int status = begin(&ch, c);

    if (status != 0)
        return status;
    if (is_live(&ch) && tell(&ch, "status") != OK) {
        if (!args_has(c->args, "force")) {
            return command_failed(
                c->args->command,
                "%s does not answer, and its lease has not ended; try again in "
                "half a minute (--force removes it now)",
                ch.node);
        }
    } else if (is_live(&ch)) {
        status = drain(&ch);
    }
    return status == 0 ? remove_member(&ch) : status;
}
