// SPDX-License-Identifier: MIT
// event_kinds.c — the table of event kinds, filters and groups.

#include "common/model/event_kinds.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 64 // of a name to look up; the longest has 32
#define ORG            LEVEL_BIT_ORG
#define ORG_STACK      (LEVEL_BIT_ORG | LEVEL_BIT_STACK)
#define ORG_ENV        (LEVEL_BIT_ORG | LEVEL_BIT_ENV)

// The index in the table is the number on disk: append only.
const struct filter filters[] = {
    { "stack_created", "stack", GROUP_STACKS, ORG },
    { "stack_deleted", "stack", GROUP_STACKS, ORG },
    { "preview_succeeded", "stack_preview", GROUP_STACKS, ORG_STACK },
    { "preview_failed", "stack_preview", GROUP_STACKS, ORG_STACK },
    { "update_succeeded", "stack_update", GROUP_STACKS, ORG_STACK },
    { "update_failed", "stack_update", GROUP_STACKS, ORG_STACK },
    { "destroy_succeeded", "stack_update", GROUP_STACKS, ORG_STACK },
    { "destroy_failed", "stack_update", GROUP_STACKS, ORG_STACK },
    { "refresh_succeeded", "stack_update", GROUP_STACKS, ORG_STACK },
    { "refresh_failed", "stack_update", GROUP_STACKS, ORG_STACK },
    { "import_succeeded", "stack_update", GROUP_STACKS, ORG_STACK },
    { "import_failed", "stack_update", GROUP_STACKS, ORG_STACK },
    { "deployment_queued", "deployment", GROUP_DEPLOYMENTS, ORG_STACK },
    { "deployment_started", "deployment", GROUP_DEPLOYMENTS, ORG_STACK },
    { "deployment_succeeded", "deployment", GROUP_DEPLOYMENTS, ORG_STACK },
    { "deployment_failed", "deployment", GROUP_DEPLOYMENTS, ORG_STACK },
    { "deployment_file_ingestion_failed", "deployment_file_ingestion",
      GROUP_DEPLOYMENTS, ORG_STACK },
    { "drift_detected", "drift_detection", GROUP_DEPLOYMENTS, ORG_STACK },
    { "drift_detection_succeeded", "drift_detection", GROUP_DEPLOYMENTS,
      ORG_STACK },
    { "drift_detection_failed", "drift_detection", GROUP_DEPLOYMENTS,
      ORG_STACK },
    { "drift_remediation_succeeded", "drift_remediation", GROUP_DEPLOYMENTS,
      ORG_STACK },
    { "drift_remediation_failed", "drift_remediation", GROUP_DEPLOYMENTS,
      ORG_STACK },
    { "policy_violation_mandatory", "policy_violation", GROUP_POLICIES,
      ORG_STACK },
    { "policy_violation_advisory", "policy_violation", GROUP_POLICIES,
      ORG_STACK },
    { "environment_created", "environment", GROUP_ENVIRONMENTS, ORG },
    { "environment_deleted", "environment", GROUP_ENVIRONMENTS, ORG },
    { "environment_revision_created", "environment_revision",
      GROUP_ENVIRONMENTS, ORG_ENV },
    { "environment_revision_retracted", "environment_revision",
      GROUP_ENVIRONMENTS, ORG_ENV },
    { "environment_revision_tag_created", "environment_revision_tag",
      GROUP_ENVIRONMENTS, ORG_ENV },
    { "environment_revision_tag_deleted", "environment_revision_tag",
      GROUP_ENVIRONMENTS, ORG_ENV },
    { "environment_revision_tag_updated", "environment_revision_tag",
      GROUP_ENVIRONMENTS, ORG_ENV },
    { "environment_tag_created", "environment_tag", GROUP_ENVIRONMENTS,
      ORG_ENV },
    { "environment_tag_deleted", "environment_tag", GROUP_ENVIRONMENTS,
      ORG_ENV },
    { "environment_tag_updated", "environment_tag", GROUP_ENVIRONMENTS,
      ORG_ENV },
    { "imported_environment_changed", "imported_environment_changed",
      GROUP_ENVIRONMENTS, ORG_ENV },
    { "environment_rotation_succeeded", "environment_rotation",
      GROUP_ENVIRONMENTS, ORG_ENV },
    { "environment_rotation_failed", "environment_rotation", GROUP_ENVIRONMENTS,
      ORG_ENV },
    { "change_request_created", "change_request", GROUP_CHANGE_REQUESTS,
      ORG_ENV },
    { "change_request_updated", "change_request", GROUP_CHANGE_REQUESTS,
      ORG_ENV },
    { "change_request_approved", "change_request", GROUP_CHANGE_REQUESTS,
      ORG_ENV },
    { "change_request_unapproved", "change_request", GROUP_CHANGE_REQUESTS,
      ORG_ENV },
    { "change_request_closed", "change_request", GROUP_CHANGE_REQUESTS,
      ORG_ENV },
    { "change_request_applied", "change_request", GROUP_CHANGE_REQUESTS,
      ORG_ENV },
    { "change_request_submitted", "change_request", GROUP_CHANGE_REQUESTS,
      ORG_ENV },
};
const size_t n_filters = sizeof(filters) / sizeof(*filters);
_Static_assert(sizeof(filters) / sizeof(*filters) <= 64, "one bit a filter");

