// SPDX-License-Identifier: MIT
// node_requests.c — what a node is asked by others.

#include "engine/replicator/node_requests.h"

#include <stdio.h>

#include "common/encoding/json_writer.h"

static const char *part_state(const struct chain_host_status *s)
{
    switch (s->state) {
    case CHAIN_HOST_FOLLOWS:
        return s->is_at_end ? "follows" : "catches up";
    case CHAIN_HOST_TAKES:
        return "takes";
    case CHAIN_HOST_OWNS:
        return "owns";
    case CHAIN_HOST_LOST:
        return "lost";
    case CHAIN_HOST_ENDED:
        break;
    }
    return "ended";
}

static void put_part_name(struct json_writer *w, unsigned i)
{
    char name[32];

    switch (i) {
    case 0:
        json_put_text(w, "part", "events");
        break;
    case 1:
        json_put_text(w, "part", "hooks");
        break;
    default:
        snprintf(name, sizeof(name), "deliveries/%u", i - 2);
        json_put_text(w, "part", name);
        break;
    }
}

static void put_parts(const struct node_requests *n, struct json_writer *w)
{
    json_open_array(w, "parts");
    for (size_t i = 0; i < n->lead_config.n_hosts; i++) {
        struct chain_host_status s = chain_host_status(n->lead_config.hosts[i]);

        json_open_object(w, NULL);
        put_part_name(w, (unsigned)i);
        json_put_text(w, "state", part_state(&s));
        json_put_u64(w, "seq", s.seq);
        json_put_u64(w, "term", s.term);
        json_put_u64(w, "strays", s.n_strays);
        json_put_bool(w, "reachable", s.is_reachable);
        if (s.state == CHAIN_HOST_OWNS) {
            json_put_u64(w, "appends", s.n_appends);
            json_put_u64(w, "appendedBytes", s.n_appended_bytes);
        }
        json_close(w);
    }
    json_close(w);
}

static void put_status(const struct node_requests *n, struct buf *answer)
{
    static const char *const states[] = {
        [LEAD_FOLLOWS] = "follows", [LEAD_TAKES] = "takes",
        [LEAD_LEADS] = "leads",     [LEAD_LOSES] = "loses",
        [LEAD_LEAVES] = "leaves",
    };
    struct json_writer w = json_writer(answer);

    json_open_object(&w, NULL);
    json_put_text(&w, "node", n->lead_config.me.node);
    json_put_text(&w, "state", states[lead_view(n->lead).state]);
    put_parts(n, &w);
    json_close(&w);
}

static enum err set_drained(struct node_requests *n, bool is_drained)
{
    struct cluster_member m;
    enum err err = cluster_member_get(n->lead_config.journal,
                                      str_of(n->lead_config.me.node), &m);

    if (err == OK && m.is_drained != is_drained) {
        m.is_drained = is_drained;
        err = cluster_member_put(n->lead_config.journal, &m);
    }
    if (err == OK)
        lead_set_drained(n->lead, is_drained);
    return err;
}

static enum err serve(void *data, struct str body, struct buf *answer)
{
    struct node_requests *n = data;
    enum err err = ERR_INVALID;

    if (str_eq(body, STR("status")))
        err = OK;
    if (str_eq(body, STR("drain")))
        err = set_drained(n, true);
    if (str_eq(body, STR("join")))
        err = set_drained(n, false);
    if (err == OK)
        put_status(n, answer);
    return err;
}

enum err node_requests_serve(struct node_requests *n)
{
    struct buf address;
    enum err err;

    buf_init(&address, 0);
    cluster_put_node_name(&address, str_of(n->lead_config.me.node));
    err = journal_serve(n->lead_config.journal, buf_str(&address), serve, n);
    buf_clear(&address);
    return err;
}
