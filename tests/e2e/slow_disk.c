// SPDX-License-Identifier: MIT
// slow_disk.c — preloaded into an engine: each commit of a dispatcher takes as long as
// SLOW_DISK_US says, so that a test can act meanwhile.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_of_deliveries(int fd)
{
    char name[64];
    char path[4096];
    ssize_t n;

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    n = readlink(name, path, sizeof(path) - 1);
    if (n <= 0)
        return 0;
    path[n] = '\0';
    return strstr(path, "/deliveries/") != NULL;
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    const char *us = getenv("SLOW_DISK_US");

    if (us != NULL && is_of_deliveries(fd))
        usleep((useconds_t)strtoul(us, NULL, 10));
    return real(fd);
}
