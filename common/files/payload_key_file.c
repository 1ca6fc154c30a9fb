// SPDX-License-Identifier: MIT
// payload_key_file.c — the file of one organization's key.
//
// A file is written under a temporary name, synced and renamed, and then the directory is
// synced: nothing is sealed with a key that a power failure could take away.

#include "common/files/payload_key_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/files/keyring.h"
#include "common/files/small_file.h"
#include "common/log/log.h"

#define NAME_BYTES     (2 * KEY_LOCATOR_BYTES + 4)
#define FILE_MAX_BYTES 4096

static const char head[] = "posthorn payload key 1\n";
static const char suffix[] = ".key";

// --- names ---

void key_file_locate(struct str org, uint8_t locator[KEY_LOCATOR_BYTES])
{
    static const char label[] = "posthorn payload key of ";
    uint8_t hash[SHA256_BYTES];
    struct buf text;

    buf_init(&text, 0);
    buf_puts(&text, label);
    buf_put_str(&text, org);
    crypto_sha256(buf_str(&text), hash);
    memcpy(locator, hash, KEY_LOCATOR_BYTES);
    buf_clear(&text);
}

void key_file_id(const uint8_t key[AEAD_KEY_BYTES], uint8_t id[KEY_ID_BYTES])
{
    const struct str label = STR("payload key id");
    uint8_t hash[SHA256_BYTES];

    crypto_hmac_sha256((struct str){ (const char *)key, AEAD_KEY_BYTES },
                       &label, 1, hash);
    memcpy(id, hash, KEY_ID_BYTES);
    crypto_wipe(hash, sizeof(hash));
}

