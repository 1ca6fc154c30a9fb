// SPDX-License-Identifier: MIT
// match.c — which hooks want an event: an index of all hooks, in memory.
//
// Three hash maps: hooks by number, scopes by the scope that an event names, and
// lists of hooks by scope and custom kind. A scope keeps one word of bits for each
// hook: the filters it wants (its groups resolved into filters), and above them private
// bits for "all" and for events that have no filter. A tree over these words leads to
// those that have a bit of the event's, so hooks that do not want it cost nothing.

#include "engine/delivery/match.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/codec.h"
#include "common/base/hash_map.h"
#include "common/base/mem.h"
#include "common/model/event_kinds.h"
#include "common/model/operator.h"
#include "engine/delivery/org_paths.h"
#include "engine/delivery/word_tree.h"

// Bits above those of the filters; only in memory.
#define BIT_ALL   (UINT64_C(1) << 63) // set in every event
#define GROUP_BIT 56                  // + group: for events without a filter
_Static_assert(GROUP_BIT + GROUPS <= 63, "own bits do not meet");

// --- types ---

struct entry; // a hook

// The hooks of one organization, stack, environment or project.
struct scope {
    struct hash_node node;
    struct hook_scope key; // its strings are in `text`
    struct word_tree bits; // one word for each hook that has any bit
    struct entry **hooks;  // in the order of `bits`
    size_t room;
    size_t n_hooks; // with and without bits; at 0 the scope is freed
    size_t n_kinds; // entries in lists by kind
    char text[];
};

// That a hook is in a list by kind.
struct membership {
    struct kind_list *list;
    size_t at;
};

// The hooks of a scope that want one custom kind, or all kinds with one prefix.
struct kind_list {
    struct hash_node node;
    struct scope *scope;
    bool is_prefix; // "order.*"; `kind` is "order."
    struct str kind;
    struct {
        struct entry *hook;
        size_t membership; // index into its memberships
    } * members;
    size_t n;
    size_t room;
    char text[];
};

struct entry {
    struct hash_node node; // its hash is the number
    uint64_t no;
    void *runtime;
    struct position from;
    struct scope *scope;
    struct pattern *pattern; // owned; NULL: none
    struct paths *paths;     // that it is bound to
    size_t bits_at;          // index into the scope's bits, or NOWHERE
    size_t n_memberships;
    struct membership memberships[];
};

#define NOWHERE SIZE_MAX

struct match_index {
    struct hash_map hooks;
    struct hash_map scopes;
    struct hash_map kinds;
    struct org_paths paths;
    uint64_t revision; // counts changes, so of `paths`, too
    uint64_t group_filters[GROUPS];
    uint64_t level_filters[LEVEL_PROJECT + 1]; // by enum hook_level
    uint64_t known_filters;
};

// --- scopes ---

static uint64_t scope_hash(const struct hook_scope *key)
{
    uint64_t hash = (uint64_t)key->dialect << 8 | (uint64_t)key->level;

    hash = hash_here(key->org, hash);
    if (key->project.n_bytes > 0 || key->target.n_bytes > 0) {
        hash = hash_here(key->project, hash);
        hash = hash_here(key->target, hash);
    }
    return hash;
}

static struct scope *scope_find(const struct match_index *idx,
                                const struct hook_scope *key)
{
    struct hash_node *node = hash_map_find(&idx->scopes, scope_hash(key));

    for (; node != NULL; node = hash_map_same(node)) {
        struct scope *s = HASH_OBJECT(node, struct scope, node);

        if (s->key.dialect == key->dialect && s->key.level == key->level &&
            str_eq(s->key.org, key->org) &&
            str_eq(s->key.project, key->project) &&
            str_eq(s->key.target, key->target))
            return s;
    }
    return NULL;
}

static struct str copy_str(char **to, struct str from)
{
    struct str copy = { *to, from.n_bytes };

    if (from.n_bytes > 0)
        memcpy(*to, from.at, from.n_bytes);
    *to += from.n_bytes;
    return copy;
}

static struct scope *scope_take(struct match_index *idx,
                                const struct hook_scope *key)
{
    struct scope *s = scope_find(idx, key);
    char *text;

    if (s == NULL) {
        s = xcalloc(1, sizeof(*s) + key->org.n_bytes + key->project.n_bytes +
                           key->target.n_bytes);
        text = s->text;
        s->key = *key;
        s->key.org = copy_str(&text, key->org);
        s->key.project = copy_str(&text, key->project);
        s->key.target = copy_str(&text, key->target);
        hash_map_add(&idx->scopes, &s->node, scope_hash(key));
    }
    s->n_hooks++;
    return s;
}

