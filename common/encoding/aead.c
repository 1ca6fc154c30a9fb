// SPDX-License-Identifier: MIT
// aead.c — AES-256-GCM, from libcrypto, which uses all that the processor has for it.
// crypto.h declares the functions.

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"

struct aead {
    EVP_CIPHER_CTX *seal, *open; // each with the key, for its direction
};

static EVP_CIPHER *aes_256_gcm; // looked up once
static pthread_once_t is_looked_up = PTHREAD_ONCE_INIT;

// In a library context of its own, as in sha256.c: no file is read.
static void look_up(void)
{
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();

    if (library != NULL)
        aes_256_gcm = EVP_CIPHER_fetch(library, "AES-256-GCM", NULL);
    if (aes_256_gcm == NULL)
        log_panic("libcrypto has no AES-256-GCM", "");
}

struct aead *aead_new(const uint8_t key[AEAD_KEY_BYTES])
{
    struct aead *a = xcalloc(1, sizeof(*a));

    pthread_once(&is_looked_up, look_up);
    a->seal = EVP_CIPHER_CTX_new();
    a->open = EVP_CIPHER_CTX_new();
    if (a->seal == NULL || a->open == NULL ||
        EVP_EncryptInit_ex2(a->seal, aes_256_gcm, key, NULL, NULL) != 1 ||
        EVP_DecryptInit_ex2(a->open, aes_256_gcm, key, NULL, NULL) != 1)
        log_panic("the AES key was refused", "");
    return a;
}

void aead_free(struct aead *a)
{
    if (a == NULL)
        return;
    EVP_CIPHER_CTX_free(a->seal); // both wipe
    EVP_CIPHER_CTX_free(a->open);
    free(a);
}

static const unsigned char *bytes_of(struct str s)
{
    return (const unsigned char *)s.at;
}

void aead_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE_BYTES],
               struct str context, struct str plain, struct buf *out)
{
    unsigned char *to =
        (unsigned char *)buf_reserve(out, plain.n_bytes + AEAD_TAG_BYTES);
    int n = 0;

    if (to == NULL)
        return;
    if (plain.n_bytes > INT_MAX || context.n_bytes > INT_MAX ||
        EVP_EncryptInit_ex2(a->seal, NULL, NULL, nonce, NULL) != 1 ||
        EVP_EncryptUpdate(a->seal, NULL, &n, bytes_of(context),
                          (int)context.n_bytes) != 1 ||
        (plain.n_bytes > 0 &&
         EVP_EncryptUpdate(a->seal, to, &n, bytes_of(plain),
                           (int)plain.n_bytes) != 1) ||
        EVP_EncryptFinal_ex(a->seal, to + plain.n_bytes, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(a->seal, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_BYTES,
                            to + plain.n_bytes) != 1)
        log_panic("AES-GCM encryption failed", "bytes=%zu", plain.n_bytes);
    buf_added(out, plain.n_bytes + AEAD_TAG_BYTES);
}

enum err aead_open(struct aead *a, const uint8_t nonce[AEAD_NONCE_BYTES],
                   struct str context, struct str sealed, struct buf *out)
{
    unsigned char tag[AEAD_TAG_BYTES];
    size_t n_bytes;
    unsigned char *to;
    int n = 0;

    if (sealed.n_bytes < AEAD_TAG_BYTES || sealed.n_bytes > INT_MAX ||
        context.n_bytes > INT_MAX)
        return ERR_CORRUPT;
    n_bytes = sealed.n_bytes - AEAD_TAG_BYTES;
    to = (unsigned char *)buf_reserve(out, n_bytes + 1);
    if (to == NULL)
        return ERR_TOOBIG;
    for (size_t i = 0; i < sizeof(tag); i++) // the library takes no const one
        tag[i] = (unsigned char)sealed.at[n_bytes + i];
    if (EVP_DecryptInit_ex2(a->open, NULL, NULL, nonce, NULL) != 1 ||
        EVP_DecryptUpdate(a->open, NULL, &n, bytes_of(context),
                          (int)context.n_bytes) != 1 ||
        (n_bytes > 0 && EVP_DecryptUpdate(a->open, to, &n, bytes_of(sealed),
                                          (int)n_bytes) != 1) ||
        EVP_CIPHER_CTX_ctrl(a->open, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_BYTES,
                            tag) != 1 ||
        EVP_DecryptFinal_ex(a->open, to + n_bytes, &n) != 1) {
        crypto_wipe(to, n_bytes); // nobody vouches for it
        return ERR_CORRUPT;
    }
    buf_added(out, n_bytes);
    return OK;
}
