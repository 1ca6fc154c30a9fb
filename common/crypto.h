// crypto.h — the only file that knows mbedTLS's name is crypto.c.

#ifndef COMMON_CRYPTO_H
#define COMMON_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#define SHA256_BYTES 32

void crypto_sha256(struct str bytes, uint8_t out[SHA256_BYTES]);

// HMAC-SHA256 (RFC 2104) over the parts, in order, as one message.
void crypto_hmac_sha256(struct str key, const struct str *parts, size_t n_parts,
                        uint8_t out[SHA256_BYTES]);

// From the kernel's generator (getrandom(2)).
void crypto_random(void *out, size_t n_bytes);

// In time that does not depend on the content; lengths are not secret.
bool crypto_eq(struct str a, struct str b);

// Overwrites in a way that the compiler keeps.
void crypto_wipe(void *at, size_t n_bytes);

void crypto_put_hex(struct buf *b, const void *bytes, size_t n_bytes);
void crypto_put_base64(struct buf *b, const void *bytes, size_t n_bytes);

// Standard base64 with padding (RFC 4648, 4). ERR_INVALID: it is not.
MUST_CHECK enum err crypto_base64_decode(struct str text, struct buf *out);

#endif
