// SPDX-License-Identifier: MIT
// audit.h — lines of the log that say who did what, and from what to what.
//
//   msg="hook changed" by="ci" by_id="5f3a…" peer="127.0.0.1" hook="acme/orders"
//   of=organization hook_id=3 changed="active" old_active=true new_active=false
//
// `by` is the name of the token, `by_id` its id; of the admin token "admin token" and
// "admin". Never a secret: of secrets a mask stands there, of headers their names, and
// URLs are as audit_put_url() says.

#ifndef API_CORE_AUDIT_H
#define API_CORE_AUDIT_H

#include "common/base/buf.h"
#include "queue/queue.h"

struct api_request;

// Who asks, in words for people: "the admin token", "token ci (5f3a…)".
void audit_put_who(const struct api_request *rq, struct buf *out);

// A line with who asks and these fields ("" for none; values through log_quote()).
__attribute__((format(printf, 3, 4))) void
audit(const struct api_request *rq, const char *msg, const char *fields, ...);

// The same about the scope's hook of this number, or with 0, the organization (and project)
// as a whole.
__attribute__((format(printf, 5, 6))) void
audit_of(const struct api_request *rq, const char *msg,
         const struct hook_scope *scope, uint64_t hook_id, const char *fields,
         ...);

// A hook that was made (`old` is NULL), changed, or deleted (`hook` is NULL), with what it
// was and is. Fields that are not shown changed all the same are named in `changed`.
void audit_hook(const struct api_request *rq, const char *msg,
                const struct hook *old, const struct hook *hook);

// Appends a URL as a line of the log shows it: without user, password and query, and of a
// Slack address, whose path is its secret, the host alone; a mask stands for each.
void audit_put_url(enum hook_format format, struct str url, struct buf *out);

#endif
