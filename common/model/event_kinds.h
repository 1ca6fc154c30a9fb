// SPDX-License-Identifier: MIT
// event_kinds.h — the table of event kinds, filters and groups.
//
// The one place where Pulumi's names stand (sources: the webhooks pages of
// Pulumi's documentation, its CLI and its provider). Both edges read it:
// intake classifies events by it, the API validates hooks by it. Filter and
// group numbers are on disk: append, never renumber.

#ifndef COMMON_MODEL_EVENT_KINDS_H
#define COMMON_MODEL_EVENT_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

#define KIND_MAX_BYTES 64 // of a custom kind, and of a filter for them

enum group {
    GROUP_STACKS = 0,
    GROUP_DEPLOYMENTS = 1,
    GROUP_POLICIES = 2,
    GROUP_ENVIRONMENTS = 3,
    GROUP_CHANGE_REQUESTS = 4,
    GROUPS
};

// At which level of hook a filter or group is allowed; bits.
enum level_bit { LEVEL_BIT_ORG = 1, LEVEL_BIT_STACK = 2, LEVEL_BIT_ENV = 4 };

struct filter {
    const char *name; // "update_failed"
    const char *kind; // "stack_update": the Pulumi-Webhook-Kind of its events
    enum group group;
    unsigned levels; // level_bit
};

// Every filter, by number; n_filters <= 64.
extern const struct filter filters[];
extern const size_t n_filters;

// The number of a filter, or -1. Blanks around are trimmed, upper case, blanks
// and hyphens are understood: Pulumi's pages write "refresh failed".
int filter_find(struct str name);

// The name of the filter nearest to a misspelt one, for error messages. NULL: none is
// nearer than a third of the name's length.
const char *filter_nearest(struct str name);

// "stacks"; the number of a group or -1, spelling as for filters.
const char *group_name(enum group group);
int group_find(struct str name);
unsigned group_levels(enum group group);  // level_bit
uint64_t group_filters(enum group group); // bit set of filter numbers

// The group of an event kind: for events with no filter of their own
// ("deployment" with status "skipped" is still of group deployments). -1: none.
int kind_group(struct str kind);

// A kind of the table, or one that is let through though it has no filter
// ("team", "ping" is not one: it is never an event).
bool kind_is_known(struct str kind);

// The known kind nearest to a misspelt one, in lower or upper case, for error
// messages; NULL as for filters.
const char *kind_nearest(struct str kind);

// Kinds of the user's own are made of segments of letters, digits, _ and - with one
// separator between two: a dot, a slash or a colon. Only these functions know that.
// Pulumi's kinds, filters and groups hold no separator, so that in whatever case they are
// compared no kind is taken for one of them.
#define KIND_RULE                                                              \
    "own kinds need a dot, slash or colon, like order.created, orders/create " \
    "or s3:ObjectCreated:Put"

// Where the first separator at or behind `from` is; the end: there is none.
size_t kind_separator(struct str kind, size_t from);
bool kind_has_separator(struct str kind);

// How many segments `text` is made of; 0: it is not made of such.
size_t kind_segments(struct str text);

// A kind of the user's own: two segments at least, at most KIND_MAX_BYTES. Kinds that
// differ in case are different ones.
bool kind_is_custom(struct str kind);

// A kind of the engine's own events, "posthorn.hook.disabled": nobody posts
// them, and only hooks that name them get them.
bool kind_is_own(struct str kind);

// A kind that nobody posts, so that none is taken for the engine's own: its first
// segment is posthorn, in any case, whichever separator follows.
bool kind_is_reserved(struct str kind);

// A filter for custom kinds: a custom kind, or "order.*", where the star stands after a
// separator, at the end, for one or more segments.
bool kind_is_pattern(struct str filter);
bool kind_matches(struct str kind, struct str pattern);

// What a pattern compares: of "order.*" `base` is "order." and the result is
// true, of a custom kind `base` is the kind and the result is false.
bool kind_pattern_base(struct str filter, struct str *base);

#endif
