// SPDX-License-Identifier: MIT
// landlock.c — restricts what roles can do in the file system.
//
// The constants of newer kernels are defined here, since the headers of the oldest
// supported system lack them.

#include "common/process/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/files/place.h"
#include "common/log/log.h"

#define FS_V1       ((UINT64_C(1) << 13) - 1)
#define FS_REFER    (UINT64_C(1) << 13) // version 2
#define FS_TRUNCATE (UINT64_C(1) << 14) // 3
#define FS_IOCTL    (UINT64_C(1) << 15) // 5
#define NET_BIND    UINT64_C(1)         // 4
#define SCOPE_ALL   UINT64_C(3)         // 6: abstract sockets, signals
#define READ_FILE   ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE)
#define READ_DIR    ((uint64_t)LANDLOCK_ACCESS_FS_READ_DIR)
#define CHANGE_FILES                                                          \
    ((uint64_t)(LANDLOCK_ACCESS_FS_WRITE_FILE |                               \
                LANDLOCK_ACCESS_FS_REMOVE_FILE |                              \
                LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
                LANDLOCK_ACCESS_FS_MAKE_DIR))

#define SHARDS_MAX 16 // as the setting dispatchers allows

// struct landlock_ruleset_attr as of version 6.
struct attributes {
    uint64_t fs, net, scoped;
};

// Single files where secrets lie beside them. On any system, all users may read the
// files in this table.
static const struct readable {
    const char *path;
    bool is_single; // a file that is replaced, not rewritten
} readable[] = {
    // Names.
    { "/etc/resolv.conf", true },
    { "/etc/hosts", true },
    { "/etc/nsswitch.conf", true },
    { "/etc/host.conf", true },
    { "/etc/gai.conf", true },
    { "/etc/services", true },
    { "/etc/protocols", true },
    { "/run/NetworkManager/resolv.conf", true },
    { "/run/NetworkManager/no-stub-resolv.conf", true },
    { "/run/systemd/resolve", false },
    { "/run/resolvconf", false },
    // What the C library and OpenSSL load when they first need it.
    { "/etc/ld.so.cache", true },
    { "/etc/localtime", true },
    { "/usr/share/zoneinfo", false },
    { "/usr/lib", false },
    { "/usr/lib64", false },
    { "/lib", false },
    { "/lib64", false },
    { "/usr/local/lib", false },
    { "/etc/ssl/openssl.cnf", true },
    { "/etc/ssl/cert.pem", true },
    { "/etc/ssl/certs", false },
    { "/etc/pki/tls/openssl.cnf", true },
    { "/etc/pki/tls/cert.pem", true },
    { "/etc/pki/tls/certs", false },
    { "/etc/pki/ca-trust/extracted", false },
    { "/etc/ca-certificates/extracted", false },
    { "/etc/crypto-policies/back-ends", false },
    { "/usr/share/ca-certificates", false },
    { "/usr/local/share/ca-certificates", false },
    { "/usr/share/pki/ca-trust-source", false },
    // Itself.
    { "/proc/self", false },
    { "/dev/urandom", false },
    { "/dev/null", false },
};
#define N_READABLE (sizeof(readable) / sizeof(readable[0]))

static bool is_restricted;
static bool was_refused[N_READABLE]; // from the start, by its mode

static bool allow(int ruleset, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = access };
    struct stat st;
    long rc;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return true; // not there: nothing to be read
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= READ_FILE;
    rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
                 &rule, 0);
    close(rule.parent_fd);
    return rc == 0;
}

static long version_of_kernel(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0,
                   LANDLOCK_CREATE_RULESET_VERSION);
}

bool landlock_is_there(void)
{
    return version_of_kernel() >= 1;
}

