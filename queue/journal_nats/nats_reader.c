// SPDX-License-Identifier: MIT
// nats_reader.c — reading a chain: a consumer in the memory of one server, pulled by hand. It
// is made anew at the last entry that was read whenever it is lost.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/encoding/json_writer.h"
#include "queue/journal_nats/nats_private.h"

#define SECOND_NS      INT64_C(1000000000)
#define OPEN_MS        5000
#define PULL_MS        30000
#define PULL_MESSAGES  64
#define PULL_BYTES     (4 * 1024 * 1024)
#define CONSUMER_BYTES 80

struct nats_reader {
    struct journal_reader base; // first
    struct nats_journal *j;     // borrowed
    enum stream stream;
    char subject[SUBJECT_BYTES];
    uint64_t cursor; // the last entry that was read

    char consumer[CONSUMER_BYTES]; // its name; empty: there is none
    natsInbox *inbox;              // owned
    natsSubscription *sub;         // owned
    uint64_t n_delivered;          // by this consumer
    unsigned n_asked; // messages that may still come; 0: ask for more
    int64_t pull_ends_us;
    int64_t heard_us; // when something came the last time
    int64_t left_us;  // when the last call ended
    natsMsg *current; // owned; the caller reads it
    bool is_gone;
};

// --- the consumer ---

static void drop_consumer(struct nats_reader *r)
{
    subscription_end(r->j, r->sub);
    natsInbox_Destroy(r->inbox);
    r->sub = NULL;
    r->inbox = NULL;
    r->consumer[0] = '\0';
    r->n_asked = 0;
}

static void put_consumer(const struct nats_reader *r, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_open_object(&w, NULL);
    json_put_text(&w, "stream_name", stream_name(r->stream));
    json_open_object(&w, "config");
    json_put_text(&w, "deliver_policy", "by_start_sequence");
    json_put_u64(&w, "opt_start_seq", r->cursor + 1);
    json_put_text(&w, "ack_policy", "none");
    json_put_text(&w, "replay_policy", "instant");
    json_put_text(&w, "filter_subject", r->subject);
    json_put_i64(&w, "inactive_threshold", 2 * PULL_MS / 1000 * SECOND_NS);
    json_put_i64(&w, "num_replicas", 1);
    json_put_bool(&w, "mem_storage", true);
    json_close(&w);
    json_close(&w);
}

static enum err ask_for_consumer(struct nats_reader *r, int64_t end_us)
{
    char subject[SUBJECT_BYTES];
    struct buf body;
    struct answer a;
    enum err err;

    snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.CREATE.%s",
             stream_name(r->stream));
    buf_init(&body, 0);
    put_consumer(r, &body);
    err = ask(r->j, subject, buf_str(&body), end_us, &a);
    if (err == OK) {
        snprintf(r->consumer, sizeof(r->consumer), "%.*s",
                 STR_ARG(json_str(json_get(a.root, "name"))));
    }
    answer_free(&a);
    buf_clear(&body);
    return err == OK && r->consumer[0] != '\0' ? OK : ERR_AGAIN;
}

static enum err make_consumer(struct nats_reader *r, int64_t end_us)
{
    enum err err = stream_ready(r->j, r->stream, end_us);

    if (err == OK)
        err = ask_for_consumer(r, end_us);
    if (err != OK) {
        back_off(end_us);
        return ERR_AGAIN;
    }
    r->n_delivered = 0;
    r->heard_us = clock_mono_us();
    if (natsInbox_Create(&r->inbox) == NATS_OK &&
        natsConnection_SubscribeSync(&r->sub, r->j->nc, r->inbox) == NATS_OK)
        return OK;
    drop_consumer(r);
    return ERR_AGAIN;
}

