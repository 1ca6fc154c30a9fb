// SPDX-License-Identifier: MIT
// nats_requests.c — requests and answers, by plain NATS. The first byte of an answer says
// whether there is one.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "queue/journal_nats/nats_private.h"

#define IS_ANSWER   '+'
#define IS_NONE     '-'
#define SERVE_MS    5000
#define NOBODY_MS   300
#define QUEUE_GROUP "posthorn"

static void put_subject(struct str address, char out[SUBJECT_BYTES])
{
    snprintf(out, SUBJECT_BYTES, "posthorn.r.%.*s", STR_ARG(address));
}

// --- asking ---

static enum err read_answer(const natsMsg *msg, struct buf *answer)
{
    const char *data = natsMsg_GetData(msg);
    int n = natsMsg_GetDataLength(msg);

    if (n < 1 || data[0] != IS_ANSWER)
        return ERR_AGAIN;
    buf_put(answer, data + 1, (size_t)n - 1);
    return OK;
}

static natsStatus ask_for(struct nats_journal *j, const char *subject,
                          struct str body, int64_t end_us, natsMsg **msg)
{
    int64_t ms = left_ms(end_us);

    return natsConnection_Request(msg, j->nc, subject,
                                  body.n_bytes > 0 ? body.at : "",
                                  (int)body.n_bytes, ms > 0 ? ms : 1);
}

enum err nats_request(struct journal *journal, struct str address,
                      struct str body, int64_t wait_ms, struct buf *answer)
{
    struct nats_journal *j = nats_of(journal);
    int64_t end_us = end_in(wait_ms);
    char subject[SUBJECT_BYTES];
    natsMsg *msg = NULL;
    int64_t nobody_us;
    natsStatus s;
    enum err err;

    if (!journal_name_is_valid(address))
        return ERR_INVALID;
    if (body.n_bytes > JOURNAL_REQUEST_BYTES)
        return ERR_TOOBIG;
    put_subject(address, subject);
    // What is published without a connection would be sent whenever there is one again.
    while (natsConnection_Status(j->nc) != NATS_CONN_STATUS_CONNECTED &&
           left_ms(end_us) > 0)
        back_off(end_us);
    if (left_ms(end_us) == 0)
        return ERR_AGAIN;
    // Servers tell each other a little later who serves what.
    nobody_us = end_in(NOBODY_MS);
    while ((s = ask_for(j, subject, body, end_us, &msg)) ==
               NATS_NO_RESPONDERS &&
           left_ms(nobody_us) > 0 && left_ms(end_us) > 0)
        nats_Sleep(NOBODY_MS / 10);
    if (s != NATS_OK)
        return s == NATS_NO_RESPONDERS ? ERR_NOTFOUND : ERR_AGAIN;
    err = read_answer(msg, answer);
    natsMsg_Destroy(msg);
    return err;
}

// --- answering ---

static void on_request(natsConnection *nc, natsSubscription *sub, natsMsg *msg,
                       void *data)
{
    const struct served *served = data;
    struct str body = { natsMsg_GetData(msg),
                        (size_t)natsMsg_GetDataLength(msg) };
    const char *reply = natsMsg_GetReply(msg);
    struct buf answer;
    enum err err;

    (void)sub;
    buf_init(&answer, JOURNAL_REQUEST_BYTES + 1);
    buf_putc(&answer, IS_ANSWER);
    err = served->fn(served->data, body, &answer);
    if (err != OK || answer.overflow) {
        buf_reset(&answer);
        buf_putc(&answer, IS_NONE);
    }
    // Whoever asked waits no longer than its time, should this fail.
    if (reply != NULL)
        natsConnection_Publish(nc, reply, answer.at, (int)answer.n_bytes);
    buf_clear(&answer);
    natsMsg_Destroy(msg);
}

static bool is_served(const struct nats_journal *j, const char *address)
{
    for (const struct served *s = j->served; s != NULL; s = s->next) {
        if (strcmp(s->address, address) == 0)
            return true;
    }
    return false;
}

// Room for the address in the list. NULL: it is there.
static struct served *add_served(struct nats_journal *j, struct str address,
                                 journal_serve_fn fn, void *data)
{
    struct served *served = xcalloc(1, sizeof(*served));

    snprintf(served->address, sizeof(served->address), "%.*s",
             STR_ARG(address));
    served->j = j;
    served->fn = fn;
    served->data = data;
    pthread_mutex_lock(&j->lock);
    if (is_served(j, served->address)) {
        free(served);
        served = NULL;
    } else {
        served->next = j->served;
        j->served = served;
    }
    pthread_mutex_unlock(&j->lock);
    return served;
}

// Its callbacks may still run: the memory stays until the journal is closed, and the address
// is nobody's.
static void withdraw(struct nats_journal *j, struct served *served)
{
    subscription_withdraw(j, served->sub);
    pthread_mutex_lock(&j->lock);
    served->sub = NULL;
    served->address[0] = '\0';
    pthread_mutex_unlock(&j->lock);
}

enum err nats_serve(struct journal *journal, struct str address,
                    journal_serve_fn fn, void *data)
{
    struct nats_journal *j = nats_of(journal);
    char subject[SUBJECT_BYTES];
    struct served *served;
    enum err err = ERR_AGAIN;

    if (!journal_name_is_valid(address))
        return ERR_INVALID;
    put_subject(address, subject);
    served = add_served(j, address, fn, data);
    if (served == NULL)
        return ERR_EXISTS;
    if (natsConnection_QueueSubscribe(&served->sub, j->nc, subject, QUEUE_GROUP,
                                      on_request, served) == NATS_OK)
        err = subscription_count(j, served->sub);
    // Until the server has it, requests would find nobody.
    if (err == OK && natsConnection_FlushTimeout(j->nc, SERVE_MS) == NATS_OK)
        return OK;
    withdraw(j, served);
    return ERR_AGAIN;
}
