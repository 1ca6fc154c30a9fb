// SPDX-License-Identifier: MIT
// sha256.c — hashes and signatures, from libcrypto: it uses the processor's instructions
// for SHA-256, which mbedTLS does not, and every attempt is signed twice.

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "common/encoding/crypto.h"
#include "common/log/log.h"

#define BLOCK_BYTES 64 // of SHA-256

static EVP_MD *sha256; // looked up once: that takes longer than a hash
static pthread_once_t is_looked_up = PTHREAD_ONCE_INIT;

// A thread's own: its memory is used again by every hash. Kept until the thread ends.
static pthread_key_t context_key;

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

// In a library context of its own no file is read: a role may be confined already, and
// the system's configuration, which TLS obeys, cannot take SHA-256 away.
static void look_up(void)
{
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();

    if (library != NULL)
        sha256 = EVP_MD_fetch(library, "SHA256", NULL);
    if (sha256 == NULL)
        log_panic("libcrypto has no SHA-256", "");
    if (pthread_key_create(&context_key, free_context) != 0)
        log_panic("too many thread keys", "");
}

static EVP_MD_CTX *context(void)
{
    EVP_MD_CTX *c;

    pthread_once(&is_looked_up, look_up);
    c = pthread_getspecific(context_key);
    if (c == NULL) {
        c = EVP_MD_CTX_new();
        if (c == NULL || pthread_setspecific(context_key, c) != 0)
            log_panic("out of memory", "");
    }
    return c;
}

// Hashes `first`, and the parts in order, as one message.
static void hash(EVP_MD_CTX *c, struct str first, const struct str *parts,
                 size_t n_parts, uint8_t out[SHA256_BYTES])
{
    int ok = EVP_DigestInit_ex2(c, sha256, NULL) &&
             EVP_DigestUpdate(c, first.at, first.n_bytes);

    for (size_t i = 0; i < n_parts; i++)
        ok = ok && EVP_DigestUpdate(c, parts[i].at, parts[i].n_bytes);
    if (!ok || !EVP_DigestFinal_ex(c, out, NULL))
        log_panic("sha256 failed", "bytes=%zu", first.n_bytes);
}

void crypto_sha256(struct str bytes, uint8_t out[SHA256_BYTES])
{
    hash(context(), bytes, NULL, 0, out);
}

// HMAC written out on the hash (RFC 2104, section 2). Libcrypto's own needs a lookup and
// two allocations for every message.
void crypto_hmac_sha256(struct str key, const struct str *parts, size_t n_parts,
                        uint8_t out[SHA256_BYTES])
{
    EVP_MD_CTX *c = context();
    uint8_t pad[BLOCK_BYTES] = { 0 };
    uint8_t inner[SHA256_BYTES];
    const struct str pad_text = { (const char *)pad, sizeof(pad) };
    const struct str inner_text = { (const char *)inner, sizeof(inner) };

    if (key.n_bytes > BLOCK_BYTES) {
        crypto_sha256(key, pad);
    } else if (key.n_bytes > 0) {
        memcpy(pad, key.at, key.n_bytes);
    }
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        pad[i] ^= 0x36;
    hash(c, pad_text, parts, n_parts, inner);
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    hash(c, pad_text, &inner_text, 1, out);
    crypto_wipe(pad, sizeof(pad));
}
