// SPDX-License-Identifier: MIT
// keyring.c — the keys that secrets are sealed with before they are stored.
//
// Sealed: version(1) fingerprint(4) nonce(12) ciphertext tag(16). The nonce is
// random: only after 2^32 texts with one key would a repeated nonce be a concern
// (NIST SP 800-38D, 8.3), and here one is made for each change of a hook.
//
// Sealed often: version(1) fingerprint(4) salt(16) ciphertext tag(16). The key is
// HMAC-SHA256 of a fixed text and the salt, and seals this text alone, so its nonce is 0.

#include "common/files/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/files/owner.h"
#include "common/files/small_file.h"
#include "common/log/log.h"

#define SEAL_VERSION      1
#define OFTEN_VERSION     2
#define SALT_BYTES        16
#define OFTEN_HEAD_BYTES  (1 + FINGERPRINT_BYTES + SALT_BYTES)
#define OFTEN_LABEL       STR("posthorn sealed often")
#define FINGERPRINT_BYTES 4
#define SEAL_HEAD_BYTES   (1 + FINGERPRINT_BYTES + AEAD_NONCE_BYTES)
#define KEY_TEXT_BYTES    ((size_t)2 * AEAD_KEY_BYTES)
#define FILE_MAX_BYTES    1024

// Key material, in pages of its own, which are excluded from core files.
struct keys {
    uint8_t bytes[KEYRING_MAX][AEAD_KEY_BYTES];
    char text[FILE_MAX_BYTES]; // the file's, while it is read or written
};

struct keyring {
    struct keys *keys;
    size_t n;
    uint8_t fingerprints[KEYRING_MAX][FINGERPRINT_BYTES];
    struct aead *aeads[KEYRING_MAX];
    pthread_mutex_t mutex; // of aeads, whose state each use changes
};

// --- memory ---

static struct keyring *keyring_new(void)
{
    struct keyring *k = xcalloc(1, sizeof(*k));
    void *pages = mmap(NULL, sizeof(*k->keys), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (pages == MAP_FAILED)
        log_panic("no memory for encryption keys", "");
    // Both calls are hardening: where they are not supported, the keys work all the
    // same.
    (void)madvise(pages, sizeof(*k->keys), MADV_DONTDUMP);
    (void)mlock(pages, sizeof(*k->keys));
    k->keys = pages;
    pthread_mutex_init(&k->mutex, NULL);
    return k;
}

void keyring_free(struct keyring *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < k->n; i++)
        aead_free(k->aeads[i]);
    crypto_wipe(k->keys, sizeof(*k->keys));
    munmap(k->keys, sizeof(*k->keys));
    pthread_mutex_destroy(&k->mutex);
    free(k);
}

static void prepare(struct keyring *k, size_t i)
{
    static const char label[] = "posthorn key ";
    uint8_t text[sizeof(label) - 1 + AEAD_KEY_BYTES];
    uint8_t hash[SHA256_BYTES];

    memcpy(text, label, sizeof(label) - 1);
    memcpy(text + sizeof(label) - 1, k->keys->bytes[i], AEAD_KEY_BYTES);
    crypto_sha256((struct str){ (const char *)text, sizeof(text) }, hash);
    memcpy(k->fingerprints[i], hash, FINGERPRINT_BYTES);
    crypto_wipe(text, sizeof(text));
    k->aeads[i] = aead_new(k->keys->bytes[i]);
}

// --- the file ---

