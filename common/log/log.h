// SPDX-License-Identifier: MIT
// log.h — one line per fact on stderr: key=value, ids always, secrets never.
//
//   time=2026-11-20T10:15:30.123Z level=info role=sender.1 msg="…" hook="acme/orders"
//
// Or with log_format = json as an object:
//
//   {"time":"2026-11-20T10:15:30.123Z","level":"info","role":"sender.1","pid":12,
//    "message":"…","hook":"acme/orders"}
//
// Where stderr goes to systemd's journal, each line begins with its priority
// (journal.h).
//
// Three levels of trouble: warn = something outside misbehaved and we cope; fatal =
// our environment is broken, so we exit and the supervisor restarts us; panic = a
// bug of ours, so we abort with a core.

#ifndef COMMON_LOG_LOG_H
#define COMMON_LOG_LOG_H

#include <stdbool.h>

#include "common/base/str.h"

// Sets `role=` for all lines from now on; copied. Before the first call:
// "posthorn".
void log_role(const char *role);

// `fields` is a printf format for "key=value key=value"; values that may hold
// blanks, quotes or bytes from outside go through log_quote(). "" for none.
// blanks, quotes or bytes from outside goes through log_quote(). "" for none.
#define LOG_PRINTF __attribute__((format(printf, 2, 3)))
LOG_PRINTF void log_debug(const char *msg, const char *fields, ...);
LOG_PRINTF void log_info(const char *msg, const char *fields, ...);
LOG_PRINTF void log_warn(const char *msg, const char *fields, ...);
LOG_PRINTF _Noreturn void log_fatal(const char *msg, const char *fields, ...);
LOG_PRINTF _Noreturn void log_panic(const char *msg, const char *fields, ...);
#undef LOG_PRINTF

// Exit status of a process that ended because stored data is damaged: starting it
// again does not repair that.
#define EXIT_DAMAGED 65
// Exit status of a process whose settings, or what they name, do not do.
#define EXIT_REFUSED 78

// Sets log_fatal()'s exit status; 1 before the first call.
void log_set_fatal_status(int status);

// Debug lines are off unless switched on.
void log_set_debug(int on);

// Lines are text unless switched to JSON (log_json.h).
void log_set_json(bool on);

// Returns `s` in double quotes, with control bytes, quotes and non-ASCII escaped,
// cut at 200 bytes. It lies in one of 8 static buffers: use it in the same call.
const char *log_quote(struct str s);

#endif
