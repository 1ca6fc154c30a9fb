// crypto.c — hashes, signatures and randomness, from mbedTLS and the kernel.

#include "common/crypto.h"

#include <mbedtls/base64.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/md.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <sys/random.h>
#include <sys/types.h>

#include "common/log.h"

#define BLOCK_BYTES 64 // of SHA-256

void crypto_sha256(struct str bytes, uint8_t out[SHA256_BYTES])
{
    if (mbedtls_sha256((const unsigned char *)bytes.at, bytes.n_bytes, out,
                       0) != 0)
        log_panic("sha256 failed", "bytes=%zu", bytes.n_bytes);
}

// HMAC written out on the hash (RFC 2104, section 2). Why not
// mbedtls_md_hmac(): it allocates two contexts a call, and this runs twice for
// every attempt.
void crypto_hmac_sha256(struct str key, const struct str *parts, size_t n_parts,
                        uint8_t out[SHA256_BYTES])
{
    uint8_t pad[BLOCK_BYTES] = { 0 };
    uint8_t inner[SHA256_BYTES];
    mbedtls_sha256_context sha;
    int rc = 0;

    if (key.n_bytes > BLOCK_BYTES) {
        crypto_sha256(key, pad);
    } else if (key.n_bytes > 0) {
        memcpy(pad, key.at, key.n_bytes);
    }

    mbedtls_sha256_init(&sha);
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        pad[i] ^= 0x36;
    rc |= mbedtls_sha256_starts(&sha, 0);
    rc |= mbedtls_sha256_update(&sha, pad, sizeof(pad));
    for (size_t i = 0; i < n_parts; i++) {
        rc |= mbedtls_sha256_update(&sha, (const unsigned char *)parts[i].at,
                                    parts[i].n_bytes);
    }
    rc |= mbedtls_sha256_finish(&sha, inner);

    for (size_t i = 0; i < BLOCK_BYTES; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    rc |= mbedtls_sha256_starts(&sha, 0);
    rc |= mbedtls_sha256_update(&sha, pad, sizeof(pad));
    rc |= mbedtls_sha256_update(&sha, inner, sizeof(inner));
    rc |= mbedtls_sha256_finish(&sha, out);
    mbedtls_sha256_free(&sha); // wipes
    crypto_wipe(pad, sizeof(pad));
    if (rc != 0)
        log_panic("hmac failed", "code=%d", rc);
}

void crypto_random(void *out, size_t n_bytes)
{
    uint8_t *to = out;

    while (n_bytes > 0) {
        ssize_t n = getrandom(to, n_bytes, 0);

        if (n <= 0)
            continue; // interrupted; it has no other failure
        to += n;
        n_bytes -= (size_t)n;
    }
}

bool crypto_eq(struct str a, struct str b)
{
    return a.n_bytes == b.n_bytes &&
           (a.n_bytes == 0 || mbedtls_ct_memcmp(a.at, b.at, a.n_bytes) == 0);
}

void crypto_wipe(void *at, size_t n_bytes)
{
    mbedtls_platform_zeroize(at, n_bytes);
}

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
