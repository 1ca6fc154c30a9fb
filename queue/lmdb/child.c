// SPDX-License-Identifier: MIT
// child.c — runs a step in a child process, so that a crash ends only the child.

#include "queue/lmdb/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log/log.h"

#define POLL_MS 100

static _Noreturn void be_child(queue_step step, void *data, int out_fd)
{
    struct buf text;
    size_t n_written = 0;
    enum err err;

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    buf_init(&text, 0);
    err = step(data, &text);
    while (n_written < text.n_bytes) {
        ssize_t n =
            write(out_fd, text.at + n_written, text.n_bytes - n_written);

        if (n < 0 && errno != EINTR)
            break;
        n_written += n > 0 ? (size_t)n : 0;
    }
    _exit((int)err); // not exit(): LMDB environments must not be torn down
}

// Reads until the child has ended. Sends SIGINT once when the result is unwanted.
static void read_all(int fd, pid_t pid, bool (*is_unwanted)(void),
                     struct buf *out)
{
    struct pollfd ready = { .fd = fd, .events = POLLIN };
    bool was_told = false;
    char bytes[4096];
    ssize_t n = 1;

    while (n != 0) {
        if (is_unwanted != NULL && !was_told && is_unwanted()) {
            kill(pid, SIGINT);
            was_told = true;
        }
        if (poll(&ready, 1, POLL_MS) <= 0)
            continue;
        n = read(fd, bytes, sizeof(bytes));
        if (n > 0)
            buf_put(out, bytes, (size_t)n);
        if (n < 0 && errno != EINTR)
            break;
    }
}

// Whether the signal may come from damaged data that the child read; other signals
// are sent by processes.
static bool is_of_damage(int signal_no)
{
    return signal_no == SIGBUS || signal_no == SIGSEGV ||
           signal_no == SIGABRT || signal_no == SIGILL || signal_no == SIGFPE;
}

static enum err result_of(int status, struct buf *why)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) <= ERR_IO)
        return (enum err)WEXITSTATUS(status);
    buf_reset(why);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DAMAGED) {
        buf_puts(why, "it is damaged and cannot be read further");
    } else if (WIFEXITED(status)) {
        buf_printf(why, "the process that read it ended with status %d",
                   WEXITSTATUS(status));
    } else {
        buf_printf(why, "the process that read it was ended by signal %d (%s)",
                   WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
    return WIFSIGNALED(status) && !is_of_damage(WTERMSIG(status)) ? ERR_IO
                                                                  : ERR_CORRUPT;
}

enum err queue_apart(queue_step step, void *data, bool (*is_unwanted)(void),
                     struct buf *out, struct buf *why)
{
    int ends[2];
    int status = 0;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return ERR_IO;
    pid = fork();
    if (pid == 0)
        be_child(step, data, ends[1]);
    close(ends[1]);
    if (pid > 0)
        read_all(ends[0], pid, is_unwanted, out);
    close(ends[0]);
    if (pid < 0)
        return ERR_IO;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return result_of(status, why);
}
