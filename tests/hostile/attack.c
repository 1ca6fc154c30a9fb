// SPDX-License-Identifier: MIT
// attack.c — what an intruder in a sender would try.
//
// Every attack is tried in the sender itself, after its sandbox was set up. The URL
// names the targets: dir (the data directory), file (one that everybody may write), key
// (a file with a secret), unix (a socket that everybody may connect to).

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/hostile/hostile.h"

#define TEXT_BYTES 1024
#define PAGE_BYTES ((size_t)4096)
#define FDS_LOOKED 250
#define SOCK_DIAG  4 // NETLINK_SOCK_DIAG
#define NO_SUCH_FD 99999

static const char *url_now;

// --- files ---

const char *asked(const char *name)
{
    static char value[TEXT_BYTES];
    char wanted[64];
    const char *at;
    const char *end;

    snprintf(wanted, sizeof(wanted), "%s=", name);
    at = strchr(url_now, '?');
    for (; at != NULL; at = strchr(at, '&')) {
        at++;
        if (strncmp(at, wanted, strlen(wanted)) == 0)
            break;
    }
    if (at == NULL)
        return "";
    at += strlen(wanted);
    end = at + strcspn(at, "&");
    snprintf(value, sizeof(value), "%.*s", (int)(end - at), at);
    return value;
}

static bool can_open(const char *path, int flags)
{
    int fd = open(path, flags, 0600);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static bool can_open_data(const char *name)
{
    char path[2 * TEXT_BYTES];

    snprintf(path, sizeof(path), "%s/%s", asked("dir"), name);
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

static bool list(const char *path)
{
    DIR *dir = opendir(path);

    if (dir == NULL)
        return false;
    closedir(dir);
    return true;
}

static bool list_data(void)
{
    return list(asked("dir"));
}

static bool list_etc(void)
{
    return list("/etc");
}

static bool open_other_key(void)
{
    return can_open(asked("key"), O_RDONLY);
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

static bool overwrite(void)
{
    return can_open(asked("file"), O_WRONLY);
}

static bool cut(void)
{
    return truncate(asked("file"), 0) == 0;
}

static bool batch_times(void)
{
    return utimensat(AT_FDCWD, asked("file"), NULL, 0) == 0;
}

// Looks for an inherited descriptor of a file, other than stdin, stdout and stderr.
static bool inherited_file(void)
{
    for (int fd = 5; fd < FDS_LOOKED; fd++) {
        struct stat st;

        if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
            return true;
    }
    return false;
}

// --- other processes ---

static bool open_of_parent(const char *name, int flags)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)getppid(), name);
    return can_open(path, flags);
}

static bool parent_memory(void)
{
    return open_of_parent("mem", O_RDONLY);
}

static bool parent_environment(void)
{
    return open_of_parent("environ", O_RDONLY);
}

static bool trace(void)
{
    if (ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) != 0)
        return false;
    ptrace(PTRACE_DETACH, getppid(), NULL, NULL);
    return true;
}

// Sends a signal that has no effect on its target.
static bool signal_by_kill(void)
{
    return kill(getppid(), SIGURG) == 0;
}

static bool signal_by_thread(void)
{
    return syscall(SYS_tgkill, (long)getppid(), (long)getppid(),
                   (long)SIGURG) == 0;
}

static bool signal_by_queue(void)
{
    union sigval none = { 0 };

    return sigqueue(getppid(), SIGURG, none) == 0;
}

static bool signal_by_owner(void)
{
    int ends[2];
    bool is_done;

    if (pipe(ends) != 0)
        abort();
    is_done = fcntl(ends[0], F_SETOWN, getppid()) == 0 ||
              fcntl(ends[0], F_SETSIG, SIGURG) == 0;
    close(ends[0]);
    close(ends[1]);
    return is_done;
}

static bool limits_of_another(void)
{
    struct rlimit limit;

    return prlimit(getppid(), RLIMIT_NOFILE, NULL, &limit) == 0;
}

// Whether `pid` is a new child: a child ends at once, and the parent can wait for it.
static bool is_child(long pid)
{
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return pid > 0;
}

static bool do_fork(void)
{
    return is_child(fork());
}

static bool clone_process(void)
{
    return is_child(syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L));
}

static bool clone_anew(void)
{
    struct clone_args args = { .exit_signal = SIGCHLD };

    return is_child(syscall(SYS_clone3, &args, (long)sizeof(args)));
}

static bool run_shell(void)
{
    char name[] = "sh";
    char option[] = "-c";
    char command[] = "exit 7";
    char *const words[] = { name, option, command, NULL };
    int status = 0;
    pid_t child = fork();

    if (child > 0) {
        return waitpid(child, &status, 0) == child && WIFEXITED(status) &&
               WEXITSTATUS(status) == 7;
    }
    execve("/bin/sh", words, NULL); // also if there can be no child
    if (child == 0)
        _exit(0);
    return false;
}

// --- network ---

static bool serve(void)
{
    struct sockaddr_in any = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool is_done;

    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_done = fd >= 0 &&
              bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0 &&
              listen(fd, 1) == 0;
    close(fd);
    return is_done;
}

