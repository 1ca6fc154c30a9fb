// SPDX-License-Identifier: MIT
// tls_server.c — what a listener needs to speak TLS, from PEM to mbedTLS.
//
// TLS 1.3, and 1.2 with ephemeral keys and AEAD alone: what is recorded today cannot
// be read with a key that is stolen later, and no suite is left whose padding or
// compression has a history. Renegotiation is off. Tickets are sealed with keys that
// change every hour and are in no file.

#include <mbedtls/base64.h>
#include <mbedtls/error.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <psa/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/base/random.h"
#include "common/log/log.h"
#include "common/stream/private.h"
#include "common/stream/tls_server.h"

#define CHAIN_MAX_BYTES ((size_t)15000) // of a message of the handshake

const uint8_t tls_refusal[TLS_REFUSAL_BYTES] = { 21, 3, 3, 0, 2, 2, 80 };

static const int suites[] = {
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    0
};
static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                   MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                   MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
                                   MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
                                   MBEDTLS_SSL_IANA_TLS_GROUP_NONE };
static const char *protocols[] = { "http/1.1", "http/1.0", NULL };

static int random_bytes(void *data, unsigned char *out, size_t n_bytes)
{
    (void)data;
    crypto_random(out, n_bytes);
    return 0;
}

// --- PEM ---

static const char *reason_of(int rc)
{
    static char text[128];

    mbedtls_strerror(rc, text, sizeof(text));
    return text;
}

// mbedTLS takes PEM with the NUL at its end. Free with drop().
static unsigned char *with_nul(struct str text)
{
    return (unsigned char *)xstrndup(text.at != NULL ? text.at : "",
                                     text.n_bytes);
}

static void drop(unsigned char *copy, struct str text)
{
    mbedtls_platform_zeroize(copy, text.n_bytes);
    free(copy);
}

static bool has_text(struct str text, const char *wanted)
{
    return text.n_bytes > 0 &&
           memmem(text.at, text.n_bytes, wanted, strlen(wanted)) != NULL;
}

// A positive result of mbedTLS counts certificates of the file that it did not
// understand.
static enum err read_certificates(mbedtls_x509_crt *out, struct str text,
                                  struct buf *why)
{
    unsigned char *copy = with_nul(text);
    int rc = mbedtls_x509_crt_parse(out, copy, text.n_bytes + 1);

    drop(copy, text);
    if (rc == 0)
        return OK;
    if (!has_text(text, "-----BEGIN CERTIFICATE-----")) {
        buf_puts(why, "holds no certificate in PEM (BEGIN CERTIFICATE)");
    } else if (rc > 0) {
        buf_printf(why, "holds %d certificates that cannot be read", rc);
    } else {
        buf_printf(why, "holds a certificate that cannot be read: %s",
                   reason_of(rc));
    }
    return ERR_INVALID;
}

// mbedTLS sends a chain in one message, which must fit into its buffer.
static enum err check_chain(const mbedtls_x509_crt *chain, struct buf *why)
{
    size_t n_bytes = 0;

    for (; chain != NULL; chain = chain->next)
        n_bytes += chain->raw.len;
    if (n_bytes <= CHAIN_MAX_BYTES)
        return OK;
    buf_printf(why, "holds %zu bytes of certificates; at most %zu are allowed",
               n_bytes, CHAIN_MAX_BYTES);
    return ERR_INVALID;
}

static enum err read_key(mbedtls_pk_context *out, struct str text,
                         struct buf *why)
{
    unsigned char *copy = with_nul(text);
    int rc = mbedtls_pk_parse_key(out, copy, text.n_bytes + 1, NULL, 0,
                                  random_bytes, NULL);

    drop(copy, text);
    if (rc == 0 && (mbedtls_pk_can_do(out, MBEDTLS_PK_RSA) ||
                    mbedtls_pk_can_do(out, MBEDTLS_PK_ECDSA)))
        return OK;
    if (!has_text(text, "PRIVATE KEY-----")) {
        buf_puts(why, "holds no private key in PEM (BEGIN PRIVATE KEY)");
    } else if (has_text(text, "ENCRYPTED")) {
        buf_puts(why, "holds a key with a passphrase; it must have none");
    } else {
        buf_printf(why,
                   "holds a key that cannot be used (RSA and ECDSA can be): %s",
                   rc != 0 ? reason_of(rc) : "it is of another kind");
    }
    return ERR_INVALID;
}

// --- mbedTLS ---

// Tickets that open are resumed sessions.
static int open_ticket(void *data, mbedtls_ssl_session *session,
                       unsigned char *ticket, size_t n_bytes)
{
    struct tls_server *s = data;
    int rc = mbedtls_ssl_ticket_parse(&s->tickets, session, ticket, n_bytes);

    s->n_resumed += rc == 0;
    return rc;
}

static int make_ticket(void *data, const mbedtls_ssl_session *session,
                       unsigned char *start, const unsigned char *end,
                       size_t *n_bytes, uint32_t *lifetime_s)
{
    struct tls_server *s = data;

    return mbedtls_ssl_ticket_write(&s->tickets, session, start, end, n_bytes,
                                    lifetime_s);
}