static void pull(struct nats_reader *r)
{
    char subject[SUBJECT_BYTES];
    char body[160];
    int n;

    if (r->n_asked > 0 && clock_mono_us() < r->pull_ends_us)
        return;
    snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s",
             stream_name(r->stream), r->consumer);
    n = snprintf(body, sizeof(body),
                 "{\"batch\":%d,\"max_bytes\":%d,\"expires\":%lld,"
                 "\"idle_heartbeat\":%lld}",
                 PULL_MESSAGES, PULL_BYTES,
                 (long long)(PULL_MS / 1000 * SECOND_NS), (long long)SECOND_NS);
    if (natsConnection_PublishRequest(r->j->nc, subject, r->inbox, body, n) ==
        NATS_OK) {
        r->n_asked = PULL_MESSAGES;
        r->pull_ends_us = clock_mono_us() + (PULL_MS + 1000) * INT64_C(1000);
    }
}

// --- what comes ---

// "$JS.ACK.<stream>.<consumer>.<tries>.<sequence>.<of the consumer>.<time>.<pending>", or with
// domain and account behind "ACK", and one more at the end.
static bool read_numbers(const natsMsg *msg, uint64_t *seq, uint64_t *n)
{
    const char *reply = natsMsg_GetReply(msg);
    const char *tokens[16];
    int n_tokens = 0;
    int at;

    for (const char *c = reply; c != NULL && n_tokens < 16; n_tokens++) {
        tokens[n_tokens] = c;
        c = strchr(c, '.');
        if (c != NULL)
            c++;
    }
    if (n_tokens < 9 || strncmp(reply, "$JS.ACK.", 8) != 0)
        return false;
    at = n_tokens >= 11 ? 7 : 5;
    *seq = strtoull(tokens[at], NULL, 10);
    *n = strtoull(tokens[at + 1], NULL, 10);
    return *seq > 0;
}

// A sign of life tells how much has been delivered: what went to a connection that broke is
// not delivered again, and nothing may follow by which that would be noticed.
static bool has_lost(const struct nats_reader *r, natsMsg *msg)
{
    const char *n = NULL;

    return natsMsgHeader_Get(msg, "Nats-Last-Consumer", &n) == NATS_OK &&
           strtoull(n, NULL, 10) > r->n_delivered;
}

// 100: a sign of life. 404, 408 and some of 409: what was asked for is over. Others: the
// consumer is lost.
static void heed_status(struct nats_reader *r, const char *status, natsMsg *msg)
{
    const char *text = NULL;

    if (strcmp(status, "100") == 0) {
        if (has_lost(r, msg))
            drop_consumer(r);
        return;
    }
    r->n_asked = 0;
    if (natsMsgHeader_Get(msg, "Description", &text) != NATS_OK)
        text = "";
    if (strcmp(status, "404") != 0 && strcmp(status, "408") != 0 &&
        strstr(text, "MaxBytes") == NULL && strstr(text, "Batch") == NULL)
        drop_consumer(r);
}

// The entry names the one that it was put behind: if that one was not read, and is not older
// than what was, it is not there any more.
static bool follows(const struct nats_reader *r, natsMsg *msg)
{
    const char *after = NULL;

    return r->cursor == 0 ||
           natsMsgHeader_Get(msg, "Nats-Expected-Last-Subject-Sequence",
                             &after) != NATS_OK ||
           strtoull(after, NULL, 10) <= r->cursor;
}

// OK: *out. ERR_AGAIN: it was no entry, or one that was read before. ERR_GONE.
static enum err take(struct nats_reader *r, natsMsg *msg,
                     struct journal_entry *out)
{
    const char *status = NULL;
    const char *id = NULL;
    uint64_t seq;
    uint64_t n;

    r->heard_us = clock_mono_us();
    if (natsMsgHeader_Get(msg, "Status", &status) == NATS_OK) {
        heed_status(r, status, msg);
        return ERR_AGAIN;
    }
    if (!read_numbers(msg, &seq, &n) || n != r->n_delivered + 1) {
        drop_consumer(r);
        return ERR_AGAIN;
    }
    r->n_delivered = n;
    if (r->n_asked > 0)
        r->n_asked--;
    if (seq <= r->cursor)
        return ERR_AGAIN;
    if (!follows(r, msg)) {
        r->is_gone = true;
        return ERR_GONE;
    }
    r->cursor = seq;
    *out = (struct journal_entry){
        .seq = seq,
        .bytes = { natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg) }
    };
    if (natsMsgHeader_Get(msg, "Nats-Msg-Id", &id) == NATS_OK)
        entry_id_read(id, out->id);
    return OK;
}

