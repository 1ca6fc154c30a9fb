// SPDX-License-Identifier: MIT
// payload_key_dir.c — the directory of the keys that payloads are sealed with.

#include "engine/supervisor/payload_key_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files/account.h"
#include "common/files/place.h"

enum err payload_key_dir_check(const struct config *config, struct buf *faults)
{
    const char *dir = config->payload_keys_dir;
    char *keys = place_resolve(dir);
    char *data = place_resolve(config->data_dir);
    bool is_apart = dir[0] == '\0' ||
                    (!place_holds(data, keys) && !place_holds(keys, data));

    free(data);
    free(keys);
    if (is_apart)
        return OK;
    buf_printf(faults,
               "payload_keys_dir: %s must lie outside of data_dir, and not "
               "contain it, since copies of data must not contain the keys\n",
               dir);
    return ERR_INVALID;
}

static enum err denied(const char *dir, const char *what, struct buf *faults)
{
    buf_printf(faults, "payload_keys_dir: %s %s\n", dir, what);
    return ERR_DENIED;
}

static enum err hand_over(const char *dir, int fd, const struct accounts *a,
                          struct buf *faults)
{
    struct buf why;
    enum err err = OK;

    buf_init(&why, 0);
    if (account_hand_over(fd, &a->roles, &why) != OK ||
        !account_can_reach(&a->roles, dir, R_OK | W_OK | X_OK)) {
        buf_printf(faults,
                   "payload_keys_dir: the user %u cannot use %s%s%s; run chown "
                   "-R %u:%u %s\n",
                   (unsigned)a->roles.uid, dir, why.n_bytes > 0 ? ": " : "",
                   buf_cstr(&why), (unsigned)a->roles.uid,
                   (unsigned)a->roles.gid, dir);
        err = ERR_DENIED;
    }
    buf_clear(&why);
    return err;
}

// Makes the directory's own entry durable: without it, all keys would be gone after a power
// cut. Whoever may not read the directory above has not made this one.
static bool sync_parent(int fd)
{
    int parent = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = parent < 0 || fsync(parent) == 0;

    if (parent >= 0)
        close(parent);
    return is_synced;
}

enum err payload_key_dir_make(const struct config *config,
                              const struct accounts *accounts,
                              struct buf *faults)
{
    const char *dir = config->payload_keys_dir;
    enum err err = OK;
    struct stat st;
    int fd;

    if (dir[0] == '\0')
        return OK;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        buf_printf(faults, "payload_keys_dir: %s cannot be created: %s\n", dir,
                   strerror(errno));
        return ERR_DENIED;
    }
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        buf_printf(faults, "payload_keys_dir: %s cannot be opened: %s\n", dir,
                   strerror(errno));
        err = ERR_DENIED;
    } else if (!sync_parent(fd)) {
        buf_printf(faults,
                   "payload_keys_dir: the directory above %s cannot be "
                   "synced: %s\n",
                   dir, strerror(errno));
        err = ERR_DENIED;
    } else if ((st.st_mode & S_IRWXO) != 0) {
        err = denied(dir, "is open to everybody; run chmod o= on it", faults);
    } else if (accounts->has_roles) {
        err = hand_over(dir, fd, accounts, faults);
    } else if (access(dir, R_OK | W_OK | X_OK) != 0) {
        err = denied(dir, "cannot be written by the engine's user", faults);
    }
    if (fd >= 0)
        close(fd);
    return err;
}