static void put_name(const uint8_t *locator, char name[NAME_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < KEY_LOCATOR_BYTES; i++) {
        name[2 * i] = digits[locator[i] >> 4];
        name[2 * i + 1] = digits[locator[i] & 15];
    }
    memcpy(name + NAME_BYTES - 4, suffix, sizeof(suffix));
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *text, size_t n_bytes, uint8_t *out)
{
    for (size_t i = 0; i < n_bytes; i++) {
        int high = hex_value(text[2 * i]);
        int low = high >= 0 ? hex_value(text[2 * i + 1]) : -1;

        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool read_name(const char *name, uint8_t locator[KEY_LOCATOR_BYTES])
{
    return strlen(name) == NAME_BYTES &&
           strcmp(name + NAME_BYTES - 4, suffix) == 0 &&
           read_hex(name, KEY_LOCATOR_BYTES, locator);
}

static enum err failed(const char *what, const char *name, const char *reason,
                       enum err err)
{
    log_warn(what, "file=%s reason=%s", name, log_quote(str_of(reason)));
    return err;
}

// --- reading ---

static void mark_of(const struct stat *st, struct key_file_mark *out)
{
    *out = (struct key_file_mark){ .inode = st->st_ino,
                                   .changed_s = st->st_ctim.tv_sec,
                                   .changed_ns = st->st_ctim.tv_nsec };
}

void key_file_look(int dir_fd, const uint8_t locator[KEY_LOCATOR_BYTES],
                   struct key_file_mark *out)
{
    char name[NAME_BYTES + 1];
    struct stat st;

    *out = (struct key_file_mark){ .inode = 0 };
    put_name(locator, name);
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        mark_of(&st, out);
}

// Appends the file's text. ERR_NOTFOUND, ERR_DENIED (errno), ERR_INVALID.
static enum err read_text(int dir_fd, const char *name, struct buf *out,
                          struct key_file_mark *mark)
{
    char text[FILE_MAX_BYTES];
    struct stat st;
    ssize_t n;
    int fd =
        openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return errno == ENOENT ? ERR_NOTFOUND : ERR_DENIED;
    n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
            ? read(fd, text, sizeof(text))
            : -1;
    close(fd);
    if (n < 0)
        return ERR_DENIED;
    mark_of(&st, mark);
    buf_put(out, text, (size_t)n);
    return OK;
}

static struct str context_of(const uint8_t *locator, struct buf *out)
{
    buf_puts(out, "payload key ");
    buf_put(out, locator, KEY_LOCATOR_BYTES);
    return buf_str(out);
}

// The key and the organization's name. ERR_DENIED: sealed with another keyring.
static enum err open_text(struct keyring *keyring, const uint8_t *locator,
                          struct str text, struct buf *plain)
{
    const size_t n_head = sizeof(head) - 1;
    uint8_t sealed[FILE_MAX_BYTES / 2];
    uint8_t named[KEY_LOCATOR_BYTES];
    struct buf context;
    size_t n;
    enum err err;

    if (text.n_bytes < n_head + 3 || text.n_bytes >= FILE_MAX_BYTES ||
        memcmp(text.at, head, n_head) != 0 ||
        text.at[text.n_bytes - 1] != '\n' || (text.n_bytes - n_head) % 2 == 0)
        return ERR_INVALID;
    n = (text.n_bytes - n_head - 1) / 2;
    if (!read_hex(text.at + n_head, n, sealed))
        return ERR_INVALID;
    buf_init(&context, 0);
    err = keyring_open(keyring, context_of(locator, &context),
                       (struct str){ (const char *)sealed, n }, plain);
    buf_clear(&context);
    if (err != OK)
        return err == ERR_DENIED ? ERR_DENIED : ERR_INVALID;
    if (plain->n_bytes <= AEAD_KEY_BYTES)
        return ERR_INVALID;
    key_file_locate((struct str){ plain->at + AEAD_KEY_BYTES,
                                  plain->n_bytes - AEAD_KEY_BYTES },
                    named);
    return memcmp(named, locator, sizeof(named)) == 0 ? OK : ERR_INVALID;
}

static enum err read_plain(int dir_fd, struct keyring *keyring,
                           const uint8_t *locator, struct buf *plain,
                           struct key_file_mark *mark)
{
    char name[NAME_BYTES + 1];
    struct buf text;
    enum err err;

    put_name(locator, name);
    buf_init(&text, 0);
    err = read_text(dir_fd, name, &text, mark);
    if (err == ERR_DENIED) {
        (void)failed("the key of an organization's payloads cannot be read",
                     name, strerror(errno), err);
    } else if (err == OK) {
        err = open_text(keyring, locator, buf_str(&text), plain);
        if (err != OK) {
            (void)failed(
                "the key of an organization's payloads cannot be used", name,
                err == ERR_DENIED
                    ? "it was encrypted with another key than secret_key_file "
                      "holds"
                    : "the file is damaged, or is no such file",
                err);
        }
    }
    buf_clear(&text);
    return err;
}

enum err key_file_read(int dir_fd, struct keyring *keyring,
                       const uint8_t locator[KEY_LOCATOR_BYTES],
                       uint8_t key[AEAD_KEY_BYTES], struct key_file_mark *mark)
{
    struct buf plain;
    enum err err;

    *mark = (struct key_file_mark){ .inode = 0 };
    buf_init(&plain, 0);
    err = read_plain(dir_fd, keyring, locator, &plain, mark);
    if (err == OK) {
        memcpy(key, plain.at, AEAD_KEY_BYTES);
    } else {
        memset(key, 0, AEAD_KEY_BYTES);
    }
    crypto_wipe_buf(&plain);
    return err;
}

// --- writing ---

// Replaces the file, if there is one. False: errno.
static bool write_file(int dir_fd, const char *name, struct str text)
{
    char *temporary = xasprintf("%s.tmp", name);
    bool is_done;
    int reason;
    int fd;

    (void)unlinkat(dir_fd, temporary, 0); // of a call that was interrupted
    fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                0600);
    is_done = fd >= 0 && small_file_write(fd, text) && fsync(fd) == 0;
    reason = errno;
    if (fd >= 0)
        close(fd);
    if (is_done) {
        is_done = renameat(dir_fd, temporary, dir_fd, name) == 0 &&
                  fsync(dir_fd) == 0;
        reason = errno;
    } else {
        (void)unlinkat(dir_fd, temporary, 0);
    }
    free(temporary);
    errno = reason;
    return is_done;
}

// Seals the key and the name, and writes them. False: errno.
static bool write_sealed(int dir_fd, struct keyring *keyring,
                         const uint8_t *locator, struct str plain)
{
    char name[NAME_BYTES + 1];
    struct buf context, sealed, text;
    bool is_done;

    buf_init(&context, 0);
    buf_init(&sealed, 0);
    buf_init(&text, 0);
    keyring_seal(keyring, context_of(locator, &context), plain, &sealed);
    buf_puts(&text, head);
    crypto_put_hex(&text, sealed.at, sealed.n_bytes);
    buf_putc(&text, '\n');
    put_name(locator, name);
    is_done = write_file(dir_fd, name, buf_str(&text));
    buf_clear(&text);
    buf_clear(&sealed);
    buf_clear(&context);
    return is_done;
}

enum err key_file_make(int dir_fd, struct keyring *keyring, struct str org)
{
    uint8_t locator[KEY_LOCATOR_BYTES];
    uint8_t key[AEAD_KEY_BYTES];
    char name[NAME_BYTES + 1];
    struct buf plain;
    enum err err = OK;

    key_file_locate(org, locator);
    put_name(locator, name);
    crypto_random(key, sizeof(key));
    buf_init(&plain, 0);
    buf_put(&plain, key, sizeof(key));
    buf_put_str(&plain, org);
    if (!write_sealed(dir_fd, keyring, locator, buf_str(&plain))) {
        err = failed("the key of an organization's payloads cannot be written",
                     name, strerror(errno), ERR_DENIED);
    } else {
        log_info("a key for the payloads of an organization was made",
                 "organization=%s file=%s", log_quote(org), name);
    }
    crypto_wipe_buf(&plain);
    crypto_wipe(key, sizeof(key));
    return err;
}

enum err key_file_remove(int dir_fd, const uint8_t locator[KEY_LOCATOR_BYTES])
{
    char name[NAME_BYTES + 1];

    put_name(locator, name);
    if ((unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT) &&
        fsync(dir_fd) == 0)
        return OK;
    return failed("the key of an organization's payloads cannot be removed",
                  name, strerror(errno), ERR_DENIED);
}

// --- all files ---

// Appends the locator of each key file: files are replaced only when all are known, since
// a directory that changes may be listed without end.
static enum err list_files(int dir_fd, struct buf *locators, struct buf *why)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL) {
        buf_printf(why, "the directory cannot be read: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_DENIED;
    }
    for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
        uint8_t locator[KEY_LOCATOR_BYTES];

