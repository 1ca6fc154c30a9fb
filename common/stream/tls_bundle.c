// SPDX-License-Identifier: MIT
// tls_bundle.c — certificate, key and authorities as one file of memory.
//
// The texts follow each other, each with a NUL at its end: PEM has none.

#include "common/stream/tls_bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/encoding/crypto.h"

#define BUNDLE_MAX_BYTES ((off_t)4 << 20)

static bool write_text(int fd, struct str text)
{
    while (text.n_bytes > 0) {
        ssize_t n = write(fd, text.at, text.n_bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text.at += n;
        text.n_bytes -= (size_t)n;
    }
    return write(fd, "", 1) == 1;
}

int tls_bundle_make(const struct tls_texts *texts)
{
    int fd = memfd_create("posthorn-tls", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool is_whole = fd >= 0;
    int error;

    for (size_t i = 0; is_whole && i < TLS_PARTS; i++)
        is_whole = write_text(fd, texts->of[i]);
    if (is_whole &&
        fcntl(fd, F_ADD_SEALS,
              F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
        return fd;
    error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

// Not read(): the offset is shared with other processes.
static bool read_whole(int fd, char *text, size_t n_bytes)
{
    size_t n_read = 0;

    while (n_read < n_bytes) {
        ssize_t n = pread(fd, text + n_read, n_bytes - n_read, (off_t)n_read);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        n_read += (size_t)n;
    }
    return true;
}

static enum err parse(const char *text, size_t n_bytes, struct tls_server **out,
                      struct buf *why)
{
    struct tls_texts texts = { .of = { STR_EMPTY } };
    enum tls_part part;

    for (size_t i = 0; i < TLS_PARTS; i++) {
        const char *end = memchr(text, '\0', n_bytes);

        if (end == NULL)
            return ERR_IO;
        texts.of[i] = (struct str){ text, (size_t)(end - text) };
        n_bytes -= texts.of[i].n_bytes + 1;
        text = end + 1;
    }
    return tls_server_new(&texts, out, &part, why);
}

enum err tls_bundle_load(int fd, struct tls_server **out, struct buf *why)
{
    enum err err = ERR_IO;
    struct stat st;
    char *text;

    if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > BUNDLE_MAX_BYTES)
        return ERR_IO;
    text = xmalloc((size_t)st.st_size);
    if (read_whole(fd, text, (size_t)st.st_size))
        err = parse(text, (size_t)st.st_size, out, why);
    crypto_wipe(text, (size_t)st.st_size);
    free(text);
    return err;
}
