// SPDX-License-Identifier: MIT
// scope_options.h — where the hooks of a command are: the options --org and the like.

#ifndef API_CLI_CORE_SCOPE_OPTIONS_H
#define API_CLI_CORE_SCOPE_OPTIONS_H

#include <stdbool.h>

#include "api/cli/core/options.h"
#include "common/base/buf.h"
#include "common/base/str.h"

struct place {
    const char *org, *project, *stack, *environment, *hook; // NULL: not given
    bool is_akinon;
};

// False: they do not go together, or --hook is missing though it is wanted;
// said on stderr.
bool place_read(const struct args *a, bool wants_hook, struct place *out);

// The same of a hook, or else of a whole organization, or with `takes_project` of a
// project of Akinon's.
bool place_read_owner(const struct args *a, bool takes_project,
                      struct place *out);

// Appends the path of the place's hooks.
void place_put_hooks(const struct place *p, struct buf *path);

// Is it a path of hooks as place_put_hooks() makes them, of one of the four levels,
// with names that stay where they are? And a sentence about what it must be.
bool place_is_of_hooks(struct str path);
void place_put_shapes(struct buf *out);

// Of its hook; without one, of its organization, or with --akinon of its project.
void place_put_owner(const struct place *p, struct buf *path);

#endif
