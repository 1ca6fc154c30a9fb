// SPDX-License-Identifier: MIT
// owner.h — whose a directory is, for commands that root runs on it.
//
// Who owns a directory can lay a link to any file into it, or put another directory
// in its place at any moment. Root therefore acts there with its owner's rights only:
// a link then leads nowhere where the owner cannot go himself.

#ifndef COMMON_FILES_OWNER_H
#define COMMON_FILES_OWNER_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/files/account.h"

struct owner {
    int dir_fd; // the directory; -1: none is held
    struct account account;
    bool is_other; // this process is root's, and the directory is not
    char *path; // owned; leads to that very directory, or to one of `account`'s
};

// Opens the directory. Errors put words into `why` that follow its name. ERR_NOTFOUND:
// it is not there, or none. ERR_DENIED.
MUST_CHECK enum err owner_hold(const char *dir, struct owner *out,
                               struct buf *why);
// Fine for one that could not be held.
void owner_release(struct owner *o);

// Becomes it for good, if it is another one; said in `why` if that is not possible.
MUST_CHECK bool owner_become(const struct owner *o, struct buf *why);

// For a moment, in a process of one thread. What cannot be undone ends the process.
MUST_CHECK bool owner_act(const struct owner *o, struct buf *why);
void owner_act_end(const struct owner *o);

// Gives a file that was made while acting for `uid` the group `gid`; root's right,
// which that user may not have.
MUST_CHECK bool owner_give_group(int fd, gid_t gid);

#endif
