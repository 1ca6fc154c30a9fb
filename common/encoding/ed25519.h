// SPDX-License-Identifier: MIT
// ed25519.h — signatures that a public key checks (RFC 8032, Ed25519).

#ifndef COMMON_ENCODING_ED25519_H
#define COMMON_ENCODING_ED25519_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"

#define ED25519_SEED_BYTES      32 // the private key
#define ED25519_PUBLIC_BYTES    32
#define ED25519_SIGNATURE_BYTES 64

// The public key of a private one.
void ed25519_public(const uint8_t seed[ED25519_SEED_BYTES],
                    uint8_t out[ED25519_PUBLIC_BYTES]);

// A private key that is ready to sign: making it takes as long as a signature.
struct ed25519_key;

struct ed25519_key *ed25519_key_new(const uint8_t seed[ED25519_SEED_BYTES]);
void ed25519_key_free(struct ed25519_key *key); // wipes; NULL is fine

void ed25519_sign(const struct ed25519_key *key, struct str message,
                  uint8_t out[ED25519_SIGNATURE_BYTES]);

// False also for bytes that are no public key.
bool ed25519_verify(const uint8_t public_key[ED25519_PUBLIC_BYTES],
                    struct str message,
                    const uint8_t signature[ED25519_SIGNATURE_BYTES]);

#endif