static void scope_free(struct scope *s)
{
    word_tree_clear(&s->bits);
    free(s->hooks);
    free(s);
}

static void scope_drop(struct match_index *idx, struct scope *s)
{
    s->n_hooks--;
    if (s->n_hooks > 0)
        return;
    hash_map_remove(&idx->scopes, &s->node);
    scope_free(s);
}

static void bits_add(struct scope *s, struct entry *hook, uint64_t bits)
{
    size_t at = word_tree_n(&s->bits);

    if (at == s->room) {
        s->room = s->room > 0 ? s->room * 2 : 4;
        s->hooks = xrealloc(s->hooks, s->room * sizeof(struct entry *));
    }
    word_tree_append(&s->bits, bits);
    s->hooks[at] = hook;
    hook->bits_at = at;
}

// Removes a hook's word. The last word takes its place.
static void bits_del(struct scope *s, const struct entry *hook)
{
    size_t at = hook->bits_at;
    size_t last = word_tree_n(&s->bits) - 1;

    if (at == NOWHERE)
        return;
    s->hooks[at] = s->hooks[last];
    s->hooks[at]->bits_at = at;
    word_tree_set(&s->bits, at, word_tree_at(&s->bits, last));
    word_tree_remove_last(&s->bits);
}

// --- lists by kind ---

static uint64_t kind_hash(const struct scope *s, struct str kind,
                          bool is_prefix)
{
    return hash_here(kind, s->node.hash + is_prefix);
}

static struct kind_list *kind_find(const struct match_index *idx,
                                   const struct scope *s, struct str kind,
                                   bool is_prefix)
{
    struct hash_node *node =
        hash_map_find(&idx->kinds, kind_hash(s, kind, is_prefix));

    for (; node != NULL; node = hash_map_same(node)) {
        struct kind_list *list = HASH_OBJECT(node, struct kind_list, node);

        if (list->scope == s && list->is_prefix == is_prefix &&
            str_eq(list->kind, kind))
            return list;
    }
    return NULL;
}

static void kind_add(struct match_index *idx, struct entry *hook,
                     struct str kind, bool is_prefix)
{
    struct kind_list *list = kind_find(idx, hook->scope, kind, is_prefix);
    char *text;

    if (list == NULL) {
        list = xcalloc(1, sizeof(*list) + kind.n_bytes);
        text = list->text;
        list->scope = hook->scope;
        list->is_prefix = is_prefix;
        list->kind = copy_str(&text, kind);
        hash_map_add(&idx->kinds, &list->node,
                     kind_hash(hook->scope, kind, is_prefix));
    }
    if (list->n == list->room) {
        list->room = list->room > 0 ? list->room * 2 : 2;
        list->members =
            xrealloc(list->members, list->room * sizeof(*list->members));
    }
    list->members[list->n].hook = hook;
    list->members[list->n].membership = hook->n_memberships;
    hook->memberships[hook->n_memberships++] =
        (struct membership){ .list = list, .at = list->n++ };
    hook->scope->n_kinds++;
}

static void kind_list_free(struct kind_list *list)
{
    free(list->members);
    free(list);
}

static void kind_del(struct match_index *idx,
                     const struct membership *membership)
{
    struct kind_list *list = membership->list;
    size_t at = membership->at;
    size_t last = list->n - 1;

    list->members[at] = list->members[last];
    list->members[at].hook->memberships[list->members[at].membership].at = at;
    list->n--;
    list->scope->n_kinds--;
    if (list->n > 0)
        return;
    hash_map_remove(&idx->kinds, &list->node);
    kind_list_free(list);
}

// Whether another pattern of the hook, which is kept, matches every kind that
// `kinds[i]` matches. Without covered patterns, no event finds a hook twice.
static bool is_covered(const struct hook *hook, size_t i)
{
    struct str base;

    kind_pattern_base(hook->kinds[i], &base);
    for (size_t j = 0; j < hook->n_kinds; j++) {
        struct str other = hook->kinds[j];
        struct str other_base;

        if (str_eq(other, hook->kinds[i])) {
            if (j < i)
                return true; // of equal patterns, the first is kept
        } else if (hook->scope.dialect == DIALECT_PULUMI &&
                   kind_pattern_base(other, &other_base) &&
                   kind_matches(base, other)) {
            return true;
        }
    }
    return false;
}

// --- hooks ---

static struct entry *entry_find(const struct match_index *idx, uint64_t no)
{
    return HASH_OBJECT(hash_map_find(&idx->hooks, no), struct entry, node);
}

