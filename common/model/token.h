// SPDX-License-Identifier: MIT
// token.h — an API token: grants rights in one organization.

#ifndef COMMON_MODEL_TOKEN_H
#define COMMON_MODEL_TOKEN_H

#include <stdint.h>

#include "common/base/str.h"

#define TOKEN_HASH_BYTES 32

// Bits; values are on disk. TOKEN_ADMIN has meaning in the operator's organization only
// (operator.h), whose tokens have it alone: they allow what the admin token allows.
enum token_scope {
    TOKEN_INGEST = 1,
    TOKEN_READ = 2,
    TOKEN_WRITE = 4,
    TOKEN_ADMIN = 8
};

// An API token: grants rights in one organization. Only its hash is stored.
struct token {
    uint8_t hash[TOKEN_HASH_BYTES]; // SHA-256 of the token
    struct str id;                  // the id by which people know it
    struct str org;
    unsigned scopes; // token_scope
    struct str name; // what it is for; may be empty
    int64_t created_at_ms;
    int64_t expires_at_ms; // 0: never
};

#endif
