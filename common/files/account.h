// SPDX-License-Identifier: MIT
// account.h — the users that processes become, and what belongs to them.

#ifndef COMMON_FILES_ACCOUNT_H
#define COMMON_FILES_ACCOUNT_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/err.h"

#define ACCOUNT_NOBODY       65534 // where there is no such name
#define ACCOUNT_TEXT_BYTES   32
#define ACCOUNT_OTHER_NOBODY 65533 // of senders, where nobody is taken

struct account {
    uid_t uid;
    gid_t gid;
};

// By name or by number. ERR_NOTFOUND: there is no such name.
MUST_CHECK enum err account_find(const char *name, struct account *out);

// As "UID:GID", and back. False: it is none.
void account_put(const struct account *a, char out[ACCOUNT_TEXT_BYTES]);
MUST_CHECK bool account_read(const char *text, struct account *out);

// Becomes it for good, without further groups. False (errno): who has the right to
// refuse does, and nothing or a part has changed.
MUST_CHECK bool account_become(const struct account *a);

// Whether this process, root's, may become it, and what is at `path` would then be
// within reach: every directory above can be passed, and it can itself be used so
// (R_OK, W_OK, X_OK; F_OK: only be there).
bool account_can_reach(const struct account *a, const char *path, int mode);

// Gives it a file that this process, root's, has just made. False (errno).
MUST_CHECK bool account_give_file(const struct account *a, const char *path);

// Takes over what `a` has made in a directory of root's: a file, or a directory with all
// in it, which are root's alone then. ERR_DENIED: it is something else, or somebody
// else's, or has a second name; `why` gets its name. ERR_NOTFOUND: it is not there.
MUST_CHECK enum err account_take_over(const struct account *a, int dir_fd,
                                      const char *name, struct buf *why);

// Gives it what root owns in a directory, and the directory. What belongs to others
// stays theirs, as links do and files that have a second name, which may lie anywhere.
// ERR_DENIED: something belongs to somebody else; `why` gets its name. ERR_IO.
MUST_CHECK enum err account_hand_over(int dir_fd, const struct account *a,
                                      struct buf *why);

#endif
