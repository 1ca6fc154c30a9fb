// SPDX-License-Identifier: MIT
// copy_target.h — where a copy or a repair of a data directory is made: whole, or not
// at all, and whose it is. Part of queue.h, which is what to include outside of queue/.
//
// Happy path: a temporary directory beside the target, filled, given to the target's
// owner, renamed to the target's name.
//
// If a file system is mounted at the target, or nothing may be made beside it: the
// temporary directory lies in the target, and what it holds is moved up, FORMAT last;
// the engine does not start with a directory that is not empty and has no FORMAT. The
// target is locked meanwhile, as an engine locks it.
// If that is killed between two moves: the next one begins by removing what it left.
//
// Where root reads somebody else's data directory, the reader has become that user and
// writes to WORK_NAME in the temporary directory, which is root's alone, so that nobody
// comes there by a name; root takes over what was made, after the reader has ended.
// All is done relative to directories that are held open: who owns the place may rename
// them, and lay links, and leads root nowhere with it.

#ifndef QUEUE_ADMIN_COPY_TARGET_H
#define QUEUE_ADMIN_COPY_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/err.h"
#include "common/files/account.h"

// Where a copy is made, and for whom.
struct queue_copy_to {
    const char *parent, *name;
    bool is_in_place; // the target is there, and stays: it is filled
    bool
        has_worker; // root makes it, and somebody else's data directory is read:
    struct account worker; // as this user
    // Of queue_copy_begin(): the temporary directory, where it lies (parent or target,
    // which is locked), and where it is made: it itself, or a directory of the worker's.
    char *temporary;
    int base_fd, dir_fd, work_fd;
    bool is_entered;
    bool has_owner; // who gets it all, if root makes it
    struct account owner;
    mode_t mode; // of a target that is not filled; 0: 0700
    bool with_keys;
    void (*on_fault)(void *data, const char *what); // a sentence; may be NULL
};

// What a directory holds that a copy is to be made in: nothing; lost+found, or what
// a copy that was killed has left, so that it can be filled, but not replaced
// (queue_copy_begin() removes the latter); or something else.
enum queue_emptiness { QUEUE_EMPTY, QUEUE_FILLABLE, QUEUE_NOT_EMPTY };
enum queue_emptiness queue_copy_look(const char *dir);

// Makes the directory in which a copy or a repair of `data_dir` is made: beside its
// target, or in it, and nobody else's. ERR_INVALID: the target would lie in `data_dir`.
// ERR_NOTFOUND: its parent is not there. ERR_EXISTS: the parent is no directory, or a
// target that is to be filled holds something. ERR_BUSY: an engine runs with it, or
// another copy is made there. ERR_DENIED, ERR_FULL.
MUST_CHECK enum err queue_copy_begin(struct queue_copy_to *to,
                                     const char *data_dir);
// For the process that makes it, where that is one of its own, before it gives up
// rights: goes there, so that names on the way are of no matter.
MUST_CHECK enum err queue_copy_enter(struct queue_copy_to *to);
// When it is made: takes it over from the worker, gives it its owner and its name, and
// syncs it.
MUST_CHECK enum err queue_copy_finish(struct queue_copy_to *to);
// Always after queue_copy_begin(): what did not get its name is removed.
MUST_CHECK enum err queue_copy_end(struct queue_copy_to *to);

// The path to make it in; the caller frees it.
char *copy_temporary(const struct queue_copy_to *to);

#endif
