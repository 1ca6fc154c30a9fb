// SPDX-License-Identifier: MIT
// session.h — sessions of the dashboard: a cookie instead of a token in each request.
//
// A session is made of a token, or of the code of a link that a token made. Each request
// with its cookie looks that token up again, so a session ends when the token is revoked or
// expires, and never allows more than the token.

#ifndef API_DASHBOARD_SESSION_H
#define API_DASHBOARD_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "api/core/api_request.h"
#include "api/dashboard/login_table.h"
#include "api/dashboard/origin.h"
#include "common/fairness/rate_limiter.h"

#define SESSION_MS      (INT64_C(12) * 3600 * 1000) // how long most of them last
#define SESSION_IDLE_MS (INT64_C(3600) * 1000)

// Who is logged in to this process, and which links can be used.
struct dashboard {
    struct login_table sessions;
    struct login_table codes;
    struct limiter refusals; // lines of the log about them, by address
    int64_t written_at_ms;   // the file of sessions; UTC epoch
    bool is_unwritten;       // it could not be
};

// Sessions of an earlier process are there, unless the dashboard is switched off.
struct dashboard *dashboard_new(const struct config *config);

// Ends all sessions and links, since the dashboard is switched off.
void dashboard_forget(struct dashboard *d);

// Writes the sessions (session_file.h), if any came or went, and, once a minute, if any was
// used. A file that could not be written is tried again after a minute. Call it every second.
void dashboard_keep(struct dashboard *d, const char *data_dir);

// Writes the sessions at once, if they are not in the file as they are.
void dashboard_keep_now(struct dashboard *d, const char *data_dir);

// Whether the request has a session's cookie and no token: a token always wins.
bool session_is_given(const struct api_request *rq);

// As auth_check(), of a request for which session_is_given(): its page is checked besides.
// False: the request has been answered.
bool session_check(struct api_request *rq, enum auth_scope scope);

// Whether a login may go on, before its body is read: nobody can listen, it comes from
// our page, and its token, if it has one, is valid. False: it has been answered.
bool session_check_login(struct api_request *rq);

// The session of the request's cookie. NULL: there is none, or it has ended.
const struct login *session_of(struct api_request *rq);

// Ends the session of the request's cookie. False: there was none.
bool session_end(struct api_request *rq);

// The token of a login allows this now, within what the login allows. ERR_DENIED: nothing.
// Other errors: that cannot be told now.
MUST_CHECK enum err session_grant(const struct api *api,
                                  const struct login *login,
                                  struct auth_grant *out);

// What is known of the page that a request comes from.
struct origin_facts session_facts(const struct api_request *rq);

// Logs this ("login refused") with the client's address, if that has not filled the log
// already. `why` is a sentence without secrets.
// Ends all sessions and links of the organization.
void session_forget_org(struct api *api, struct str org);

void session_log_refusal(struct api_request *rq, const char *what,
                         const char *why);

#endif
