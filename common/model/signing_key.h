// SPDX-License-Identifier: MIT
// signing_key.h — keys that sign requests as v1a (Standard Webhooks 1.0.0, Ed25519), and
// the forms in which they are written.

#ifndef COMMON_MODEL_SIGNING_KEY_H
#define COMMON_MODEL_SIGNING_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/ed25519.h"
#include "common/encoding/json_writer.h"
#include "common/model/event.h"

// A pair of keys is the private key's 32 bytes, then the public key's.
#define SIGNING_PAIR_BYTES (ED25519_SEED_BYTES + ED25519_PUBLIC_BYTES)

// A request is signed with at most ten keys of an organization.
#define SIGNING_KEYS_MAX 10

// Makes a random pair.
void signing_pair_make(uint8_t out[SIGNING_PAIR_BYTES]);

// Whether the text begins like a private key, with whsk_.
bool signing_pair_is_text(struct str text);

// Reads "whsk_" and base64 of a pair, or of the private key alone. ERR_INVALID: `why` is
// set to a static text on what is wrong with the key.
MUST_CHECK enum err signing_pair_read(struct str text,
                                      uint8_t out[SIGNING_PAIR_BYTES],
                                      const char **why);

// Append "whsk_" and base64 of the pair; "whpk_" and base64 of its public key; the id of
// the key, which is the thumbprint of its JWK (RFC 7638), in 43 characters. `pair` is of
// SIGNING_PAIR_BYTES.
void signing_pair_put_secret(struct str pair, struct buf *out);
void signing_pair_put_public(struct str pair, struct buf *out);
void signing_pair_put_id(struct str pair, struct buf *out);

// Reads "whpk_" and base64 of a public key. ERR_INVALID: it is none.
MUST_CHECK enum err signing_public_read(struct str text,
                                        uint8_t out[ED25519_PUBLIC_BYTES]);

// Puts the public key as a JWK (RFC 8037) into an open array.
void signing_pair_put_jwk(struct str pair, struct json_writer *w);

// The keys of an organization, the newest first: it signs for good, and those that it
// replaced until their times. Never without a key once there is one.
struct signing_key {
    uint8_t pair[SIGNING_PAIR_BYTES];
    int64_t created_at_ms; // UTC epoch
    int64_t until_ms;      // UTC epoch; 0 for the newest
};

struct signing_keys {
    enum dialect dialect; // of the organization
    struct str org;
    struct signing_key at[SIGNING_KEYS_MAX];
    size_t n;
};

// Append the keys as bytes for the storage, and read those; the name is borrowed from
// them. ERR_CORRUPT.
void signing_keys_pack(const struct signing_keys *keys, struct buf *out);
MUST_CHECK enum err signing_keys_unpack(struct str bytes,
                                        struct signing_keys *out);

// Puts a new key in front; the one before signs until `until_ms`. Keys whose time is over
// are dropped. ERR_FULL: SIGNING_KEYS_MAX keys sign already. ERR_EXISTS: the newest is this one.
MUST_CHECK enum err signing_keys_add(struct signing_keys *keys,
                                     const struct signing_key *key,
                                     int64_t until_ms);

// Drops the keys whose time is over. True: there were some.
bool signing_keys_expire(struct signing_keys *keys, int64_t now_ms);

#endif