// --- the reader ---

enum err nats_reader_open(struct journal *journal, unsigned chain,
                          uint64_t after, struct journal_reader **out)
{
    struct nats_reader *r;
    enum err err;

    if (chain >= JOURNAL_CHAINS_MAX)
        return ERR_INVALID;
    r = xcalloc(1, sizeof(*r));
    r->base.ops = journal->ops;
    r->j = nats_of(journal);
    r->stream = stream_of_chain(chain);
    r->cursor = after;
    r->left_us = clock_mono_us();
    subject_of_chain(chain, r->subject);
    err = make_consumer(r, end_in(OPEN_MS));
    if (err != OK) {
        nats_reader_close(&r->base);
        return err;
    }
    pull(r);
    *out = &r->base;
    return OK;
}

static bool is_lost(const struct nats_reader *r)
{
    return clock_mono_us() - r->heard_us > LOST_AFTER_MS * INT64_C(1000);
}

// Waits for one message. OK, ERR_AGAIN and ERR_GONE as take(); ERR_NOTFOUND: nothing came.
static enum err await(struct nats_reader *r, int64_t end_us,
                      struct journal_entry *out)
{
    int64_t until_lost =
        left_ms(r->heard_us + (LOST_AFTER_MS + 1) * INT64_C(1000));
    int64_t ms = left_ms(end_us);
    natsMsg *msg = NULL;
    natsStatus s;
    enum err err;

    pull(r);
    if (until_lost < ms)
        ms = until_lost;
    s = natsSubscription_NextMsg(&msg, r->sub, ms);
    if (s == NATS_TIMEOUT) {
        if (is_lost(r))
            drop_consumer(r);
        return ERR_NOTFOUND;
    }
    if (s != NATS_OK) { // messages were dropped, or the connection is closed
        drop_consumer(r);
        return ERR_NOTFOUND;
    }
    err = take(r, msg, out);
    if (err == OK) {
        r->current = msg;
    } else {
        natsMsg_Destroy(msg);
    }
    return err;
}

enum err nats_reader_next(struct journal_reader *reader, int64_t wait_ms,
                          struct journal_entry *out)
{
    struct nats_reader *r = (struct nats_reader *)reader;
    int64_t end_us = end_in(wait_ms);
    enum err err = r->is_gone ? ERR_GONE : ERR_NOTFOUND;

    natsMsg_Destroy(r->current);
    r->current = NULL;
    // Nobody listened meanwhile.
    if (clock_mono_us() - r->left_us > 1000000)
        r->heard_us = clock_mono_us();
    while (err != OK && err != ERR_GONE) {
        // What is there comes, however short the wait is.
        bool is_over = left_ms(end_us) == 0;

        if (r->consumer[0] != '\0') {
            err = await(r, end_us, out);
        } else if (make_consumer(r, asked_by(end_us)) != OK) {
            err = ERR_NOTFOUND;
        }
        if (is_over && err == ERR_NOTFOUND)
            break;
    }
    r->left_us = clock_mono_us();
    return err == ERR_NOTFOUND && r->consumer[0] == '\0' ? ERR_AGAIN : err;
}

void nats_reader_close(struct journal_reader *reader)
{
    struct nats_reader *r = (struct nats_reader *)reader;
    char subject[SUBJECT_BYTES];

    if (r->consumer[0] != '\0') {
        // Not waited for: without anybody who asks, it ends by itself.
        snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.DELETE.%s.%s",
                 stream_name(r->stream), r->consumer);
        natsConnection_PublishString(r->j->nc, subject, "");
    }
    drop_consumer(r);
    natsMsg_Destroy(r->current);
    free(r);
}
