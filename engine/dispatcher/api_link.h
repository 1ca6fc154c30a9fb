// SPDX-License-Identifier: MIT
// api_link.c — what the api process asks of this dispatcher.

#ifndef ENGINE_DISPATCHER_API_LINK_H
#define ENGINE_DISPATCHER_API_LINK_H

#include "engine/dispatcher/schedule/schedule.h"

void questions_on_link(struct dispatcher *d, int fd); // to api

#endif
