// SPDX-License-Identifier: MIT
// data_dir.c — ensures that all processes of an engine use the same data directory.

#include "common/files/data_dir.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log/log.h"

#define ENV_DATA_DIR "POSTHORN_DATA_DIR_INODE"
#define INODE_BYTES  48

static void put_inode(const struct stat *st, char text[INODE_BYTES])
{
    snprintf(text, INODE_BYTES, "%" PRIu64 ":%" PRIu64, (uint64_t)st->st_dev,
             (uint64_t)st->st_ino);
}

void data_dir_note(int dir_fd)
{
    char text[INODE_BYTES];
    struct stat st;

    if (fstat(dir_fd, &st) != 0)
        return;
    put_inode(&st, text);
    setenv(ENV_DATA_DIR, text, 1);
}

void data_dir_check(const char *path)
{
    const char *wanted = getenv(ENV_DATA_DIR);
    char text[INODE_BYTES];
    struct stat st;

    if (wanted == NULL)
        return; // a role of a test
    if (stat(path, &st) == 0) {
        put_inode(&st, text);
        if (strcmp(text, wanted) == 0)
            return;
    }
    log_fatal("the data directory was removed or replaced while the engine was "
              "running; put it back or stop the engine",
              "data_dir=%s", log_quote(str_of(path)));
}
