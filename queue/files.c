// files.c — directories that are there whole or not at all.

#include "queue/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

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

static int on_entry(const char *path, const struct stat *st, int type,
                    struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

enum err file_remove_tree(const char *path)
{
    if (!file_is_there(path))
        return OK;
    return nftw(path, on_entry, 16, FTW_DEPTH | FTW_PHYS) == 0 ? OK
                                                               : err_of_errno();
}

enum err file_mkdtemp(char *path)
{
    return mkdtemp(path) != NULL ? OK : err_of_errno();
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

    // What a crash left behind goes; a link that somebody laid is not followed.
    if (unlink(path) != 0 && errno != ENOENT)
        return err_of_errno();
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_of_errno();
    n_written = write(fd, text, n_bytes);
    if (n_written >= 0 && (size_t)n_written < n_bytes)
        errno = ENOSPC; // so a full disk says the first time
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
