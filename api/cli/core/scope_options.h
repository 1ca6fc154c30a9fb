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

// Reads the options. False: they exclude each other, or --hook is missing though
// `wants_hook`; stderr has the reason.
bool place_read(const struct args *a, bool wants_hook, struct place *out);

// Reads the options of a command that is about a hook, or about a whole organization,
// or with `takes_project` about a project of Akinon's. False as for place_read().
bool place_read_owner(const struct args *a, bool takes_project,
                      struct place *out);

// Appends the path of the place's hooks.
void place_put_hooks(const struct place *p, struct buf *path);

// Whether a path is one of hooks as place_put_hooks() makes them, of one of the four
// levels, with names that cannot lead to another path. place_put_shapes() appends a
// sentence about the allowed paths.
bool place_is_of_hooks(struct str path);
void place_put_shapes(struct buf *out);

// Appends the path of the place's hook; without a hook, of its organization, or with
// --akinon of its project.
void place_put_owner(const struct place *p, struct buf *path);

#endif
