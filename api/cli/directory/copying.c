// SPDX-License-Identifier: MIT
// copying.c — what backup, restore and repair have in common.

#include "api/cli/directory/copying.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"

bool copying_hold(const struct args *args, const char *from, struct owner *out)
{
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = owner_hold(from, out, &why);
    if (err == ERR_NOTFOUND) {
        command_failed(args->command, "there is no queue in %s", from);
    } else if (err != OK) {
        command_failed(args->command, "%s %s", from, buf_cstr(&why));
    }
    buf_clear(&why);
    return err == OK;
}

enum err copying_become(const struct args *args, const char *name,
                        const struct owner *owner)
{
    struct buf why;
    bool is_done;

    buf_init(&why, 0);
    is_done = owner_become(owner, &why);
    if (!is_done)
        command_failed(args->command, "%s %s", name, buf_cstr(&why));
    buf_clear(&why);
    return is_done ? OK : ERR_DENIED;
}

int copying_failed(const struct args *args, const char *from, const char *to,
                   enum err err)
{
    switch ((int)err) { // the others are told as they are
    case ERR_AGAIN:
        return command_failed(args->command,
                              "interrupted; the unfinished copy was removed");
    case ERR_NOTFOUND:
        return command_failed(args->command, "there is no queue in %s", from);
    case ERR_EXISTS:
        return command_failed(args->command,
                              "%s exists by now because another process made "
                              "it; this copy was removed",
                              to);
    default:
        return command_failed(args->command, "%s could not be made: %s", to,
                              err_str(err));
    }
}

bool copying_knows(const struct args *args, const char *from)
{
    struct buf why;
    enum err err;

    buf_init(&why, 0);
    err = queue_check_format(from, &why);
    if (err != OK)
        command_failed(args->command, "%s", buf_cstr(&why));
    buf_clear(&why);
    return err == OK;
}

static bool is_read_only(const char *dir)
{
    return access(dir, W_OK) != 0 && errno == EROFS;
}

bool copying_begin(const struct args *args, const struct owner *owner,
                   const char *to, struct queue_copy_to *out)
{
    enum err err;

    out->has_worker = owner->is_other;
    out->worker = owner->account;
    err = queue_copy_begin(out, owner->path);
    if (err != OK) // of which nothing is left
        (void)!queue_copy_end(out);
    switch ((int)err) {
    case OK:
        return true;
    case ERR_INVALID:
        command_failed(args->command,
                       "%s would lie in the directory that is read; name a "
                       "directory outside",
                       to);
        return false;
    case ERR_BUSY:
        command_failed(args->command,
                       "an engine, or another restore, runs on %s; end it "
                       "first",
                       to);
        return false;
    case ERR_NOTFOUND:
    case ERR_EXISTS:
        if (out->is_in_place) {
            command_failed(args->command, "%s is not empty by now", to);
            return false;
        }
        command_failed(args->command,
                       "%s cannot be made: %s is not a directory that is there",
                       to, out->parent);
        return false;
    default:
        if (out->is_in_place) {
            command_failed(args->command, "%s cannot be filled: %s", to,
                           is_read_only(to) ? "its file system is read-only"
                                            : err_str(err));
            return false;
        }
        command_failed(
            args->command, "%s cannot be made in %s: %s", to, out->parent,
            is_read_only(out->parent) ? "its file system is read-only"
                                      : err_str(err));
        return false;
    }
}

void copying_end(struct queue_copy_to *to)
{
    char *temporary = to->temporary != NULL ? xstrdup(to->temporary) : NULL;

    if (queue_copy_end(to) != OK && temporary != NULL) {
        fprintf(stderr, "%s/%s%s%s is left of it, and can be removed\n",
                to->parent, to->is_in_place ? to->name : "",
                to->is_in_place ? "/" : "", temporary);
    }
    free(temporary);
}

bool copying_is_new(const struct args *args, const char *what, const char *to)
{
    struct stat st;

    if (to[0] == '\0') {
        command_failed(args->command, "%s is empty; name a new directory",
                       what);
        return false;
    }
    if (lstat(to, &st) == 0) {
        command_failed(args->command,
                       "%s already exists; %s must name a new directory", to,
                       what);
        return false;
    }
    return true;
}
