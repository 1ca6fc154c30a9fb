// SPDX-License-Identifier: MIT
// nats_subscriptions.c — the end of subscriptions. libnats 3.4.1 reads the memory of one that is
// destroyed while a message for it arrives, so each is withdrawn first, and destroyed once the
// thread that receives cannot have it in its hands any more.

#include <stdlib.h>

#include "common/base/mem.h"
#include "queue/journal_nats/nats_private.h"

#define FLUSH_MS 1000

// One that is withdrawn, and could not be destroyed yet.
struct withdrawn {
    natsSubscription *sub; // owned
    struct withdrawn *next;
};

static void on_complete(void *data)
{
    struct nats_journal *j = data;

    pthread_mutex_lock(&j->lock);
    j->n_open--;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

enum err subscription_count(struct nats_journal *j, natsSubscription *sub)
{
    pthread_mutex_lock(&j->lock);
    j->n_open++;
    pthread_mutex_unlock(&j->lock);
    if (natsSubscription_SetOnCompleteCB(sub, on_complete, j) == NATS_OK)
        return OK;
    on_complete(j);
    return ERR_IO;
}

void subscription_withdraw(struct nats_journal *j, natsSubscription *sub)
{
    struct withdrawn *w;

    if (sub == NULL)
        return;
    natsSubscription_Unsubscribe(sub);
    w = xcalloc(1, sizeof(*w));
    w->sub = sub;
    pthread_mutex_lock(&j->lock);
    w->next = j->withdrawn;
    j->withdrawn = w;
    pthread_mutex_unlock(&j->lock);
}

void subscription_end(struct nats_journal *j, natsSubscription *sub)
{
    if (sub == NULL)
        return;
    natsSubscription_Unsubscribe(sub);
    // The answer is read by the thread that receives messages, behind what it was at.
    if (natsConnection_FlushTimeout(j->nc, FLUSH_MS) == NATS_OK) {
        natsSubscription_Destroy(sub);
    } else {
        subscription_withdraw(j, sub);
    }
}

void subscriptions_wait(struct nats_journal *j)
{
    pthread_mutex_lock(&j->lock);
    while (j->n_open > 0)
        pthread_cond_wait(&j->changed, &j->lock);
    pthread_mutex_unlock(&j->lock);
}

void subscriptions_free(struct nats_journal *j)
{
    while (j->withdrawn != NULL) {
        struct withdrawn *w = j->withdrawn;

        j->withdrawn = w->next;
        natsSubscription_Destroy(w->sub);
        free(w);
    }
}
