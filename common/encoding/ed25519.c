// SPDX-License-Identifier: MIT
// ed25519.c — Ed25519, from libcrypto: mbedTLS has no EdDSA.

#include "common/encoding/ed25519.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "common/log/log.h"

static OSSL_LIB_CTX *library;
static pthread_once_t is_made = PTHREAD_ONCE_INIT;

// A library context of its own reads no file, as sha256.c says.
static void make_library(void)
{
    library = OSSL_LIB_CTX_new();
    if (library == NULL)
        log_panic("out of memory", "");
}

// The key itself, as libcrypto has it: `struct ed25519_key` is only its name here.
static EVP_PKEY *key_of(const struct ed25519_key *key)
{
    // libcrypto counts who uses a key, and wants it without const.
    // NOLINTNEXTLINE(performance-no-int-to-ptr): takes the const away
    return (EVP_PKEY *)(uintptr_t)key;
}

struct ed25519_key *ed25519_key_new(const uint8_t seed[ED25519_SEED_BYTES])
{
    EVP_PKEY *key;

    pthread_once(&is_made, make_library);
    key = EVP_PKEY_new_raw_private_key_ex(library, "ED25519", NULL, seed,
                                          ED25519_SEED_BYTES);
    if (key == NULL)
        log_panic("libcrypto has no Ed25519", "");
    return (struct ed25519_key *)key;
}

void ed25519_key_free(struct ed25519_key *key)
{
    EVP_PKEY_free((EVP_PKEY *)key); // wipes
}

void ed25519_public(const uint8_t seed[ED25519_SEED_BYTES],
                    uint8_t out[ED25519_PUBLIC_BYTES])
{
    struct ed25519_key *key = ed25519_key_new(seed);
    size_t n_bytes = ED25519_PUBLIC_BYTES;

    if (EVP_PKEY_get_raw_public_key(key_of(key), out, &n_bytes) != 1)
        log_panic("a key has no public key", "");
    ed25519_key_free(key);
}

static EVP_MD_CTX *context_new(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    if (context == NULL)
        log_panic("out of memory", "");
    return context;
}

// A context signs once, so each signature has one of its own.
void ed25519_sign(const struct ed25519_key *key, struct str message,
                  uint8_t out[ED25519_SIGNATURE_BYTES])
{
    EVP_MD_CTX *context = context_new();
    size_t n_bytes = ED25519_SIGNATURE_BYTES;

    if (EVP_DigestSignInit_ex(context, NULL, NULL, library, NULL, key_of(key),
                              NULL) != 1 ||
        EVP_DigestSign(context, out, &n_bytes,
                       (const unsigned char *)message.at, message.n_bytes) != 1)
        log_panic("Ed25519 failed", "bytes=%zu", message.n_bytes);
    EVP_MD_CTX_free(context);
}

bool ed25519_verify(const uint8_t public_key[ED25519_PUBLIC_BYTES],
                    struct str message,
                    const uint8_t signature[ED25519_SIGNATURE_BYTES])
{
    EVP_MD_CTX *context = context_new();
    EVP_PKEY *key;
    bool is_good;

    pthread_once(&is_made, make_library);
    key = EVP_PKEY_new_raw_public_key_ex(library, "ED25519", NULL, public_key,
                                         ED25519_PUBLIC_BYTES);
    is_good = key != NULL &&
              EVP_DigestVerifyInit_ex(context, NULL, NULL, library, NULL, key,
                                      NULL) == 1 &&
              EVP_DigestVerify(context, signature, ED25519_SIGNATURE_BYTES,
                               (const unsigned char *)message.at,
                               message.n_bytes) == 1;
    EVP_PKEY_free(key);
    EVP_MD_CTX_free(context);
    return is_good;
}