// The filters that the hook wants, and the private bits.
static uint64_t bits_of(const struct match_index *idx, const struct hook *hook)
{
    uint64_t bits = hook->filters;

    assert(hook->scope.level <= LEVEL_PROJECT);
    if (hook->scope.dialect == DIALECT_AKINON)
        return 0;
    if (hook->filters == 0 && hook->groups == 0 && hook->n_kinds == 0)
        return BIT_ALL;
    for (unsigned group = 0; group < GROUPS; group++) {
        if ((hook->groups & UINT64_C(1) << group) != 0)
            bits |= idx->group_filters[group];
    }
    // For a hook of a stack, a group lacks the filters that only organizations get.
    bits &= idx->level_filters[hook->scope.level];
    return bits | (hook->groups & ((1U << GROUPS) - 1)) << GROUP_BIT;
}

static void add_kinds(struct match_index *idx, struct entry *entry,
                      const struct hook *hook)
{
    for (size_t i = 0; i < hook->n_kinds; i++) {
        struct str base;
        bool is_prefix = kind_pattern_base(hook->kinds[i], &base);

        // Akinon has no wildcards: a kind with a star, taken literally, matches
        // nothing.
        if (hook->scope.dialect == DIALECT_AKINON && is_prefix)
            continue;
        if (!is_covered(hook, i))
            kind_add(idx, entry, base, is_prefix);
    }
}

// Whether the hook was made in the operator's organization before that name was
// reserved: the events of that organization are not meant for it.
static bool is_stranger(const struct hook *hook)
{
    return operator_is_org(hook->scope.org) && !hook->is_operator;
}

bool match_index_put(struct match_index *idx, const struct hook *hook,
                     void *runtime)
{
    struct pattern *pattern = NULL;
    struct entry *entry;
    uint64_t bits;

    match_index_remove(idx, hook->no);
    if (hook->pattern.n_bytes > 0 &&
        pattern_compile(hook->pattern, &pattern, NULL) != OK)
        return false;
    if (!hook->active || is_stranger(hook)) {
        pattern_free(pattern);
        return true;
    }
    entry =
        xcalloc(1, sizeof(*entry) + hook->n_kinds * sizeof(struct membership));
    entry->no = hook->no;
    entry->runtime = runtime;
    entry->from = hook->from;
    entry->scope = scope_take(idx, &hook->scope);
    entry->bits_at = NOWHERE;
    entry->pattern = pattern;
    if (pattern != NULL) {
        entry->paths = org_paths_bind(&idx->paths, hook->scope.dialect,
                                      hook->scope.org, pattern);
        idx->revision++;
    }
    hash_map_add(&idx->hooks, &entry->node, hook->no);
    bits = bits_of(idx, hook);
    if (bits != 0)
        bits_add(entry->scope, entry, bits);
    add_kinds(idx, entry, hook);
    return true;
}

void match_index_remove(struct match_index *idx, uint64_t hook_id)
{
    struct entry *entry = entry_find(idx, hook_id);

    if (entry == NULL)
        return;
    bits_del(entry->scope, entry);
    for (size_t i = 0; i < entry->n_memberships; i++)
        kind_del(idx, &entry->memberships[i]);
    hash_map_remove(&idx->hooks, &entry->node);
    if (entry->pattern != NULL) {
        org_paths_unbind(&idx->paths, entry->scope->key.dialect,
                         entry->scope->key.org, entry->pattern);
        pattern_free(entry->pattern);
        idx->revision++;
    }
    scope_drop(idx, entry->scope);
    free(entry);
}

struct match_index *match_index_new(void)
{
    struct match_index *idx = xcalloc(1, sizeof(*idx));

    assert(n_filters <= GROUP_BIT);
    for (unsigned group = 0; group < GROUPS; group++)
        idx->group_filters[group] = group_filters((enum group)group);
    for (size_t i = 0; i < n_filters; i++) {
        uint64_t bit = UINT64_C(1) << i;

        idx->known_filters |= bit;
        if ((filters[i].levels & LEVEL_BIT_ORG) != 0)
            idx->level_filters[LEVEL_ORGANIZATION] |= bit;
        if ((filters[i].levels & LEVEL_BIT_STACK) != 0)
            idx->level_filters[LEVEL_STACK] |= bit;
        if ((filters[i].levels & LEVEL_BIT_ENV) != 0)
            idx->level_filters[LEVEL_ENVIRONMENT] |= bit;
    }
    return idx;
}

void match_index_free(struct match_index *idx)
{
    struct hash_node *next;

    if (idx == NULL)
        return;
    for (struct hash_node *n = hash_map_next(&idx->hooks, NULL); n != NULL;
         n = next) {
        next = hash_map_next(&idx->hooks, n);
        match_index_remove(idx, n->hash);
    }
    hash_map_clear(&idx->hooks);
    hash_map_clear(&idx->scopes);
    hash_map_clear(&idx->kinds);
    org_paths_clear(&idx->paths);
    free(idx);
}

