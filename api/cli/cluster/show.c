// SPDX-License-Identifier: MIT
// show.c — `posthorn cluster status`: the nodes of a cluster, and how far each is.
//
// The lead is asked first: what another node lacks of the lead's entries then is what it
// is behind. What is wrong is told on stderr, or in `faults` of the JSON.

#include "api/cli/cluster/show.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/core/terminal.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"

#define ANSWER_MS 3000

struct seen {
    const struct cluster_member *member;
    struct json *answer; // NULL: it was not asked, or did not answer
};

struct showing {
    struct cluster_call *call;
    struct seen seen[CLUSTER_MEMBERS_MAX];
    const struct seen *lead; // NULL: there is none
    unsigned n_shards;       // dispatchers; 0: not known
    struct buf faults;       // lines
};

__attribute__((format(printf, 2, 3))) static void note(struct showing *s,
                                                       const char *format, ...)
{
    va_list args;

    va_start(args, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): begun above
    buf_vprintf(&s->faults, format, args);
    va_end(args);
    buf_puts(&s->faults, "\n");
}

// A member of the node's answer. NULL: there is none.
static const struct json_value *answered(const struct seen *seen,
                                         const char *name)
{
    return seen->answer != NULL ? json_get(json_root(seen->answer), name)
                                : NULL;
}

// --- asking ---

static void ask(struct showing *s, struct seen *seen)
{
    const char *node = seen->member->node;
    struct buf address;
    struct buf answer;
    enum err err;

    buf_init(&address, 0);
    buf_init(&answer, 0);
    cluster_put_node_name(&address, str_of(node));
    err = journal_request(s->call->journal, buf_str(&address), STR("status"),
                          ANSWER_MS, &answer);
    if (err == OK && json_parse(buf_str(&answer), &json_default_limits,
                                &seen->answer, NULL) != OK) {
        note(s, "%s answers what this version does not understand", node);
    } else if (err == ERR_NOTFOUND) {
        note(s, "%s does not answer; its lease has not ended yet", node);
    } else if (err != OK) {
        note(s, "%s did not answer within %d s", node, ANSWER_MS / 1000);
    }
    buf_clear(&answer);
    buf_clear(&address);
}

static void ask_all(struct showing *s)
{
    struct cluster_call *c = s->call;

    for (size_t i = 0; i < c->n_members; i++) {
        s->seen[i].member = &c->members[i];
        if (c->members[i].is_lead) {
            s->lead = &s->seen[i];
            ask(s, &s->seen[i]);
        }
    }
    for (size_t i = 0; i < c->n_members; i++) {
        if (!c->members[i].is_live) {
            note(s, "%s is gone", c->members[i].node);
        } else if (!c->members[i].is_lead) {
            ask(s, &s->seen[i]);
        }
    }
    if (c->n_members == 0) {
        note(s, "no node has joined yet");
    } else if (s->lead == NULL) {
        note(s, "no node leads: nothing is taken in or delivered");
    }
}

// --- a part of a node ---

static int64_t entry_of(const struct json_value *part)
{
    return json_int_or_zero(json_get(part, "seq"));
}

// How many entries the part of this node lacks, at most. -1: not known.
static int64_t behind(const struct showing *s, const struct json_value *part)
{
    struct str name = json_str(json_get(part, "part"));
    const struct json_value *other;
    struct json_iter it;

    if (s->lead == NULL || s->lead->answer == NULL)
        return -1;
    it = json_iter(answered(s->lead, "parts"));
    while ((other = json_next(&it, NULL)) != NULL) {
        if (str_eq(json_str(json_get(other, "part")), name)) {
            int64_t n = entry_of(other) - entry_of(part);

            return n > 0 ? n : 0;
        }
    }
    return -1;
}

