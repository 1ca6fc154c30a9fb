// auth.h — who may do what: tokens in the header of a request.
//
// `Authorization: token T`, `Authorization: Bearer T` and `x-access-token: T`
// are the same. A token in the query is refused: queries end up in logs.
//
// The admin token, DATA_DIR/admin.token, may do everything in every
// organization.

#ifndef COMMON_AUTH_H
#define COMMON_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/crypto.h"
#include "common/err.h"
#include "common/http.h"
#include "common/str.h"

// What a request wants to do.
enum auth_scope { AUTH_INGEST, AUTH_READ, AUTH_WRITE };

struct auth; // opaque: hashes of the tokens that are valid

// Writes a new DATA_DIR/admin.token (mode 0600, one line) if there is none:
// durably, and whole or not at all. ERR_IO: it cannot be written, the reason is
// logged.
MUST_CHECK enum err auth_prepare(const char *data_dir);

// Reads DATA_DIR/admin.token. NULL: it cannot be read or holds no token; the
// reason is logged. Free it with auth_free().
struct auth *auth_new(const char *data_dir);
void auth_free(struct auth *a);

// Reads the file again. If that fails, the old token stays valid and the
// reason is logged.
void auth_reload(struct auth *a);

// May this request do `scope` in the organization `org` (empty: in none)?
// False: it may not, and has been answered: 401, or 400 for a token in the
// query.
bool auth_check(const struct auth *a, struct http_request *r, struct str org,
                enum auth_scope scope);

// A key that only the server knows, for what clients must not forge; the same
// until the admin token changes. `purpose` keeps keys apart.
void auth_key(const struct auth *a, const char *purpose,
              uint8_t out[SHA256_BYTES]);

#endif
