// SPDX-License-Identifier: MIT
// nats_judge.c — whether the servers and streams do what is relied on.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/journal_nats/nats_private.h"

#define JUDGE_MS     10000
#define SERVERS_MAX  64
#define ADDRESS_MOST 65536

struct servers {
    struct server_facts at[SERVERS_MAX];
    bool is_synced[SERVERS_MAX];
    bool is_told[SERVERS_MAX]; // whether its monitoring port was reached
    size_t n;
};

static bool has_server(const struct servers *all, const char *id)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->at[i].id, id) == 0)
            return true;
    }
    return false;
}

// Asks each server of the list; what these name is appended to `more`.
static void ask_servers(const char *list, struct servers *all, struct buf *more)
{
    char host[256];
    char port[8];

    while (*list != '\0' && all->n < SERVERS_MAX) {
        struct server_facts *facts = &all->at[all->n];

        list = address_split(list, "4222", host, port);
        if (probe_server(host, port, facts, more) == OK &&
            !has_server(all, facts->id))
            all->n++;
    }
}

static void note_monitor(struct servers *all, const char *host,
                         const char *port)
{
    char id[64];
    bool is_synced;

    if (probe_monitor(host, port, id, &is_synced) != OK)
        return;
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->at[i].id, id) == 0) {
            all->is_told[i] = true;
            all->is_synced[i] = is_synced;
        }
    }
}

static void ask_monitors(const char *list, struct servers *all)
{
    char host[256];
    char port[8];

    if (list == NULL) {
        for (size_t i = 0; i < all->n; i++) {
            address_split(all->at[i].address, "4222", host, port);
            note_monitor(all, host, "8222");
        }
        return;
    }
    while (*list != '\0') {
        list = address_split(list, "8222", host, port);
        note_monitor(all, host, port);
    }
}

// Compares "2.10.27" by its numbers.
static bool is_older(const char *version, const char *than)
{
    for (int i = 0; i < 3; i++) {
        unsigned long a = strtoul(version, NULL, 10);
        unsigned long b = strtoul(than, NULL, 10);

        if (a != b)
            return a < b;
        version += strcspn(version, ".");
        version += *version == '.';
        than += strcspn(than, ".");
        than += *than == '.';
    }
    return false;
}

static void judge_server(const struct servers *all, size_t i,
                         struct buf *faults)
{
    const struct server_facts *s = &all->at[i];

    if (is_older(s->version, NATS_VERSION_NEEDED)) {
        buf_printf(faults,
                   "server %s (%s): its version is %s, needed is %s or later\n",
                   s->name, s->address, s->version, NATS_VERSION_NEEDED);
    }
    if (!s->has_jetstream) {
        buf_printf(
            faults,
            "server %s (%s): it has no 'jetstream' in its configuration\n",
            s->name, s->address);
    }
    if (s->max_payload < MAX_PAYLOAD_NEEDED) {
        buf_printf(faults,
                   "server %s (%s): max_payload is %lld, needed is %lld\n",
                   s->name, s->address, (long long)s->max_payload,
                   (long long)MAX_PAYLOAD_NEEDED);
    }
    if (!all->is_told[i]) {
        buf_printf(faults,
                   "server %s (%s): whether it syncs before it answers cannot "
                   "be told: its monitoring port ('http', 8222 if no other is "
                   "named) was not reached\n",
                   s->name, s->address);
    } else if (!all->is_synced[i]) {
        buf_printf(faults,
                   "server %s (%s): sync_interval of 'jetstream' is not "
                   "'always', as needed\n",
                   s->name, s->address);
    }
}

enum err nats_judge(struct journal *journal, struct buf *faults)
{
    struct nats_journal *j = nats_of(journal);
    struct servers *all = calloc(1, sizeof(*all));
    size_t n_before = faults->n_bytes;
    struct buf more;
    struct buf none;
    enum err err;

    if (all == NULL)
        return ERR_AGAIN;
    buf_init(&more, ADDRESS_MOST);
    buf_init(&none, 1); // what a named server names, the first ones have named
    ask_servers(j->urls, all, &more);
    ask_servers(buf_cstr(&more), all, &none);
    ask_monitors(j->monitors, all);
    for (size_t i = 0; i < all->n; i++)
        judge_server(all, i, faults);
    err = all->n > 0 ? streams_judge(j, end_in(JUDGE_MS), faults) : ERR_AGAIN;
    if (all->n == 0) {
        buf_printf(faults, "no server of %s can be reached\n", j->urls);
    } else if (err == ERR_AGAIN && faults->n_bytes == n_before) {
        buf_printf(faults, "the servers of %s do not answer for JetStream\n",
                   j->urls);
    } else {
        err = faults->n_bytes == n_before ? OK : ERR_INVALID;
    }
    buf_clear(&none);
    buf_clear(&more);
    free(all);
    return err;
}
