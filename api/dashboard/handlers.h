// SPDX-License-Identifier: MIT
// handlers.h — the handlers of the dashboard's routes. Each answers its request.

#ifndef API_DASHBOARD_HANDLERS_H
#define API_DASHBOARD_HANDLERS_H

#include <stdbool.h>

struct api_request;

// --- dashboard_files.c: the page and what belongs to it ---

// Sends the file that the path names, or the page: its addresses are paths below
// /dashboard.
void dashboard_file(struct api_request *rq);

// Leads a browser that opens "/" to the page. False: this is not such a request, and has
// not been answered.
bool dashboard_welcome(struct api_request *rq);

// --- session_routes.c: login, logout, who is logged in ---
void session_create(struct api_request *rq);
void session_delete(struct api_request *rq);
void session_get(struct api_request *rq);

// --- login_code_routes.c: links that log in ---
void login_codes_create(struct api_request *rq);

#endif
