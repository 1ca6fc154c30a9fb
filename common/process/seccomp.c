// SPDX-License-Identifier: MIT
// seccomp.c — filters that restrict which system calls a process may make.
//
// The filters are tables of rules from which libseccomp makes programs for the
// kernel. A rule compares numbers only: memory behind a pointer could be changed by
// another thread after the check.
//
// Why EPERM and not the end of the process for calls that are merely not needed:
// another release of the C library may try a call that this list lacks, and
// continue without it.

#include "common/process/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log/log.h"

#define KILL           SCMP_ACT_KILL_PROCESS
#define REFUSE         SCMP_ACT_ERRNO(EPERM)
#define NUMBER(n)      (sizeof(n) / sizeof((n)[0]))
#define ARGS_MAX       3
#define TYPE_MASK      0xf        // of a socket; above are flags
#define INT_MASK       0xffffffff // the bits of an int that the kernel reads
#define DOMAINS        64         // more than Linux has
#define PR_SET_VMA_NOW 0x53564d41 // newer than the oldest headers
#define CLONE_SPACES                                             \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)

// The argument has these bits under the mask; the argument is this int.
#define BITS(argument, mask, bits)                     \
    {                                                  \
        (argument), SCMP_CMP_MASKED_EQ, (mask), (bits) \
    }
#define INT(argument, number) BITS((argument), INT_MASK, (uint32_t)(number))

struct rule {
    int call;
    unsigned n_args;
    struct scmp_arg_cmp args[ARGS_MAX]; // all of them hold
};

