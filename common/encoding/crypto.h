// SPDX-License-Identifier: MIT
// crypto.h — hashes, signatures and encryption; only sha256.c names libcrypto.

#ifndef COMMON_ENCODING_CRYPTO_H
#define COMMON_ENCODING_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/random.h"
#include "common/base/str.h"

#define SHA256_BYTES     32
#define AEAD_KEY_BYTES   32
#define AEAD_NONCE_BYTES 12
#define AEAD_TAG_BYTES   16

void crypto_sha256(struct str bytes, uint8_t out[SHA256_BYTES]);

// HMAC-SHA256 (RFC 2104) over the parts, in order, as one message.
void crypto_hmac_sha256(struct str key, const struct str *parts, size_t n_parts,
                        uint8_t out[SHA256_BYTES]);

// Compares in time that does not depend on the content; lengths are not secret.
bool crypto_eq(struct str a, struct str b);

// Overwrites in a way that the compiler keeps.
void crypto_wipe(void *at, size_t n_bytes);
void crypto_wipe_buf(struct buf *b); // all that it holds; clears it

// AES-256-GCM (NIST SP 800-38D) with one key. `context` names what the text belongs
// to: it is not in the sealed text, but opening needs the same context.
struct aead;

struct aead *aead_new(const uint8_t key[AEAD_KEY_BYTES]);
void aead_free(struct aead *a); // wipes; NULL is fine

// Appends ciphertext and tag. Never use a nonce twice with the same key.
void aead_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE_BYTES],
               struct str context, struct str plain, struct buf *out);
// Appends the plain text. ERR_CORRUPT: the sealed text is damaged, or was sealed
// with another key or context.
MUST_CHECK enum err aead_open(struct aead *a,
                              const uint8_t nonce[AEAD_NONCE_BYTES],
                              struct str context, struct str sealed,
                              struct buf *out);

// Are these a certificate (or a chain, the client's first) and its private key,
// both PEM (RFC 7468) and without a passphrase? ERR_INVALID: `why` is set to a
// static sentence that names clientCertificate or clientKey.
MUST_CHECK enum err crypto_check_pair(struct str certificate, struct str key,
                                      const char **why);

// Does the file hold certificates (PEM or DER)? ERR_DENIED: it cannot be read.
// ERR_INVALID: it holds none.
MUST_CHECK enum err crypto_check_authorities(const char *path);

void crypto_put_hex(struct buf *b, const void *bytes, size_t n_bytes);
void crypto_put_base64(struct buf *b, const void *bytes, size_t n_bytes);

// Decodes standard base64 with padding (RFC 4648, 4). ERR_INVALID: it is not.
MUST_CHECK enum err crypto_base64_decode(struct str text, struct buf *out);

#endif
