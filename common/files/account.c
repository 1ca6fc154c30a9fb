// SPDX-License-Identifier: MIT
// account.c — the users that processes switch to, and their files.

#include "common/files/account.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX  16 // of a data directory: more than it has
#define GROUPS_MAX 256

enum err account_find(const char *name, struct account *out)
{
    const struct passwd *entry = getpwnam(name);
    char *end;
    unsigned long number = strtoul(name, &end, 10);

    if (entry != NULL) {
        *out = (struct account){ entry->pw_uid, entry->pw_gid };
        return OK;
    }
    if (name[0] < '0' || name[0] > '9' || *end != '\0' || number >= UINT32_MAX)
        return ERR_NOTFOUND;
    *out = (struct account){ (uid_t)number, (gid_t)number };
    return OK;
}

void account_put(const struct account *a, char out[ACCOUNT_TEXT_BYTES])
{
    snprintf(out, ACCOUNT_TEXT_BYTES, "%u:%u", (unsigned)a->uid,
             (unsigned)a->gid);
}

bool account_read(const char *text, struct account *out)
{
    char *end;
    unsigned long uid = strtoul(text, &end, 10);
    unsigned long gid;

    if (end == text || *end != ':')
        return false;
    text = end + 1;
    gid = strtoul(text, &end, 10);
    if (end == text || *end != '\0')
        return false;
    *out = (struct account){ (uid_t)uid, (gid_t)gid };
    return true;
}

bool account_become(const struct account *a)
{
    return setgroups(0, NULL) == 0 && setresgid(a->gid, a->gid, a->gid) == 0 &&
           setresuid(a->uid, a->uid, a->uid) == 0;
}

// Switches the user temporarily, which is safe because there is only one thread
// yet.
bool account_can_reach(const struct account *a, const char *path, int mode)
{
    gid_t groups[GROUPS_MAX];
    int n_groups = getgroups(GROUPS_MAX, groups);
    gid_t gid = getegid();
    uid_t uid = geteuid();
    bool can = n_groups >= 0 && setgroups(0, NULL) == 0 &&
               setegid(a->gid) == 0 && seteuid(a->uid) == 0 &&
               faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;

    if (seteuid(uid) != 0 || setegid(gid) != 0 ||
        (n_groups >= 0 && setgroups((size_t)n_groups, groups) != 0))
        return false; // it was not allowed in the first place
    return can;
}

// --- handing over ---

static enum err hand_over_entry(int dir_fd, const char *name,
                                const struct account *a, struct buf *why,
                                unsigned depth);

// Hands over the directory itself last: if the new owner has the directory, it has
// everything in it.
static enum err hand_over_dir(int dir_fd, const struct account *a,
                              struct buf *why, unsigned depth)
{
    int own_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own_fd >= 0 ? fdopendir(own_fd) : NULL;
    const struct dirent *entry;
    enum err err = OK;

    if (dir == NULL) {
        buf_printf(why, "%s", strerror(errno));
        if (own_fd >= 0)
            close(own_fd);
        return ERR_IO;
    }
    while (err == OK && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            err = hand_over_entry(own_fd, entry->d_name, a, why, depth + 1);
    }
    closedir(dir);
    if (err == OK && fchown(dir_fd, a->uid, a->gid) != 0) {
        buf_printf(why, "%s", strerror(errno));
        err = ERR_IO;
    }
    return err;
}

static bool may_be_given(const struct stat *st)
{
    return st->st_uid == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1;
}

// `fd` was opened with O_PATH, so nothing is opened that blocks or has side
// effects.
static enum err hand_over_open(int fd, const char *name,
                               const struct account *a, struct buf *why,
                               unsigned depth)
{
    struct stat st;
    enum err err = OK;

    if (fstat(fd, &st) != 0)
        return ERR_IO;
    if (st.st_uid != 0 && st.st_uid != a->uid) {
        buf_printf(why, "%s in it belongs to the user %u", name,
                   (unsigned)st.st_uid);
        return ERR_DENIED;
    }
    if (S_ISDIR(st.st_mode)) {
        int dir_fd = depth < DEPTH_MAX
                         ? openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                         : -1;

        if (dir_fd < 0)
            return ERR_IO;
        err = hand_over_dir(dir_fd, a, why, depth);
        close(dir_fd);
    } else if (may_be_given(&st) &&
               fchownat(fd, "", a->uid, a->gid, AT_EMPTY_PATH) != 0) {
        buf_printf(why, "%s: %s", name, strerror(errno));
        err = ERR_IO;
    }
    return err;
}

// A name that is gone meanwhile is skipped.
static enum err hand_over_entry(int dir_fd, const char *name,
                                const struct account *a, struct buf *why,
                                unsigned depth)
{
    int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    enum err err;

    if (fd < 0)
        return errno == ENOENT ? OK : ERR_IO;
    err = hand_over_open(fd, name, a, why, depth);
    close(fd);
    return err;
}

bool account_give_file(const struct account *a, const char *path)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    bool is_done = fd >= 0 && fstat(fd, &st) == 0 && may_be_given(&st) &&
                   fchown(fd, a->uid, a->gid) == 0;

    if (fd >= 0)
        close(fd);
    return is_done;
}

enum err account_hand_over(int dir_fd, const struct account *a, struct buf *why)
{
    return hand_over_dir(dir_fd, a, why, 0);
}

// --- taking over ---

static enum err take_over(const struct account *a, int dir_fd, const char *name,
                          struct buf *why, unsigned depth);

static enum err take_over_all(const struct account *a, int fd, struct buf *why,
                              unsigned depth)
{
    int own_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own_fd >= 0 ? fdopendir(own_fd) : NULL;
    const struct dirent *entry;
    enum err err = dir != NULL ? OK : ERR_IO;

    while (err == OK && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            err = take_over(a, fd, entry->d_name, why, depth + 1);
    }
    if (dir != NULL) {
        closedir(dir);
    } else if (own_fd >= 0) {
        close(own_fd);
    }
    return err;
}

// Takes over a directory first, then its contents: from then on nobody else can
// change them.
static enum err take_over_open(const struct account *a, int fd,
                               const char *name, struct buf *why,
                               unsigned depth)
{
    struct stat st;
    bool is_dir;

    if (fstat(fd, &st) != 0)
        return ERR_IO;
    is_dir = S_ISDIR(st.st_mode) && depth < DEPTH_MAX;
    if (st.st_uid != a->uid ||
        (!is_dir && (!S_ISREG(st.st_mode) || st.st_nlink != 1))) {
        buf_printf(why, "%s is not what was made there", name);
        return ERR_DENIED;
    }
    if (fchown(fd, geteuid(), getegid()) != 0 ||
        fchmod(fd, is_dir ? 0700 : 0600) != 0) {
        buf_printf(why, "%s: %s", name, strerror(errno));
        return ERR_IO;
    }
    return is_dir ? take_over_all(a, fd, why, depth) : OK;
}

static enum err take_over(const struct account *a, int dir_fd, const char *name,
                          struct buf *why, unsigned depth)
{
    int fd =
        openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    enum err err;

    if (fd < 0 && errno == ENOENT)
        return ERR_NOTFOUND;
    if (fd < 0) {
        buf_printf(why, "%s is not what was made there", name);
        return ERR_DENIED;
    }
    err = take_over_open(a, fd, name, why, depth);
    close(fd);
    return err;
}

enum err account_take_over(const struct account *a, int dir_fd,
                           const char *name, struct buf *why)
{
    return take_over(a, dir_fd, name, why, 0);
}
