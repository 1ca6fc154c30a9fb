// SPDX-License-Identifier: MIT
// api_link.h — the link to the api process, and the queries that it sends.

#ifndef ENGINE_DISPATCHER_API_LINK_H
#define ENGINE_DISPATCHER_API_LINK_H

#include "engine/dispatcher/loop/dispatcher.h"

void questions_on_link(struct dispatcher *d, int fd); // `fd`: a new link to api

#endif