char *keyring_path(const char *setting, const char *data_dir)
{
    return setting[0] != '\0' ? xstrdup(setting)
                              : xasprintf("%s/secret.key", data_dir);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum err read_key(const char *line, size_t n_bytes, uint8_t *out)
{
    if (n_bytes != KEY_TEXT_BYTES)
        return ERR_INVALID;
    for (size_t i = 0; i < AEAD_KEY_BYTES; i++) {
        int high = hex_value(line[2 * i]);
        int low = hex_value(line[2 * i + 1]);

        if (high < 0 || low < 0)
            return ERR_INVALID;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return OK;
}

static enum err read_lines(struct keyring *k)
{
    const char *at = k->keys->text;

    while (*at != '\0') {
        size_t n_bytes = strcspn(at, "\n");

        if (k->n == KEYRING_MAX ||
            read_key(at, n_bytes, k->keys->bytes[k->n]) != OK)
            return ERR_INVALID;
        prepare(k, k->n++);
        at += n_bytes;
        at += *at == '\n';
    }
    return k->n > 0 ? OK : ERR_INVALID;
}

static enum err read_text(const char *name, struct keys *keys, struct buf *why)
{
    const char *reason = "";
    mode_t mode = 0;
    enum err err =
        small_file_read(name, keys->text, sizeof(keys->text), &mode, &reason);

    if (err != OK)
        buf_printf(why, "%s cannot be read: %s", name, reason);
    if (err == OK && (mode & 077) != 0) {
        log_warn("other users may read secret_key_file; run chmod 400 on it",
                 "path=%s", log_quote(str_of(name)));
    }
    return err;
}

enum err keyring_read(const char *path, struct keyring **out, struct buf *why)
{
    struct keyring *k = keyring_new();
    enum err err = read_text(path, k->keys, why);

    if (err == OK && read_lines(k) != OK) {
        buf_printf(why,
                   "%s must hold 1 to %d keys, %zu hexadecimal digits each",
                   path, KEYRING_MAX, KEY_TEXT_BYTES);
        err = ERR_INVALID;
    }
    crypto_wipe(k->keys->text, sizeof(k->keys->text));
    if (err != OK) {
        keyring_free(k);
        return err;
    }
    *out = k;
    return OK;
}

static void put_text(struct keyring *k)
{
    struct buf text;
    size_t n = 0;

    buf_init(&text, 0);
    for (size_t i = 0; i < k->n; i++) {
        crypto_put_hex(&text, k->keys->bytes[i], AEAD_KEY_BYTES);
        buf_putc(&text, '\n');
        memcpy(k->keys->text + n, text.at, text.n_bytes);
        n += text.n_bytes;
        crypto_wipe(text.at, text.n_bytes);
        buf_reset(&text);
    }
    k->keys->text[n] = '\0';
    buf_clear(&text);
}

static bool sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir =
        slash != NULL ? xstrndup(path, (size_t)(slash - path)) : xstrdup(".");
    int fd = open(dir[0] != '\0' ? dir : "/", O_RDONLY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    free(dir);
    return is_synced;
}

// Keeps owner and mode of the replaced file, since root writes keys of other users.
// A process that acts for another user can keep only the group, and only of that
// user's file.
static bool keep_owner(int fd, const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return true;
    if (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) != 0)
        return false;
    if (geteuid() != getuid() && st.st_uid == geteuid() &&
        !owner_give_group(fd, st.st_gid))
        return false;
    return fchmod(fd, st.st_mode & 0777) == 0;
}

// Replaces an existing file, or, if `is_new`, fails if there is one.
static enum err write_file(const char *name, struct keyring *k, bool is_new,
                           struct buf *why)
{
    char *path = small_file_resolve(name);
    char *temporary = xasprintf("%s.tmp", path);
    int fd;
    bool done;
    int reason;

    (void)unlink(temporary); // left by an earlier call; open() finds errors
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
    put_text(k);
    done = fd >= 0 && keep_owner(fd, path) &&
           small_file_write(fd, str_of(k->keys->text)) && fsync(fd) == 0;
    crypto_wipe(k->keys->text, sizeof(k->keys->text));
    if (fd >= 0)
        close(fd);
    if (done && is_new) {
        done = link(temporary, path) == 0;
    } else if (done) {
        done = rename(temporary, path) == 0;
    }
    reason = errno;
    if (is_new || !done)
        (void)unlink(temporary);
    free(temporary);
    done = done && sync_parent(path);
    free(path);
    if (done)
        return OK;
    buf_printf(why, "%s cannot be written: %s", name, strerror(reason));
    return reason == EEXIST ? ERR_EXISTS : ERR_DENIED;
}

enum err keyring_make(const char *path, struct buf *why)
{
    struct keyring *k = keyring_new();
    enum err err;

    crypto_random(k->keys->bytes[0], AEAD_KEY_BYTES);
    prepare(k, 0);
    k->n = 1;
    err = write_file(path, k, true, why);
    keyring_free(k);
    return err;
}

// Writes `change` and makes it the keyring.
static enum err replace(const char *path, struct keyring *change,
                        struct keyring **k, struct buf *why)
{
    enum err err = write_file(path, change, false, why);

    if (err != OK) {
        keyring_free(change);
        return err;
    }
    keyring_free(*k);
    *k = change;
    return OK;
}

enum err keyring_add(const char *path, struct keyring **k, struct buf *why)
{
    struct keyring *change;

    if ((*k)->n > 1)
        return OK;
    change = keyring_new();
    crypto_random(change->keys->bytes[0], AEAD_KEY_BYTES);
    memcpy(change->keys->bytes[1], (*k)->keys->bytes[0], AEAD_KEY_BYTES);
    for (; change->n < 2; change->n++)
        prepare(change, change->n);
    return replace(path, change, k, why);
}

enum err keyring_drop_old(const char *path, struct keyring **k, struct buf *why)
{
    struct keyring *change = keyring_new();

    memcpy(change->keys->bytes[0], (*k)->keys->bytes[0], AEAD_KEY_BYTES);
    prepare(change, 0);
    change->n = 1;
    return replace(path, change, k, why);
}

// --- sealing ---

void keyring_seal(struct keyring *k, struct str context, struct str plain,
                  struct buf *out)
{
    uint8_t nonce[AEAD_NONCE_BYTES];

    crypto_random(nonce, sizeof(nonce));
    buf_putc(out, SEAL_VERSION);
    buf_put(out, k->fingerprints[0], FINGERPRINT_BYTES);
    buf_put(out, nonce, sizeof(nonce));
    pthread_mutex_lock(&k->mutex);
    aead_seal(k->aeads[0], nonce, context, plain, out);
    pthread_mutex_unlock(&k->mutex);
}

// The key of one text, from its salt.
static struct aead *key_of_salt(const struct keyring *k, size_t i,
                                struct str salt)
{
    const struct str parts[] = { OFTEN_LABEL, salt };
    uint8_t key[SHA256_BYTES];
    struct aead *aead;

    crypto_hmac_sha256((struct str){ (const char *)k->keys->bytes[i],
                                     sizeof(k->keys->bytes[i]) },
                       parts, 2, key);
    aead = aead_new(key);
    crypto_wipe(key, sizeof(key));
    return aead;
}

static const uint8_t no_nonce[AEAD_NONCE_BYTES];

void keyring_seal_often(struct keyring *k, struct str context, struct str plain,
                        struct buf *out)
{
    uint8_t salt[SALT_BYTES];
    struct aead *aead;

    crypto_random(salt, sizeof(salt));
    buf_putc(out, OFTEN_VERSION);
    buf_put(out, k->fingerprints[0], FINGERPRINT_BYTES);
    buf_put(out, salt, sizeof(salt));
    aead = key_of_salt(k, 0, (struct str){ (const char *)salt, sizeof(salt) });
    aead_seal(aead, no_nonce, context, plain, out);
    aead_free(aead);
}

static enum err open_often(const struct keyring *k, size_t i,
                           struct str context, struct str sealed,
                           struct buf *out)
{
    const struct str salt = { sealed.at + 1 + FINGERPRINT_BYTES, SALT_BYTES };
    const struct str rest = { sealed.at + OFTEN_HEAD_BYTES,
                              sealed.n_bytes - OFTEN_HEAD_BYTES };
    struct aead *aead = key_of_salt(k, i, salt);
    enum err err = aead_open(aead, no_nonce, context, rest, out);

    aead_free(aead);
    return err;
}

static enum err open_with(struct keyring *k, size_t i, struct str context,
                          struct str sealed, struct buf *out)
{
    const uint8_t *nonce = (const uint8_t *)sealed.at + 1 + FINGERPRINT_BYTES;
    struct str rest = { sealed.at + SEAL_HEAD_BYTES,
                        sealed.n_bytes - SEAL_HEAD_BYTES };
    enum err err;

    pthread_mutex_lock(&k->mutex);
    err = aead_open(k->aeads[i], nonce, context, rest, out);
    pthread_mutex_unlock(&k->mutex);
    return err;
}

enum err keyring_open(struct keyring *k, struct str context, struct str sealed,
                      struct buf *out)
{
    bool is_often =
        sealed.n_bytes >= OFTEN_HEAD_BYTES && sealed.at[0] == OFTEN_VERSION;

    if (!is_often &&
        (sealed.n_bytes < SEAL_HEAD_BYTES || sealed.at[0] != SEAL_VERSION))
        return ERR_CORRUPT;
    for (size_t i = 0; i < k->n; i++) {
        if (memcmp(sealed.at + 1, k->fingerprints[i], FINGERPRINT_BYTES) != 0)
            continue;
        return is_often ? open_often(k, i, context, sealed, out)
                        : open_with(k, i, context, sealed, out);
    }
    return ERR_DENIED;
}
