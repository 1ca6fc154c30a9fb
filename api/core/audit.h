// SPDX-License-Identifier: MIT
// audit.h — lines of the log that say who did what, and from what to what.
//
//   msg="hook changed" by="ci" by_id="5f3a…" peer="127.0.0.1" hook="acme/orders"
//   of=organization hook_id=3 changed="active" old_active=true new_active=false
//
// `by` is the name of the token, `by_id` its id; for the one in admin.token they are "admin
// token" and "admin". No line contains a secret: secrets are replaced by a mask,
// headers appear by their names only, and URLs with masks for what is secret.

#ifndef API_CORE_AUDIT_H
#define API_CORE_AUDIT_H

#include "common/base/buf.h"
#include "queue/queue.h"

struct api_request;

// Appends who makes the request, in words for people: "the admin token", "token ci
// (5f3a…)".
void audit_put_who(const struct api_request *rq, struct buf *out);

// Writes a line that says who makes the request, with these fields ("" for none; values
// through log_quote()).
__attribute__((format(printf, 3, 4))) void
audit(const struct api_request *rq, const char *msg, const char *fields, ...);

// Writes such a line about the scope's hook of this number, or with 0, about the
// organization (and project) as a whole.
__attribute__((format(printf, 5, 6))) void
audit_of(const struct api_request *rq, const char *msg,
         const struct hook_scope *scope, uint64_t hook_id, const char *fields,
         ...);

// Writes a line about a hook that was made (`old` is NULL), changed, or deleted (`hook`
// is NULL), with its old and new values. Fields whose values are never shown are named
// in `changed` when they changed.
void audit_hook(const struct api_request *rq, const char *msg,
                const struct hook *old, const struct hook *hook);

#endif
