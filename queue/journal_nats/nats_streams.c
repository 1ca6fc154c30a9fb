// SPDX-License-Identifier: MIT
// nats_streams.c — the streams: made where they are missing, and compared with what is wanted.

#include <stdio.h>
#include <string.h>

#include "common/encoding/json_writer.h"
#include "queue/journal_nats/nats_private.h"

#define NO_PEERS         10005
#define NO_STREAM        10059
#define NANOSECONDS_A_MS INT64_C(1000000)

struct wanted {
    const char *name;
    const char *subject; // NULL: one for each chain
    int64_t n_each;      // messages of a subject that are kept; -1: all
    int64_t age_ms;      // 0: for ever
    unsigned percent;    // of the bytes that all may take
};

// A snapshot is written while the one before is still there, and a chain is trimmed when it
// has grown by as much as a snapshot is large.
static const struct wanted wanted[STREAMS] = {
    { "POSTHORN_C0", NULL, -1, 0, 11 },
    { "POSTHORN_C1", NULL, -1, 0, 11 },
    { "POSTHORN_C2", NULL, -1, 0, 11 },
    { "POSTHORN_C3", NULL, -1, 0, 11 },
    { "POSTHORN_SNAP", "posthorn.s.*", -1, 0, 51 },
    { "POSTHORN_VALUES", "posthorn.v.>", 1, 0, 4 },
    { "POSTHORN_LEASES", "posthorn.l.>", 1, JOURNAL_LEASE_MS, 1 },
};

const char *stream_name(enum stream s)
{
    return wanted[s].name;
}

enum stream stream_of_chain(unsigned chain)
{
    return chain >= SNAPSHOTS_FROM ? STREAM_SNAPSHOTS
                                   : (enum stream)(STREAM_CHAINS_0 + chain % 4);
}

// The stream is in the subject, which a stream's subjects have to tell by a pattern.
void subject_of_chain(unsigned chain, char out[SUBJECT_BYTES])
{
    if (chain >= SNAPSHOTS_FROM) {
        snprintf(out, SUBJECT_BYTES, "posthorn.s.%u", chain);
    } else {
        snprintf(out, SUBJECT_BYTES, "posthorn.c.%u.%u", chain % 4, chain);
    }
}

static void put_subject(enum stream s, char out[SUBJECT_BYTES])
{
    if (wanted[s].subject != NULL) {
        snprintf(out, SUBJECT_BYTES, "%s", wanted[s].subject);
    } else {
        snprintf(out, SUBJECT_BYTES, "posthorn.c.%d.*", (int)s);
    }
}

// --- settings that are numbers ---

struct number {
    const char *name;
    int64_t value;
};

#define NUMBERS 5

static void put_numbers(const struct nats_journal *j, enum stream s,
                        struct number out[NUMBERS])
{
    int64_t window_ms = wanted[s].age_ms > 0 ? wanted[s].age_ms : 120000;

    out[0] = (struct number){ "num_replicas", j->replicas };
    out[1] = (struct number){ "max_age", wanted[s].age_ms * NANOSECONDS_A_MS };
    out[2] = (struct number){ "max_msgs_per_subject", wanted[s].n_each };
    out[3] = (struct number){ "max_msg_size", MAX_PAYLOAD_NEEDED };
    out[4] =
        (struct number){ "duplicate_window", window_ms * NANOSECONDS_A_MS };
}

// --- making ---

static void put_settings(const struct nats_journal *j, enum stream s,
                         struct buf *out)
{
    struct json_writer w = json_writer(out);
    struct number numbers[NUMBERS];
    char subject[SUBJECT_BYTES];

    put_subject(s, subject);
    put_numbers(j, s, numbers);
    json_open_object(&w, NULL);
    json_put_text(&w, "name", wanted[s].name);
    json_open_array(&w, "subjects");
    json_put_text(&w, NULL, subject);
    json_close(&w);
    json_put_text(&w, "retention", "limits");
    json_put_text(&w, "storage", "file");
    json_put_text(&w, "discard", "new");
    for (size_t i = 0; i < NUMBERS; i++)
        json_put_i64(&w, numbers[i].name, numbers[i].value);
    // Without a limit of its own, a stream comes to that of its server, which then closes it.
    json_put_u64(&w, "max_bytes", j->max_bytes / 100 * wanted[s].percent);
    json_put_bool(&w, "allow_direct", true);
    json_put_bool(&w, "deny_delete", true);
    json_close(&w);
}

static enum err ask_of_stream(struct nats_journal *j, const char *verb,
                              enum stream s, struct str body, int64_t end_us,
                              struct answer *out)
{
    char subject[SUBJECT_BYTES];

    snprintf(subject, sizeof(subject), "$JS.API.STREAM.%s.%s", verb,
             wanted[s].name);
    return ask(j, subject, body, end_us, out);
}

// Whoever comes first makes it: for the others, who want the same, it is there.
static enum err make_stream(struct nats_journal *j, enum stream s,
                            int64_t end_us, struct answer *out)
{
    struct buf settings;
    enum err err;

    buf_init(&settings, 0);
    put_settings(j, s, &settings);
    err = ask_of_stream(j, "CREATE", s, buf_str(&settings), end_us, out);
    buf_clear(&settings);
    return err;
}

