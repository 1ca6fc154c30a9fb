// backlog_routes.h — how much waits: for a hook, for an organization, for the engine.

#ifndef API_SYSTEM_BACKLOG_ROUTES_H
#define API_SYSTEM_BACKLOG_ROUTES_H

#include "api/core/call.h"

// Handlers.
void backlog_get_org(struct call *c);    // of the path's organization
void backlog_get_engine(struct call *c); // the fullest organizations

#endif
