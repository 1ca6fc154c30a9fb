// SPDX-License-Identifier: MIT
// role_fixture.h — a role that a test's supervisor starts: it obeys, or does what the file
// DIR/script says, and writes what happens to it into DIR/trace.
//
// DIR is the data directory. A line of the trace is "LABEL what pid=PID".

#ifndef TESTS_SUPPORT_ROLE_FIXTURE_H
#define TESTS_SUPPORT_ROLE_FIXTURE_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/files/engine_file.h"
#include "common/log/log.h"
#include "common/process/control_socket.h"
#include "common/process/metrics.h"
#include "common/process/pulse.h"
#include "common/process/role.h"

static struct {
    const char *dir;
    char kind[256], label[300];
    unsigned index;
} me;

static inline void put_path(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", me.dir, name);
}

static inline void note(const char *what)
{
    char path[128], line[1024];
    int fd, n;

    put_path(path, "trace");
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    n = snprintf(line, sizeof(line), "%s %s pid=%d\n", me.label, what,
                 (int)getpid());
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        _exit(99);
    close(fd);
}

// Whether the script has this word for this role: "KIND:what".
static inline bool is_told(const char *what)
{
    char path[128], text[256] = "", word[512];
    FILE *file;

    put_path(path, "script");
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    (void)fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    snprintf(word, sizeof(word), "%s:%s;", me.kind, what);
    return strstr(text, word) != NULL;
}

static inline void read_own_name(void)
{
    char text[256] = "";
    char *word = text;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        _exit(98);
    close(fd);
    for (int i = 0; i < 2; i++) // posthorn role KIND INDEX
        word += strlen(word) + 1;
    snprintf(me.kind, sizeof(me.kind), "%s", word);
    me.index = (unsigned)strtoul(word + strlen(word) + 1, NULL, 10);
    snprintf(me.label, sizeof(me.label), "%s", me.kind);
    if (strcmp(me.kind, "sender") == 0 || strcmp(me.kind, "dispatcher") == 0)
        snprintf(me.label, sizeof(me.label), "%s.%u", me.kind, me.index);
}

static inline bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

// Notes what it was given: variables and descriptors.
static inline void note_belongings(void)
{
    static const char *const names[] = { "TZ",          "LC_ALL",
                                         "LD_DEBUG",    "http_proxy",
                                         "MY_PASSWORD", "NOTIFY_SOCKET" };
    char text[200] = "has";

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (getenv(names[i]) != NULL) {
            strncat(text, " ", 2);
            strncat(text, names[i], 32);
        }
    }
    if (getenv(ENGINE_ENV_SECRET) != NULL)
        strncat(text, " secret", 32);
    if (is_open(ROLE_LISTEN_FD))
        strncat(text, " socket", 32);
    if (is_open(METRICS_FD))
        strncat(text, " page", 32);
    if (is_open(PAGES_FD))
        strncat(text, " pages", 32);
    note(text);
}

static inline void attach_pages(void)
{
    const char *text = getenv(CONTROL_ENV_SLOT);
    unsigned slot = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 0;
    bool is_there = strcmp(me.kind, "sender") == 0
                        ? metrics_attach_alone(METRICS_FD)
                        : metrics_attach(METRICS_FD, PAGES_FD, slot);

    if (!is_there)
        _exit(97);
}

static inline void tell(enum control_type type)
{
    const struct control_message m = { .type = type };

    if (control_send(CONTROL_FD, &m, -1) != OK)
        _exit(96);
}

static inline void obey(const struct control_message *m)
{
    char label[ROLE_LABEL_BYTES], what[64];

    role_label((enum role_kind)m->kind, m->index, label);
    if (m->type == CONTROL_LINK) {
        snprintf(what, sizeof(what), "link %s", label);
        note(what);
    } else if (m->type == CONTROL_RELOAD) {
        note("reload");
        tell(CONTROL_RELOADED);
    } else if (m->type == CONTROL_ENDED) {
        snprintf(what, sizeof(what), "ended %s", label);
        note(what);
    } else if (m->type == CONTROL_DRAIN && !is_told("deaf")) {
        note("drain");
        poll(NULL, 0, 30); // so that who does not wait for it is seen
        note("end");
        _exit(0);
    }
}

static inline int be_role(void)
{
    struct control_message m;
    enum err err = ERR_AGAIN;
    int fd;

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    signal(SIGHUP, SIG_IGN);
    me.dir = getenv("POSTHORN_DATA_DIR");
    read_own_name();
    note("start");
    if (strcmp(me.kind, "setup") == 0)
        return is_told("fail") ? 3 : 0;
    note_belongings();
    if (is_told("damaged"))
        return EXIT_DAMAGED;
    while (is_told("hang"))
        poll(NULL, 0, 50);
    attach_pages();
    pulse_beat();
    tell(CONTROL_READY);
    note("ready");
    while (err != ERR_NOTFOUND) {
        struct pollfd one = { .fd = CONTROL_FD, .events = POLLIN };

        poll(&one, 1, PULSE_EVERY_MS);
        pulse_beat();
        while ((err = control_receive(CONTROL_FD, &m, &fd)) == OK) {
            obey(&m);
            if (fd >= 0)
                close(fd);
        }
    }
    return 95;
}

#endif