// What is known of the stream, which is made if it was not there. Servers that have just
// started do not know each other yet.
static enum err look_or_make(struct nats_journal *j, enum stream s,
                             int64_t end_us, struct answer *out)
{
    enum err err;

    for (;;) {
        err = ask_of_stream(j, "INFO", s, STR_EMPTY, end_us, out);
        if (err == OK && out->err_code == NO_STREAM) {
            answer_free(out);
            err = make_stream(j, s, end_us, out);
        }
        if (err != OK || out->err_code != NO_PEERS || left_ms(end_us) == 0)
            return err;
        back_off(end_us);
        if (left_ms(end_us) == 0)
            return OK;
        answer_free(out);
    }
}

static bool is_ready(struct nats_journal *j, uint32_t bit)
{
    bool yes;

    pthread_mutex_lock(&j->lock);
    yes = (j->ready_streams & bit) != 0;
    pthread_mutex_unlock(&j->lock);
    return yes;
}

enum err stream_ready(struct nats_journal *j, enum stream s, int64_t end_us)
{
    uint32_t bit = UINT32_C(1) << s;

    while (!is_ready(j, bit)) {
        struct answer answer;
        enum err err = look_or_make(j, s, end_us, &answer);
        bool is_there = err == OK && answer.err_code == 0;

        answer_free(&answer);
        if (is_there) {
            pthread_mutex_lock(&j->lock);
            j->ready_streams |= bit;
            pthread_mutex_unlock(&j->lock);
        } else if (left_ms(end_us) == 0) {
            return ERR_AGAIN;
        } else {
            back_off(end_us);
        }
    }
    return OK;
}

// --- judging ---

static void judge_text(const struct json_value *config, const char *stream,
                       const char *name, const char *value, struct buf *faults)
{
    struct str is = json_str(json_get(config, name));

    if (!str_is(is, value)) {
        buf_printf(faults, "stream %s: %s is '%.*s', needed is '%s'\n", stream,
                   name, STR_ARG(is), value);
    }
}

static void judge_bool(const struct json_value *config, const char *stream,
                       const char *name, bool value, struct buf *faults)
{
    if (json_bool(json_get(config, name)) != value) {
        buf_printf(faults, "stream %s: %s is %s, needed is %s\n", stream, name,
                   value ? "false" : "true", value ? "true" : "false");
    }
}

static void judge_subjects(const struct json_value *config, enum stream s,
                           struct buf *faults)
{
    const struct json_value *subjects = json_get(config, "subjects");
    struct json_iter it = json_iter(subjects);
    const struct json_value *first = json_next(&it, NULL);
    char subject[SUBJECT_BYTES];

    put_subject(s, subject);
    if (json_size(subjects) != 1 || !str_is(json_str(first), subject)) {
        buf_printf(faults, "stream %s: subjects is not '%s' alone\n",
                   wanted[s].name, subject);
    }
}

static void judge_settings(const struct nats_journal *j, enum stream s,
                           const struct json_value *config, struct buf *faults)
{
    const char *name = wanted[s].name;
    struct number numbers[NUMBERS];

    put_numbers(j, s, numbers);
    for (size_t i = 0; i < NUMBERS; i++) {
        int64_t is = json_int_or_zero(json_get(config, numbers[i].name));

        if (is != numbers[i].value) {
            buf_printf(faults, "stream %s: %s is %lld, needed is %lld\n", name,
                       numbers[i].name, (long long)is,
                       (long long)numbers[i].value);
        }
    }
    if (json_int_or_zero(json_get(config, "max_bytes")) <= 0)
        buf_printf(faults, "stream %s: max_bytes is no limit\n", name);
    judge_subjects(config, s, faults);
    judge_text(config, name, "retention", "limits", faults);
    judge_text(config, name, "storage", "file", faults);
    judge_text(config, name, "discard", "new", faults);
    judge_bool(config, name, "deny_delete", true, faults);
    judge_bool(config, name, "deny_purge", false, faults);
    judge_bool(config, name, "sealed", false, faults);
}

// The servers that have a copy, whether they run or not.
static void judge_peers(const struct nats_journal *j, enum stream s,
                        const struct json_value *root, struct buf *faults)
{
    const struct json_value *cluster = json_get(root, "cluster");
    size_t n = 1 + json_size(json_get(cluster, "replicas"));

    if (n < j->replicas) {
        buf_printf(faults, "stream %s: %zu servers have it, needed are %u\n",
                   wanted[s].name, n, j->replicas);
    }
}

enum err streams_judge(struct nats_journal *j, int64_t end_us,
                       struct buf *faults)
{
    size_t n_before = faults->n_bytes;

    for (int i = 0; i < STREAMS; i++) {
        enum stream s = (enum stream)i;
        struct answer a;
        enum err err = look_or_make(j, s, end_us, &a);

        if (err != OK)
            return err;
        if (a.err_code != 0) {
            struct str why =
                json_str(json_get(json_get(a.root, "error"), "description"));

            buf_printf(faults,
                       "stream %s: with %u replicas, it cannot be made: %.*s\n",
                       wanted[s].name, j->replicas, STR_ARG(why));
        } else {
            judge_settings(j, s, json_get(a.root, "config"), faults);
            judge_peers(j, s, a.root, faults);
        }
        answer_free(&a);
    }
    return faults->n_bytes == n_before ? OK : ERR_INVALID;
}
