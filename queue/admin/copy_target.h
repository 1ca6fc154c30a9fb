// SPDX-License-Identifier: MIT
// copy_target.h — the directory in which a copy or a repair of a data directory is
// made, atomically, and its owner. Part of queue.h, which is what to include
// outside of queue/.
//
// Happy path: a temporary directory beside the target is filled, given to the
// target's owner, and renamed to the target's name.
//
// If a file system is mounted at the target, or nothing may be made beside it: the
// temporary directory lies in the target, and its contents are moved up, FORMAT
// last; the engine does not start on a directory that is not empty and has no
// FORMAT. The target is locked meanwhile, as an engine locks it. If that is killed
// between two moves, the next copy begins by removing what was left.
//
// Where root reads another user's data directory, the reading process switches to
// that user and writes to WORK_NAME in the temporary directory. Only root can enter
// that directory, so nobody reaches the work by its path; root takes over what was
// made, after the reader has ended. All steps use paths relative to directories
// that are held open: the owner of the parent may rename them, or create links,
// without misleading root.

#ifndef QUEUE_ADMIN_COPY_TARGET_H
#define QUEUE_ADMIN_COPY_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/files/account.h"

// Where a copy is made, and for whom.
struct queue_copy_to {
    const char *parent, *name;
    bool is_in_place;      // the target exists and stays: it is filled
    bool has_worker;       // root makes it from another user's data directory,
    struct account worker; // which this user reads
    // Set by queue_copy_begin(): the temporary directory; where it lies (parent or
    // target, which is locked); and where the copy is made: the temporary
    // directory, or a directory of the worker's in it.
    char *temporary;
    int base_fd, dir_fd, work_fd;
    bool is_entered;
    bool has_owner; // `owner` gets the copy, if root makes it
    struct account owner;
    mode_t mode; // of a target that is not filled; 0: 0700
    bool with_keys;
    void (*on_fault)(void *data, const char *what); // a sentence; may be NULL
};

// What a directory holds in which a copy is to be made: nothing (QUEUE_EMPTY);
// lost+found, or what a killed copy has left (QUEUE_FILLABLE: it can be filled but
// not replaced, and queue_copy_begin() removes the remains); or something else.
enum queue_emptiness { QUEUE_EMPTY, QUEUE_FILLABLE, QUEUE_NOT_EMPTY };
enum queue_emptiness queue_copy_check_target(const char *dir);

// Makes the directory in which a copy or a repair of `data_dir` is made: beside its
// target or in it, and accessible to nobody else. ERR_INVALID: the target would lie
// in `data_dir`. ERR_NOTFOUND: the target's parent does not exist. ERR_EXISTS: the
// parent is no directory, or a target that is to be filled holds something.
// ERR_BUSY: an engine runs on the target, or another copy is being made there.
// ERR_DENIED, ERR_FULL.
MUST_CHECK enum err queue_copy_begin(struct queue_copy_to *to,
                                     const char *data_dir);
// For the process that makes the copy, if that is a process of its own, before it
// gives up rights: changes to the directory, so that later steps do not depend on
// path names.
MUST_CHECK enum err queue_copy_enter(struct queue_copy_to *to);
// Call when the copy is made: takes it over from the worker, gives it its owner and
// its name, and syncs it.
MUST_CHECK enum err queue_copy_finish(struct queue_copy_to *to);
// Call always after queue_copy_begin(): removes a copy that did not get its name.
MUST_CHECK enum err queue_copy_end(struct queue_copy_to *to);

// The path where the copy is made; the caller frees it.
char *copy_temporary(const struct queue_copy_to *to);

#endif
