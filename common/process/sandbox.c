// SPDX-License-Identifier: MIT
// sandbox.c — what a process gives up once it has what it needs.

#include "common/process/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/files/account.h"
#include "common/log/log.h"
#include "common/process/control_socket.h"
#include "common/process/landlock.h"
#include "common/process/seccomp.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

static bool wants(const struct config *config, const char *mode)
{
    return strcmp(config->sandbox, mode) == 0;
}

// --- the user ---

static bool has_capabilities(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3
    };
    struct __user_cap_data_struct own[2] = { { 0 } };

    return syscall(SYS_capget, &header, own) != 0 || own[0].effective != 0 ||
           own[0].permitted != 0 || own[0].inheritable != 0 ||
           own[1].effective != 0 || own[1].permitted != 0 ||
           own[1].inheritable != 0;
}

// The call may be forbidden by the service manager for a process that has no
// capabilities anyway.
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3
    };
    struct __user_cap_data_struct none[2] = { { 0 } };

    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) != 0 && has_capabilities())
        log_fatal("capabilities cannot be dropped", "errno=%d", errno);
}

// In a container even root may be refused; then the other layers must suffice.
static void stay_root(enum role_kind kind, const struct config *config)
{
    log_warn("the role cannot change to its own user and stays root",
             "role=%s errno=%d", role_name(kind), errno);
    if (wants(config, "on"))
        log_fatal("sandbox = on requires that no role stays root", "");
}

bool sandbox_account(struct account *out)
{
    const char *text = getenv(CONTROL_ENV_ACCOUNT);

    if (text == NULL || text[0] == '\0')
        return false;
    if (!account_read(text, out)) {
        log_panic("the account that the supervisor passed on is not valid",
                  "text=%s", log_quote(str_of(text)));
    }
    return true;
}

// Only a privileged process can empty the bounding set, so that happens before the
// user changes.
void sandbox_user(enum role_kind kind, const struct config *config)
{
    struct account account;
    bool has_one = sandbox_account(&account);

    if (!has_one && geteuid() == 0)
        return; // it stays root with all that root needs
    for (unsigned long i = 0; prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0; i++) {
    }
    if (has_one && !account_become(&account))
        stay_root(kind, config);
    drop_capabilities();
    // A change of the user clears it in the kernel.
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

// --- who may look into it ---

// Which parts of memory go into a core file: none. The limit alone does not count for a
// core file that the kernel hands to a program.
static bool empty_core(void)
{
    int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    bool is_done = fd >= 0 && write(fd, "0", 1) == 1;

    if (fd >= 0)
        close(fd);
    return is_done;
}

bool sandbox_hide(void)
{
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

bool sandbox_show(void)
{
    // The file belongs to a process's user only while the process does not hide.
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 && empty_core())
        return true;
    (void)sandbox_hide();
    return false;
}

const char *sandbox_connects_text(enum sandbox_connects connects)
{
    switch (connects) {
    case CONNECTS_HIDDEN:
        return "hidden";
    case CONNECTS_SEEN:
        return "seen";
    case CONNECTS_FREE:
        break;
    }
    return "";
}

// What the supervisor has found that it can do for senders.
static enum sandbox_connects connects_offered(void)
{
    const char *text = getenv(CONTROL_ENV_CONNECTS);

    for (enum sandbox_connects c = CONNECTS_HIDDEN; c <= CONNECTS_SEEN; c++) {
        if (text != NULL && strcmp(text, sandbox_connects_text(c)) == 0)
            return c;
    }
    return CONNECTS_FREE;
}

// --- all ---

static void close_to_others(bool is_seen)
{
    const struct rlimit none = { 0, 0 };

    umask(077);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        log_warn("no_new_privs cannot be set", "errno=%d", errno);
    if (IS_SANITIZED)
        return;
    if (setrlimit(RLIMIT_CORE, &none) != 0 || (!is_seen && !sandbox_hide())) {
        log_warn("core dumps, which could contain secrets, cannot be disabled",
                 "errno=%d", errno);
    }
}

static void report_sandbox(const struct config *config, bool has_seccomp,
                           bool has_landlock)
{
    bool is_whole = has_seccomp && has_landlock;

    log_info("sandboxed", "seccomp=%s landlock=%s uid=%u",
             has_seccomp ? "yes" : "no", has_landlock ? "yes" : "no",
             (unsigned)geteuid());
    if (!is_whole && wants(config, "on")) {
        log_fatal("sandbox = on requires seccomp and Landlock; this kernel "
                  "lacks one of them",
                  "seccomp=%d landlock=%d", has_seccomp, has_landlock);
    }
}

bool sandbox_filters(const struct config *config)
{
    return !IS_SANITIZED && !wants(config, "off");
}

void sandbox_early(const struct config *config)
{
    if (sandbox_filters(config) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        (void)!seccomp_no_ring(); // sandbox_enter() reports what the kernel lacks
}

static void connects_stay_free(void)
{
    log_warn(
        "this sender connects by itself; if somebody takes it over, it can "
        "connect to the engine's own servers",
        "");
}

// From now on the supervisor answers connect().
static void hand_over_connects(int notify_fd)
{
    struct control_message m = { .type = CONTROL_CONNECTS };

    if (control_send(CONTROL_FD, &m, notify_fd) != OK)
        log_fatal("a message to the supervisor cannot be sent", "");
    close(notify_fd);
}

// The exporter is offered nothing, and connects by itself.
static void enter_as_sender(const struct config *config)
{
    enum sandbox_connects connects = connects_offered();
    bool has_landlock, has_seccomp;
    int notify_fd = -1;

    if (connects == CONNECTS_SEEN && !sandbox_show()) {
        connects = CONNECTS_FREE;
        connects_stay_free();
    }
    close_to_others(connects == CONNECTS_SEEN);
    if (!sandbox_filters(config))
        return;
    has_landlock = landlock_files_of_resolver();
    if (connects == CONNECTS_SEEN && !has_landlock) {
        (void)sandbox_hide();
        connects = CONNECTS_FREE;
        connects_stay_free();
    }
    has_seccomp = seccomp_sender(connects != CONNECTS_FREE ? &notify_fd : NULL,
                                 connects == CONNECTS_SEEN);
    if (!has_seccomp && connects != CONNECTS_FREE) {
        (void)sandbox_hide();
        connects_stay_free();
        has_seccomp = seccomp_sender(NULL, false);
    }
    if (notify_fd >= 0)
        hand_over_connects(notify_fd);
    report_sandbox(config, has_seccomp, has_landlock);
}

static void enter_as_relay(const struct config *config)
{
    bool has_landlock;

    close_to_others(false);
    if (!sandbox_filters(config))
        return;
    has_landlock = landlock_files_of_resolver();
    report_sandbox(config, seccomp_relay(ROLE_LISTEN_FD), has_landlock);
}

void sandbox_enter(enum role_kind kind, const struct config *config)
{
    bool has_landlock;

    if (role_is_outward(kind)) {
        sandbox_user(kind, config); // the other roles switched at their start
        // Changing the user makes a process dumpable, so this comes after it.
        if (kind == ROLE_RELAY) {
            enter_as_relay(config);
        } else {
            enter_as_sender(config);
        }
        return;
    }
    close_to_others(false);
    if (!sandbox_filters(config))
        return;
    has_landlock = landlock_data_dir(config, kind);
    report_sandbox(config,
                   kind == ROLE_REPLICATOR ? seccomp_replicator()
                                           : seccomp_other(),
                   has_landlock);
}
