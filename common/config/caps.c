// SPDX-License-Identifier: MIT
// caps.c — what organizations share, as a table.

#include "common/config/caps.h"

#include <inttypes.h>
#include <stddef.h>

#define AT(field) offsetof(struct config, field)

static const struct {
    const char *setting; // the setting for all together
    size_t whole, of_one;
    unsigned part;      // whole / part: one organization's default share
    const char *things; // "16 webhooks"
    const char *advice; // for an organization whose share is used up
} caps[CAP_COUNT] = {
    [CAP_HOOKS] = { "max_hooks", AT(max_hooks), AT(max_hooks_per_organization),
                    10, "webhooks", "delete one first" },
    [CAP_PATTERNS] = { "max_patterns", AT(max_patterns),
                       AT(max_patterns_per_organization), 100,
                       "webhooks with a pattern",
                       "take the pattern of another one away first" },
    [CAP_STACKS] = { "max_stacks", AT(max_stacks),
                     AT(max_stacks_per_organization), 10,
                     "stacks and environments that are known",
                     "delete one first" },
    [CAP_TAILS] = { "max_tails", AT(max_tails), AT(max_tails_per_organization),
                    4, "followers of deliveries",
                    "end one, or try again when one has ended" },
    [CAP_ON_DEMAND] = { "max_manual", AT(max_manual),
                        AT(max_manual_per_organization), 4,
                        "pings and redeliveries in progress",
                        "try again when one has ended" },
    [CAP_QUERIES] = { "max_questions", AT(max_questions),
                      AT(max_questions_per_organization), 8,
                      "requests to dispatchers in progress",
                      "try again when one is answered" },
    [CAP_REQUESTS] = { "max_connections", AT(max_connections),
                       AT(max_connections_per_organization), 8,
                       "requests in work", "try again when one is answered" },
    [CAP_REPLAYS] = { "max_replays", AT(max_replays),
                      AT(max_replays_per_organization), 4, "replays under way",
                      "cancel one, or try again when one has ended" },
    [CAP_BUFFERED] = { "max_buffered_bytes", AT(max_buffered_bytes),
                       AT(max_buffered_bytes_per_organization), 4,
                       "bytes of requests and answers",
                       "read the answers, or try again later" },
};

static uint64_t number_at(const struct config *c, size_t offset)
{
    return *(const uint64_t *)(const void *)((const char *)c + offset);
}

static uint64_t at_least_one(uint64_t n)
{
    return n > 0 ? n : 1;
}

struct share_limit cap_limit(const struct config *c, enum cap_kind kind)
{
    struct share_limit l = { .whole = number_at(c, caps[kind].whole),
                             .of_one = number_at(c, caps[kind].of_one) };

    l.reserve = at_least_one(l.whole / 100 * c->admin_reserve_percent +
                             l.whole % 100 * c->admin_reserve_percent / 100);
    if (l.of_one == 0)
        l.of_one = at_least_one(l.whole / caps[kind].part);
    return l;
}

void caps_check(const struct config *c, struct buf *faults)
{
    for (int i = 0; i < CAP_COUNT; i++) {
        struct share_limit l = cap_limit(c, (enum cap_kind)i);

        if (l.of_one <= l.whole - l.reserve)
            continue;
        buf_printf(faults,
                   "%s_per_organization: must not be larger than %" PRIu64
                   ", which is %s without the %" PRIu64
                   " %% of admin_reserve_percent\n",
                   caps[i].setting, l.whole - l.reserve, caps[i].setting,
                   c->admin_reserve_percent);
    }
}

void cap_put_why(const struct config *c, enum cap_kind kind, enum share share,
                 struct buf *out)
{
    struct share_limit l = cap_limit(c, kind);
    const char *setting = caps[kind].setting;

    if (share == SHARE_OF_ONE) {
        buf_printf(out,
                   "this organization has %" PRIu64
                   " %s, which is the limit (%s_per_organization); %s",
                   l.of_one, caps[kind].things, setting, caps[kind].advice);
    } else if (share == SHARE_OF_ALL) {
        buf_printf(out,
                   "all organizations together have %" PRIu64
                   " %s, which is the limit (%s, without the reserve of the "
                   "admin token); try again later",
                   l.whole - l.reserve, caps[kind].things, setting);
    } else {
        buf_printf(out, "there are %" PRIu64 " %s, which is the limit (%s); %s",
                   l.whole, caps[kind].things, setting, caps[kind].advice);
    }
}