static const struct {
    const char *name;
    unsigned levels;
} groups[GROUPS] = {
    [GROUP_STACKS] = { "stacks", ORG_STACK },
    [GROUP_DEPLOYMENTS] = { "deployments", ORG_STACK },
    [GROUP_POLICIES] = { "policies", ORG_STACK },
    [GROUP_ENVIRONMENTS] = { "environments", ORG_ENV },
    [GROUP_CHANGE_REQUESTS] = { "change_requests", ORG_ENV },
};

const char *const own_kinds[] = { KIND_HOOK_FAILING, KIND_HOOK_RECOVERED,
                                  KIND_HOOK_DISABLED, KIND_DELIVERY_DEAD };
const size_t n_own_kinds = sizeof(own_kinds) / sizeof(own_kinds[0]);

// Exists since 2019; it has no filter and no group, but is accepted.
static const char unfiltered_kind[] = "team";

// --- names ---

// Converts to the spelling of the table: "Refresh failed" becomes "refresh_failed".
// False: too long for any name.
static bool normalize(struct str name, char out[NAME_MAX_BYTES + 1])
{
    struct str text = str_trim(name, STR_SPACES);
    size_t n = 0;

    while (n < text.n_bytes && n < NAME_MAX_BYTES) {
        char c = text.at[n];

        if (c >= 'A' && c <= 'Z')
            c = (char)((unsigned char)c | 0x20); // to lower case
        if (c == '-' || memchr(STR_SPACES.at, c, STR_SPACES.n_bytes) != NULL)
            c = '_';
        if (c == '\0')
            c = '?';
        out[n++] = c;
    }
    out[n] = '\0';
    return text.n_bytes <= NAME_MAX_BYTES;
}

int filter_find(struct str name)
{
    char wanted[NAME_MAX_BYTES + 1] = { 0 };

    if (!normalize(name, wanted))
        return -1;
    for (size_t i = 0; i < n_filters; i++) {
        if (strcmp(filters[i].name, wanted) == 0)
            return (int)i;
    }
    return -1;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Levenshtein's edit distance. `a` has at most NAME_MAX_BYTES.
static size_t distance(const char *a, const char *b)
{
    size_t n_a = strlen(a);
    size_t row[NAME_MAX_BYTES + 1];

    assert(n_a <= NAME_MAX_BYTES);
    for (size_t i = 0; i <= n_a; i++)
        row[i] = i;
    for (size_t j = 1; b[j - 1] != '\0'; j++) {
        size_t diagonal = row[0];

        row[0] = j;
        for (size_t i = 1; i <= n_a; i++) {
            size_t above = row[i];
            size_t change = diagonal + (a[i - 1] != b[j - 1]);

            row[i] = least(least(above, row[i - 1]) + 1, change);
            diagonal = above;
        }
    }
    return row[n_a];
}

// The name nearest to `wanted` among those compared so far.
struct nearest {
    const char *wanted;
    const char *name; // NULL: none was near enough
    size_t within;    // only smaller distances count
};

// A name that differs by more than a third of its length was not meant.
static struct nearest nearest_of(const char *wanted)
{
    return (struct nearest){ .wanted = wanted,
                             .within = strlen(wanted) / 3 + 1 };
}

static void consider(struct nearest *nearest, const char *name)
{
    size_t d = distance(nearest->wanted, name);

    if (d < nearest->within) {
        nearest->within = d;
        nearest->name = name;
    }
}

const char *filter_nearest(struct str name)
{
    char wanted[NAME_MAX_BYTES + 1] = { 0 };
    struct nearest nearest;

    if (!normalize(name, wanted))
        return NULL;
    nearest = nearest_of(wanted);
    for (size_t i = 0; i < n_filters; i++)
        consider(&nearest, filters[i].name);
    return nearest.name;
}

// --- groups ---

const char *group_name(enum group group)
{
    return groups[group].name;
}

int group_find(struct str name)
{
    char wanted[NAME_MAX_BYTES + 1] = { 0 };

    if (!normalize(name, wanted))
        return -1;
    for (size_t i = 0; i < GROUPS; i++) {
        if (strcmp(groups[i].name, wanted) == 0)
            return (int)i;
    }
    return -1;
}

unsigned group_levels(enum group group)
{
    return groups[group].levels;
}

uint64_t group_filters(enum group group)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < n_filters; i++) {
        if (filters[i].group == group)
            bits |= UINT64_C(1) << i;
    }
    return bits;
}

