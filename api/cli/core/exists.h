// SPDX-License-Identifier: MIT
// exists.h — whether what a command is about is there.
//
// The API answers lists of what does not exist with [], as its contract says; a person who
// mistyped a name must be told.

#ifndef API_CLI_CORE_EXISTS_H
#define API_CLI_CORE_EXISTS_H

#include <stdbool.h>

#include "api/cli/core/options.h"
#include "api/cli/core/scope_options.h"
#include "queue/queue.h"

// The place's hook, or without one, its organization. False: it is not there, or the
// engine cannot be asked, said on stderr. True also if the token may not read.
bool exists_place(const struct args *args, const struct place *place);

// The same of a data directory, without an engine: false if it is sure that this
// organization never had a webhook or a token there. Says nothing.
bool exists_stored(struct hook_store *hooks, const char *org);

// The organization of --org and --akinon.
bool exists_org(const struct args *args);

#endif
