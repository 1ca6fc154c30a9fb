// SPDX-License-Identifier: MIT
// files.c — creates and removes directories and files atomically.

#include "queue/lmdb/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log/log.h"

#define DEPTH_MAX 32 // the depth of removed directories; none is deeper

static enum err err_of_errno(void)
{
    switch (errno) {
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case ENOENT:
        return ERR_NOTFOUND;
    case EEXIST:
    case ENOTEMPTY:
    case ENOTDIR:
        return ERR_EXISTS;
    case EBUSY:
        return ERR_BUSY;
    default:
        return ERR_IO;
    }
}

bool file_is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

// --- removing ---

static enum err remove_at(int dir_fd, const char *name, unsigned depth);

static enum err remove_inside(int dir_fd, unsigned depth)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = fd >= 0 ? fdopendir(fd) : NULL;
    enum err err = OK;
    const struct dirent *d;

    if (names == NULL) {
        err = err_of_errno();
        if (fd >= 0)
            close(fd);
        return err;
    }
    while (err == OK && (d = readdir(names)) != NULL) {
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            err = remove_at(dir_fd, d->d_name, depth + 1);
    }
    closedir(names);
    return err;
}

// Never follows a link, even if entries are exchanged meanwhile.
static enum err remove_at(int dir_fd, const char *name, unsigned depth)
{
    enum err err = OK;
    int fd;

    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT || errno == ENOTDIR)
        return OK;
    if (errno != EISDIR)
        return err_of_errno();
    fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_of_errno();
    err = depth < DEPTH_MAX ? remove_inside(fd, depth) : ERR_IO;
    close(fd);
    if (err == OK && unlinkat(dir_fd, name, AT_REMOVEDIR) != 0)
        err = err_of_errno();
    return err;
}

enum err file_remove_at(int dir_fd, const char *name)
{
    return remove_at(dir_fd, name, 0);
}

enum err file_remove_inside(int dir_fd)
{
    return remove_inside(dir_fd, 0);
}

enum err file_remove_tree(const char *path)
{
    return file_remove_at(AT_FDCWD, path);
}

// --- making ---

static bool is_empty(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *names = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *d;
    bool is = names != NULL;

    while (is && (d = readdir(names)) != NULL)
        is = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;
    if (names != NULL) {
        closedir(names);
    } else if (fd >= 0) {
        close(fd);
    }
    return is;
}

bool file_is_at(int dir_fd, const char *name, int fd)
{
    struct stat wanted;
    struct stat st;

    return fstat(fd, &wanted) == 0 &&
           fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino;
}

enum err file_mkdir_at(int dir_fd, const char *name, int *fd)
{
    struct stat st;

    *fd = -1;
    if (mkdirat(dir_fd, name, 0700) != 0)
        return err_of_errno();
    *fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    // Without root's rights an exchange could gain nothing, and some file systems
    // have neither owners nor modes. So only root checks.
    if (*fd >= 0 && fstat(*fd, &st) == 0 && geteuid() != 0)
        return OK;
    if (*fd >= 0 && st.st_uid == geteuid() && (st.st_mode & 0777) == 0700 &&
        is_empty(*fd))
        return OK;
    if (*fd >= 0) {
        log_warn("a directory that root made does not belong to root alone "
                 "here; run the command as the owner of the data",
                 "name=%s uid=%u mode=%o", log_quote(str_of(name)),
                 (unsigned)st.st_uid, (unsigned)(st.st_mode & 0777));
        if (file_is_at(dir_fd, name, *fd))
            (void)unlinkat(dir_fd, name, AT_REMOVEDIR);
        close(*fd);
    }
    *fd = -1;
    return ERR_LOST;
}

enum err file_rename_at(int from_fd, const char *from, int to_fd,
                        const char *to)
{
    return renameat(from_fd, from, to_fd, to) == 0 && fsync(to_fd) == 0
               ? OK
               : err_of_errno();
}

enum err file_mkdir(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? OK : err_of_errno();
}

enum err file_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return err_of_errno();
    rc = fsync(fd);
    close(fd);
    return rc == 0 ? OK : err_of_errno();
}

enum err file_rename(const char *dir, const char *from, const char *to)
{
    char *old_path = xasprintf("%s/%s", dir, from);
    char *new_path = xasprintf("%s/%s", dir, to);
    enum err err = rename(old_path, new_path) == 0 ? OK : err_of_errno();

    free(old_path);
    free(new_path);
    return err == OK ? file_sync(dir) : err;
}

static enum err write_and_sync(const char *path, const char *text)
{
    int fd;
    size_t n_bytes = strlen(text);
    ssize_t n_written;
    enum err err = OK;

    // Removes what a crash left behind; if it is a link, only the link.
    if (unlink(path) != 0 && errno != ENOENT)
        return err_of_errno();
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_of_errno();
    n_written = write(fd, text, n_bytes);
    if (n_written >= 0 && (size_t)n_written < n_bytes)
        errno = ENOSPC; // a short write means that the disk is full
    if (n_written != (ssize_t)n_bytes || fsync(fd) != 0)
        err = err_of_errno();
    close(fd);
    return err;
}

enum err file_write(const char *dir, const char *name, const char *text)
{
    char *temporary = xasprintf("%s.tmp", name);
    char *path = xasprintf("%s/%s", dir, temporary);
    enum err err = write_and_sync(path, text);

    if (err == OK)
        err = file_rename(dir, temporary, name);
    free(path);
    free(temporary);
    return err;
}
