// SPDX-License-Identifier: MIT
// scope_options.h — where the hooks of a command are: the options --org and the like.

#ifndef API_CLI_CORE_SCOPE_OPTIONS_H
#define API_CLI_CORE_SCOPE_OPTIONS_H

#include <stdbool.h>

#include "api/cli/core/options.h"
#include "common/base/buf.h"
#include "common/base/str.h"

struct scope_options {
    const char *org, *project, *stack, *environment, *hook; // NULL: not given
    bool is_akinon;
};

// Reads the options. False: they exclude each other, or --hook is missing though
// `wants_hook`; stderr has the reason.
bool scope_read(const struct args *a, bool wants_hook,
                struct scope_options *out);

// Reads the options of a command that is about a hook, or about a whole organization of
// either API, or with `takes_project` about a project of Akinon's. False as for
// scope_read().
bool scope_read_owner(const struct args *a, bool takes_project,
                      struct scope_options *out);

// Reads the options of a command that is about a place of either API: an organization, a
// stack, an environment or a project of Akinon's. False as for scope_read().
bool scope_read_place(const struct args *a, struct scope_options *out);
// Appends the path of the place.
void scope_put_place_path(const struct scope_options *p, struct buf *path);

// Appends the path of the scope's hooks.
void scope_put_hooks_path(const struct scope_options *p, struct buf *path);

// Whether a path is one of hooks as scope_put_hooks_path() makes them, of one of the
// four levels, with names that cannot lead to another path. scope_put_path_shapes()
// appends a sentence about the allowed paths.
bool scope_is_hooks_path(struct str path);
// Whether it is the path of an organization's signing keys, with a name like that.
bool scope_is_keys_path(struct str path);
void scope_put_path_shapes(struct buf *out);

// Appends the path of the scope's hook; without a hook, of its organization, or of its
// project of Akinon's.
void scope_put_owner_path(const struct scope_options *p, struct buf *path);

#endif
