// attack.c — what a sender does that an intruder has taken over.
//
// Linked into an engine of its own (posthorn-hostile) in place of the function
// that makes an attempt: the first order sets it off, in a sender that is
// confined as always. Each try has a process of its own, since some end it. What
// came of each goes to stderr: "attack NAME: refused" or "attack NAME: DONE".

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/transfer.h"
#include "tests/hostile/hostile.h"

#define SAY_FD 9 // as the shell below knows it

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's own names
void __real_transfers_start(struct transfers *ts, const struct order *order);
void __wrap_transfers_start(struct transfers *ts, const struct order *order);
// NOLINTEND(bugprone-reserved-identifier)

// --- files ---

static bool can_open(const char *path, int flags)
{
    int fd = open(path, flags, 0600);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static const char *data_dir(void)
{
    const char *dir = getenv("HOSTILE_DATA_DIR");

    if (dir == NULL)
        abort();
    return dir;
}

static bool can_open_data(const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", data_dir(), name);
    return can_open(path, O_RDONLY);
}

static bool open_events(void)
{
    return can_open_data("events/data.mdb");
}

static bool open_hooks(void)
{
    return can_open_data("hooks/data.mdb");
}

static bool open_deliveries(void)
{
    return can_open_data("deliveries/0/data.mdb");
}

static bool open_key(void)
{
    return can_open_data("secret.key");
}

static bool open_token(void)
{
    return can_open_data("admin.token");
}

static bool list_data(void)
{
    return opendir(data_dir()) != NULL;
}

static bool open_shadow(void)
{
    return can_open("/etc/shadow", O_RDONLY);
}

static bool write_tmp(void)
{
    return can_open("/tmp/posthorn-hostile", O_WRONLY | O_CREAT);
}

static bool write_here(void)
{
    return can_open("posthorn-hostile", O_WRONLY | O_CREAT);
}

static bool open_of_parent(const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)getppid(), name);
    return can_open(path, O_RDONLY);
}

// Nothing is inherited that leads to files: but for stdin, stdout and stderr.
static bool inherited_file(void)
{
    for (int fd = 5; fd < 250; fd++) {
        struct stat st;
        bool is_null = fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);

        if (fstat(fd, &st) == 0 && !is_null &&
            (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
            return true;
    }
    return false;
}

// --- other processes ---

static pid_t supervisor; // of the sender

static bool parent_memory(void)
{
    return open_of_parent("mem");
}

static bool supervisor_environment(void)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/environ", (int)supervisor);
    return can_open(path, O_RDONLY);
}

static bool trace(void)
{
    return ptrace(PTRACE_ATTACH, supervisor, NULL, NULL) == 0;
}

static bool signal_supervisor(void)
{
    return kill(supervisor, SIGURG) == 0; // which it would not feel
}

static bool run_shell(void)
{
    char name[] = "sh";
    char option[] = "-c";
    char command[] = "printf 1 >&9";
    char *const words[] = { name, option, command, NULL };

    execve("/bin/sh", words, NULL);
    return false;
}

// --- network ---

static bool serve(void)
{
    struct sockaddr_in any = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd >= 0 &&
           bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0 &&
           listen(fd, 1) == 0;
}

static bool raw_socket(void)
{
    return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0;
}

static bool packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)) >= 0;
}

// --- the kernel ---

static bool do_mount(void)
{
    return mount("none", "/mnt", "tmpfs", 0, NULL) == 0;
}

static bool do_chroot(void)
{
    return chroot("/") == 0;
}

static bool unshare_user(void)
{
    return syscall(SYS_unshare, CLONE_NEWUSER) == 0;
}

static bool clone_into_namespace(void)
{
    return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL,
                   NULL) >= 0;
}

static bool become_root(void)
{
    return setuid(0) == 0 && geteuid() == 0;
}

static bool load_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno == EINVAL ||
           errno == EFAULT;
}

static bool keys(void)
{
    return syscall(SYS_keyctl, 0, -3, 1) >= 0;
}

static bool perf(void)
{
    return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) >= 0 ||
           errno == EFAULT;
}

static bool io_uring(void)
{
    return syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno == EFAULT;
}

static bool userfault(void)
{
    return syscall(SYS_userfaultfd, 0) >= 0;
}

static const struct attack {
    const char *name;
    bool (*run)(void); // true: it succeeded
} attacks[] = {
    { "open events", open_events },
    { "open hooks", open_hooks },
    { "open deliveries", open_deliveries },
    { "open secret.key", open_key },
    { "open admin.token", open_token },
    { "list data_dir", list_data },
    { "open /etc/shadow", open_shadow },
    { "write to /tmp", write_tmp },
    { "write here", write_here },
    { "inherited file", inherited_file },
    { "memory of another", parent_memory },
    { "environment of the supervisor", supervisor_environment },
    { "trace", trace },
    { "signal the supervisor", signal_supervisor },
    { "run a shell", run_shell },
    { "serve", serve },
    { "raw socket", raw_socket },
    { "packet socket", packet_socket },
    { "mount", do_mount },
    { "chroot", do_chroot },
    { "unshare", unshare_user },
    { "clone into a namespace", clone_into_namespace },
    { "become root", become_root },
    { "bpf", load_bpf },
    { "keyctl", keys },
    { "perf", perf },
    { "io_uring", io_uring },
    { "userfaultfd", userfault },
};

// The one who succeeds says so: a sender may not wait for processes.
static bool is_refused(const struct attack *attack)
{
    int ends[2];
    char said = 0;
    pid_t child;

    if (pipe(ends) != 0)
        abort();
    child = fork();
    if (child == 0) {
        dup2(ends[1], SAY_FD);
        close(ends[0]);
        if (attack->run())
            (void)!write(SAY_FD, "1", 1);
        _exit(0);
    }
    close(ends[1]);
    if (child < 0 || read(ends[0], &said, 1) < 0)
        said = 0;
    close(ends[0]);
    return said != '1';
}

// NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's own name for it
void __wrap_transfers_start(struct transfers *ts, const struct order *order)
{
    static bool is_over;

    if (getenv("HOSTILE_DATA_DIR") == NULL) {
        play(order->url);
        __real_transfers_start(ts, order);
        return;
    }
    if (is_over)
        return;
    is_over = true;
    supervisor = getppid();
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        fprintf(stderr, "attack %s: %s\n", attacks[i].name,
                is_refused(&attacks[i]) ? "refused" : "DONE");
    }
    fprintf(stderr, "attacks over: %zu\n",
            sizeof(attacks) / sizeof(attacks[0]));
}
