// SPDX-License-Identifier: MIT
// hook_store.h — the durable state of hooks, stacks and tokens. Part of queue.h,
// which is what to include.

#ifndef QUEUE_CATALOG_HOOK_STORE_H
#define QUEUE_CATALOG_HOOK_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/base/text.h"
#include "common/fairness/share.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "common/model/token.h"
#include "common/process/blame.h"
#include "queue/records/queue_config.h"

struct uv_loop_s;

// --- writing -----------------------------------------------------------------
//
// A write of a hook, a stack or a token copies what it is given and returns at once.
// Writes take effect in the order in which they were begun. `done` runs exactly once
// for each, in the same order, later, on the loop, with a known outcome: OK means
// committed, synced, and visible to the reads of this process; on any error but
// ERR_LOST nothing of the write is stored. The outcome stays unknown only if the
// process ends before.
//
// Every write may end with: ERR_FULL, no room on the disk or in the map; ERR_LOST,
// the files were removed or replaced; ERR_DENIED, the store was opened without keys;
// ERR_IO, ERR_CORRUPT.

struct catalog_result {
    enum err err;
    enum share share;  // of stack_create()
    uint64_t revision; // of org_value_put()
    const struct hook
        *hook; // as hook_create() and hook_update() stored it; NULL on
               // an error
};

// Whom to tell the outcome. `result`, and what it points to, is valid during the
// call, which may begin another write.
struct catalog_caller {
    void (*done)(void *data, const struct catalog_result *result);
    void *data;           // must live until `done` runs
    struct blamed blamed; // what the worker notes while it works on the write
};

// --- hooks -----------------------------------------------------------------

struct hook_store;

// The secrets of a hook (secret, old, client_key, the values of headers) are sealed
// on disk with the keys in queue_config. If those are absent, secrets read as
// empty.

// The writing end (and its own reads); needs keys. `loop` runs the callbacks of
// writes, and must outlive the store.
MUST_CHECK enum err hook_store_open(const struct queue_config *config,
                                    struct uv_loop_s *loop,
                                    struct hook_store **out);

// The reading end: asserts that nothing is written.
MUST_CHECK enum err hook_store_view(const struct queue_config *config,
                                    struct hook_store **out);

// Stores a new hook; the result has its `no`, `revision` and `org_id`. ERR_EXISTS:
// the scope has a hook of that name. ERR_INVALID: its names are too long together.
void hook_create(struct hook_store *hs, const struct hook *hook,
                 const struct catalog_caller *caller);

// Replaces the hook that has `hook->no`, if its revision is still `hook->revision`;
// the result has the new one. ERR_CONFLICT: the revision has changed. ERR_NOTFOUND.
void hook_update(struct hook_store *hs, const struct hook *hook,
                 const struct catalog_caller *caller);

// Deletes the hook if its revision is still `revision`; 0: whatever it is.
// ERR_CONFLICT: the revision has changed. ERR_NOTFOUND.
void hook_delete(struct hook_store *hs, const struct hook_scope *scope,
                 struct str name, uint64_t revision,
                 const struct catalog_caller *caller);

// The number of an organization. History, statistics, replays and backlogs belong
// to an organization by this number. An organization gets it with its first hook or
// token and keeps it for good, also when it has none any more; no other
// organization ever gets it. 0: it never had a hook or token, so it owns nothing
// there.
MUST_CHECK enum err org_number(struct hook_store *hs, enum dialect dialect,
                               struct str org, uint64_t *no);

// The organization that has the number `no`.
struct org_name {
    enum dialect dialect;
    char bytes[NAME_MAX_BYTES];
    size_t n_bytes;
};

// ERR_NOTFOUND: no organization has this number. ERR_CORRUPT: its row is damaged.
MUST_CHECK enum err org_of_number(struct hook_store *hs, uint64_t no,
                                  struct org_name *out);

// The organizations that have a number, by name, after `after` (empty: from the first).
// Return false to end the list.
typedef bool (*org_visit)(void *data, struct str org);
MUST_CHECK enum err org_each(struct hook_store *hs, enum dialect dialect,
                             struct str after, org_visit visit, void *data);

