// SPDX-License-Identifier: MIT
// journal_nats.c — connects, and is what the program finds in the module.

#include "queue/journal_nats/journal_nats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "queue/journal_nats/nats_private.h"

#define CONNECT_MS    2000
#define RECONNECT_MS  250
#define PING_MS       2000
#define PINGS_OUT     2
#define TELL_MS       100
#define SERVERS_MAX   64
#define ADDRESS_BYTES 512
#define REPLICAS      3
#define MAX_BYTES     (UINT64_C(8) << 30)
#define REPLICAS_MAX  5

// --- the servers of the URL ---

struct addresses {
    char text[SERVERS_MAX][ADDRESS_BYTES];
    const char *list[SERVERS_MAX];
    int n;
    bool is_secure;
};

// "nats://a:1,b" becomes "nats://a:1" and "nats://b"; a user that the first one has is that
// of all. False: an address is empty or too long, or there are too many.
static bool split_url(const char *url, struct addresses *out)
{
    const char *at = strstr(url, "://") + 3;
    int n_scheme = (int)(at - url);
    size_t n_first = strcspn(at, ",");
    const char *user = memchr(at, '@', n_first);
    int n_user = user != NULL ? (int)(user + 1 - at) : 0;

    out->is_secure = strncmp(url, "tls://", 6) == 0;
    out->n = 0;
    for (const char *part = at; out->n < SERVERS_MAX;) {
        size_t n = strcspn(part, ",");
        const char *own =
            strncmp(part, url, (size_t)n_scheme) == 0 ? part + n_scheme : part;
        size_t n_own = n - (size_t)(own - part);
        bool has_user = memchr(own, '@', n_own) != NULL;
        int wrote =
            snprintf(out->text[out->n], ADDRESS_BYTES, "%.*s%.*s%.*s", n_scheme,
                     url, has_user ? 0 : n_user, at, (int)n_own, own);

        if (n_own == 0 || wrote >= ADDRESS_BYTES)
            return false;
        out->list[out->n] = out->text[out->n];
        out->n++;
        if (part[n] == '\0')
            return true;
        part += n + 1;
    }
    return false;
}

// "host:port,…", without users and passwords.
static char *plain_list(const struct addresses *from)
{
    struct buf list;
    char host[256];
    char port[8];
    size_t n;

    buf_init(&list, 0);
    for (int i = 0; i < from->n; i++) {
        address_split(from->list[i], "4222", host, port);
        buf_printf(&list, strchr(host, ':') != NULL ? "%s[%s]:%s" : "%s%s:%s",
                   i > 0 ? "," : "", host, port);
    }
    buf_cstr(&list);
    return buf_take(&list, &n);
}

// --- options ---

// The library's own would write to the process's stderr.
static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus s,
                     void *data)
{
    (void)nc;
    (void)sub;
    (void)s;
    (void)data;
}

// Without one, connecting would wait until a server runs.
static void on_connected(natsConnection *nc, void *data)
{
    (void)nc;
    (void)data;
}