static int make_ruleset(void)
{
    struct attributes a = { .fs = FS_V1 };
    size_t n_bytes = sizeof(a.fs);
    long version = version_of_kernel();

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

// It exists, and may not be read.
static bool is_refused(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return errno == EACCES;
    close(fd);
    return false;
}

// Takes ownership of the ruleset, which may be -1.
static bool restrict_self(int ruleset, bool is_whole)
{
    bool is_done = is_whole && ruleset >= 0 &&
                   syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;

    if (!is_done)
        log_debug("Landlock is not available", "errno=%d", errno);
    if (ruleset >= 0)
        close(ruleset);
    return is_done;
}

static bool allow_readable(int ruleset)
{
    bool is_whole = ruleset >= 0;

    for (size_t i = 0; is_whole && i < N_READABLE; i++)
        is_whole = allow(ruleset, readable[i].path, READ_FILE | READ_DIR);
    return is_whole;
}

bool landlock_files_of_resolver(void)
{
    int ruleset = make_ruleset();

    is_restricted = restrict_self(ruleset, allow_readable(ruleset));
    for (size_t i = 0; is_restricted && i < N_READABLE; i++)
        was_refused[i] = is_refused(readable[i].path);
    return is_restricted;
}

// A file that is replaced is found through its directory; but the root directory is
// never allowed.
static bool allow_beside(int ruleset, const char *path)
{
    char *copy = xstrdup(path);
    const char *above = dirname(copy);
    bool is_done =
        path[0] == '\0' ||
        allow(ruleset, strcmp(above, "/") == 0 ? path : above, READ_FILE);

    free(copy);
    return is_done;
}

// Parts may be links to other disks.
static bool allow_parts(int ruleset, const char *data_dir, uint64_t access)
{
    static const char *const parts[] = { "events", "hooks", "deliveries" };
    bool is_done = allow(ruleset, data_dir, access);

    for (size_t i = 0; is_done && i < sizeof(parts) / sizeof(parts[0]); i++) {
        char *path = xasprintf("%s/%s", data_dir, parts[i]);

        is_done = allow(ruleset, path, access);
        free(path);
    }
    for (unsigned i = 0; is_done && i < SHARDS_MAX; i++) {
        char *path = xasprintf("%s/deliveries/%u", data_dir, i);

        is_done = allow(ruleset, path, access);
        free(path);
    }
    return is_done;
}

// One role makes and removes keys of payloads; the others read them.
static bool allow_payload_keys(int ruleset, const struct config *config,
                               uint64_t access)
{
    return config->payload_keys_dir[0] == '\0' ||
           allow(ruleset, config->payload_keys_dir, access);
}

// What the replicator uses besides: what it proves itself with to the servers, and a
// journal that is a directory.
static bool allow_cluster(int ruleset, const struct config *config,
                          uint64_t all)
{
    static const char lmdb[] = "lmdb:";
    bool is_dir = strncmp(config->cluster, lmdb, strlen(lmdb)) == 0;

    return allow_beside(ruleset, config->cluster_credentials) &&
           allow_beside(ruleset, config->cluster_ca) &&
           allow_beside(ruleset, config->cluster_cert) &&
           allow_beside(ruleset, config->cluster_key) &&
           (!is_dir || allow(ruleset, config->cluster + strlen(lmdb), all));
}

bool landlock_data_dir(const struct config *config, enum role_kind kind)
{
    bool makes_payload_keys = kind == ROLE_INGEST;
    int ruleset = make_ruleset();
    uint64_t all = READ_FILE | READ_DIR | CHANGE_FILES;
    long version = version_of_kernel();

    if (version >= 2)
        all |= FS_REFER;
    if (version >= 3)
        all |= FS_TRUNCATE;
    return restrict_self(
        ruleset,
        allow_readable(ruleset) &&
            allow_parts(ruleset, config->data_dir, all) &&
            allow_beside(ruleset, config->secret_key_file) &&
            allow_payload_keys(ruleset, config,
                               makes_payload_keys ? all
                                                  : READ_FILE | READ_DIR) &&
            allow_beside(ruleset, config->deployments_token_file) &&
            allow_beside(ruleset, config->metrics_token_file) &&
            (kind != ROLE_REPLICATOR || allow_cluster(ruleset, config, all)) &&
            // The state of other roles, for readiness queries.
            allow(ruleset, "/proc", READ_FILE | READ_DIR));
}

bool landlock_is_stale(void)
{
    for (size_t i = 0; is_restricted && i < N_READABLE; i++) {
        if (readable[i].is_single && !was_refused[i] &&
            is_refused(readable[i].path))
            return true;
    }
    return false;
}

bool landlock_is_readable(const char *path, struct buf *where)
{
    char *real = place_resolve(path);
    bool is_readable = false;

    for (size_t i = 0; !is_readable && i < N_READABLE; i++) {
        char *place = place_resolve(readable[i].path);

        is_readable = place_holds(place, real);
        if (is_readable)
            buf_puts(where, place);
        free(place);
    }
    free(real);
    return is_readable;
}