static bool make_socket(int domain, int type, int protocol)
{
    int fd = socket(domain, type, protocol);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static bool raw_socket(void)
{
    return make_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static bool packet_socket(void)
{
    return make_socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
}

static bool socket_tables(void)
{
    return make_socket(AF_NETLINK, SOCK_RAW, SOCK_DIAG);
}

static bool other_protocol(void)
{
    return make_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
}

static bool unix_socket(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool is_done;

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", asked("unix"));
    is_done =
        fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;
    close(fd);
    return is_done;
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
    return syscall(SYS_unshare, (long)CLONE_NEWUSER) == 0;
}

static bool clone_into_namespace(void)
{
    return is_child(
        syscall(SYS_clone, (long)(CLONE_NEWUSER | SIGCHLD), 0L, 0L, 0L, 0L));
}

static bool become_root(void)
{
    return setuid(0) == 0 && geteuid() == 0;
}

static bool load_bpf(void)
{
    return syscall(SYS_bpf, 0L, NULL, 0L) >= 0 || errno == EINVAL ||
           errno == EFAULT;
}

static bool keys(void)
{
    return syscall(SYS_keyctl, 0L, -3L, 1L) >= 0;
}

static bool perf(void)
{
    return syscall(SYS_perf_event_open, NULL, 0L, -1L, -1L, 0L) >= 0 ||
           errno == EFAULT;
}

static bool io_uring(void)
{
    return syscall(SYS_io_uring_setup, 1L, NULL) >= 0 || errno == EFAULT;
}

static bool userfault(void)
{
    return syscall(SYS_userfaultfd, 1L) >= 0; // of user space only
}

static bool be_dumped(void)
{
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;
}

// Tries to type into a terminal. The kernel reports that this is not a terminal only
// after the filter has let the call pass.
static bool type_into_terminal(void)
{
    char letter = 'x';
    int rc = ioctl(STDIN_FILENO, TIOCSTI, &letter);

    return rc == 0 || errno == ENOTTY;
}

// --- memory ---

static bool map(int protection, int later)
{
    char *at =
        mmap(NULL, PAGE_BYTES, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool is_done;

    if (at == MAP_FAILED)
        return false;
    is_done = later == 0 || mprotect(at, PAGE_BYTES, later) == 0;
    munmap(at, PAGE_BYTES);
    return is_done;
}

static bool write_and_run(void)
{
    return map(PROT_READ | PROT_WRITE | PROT_EXEC, 0);
}

static bool write_then_run(void)
{
    return map(PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC);
}

static bool run_then_write(void)
{
    return map(PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static bool write_by_key(void)
{
    char *at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return at != MAP_FAILED && syscall(SYS_pkey_mprotect, at, (long)PAGE_BYTES,
                                       (long)(PROT_READ | PROT_EXEC), -1L) == 0;
}

static bool file_of_memory(void)
{
    int fd = memfd_create("hostile", 0);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static bool own_memory_file(void)
{
    return can_open("/proc/self/mem", O_RDWR);
}

static const struct attack attacks[] = {
    { "open events", open_events },
    { "open hooks", open_hooks },
    { "open deliveries", open_deliveries },
    { "open secret.key", open_key },
    { "open admin.token", open_token },
    { "open a key under /etc", open_other_key },
    { "open /etc/shadow", open_shadow },
    { "list data_dir", list_data },
    { "list /etc", list_etc },
    { "write to /tmp", write_tmp },
    { "write here", write_here },
    { "overwrite", overwrite },
    { "cut", cut },
    { "change times", batch_times },
    { "inherited file", inherited_file },
    { "memory of the supervisor", parent_memory },
    { "environment of the supervisor", parent_environment },
    { "trace", trace },
    { "signal by kill", signal_by_kill },
    { "signal by thread", signal_by_thread },
    { "signal by queue", signal_by_queue },
    { "signal by owner", signal_by_owner },
    { "limits of the supervisor", limits_of_another },
    { "fork", do_fork },
    { "clone", clone_process },
    { "clone3", clone_anew },
    { "run a shell", run_shell },
    { "serve", serve },
    { "raw socket", raw_socket },
    { "packet socket", packet_socket },
    { "tables of sockets", socket_tables },
    { "another protocol", other_protocol },
    { "unix socket", unix_socket },
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
    { "be dumped", be_dumped },
    { "type into the terminal", type_into_terminal },
    { "write and run", write_and_run },
    { "write, then run", write_then_run },
    { "run, then write", run_then_write },
    { "write, then run by a key", write_by_key },
    { "file of memory", file_of_memory },
    { "own memory as a file", own_memory_file },
};
#define N_ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

// "run-a-shell" is "run a shell".
static bool is_called(const struct attack *one, const char *name)
{
    size_t i = 0;

    while (one->name[i] != '\0' &&
           (one->name[i] == name[i] || (one->name[i] == ' ' && name[i] == '-')))
        i++;
    return one->name[i] == '\0';
}

bool attack_by_name(const char *name)
{
    for (size_t i = 0; i < N_ATTACKS; i++) {
        if (strcmp(attacks[i].name, name) == 0)
            return attacks[i].run();
    }
    abort();
}

static void run_named(const char *name)
{
    if (strncmp(name, "flood", 5) == 0)
        connect_flood();
    for (size_t i = 0; i < N_ATTACKS; i++) {
        if (is_called(&attacks[i], name)) {
            fprintf(stderr, "alone %s\n", attacks[i].name);
            fprintf(stderr, "outlived %s: %d\n", attacks[i].name,
                    attacks[i].run());
        }
    }
}

static void run_all(const struct attack *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fprintf(stderr, "attack %s: %s\n", list[i].name,
                list[i].run() ? "DONE" : "refused");
    }
}

void attack(const char *url)
{
    static bool is_over;
    const char *what = strstr(url, "/attack");

    if (what == NULL || is_over)
        return;
    is_over = true;
    url_now = url;
    what += strlen("/attack");
    if (*what == '/') {
        run_named(what + 1);
        return;
    }
    run_all(attacks, N_ATTACKS);
    run_all(connect_attacks, n_connect_attacks);
    connect_elsewhere();
    fprintf(stderr, "attacks over: %zu\n", N_ATTACKS + n_connect_attacks);
}