static void judge_part(struct showing *s, const char *node,
                       const struct json_value *part)
{
    struct str name = json_str(json_get(part, "part"));
    struct str state = json_str(json_get(part, "state"));

    if (str_eq(state, STR("lost")) || str_eq(state, STR("ended"))) {
        note(s, "%s: its part %.*s does not follow (%.*s)", node,
             (int)name.n_bytes, name.at, (int)state.n_bytes, state.at);
    } else if (!json_bool(json_get(part, "reachable"))) {
        note(s, "%s: its part %.*s does not reach the servers", node,
             (int)name.n_bytes, name.at);
    }
}

static void judge_parts(struct showing *s)
{
    for (size_t i = 0; i < s->call->n_members; i++) {
        const struct json_value *part;
        struct json_iter it;

        if (s->seen[i].answer == NULL)
            continue;
        it = json_iter(answered(&s->seen[i], "parts"));
        while ((part = json_next(&it, NULL)) != NULL)
            judge_part(s, s->seen[i].member->node, part);
    }
}

// --- tables ---

static void put_member(struct table *t, const struct seen *seen)
{
    const struct cluster_member *m = seen->member;
    struct str does = json_str(answered(seen, "state"));
    struct buf role;

    buf_init(&role, 0);
    buf_put_str(&role, does);
    if (m->is_drained)
        buf_puts(&role, role.n_bytes > 0 ? ", drained" : "drained");
    table_put(t, str_of(m->node), PLAIN);
    table_put(t,
              !m->is_live            ? STR("gone")
              : seen->answer == NULL ? STR("silent")
                                     : STR("live"),
              !m->is_live || seen->answer == NULL ? RED : GREEN);
    table_put(t, buf_str(&role), m->is_lead ? BOLD : PLAIN);
    table_put(t, str_of(m->api), PLAIN);
    table_put(t, str_of(m->ingest), PLAIN);
    table_put(t, str_of(m->version), PLAIN);
    buf_clear(&role);
}

static void put_part(const struct showing *s, struct table *t, const char *node,
                     const struct json_value *part)
{
    int64_t n = behind(s, part);

    table_put(t, str_of(node), PLAIN);
    table_put(t, json_str(json_get(part, "part")), PLAIN);
    table_put(t, json_str(json_get(part, "state")), PLAIN);
    table_printf(t, "%" PRId64, entry_of(part));
    if (n < 0) {
        table_put(t, STR("?"), PLAIN);
    } else {
        table_printf(t, "%" PRId64, n);
    }
}

static void print_tables(const struct showing *s)
{
    static const char *const of_nodes[] = { "NODE", "STATE",  "ROLE",
                                            "API",  "INGEST", "VERSION" };
    static const char *const of_parts[] = { "NODE", "PART", "STATE", "ENTRY",
                                            "BEHIND" };
    struct table t;

    table_init(&t, of_nodes, 6, "3");
    for (size_t i = 0; i < s->call->n_members; i++)
        put_member(&t, &s->seen[i]);
    table_end(&t, stdout);
    putchar('\n');
    table_init(&t, of_parts, 5, "1");
    for (size_t i = 0; i < s->call->n_members; i++) {
        const struct json_value *part;
        struct json_iter it;

        if (s->seen[i].answer == NULL)
            continue;
        it = json_iter(answered(&s->seen[i], "parts"));
        while ((part = json_next(&it, NULL)) != NULL)
            put_part(s, &t, s->seen[i].member->node, part);
    }
    table_end(&t, stdout);
    if (s->n_shards > 0)
        printf("\ndispatchers: %u\n", s->n_shards);
}

// --- JSON ---

static void put_parts_json(const struct showing *s, struct json_writer *w,
                           const struct seen *seen)
{
    const struct json_value *part;
    struct json_iter it = json_iter(answered(seen, "parts"));

    json_put_str(w, "role", json_str(answered(seen, "state")));
    json_open_array(w, "parts");
    while ((part = json_next(&it, NULL)) != NULL) {
        int64_t n = behind(s, part);

        json_open_object(w, NULL);
        json_put_str(w, "part", json_str(json_get(part, "part")));
        json_put_str(w, "state", json_str(json_get(part, "state")));
        json_put_i64(w, "entry", entry_of(part));
        if (n < 0) {
            json_put_null(w, "behind");
        } else {
            json_put_i64(w, "behind", n);
        }
        json_put_bool(w, "reachable", json_bool(json_get(part, "reachable")));
        json_close(w);
    }
    json_close(w);
}

