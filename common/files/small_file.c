// SPDX-License-Identifier: MIT
// small_file.c — files of a few lines: keys, tokens, notes.

#include "common/files/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"

static enum err fail(int reason, const char **why)
{
    *why = reason == ELOOP ? "it is a link of another user" : strerror(reason);
    return reason == ENOENT ? ERR_NOTFOUND : ERR_DENIED;
}

// The last byte of `room` is for the NUL.
static enum err read_whole(int fd, char *text, size_t room, const char **why)
{
    size_t n_bytes = 0;
    ssize_t n = 1;

    while (n != 0 && n_bytes < room) {
        n = read(fd, text + n_bytes, room - n_bytes);
        if (n < 0 && errno != EINTR)
            return fail(errno, why);
        n_bytes += n > 0 ? (size_t)n : 0;
    }
    if (n_bytes == room) {
        *why = "it is too big";
        return ERR_INVALID;
    }
    text[n_bytes] = '\0';
    return OK;
}

char *small_file_resolve(const char *path)
{
    struct stat st;
    bool is_followed = lstat(path, &st) == 0 && S_ISLNK(st.st_mode) &&
                       (st.st_uid == 0 || st.st_uid == geteuid());
    char *real = is_followed ? realpath(path, NULL) : NULL;

    return real != NULL ? real : xstrdup(path);
}

enum err small_file_read(const char *path, char *text, size_t room,
                         mode_t *mode, const char **why)
{
    char *place = small_file_resolve(path);
    int fd =
        open(place, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    enum err err = OK;

    free(place);
    text[0] = '\0';
    if (fd < 0)
        return fail(errno, why);
    if (fstat(fd, &st) != 0) {
        err = fail(errno, why);
    } else if (!S_ISREG(st.st_mode)) {
        *why = "it is not a file";
        err = ERR_INVALID;
    } else {
        err = read_whole(fd, text, room, why);
    }
    if (err == OK && mode != NULL)
        *mode = st.st_mode & 07777;
    close(fd);
    return err;
}

bool small_file_write(int fd, struct str text)
{
    while (text.n_bytes > 0) {
        ssize_t n = write(fd, text.at, text.n_bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text.at += n;
        text.n_bytes -= (size_t)n;
    }
    return true;
}
