// SPDX-License-Identifier: MIT
// owner.c — the owner of a directory, for commands that root runs on it.

#include "common/files/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log/log.h"

#define GROUPS_MAX 256

static gid_t own_groups[GROUPS_MAX]; // while acting for another user
static int n_own_groups;
static gid_t own_gid;

// --- which directory ---

// Whether root owns every directory on the way to it, and nobody else may rename
// entries in them. `path` has no links, and is changed and restored.
static bool is_stable(char *path)
{
    struct stat st;
    bool is = true;

    for (char *at = strchr(path + 1, '/'); at != NULL && is;
         at = strchr(at + 1, '/')) {
        *at = '\0';
        is = lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == 0 &&
             ((st.st_mode & 022) == 0 || (st.st_mode & S_ISVTX) != 0);
        *at = '/';
    }
    return is;
}

static bool leads_to(const char *path, const struct owner *o)
{
    struct stat wanted;
    struct stat st;

    return fstat(o->dir_fd, &wanted) == 0 && stat(path, &st) == 0 &&
           st.st_dev == wanted.st_dev && st.st_ino == wanted.st_ino;
}

// Chooses the name that people know where it is as safe as the descriptor: an owner
// whose rights are used can mislead only himself.
static char *choose_path(const char *dir, const struct owner *o)
{
    char *real = realpath(dir, NULL);
    bool is_good = false;

    if (real != NULL && o->is_other) {
        is_good = account_can_reach(&o->account, real, X_OK);
    } else if (real != NULL) {
        is_good = geteuid() != 0 || is_stable(real);
    }
    if (is_good && leads_to(real, o))
        return real;
    free(real);
    return xasprintf("/proc/self/fd/%d", o->dir_fd);
}

enum err owner_hold(const char *dir, struct owner *out, struct buf *why)
{
    struct stat st;

    *out = (struct owner){ .dir_fd = -1 };
    out->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out->dir_fd < 0 && errno == EACCES) // its entries may be accessible
        out->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (out->dir_fd < 0 || fstat(out->dir_fd, &st) != 0) {
        int reason = errno;

        buf_printf(why, "cannot be opened: %s", strerror(reason));
        owner_release(out);
        return reason == ENOENT || reason == ENOTDIR ? ERR_NOTFOUND
                                                     : ERR_DENIED;
    }
    out->account = (struct account){ st.st_uid, st.st_gid };
    out->is_other = geteuid() == 0 && st.st_uid != 0;
    out->path = choose_path(dir, out);
    return OK;
}

void owner_release(struct owner *o)
{
    if (o->dir_fd >= 0)
        close(o->dir_fd);
    free(o->path);
    *o = (struct owner){ .dir_fd = -1 };
}

// --- acting as it ---

static bool refuse(const struct owner *o, struct buf *why)
{
    buf_printf(why,
               "belongs to the user %u, whose rights root cannot take here "
               "(%s); run the command as that user",
               (unsigned)o->account.uid, strerror(errno));
    return false;
}

// A change of the user clears PR_SET_PDEATHSIG: it is set again here.
bool owner_become(const struct owner *o, struct buf *why)
{
    int signal_no = 0;

    if (!o->is_other)
        return true;
    if (prctl(PR_GET_PDEATHSIG, &signal_no, 0, 0, 0) != 0 ||
        !account_become(&o->account) || geteuid() != o->account.uid ||
        seteuid(0) == 0 || prctl(PR_SET_PDEATHSIG, signal_no, 0, 0, 0) != 0)
        return refuse(o, why);
    return true;
}

bool owner_act(const struct owner *o, struct buf *why)
{
    if (!o->is_other)
        return true;
    own_gid = getegid();
    n_own_groups = getgroups(GROUPS_MAX, own_groups);
    if (n_own_groups < 0)
        return refuse(o, why);
    if (setgroups(0, NULL) != 0) // no capability: nothing has changed
        return refuse(o, why);
    if (setegid(o->account.gid) == 0 && seteuid(o->account.uid) == 0)
        return true;
    refuse(o, why);
    owner_act_end(o);
    return false;
}

void owner_act_end(const struct owner *o)
{
    if (o->is_other && (seteuid(0) != 0 || setegid(own_gid) != 0 ||
                        setgroups((size_t)n_own_groups, own_groups) != 0))
        log_panic("the process cannot become its own user again", "");
}

bool owner_give_group(int fd, gid_t gid)
{
    uid_t uid = geteuid();
    bool is_given;

    if (uid == 0 || getuid() != 0)
        return fchown(fd, (uid_t)-1, gid) == 0;
    if (seteuid(0) != 0)
        return false;
    is_given = fchown(fd, (uid_t)-1, gid) == 0;
    if (seteuid(uid) != 0)
        log_panic("the process cannot become the owner's user again", "");
    return is_given;
}
