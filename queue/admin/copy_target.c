// SPDX-License-Identifier: MIT
// copy_target.c — the directory in which a copy or a repair is made.

#include "queue/admin/copy_target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"
#include "queue/lmdb/files.h"

#define IN_PLACE_NAME "restore.tmp." // of the temporary directory in a target
#define WORK_NAME     "work"         // of a worker's directory in that
#define NAMES_TRIED   100

// What a copy puts into a data directory, in the order in which it is moved up.
static const char *const entries[] = { "events",     "hooks",
                                       "deliveries", "damaged.jsonl",
                                       "secret.key", "admin.token",
                                       "FORMAT" };
#define N_ENTRIES (sizeof(entries) / sizeof(entries[0]))

static char *target_of(const struct queue_copy_to *to)
{
    return xasprintf("%s/%s", to->parent, to->name);
}

char *copy_temporary(const struct queue_copy_to *to)
{
    if (to->is_entered)
        return xstrdup(".");
    return to->is_in_place
               ? xasprintf("%s/%s/%s", to->parent, to->name, to->temporary)
               : xasprintf("%s/%s", to->parent, to->temporary);
}

// --- what an empty directory may hold ---

static bool is_there_at(int dir_fd, const char *name)
{
    struct stat st;

    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

// Opens the names in a directory, independently of other reads of the descriptor.
static DIR *open_names(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = fd >= 0 ? fdopendir(fd) : NULL;

    if (names == NULL && fd >= 0)
        close(fd);
    return names;
}

static bool is_temporary(const char *name)
{
    return strncmp(name, IN_PLACE_NAME, strlen(IN_PLACE_NAME)) == 0;
}

static bool is_entry(const char *name)
{
    for (size_t i = 0; i < N_ENTRIES; i++) {
        if (strcmp(name, entries[i]) == 0)
            return true;
    }
    return false;
}

// Whether a temporary directory was about to be moved up: then it is complete,
// except for entries that are beside it already.
static bool was_moving(int dir_fd, const char *name)
{
    char *format = xasprintf("%s/FORMAT", name);
    bool was = is_there_at(dir_fd, format);

    free(format);
    return was;
}

static enum queue_emptiness check_emptiness(int dir_fd)
{
    DIR *names = open_names(dir_fd);
    bool has_entries = false;
    bool has_others = false;
    bool is_moving = false;
    size_t n = 0;
    struct dirent *d;

    if (names == NULL)
        return QUEUE_NOT_EMPTY;
    while ((d = readdir(names)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        n++;
        if (strcmp(d->d_name, "lost+found") == 0)
            continue;
        if (is_temporary(d->d_name)) {
            is_moving = is_moving || was_moving(dir_fd, d->d_name);
        } else if (is_entry(d->d_name) && strcmp(d->d_name, "FORMAT") != 0) {
            has_entries = true;
        } else {
            has_others = true;
        }
    }
    closedir(names);
    if (has_others || (has_entries && !is_moving))
        return QUEUE_NOT_EMPTY;
    return n > 0 ? QUEUE_FILLABLE : QUEUE_EMPTY;
}

enum queue_emptiness queue_copy_check_target(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum queue_emptiness is = fd >= 0 ? check_emptiness(fd) : QUEUE_NOT_EMPTY;

    if (fd >= 0)
        close(fd);
    return is;
}

// Removes what a killed copy has left in a target, which is locked.
static enum err remove_unfinished(int dir_fd)
{
    DIR *names = open_names(dir_fd);
    enum err err = names != NULL ? OK : ERR_DENIED;
    const struct dirent *d;

    // Removes first what was moved up: while the temporary directory exists, these
    // entries can be recognized.
    for (size_t i = 0; i < N_ENTRIES && err == OK; i++)
        err = file_remove_at(dir_fd, entries[i]);
    if (err == OK && fsync(dir_fd) != 0)
        err = ERR_IO;
    while (err == OK && (d = readdir(names)) != NULL) {
        if (is_temporary(d->d_name))
            err = file_remove_at(dir_fd, d->d_name);
    }
    if (names != NULL)
        closedir(names);
    return err;
}

// --- the beginning ---

// Whether `path` is `dir`, or lies in it; both without links.
static bool is_in(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

// A copy inside a data directory would become a part of it, or be in the way.
static enum err check_target(const char *parent, const char *data_dir)
{
    char *real_parent = realpath(parent, NULL);
    char *real_dir = realpath(data_dir, NULL);
    bool is_inside =
        real_parent != NULL && real_dir != NULL && is_in(real_parent, real_dir);

    free(real_parent);
    free(real_dir);
    return is_inside ? ERR_INVALID : OK;
}

// Locks the target as an engine locks its data directory, so that no engine and no
// other copy starts there. The contents will get the owner that the target has now.
static enum err lock_target(struct queue_copy_to *to, const char *target)
{
    struct stat st;

    to->base_fd = open(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to->base_fd < 0 || fstat(to->base_fd, &st) != 0)
        return ERR_DENIED;
    if (flock(to->base_fd, LOCK_EX | LOCK_NB) != 0)
        return ERR_BUSY;
    if (check_emptiness(to->base_fd) == QUEUE_NOT_EMPTY)
        return ERR_EXISTS;
    to->has_owner = st.st_uid != 0;
    to->owner = (struct account){ st.st_uid, st.st_gid };
    return remove_unfinished(to->base_fd);
}

static enum err open_parent(struct queue_copy_to *to)
{
    to->base_fd = open(to->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (to->base_fd >= 0)
        return OK;
    if (errno == ENOENT)
        return ERR_NOTFOUND;
    return errno == ENOTDIR ? ERR_EXISTS : ERR_DENIED;
}

// A name that exists belongs to another copy.
static enum err make_temporary(struct queue_copy_to *to)
{
    enum err err = ERR_EXISTS;

    for (int i = 0; i < NAMES_TRIED && err == ERR_EXISTS; i++) {
        struct buf suffix;
        uint8_t random[3];

        crypto_random(random, sizeof(random));
        buf_init(&suffix, 0);
        crypto_put_hex(&suffix, random, sizeof(random));
        free(to->temporary);
        to->temporary =
            to->is_in_place
                ? xasprintf(IN_PLACE_NAME "%s", buf_cstr(&suffix))
                : xasprintf("%s.tmp.%s", to->name, buf_cstr(&suffix));
        buf_clear(&suffix);
        err = file_mkdir_at(to->base_fd, to->temporary, &to->dir_fd);
    }
    if (err != OK) {
        free(to->temporary);
        to->temporary = NULL;
    }
    return err;
}

// Only root can reach it by its path.
static enum err make_work(struct queue_copy_to *to)
{
    enum err err;

    if (!to->has_worker)
        return OK;
    err = file_mkdir_at(to->dir_fd, WORK_NAME, &to->work_fd);
    if (err == OK && fchown(to->work_fd, to->worker.uid, to->worker.gid) != 0)
        err = ERR_DENIED;
    return err;
}

enum err queue_copy_begin(struct queue_copy_to *to, const char *data_dir)
{
    char *target = target_of(to);
    enum err err =
        check_target(to->is_in_place ? target : to->parent, data_dir);

    to->temporary = NULL;
    to->is_entered = false;
    to->base_fd = -1;
    to->dir_fd = -1;
    to->work_fd = -1;
    if (err == OK)
        err = to->is_in_place ? lock_target(to, target) : open_parent(to);
    if (err == OK)
        err = make_temporary(to);
    if (err == OK)
        err = make_work(to);
    free(target);
    return err;
}

enum err queue_copy_enter(struct queue_copy_to *to)
{
    to->is_entered = fchdir(to->work_fd >= 0 ? to->work_fd : to->dir_fd) == 0;
    return to->is_entered ? OK : ERR_DENIED;
}

// --- the end ---

// Removes entries that were moved up from an incomplete copy: FORMAT is still in
// the temporary directory.
static enum err undo(const struct queue_copy_to *to)
{
    enum err err = OK;

    if (to->is_in_place && is_there_at(to->dir_fd, "FORMAT"))
        err = remove_unfinished(to->base_fd);
    if (err == OK)
        err = file_remove_inside(to->dir_fd);
    if (err == OK && file_is_at(to->base_fd, to->temporary, to->dir_fd) &&
        unlinkat(to->base_fd, to->temporary, AT_REMOVEDIR) != 0)
        err = ERR_IO;
    return err;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

enum err queue_copy_end(struct queue_copy_to *to)
{
    enum err err = to->temporary != NULL ? undo(to) : OK;

    free(to->temporary);
    to->temporary = NULL;
    close_one(&to->work_fd);
    close_one(&to->dir_fd);
    close_one(&to->base_fd);
    return err;
}

// FORMAT last: all that it describes is there then.
static enum err take_over(const struct queue_copy_to *to, struct buf *why)
{
    enum err err = OK;

    for (size_t i = 0; i < N_ENTRIES && err == OK; i++) {
        if (!is_there_at(to->work_fd, entries[i]))
            continue;
        err = file_rename_at(to->work_fd, entries[i], to->dir_fd, entries[i]);
        if (err == OK) {
            err = account_take_over(&to->worker, to->dir_fd, entries[i], why);
        }
    }
    return err == OK ? file_remove_at(to->dir_fd, WORK_NAME) : err;
}

// Syncs, too: whatever has its final name has its owner.
static enum err give_to_owner(const struct queue_copy_to *to, struct buf *why)
{
    enum err err = OK;

    if (to->has_owner && geteuid() == 0)
        err = account_hand_over(to->dir_fd, &to->owner, why);
    if (err == OK && to->mode != 0 && fchmod(to->dir_fd, to->mode) != 0)
        err = ERR_DENIED;
    if (err == OK && syncfs(to->dir_fd) != 0)
        err = ERR_IO;
    return err;
}

static enum err move_up(const struct queue_copy_to *to)
{
    enum err err = OK;

    for (size_t i = 0; i < N_ENTRIES && err == OK; i++) {
        if (is_there_at(to->dir_fd, entries[i])) {
            err =
                file_rename_at(to->dir_fd, entries[i], to->base_fd, entries[i]);
        }
    }
    return err;
}

// The owner of the parent may have exchanged the names; the directory is then not
// ours.
static enum err take_name(struct queue_copy_to *to)
{
    enum err err = ERR_EXISTS;

    if (file_is_at(to->base_fd, to->temporary, to->dir_fd)) {
        err = file_rename_at(to->base_fd, to->temporary, to->base_fd, to->name);
    }
    if (err == OK) {
        free(to->temporary);
        to->temporary = NULL;
        if (!file_is_at(to->base_fd, to->name, to->dir_fd))
            err = ERR_LOST;
    }
    return err;
}

enum err queue_copy_finish(struct queue_copy_to *to)
{
    enum err err = OK;
    struct buf why;

    buf_init(&why, 0);
    if (to->has_worker)
        err = take_over(to, &why);
    if (err == OK && fsync(to->dir_fd) != 0)
        err = ERR_IO;
    if (err == OK)
        err = give_to_owner(to, &why);
    if (why.n_bytes > 0) {
        log_warn("a copy cannot be given to the owner of the data", "reason=%s",
                 log_quote(buf_str(&why)));
    }
    buf_clear(&why);
    if (err != OK)
        return err;
    return to->is_in_place ? move_up(to) : take_name(to);
}
