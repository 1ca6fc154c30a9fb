// SPDX-License-Identifier: MIT
// owner.h — the owner of a directory, for commands that root runs on it.
//
// The owner of a directory can create a link to any file in it, or put another
// directory in its place, at any moment. Root therefore acts there with the owner's
// rights only: a link then reaches only what the owner can reach.

#ifndef COMMON_FILES_OWNER_H
#define COMMON_FILES_OWNER_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/files/account.h"

struct owner {
    int dir_fd; // the directory; -1: none is held
    struct account account;
    bool is_other; // this process runs as root; the directory is another user's
    char *path;    // owned; leads to that directory, or another of `account`'s
};

// Opens the directory. On errors, `why` gets words that follow its name.
// ERR_NOTFOUND: it does not exist, or is no directory. ERR_DENIED.
MUST_CHECK enum err owner_hold(const char *dir, struct owner *out,
                               struct buf *why);
// Also accepts an owner that owner_hold() failed to hold.
void owner_release(struct owner *o);

// Switches to the owner for good, if it is another user; `why` says if that fails.
MUST_CHECK bool owner_become(const struct owner *o, struct buf *why);

// Switches to the owner temporarily, in a process with one thread. If switching
// back fails, the process ends.
MUST_CHECK bool owner_act(const struct owner *o, struct buf *why);
void owner_act_end(const struct owner *o);

// Gives a file that was made while acting for `uid` the group `gid`. Root may do
// this, even where that user may not.
MUST_CHECK bool owner_give_group(int fd, gid_t gid);

#endif