// --- kinds ---

int kind_group(struct str kind)
{
    for (size_t i = 0; i < n_filters; i++) {
        if (str_is(kind, filters[i].kind))
            return (int)filters[i].group;
    }
    return -1;
}

bool kind_is_known(struct str kind)
{
    return kind_group(kind) >= 0 || str_is(kind, unfiltered_kind);
}

const char *kind_nearest(struct str kind)
{
    char wanted[NAME_MAX_BYTES + 1] = { 0 };
    struct nearest nearest;

    if (!normalize(kind, wanted))
        return NULL;
    nearest = nearest_of(wanted);
    consider(&nearest, unfiltered_kind);
    for (size_t i = 0; i < n_filters; i++)
        consider(&nearest, filters[i].kind);
    return nearest.name;
}

static bool is_separator(char c)
{
    return c == '.' || c == '/' || c == ':';
}

static bool is_of_segment(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '-';
}

size_t kind_separator(struct str kind, size_t from)
{
    while (from < kind.n_bytes && !is_separator(kind.at[from]))
        from++;
    return from;
}

bool kind_has_separator(struct str kind)
{
    return kind_separator(kind, 0) < kind.n_bytes;
}

size_t kind_segments(struct str text)
{
    size_t n_segments = 0;
    size_t start = 0;

    do {
        size_t end = kind_separator(text, start);

        if (end == start)
            return 0;
        for (size_t i = start; i < end; i++) {
            if (!is_of_segment(text.at[i]))
                return 0;
        }
        n_segments++;
        start = end + 1;
    } while (start <= text.n_bytes);
    return n_segments;
}

bool kind_is_custom(struct str kind)
{
    return kind.n_bytes <= KIND_MAX_BYTES && kind_segments(kind) >= 2;
}

bool kind_is_own(struct str kind)
{
    return str_starts(kind, STR("posthorn."));
}

bool kind_is_reserved(struct str kind)
{
    static const char own[] = "posthorn";
    size_t n_bytes = sizeof(own) - 1;

    return kind_separator(kind, 0) == n_bytes &&
           strncasecmp(kind.at, own, n_bytes) == 0;
}

bool kind_pattern_base(struct str filter, struct str *base)
{
    *base = filter;
    if (filter.n_bytes < 2 || filter.at[filter.n_bytes - 1] != '*' ||
        !is_separator(filter.at[filter.n_bytes - 2]))
        return false;
    base->n_bytes--;
    return true;
}

bool kind_is_pattern(struct str filter)
{
    struct str base;

    if (!kind_pattern_base(filter, &base))
        return kind_is_custom(filter);
    base.n_bytes--; // without its separator
    return filter.n_bytes <= KIND_MAX_BYTES && kind_segments(base) >= 1;
}

bool kind_matches(struct str kind, struct str pattern)
{
    struct str base;

    if (!kind_pattern_base(pattern, &base))
        return str_eq(kind, pattern);
    return kind.n_bytes > base.n_bytes && str_starts(kind, base);
}
