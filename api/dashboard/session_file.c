// SPDX-License-Identifier: MIT
// session_file.c — sessions on disk, so that people stay logged in through a restart.
//
// The file is not synced: what a power failure takes is a login, which can be repeated, or
// a logout, whose cookie the browser has forgotten.

#include "api/dashboard/session_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/files/small_file.h"
#include "common/log/log.h"

#define VERSION       1
#define BYTES_MAX     ((size_t)1 << 20)
#define SESSIONS_MAX  4096
#define OWNER_READS   (S_IRUSR | S_IWUSR)
#define OTHERS_CHANGE (S_IWGRP | S_IWOTH)

#define ENTRY(name) MEMBER(struct login_entry, name)

// The organization follows.
static const struct member members[] = {
    ENTRY(hash),         ENTRY(login.token_hash), ENTRY(login.is_narrowed),
    ENTRY(login.scopes), ENTRY(login.ends_at_ms), ENTRY(login.idle_ms),
    ENTRY(made_at_ms),   ENTRY(used_at_ms),
};

// --- writing ---

static void pack(const struct login_table *t, struct buf *out)
{
    size_t start = record_begin(out, VERSION);

    pack_array(out, (uint32_t)login_count(t));
    for (size_t i = 0; i < t->max; i++) {
        const struct login_entry *e = &t->entries[i];

        if (e->login.no == 0)
            continue;
        members_pack(out, MEMBERS(members), e);
        pack_str(out, (struct str){ e->login.org, e->login.n_org_bytes });
    }
    record_end(out, start);
}

// Writes a file that was not there. False: errno says why.
static bool write_new(const char *path, struct str bytes)
{
    int fd;
    bool is_done;

    if (unlink(path) != 0 && errno != ENOENT)
        return false;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
              OWNER_READS);
    if (fd < 0)
        return false;
    is_done = small_file_write(fd, bytes);
    return close(fd) == 0 && is_done;
}

static bool replace(const char *path, const struct login_table *t)
{
    char *fresh = xasprintf("%s.tmp", path);
    struct buf bytes;
    bool is_done;

    buf_init(&bytes, 0);
    pack(t, &bytes);
    is_done = write_new(fresh, buf_str(&bytes)) && rename(fresh, path) == 0;
    if (!is_done) {
        int why = errno;

        unlink(fresh);
        unlink(path); // it may have sessions that have ended since
        errno = why;
    }
    buf_clear(&bytes);
    free(fresh);
    return is_done;
}

enum err session_file_write(const char *data_dir, const struct login_table *t)
{
    char *path = xasprintf("%s/sessions", data_dir);
    bool is_done = login_count(t) > 0 ? replace(path, t)
                                      : unlink(path) == 0 || errno == ENOENT;

    if (!is_done) {
        log_warn("sessions of the dashboard cannot be written, so a restart "
                 "ends them",
                 "path=%s reason=%s", log_quote(str_of(path)),
                 log_quote(str_of(strerror(errno))));
    }
    free(path);
    return is_done ? OK : ERR_IO;
}

// --- reading ---

static bool read_all(int fd, struct buf *out)
{
    char piece[4096];
    ssize_t n;

    while ((n = read(fd, piece, sizeof(piece))) > 0 && !out->overflow)
        buf_put(out, piece, (size_t)n);
    return n == 0;
}

// Whether it is a file of this user that nobody else changes.
static bool is_own(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           st.st_uid == geteuid() && (st.st_mode & OTHERS_CHANGE) == 0;
}

static enum err unpack_entry(struct unpack *u, struct login_entry *e)
{
    struct str org;

    memset(e, 0, sizeof(*e));
    members_unpack(u, MEMBERS(members), VERSION, e);
    org = unpack_str(u);
    if (u->bad || org.n_bytes > sizeof(e->login.org))
        return ERR_CORRUPT;
    if (org.n_bytes > 0)
        memcpy(e->login.org, org.at, org.n_bytes);
    e->login.n_org_bytes = org.n_bytes;
    return OK;
}

static enum err unpack_all(struct str bytes, struct login_table *t)
{
    struct unpack u;
    uint8_t version;
    uint32_t n;
    enum err err = record_open(RECORD_NOWHERE, bytes, VERSION, &version, &u);

    if (err != OK)
        return err;
    n = unpack_array(&u, SESSIONS_MAX);
    for (uint32_t i = 0; i < n && err == OK; i++) {
        struct login_entry e;

        err = unpack_entry(&u, &e);
        if (err == OK)
            login_put(t, &e);
    }
    return err == OK ? unpack_done(&u) : err;
}

static enum err read_file(int fd, struct login_table *t)
{
    struct buf bytes;
    enum err err = ERR_DENIED;

    buf_init(&bytes, BYTES_MAX);
    if (is_own(fd)) {
        err = read_all(fd, &bytes) && !bytes.overflow
                  ? unpack_all(buf_str(&bytes), t)
                  : ERR_IO;
    }
    buf_clear(&bytes);
    return err;
}

void session_file_read(const char *data_dir, struct login_table *t)
{
    char *path = xasprintf("%s/sessions", data_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool is_there = fd >= 0 || errno != ENOENT;
    enum err err = fd >= 0 ? read_file(fd, t) : ERR_IO;

    if (err != OK && is_there) {
        log_warn("sessions of the dashboard cannot be read, so people must "
                 "log in again",
                 "path=%s reason=%s", log_quote(str_of(path)),
                 log_quote(str_of(err_str(err))));
    }
    if (fd >= 0)
        close(fd);
    free(path);
}
