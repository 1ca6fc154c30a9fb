// SPDX-License-Identifier: MIT
// environment_dir.c — makes and counts the directories of environments.

#include "queue/admin/environment_dir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "queue/lmdb/environment.h"
#include "queue/lmdb/files.h"
#include "queue/records/queue_config.h"

// LMDB makes the lock file sparse; on a full disk the first access to a page would
// kill the process. So its blocks are allocated.
static enum err back_lock_file(const char *dir)
{
    char *path = xasprintf("%s/lock.mdb", dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    int rc = -1;

    free(path);
    if (fd < 0)
        return ERR_IO;
    if (fstat(fd, &st) == 0)
        rc = posix_fallocate(fd, 0, st.st_size > 0 ? st.st_size : 1);
    close(fd);
    return rc == 0 ? OK : ERR_FULL;
}

enum err prepare_environment(const char *dir, uint64_t map_bytes,
                             const char *const *names, size_t n_names,
                             struct store **out)
{
    char *data;
    enum err err = file_mkdir(dir);

    if (err == OK)
        err = store_open(dir, map_bytes, false, names, n_names, out);
    if (err == OK)
        err = back_lock_file(dir);
    data = xasprintf("%s/data.mdb", dir);
    if (err == OK)
        err = file_sync(data);
    if (err == OK)
        err = file_sync(dir);
    free(data);
    return err;
}

enum err queue_n_shards(const char *data_dir, unsigned *n)
{
    unsigned k = 0;
    bool is_there = true;

    while (is_there && k <= QUEUE_SHARDS_MAX) {
        char *path = xasprintf("%s/deliveries/%u", data_dir, k);

        is_there = file_is_there(path);
        k += is_there;
        free(path);
    }
    if (k == 0)
        return ERR_NOTFOUND;
    *n = k;
    return OK;
}
