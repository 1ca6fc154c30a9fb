// copy_target.c — where a copy or a repair of a data directory is made.

#include "queue/copy_target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "queue/files.h"

#define IN_PLACE_NAME "restore.tmp." // of the temporary directory in a target

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
    return to->is_in_place
               ? xasprintf("%s/%s/%s", to->parent, to->name, to->temporary)
               : xasprintf("%s/%s", to->parent, to->temporary);
}

// --- what an empty directory may hold ---

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

// Whether a temporary directory there was about to be moved up: it is complete but
// for what lies beside it.
static bool was_moving(const char *dir, const char *name)
{
    char *format = xasprintf("%s/%s/FORMAT", dir, name);
    bool was = file_is_there(format);

    free(format);
    return was;
}

enum queue_emptiness queue_copy_look(const char *dir)
{
    DIR *names = opendir(dir);
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
            is_moving = is_moving || was_moving(dir, d->d_name);
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

// What a copy that was killed has left in a target; it is locked.
static enum err remove_unfinished(const char *dir)
{
    DIR *names = opendir(dir);
    enum err err = names != NULL ? OK : ERR_DENIED;
    struct dirent *d;

    // What was moved up first: as long as the temporary directory is there, it is
    // known what this is.
    for (size_t i = 0; i < N_ENTRIES && err == OK; i++) {
        char *path = xasprintf("%s/%s", dir, entries[i]);

        err = file_remove_tree(path);
        free(path);
    }
    if (err == OK)
        err = file_sync(dir);
    while (err == OK && (d = readdir(names)) != NULL) {
        if (is_temporary(d->d_name)) {
            char *path = xasprintf("%s/%s", dir, d->d_name);

            err = file_remove_tree(path);
            free(path);
        }
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

// What is made in a data directory would become a part of it, or be in the way.
static enum err judge_target(const char *parent, const char *data_dir)
{
    char *real_parent = realpath(parent, NULL);
    char *real_dir = realpath(data_dir, NULL);
    bool is_inside =
        real_parent != NULL && real_dir != NULL && is_in(real_parent, real_dir);

    free(real_parent);
    free(real_dir);
    return is_inside ? ERR_INVALID : OK;
}

// As an engine locks its data directory: neither it nor another copy begins there.
static enum err lock_target(struct queue_copy_to *to, const char *target)
{
    enum err err = OK;

    to->lock_fd = open(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to->lock_fd < 0)
        return ERR_DENIED;
    if (flock(to->lock_fd, LOCK_EX | LOCK_NB) != 0)
        err = ERR_BUSY;
    if (err == OK && queue_copy_look(target) == QUEUE_NOT_EMPTY)
        err = ERR_EXISTS;
    return err == OK ? remove_unfinished(target) : err;
}

static enum err make_temporary(struct queue_copy_to *to, const char *path)
{
    char *made = xstrdup(path);
    enum err err = file_mkdtemp(made);

    if (err == OK)
        to->temporary = xstrdup(strrchr(made, '/') + 1);
    free(made);
    return err;
}

enum err queue_copy_begin(struct queue_copy_to *to, const char *data_dir)
{
    char *target = target_of(to);
    char *path = to->is_in_place
                     ? xasprintf("%s/" IN_PLACE_NAME "XXXXXX", target)
                     : xasprintf("%s.tmp.XXXXXX", target);
    enum err err =
        judge_target(to->is_in_place ? target : to->parent, data_dir);

    to->temporary = NULL;
    to->lock_fd = -1;
    if (err == OK && to->is_in_place)
        err = lock_target(to, target);
    if (err == OK)
        err = make_temporary(to, path);
    free(path);
    free(target);
    return err;
}

// --- the end ---

// What was moved up and is not complete goes again: FORMAT is still below.
static enum err undo_moves(const struct queue_copy_to *to, const char *path)
{
    char *target = target_of(to);
    char *format = xasprintf("%s/FORMAT", path);
    enum err err = file_is_there(format) ? remove_unfinished(target) : OK;

    free(format);
    free(target);
    return err;
}

enum err queue_copy_end(struct queue_copy_to *to)
{
    enum err err = OK;

    if (to->temporary != NULL) {
        char *path = copy_temporary(to);

        if (to->is_in_place)
            err = undo_moves(to, path);
        if (err == OK)
            err = file_remove_tree(path);
        free(path);
    }
    free(to->temporary);
    to->temporary = NULL;
    if (to->is_in_place && to->lock_fd >= 0)
        close(to->lock_fd);
    to->lock_fd = -1;
    return err;
}

// Also to the disk: what has its name has its owner.
static enum err give_to_owner(const struct queue_copy_to *to, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    enum err err = OK;
    struct buf why;

    if (fd < 0)
        return ERR_IO;
    buf_init(&why, 0);
    if (to->has_owner && geteuid() == 0)
        err = account_hand_over(fd, &to->owner, &why);
    if (err == OK && to->mode != 0 && fchmod(fd, to->mode) != 0)
        err = ERR_DENIED;
    if (err == OK && syncfs(fd) != 0)
        err = ERR_IO;
    if (why.n_bytes > 0) {
        log_warn("the owner cannot be kept", "reason=%s",
                 log_quote(buf_str(&why)));
    }
    buf_clear(&why);
    close(fd);
    return err;
}

static enum err move_up(const struct queue_copy_to *to, const char *path)
{
    char *target = target_of(to);
    enum err err = OK;

    for (size_t i = 0; i < N_ENTRIES && err == OK; i++) {
        char *from = xasprintf("%s/%s", path, entries[i]);
        char *up = xasprintf("%s/%s", to->temporary, entries[i]);

        if (file_is_there(from))
            err = file_rename(target, up, entries[i]);
        free(up);
        free(from);
    }
    free(target);
    return err;
}

enum err copy_put_in_place(const struct queue_copy_to *to)
{
    char *path = copy_temporary(to);
    enum err err = file_sync(path);

    if (err == OK)
        err = give_to_owner(to, path);
    if (err == OK) {
        err = to->is_in_place
                  ? move_up(to, path)
                  : file_rename(to->parent, to->temporary, to->name);
    }
    free(path);
    return err;
}