// --- matching ---

struct search {
    const struct match_index *idx;
    const struct event *event;
    uint64_t bits; // a hook must have at least one of these
    match_visit visit;
    void *data;
    size_t n_found;
};

static void found(struct search *search, const struct entry *hook)
{
    if (position_cmp(search->event->position, hook->from) <= 0)
        return;
    search->n_found++;
    search->visit(search->data, hook->no, hook->runtime);
}

static void search_bits(struct search *search, const struct scope *s)
{
    for (size_t i = word_tree_find(&s->bits, 0, search->bits);
         i != WORD_TREE_NONE; i = word_tree_find(&s->bits, i + 1, search->bits))
        found(search, s->hooks[i]);
}

static void search_kind(struct search *search, const struct scope *s,
                        struct str kind, bool is_prefix)
{
    const struct kind_list *list = kind_find(search->idx, s, kind, is_prefix);

    if (list == NULL)
        return;
    for (size_t i = 0; i < list->n; i++)
        found(search, list->members[i].hook);
}

static void search_scope(struct search *search, struct hook_scope key)
{
    const struct scope *s = scope_find(search->idx, &key);
    struct str kind = search->event->kind;

    if (s == NULL)
        return;
    search_bits(search, s);
    if (s->n_kinds == 0)
        return;
    search_kind(search, s, kind, false);
    for (size_t i = kind_separator(kind, 0); i < kind.n_bytes;
         i = kind_separator(kind, i + 1))
        search_kind(search, s, (struct str){ kind.at, i + 1 }, true);
}

static uint64_t bits_wanted(const struct match_index *idx,
                            const struct event *event)
{
    uint64_t bits = event->filters & idx->known_filters;
    int group;

    if (kind_is_own(event->kind))
        return operator_is_org(event->org) ? BIT_ALL : 0;
    if (bits != 0)
        return bits | BIT_ALL;
    group = kind_group(event->kind);
    return group < 0 ? BIT_ALL : BIT_ALL | UINT64_C(1) << (GROUP_BIT + group);
}

size_t match_event(const struct match_index *idx, const struct event *event,
                   match_visit visit, void *data)
{
    struct search search = {
        .idx = idx, .event = event, .visit = visit, .data = data
    };
    struct hook_scope key = { .dialect = event->dialect, .org = event->org };

    search.bits = bits_wanted(idx, event);
    if (event->dialect == DIALECT_AKINON) {
        key.level = LEVEL_PROJECT;
        key.project = event->project;
        search_scope(&search, key);
        return search.n_found;
    }
    key.level = LEVEL_ORGANIZATION;
    search_scope(&search, key);
    key.project = event->project;
    if (event->stack.n_bytes > 0) {
        key.level = LEVEL_STACK;
        key.target = event->stack;
        search_scope(&search, key);
    }
    if (event->env.n_bytes > 0) {
        key.level = LEVEL_ENVIRONMENT;
        key.target = event->env;
        search_scope(&search, key);
    }
    return search.n_found;
}

// --- patterns ---

bool match_holds(const struct match_index *idx, uint64_t hook_id,
                 struct event_facts *event)
{
    const struct entry *entry = entry_find(idx, hook_id);

    if (entry == NULL || entry->pattern == NULL)
        return entry != NULL;
    return pattern_holds(entry->pattern,
                         event_facts_at(event, entry->paths, idx->revision));
}

void match_explain(const struct match_index *idx, uint64_t hook_id,
                   struct event_facts *event, struct buf *out)
{
    const struct entry *entry = entry_find(idx, hook_id);

    if (entry == NULL || match_holds(idx, hook_id, event))
        return;
    pattern_explain(entry->pattern,
                    event_facts_at(event, entry->paths, idx->revision), out);
}

struct wanting {
    const struct match_index *idx;
    struct event_facts *facts;
    bool is_wanted;
};

static void on_found(void *data, uint64_t hook_id, void *runtime)
{
    struct wanting *w = data;

    (void)runtime;
    w->is_wanted = w->is_wanted || match_holds(w->idx, hook_id, w->facts);
}

bool match_wants(const struct match_index *idx, const struct event *event,
                 struct event_facts *facts)
{
    struct wanting w = { .idx = idx, .facts = facts };

    event_facts_begin(facts, event);
    match_event(idx, event, on_found, &w);
    event_facts_end(facts);
    return w.is_wanted;
}