// The hook is borrowed for the call. Return false to end the scan.
typedef bool (*hook_visit)(void *data, const struct hook *hook);

// ERR_NOTFOUND.
MUST_CHECK enum err hook_get(struct hook_store *hs,
                             const struct hook_scope *scope, struct str name,
                             hook_visit visit, void *data);

// The hook of this number. ERR_NOTFOUND.
MUST_CHECK enum err hook_get_by_no(struct hook_store *hs, uint64_t no,
                                   hook_visit visit, void *data);

// Visitors of one hook: they store its number in a uint64_t, or a copy, which the
// caller frees, in a `struct hook *`.
bool hook_visit_no(void *no, const struct hook *hook);
bool hook_visit_copy(void *copy, const struct hook *hook);

// The hooks of one scope by name, from after `after_name` (empty: the first).
MUST_CHECK enum err hook_list(struct hook_store *hs,
                              const struct hook_scope *scope,
                              struct str after_name, hook_visit visit,
                              void *data);

// The hooks of an organization at every level, after the position `after` (empty:
// from the first), which hook_cursor_put() makes for a hook.
MUST_CHECK enum err hook_list_org(struct hook_store *hs, enum dialect dialect,
                                  struct str org, struct str after,
                                  hook_visit visit, void *data);
// Numbers of hooks: `at` has room for `max`, of which `n` are there.
struct org_hook_numbers {
    uint64_t *at; // borrowed
    size_t n, max;
    bool is_whole; // false: there are more, or a record is damaged
};

// Sets `out` to the numbers of an organization's hooks at every level.
MUST_CHECK enum err hook_list_numbers(struct hook_store *hs,
                                      enum dialect dialect, struct str org,
                                      struct org_hook_numbers *out);
void hook_cursor_put(const struct hook *hook, struct buf *out);
// Append the position before all hooks of an organization's level, and the position
// after all hooks of a scope.
void hook_cursor_put_level(enum dialect dialect, struct str org,
                           enum hook_level level, struct buf *out);
void hook_cursor_put_end(const struct hook_scope *scope, struct buf *out);

// Every hook that changed after revision `after` (0: all that exist), in order of
// revision. A hook that changed several times comes once, in its present form; a
// deleted one comes with an empty name and only `no` and `revision` set. So does
// one whose record cannot be read, with `is_damaged` set. Deletions older than an
// hour are forgotten. `last`: the revision to continue after.
MUST_CHECK enum err hook_watch(struct hook_store *hs, uint64_t after,
                               hook_visit visit, void *data, uint64_t *last);

// --- values derived from the directory's key --------------------------------
//
// A data directory has a key of its own, sealed beside the hooks; backups contain
// it, and a change of the sealing keys leaves it as it is.

#define HOOK_KEY_BYTES 32

// Derives the key for one purpose. If the store was opened without keys, or is
// older than the directory's key: a random key that nothing else has.
void hook_store_key(const struct hook_store *hs, const char *purpose,
                    uint8_t out[HOOK_KEY_BYTES]);

// Appends request headers in the form in which an attempt of this hook stores them:
// sealed, so that they open for no other hook and event.
void headers_seal(const struct hook_store *hs, uint64_t hook_id,
                  struct position position, struct str text, struct buf *out);

// Are these stored request headers of an attempt sealed?
bool headers_are_sealed(struct str headers);

// Appends their plain text. ERR_CORRUPT: they are damaged, belong elsewhere, or are
// sealed with another directory's key.
MUST_CHECK enum err headers_open(const struct hook_store *hs, uint64_t hook_id,
                                 struct position position, struct str sealed,
                                 struct buf *out);

// --- stacks ----------------------------------------------------------------

// The organizations, stacks and environments that a hook or an event (not Akinon's)
// has ever named, or that were created by name, even if what named them is gone.
// queue_config limits how many names are kept; further ones are dropped, which is
// logged.
struct stack_view;

struct stack_name {
    struct str org;
    struct str project; // empty: the organization itself
    struct str stack;   // stack or environment; the other is empty
    struct str env;
};

