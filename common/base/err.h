// SPDX-License-Identifier: MIT
// err.h — the one result type: every function that can fail returns it.

#ifndef COMMON_BASE_ERR_H
#define COMMON_BASE_ERR_H

#define ERR_LIST(X)                                         \
    X(OK, "ok")                                             \
    X(ERR_NOTFOUND, "not found")                            \
    X(ERR_EXISTS, "already exists")                         \
    X(ERR_CONFLICT, "changed by somebody else meanwhile")   \
    X(ERR_INVALID, "invalid input")                         \
    X(ERR_TOOBIG, "too big")                                \
    X(ERR_GONE, "removed by retention")                     \
    X(ERR_FULL, "no room left")                             \
    X(ERR_AGAIN, "not now, try again")                      \
    X(ERR_BUSY, "in use by another process")                \
    X(ERR_DENIED, "not permitted")                          \
    X(ERR_CORRUPT, "stored data is damaged")                \
    X(ERR_LOST, "removed or replaced while in use")         \
    X(ERR_CRASHED, "a process died three times with it")    \
    X(ERR_LOCKED, "encrypted with a key that is not there") \
    X(ERR_ERASED, "erased by an order")                     \
    X(ERR_IO, "input/output error")

#define ERR_ENUM(name, text) name,
enum err { ERR_LIST(ERR_ENUM) };
#undef ERR_ENUM

#define MUST_CHECK __attribute__((warn_unused_result))

// Returns a static string; never NULL.
const char *err_str(enum err err);

#endif