static natsStatus set_times(natsOptions *o)
{
    natsStatus s = natsOptions_SetTimeout(o, CONNECT_MS);

    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(o, PING_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxPingsOut(o, PINGS_OUT);
    if (s == NATS_OK)
        s = natsOptions_SetMaxReconnect(o, -1);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectWait(o, RECONNECT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectJitter(o, RECONNECT_MS, RECONNECT_MS);
    return s;
}

static natsStatus set_ways(natsOptions *o, const char *node)
{
    natsStatus s = natsOptions_SetName(o, node != NULL ? node : "posthorn");

    if (s == NATS_OK)
        s = natsOptions_SetRetryOnFailedConnect(o, true, on_connected, NULL);
    if (s == NATS_OK)
        s = natsOptions_SetFailRequestsOnDisconnect(o, true);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(o, on_error, NULL);
    if (s == NATS_OK)
        s = natsOptions_SetSendAsap(o, true);
    return s;
}

// Sets what a file contains; says which one does not do.
static enum err set_files(natsOptions *o, const struct journal_config *c,
                          struct buf *why)
{
    natsStatus s = NATS_OK;
    const char *file = c->credentials;

    if (file != NULL)
        s = natsOptions_SetUserCredentialsFromFiles(o, file, NULL);
    if (s == NATS_OK && c->authorities != NULL) {
        file = c->authorities;
        s = natsOptions_LoadCATrustedCertificates(o, file);
    }
    if (s == NATS_OK && c->certificate != NULL) {
        file = c->certificate;
        s = natsOptions_LoadCertificatesChain(o, file, c->key);
    }
    if (s == NATS_OK)
        return OK;
    buf_printf(why, "%s cannot be used: %s", file, natsStatus_GetText(s));
    return ERR_INVALID;
}

static enum err set_options(natsOptions *o, const struct journal_config *c,
                            struct addresses *servers, struct buf *why)
{
    natsStatus s = natsOptions_SetServers(o, servers->list, servers->n);

    if (s == NATS_OK)
        s = set_times(o);
    if (s == NATS_OK)
        s = set_ways(o, c->node);
    if (s == NATS_OK && servers->is_secure)
        s = natsOptions_SetSecure(o, true);
    if (s == NATS_OK)
        return set_files(o, c, why);
    buf_printf(why, "the URL cannot be used: %s", natsStatus_GetText(s));
    return ERR_INVALID;
}

// --- life ---

static void free_served(struct nats_journal *j)
{
    while (j->served != NULL) {
        struct served *s = j->served;

        j->served = s->next;
        free(s);
    }
}

// Callbacks of the subscriptions end before what they use is freed.
static void close_nats(struct journal *journal)
{
    struct nats_journal *j = nats_of(journal);

    for (struct served *s = j->served; s != NULL; s = s->next)
        subscription_withdraw(j, s->sub);
    subscription_withdraw(j, j->pokes);
    if (j->nc != NULL) {
        // Then the server sends requests to nobody here, and has told the other servers: what
        // they still send here would be lost instead of refused.
        if (j->served != NULL) {
            natsConnection_FlushTimeout(j->nc, CONNECT_MS);
            nats_Sleep(TELL_MS);
        }
        natsConnection_Close(j->nc);
    }
    subscriptions_wait(j);
    subscriptions_free(j);
    natsConnection_Destroy(j->nc);
    free_served(j);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    free(j->urls);
    free(j->monitors);
    free(j);
}

static const struct journal_ops ops = {
    .close = close_nats,
    .judge = nats_judge,
    .append = nats_append,
    .last = nats_last,
    .trim = nats_trim,
    .reader_open = nats_reader_open,
    .reader_next = nats_reader_next,
    .reader_close = nats_reader_close,
    .value_get = nats_value_get,
    .value_put = nats_value_put,
    .value_watch = nats_value_watch,
    .lease_take = nats_lease_take,
    .lease_keep = nats_lease_keep,
    .lease_give = nats_lease_give,
    .lease_get = nats_lease_get,
    .request = nats_request,
    .serve = nats_serve,
};

static struct nats_journal *make_journal(const struct journal_config *c,
                                         const struct addresses *servers)
{
    struct nats_journal *j = xcalloc(1, sizeof(*j));
    pthread_condattr_t attributes;

    j->base.ops = &ops;
    j->urls = plain_list(servers);
    j->monitors = c->monitors != NULL ? xstrdup(c->monitors) : NULL;
    j->replicas = c->replicas > 0 ? c->replicas : REPLICAS;
    j->max_bytes = c->max_bytes > 0 ? c->max_bytes : MAX_BYTES;
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&j->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return j;
}

static enum err connect_to(struct nats_journal *j, natsOptions *o,
                           struct buf *why)
{
    natsStatus s = natsConnection_Connect(&j->nc, o);
    const char *text = NULL;

    // It goes on trying, unless it was told that it may not.
    if ((s == NATS_OK || s == NATS_NOT_YET_CONNECTED) &&
        nats_values_open(j) == OK)
        return OK;
    if (j->nc == NULL || natsConnection_GetLastError(j->nc, &text) == NATS_OK ||
        text == NULL || text[0] == '\0')
        text = natsStatus_GetText(s);
    buf_printf(why, "%s cannot be used: %s", j->urls, text);
    return ERR_INVALID;
}

static enum err open_nats(const struct journal_config *c, struct buf *why,
                          struct journal **out)
{
    struct addresses *servers = xcalloc(1, sizeof(*servers));
    struct nats_journal *j = NULL;
    natsOptions *options = NULL;
    enum err err = ERR_INVALID;

    if (!nats_CheckCompatibility() || natsOptions_Create(&options) != NATS_OK) {
        buf_puts(why, "libnats is not the one that the module was built with");
    } else if (c->replicas > REPLICAS_MAX || !split_url(c->url, servers)) {
        buf_puts(why, "needed is nats://host[:port],… or tls://… of up to 64 "
                      "servers, and up to 5 replicas");
    } else {
        err = set_options(options, c, servers, why);
    }
    if (err == OK) {
        j = make_journal(c, servers);
        err = connect_to(j, options, why);
    }
    if (err == OK) {
        *out = &j->base;
    } else if (j != NULL) {
        close_nats(&j->base);
    }
    natsOptions_Destroy(options);
    free(servers);
    return err;
}

const struct journal_module posthorn_journal_module = {
    .version = JOURNAL_MODULE_VERSION,
    .open = open_nats,
};
