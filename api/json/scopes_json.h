// SPDX-License-Identifier: MIT
// scopes_json.h — what a token or a session may do, as an array of words.

#ifndef API_JSON_SCOPES_JSON_H
#define API_JSON_SCOPES_JSON_H

#include "api/json/json_members.h"
#include "common/encoding/json_writer.h"

// Puts the scopes (bits of enum token_scope): ["ingest","read"].
void scopes_print(unsigned scopes, struct json_writer *w, const char *key);

// Reads the member `scopes`, which must be there: one or more of those in `allowed`, each
// once. ERR_INVALID: it is not.
MUST_CHECK enum err scopes_read(const struct validation *validation,
                                const struct json_value *body, unsigned allowed,
                                unsigned *out);

#endif