// The scope of the hooks of a stack or environment. Its texts are those of `name`.
struct hook_scope stack_hook_scope(const struct stack_name *name);

// For any process. A process that also writes hooks must call hook_store_open()
// before.
MUST_CHECK enum err stack_view_open(const struct queue_config *config,
                                    struct stack_view **out);

// ERR_NOTFOUND: nothing has named the stack.
MUST_CHECK enum err stack_find(struct stack_view *view,
                               const struct stack_name *name);

// Whether an event named it. ERR_NOTFOUND: no, though a hook may have.
MUST_CHECK enum err stack_find_in_events(struct stack_view *view,
                                         const struct stack_name *name);

// The organizations of stacks and environments, by name.
MUST_CHECK enum err org_list(struct stack_view *view, org_visit visit,
                             void *data);

struct stack_query {
    bool is_env;             // environments; else stacks
    struct str org, project; // only in these; empty: in all
};

// The stacks or environments by organization, project and name, from `place` on
// (empty: from the first). The list ends after `max` names were examined; `place`
// is then where to continue, or empty when there are no more.
typedef void (*stack_visit)(void *data, const struct stack_name *name);
MUST_CHECK enum err stack_list(struct stack_view *view,
                               const struct stack_query *query, size_t max,
                               struct buf *place, stack_visit visit,
                               void *data);

// Appends the place in stack_list() of what follows this name.
void stack_place_put(const struct stack_name *name, struct buf *out);

// Records a stack. `is_admin`: it may use what is reserved for the admin token.
// ERR_EXISTS: a hook or somebody else has named it; ERR_INVALID: its names are
// malformed. OK with anything but SHARE_THERE in the result's `share`: too many are
// known, and it is not recorded.
void stack_create(struct hook_store *hs, const struct stack_name *name,
                  bool is_admin, const struct catalog_caller *caller);

// Forgets that the stack was named by a hook or created. ERR_EXISTS: it has hooks.
// ERR_NOTFOUND.
void stack_delete(struct hook_store *hs, const struct stack_name *name,
                  const struct catalog_caller *caller);

// --- tokens ----------------------------------------------------------------

struct token_store;

// The writing end. Tokens lie in the environment of the hooks; writes of both take
// effect in the order in which they were begun. `hs` must outlive it.
struct token_store *token_store_of(struct hook_store *hs);
// The reading end: asserts that nothing is written.
MUST_CHECK enum err token_store_view(const struct queue_config *config,
                                     struct token_store **out);

// Stores a new token. ERR_EXISTS: there is one with this hash.
void token_create(struct token_store *ts, const struct token *token,
                  const struct catalog_caller *caller);

// Stores a new token in place of the one of this id, in one transaction: the old one expires
// at `until_ms` (UTC epoch), if it does not before, or is removed at once if that is 0.
// ERR_NOTFOUND: the organization has no token of this id. ERR_EXISTS: there is one with
// this hash.
void token_replace(struct token_store *ts, struct str id, int64_t until_ms,
                   const struct token *token,
                   const struct catalog_caller *caller);

// The token is borrowed for the call. Return false to end the scan.
typedef bool (*token_visit)(void *data, const struct token *token);

// The token with this hash, as committed last. ERR_NOTFOUND.
MUST_CHECK enum err token_find(struct token_store *ts,
                               const uint8_t hash[TOKEN_HASH_BYTES],
                               token_visit visit, void *data);

// The dialect under which an organization of tokens has its number, which counts
// what its tokens hold: one dialect, whichever API the tokens are used with.
enum dialect token_dialect(struct str org);

// Gives a number to the organizations of all tokens that have none: earlier
// versions gave them no number. Commits before it returns: call it at the start,
// before any other write.
MUST_CHECK enum err token_number_orgs(struct token_store *ts);

// The tokens of an organization, in no particular order.
MUST_CHECK enum err token_list(struct token_store *ts, struct str org,
                               token_visit visit, void *data);

// ERR_NOTFOUND: the organization has no token of this id.
void token_revoke(struct token_store *ts, struct str org, struct str id,
                  const struct catalog_caller *caller);

#endif
