// SPDX-License-Identifier: MIT
// tls_sessions.c — TLS sessions that are resumed, and the counts of handshakes.
//
// Left alone, each handle of libcurl keeps the last few sessions that it made itself, so
// a new connection is seldom made by the handle that knows the endpoint. A share of
// libcurl keeps sessions for all handles that use it, but few (8 in release 7.88). So
// endpoints are spread over many shares. libcurl resumes a session only for the same host
// and port and the same TLS options, among them the client certificate.
//
// libcurl 7.88 frees a connection's TLS object without having said goodbye, and OpenSSL
// then takes the session for broken: it would be resumed only as long as its first
// connection is open. So the program has its own SSL_free(), which tells OpenSSL that the
// goodbye was said. (A session that failed in earnest was dropped before.)
//
// It has its own SSL_new(), too, which asks OpenSSL to tell of alerts: so an error of TLS
// is known without libcurl's words for it.

#include <dlfcn.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/log/log.h"
#include "common/process/metrics.h"
#include "engine/sender/private.h"

#define HASH_SEED 5

// Functions of OpenSSL, which libcurl has loaded unless it was built with another library.
// NULL: it has another one.
static int (*session_reused)(const void *ssl);
static void (*alpn_selected)(const void *ssl, const unsigned char **at,
                             unsigned *n_bytes);

// Of OpenSSL: SSL_SENT_SHUTDOWN, SSL_CB_ALERT, SSL_CB_WRITE, SSL3_AL_FATAL.
#define SENT_SHUTDOWN 1
#define AT_ALERT      0x4000
#define AT_WRITE      0x08
#define FATAL         2

// libcurl calls this function: a program's own function takes precedence over that of a
// library.
void SSL_free(void *ssl);

void SSL_free(void *ssl)
{
    static void (*set_shutdown)(void *ssl, int mode);
    static void (*libssl_free)(void *ssl);

    if (libssl_free == NULL) {
        *(void **)&set_shutdown = dlsym(RTLD_NEXT, "SSL_set_shutdown");
        *(void **)&libssl_free = dlsym(RTLD_NEXT, "SSL_free");
    }
    if (ssl != NULL && set_shutdown != NULL)
        set_shutdown(ssl, SENT_SHUTDOWN);
    if (libssl_free != NULL) // or nobody could have made the object
        libssl_free(ssl);
}

// `alert`: its level and its number, a byte each.
static void on_tls_info(const void *ssl, int where, int alert)
{
    (void)ssl;
    if ((where & AT_ALERT) != 0 && alert >> 8 == FATAL)
        ending_alert((unsigned)alert & 0xff, (where & AT_WRITE) != 0);
}

// libcurl calls this function, too.
void *SSL_new(void *context);

void *SSL_new(void *context)
{
    static void *(*libssl_new)(void *context);
    static void (*tell_info)(void *ssl, void (*tell)(const void *, int, int));
    void *ssl;

    if (libssl_new == NULL) {
        *(void **)&tell_info = dlsym(RTLD_NEXT, "SSL_set_info_callback");
        *(void **)&libssl_new = dlsym(RTLD_NEXT, "SSL_new");
    }
    ssl = libssl_new != NULL ? libssl_new(context) : NULL;
    if (ssl != NULL && tell_info != NULL)
        tell_info(ssl, on_tls_info);
    return ssl;
}

static CURLSH *share_new(void)
{
    CURLSH *share = curl_share_init();

    // Names that were resolved, too: each connection of exchange.c has a libcurl handle
    // of its own, and would resolve its name again.
    if (share == NULL ||
        curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) !=
            CURLSHE_OK ||
        curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) !=
            CURLSHE_OK)
        log_panic("libcurl cannot share TLS sessions", "");
    return share;
}

void tls_share(struct transfer *t, struct str endpoint)
{
    CURLSH **share = &t->owner->shares[hash_here(endpoint, HASH_SEED) % SHARES];

    if (*share == NULL)
        *share = share_new();
    if (*share == t->share)
        return;
    SET(t->easy, CURLOPT_SHARE, *share);
    t->share = *share;
}

void tls_start(void)
{
    // POSIX has a function's address fit into a pointer to data.
    *(void **)&session_reused = dlsym(RTLD_DEFAULT, "SSL_session_reused");
    *(void **)&alpn_selected = dlsym(RTLD_DEFAULT, "SSL_get0_alpn_selected");
}

// OpenSSL's object of the connection. NULL: there is none, or another library.
static const void *ssl_of(CURL *easy)
{
    struct curl_tlssessioninfo *info = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK ||
        info == NULL || info->backend != CURLSSLBACKEND_OPENSSL)
        return NULL;
    return info->internals;
}

static bool speaks_http2(const struct transfer *t, const void *ssl)
{
    const unsigned char *at = NULL;
    unsigned n_bytes = 0;

    if (ssl == NULL || alpn_selected == NULL)
        return t->lane->endpoint != NULL;
    alpn_selected(ssl, &at, &n_bytes);
    return n_bytes == 2 && memcmp(at, "h2", 2) == 0;
}

void tls_look(struct transfer *t)
{
    bool is_https = str_starts(str_of(t->copy.at), STR("https:"));
    const void *ssl = is_https ? ssl_of(t->easy) : NULL;
    long n = 0;

    t->is_http2 = is_https && speaks_http2(t, ssl);
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &n);
    if (n <= t->n_connections)
        return;
    t->n_connections = n;
    metrics_count(COUNTER_CONNECTIONS_MADE, 1);
    if (!is_https)
        return;
    if (ssl != NULL && session_reused != NULL && session_reused(ssl) == 1) {
        metrics_count(COUNTER_HANDSHAKES_RESUMED, 1);
    } else {
        metrics_count(COUNTER_HANDSHAKES_FULL, 1);
    }
}
