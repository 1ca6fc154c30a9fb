// SPDX-License-Identifier: MIT
// pulumi_hook_json.h — a hook as JSON: read, checked, merged, printed.
//
// Pure: no clock, no randomness, no storage. Field names and rules are those
// of Pulumi Cloud's webhook API.

#ifndef API_JSON_PULUMI_HOOK_JSON_H
#define API_JSON_PULUMI_HOOK_JSON_H

#include <stdbool.h>

#include "api/json/json_members.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"
#include "queue/queue.h"

#define HOOK_NAME_MAX_BYTES    32
#define DISPLAY_NAME_MAX_CHARS 255

// Reads the body of a create into `hook`, whose scope is set already, and
// checks the result. `hook->name` stays empty if the body asks for a generated
// one. ERR_INVALID: `validation->why`.
MUST_CHECK enum err hook_read_new(const struct validation *validation,
                                  const struct json_value *body,
                                  struct hook *hook);

// Merges the body of an update into `hook` and checks the result. Members that
// are absent or null change nothing, with one exception: when the body has
// displayName, payloadUrl and active (the whole state, as every client of Pulumi
// sends it), absent filters and groups become empty. ERR_INVALID, ERR_FULL (from
// secret_merge()): `validation->why` has the reason.
MUST_CHECK enum err hook_merge(const struct validation *validation,
                               const struct json_value *body,
                               struct hook *hook);

// Reads `active`. If the body has it, the note that the engine switched the hook off
// is removed: the client's decision replaces the engine's.
MUST_CHECK enum err hook_merge_active(const struct validation *validation,
                                      const struct json_value *body,
                                      struct hook *hook);

// Whether the name is 1 to 32 characters of A-Z a-z 0-9 . _ -
bool hook_name_is_valid(struct str name);

// Puts the members of the answer into the open object. They never contain the secret.
void hook_print(const struct hook_showing *to, const struct hook *hook,
                struct json_writer *w);

// How one of the two APIs reads and shows hooks.
struct hook_dialect {
    enum err (*read_new)(const struct validation *validation,
                         const struct json_value *body, struct hook *hook);
    enum err (*merge)(const struct validation *validation,
                      const struct json_value *body, struct hook *hook);
    // Put the members of the answer into the open object.
    void (*print)(const struct hook_showing *to, const struct hook *hook,
                  struct json_writer *w);
    void (*print_created)(const struct hook_showing *to,
                          const struct hook *hook, struct json_writer *w);
    // Makes a name for a hook that has none, from HOOK_NAME_RANDOM random bytes.
    void (*put_name)(const uint8_t *random, int64_t at_ms, struct buf *out);
};

#define HOOK_NAME_RANDOM 8

extern const struct hook_dialect pulumi_dialect;
extern const struct hook_dialect akinon_dialect; // akinon_hook_json.c

#endif