static int configure(struct tls_server *s)
{
    int rc = mbedtls_ssl_config_defaults(&s->config, MBEDTLS_SSL_IS_SERVER,
                                         MBEDTLS_SSL_TRANSPORT_STREAM,
                                         MBEDTLS_SSL_PRESET_DEFAULT);

    if (rc != 0)
        return rc;
    mbedtls_ssl_conf_rng(&s->config, random_bytes, NULL);
    mbedtls_ssl_conf_min_tls_version(&s->config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_ciphersuites(&s->config, suites);
    mbedtls_ssl_conf_groups(&s->config, groups);
    mbedtls_ssl_conf_renegotiation(&s->config,
                                   MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#ifdef MBEDTLS_SSL_PROTO_TLS1_3
    mbedtls_ssl_conf_tls13_key_exchange_modes(
        &s->config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ALL);
#endif
    rc = mbedtls_ssl_conf_alpn_protocols(&s->config, protocols);
    if (rc == 0)
        rc = mbedtls_ssl_conf_own_cert(&s->config, &s->certificate, &s->key);
    if (rc == 0) {
        rc = mbedtls_ssl_ticket_setup(&s->tickets, random_bytes, NULL,
                                      MBEDTLS_CIPHER_AES_256_GCM, TLS_TICKET_S);
    }
    mbedtls_ssl_conf_session_tickets_cb(&s->config, make_ticket, open_ticket,
                                        s);
    mbedtls_ssl_conf_authmode(&s->config, s->authorities.raw.len > 0
                                              ? MBEDTLS_SSL_VERIFY_REQUIRED
                                              : MBEDTLS_SSL_VERIFY_NONE);
    if (s->authorities.raw.len > 0)
        mbedtls_ssl_conf_ca_chain(&s->config, &s->authorities, NULL);
    return rc;
}

static struct tls_server *make_empty(void)
{
    struct tls_server *s = xcalloc(1, sizeof(*s));

    s->n_users = 1;
    mbedtls_ssl_config_init(&s->config);
    mbedtls_ssl_ticket_init(&s->tickets);
    mbedtls_x509_crt_init(&s->certificate);
    mbedtls_x509_crt_init(&s->authorities);
    mbedtls_pk_init(&s->key);
    return s;
}

static enum err fill(struct tls_server *s, const struct tls_texts *texts,
                     enum tls_part *part, struct buf *why)
{
    enum err err;
    int rc;

    *part = TLS_CERTIFICATE;
    err = read_certificates(&s->certificate, texts->of[TLS_CERTIFICATE], why);
    if (err == OK)
        err = check_chain(&s->certificate, why);
    if (err != OK)
        return err;
    *part = TLS_KEY;
    err = read_key(&s->key, texts->of[TLS_KEY], why);
    if (err != OK)
        return err;
    if (mbedtls_pk_check_pair(&s->certificate.pk, &s->key, random_bytes,
                              NULL) != 0) {
        buf_puts(why, "is not the key of the first certificate");
        return ERR_INVALID;
    }
    *part = TLS_CLIENT_CA;
    if (texts->of[TLS_CLIENT_CA].n_bytes > 0)
        err = read_certificates(&s->authorities, texts->of[TLS_CLIENT_CA], why);
    if (err != OK)
        return err;
    *part = TLS_CERTIFICATE;
    rc = psa_crypto_init() == PSA_SUCCESS ? configure(s)
                                          : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    if (rc != 0) {
        buf_printf(why, "cannot be used: %s", reason_of(rc));
        return ERR_INVALID;
    }
    return OK;
}

enum err tls_server_new(const struct tls_texts *texts, struct tls_server **out,
                        enum tls_part *part, struct buf *why)
{
    struct tls_server *s = make_empty();
    enum err err = fill(s, texts, part, why);

    if (err != OK) {
        tls_server_free(s);
        return err;
    }
    *out = s;
    return OK;
}

struct tls_server *tls_server_keep(struct tls_server *s)
{
    s->n_users++;
    return s;
}

void tls_server_free(struct tls_server *s)
{
    if (s == NULL || --s->n_users > 0)
        return;
    mbedtls_ssl_config_free(&s->config);
    mbedtls_ssl_ticket_free(&s->tickets);
    mbedtls_x509_crt_free(&s->certificate);
    mbedtls_x509_crt_free(&s->authorities);
    mbedtls_pk_free(&s->key);
    free(s);
}

// --- what is known of it ---

void tls_server_warn(const struct tls_server *s, struct buf *out)
{
    const mbedtls_x509_time *until = &s->certificate.valid_to;

    if (mbedtls_x509_time_is_past(until)) {
        buf_printf(out, "has expired on %04d-%02d-%02d; clients will refuse it",
                   until->year, until->mon, until->day);
    } else if (mbedtls_x509_time_is_future(&s->certificate.valid_from)) {
        buf_puts(out, "is not valid yet; clients will refuse it");
    }
}

int64_t tls_server_expires_at_s(const struct tls_server *s)
{
    const mbedtls_x509_time *until = &s->certificate.valid_to;
    struct tm at = { .tm_year = until->year - 1900,
                     .tm_mon = until->mon - 1,
                     .tm_mday = until->day,
                     .tm_hour = until->hour,
                     .tm_min = until->min,
                     .tm_sec = until->sec };

    return timegm(&at);
}

void tls_server_pin(const struct tls_server *s, char out[TLS_PIN_BYTES])
{
    static const char prefix[] = "sha256//";
    const mbedtls_x509_buf *key = &s->certificate.pk_raw;
    unsigned char hash[32];
    size_t n_bytes;

    memcpy(out, prefix, sizeof(prefix));
    if (mbedtls_sha256(key->p, key->len, hash, 0) != 0 ||
        mbedtls_base64_encode((unsigned char *)out + sizeof(prefix) - 1,
                              TLS_PIN_BYTES - sizeof(prefix) + 1, &n_bytes,
                              hash, sizeof(hash)) != 0)
        log_panic("a public key cannot be hashed", "");
}
