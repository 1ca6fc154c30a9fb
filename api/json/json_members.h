// SPDX-License-Identifier: MIT
// json_members.h — reads members of a JSON body, with reasons for what is wrong.

#ifndef API_JSON_JSON_MEMBERS_H
#define API_JSON_JSON_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/json.h"

// What reading a hook needs besides the JSON text.
struct validation {
    struct arena *arena; // holds the strings that the hook points to
    const char *slack_url_prefixes;
    const struct config
        *config;               // its endpoint_ports are allowed; NULL: any port
    int64_t now_ms;            // UTC epoch
    int64_t secret_overlap_ms; // how long a replaced secret still signs
    struct buf *why;           // gets a sentence about what is wrong
    const char *
        *field; // gets the name of the member that is wrong; NULL: is not noted
};

// How hooks are shown to a client.
struct hook_showing {
    bool is_masked; // the client may not see values of secret headers
    const uint8_t *ciphertext_key; // of HOOK_KEY_BYTES, for secretCiphertext
    // The setting webhook_origin; at NULL: only what a hook is, not how its handshake went.
    struct str origin;
    bool has_keys; // signing keys are shown as whsk_: for export only
};

// Notes that this member is read or checked from now on: if that fails, it is the one
// that is wrong. `key` must live as long as the validation.
void validation_at(const struct validation *validation, const char *key);

// Appends the sentence to `validation->why`; always returns ERR_INVALID.
MUST_CHECK enum err validation_refuse(const struct validation *validation,
                                      const char *sentence);

// The member of this name; NULL: it is absent or null.
const struct json_value *member_find(const struct json_value *body,
                                     const char *key);

// Reads a string. Leaves `out` as it is if the member is absent or null. ERR_INVALID:
// it is of another type.
MUST_CHECK enum err member_text(const struct validation *validation,
                                const struct json_value *body, const char *key,
                                struct str *out);

// Reads a URL as text; the caller checks that it is a URL. Leaves `out` as it is if the
// member is absent or null. ERR_INVALID: the member is not a string, or its port is not
// allowed. A URL with such a port is accepted if `out` is the same URL already: a hook
// keeps the URL that it has.
MUST_CHECK enum err member_url(const struct validation *validation,
                               const struct json_value *body, const char *key,
                               struct str *out);

// Reads a boolean. Leaves `out` as it is if the member is absent or null. ERR_INVALID:
// it is of another type.
MUST_CHECK enum err member_bool(const struct validation *validation,
                                const struct json_value *body, const char *key,
                                bool *out);

#endif
