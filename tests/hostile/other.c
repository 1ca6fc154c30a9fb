// SPDX-License-Identifier: MIT
// other.c — what an intruder in another role than a sender would try.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"

static bool can_make(int domain, int type)
{
    int fd = socket(domain, type, 0);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static bool tcp_socket(void)
{
    return can_make(AF_INET, SOCK_STREAM);
}

static bool udp_socket(void)
{
    return can_make(AF_INET6, SOCK_DGRAM);
}

// Tries to connect by sending. The kernel reports that no socket connects this way only
// after the filter has let the call pass.
static bool connect_by_sending(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    int ends[2];
    bool is_passed;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        abort();
    is_passed = sendto(ends[0], "x", 1, MSG_FASTOPEN,
                       (const struct sockaddr *)&to, sizeof(to)) >= 0 ||
                errno != EPERM;
    close(ends[0]);
    close(ends[1]);
    return is_passed;
}

static bool open_passwd(void)
{
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

// Whether the process is a sender, by the name that it gave itself.
static bool is_sender(const char *pid)
{
    char path[300], name[32] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    (void)!fgets(name, sizeof(name), file);
    fclose(file);
    return strncmp(name, "sender.", 7) == 0;
}

static bool memory_of_senders(void)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    bool is_read = false;
    unsigned n = 0;

    if (dir == NULL)
        abort();
    while ((entry = readdir(dir)) != NULL) {
        char path[300];
        int fd;

        if (!is_sender(entry->d_name))
            continue;
        n++;
        snprintf(path, sizeof(path), "/proc/%s/mem", entry->d_name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        is_read = is_read || fd >= 0;
        if (fd >= 0)
            close(fd);
    }
    closedir(dir);
    fprintf(stderr, "senders seen: %u\n", n);
    return is_read;
}

static bool take_over(void)
{
    return chown("/dev/null", 0, 0) == 0;
}

static const struct {
    const char *name;
    bool (*run)(void); // NULL: as a sender would
} attacks[] = {
    { "tcp socket", tcp_socket },
    { "udp socket", udp_socket },
    { "connect by sending", connect_by_sending },
    { "open /etc/passwd", open_passwd },
    { "memory of senders", memory_of_senders },
    { "change an owner", take_over },
    { "list /etc", NULL },
    { "write to /tmp", NULL },
    { "memory of the supervisor", NULL },
    { "signal by kill", NULL },
    { "fork", NULL },
    { "run a shell", NULL },
    { "become root", NULL },
    { "write and run", NULL },
    { "write, then run", NULL },
};
#define N_ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

void attack_as_other(void)
{
    for (size_t i = 0; i < N_ATTACKS; i++) {
        bool is_done = attacks[i].run != NULL ? attacks[i].run()
                                              : attack_by_name(attacks[i].name);

        fprintf(stderr, "attack %s: %s\n", attacks[i].name,
                is_done ? "DONE" : "refused");
    }
    fprintf(stderr, "attacks over: %zu\n", N_ATTACKS);
}