        if (read_name(d->d_name, locator))
            buf_put(locators, locator, sizeof(locator));
    }
    closedir(dir);
    return OK;
}

enum err key_files_check(int dir_fd, struct keyring *keyring, struct buf *why)
{
    struct buf locators;
    size_t n_denied = 0;
    enum err err;

    buf_init(&locators, 0);
    err = list_files(dir_fd, &locators, why);
    for (size_t i = 0; i < locators.n_bytes; i += KEY_LOCATOR_BYTES) {
        uint8_t key[AEAD_KEY_BYTES];
        struct key_file_mark mark;

        n_denied +=
            key_file_read(dir_fd, keyring, (const uint8_t *)locators.at + i,
                          key, &mark) == ERR_DENIED;
        crypto_wipe(key, sizeof(key));
    }
    buf_clear(&locators);
    if (n_denied == 0)
        return err;
    buf_printf(why,
               "%zu keys of payloads cannot be read, or were encrypted with "
               "another key than secret_key_file holds; put that key into the "
               "file, too, as its first line",
               n_denied);
    return ERR_DENIED;
}

bool key_files_are_there(int dir_fd)
{
    struct buf locators, why;
    bool is_there;

    buf_init(&locators, 0);
    buf_init(&why, 0);
    is_there =
        list_files(dir_fd, &locators, &why) != OK || locators.n_bytes > 0;
    buf_clear(&why);
    buf_clear(&locators);
    return is_there;
}

static enum err reseal_one(int dir_fd, struct keyring *keyring,
                           const uint8_t *locator, size_t *n_sealed,
                           size_t *n_left, struct buf *why)
{
    char name[NAME_BYTES + 1];
    struct key_file_mark mark;
    struct buf plain;
    enum err err = OK;

    buf_init(&plain, 0);
    put_name(locator, name);
    if (read_plain(dir_fd, keyring, locator, &plain, &mark) != OK) {
        ++*n_left;
    } else if (write_sealed(dir_fd, keyring, locator, buf_str(&plain))) {
        ++*n_sealed;
    } else {
        buf_printf(why, "%s cannot be written: %s", name, strerror(errno));
        err = ERR_DENIED;
    }
    crypto_wipe_buf(&plain);
    return err;
}

enum err key_files_reseal(int dir_fd, struct keyring *keyring, size_t *n_sealed,
                          size_t *n_left, struct buf *why)
{
    struct buf locators;
    enum err err;

    *n_sealed = 0;
    *n_left = 0;
    buf_init(&locators, 0);
    err = list_files(dir_fd, &locators, why);
    for (size_t i = 0; err == OK && i < locators.n_bytes;
         i += KEY_LOCATOR_BYTES) {
        err = reseal_one(dir_fd, keyring, (const uint8_t *)locators.at + i,
                         n_sealed, n_left, why);
    }
    buf_clear(&locators);
    return err;
}
