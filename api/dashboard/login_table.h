// SPDX-License-Identifier: MIT
// login_table.h — who is logged in, or may log in: secrets, and what each allows.
//
// A session is a secret in a cookie, the code of a link is a secret in an address. The table
// keeps neither them nor the token behind them, only hashes (SHA-256). When it is full, a new entry replaces one of the organization that has most,
// and of that one's tokens, so no organization takes the place of others.

#ifndef API_DASHBOARD_LOGIN_TABLE_H
#define API_DASHBOARD_LOGIN_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/encoding/crypto.h"
#include "common/http/authentication.h"

#define LOGIN_SECRET_MAX_BYTES 32 // of a secret, before it becomes text

struct login {
    uint8_t token_hash[SHA256_BYTES]; // of the token behind it
    // Whose place in the table it takes: the organization; empty: the operator.
    char org[AUTH_ORG_MAX_BYTES];
    size_t n_org_bytes;
    // Allows what the token does, and if it is narrowed, these scopes in `org` alone.
    bool is_narrowed;
    unsigned scopes;     // bits (1 << auth_scope)
    int64_t ends_at_ms;  // UTC epoch
    int64_t idle_ms;     // ends when it was not used for so long; 0: no limit
    int64_t lifetime_ms; // of a code: how long the session that it begins lasts
    // The session that a code begins ends then at the latest: when the session that
    // made the code ends. 0: a token made it, so there is no such time.
    int64_t last_end_ms;
    uint64_t
        no; // ascending, in the order in which they were made: set by login_add()
};

// Closed to other rooms.
struct login_entry {
    uint8_t hash[SHA256_BYTES]; // of the secret
    struct login login;
    int64_t made_at_ms, used_at_ms; // UTC epoch; login.no is 0: free
};

// Closed to other rooms.
struct login_table {
    struct login_entry *entries; // owned
    size_t max;
    uint64_t last_no;
    bool
        is_changed; // entries came or went since the caller has set this to false
    int64_t used_at_ms; // when any entry was used last; UTC epoch
};

// A table of at most `max` entries. Free it with login_table_clear().
void login_table_init(struct login_table *t, size_t max);
void login_table_clear(struct login_table *t);

// Adds an entry, and appends its secret to `secret`: `n_bytes` random ones
// (LOGIN_SECRET_MAX_BYTES at most) as base64url without padding.
void login_add(struct login_table *t, const struct login *login, int64_t now_ms,
               size_t n_bytes, struct buf *secret);

// The login of this secret, which counts as used now; valid until the table changes. NULL:
// there is none, or it has ended, also because the clock was set back by more than a
// minute.
const struct login *login_find(struct login_table *t, struct str secret,
                               int64_t now_ms);

// The same, without that it counts as used.
const struct login *login_peek(const struct login_table *t, struct str secret,
                               int64_t now_ms);

// Removes the entry of this secret; nothing if there is none.
void login_remove(struct login_table *t, struct str secret);

// Removes all entries of the organization.
void login_remove_org(struct login_table *t, struct str org);

// How many entries there are, those that have ended included.
size_t login_count(const struct login_table *t);

// Adds an entry of another table as the newest one, under its secret. Without room it is
// left out.
void login_put(struct login_table *t, const struct login_entry *entry);

#endif
