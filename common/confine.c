// confine.c — what a process gives up once it has what it needs.

#include "common/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/landlock.h"
#include "common/log.h"
#include "common/seccomp.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

#define NOBODY 65534 // where there is no such name

static bool wants(const struct config *config, const char *mode)
{
    return strcmp(config->sandbox, mode) == 0;
}

// --- the user ---

struct user {
    uid_t uid;
    gid_t gid;
};

static struct user user_of(const char *name)
{
    struct user user = { NOBODY, NOBODY };
    const struct passwd *entry = getpwnam(name);
    char *end;
    unsigned long number = strtoul(name, &end, 10);

    if (entry != NULL) {
        user = (struct user){ entry->pw_uid, entry->pw_gid };
    } else if (*end == '\0' && number > 0 && number < UINT32_MAX) {
        user = (struct user){ (uid_t)number, (gid_t)number };
    } else {
        log_info("no such user: 65534 instead", "user=%s",
                 log_quote(str_of(name)));
    }
    return user;
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {
        .version = _LINUX_CAPABILITY_VERSION_3
    };
    struct __user_cap_data_struct none[2] = { { 0 } };

    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) != 0)
        log_fatal("capabilities cannot be dropped", "errno=%d", errno);
}

// In a container root may be forbidden even this; then the other layers have to do.
static void drop_user(const struct config *config)
{
    struct user user;

    if (geteuid() != 0)
        return; // it has no other user to become
    user = user_of(config->sender_user);
    if (setgroups(0, NULL) == 0 &&
        setresgid(user.gid, user.gid, user.gid) == 0 &&
        setresuid(user.uid, user.uid, user.uid) == 0)
        return;
    log_warn("the sender cannot become another user", "uid=%u errno=%d",
             (unsigned)user.uid, errno);
    if (wants(config, "on"))
        log_fatal("sandbox = on, and the sender stays root", "");
}

// The bounding set can be emptied only by who may set it: before the user goes.
static void become_nobody(const struct config *config)
{
    for (unsigned long i = 0; prctl(PR_CAPBSET_DROP, i, 0, 0, 0) == 0; i++) {
    }
    drop_user(config);
    drop_capabilities();
    // The kernel forgets it when the user changes.
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

// --- all ---

static void close_to_others(void)
{
    const struct rlimit none = { 0, 0 };

    umask(077);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        log_warn("new privileges cannot be ruled out", "errno=%d", errno);
    if (IS_SANITIZED)
        return;
    if (setrlimit(RLIMIT_CORE, &none) != 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        log_warn("core files cannot be ruled out", "errno=%d", errno);
}

static void judge(const struct config *config, bool has_seccomp,
                  bool needs_landlock, bool has_landlock)
{
    bool is_whole = has_seccomp && (has_landlock || !needs_landlock);

    log_info("confined", "seccomp=%s landlock=%s uid=%u",
             has_seccomp ? "yes" : "no",
             !needs_landlock ? "not_needed" : (has_landlock ? "yes" : "no"),
             (unsigned)geteuid());
    if (!is_whole && wants(config, "on")) {
        log_fatal("sandbox = on, and the kernel lacks a layer",
                  "seccomp=%d landlock=%d", has_seccomp, has_landlock);
    }
}

void confine_early(const struct config *config)
{
    if (!IS_SANITIZED && !wants(config, "off") &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        (void)!seccomp_no_ring(); // confine() says what the kernel lacks
}

void confine(enum role_kind kind, const struct config *config)
{
    bool is_sender = kind == ROLE_SENDER;
    bool has_landlock = false;
    bool has_seccomp;

    if (is_sender)
        become_nobody(config);
    close_to_others(); // after the user: a change of it makes dumpable anew
    if (IS_SANITIZED || wants(config, "off"))
        return;
    if (is_sender)
        has_landlock = landlock_files_of_resolver();
    has_seccomp = is_sender ? seccomp_sender() : seccomp_other();
    judge(config, has_seccomp, is_sender, has_landlock);
}
