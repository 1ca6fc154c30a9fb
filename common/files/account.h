// SPDX-License-Identifier: MIT
// account.h — the users that processes switch to, and their files.

#ifndef COMMON_FILES_ACCOUNT_H
#define COMMON_FILES_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define ACCOUNT_NOBODY       65534 // used where the system has no such user name
#define ACCOUNT_TEXT_BYTES   32
#define ACCOUNT_OTHER_NOBODY 65533 // for senders, if the other roles use 65534

struct account {
    uid_t uid;
    gid_t gid;
};

// Finds a user by name or number. ERR_NOTFOUND: there is no such name.
MUST_CHECK enum err account_find(const char *name, struct account *out);

// Writes "UID:GID", and reads it back. False: the text has another form.
void account_put(const struct account *a, char out[ACCOUNT_TEXT_BYTES]);
MUST_CHECK bool account_read(const char *text, struct account *out);

// Switches to this user for good, without supplementary groups. False (errno): the
// system refused; part of the change may have been made.
MUST_CHECK bool account_become(const struct account *a);

// Whether this process, which runs as root, may switch to the user, and `path`
// would then be within its reach: every directory above can be passed, and `path`
// itself can be used with `mode` (R_OK, W_OK, X_OK; F_OK: it only has to exist).
bool account_can_reach(const struct account *a, const char *path, int mode);

// Gives the user a file that this process, running as root, has just made. False
// (errno).
MUST_CHECK bool account_give_file(const struct account *a, const char *path);

// Takes over what `a` has made in a directory that root owns: a file, or a
// directory with all its contents, which root alone then owns. ERR_DENIED: it is of
// another type, belongs to somebody else, or has a second name; `why` gets its
// name. ERR_NOTFOUND: it is not there.
MUST_CHECK enum err account_take_over(const struct account *a, int dir_fd,
                                      const char *name, struct buf *why);

// Gives the user a directory and everything in it that root owns. Files of other
// users stay theirs; links, and files with a second name, which may lie anywhere,
// stay as well. ERR_DENIED: something belongs to somebody else; `why` gets its
// name. ERR_IO.
MUST_CHECK enum err account_hand_over(int dir_fd, const struct account *a,
                                      struct buf *why);

#endif