static void put_members_json(const struct showing *s, struct json_writer *w)
{
    json_open_array(w, "nodes");
    for (size_t i = 0; i < s->call->n_members; i++) {
        const struct cluster_member *m = s->seen[i].member;

        json_open_object(w, NULL);
        json_put_text(w, "node", m->node);
        json_put_bool(w, "live", m->is_live);
        json_put_bool(w, "lead", m->is_lead);
        json_put_bool(w, "drained", m->is_drained);
        json_put_text(w, "api", m->api);
        json_put_text(w, "ingest", m->ingest);
        json_put_text(w, "version", m->version);
        if (s->seen[i].answer != NULL)
            put_parts_json(s, w, &s->seen[i]);
        json_close(w);
    }
    json_close(w);
}

static void print_json(struct showing *s)
{
    const char *at = buf_cstr(&s->faults);
    struct buf line;
    struct json_writer w = json_writer(&line);

    buf_init(&line, 0);
    json_open_object(&w, NULL);
    if (s->n_shards > 0) {
        json_put_u64(&w, "dispatchers", s->n_shards);
    } else {
        json_put_null(&w, "dispatchers");
    }
    put_members_json(s, &w);
    json_open_array(&w, "faults");
    while (*at != '\0') {
        size_t n = strcspn(at, "\n");

        json_put_str(&w, NULL, (struct str){ at, n });
        at += n + 1;
    }
    json_close(&w);
    json_close(&w);
    terminal_print_line(&line);
}

// --- the command ---

// Without the keys, the number of dispatchers is told by the parts of the lead.
static void know_shards(struct showing *s)
{
    size_t n = s->lead != NULL ? json_size(answered(s->lead, "parts")) : 0;

    if (s->n_shards == 0 && n > 2)
        s->n_shards = (unsigned)n - 2;
}

// False: there is no cluster, or it cannot be asked; stderr has the reason.
static bool know_identity(struct showing *s)
{
    struct cluster_call *c = s->call;
    struct cluster_identity identity;
    enum err err;

    if (c->keys == NULL)
        return true;
    err = cluster_identity_get(c->journal, c->keys, &identity);
    switch ((int)err) {
    case OK:
        s->n_shards = identity.n_shards;
        return true;
    case ERR_DENIED:
        note(s, "secret_key_file has other keys than the cluster: a node with "
                "these settings cannot join");
        return true;
    case ERR_NOTFOUND:
        command_failed(c->args->command,
                       "there is no cluster yet; the first node that starts "
                       "makes it, or `posthorn cluster import`");
        return false;
    default:
        command_failed(c->args->command, "the cluster cannot be read: %s",
                       err_str(err));
        return false;
    }
}

static void print_faults(struct showing *s)
{
    const char *at = buf_cstr(&s->faults);

    while (*at != '\0') {
        size_t n = strcspn(at, "\n");

        command_failed(s->call->args->command, "%.*s", (int)n, at);
        at += n + 1;
    }
}

int cluster_show(struct cluster_call *c)
{
    struct showing s = { .call = c };
    int status = EXIT_FAILED;

    buf_init(&s.faults, 0);
    if (cluster_find(c) && know_identity(&s)) {
        ask_all(&s);
        judge_parts(&s);
        know_shards(&s);
        status = s.faults.n_bytes == 0 ? 0 : EXIT_FAILED;
        if (args_has(c->args, "json")) {
            print_json(&s);
        } else {
            if (c->n_members > 0)
                print_tables(&s);
            fflush(stdout);
            print_faults(&s);
        }
    }
    for (size_t i = 0; i < c->n_members; i++)
        json_free(s.seen[i].answer);
    buf_clear(&s.faults);
    return status;
}
