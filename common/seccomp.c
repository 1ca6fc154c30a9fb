// seccomp.c — which system calls a process may make.
//
// A filter is a small program for the kernel, made here from two tables of
// numbers. Why no library: it is one jump per number, and a dependency of the
// process that faces hostile bytes is one more thing to trust.
//
// Why EPERM and not an end for what is merely not needed: the C library of another
// release may try a call that this list has not heard of, and go on without it.

#include "common/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0
#endif

#define PROGRAM_MAX 400
#define CLONE_SPACES                                             \
    (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
     CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)
#define SOCKET_TYPE_MASK 0xf
#define OFFSET(field)    ((uint32_t)offsetof(struct seccomp_data, field))
#define ARGUMENT(n)      (OFFSET(args) + 8 * (n)) // its low half

static const unsigned hostile[] = {
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

static const unsigned needed[] = {
    // memory
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    // files that it has, and reading others
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
    SYS_fcntl,
    SYS_ioctl,
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
    // sockets; which kinds: below
    SYS_connect,
    SYS_bind,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_sendto,
    SYS_sendmsg,
    SYS_sendmmsg,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_shutdown,
    SYS_socketpair,
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
    SYS_tgkill,
    SYS_getpid,
    SYS_gettid,
    SYS_getppid,
    // time, chance, who and where it is
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
    SYS_prlimit64,
    SYS_getrlimit,
    SYS_getrusage,
    SYS_prctl,
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

struct program {
    struct sock_filter at[PROGRAM_MAX];
    unsigned short n;
};

static void put(struct program *p, struct sock_filter instruction)
{
    if (p->n == PROGRAM_MAX)
        log_panic("filter too long", "");
    p->at[p->n++] = instruction;
}

static void load(struct program *p, uint32_t offset)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
}

static void answer(struct program *p, uint32_t what)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, what));
}

// If what was loaded is this: that answer. Else it goes on.
static void on(struct program *p, uint32_t value, uint32_t what)
{
    put(p,
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
    answer(p, what);
}

static void on_each(struct program *p, const unsigned *numbers, size_t n,
                    uint32_t what)
{
    for (size_t i = 0; i < n; i++)
        on(p, numbers[i], what);
}

// Skips `n` instructions unless the call has this number.
static void unless(struct program *p, uint32_t number, uint8_t n)
{
    put(p,
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, n));
}

// Another architecture has other numbers: none of its calls.
static void begin(struct program *p)
{
    load(p, OFFSET(arch));
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0));
    answer(p, SECCOMP_RET_KILL_PROCESS);
    load(p, OFFSET(nr));
    on_each(p, hostile, sizeof(hostile) / sizeof(hostile[0]),
            SECCOMP_RET_KILL_PROCESS);
    // Whoever looks for these finds a kernel without them: what they would do
    // lies in memory, where no filter sees it.
    on(p, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
    on(p, SYS_io_uring_setup, SECCOMP_RET_ERRNO | ENOSYS);
}

static void put_clone(struct program *p)
{
    unless(p, SYS_clone, 4);
    load(p, ARGUMENT(0));
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,
                                        CLONE_SPACES, 0, 1));
    answer(p, SECCOMP_RET_KILL_PROCESS);
    answer(p, SECCOMP_RET_ALLOW);
}

// TCP and UDP, and what the C library asks the kernel or a name server's cache.
static void put_socket(struct program *p)
{
    unless(p, SYS_socket, 14);
    load(p, ARGUMENT(0));
    on(p, AF_NETLINK, SECCOMP_RET_ALLOW);
    put(p,
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 3, 0));
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 2,
                                        0));
    put(p,
        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0));
    answer(p, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    load(p, ARGUMENT(1));
    put(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K,
                                        SOCKET_TYPE_MASK));
    on(p, SOCK_STREAM, SECCOMP_RET_ALLOW);
    on(p, SOCK_DGRAM, SECCOMP_RET_ALLOW);
    answer(p, SECCOMP_RET_ERRNO | EPERM);
}

static bool install(struct program *p)
{
    const struct sock_fprog filter = { .len = p->n, .filter = p->at };

    if (ARCH == 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                             SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0) {
        log_debug("no seccomp", "errno=%d", errno);
        return false;
    }
    return true;
}

bool seccomp_no_ring(void)
{
    struct program p = { .n = 0 };

    load(&p, OFFSET(nr));
    on(&p, SYS_io_uring_setup, SECCOMP_RET_ERRNO | ENOSYS);
    answer(&p, SECCOMP_RET_ALLOW);
    return install(&p);
}

bool seccomp_sender(void)
{
    struct program p = { .n = 0 };

    begin(&p);
    put_clone(&p);
    put_socket(&p);
    on_each(&p, needed, sizeof(needed) / sizeof(needed[0]), SECCOMP_RET_ALLOW);
    answer(&p, SECCOMP_RET_ERRNO | EPERM);
    return install(&p);
}

bool seccomp_other(void)
{
    struct program p = { .n = 0 };

    begin(&p);
    on(&p, SYS_connect, SECCOMP_RET_ERRNO | EPERM);
    answer(&p, SECCOMP_RET_ALLOW);
    return install(&p);
}
