// SPDX-License-Identifier: MIT
// format.h — what a format is: one row of the table in format_table.h.
//
// A row lies in its own file, NAME.c. Pure: no clock, no I/O.

#ifndef COMMON_MODEL_FORMATS_FORMAT_H
#define COMMON_MODEL_FORMATS_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/encoding/id.h"

// What a body is made of; borrowed.
struct format_event {
    const struct id *id;
    struct str kind;    // "stack_update", "order.created", "ping"
    struct str org;     // organization name, or 24-hex id
    struct str project; // empty if the event has none; so are stack and env
    struct str stack;
    struct str env;
    struct str payload; // JSON, compact
    int64_t accepted_at_us;
};

struct format {
    const char *name;
    int number; // on disk
    // May hooks of Pulumi's API ask for it, and may those of organizations?
    bool is_pulumi;
    bool is_for_organizations;
    // Judges what a hook of this format points at. `prefixes` is the setting
    // slack_url_prefixes. ERR_INVALID: `why` gets a sentence.
    enum err (*check_url)(struct str url, const char *prefixes,
                          struct buf *why);
    // Appends the body, valid JSON in valid UTF-8 whatever the payload holds.
    // NULL: the body is the payload as it is.
    void (*render)(const struct format_event *event, struct buf *out);
    // Does the body of a 2xx answer say that it failed all the same? NULL: none
    // of this format does.
    bool (*says_failed)(struct str response_body);
};

// A URL over http or https; for rows whose format points at one.
enum err format_check_http(struct str url, const char *prefixes,
                           struct buf *why);

// Appends the address of the deployments of a stack of the organization:
// BASE/api/stacks/ORG/PROJECT/STACK, and /deployments unless it is asked for
// the stack itself. `target` is "project/stack".
void format_deployments_url(struct str base, struct str org, struct str target,
                            bool stack_itself, struct buf *out);

// The rows.
extern const struct format format_raw;
extern const struct format format_slack;
extern const struct format format_ms_teams;
extern const struct format format_pulumi_deployments;
extern const struct format format_akinon;

#endif
