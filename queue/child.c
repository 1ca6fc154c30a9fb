// child.c — a step in a process of its own, so that whatever ends it does not end
// this one.

#include "queue/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void be_child(child_step step, void *data, int out_fd)
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

static void read_all(int fd, struct buf *out)
{
    char bytes[4096];
    ssize_t n;

    while ((n = read(fd, bytes, sizeof(bytes))) != 0) {
        if (n > 0)
            buf_put(out, bytes, (size_t)n);
        if (n < 0 && errno != EINTR)
            break;
    }
}

enum err child_run(child_step step, void *data, struct buf *out)
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
        read_all(ends[0], out);
    close(ends[0]);
    if (pid < 0)
        return ERR_IO;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) <= ERR_IO)
        return (enum err)WEXITSTATUS(status);
    if (WIFEXITED(status))
        return ERR_CORRUPT; // store_guard.c said why
    buf_reset(out);
    buf_printf(out, "the process that read it was ended by signal %d (%s)",
               WTERMSIG(status), strsignal(WTERMSIG(status)));
    return ERR_CORRUPT;
}
