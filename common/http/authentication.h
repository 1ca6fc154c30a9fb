// SPDX-License-Identifier: MIT
// authentication.h — what a request may do: the token in its header decides.
//
// `Authorization: token T`, `Authorization: Bearer T` and `x-access-token: T` mean
// the same. A token in the query is refused, since queries end up in logs.
//
// The admin token, DATA_DIR/admin.token, may do everything in every organization, and so may
// the admin tokens that are stored: the tokens of the operator's organization (operator.h).
// Other tokens belong to one organization and have scopes; they are looked up in
// their store for each request, so a revoked token stops working at once.
//
// Only an admin token may act in the operator's organization.
//
// Guessing is slowed down: after 50 refusals, an address gets 10 a second.

#ifndef COMMON_HTTP_AUTHENTICATION_H
#define COMMON_HTTP_AUTHENTICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/crypto.h"
#include "common/http/http.h"

// What a request wants to do.
enum auth_scope {
    AUTH_INGEST,
    AUTH_READ,
    AUTH_WRITE,
    AUTH_ADMIN, // for admin tokens alone
    AUTH_ANY    // any valid token
};

#define AUTH_ORG_MAX_BYTES  128
#define AUTH_ID_MAX_BYTES   64
#define AUTH_NAME_MAX_BYTES 100

struct auth_grant { // what a token allows
    bool is_admin;
    unsigned scopes; // bits (1 << auth_scope)
    char org[AUTH_ORG_MAX_BYTES];
    size_t n_org_bytes;
    char id
        [AUTH_ID_MAX_BYTES]; // known to people; empty for the one in admin.token
    size_t n_id_bytes;
    char name[AUTH_NAME_MAX_BYTES]; // what it is for; may be empty
    size_t n_name_bytes;
    uint8_t token_hash[SHA256_BYTES]; // of the token, which finds it again
};

// Sets what a token of an organization allows: everything, if it is the operator's and
// `scopes` has AUTH_ADMIN. An expired token (`expires_at_ms`, UTC epoch; 0: never) allows
// nothing.
void auth_grant_set(struct auth_grant *grant, struct str org, unsigned scopes,
                    int64_t expires_at_ms);

// Sets the token's id, by which people know it, and its name, which says what it is
// for. Texts longer than AUTH_ID_MAX_BYTES and AUTH_NAME_MAX_BYTES are cut.
void auth_grant_name(struct auth_grant *grant, struct str id, struct str name);

// Looks up the token with this hash. ERR_NOTFOUND: there is none. Other errors: that
// cannot be told now.
typedef enum err (*auth_lookup)(void *data, const uint8_t hash[SHA256_BYTES],
                                struct auth_grant *out);

struct auth; // opaque: hashes of the tokens that are valid

// Writes a new DATA_DIR/admin.token (mode 0600, one line) if there is none: durably
// and atomically. ERR_IO: it cannot be written, the reason is logged.
MUST_CHECK enum err auth_prepare(const char *data_dir);

// Reads DATA_DIR/admin.token. NULL: it cannot be read or holds no token; the
// reason is logged. Free it with auth_free().
struct auth *auth_new(const char *data_dir);
void auth_free(struct auth *a);

// Whether the text has the form of a token: 16 to 256 visible characters.
bool auth_is_token(struct str s);

// Reads a file that holds one token, a line of 16 to 256 visible characters, and
// returns the token's hash. On any error the reason is logged.
MUST_CHECK enum err auth_read_token(const char *path,
                                    uint8_t hash[SHA256_BYTES]);

// Does the request carry the token with this hash?
bool auth_bears(const struct http_request *r, const uint8_t hash[SHA256_BYTES]);

// Sets the function that looks up tokens of organizations.
void auth_set_lookup(struct auth *a, auth_lookup lookup, void *data);

// Reads the file again. If that fails, the old token stays valid and the
// reason is logged.
void auth_reload(struct auth *a);

// May this request do `scope` in the organization `org` (empty: the token's own)?
// False: it may not, and has been answered: 401 for an invalid token, 403 for a
// token that does not allow this, 400 for a token in the query, 429 after too many
// refusals, 503 if tokens cannot be looked up. True: `grant` is what the token allows, and the request is charged to
// the account of the token's organization (http_charge()); with the admin token it
// may use the reserve.
bool auth_check(struct auth *a, struct http_request *r, struct str org,
                enum auth_scope scope, struct auth_grant *grant);

// Whether the request has a header for a token, valid or not. An Authorization of another
// scheme is meant for somebody else, such as a proxy that asks for a password.
bool auth_has_token(const struct http_request *r);

// Sets what the token with this hash allows now. ERR_DENIED: nothing; it was revoked or
// replaced, or has expired. Other errors: that cannot be told now.
MUST_CHECK enum err auth_grant_of(const struct auth *a,
                                  const uint8_t hash[SHA256_BYTES],
                                  struct auth_grant *out);

// Answers a request whose token cannot be looked up: 503.
void auth_fail_lookup(struct http_request *r);

// As auth_check(), of a request whose grant is known by other means than its header.
bool auth_check_grant(struct http_request *r, struct str org,
                      enum auth_scope scope, const struct auth_grant *grant);

// Answers a request whose credentials are refused: 401 with this sentence, or 429 after
// too many of this address. Right credentials pass even then: whoever knows them guesses
// no more, and people behind one address could otherwise lock each other out.
void auth_refuse(struct auth *a, struct http_request *r, const char *why);

// Derives a key that only the server knows, for values that clients must not forge.
// It stays the same until the admin token changes. `purpose` separates keys.
void auth_key(const struct auth *a, const char *purpose,
              uint8_t out[SHA256_BYTES]);

#endif
