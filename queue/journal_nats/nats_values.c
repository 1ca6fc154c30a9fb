// SPDX-License-Identifier: MIT
// nats_values.c — small values: a stream that keeps the last message of each subject.
//
// Whoever waits for a change is woken by a message of plain NATS, which is sent behind each
// put, and looks by itself each five seconds, as that message can be lost.

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/random.h"
#include "queue/journal_nats/nats_private.h"

#define SUBJECTS   "posthorn.v.>"
#define POKES      "posthorn.poke.values"
#define LOOK_MS    5000
#define PREFIX     "posthorn.v."
#define MARKER_TRY 5

static void put_subject(struct str key, char out[SUBJECT_BYTES])
{
    snprintf(out, SUBJECT_BYTES, PREFIX "%.*s", STR_ARG(key));
}

enum err nats_value_get(struct journal *journal, struct str key,
                        int64_t wait_ms, struct buf *bytes, uint64_t *revision)
{
    char subject[SUBJECT_BYTES];
    struct stored last;
    enum err err;

    if (!journal_name_is_valid(key))
        return ERR_INVALID;
    put_subject(key, subject);
    *revision = 0;
    err = stored_last(nats_of(journal), STREAM_VALUES, subject, end_in(wait_ms),
                      &last);
    if (err != OK)
        return err;
    if (last.is_deletion) {
        err = ERR_NOTFOUND;
    } else {
        *revision = last.seq;
        buf_put_str(bytes, buf_str(&last.bytes));
    }
    stored_free(&last);
    return err;
}

// --- putting ---

// The sequence that the message has to follow: a deletion is a message, too. ERR_CONFLICT:
// there is another revision.
static enum err find_expected(struct nats_journal *j, const char *subject,
                              uint64_t expected, int64_t end_us, uint64_t *seq)
{
    struct stored last;
    enum err err = stored_last(j, STREAM_VALUES, subject, end_us, &last);

    *seq = 0;
    if (err == ERR_NOTFOUND)
        return expected == 0 ? OK : ERR_CONFLICT;
    if (err != OK)
        return err;
    *seq = last.seq;
    if ((last.is_deletion ? 0 : last.seq) != expected)
        err = ERR_CONFLICT;
    stored_free(&last);
    return err;
}

static void random_id(char out[ID_BYTES])
{
    uint64_t halves[2];

    crypto_random(halves, sizeof(halves));
    snprintf(out, ID_BYTES, "%016llx%016llx", (unsigned long long)halves[0],
             (unsigned long long)halves[1]);
}

enum err nats_value_put(struct journal *journal, struct str key,
                        const struct str *bytes, uint64_t expected,
                        int64_t wait_ms, uint64_t *revision)
{
    struct nats_journal *j = nats_of(journal);
    char subject[SUBJECT_BYTES];
    char id[ID_BYTES];
    struct storing x = {
        .stream = STREAM_VALUES,
        .out = { .subject = subject, .id = id, .is_deletion = bytes == NULL },
        .end_us = end_in(wait_ms)
    };
    enum err err;

    if (!journal_name_is_valid(key) || (bytes == NULL && expected == 0))
        return ERR_INVALID;
    if (bytes != NULL && bytes->n_bytes > JOURNAL_VALUE_BYTES)
        return ERR_TOOBIG;
    put_subject(key, subject);
    random_id(id);
    if (bytes != NULL)
        x.out.body = *bytes;
    err = find_expected(j, subject, expected, x.end_us, &x.out.expected);
    if (err != OK)
        return err;
    err = store_after(j, &x);
    stored_free(&x.last);
    if (err != OK)
        return err;
    *revision = x.seq;
    natsConnection_PublishString(j->nc, POKES, "");
    return OK;
}

// --- watching ---

static void on_poke(natsConnection *nc, natsSubscription *sub, natsMsg *msg,
                    void *data)
{
    struct nats_journal *j = data;

    (void)nc;
    (void)sub;
    natsMsg_Destroy(msg);
    pthread_mutex_lock(&j->lock);
    j->n_pokes++;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

enum err nats_values_open(struct nats_journal *j)
{
    natsStatus s =
        natsConnection_Subscribe(&j->pokes, j->nc, POKES, on_poke, j);

    return s == NATS_OK ? subscription_count(j, j->pokes) : ERR_IO;
}

static uint64_t count_pokes(struct nats_journal *j)
{
    uint64_t n;

    pthread_mutex_lock(&j->lock);
    n = j->n_pokes;
    pthread_mutex_unlock(&j->lock);
    return n;
}

// Until a value was put since `n_pokes`, or it is time to look.
static void wait_for_poke(struct nats_journal *j, uint64_t n_pokes,
                          int64_t end_us)
{
    int64_t ms = left_ms(end_us) < LOOK_MS ? left_ms(end_us) : LOOK_MS;
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&j->lock);
    while (j->n_pokes == n_pokes &&
           pthread_cond_timedwait(&j->changed, &j->lock, &at) == 0)
        ;
    pthread_mutex_unlock(&j->lock);
}

// All changes behind *after, in their order. ERR_NOTFOUND: none of this prefix.
static enum err look(struct nats_journal *j, struct str prefix, uint64_t *after,
                     int64_t end_us, journal_value_fn on_value, void *data)
{
    size_t n_head = sizeof(PREFIX) - 1;
    unsigned n_found = 0;

    for (;;) {
        struct stored s;
        struct journal_value v;
        enum err err =
            stored_next(j, STREAM_VALUES, *after + 1, SUBJECTS, end_us, &s);

        if (err != OK && n_found > 0)
            return OK; // the next call goes on
        if (err != OK)
            return err;
        *after = s.seq;
        v = (struct journal_value){ .key = str_of(s.subject + n_head),
                                    .bytes = buf_str(&s.bytes),
                                    .is_deleted = s.is_deletion,
                                    .revision = s.seq };
        if (str_starts(v.key, prefix)) {
            on_value(data, &v);
            n_found++;
        }
        stored_free(&s);
    }
}

// NOLINTNEXTLINE(readability-function-size): the seam names them all
enum err nats_value_watch(struct journal *journal, struct str prefix,
                          uint64_t after, int64_t wait_ms,
                          journal_value_fn on_value, void *data,
                          uint64_t *revision)
{
    struct nats_journal *j = nats_of(journal);
    int64_t end_us = end_in(wait_ms);
    enum err err;

    *revision = after;
    for (;;) {
        uint64_t n_pokes = count_pokes(j);

        err = look(j, prefix, revision, asked_by(end_us), on_value, data);
        if (err != ERR_NOTFOUND || left_ms(end_us) == 0)
            return err;
        wait_for_poke(j, n_pokes, end_us);
        // The wait's end is no reason not to have looked.
        if (left_ms(end_us) == 0)
            return ERR_NOTFOUND;
    }
}
