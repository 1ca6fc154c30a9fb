// SPDX-License-Identifier: MIT
// crypto.c — sealing, certificates and comparing, from mbedTLS; and text codes.

#include "common/encoding/crypto.h"

#include <mbedtls/base64.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/x509_crt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "common/base/mem.h"
#include "common/log/log.h"

bool crypto_eq(struct str a, struct str b)
{
    return a.n_bytes == b.n_bytes &&
           (a.n_bytes == 0 || mbedtls_ct_memcmp(a.at, b.at, a.n_bytes) == 0);
}

void crypto_wipe(void *at, size_t n_bytes)
{
    mbedtls_platform_zeroize(at, n_bytes);
}

void crypto_wipe_buf(struct buf *b)
{
    if (b->at != NULL)
        crypto_wipe(b->at, b->room_bytes);
    buf_clear(b);
}

// --- certificates ---

static int random_bytes(void *data, unsigned char *out, size_t n_bytes)
{
    (void)data;
    crypto_random(out, n_bytes);
    return 0;
}

// mbedTLS takes PEM with the NUL at its end.
static unsigned char *with_nul(struct str text)
{
    return (unsigned char *)xstrndup(text.at, text.n_bytes);
}

enum err crypto_check_pair(struct str certificate, struct str key,
                           const char **why)
{
    unsigned char *certificate_text = with_nul(certificate);
    unsigned char *key_text = with_nul(key);
    mbedtls_x509_crt crt;
    mbedtls_pk_context pk;

    *why = NULL;
    mbedtls_x509_crt_init(&crt);
    mbedtls_pk_init(&pk);
    if (mbedtls_x509_crt_parse(&crt, certificate_text,
                               certificate.n_bytes + 1) != 0) {
        *why = "clientCertificate must be certificates in PEM, the client's "
               "first";
    } else if (mbedtls_pk_parse_key(&pk, key_text, key.n_bytes + 1, NULL, 0,
                                    random_bytes, NULL) != 0) {
        *why = "clientKey must be a private key in PEM, without a passphrase";
    } else if (mbedtls_pk_check_pair(&crt.pk, &pk, random_bytes, NULL) != 0) {
        *why = "clientKey is not the key of clientCertificate";
    }
    mbedtls_x509_crt_free(&crt);
    mbedtls_pk_free(&pk);
    crypto_wipe(key_text, key.n_bytes);
    free(key_text);
    free(certificate_text);
    return *why == NULL ? OK : ERR_INVALID;
}

enum err crypto_check_authorities(const char *path)
{
    mbedtls_x509_crt crt;
    enum err err = OK;
    int rc;

    mbedtls_x509_crt_init(&crt);
    rc = mbedtls_x509_crt_parse_file(&crt, path);
    if (rc == MBEDTLS_ERR_X509_FILE_IO_ERROR ||
        rc == MBEDTLS_ERR_PK_FILE_IO_ERROR) {
        err = ERR_DENIED;
    } else if (crt.raw.len == 0) { // some of many may be of an unknown kind
        err = ERR_INVALID;
    }
    mbedtls_x509_crt_free(&crt);
    return err;
}

// --- text ---

void crypto_put_hex(struct buf *b, const void *bytes, size_t n_bytes)
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    char *to = buf_reserve(b, n_bytes * 2);

    if (to == NULL)
        return;
    for (size_t i = 0; i < n_bytes; i++) {
        to[2 * i] = hex[from[i] >> 4];
        to[2 * i + 1] = hex[from[i] & 15];
    }
    buf_added(b, n_bytes * 2);
}

void crypto_put_base64(struct buf *b, const void *bytes, size_t n_bytes)
{
    size_t room_bytes = (n_bytes + 2) / 3 * 4 + 1; // mbedTLS writes a NUL
    size_t n = 0;
    char *to = buf_reserve(b, room_bytes);

    if (to == NULL)
        return;
    if (mbedtls_base64_encode((unsigned char *)to, room_bytes, &n, bytes,
                              n_bytes) != 0)
        log_panic("base64 failed", "bytes=%zu", n_bytes);
    buf_added(b, n);
}

enum err crypto_base64_decode(struct str text, struct buf *out)
{
    size_t room_bytes = text.n_bytes / 4 * 3 + 3;
    size_t n = 0;
    char *to = buf_reserve(out, room_bytes);

    if (to == NULL)
        return ERR_TOOBIG;
    if (mbedtls_base64_decode((unsigned char *)to, room_bytes, &n,
                              (const unsigned char *)text.at,
                              text.n_bytes) != 0)
        return ERR_INVALID;
    buf_added(out, n);
    return OK;
}
