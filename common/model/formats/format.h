// SPDX-License-Identifier: MIT
// format.h — what a format is: one row of the table in format_table.c.
//
// Each row has its own file, NAME.c. Formats are pure: no clock, no I/O.

#ifndef COMMON_MODEL_FORMATS_FORMAT_H
#define COMMON_MODEL_FORMATS_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/id.h"

// What a body is made from; borrowed.
struct format_event {
    const struct id *id;
    struct str kind;    // "stack_update", "order.created", "ping"
    struct str org;     // organization name, or 24-hex id
    struct str project; // project, stack, env: empty if it has none
    struct str stack;
    struct str env;
    struct str payload; // JSON, compact
    struct str cloud; // attributes of a CloudEvent, a JSON object; empty: none
    int64_t accepted_at_us;
};

struct format {
    const char *name;
    int number;               // on disk
    const char *content_type; // NULL: application/json
    // Whether hooks of Pulumi's API may use it, and whether organizations' hooks
    // may.
    bool is_pulumi;
    bool is_for_organizations;
    // Checks the URL of a hook with this format. `prefixes` is the setting
    // slack_url_prefixes. ERR_INVALID: `why` gets a sentence.
    enum err (*check_url)(struct str url, const char *prefixes,
                          struct buf *why);
    // Appends the body, valid JSON in valid UTF-8 whatever the payload holds. NULL:
    // the body is the unchanged payload.
    void (*render)(const struct format_event *event, struct buf *out);
    // Does the body of a 2xx response report a failure? NULL: this format has no
    // such responses.
    bool (*says_failed)(struct str response_body);
};

// Accepts any http or https URL; for formats without rules of their own.
enum err format_check_http(struct str url, const char *prefixes,
                           struct buf *why);

// Appends the API address of a stack of the organization,
// BASE/api/stacks/ORG/PROJECT/STACK, with /deployments unless the stack itself is
// asked for. `target` is "project/stack".
void format_deployments_url(struct str base, struct str org, struct str target,
                            bool stack_itself, struct buf *out);

// The rows.
extern const struct format format_raw;
extern const struct format format_slack;
extern const struct format format_ms_teams;
extern const struct format format_pulumi_deployments;
extern const struct format format_akinon;
extern const struct format format_cloudevents;

#endif