// Calls that only an intruder makes.
static const int hostile[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_setgroups,
    SYS_capset,
    SYS_personality,
    SYS_acct,
    SYS_quotactl,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_syslog,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_lookup_dcookie,
    SYS_kcmp,
#if defined(__x86_64__)
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

// Calls that outward roles need, with any arguments.
static const int needed[] = {
    // memory
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    // files that are open, and reading others
    SYS_read,
    SYS_readv,
    SYS_pread64,
    SYS_write,
    SYS_writev,
    SYS_close,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_openat,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_eventfd2,
    SYS_getcwd,
    SYS_statfs,
    SYS_fstatfs,
    // waiting
    SYS_epoll_create1,
    SYS_epoll_ctl,
    SYS_epoll_pwait,
    SYS_epoll_pwait2,
    SYS_ppoll,
    SYS_pselect6,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    // sockets; their kinds are limited below
    SYS_bind, // used by the C library to get addresses from the kernel
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_shutdown,
    // threads: names are resolved in them
    SYS_futex,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_rseq,
    SYS_set_tid_address,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_membarrier,
    SYS_exit,
    SYS_exit_group,
    SYS_restart_syscall,
    // signals to itself
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    // time, random numbers, identity
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_getrandom,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrlimit,
    SYS_getrusage,
#if defined(__x86_64__)
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_poll,
    SYS_select,
    SYS_epoll_wait,
    SYS_pipe,
    SYS_dup2,
    SYS_time,
    SYS_arch_prctl,
#endif
};

// Calls that outward roles need, with limited arguments.
static const struct rule needed_so[] = {
    // Memory may be written or executed, not both, and keeps its protection.
    { SYS_mmap, 1, { BITS(2, PROT_WRITE | PROT_EXEC, 0) } },
    { SYS_mmap, 1, { BITS(2, PROT_WRITE | PROT_EXEC, PROT_WRITE) } },
    { SYS_mmap, 1, { BITS(2, PROT_WRITE | PROT_EXEC, PROT_EXEC) } },
    { SYS_mprotect, 1, { BITS(2, PROT_EXEC, 0) } },
    // Threads, but no processes or namespaces.
    { SYS_clone,
      1,
      { BITS(0, CLONE_SPACES | CLONE_VM | CLONE_THREAD,
             CLONE_VM | CLONE_THREAD) } },
    // libcurl wakes itself up through a pair. A pair of datagram sockets could be
    // connected to others.
    { SYS_socketpair, 2, { INT(0, AF_UNIX), BITS(1, TYPE_MASK, SOCK_STREAM) } },
    // This flag would make sending connect.
    { SYS_sendto, 1, { BITS(3, MSG_FASTOPEN, 0) } },
    { SYS_sendmsg, 1, { BITS(2, MSG_FASTOPEN, 0) } },
    { SYS_sendmmsg, 1, { BITS(3, MSG_FASTOPEN, 0) } },
    // Setting an owner of a descriptor is not allowed: the kernel would send that
    // process signals.
    { SYS_fcntl, 1, { INT(1, F_DUPFD) } },
    { SYS_fcntl, 1, { INT(1, F_DUPFD_CLOEXEC) } },
    { SYS_fcntl, 1, { INT(1, F_GETFD) } },
    { SYS_fcntl, 1, { INT(1, F_SETFD) } },
    { SYS_fcntl, 1, { INT(1, F_GETFL) } },
    { SYS_fcntl, 1, { INT(1, F_SETFL) } },
    // Only these requests, so nothing can be typed into the controlling terminal.
    { SYS_ioctl, 1, { INT(1, FIONBIO) } },
    { SYS_ioctl, 1, { INT(1, FIONREAD) } },
    { SYS_ioctl, 1, { INT(1, FIOCLEX) } },
    { SYS_ioctl, 1, { INT(1, FIONCLEX) } },
    { SYS_ioctl, 1, { INT(1, TCGETS) } },
    { SYS_ioctl, 1, { INT(1, SIOCGIFINDEX) } },
    { SYS_ioctl, 1, { INT(1, SIOCGIFNAME) } },
    // Names of threads and of memory.
    { SYS_prctl, 1, { INT(0, PR_SET_NAME) } },
    { SYS_prctl, 1, { INT(0, PR_SET_VMA_NOW) } },
    { SYS_prlimit64, 1, { INT(0, 0) } }, // limits of the process itself
};

static const struct rule tcp[] = {
    { SYS_socket,
      3,
      { INT(0, AF_INET), BITS(1, TYPE_MASK, SOCK_STREAM), INT(2, 0) } },
    { SYS_socket,
      3,
      { INT(0, AF_INET), BITS(1, TYPE_MASK, SOCK_STREAM), INT(2, 6) } },
    { SYS_socket,
      3,
      { INT(0, AF_INET6), BITS(1, TYPE_MASK, SOCK_STREAM), INT(2, 0) } },
    { SYS_socket,
      3,
      { INT(0, AF_INET6), BITS(1, TYPE_MASK, SOCK_STREAM), INT(2, 6) } },
};

static const struct rule udp[] = {
    { SYS_socket,
      3,
      { INT(0, AF_INET), BITS(1, TYPE_MASK, SOCK_DGRAM), INT(2, 0) } },
    { SYS_socket,
      3,
      { INT(0, AF_INET), BITS(1, TYPE_MASK, SOCK_DGRAM), INT(2, 17) } },
    { SYS_socket,
      3,
      { INT(0, AF_INET6), BITS(1, TYPE_MASK, SOCK_DGRAM), INT(2, 0) } },
    { SYS_socket,
      3,
      { INT(0, AF_INET6), BITS(1, TYPE_MASK, SOCK_DGRAM), INT(2, 17) } },
};

// Netlink, by which the C library gets addresses from the kernel.
static const struct rule routes = { SYS_socket,
                                    2,
                                    { INT(0, AF_NETLINK), INT(2, 0) } };

// Calls that the other roles do not need; these roles may make all other calls.
static const int needless[] = {
    SYS_connect,
    // signals to others
    SYS_kill,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_send_signal,
    SYS_pidfd_getfd,
    SYS_process_madvise,
    SYS_pkey_mprotect,
#if defined(__x86_64__)
    SYS_fork,
    SYS_vfork,
#endif
};

static const struct rule needless_so[] = {
    { SYS_clone, 1, { BITS(0, CLONE_THREAD, 0) } },
    { SYS_mmap,
      1,
      { BITS(2, PROT_WRITE | PROT_EXEC, PROT_WRITE | PROT_EXEC) } },
    { SYS_mprotect, 1, { BITS(2, PROT_EXEC, PROT_EXEC) } },
    // These flags would let a closed accepted socket connect anew.
    { SYS_sendto, 1, { BITS(3, MSG_FASTOPEN, MSG_FASTOPEN) } },
    { SYS_sendmsg, 1, { BITS(2, MSG_FASTOPEN, MSG_FASTOPEN) } },
    { SYS_sendmmsg, 1, { BITS(3, MSG_FASTOPEN, MSG_FASTOPEN) } },
};

// A filter under construction; if adding a rule fails, the whole filter is invalid.
struct filter {
    scmp_filter_ctx context;
    int rc; // 0, or the first -errno
};

static void put(struct filter *f, uint32_t answer, const struct rule *rule)
{
    if (f->rc == 0) {
        f->rc = seccomp_rule_add_array(f->context, answer, rule->call,
                                       rule->n_args, rule->args);
    }
}

static void put_each(struct filter *f, uint32_t answer,
                     const struct rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(f, answer, &rules[i]);
}

static void put_calls(struct filter *f, uint32_t answer, const int *calls,
                      size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(f, answer, &(struct rule){ .call = calls[i] });
}

// Answers ENOSYS, like a kernel without these calls: their arguments are in memory,
// which a filter cannot inspect.
static void put_unseen(struct filter *f)
{
    static const int unseen[] = { SYS_clone3, SYS_io_uring_setup };

    put_calls(f, SCMP_ACT_ERRNO(ENOSYS), unseen, NUMBER(unseen));
}

// `rest` is the action for calls without a rule. Calls of other architectures,
// which have other numbers, are forbidden.
static struct filter begin(uint32_t rest)
{
    struct filter f = { .context = seccomp_init(rest) };

    if (f.context == NULL) {
        f.rc = -ENOMEM;
        return f;
    }
    f.rc = seccomp_attr_set(f.context, SCMP_FLTATR_ACT_BADARCH, KILL);
    if (f.rc == 0)
        f.rc = seccomp_attr_set(f.context, SCMP_FLTATR_CTL_TSYNC, 1);
    // Use a binary tree of numbers instead of a list; libseccomp 2.5 and later.
    (void)seccomp_attr_set(f.context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return f;
}

static bool install(struct filter *f)
{
    if (f->rc == 0)
        f->rc = seccomp_load(f->context);
    seccomp_release(f->context);
    if (f->rc != 0)
        log_debug("seccomp is not available", "errno=%d", -f->rc);
    return f->rc == 0;
}

bool seccomp_no_ring(void)
{
    static const int ring[] = { SYS_io_uring_setup };
    struct filter f = begin(SCMP_ACT_ALLOW);

    put_calls(&f, SCMP_ACT_ERRNO(ENOSYS), ring, NUMBER(ring));
    return install(&f);
}

// Loads the filter. `notify_fd` gets the descriptor that answers its notifications.
static bool install_notifying(struct filter *f, int *notify_fd)
{
    if (f->rc == 0)
        f->rc = seccomp_load(f->context);
    if (f->rc == 0) // libseccomp keeps its own
        *notify_fd = fcntl(seccomp_notify_fd(f->context), F_DUPFD_CLOEXEC, 0);
    if (f->rc == 0 && *notify_fd < 0)
        log_fatal("a descriptor for the filter is lacking", "errno=%d", errno);
    if (f->rc == 0)
        close(seccomp_notify_fd(f->context));
    seccomp_release(f->context);
    if (f->rc != 0)
        log_debug("seccomp is not available", "errno=%d", -f->rc);
    return f->rc == 0;
}

static void put_internet(struct filter *f, uint32_t answer)
{
    put_each(f, answer, tcp, NUMBER(tcp));
    put_each(f, answer, udp, NUMBER(udp));
}

int seccomp_notify_connect(bool with_sockets)
{
    const struct rule rule = { .call = SYS_connect };
    struct filter f = begin(SCMP_ACT_ALLOW);
    int fd = -1;

    put(&f, SCMP_ACT_NOTIFY, &rule);
    if (with_sockets)
        put_internet(&f, SCMP_ACT_NOTIFY);
    return install_notifying(&f, &fd) ? fd : -1;
}

// What the filters of outward roles have in common.
static struct filter begin_outward(void)
{
    const struct rule own_signals = { SYS_tgkill, 1, { INT(0, getpid()) } };
    const struct rule own_limits = { SYS_prlimit64, 1, { INT(0, getpid()) } };
    const struct rule local = { SYS_socket, 1, { INT(0, AF_UNIX) } };
    struct filter f = begin(REFUSE);

    put_calls(&f, KILL, hostile, NUMBER(hostile));
    put_unseen(&f);
    put_calls(&f, SCMP_ACT_ALLOW, needed, NUMBER(needed));
    put_each(&f, SCMP_ACT_ALLOW, needed_so, NUMBER(needed_so));
    put(&f, SCMP_ACT_ALLOW, &own_signals);
    put(&f, SCMP_ACT_ALLOW, &own_limits);
    // Queries to a local name service cache fail, and the C library goes on without
    // it.
    put(&f, SCMP_ACT_ERRNO(EAFNOSUPPORT), &local);
    return f;
}

bool seccomp_sender(int *notify_fd, bool with_sockets)
{
    const struct rule connects = { .call = SYS_connect };
    struct filter f = begin_outward();

    put(&f, SCMP_ACT_ALLOW, &routes);
    put(&f, notify_fd != NULL ? SCMP_ACT_NOTIFY : SCMP_ACT_ALLOW, &connects);
    put_internet(&f, with_sockets ? SCMP_ACT_NOTIFY : SCMP_ACT_ALLOW);
    return notify_fd != NULL ? install_notifying(&f, notify_fd) : install(&f);
}

bool seccomp_relay(int listen_fd)
{
    const struct rule connects = { .call = SYS_connect };
    const struct rule accepts = { SYS_accept4, 1, { INT(0, listen_fd) } };
    struct filter f = begin_outward();

    put(&f, SCMP_ACT_ALLOW, &connects);
    put(&f, SCMP_ACT_ALLOW, &accepts);
    put_each(&f, SCMP_ACT_ALLOW, tcp, NUMBER(tcp));
    return install(&f);
}

bool seccomp_replicator(void)
{
    struct filter f = begin(SCMP_ACT_ALLOW);

    put_calls(&f, KILL, hostile, NUMBER(hostile));
    put_unseen(&f);
    return install(&f);
}

bool seccomp_other(void)
{
    struct filter f = begin(SCMP_ACT_ALLOW);

    put_calls(&f, KILL, hostile, NUMBER(hostile));
    put_unseen(&f);
    put_calls(&f, REFUSE, needless, NUMBER(needless));
    put_each(&f, REFUSE, needless_so, NUMBER(needless_so));
    // Sockets for accepting are inherited, so no new ones are needed.
    for (int domain = AF_UNIX + 1; domain < DOMAINS; domain++) {
        const struct rule rule = { SYS_socket, 1, { INT(0, domain) } };

        if (domain != AF_NETLINK)
            put(&f, REFUSE, &rule);
    }
    return install(&f);
}
