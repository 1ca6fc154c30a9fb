// SPDX-License-Identifier: MIT
// event_kinds.h — the table of event kinds, filters and groups.
//
// The only place for Pulumi's names (sources: the webhooks pages of Pulumi's
// documentation, its CLI and its provider). Both ends use it: intake classifies
// events by it, and the API validates hooks by it. Filter and group numbers are on
// disk: append, never renumber.

#ifndef COMMON_MODEL_EVENT_KINDS_H
#define COMMON_MODEL_EVENT_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"

#define KIND_MAX_BYTES 64 // of a custom kind, or of a filter for such kinds

enum group {
    GROUP_STACKS = 0,
    GROUP_DEPLOYMENTS = 1,
    GROUP_POLICIES = 2,
    GROUP_ENVIRONMENTS = 3,
    GROUP_CHANGE_REQUESTS = 4,
    GROUPS
};

// The levels of hook at which a filter or group is allowed; bits.
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

// Returns the number of a filter, or -1. Surrounding blanks, upper case, and blanks
// or hyphens for underscores are accepted: Pulumi's pages write "refresh failed".
int filter_find(struct str name);

// Returns the filter whose name is nearest to a misspelt one, for error messages.
// NULL: every filter differs by more than a third of the name's length.
const char *filter_nearest(struct str name);

// A group's name, such as "stacks"; the number of a group or -1, with spelling as
// for filters.
const char *group_name(enum group group);
int group_find(struct str name);
unsigned group_levels(enum group group);  // level_bit
uint64_t group_filters(enum group group); // bit set of filter numbers

// Returns the group of an event kind, also for events that match no filter
// ("deployment" with status "skipped" still is of group deployments). -1: none.
int kind_group(struct str kind);

// Whether it is a kind of the table, or the kind "team", which is accepted though
// it has no filter. "ping" is not known: it is never an event.
bool kind_is_known(struct str kind);

// Returns the known kind nearest to a misspelt one, in lower or upper case, for
// error messages; NULL as in filter_nearest().
const char *kind_nearest(struct str kind);

// Custom kinds consist of segments of letters, digits, _ and -, with one separator
// between two segments: a dot, a slash or a colon. Only these functions know that
// form. Pulumi's kinds, filters and groups contain no separator, so even a
// comparison that ignores case cannot confuse a custom kind with one of these.
#define KIND_RULE                                                              \
    "own kinds need a dot, slash or colon, like order.created, orders/create " \
    "or s3:ObjectCreated:Put"

// Returns the offset of the first separator at or after `from`; the text's length
// if there is none.
size_t kind_separator(struct str kind, size_t from);
bool kind_has_separator(struct str kind);

// Returns how many segments `text` has; 0: it does not consist of segments.
size_t kind_segments(struct str text);

// Whether it is a custom kind: two segments or more, at most KIND_MAX_BYTES. Kinds
// that differ in case are different.
bool kind_is_custom(struct str kind);

// The kinds of the engine's own events.
#define KIND_HOOK_FAILING   "posthorn.hook.failing"
#define KIND_HOOK_RECOVERED "posthorn.hook.recovered"
#define KIND_HOOK_DISABLED  "posthorn.hook.disabled"
#define KIND_DELIVERY_DEAD  "posthorn.delivery.dead"
extern const char *const own_kinds[];
extern const size_t n_own_kinds;

// Whether it is a kind of the engine's own events, such as
// "posthorn.hook.disabled": nobody posts them, and only hooks that name them get
// them.
bool kind_is_own(struct str kind);

// Whether nobody may post this kind, lest it look like the engine's own: its first
// segment is posthorn, in any case, before any separator.
bool kind_is_reserved(struct str kind);

// Whether it is a filter for custom kinds: a custom kind, or a pattern such as
// "order.*", in which a star after the last separator stands for one or more
// segments.
bool kind_is_pattern(struct str filter);
bool kind_matches(struct str kind, struct str pattern);

// What a pattern compares: for "order.*" `base` is "order." and the result is true;
// for a custom kind `base` is the kind and the result is false.
bool kind_pattern_base(struct str filter, struct str *base);

#endif
