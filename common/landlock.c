// landlock.c — the file system as a sender sees it.
//
// The numbers of newer kernels stand here by themselves: the headers of the
// oldest system that this is built on lack them.

#include "common/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"

#define FS_V1       ((UINT64_C(1) << 13) - 1)
#define FS_REFER    (UINT64_C(1) << 13) // version 2
#define FS_TRUNCATE (UINT64_C(1) << 14) // 3
#define FS_IOCTL    (UINT64_C(1) << 15) // 5
#define NET_BIND    UINT64_C(1)         // 4
#define SCOPE_ALL   UINT64_C(3)         // 6: abstract sockets, signals
#define READ_FILE   ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE)
#define READ_DIR    ((uint64_t)LANDLOCK_ACCESS_FS_READ_DIR)

// struct landlock_ruleset_attr as of version 6.
struct attributes {
    uint64_t fs, net, scoped;
};

static const char *const readable[] = {
    // Names: resolv.conf, hosts and their like are replaced, not rewritten, so
    // it is the directory that counts.
    "/etc", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
    "/run/nscd", "/var/run/nscd",
    // What the C library and OpenSSL load when they first need it.
    "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/usr/share",
    // Itself.
    "/proc/self", "/dev/urandom", "/dev/null"
};

static bool allow(int ruleset, const char *path)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = READ_FILE };
    struct stat st;
    long rc;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return true; // not there: nothing to be read
    if (fstat(rule.parent_fd, &st) == 0 && S_ISDIR(st.st_mode))
        rule.allowed_access |= READ_DIR;
    rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
                 &rule, 0);
    close(rule.parent_fd);
    return rc == 0;
}

static int make_ruleset(void)
{
    struct attributes a = { .fs = FS_V1 };
    size_t n_bytes = sizeof(a.fs);
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
                           LANDLOCK_CREATE_RULESET_VERSION);

    if (version < 1)
        return -1;
    if (version >= 2)
        a.fs |= FS_REFER;
    if (version >= 3)
        a.fs |= FS_TRUNCATE;
    if (version >= 4) {
        a.net = NET_BIND;
        n_bytes += sizeof(a.net);
    }
    if (version >= 5)
        a.fs |= FS_IOCTL;
    if (version >= 6) {
        a.scoped = SCOPE_ALL;
        n_bytes += sizeof(a.scoped);
    }
    return (int)syscall(SYS_landlock_create_ruleset, &a, n_bytes, 0);
}

bool landlock_files_of_resolver(void)
{
    int ruleset = make_ruleset();
    bool is_done = ruleset >= 0;

    for (size_t i = 0; is_done && i < sizeof(readable) / sizeof(readable[0]);
         i++)
        is_done = allow(ruleset, readable[i]);
    is_done = is_done && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (!is_done)
        log_debug("no landlock", "errno=%d", errno);
    if (ruleset >= 0)
        close(ruleset);
    return is_done;
}
