// SPDX-License-Identifier: MIT
// exists.h — whether the hook or organization that a command names exists.
//
// The API answers lists of what does not exist with [], as its contract says; a person
// who mistyped a name must be told.

#ifndef API_CLI_CORE_EXISTS_H
#define API_CLI_CORE_EXISTS_H

#include <stdbool.h>

#include "api/cli/core/options.h"
#include "api/cli/core/scope_options.h"
#include "queue/queue.h"

// Whether the scope's hook exists, or without a hook, its organization. False: it does
// not, or the engine cannot be asked; stderr has the reason. True also if the token may
// not read.
bool exists_scope(const struct args *args, const struct scope_options *scope);

// Whether a data directory knows the organization, without an engine. False: certainly,
// it never had a webhook or a token there. Prints nothing.
bool exists_stored(struct hook_store *hooks, const char *org);

// Whether the organization of --org and --akinon exists; as exists_scope().
bool exists_org(const struct args *args);

#endif
