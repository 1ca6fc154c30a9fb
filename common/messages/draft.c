// SPDX-License-Identifier: MIT
// draft.c — a hook that does not exist yet, as QUERY_DRAFT carries it.

#include "common/messages/draft.h"

#include "common/base/codec.h"

#define DRAFT(name) MEMBER(struct hook, name)

// The kinds follow.
static const struct member draft_members[] = {
    MEMBER_MAX(struct hook, scope.dialect, DIALECT_AKINON),
    MEMBER_MAX(struct hook, scope.level, LEVEL_PROJECT),
    DRAFT(scope.org),
    DRAFT(scope.project),
    DRAFT(scope.target),
    DRAFT(active),
    DRAFT(is_operator),
    DRAFT(filters),
    DRAFT(groups),
    DRAFT(pattern),
    MEMBER_MAX(struct hook, disabled, HOOK_FAILING),
};

void draft_pack(const struct hook *hook, struct buf *out)
{
    members_pack(out, MEMBERS(draft_members), hook);
    pack_array(out, (uint32_t)hook->n_kinds);
    for (size_t i = 0; i < hook->n_kinds; i++)
        pack_str(out, hook->kinds[i]);
}

enum err draft_unpack(struct str bytes, struct arena *arena, struct hook *out)
{
    struct unpack u = unpack_of(bytes);

    *out = (struct hook){ .from = position_start };
    members_unpack(&u, MEMBERS(draft_members), 1, out);
    out->n_kinds = unpack_array(&u, HOOK_LIST_MAX);
    out->kinds = arena_take(arena, (out->n_kinds + 1) * sizeof(*out->kinds));
    for (size_t i = 0; i < out->n_kinds; i++)
        out->kinds[i] = unpack_str(&u);
    if (unpack_done(&u) != OK || out->scope.level < LEVEL_ORGANIZATION ||
        out->scope.dialect < DIALECT_PULUMI)
        return ERR_CORRUPT;
    return OK;
}
