// SPDX-License-Identifier: MIT
// engine_file.c — the file in which a running engine publishes its addresses.

#include "common/files/engine_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/config/config_types.h"
#include "common/encoding/crypto.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"

#define TEMPORARY_NAME ENGINE_FILE_NAME ".tmp"
#define LINK_NAME      "engine.secret"
#define FILE_MAX_BYTES 4096
#define STAT_STARTED   20 // fields of /proc/PID/stat behind the command's name

// The inode, cut to the range of a JSON number.
static uint64_t inode_of(const struct stat *st)
{
    return (uint64_t)st->st_ino & INT64_MAX;
}

// --- processes ---

static uint64_t pid_space(void)
{
    struct stat st;

    return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

// When a process began. 0: it is gone, or not visible.
static uint64_t started_of(int64_t pid)
{
    char path[64];
    char text[1024] = "";
    char *at;
    int fd;

    snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    close(fd);
    at = strrchr(text, ')'); // the command's name may contain anything
    for (int i = 0; at != NULL && i < STAT_STARTED; i++)
        at = strchr(at + 1, ' ');
    return at != NULL ? strtoull(at + 1, NULL, 10) : 0;
}

bool engine_file_is_stale(const struct engine_file *f)
{
    uint64_t started;

    if (f->pid_space != pid_space())
        return false;
    started = started_of(f->pid);
    if (started != 0)
        return started != f->started;
    return kill((pid_t)f->pid, 0) != 0 && errno == ESRCH;
}

// --- writing ---

static void put_hex(const uint8_t *bytes, size_t n_bytes, char *out)
{
    struct buf text;

    buf_init(&text, 0);
    crypto_put_hex(&text, bytes, n_bytes);
    snprintf(out, 2 * n_bytes + 1, "%s", buf_cstr(&text));
    crypto_wipe_buf(&text);
}

void engine_file_init(struct engine_file *f)
{
    uint8_t name[(ENGINE_INSTANCE_BYTES - 1) / 2];
    uint8_t secret[(ENGINE_SECRET_BYTES - 1) / 2];

    *f = (struct engine_file){ .pid = getpid(), .pid_space = pid_space() };
    f->started = started_of(f->pid);
    crypto_random(name, sizeof(name));
    put_hex(name, sizeof(name), f->instance);
    crypto_random(secret, sizeof(secret));
    put_hex(secret, sizeof(secret), f->secret);
    crypto_wipe(secret, sizeof(secret));
}

// Gives the file the owner and the read permissions of admin.token; if there is no
// such file and root makes this one, the directory's owner alone may read it.
static bool protect(int dir_fd, int fd)
{
    struct stat st;

    if (fstatat(dir_fd, "admin.token", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode) && fchown(fd, st.st_uid, st.st_gid) == 0)
        return fchmod(fd, 0600 | (st.st_mode & 0444)) == 0;
    return geteuid() != 0 ||
           (fstat(dir_fd, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) == 0);
}

static bool write_new(int dir_fd, struct str text)
{
    int fd;
    bool is_good;

    if (unlinkat(dir_fd, TEMPORARY_NAME, 0) != 0 && errno != ENOENT)
        return false;
    fd = openat(dir_fd, TEMPORARY_NAME,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    is_good = write(fd, text.at, text.n_bytes) == (ssize_t)text.n_bytes &&
              protect(dir_fd, fd);
    close(fd);
    return is_good;
}

static void write_link(int dir_fd, const struct engine_file *f)
{
    char there[ENGINE_SECRET_BYTES];
    ssize_t n_bytes = readlinkat(dir_fd, LINK_NAME, there, sizeof(there));

    if (n_bytes == ENGINE_SECRET_BYTES - 1 &&
        memcmp(there, f->secret, (size_t)n_bytes) == 0)
        return;
    (void)unlinkat(dir_fd, LINK_NAME, 0);
    (void)!symlinkat(f->secret, dir_fd, LINK_NAME);
}

static void put_file(const struct engine_file *f, uint64_t directory,
                     struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_open_object(&w, NULL);
    json_put_i64(&w, "pid", f->pid);
    json_put_u64(&w, "started", f->started);
    json_put_u64(&w, "pid_space", f->pid_space);
    json_put_u64(&w, "directory", directory);
    json_put_text(&w, "version", POSTHORN_VERSION);
    json_put_text(&w, "instance", f->instance);
    json_put_text(&w, "secret", f->secret);
    json_put_text(&w, "api", f->api);
    json_put_text(&w, "ingest", f->ingest);
    if (f->api_pins[0] != '\0')
        json_put_text(&w, "api_pins", f->api_pins);
    if (f->ingest_pins[0] != '\0')
        json_put_text(&w, "ingest_pins", f->ingest_pins);
    json_close(&w);
    buf_putc(out, '\n');
}

// Not synced: after a crash of the machine, the contents are outdated anyway.
enum err engine_file_write(int dir_fd, const struct engine_file *f)
{
    struct buf text;
    struct stat st;
    bool is_good;

    if (fstat(dir_fd, &st) != 0)
        return ERR_IO;
    buf_init(&text, 0);
    (void)buf_reserve(&text, FILE_MAX_BYTES); // in one piece, to be wiped
    put_file(f, inode_of(&st), &text);
    is_good = write_new(dir_fd, buf_str(&text)) &&
              renameat(dir_fd, TEMPORARY_NAME, dir_fd, ENGINE_FILE_NAME) == 0;
    crypto_wipe_buf(&text);
    if (is_good) {
        (void)unlinkat(dir_fd, LINK_NAME, 0);
    } else {
        write_link(dir_fd, f);
    }
    return is_good ? OK : ERR_IO;
}

// --- reading ---

static bool read_text(const struct json_value *root, const char *name,
                      char *out, size_t room)
{
    struct str text = json_str(json_get(root, name));

    if (text.n_bytes == 0 || text.n_bytes >= room ||
        memchr(text.at, '\0', text.n_bytes) != NULL)
        return false;
    memcpy(out, text.at, text.n_bytes);
    out[text.n_bytes] = '\0';
    return true;
}

static bool is_hex(const char *text)
{
    return strspn(text, "0123456789abcdef") == strlen(text);
}

static bool is_pins(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789+/=;") == strlen(text);
}

// A role could write this file. So only values are accepted that are safe to use as
// an address, and to print on a terminal.
static bool are_sound(const struct engine_file *f)
{
    struct sockaddr_storage where;

    return is_hex(f->instance) && is_hex(f->secret) && is_pins(f->api_pins) &&
           is_pins(f->ingest_pins) && config_address(f->api, &where) == OK &&
           config_address(f->ingest, &where) == OK;
}

static bool read_number(const struct json_value *root, const char *name,
                        int64_t *out)
{
    const struct json_value *v = json_get(root, name);

    return v != NULL && json_int(v, out) == OK && *out >= 0;
}

static bool parse(struct str text, struct engine_file *out)
{
    struct json *json = NULL;
    const struct json_value *root;
    int64_t started = 0;
    int64_t space = 0;
    int64_t directory = 0;
    bool is_good;

    if (json_parse(text, &json_no_limits, &json, NULL) != OK)
        return false;
    root = json_root(json);
    is_good =
        read_number(root, "pid", &out->pid) && out->pid > 0 &&
        read_number(root, "started", &started) &&
        read_number(root, "pid_space", &space) &&
        read_text(root, "instance", out->instance, sizeof(out->instance)) &&
        read_text(root, "api", out->api, sizeof(out->api)) &&
        read_text(root, "ingest", out->ingest, sizeof(out->ingest));
    is_good = is_good && are_sound(out);
    // Members that earlier versions do not write.
    if (json_get(root, "directory") != NULL)
        is_good = is_good && read_number(root, "directory", &directory);
    if (json_get(root, "secret") != NULL) {
        is_good = is_good &&
                  read_text(root, "secret", out->secret, sizeof(out->secret));
    }
    if (json_get(root, "api_pins") != NULL) {
        is_good = is_good && read_text(root, "api_pins", out->api_pins,
                                       sizeof(out->api_pins));
    }
    if (json_get(root, "ingest_pins") != NULL) {
        is_good = is_good && read_text(root, "ingest_pins", out->ingest_pins,
                                       sizeof(out->ingest_pins));
    }
    is_good = is_good && are_sound(out);
    out->directory = (uint64_t)directory;
    out->started = (uint64_t)started;
    out->pid_space = (uint64_t)space;
    json_free(json);
    return is_good;
}

static enum err read_at(int dir_fd, struct engine_file *out, struct buf *why)
{
    char text[FILE_MAX_BYTES];
    int fd = openat(dir_fd, ENGINE_FILE_NAME,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    ssize_t n_bytes;

    if (fd < 0 && errno == ENOENT)
        return ERR_NOTFOUND;
    if (fd < 0) {
        buf_printf(why, "cannot be read: %s", strerror(errno));
        return ERR_DENIED;
    }
    n_bytes = read(fd, text, sizeof(text));
    close(fd);
    if (n_bytes <= 0 || !parse((struct str){ text, (size_t)n_bytes }, out)) {
        buf_puts(why, "is not what an engine writes");
        return ERR_INVALID;
    }
    if (out->directory != 0 &&
        (fstat(dir_fd, &st) != 0 || inode_of(&st) != out->directory)) {
        buf_puts(why, "is a copy of another data directory's");
        return ERR_INVALID;
    }
    return OK;
}

enum err engine_file_read(const char *data_dir, struct engine_file *out,
                          struct buf *why)
{
    int dir_fd = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    enum err err;

    *out = (struct engine_file){ .pid = 0 };
    if (dir_fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return ERR_NOTFOUND;
    if (dir_fd < 0) {
        buf_printf(why, "cannot be read: %s", strerror(errno));
        return ERR_DENIED;
    }
    err = read_at(dir_fd, out, why);
    close(dir_fd);
    return err;
}

void engine_file_remove(int dir_fd, const struct engine_file *f)
{
    struct engine_file there = { .pid = 0 };
    struct buf why;

    buf_init(&why, 0);
    (void)unlinkat(dir_fd, LINK_NAME, 0);
    if (read_at(dir_fd, &there, &why) == OK &&
        strcmp(there.instance, f->instance) == 0)
        (void)unlinkat(dir_fd, ENGINE_FILE_NAME, 0);
    buf_clear(&why);
}

// Looks the lock up instead of trying to take it: a lock that is taken for a moment
// would keep an engine from starting.
bool engine_has_locked(const char *data_dir)
{
    FILE *file = fopen("/proc/locks", "re");
    char wanted[64];
    char line[256];
    bool has = false;
    struct stat st;

    if (file == NULL || stat(data_dir, &st) != 0) {
        if (file != NULL)
            fclose(file);
        return false;
    }
    snprintf(wanted, sizeof(wanted), " %02x:%02x:%llu ", major(st.st_dev),
             minor(st.st_dev), (unsigned long long)st.st_ino);
    while (!has && fgets(line, sizeof(line), file) != NULL) {
        has = strstr(line, " FLOCK ") != NULL && strstr(line, wanted) != NULL;
    }
    fclose(file);
    return has;
}

void engine_read_link(const char *data_dir, char out[ENGINE_SECRET_BYTES])
{
    char *path = xasprintf("%s/" LINK_NAME, data_dir);
    ssize_t n_bytes = readlink(path, out, ENGINE_SECRET_BYTES);

    free(path);
    out[n_bytes == ENGINE_SECRET_BYTES - 1 ? n_bytes : 0] = '\0';
    if (!is_hex(out))
        out[0] = '\0';
}

// --- proofs ---

void engine_prove(const char *secret, struct str challenge,
                  char out[ENGINE_PROOF_BYTES])
{
    const struct str parts[] = { STR("posthorn health\n"), challenge };
    uint8_t mac[SHA256_BYTES];

    crypto_hmac_sha256(str_of(secret), parts, 2, mac);
    put_hex(mac, sizeof(mac), out);
}

static bool is_challenge(struct str text)
{
    bool is_good = text.n_bytes >= ENGINE_CHALLENGE_MIN &&
                   text.n_bytes <= ENGINE_CHALLENGE_MAX;

    for (size_t i = 0; is_good && i < text.n_bytes; i++) {
        char c = text.at[i];

        is_good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                  (c >= 'A' && c <= 'Z');
    }
    return is_good;
}

enum err engine_put_health(struct str challenge, struct buf *out)
{
    const char *instance = getenv(ENGINE_ENV_INSTANCE);
    const char *secret = getenv(ENGINE_ENV_SECRET);
    char proof[ENGINE_PROOF_BYTES];
    struct json_writer w = json_writer(out);

    if (challenge.n_bytes > 0 && !is_challenge(challenge))
        return ERR_INVALID;
    json_open_object(&w, NULL);
    json_put_text(&w, "status", "ok");
    if (instance != NULL)
        json_put_text(&w, "instance", instance);
    if (secret != NULL && challenge.n_bytes > 0) {
        engine_prove(secret, challenge, proof);
        json_put_text(&w, "proof", proof);
    }
    json_close(&w);
    return OK;
}
