// SPDX-License-Identifier: MIT
// certificates.c — the files that listeners need to speak TLS.

#include "engine/supervisor/certificates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/files/small_file.h"
#include "common/log/log.h"
#include "common/process/landlock.h"
#include "common/stream/tls_bundle.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)

static const char *const endings[TLS_PARTS] = { "cert", "key", "client_ca" };

void listener_tls_init(struct listener_tls *l)
{
    *l = (struct listener_tls){ .fd = -1 };
}

// Whether others than those who may could read the key.
static enum err check_key_file(const char *prefix, const char *path,
                               mode_t mode, struct buf *faults)
{
    struct buf where;
    bool is_readable;

    if ((mode & S_IRWXO) != 0) {
        buf_printf(faults, "%s_key: everybody may read %s; run chmod o= %s\n",
                   prefix, path, path);
        return ERR_DENIED;
    }
    // Senders have another user than the root that reads it.
    if (geteuid() == 0)
        return OK;
    buf_init(&where, 0);
    is_readable = landlock_is_readable(path, &where);
    if (is_readable) {
        buf_printf(faults,
                   "%s_key: %s lies in a directory that senders may read (%s); "
                   "move it, for example to /etc/posthorn\n",
                   prefix, path, buf_cstr(&where));
    }
    buf_clear(&where);
    return is_readable ? ERR_INVALID : OK;
}

// Reads a file into `out`, which the caller frees with drop().
static enum err read_part(const char *prefix, enum tls_part part,
                          const char *path, struct str *out, struct buf *faults)
{
    char *text = xcalloc(1, FILE_MAX_BYTES);
    const char *reason = "";
    mode_t mode = 0;
    enum err err = small_file_read(path, text, FILE_MAX_BYTES, &mode, &reason);

    *out = (struct str){ text, strnlen(text, FILE_MAX_BYTES) };
    if (err != OK) {
        buf_printf(faults, "%s_%s: %s cannot be read: %s\n", prefix,
                   endings[part], path, reason);
    } else if (part == TLS_KEY) {
        err = check_key_file(prefix, path, mode, faults);
    }
    return err;
}

static void drop(struct tls_texts *texts)
{
    for (size_t i = 0; i < TLS_PARTS; i++) {
        char *text;

        memcpy(&text, &texts->of[i].at, sizeof(text)); // made by read_part()
        if (text != NULL)
            crypto_wipe(text, texts->of[i].n_bytes);
        free(text);
    }
}

static void hash_texts(const struct tls_texts *texts, uint8_t out[SHA256_BYTES])
{
    uint8_t hashes[TLS_PARTS][SHA256_BYTES];

    for (size_t i = 0; i < TLS_PARTS; i++)
        crypto_sha256(texts->of[i], hashes[i]);
    crypto_sha256((struct str){ (const char *)hashes, sizeof(hashes) }, out);
}

static void warn(const char *prefix, const char *path,
                 const struct tls_server *server)
{
    struct buf text;

    buf_init(&text, 0);
    tls_server_warn(server, &text);
    if (text.n_bytes > 0) {
        log_warn("clients will refuse a certificate",
                 "setting=%s_cert file=%s reason=%s", prefix,
                 log_quote(str_of(path)), log_quote(buf_str(&text)));
    }
    buf_clear(&text);
}

static void note_pin(struct listener_tls *l, const struct tls_server *server)
{
    char before[TLS_PIN_BYTES] = "";
    char pin[TLS_PIN_BYTES];

    tls_server_pin(server, pin);
    snprintf(before, sizeof(before), "%.*s", (int)strcspn(l->pins, ";"),
             l->pins);
    if (strcmp(before, pin) == 0)
        return; // the same key, renewed
    snprintf(l->pins, sizeof(l->pins), "%s%s%s", pin,
             before[0] != '\0' ? ";" : "", before);
}

// Takes texts that differ from those before.
static enum err take(struct listener_tls *l, const char *prefix,
                     const char *const paths[TLS_PARTS],
                     const struct tls_texts *texts, struct buf *faults)
{
    struct tls_server *server = NULL;
    enum tls_part part;
    struct buf why;
    enum err err;
    int fd;

    buf_init(&why, 0);
    err = tls_server_new(texts, &server, &part, &why);
    if (err != OK) {
        buf_printf(faults, "%s_%s: %s %s\n", prefix, endings[part], paths[part],
                   buf_cstr(&why));
    } else if ((fd = tls_bundle_make(texts)) < 0) {
        buf_printf(faults, "%s_cert: no memory for it: %s\n", prefix,
                   strerror(errno));
        err = ERR_IO;
    } else {
        warn(prefix, paths[TLS_CERTIFICATE], server);
        note_pin(l, server);
        if (l->fd >= 0)
            close(l->fd);
        l->fd = fd;
    }
    tls_server_free(server);
    buf_clear(&why);
    return err;
}

enum err listener_tls_read(struct listener_tls *l, const char *prefix,
                           const struct tls_files *files, struct buf *faults)
{
    const char *const paths[TLS_PARTS] = { files->certificate, files->key,
                                           files->client_ca };
    struct tls_texts texts = { .of = { STR_EMPTY } };
    uint8_t hash[SHA256_BYTES];
    bool is_same;
    enum err err = OK;

    l->is_new = false;
    if (files->certificate[0] == '\0')
        return OK;
    for (int i = 0; i < TLS_PARTS; i++) {
        enum err one = paths[i][0] != '\0'
                           ? read_part(prefix, (enum tls_part)i, paths[i],
                                       &texts.of[i], faults)
                           : OK;

        err = err == OK ? one : err;
    }
    hash_texts(&texts, hash);
    is_same = l->is_known && memcmp(hash, l->hash, sizeof(hash)) == 0;
    if (err == OK && !is_same)
        err = take(l, prefix, paths, &texts, faults);
    if (err == OK && !is_same) {
        memcpy(l->hash, hash, sizeof(hash));
        l->is_known = true;
        l->is_new = true;
    }
    drop(&texts);
    return err;
}

bool listener_tls_again(struct listener_tls *l, const char *prefix,
                        const struct tls_files *files)
{
    struct buf faults;
    enum err err;

    buf_init(&faults, 0);
    err = listener_tls_read(l, prefix, files, &faults);
    if (err != OK) {
        log_warn("a certificate is not reloaded, and the old one stays",
                 "faults=%s", log_quote(buf_str(&faults)));
    } else if (l->is_new) {
        log_info("certificate reloaded", "setting=%s_cert file=%s", prefix,
                 log_quote(str_of(files->certificate)));
    }
    buf_clear(&faults);
    return err == OK;
}
