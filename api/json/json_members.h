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

// What judging needs besides the text.
struct hook_reader {
    struct arena *arena; // where what the hook points to goes
    const char *slack_url_prefixes;
    const struct config *config; // whose endpoint_ports; NULL: any port
    int64_t now_ms;              // UTC epoch
    int64_t secret_overlap_ms;   // a replaced secret still signs so long
    struct buf *why;             // a sentence about what is wrong
};

// To whom hooks are shown.
struct hook_showing {
    bool is_masked;                // he may not see values that let somebody in
    const uint8_t *ciphertext_key; // of HOOK_KEY_BYTES, for secretCiphertext
};

// Says the sentence; always ERR_INVALID.
MUST_CHECK enum err body_refuse(const struct hook_reader *reader,
                                const char *sentence);

// A member that is there and not null; else NULL.
const struct json_value *body_member(const struct json_value *body,
                                     const char *key);

// Leave `out` as it is if the member is absent or null. ERR_INVALID: it is of
// another type.
MUST_CHECK enum err body_text(const struct hook_reader *reader,
                              const struct json_value *body, const char *key,
                              struct str *out);
// A URL's text. Leaves `out` as it is if the member is absent or null. ERR_INVALID: the
// member is no text, or the port is one that nothing is delivered to and `out` is not
// that URL already: what a hook has, it keeps. Whether it is
// a URL is for others to judge.
MUST_CHECK enum err body_url(const struct hook_reader *reader,
                             const struct json_value *body, const char *key,
                             struct str *out);
MUST_CHECK enum err body_bool(const struct hook_reader *reader,
                              const struct json_value *body, const char *key,
                              bool *out);

#endif
