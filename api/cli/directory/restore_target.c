// SPDX-License-Identifier: MIT
// restore_target.c — where `posthorn restore` puts a data directory, and whose it is.

#include "api/cli/directory/restore_target.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/files/account.h"

#define OWN_ACCOUNT "posthorn" // as of the engine's roles

char *target_clean(const char *path)
{
    char *clean = xstrdup(path);

    while (strlen(clean) > 1 && clean[strlen(clean) - 1] == '/')
        clean[strlen(clean) - 1] = '\0';
    return clean;
}

// Whether something is mounted at the path. A directory that is mounted on itself is
// found, too, but not on old kernels.
static bool is_mounted(const char *path)
{
    char *above = xasprintf("%s/..", path);
    struct statx x = { .stx_mask = 0 };
    struct stat a;
    struct stat b;
    bool is = stat(path, &a) == 0 && stat(above, &b) == 0 &&
              (a.st_dev != b.st_dev || a.st_ino == b.st_ino);

    if (statx(AT_FDCWD, path, 0, STATX_TYPE, &x) == 0)
        is = is || (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
    free(above);
    return is;
}

static void take_owner(const struct stat *st, struct queue_copy_to *out)
{
    out->has_owner = st->st_uid != 0;
    out->owner = (struct account){ st->st_uid, st->st_gid };
}

// Gets the status of the directory above. Changes `copy`.
static bool stat_above(char *copy, struct stat *st)
{
    return stat(dirname(copy), st) == 0;
}

static void choose_new_owner(const struct config *config, const char *to,
                             struct queue_copy_to *out)
{
    char *copy = xstrdup(to);
    struct stat above;

    if (config->user[0] != '\0') {
        out->has_owner = account_find(config->user, &out->owner) == OK;
    } else if (stat_above(copy, &above) && above.st_uid != 0) {
        take_owner(&above, out);
    } else {
        out->has_owner = account_find(OWN_ACCOUNT, &out->owner) == OK;
    }
    free(copy);
}

static void check_target(const char *real, struct queue_copy_to *out)
{
    char *copy = xstrdup(real);
    struct stat st;

    out->is_in_place =
        queue_copy_check_target(real) != QUEUE_EMPTY || is_mounted(real) ||
        faccessat(AT_FDCWD, dirname(copy), W_OK, AT_EACCESS) != 0;
    if (stat(real, &st) == 0) {
        take_owner(&st, out);
        out->mode = out->is_in_place ? 0 : st.st_mode & 07777;
    }
    free(copy);
}

char *restore_target(const struct args *args, const struct config *config,
                     const char *wanted, struct queue_copy_to *out)
{
    char *to = target_clean(wanted);
    struct stat st;
    char *real;

    if (to[0] != '\0' && lstat(to, &st) != 0) {
        choose_new_owner(config, to, out);
        return to;
    }
    real = realpath(to, NULL);
    if (to[0] == '\0') {
        command_failed(args->command,
                       "--data-dir is empty; name a new directory");
    } else if (real == NULL ||
               queue_copy_check_target(real) == QUEUE_NOT_EMPTY) {
        command_failed(args->command,
                       "%s exists and is not an empty directory; restore into "
                       "a new directory",
                       to);
    } else {
        check_target(real, out);
        free(to);
        return real;
    }
    free(real);
    free(to);
    return NULL;
}

void repair_owner(const char *data_dir, struct queue_copy_to *out)
{
    struct stat st;

    if (stat(data_dir, &st) == 0) {
        take_owner(&st, out);
        out->mode = st.st_mode & 07777;
    }
}
