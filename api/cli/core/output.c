// SPDX-License-Identifier: MIT
// output.c — a file that a command writes for its caller.

#include "api/cli/core/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/encoding/crypto.h"

// A random name in the same directory, for which nobody can have put a file or link
// there.
static char *temporary_of(const char *path)
{
    uint64_t random;

    crypto_random(&random, sizeof(random));
    return xasprintf("%s.%016" PRIx64 ".tmp", path, random);
}

bool output_begin(const struct args *args, const char *path, struct output *o)
{
    struct stat there;
    int fd;

    *o = (struct output){ .path = path };
    if (lstat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
        command_failed(args->command,
                       "%s cannot be written because it is not a regular file; "
                       "name a new file or a file to replace",
                       path);
        return false;
    }
    o->temporary = temporary_of(path);
    fd = open(o->temporary,
              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    o->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (o->file != NULL)
        return true;
    command_failed(args->command, "%s cannot be written: %s", path,
                   strerror(errno));
    free(o->temporary);
    return false;
}

bool output_end(const struct args *args, struct output *o, bool is_good)
{
    bool is_written = !is_good || (fflush(o->file) == 0 && !ferror(o->file) &&
                                   fsync(fileno(o->file)) == 0);
    int fault = errno;

    if (fclose(o->file) != 0 && is_written) {
        is_written = false;
        fault = errno;
    }
    if (is_good && is_written && rename(o->temporary, o->path) != 0) {
        is_written = false;
        fault = errno;
    }
    if (!is_written) {
        command_failed(args->command, "%s cannot be written: %s", o->path,
                       strerror(fault));
    }
    is_good = is_good && is_written;
    if (!is_good)
        (void)unlink(o->temporary);
    free(o->temporary);
    o->temporary = NULL;
    return is_good;
}
