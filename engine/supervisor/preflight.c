// SPDX-License-Identifier: MIT
// preflight.c — what must hold before any role starts.
//
// The listening sockets outlive the roles that accept on them: while a role is
// restarted, connections wait in the kernel's queue instead of being refused.
// The data directory is locked through its own descriptor, so that a directory
// that turns out to be in use by another engine is left as it was.

#include "engine/supervisor/preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/config/config_types.h"
#include "common/encoding/crypto.h"
#include "common/files/data_dir.h"
#include "common/files/header_file.h"
#include "common/log/journal.h"
#include "common/log/log.h"
#include "common/process/landlock.h"
#include "engine/supervisor/payload_key_dir.h"

#define BACKLOG 1024

// A role that was killed in the middle of an fsync holds its sockets until the
// disk answers, although its process is already a zombie. So an address in use
// is tried again for a while before ERR_BUSY.
#define IN_USE_WAIT_MS  INT64_C(3000)
#define IN_USE_RETRY_MS 20

static enum err listen_failed(const char *setting, const char *address,
                              struct buf *faults)
{
    enum err err = errno == EADDRINUSE ? ERR_BUSY : ERR_IO;

    if (err == ERR_BUSY) {
        buf_printf(faults,
                   "%s: %s is in use by another process; choose another\n",
                   setting, address);
    } else {
        buf_printf(faults, "%s: cannot listen on %s: %s\n", setting, address,
                   strerror(errno));
    }
    return err;
}

// As bind(), but waits until `until_us` for an address that is in use.
static int bind_patiently(int fd, const struct sockaddr *where,
                          socklen_t n_bytes, int64_t until_us)
{
    const struct timespec pause = { .tv_nsec = IN_USE_RETRY_MS * 1000000L };
    int rc;

    while ((rc = bind(fd, where, n_bytes)) != 0 && errno == EADDRINUSE &&
           clock_mono_us() < until_us) {
        nanosleep(&pause, NULL);
        errno = EADDRINUSE;
    }
    return rc;
}

// Binds and listens on "address:port". ERR_BUSY: the address is still in use at
// `until_us`. ERR_IO: any other error. On an error `faults` gets a line that
// names `setting`.
static enum err listen_on(const char *setting, const char *address,
                          int64_t until_us, int *out_fd, struct buf *faults)
{
    struct sockaddr_storage where;
    socklen_t n_bytes;
    int one = 1;
    int fd;
    enum err err = config_address(address, &where);

    if (err != OK) {
        buf_printf(faults, "%s: %s is no address\n", setting, address);
        return err;
    }
    n_bytes = where.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
    fd = socket(where.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return listen_failed(setting, address, faults);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind_patiently(fd, (const struct sockaddr *)&where, n_bytes,
                       until_us) != 0 ||
        listen(fd, BACKLOG) != 0) {
        err = listen_failed(setting, address, faults);
        close(fd);
        return err;
    }
    *out_fd = fd;
    return OK;
}

// Logs each fault as a line.
static void log_faults(struct str faults)
{
    while (faults.n_bytes > 0) {
        const char *end = memchr(faults.at, '\n', faults.n_bytes);
        size_t n = end != NULL ? (size_t)(end - faults.at) : faults.n_bytes;

        log_warn("the engine cannot start", "fault=%s",
                 log_quote((struct str){ faults.at, n }));
        faults.at += n + (end != NULL);
        faults.n_bytes -= n + (end != NULL);
    }
}

// Appends all faults of the settings, one line each, so that a person sees them at
// once.
static void put_faults(const struct config *config, struct buf *faults)
{
    if (config_logs_json(config)) {
        log_set_json(true);
        log_faults(buf_str(faults));
        return;
    }
    journal_put(JOURNAL_ERR, "posthorn cannot start:\n");
    journal_put(JOURNAL_ERR, buf_cstr(faults));
}

static enum err lock_data_dir(const char *dir, int *lock_fd, struct buf *faults)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        buf_printf(faults, "data_dir: %s cannot be created: %s\n", dir,
                   strerror(errno));
        return ERR_DENIED;
    }
    *lock_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock_fd < 0) {
        buf_printf(faults, "data_dir: %s cannot be opened: %s\n", dir,
                   strerror(errno));
        return ERR_DENIED;
    }
    if (flock(*lock_fd, LOCK_EX | LOCK_NB) != 0) {
        buf_printf(faults,
                   "data_dir: %s is in use by another engine; stop it, or "
                   "choose another directory\n",
                   dir);
        return ERR_BUSY;
    }
    data_dir_note(*lock_fd);
    return OK;
}

static enum err check_ca_file(const char *path, struct buf *faults)
{
    enum err err = path[0] != '\0' ? crypto_check_authorities(path) : OK;

    if (err == OK)
        return OK;
    buf_printf(faults, "ca_file: %s %s\n", path,
               err == ERR_DENIED ? "cannot be read" : "holds no certificate");
    return ERR_INVALID;
}

static enum err check_otlp_headers(const char *path, struct buf *faults)
{
    struct header_file *file = xcalloc(1, sizeof(*file));
    const char *why = "";
    enum err err = path[0] != '\0' ? header_file_read(path, file, &why) : OK;

    if (err != OK)
        buf_printf(faults, "otlp_headers_file: %s %s\n", path, why);
    crypto_wipe(file, sizeof(*file));
    free(file);
    return err == OK ? OK : ERR_INVALID;
}

// Checks that senders cannot read a secret file. If a sender has the same user as other
// roles, Landlock alone keeps it from their files.
static enum err check_out_of_reach(const char *setting, const char *path,
                                   struct buf *faults)
{
    struct buf where;
    bool is_readable;

    buf_init(&where, 0);
    is_readable = path[0] != '\0' && landlock_is_readable(path, &where);
    if (is_readable) {
        buf_printf(
            faults,
            "%s: %s lies in a directory that senders may read (%s); move it, "
            "for example to /etc/posthorn or /var/lib/posthorn\n",
            setting, path, buf_cstr(&where));
    }
    buf_clear(&where);
    return is_readable ? ERR_INVALID : OK;
}

static enum err check_secrets(const struct config *config, struct buf *faults)
{
    const struct {
        const char *setting, *path;
    } secrets[] = {
        { "data_dir", config->data_dir },
        { "secret_key_file", config->secret_key_file },
        { "payload_keys_dir", config->payload_keys_dir },
        { "deployments_token_file", config->deployments_token_file },
        { "metrics_token_file", config->metrics_token_file },
        { "otlp_headers_file", config->otlp_headers_file },
    };
    enum err err = OK;

    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        enum err one =
            check_out_of_reach(secrets[i].setting, secrets[i].path, faults);

        err = err == OK ? one : err;
    }
    return err;
}

// Runs all checks, even if one fails, so that all faults are reported.
static enum err prepare(const struct config *config, struct preflight *out,
                        struct buf *faults)
{
    int64_t until_us = clock_mono_us() + IN_USE_WAIT_MS * 1000;
    const enum err errors[] = {
        check_secrets(config, faults),
        payload_key_dir_check(config, faults),
        listen_on("api_listen", config->api_listen, until_us, &out->api_fd,
                  faults),
        listen_on("ingest_listen", config->ingest_listen, until_us,
                  &out->ingest_fd, faults),
        check_ca_file(config->ca_file, faults),
        check_otlp_headers(config->otlp_headers_file, faults),
        listener_tls_read(&out->api_tls, "api_tls", &config->api_tls, faults),
        listener_tls_read(&out->ingest_tls, "ingest_tls", &config->ingest_tls,
                          faults),
    };
    // No directory is made where secrets must not be.
    enum err err = errors[0] == OK && errors[1] == OK
                       ? lock_data_dir(config->data_dir, &out->lock_fd, faults)
                       : OK;

    for (size_t i = 0; err == OK && i < sizeof(errors) / sizeof(errors[0]); i++)
        err = errors[i];
    if (err == OK)
        err = accounts_prepare(config, out->lock_fd, &out->accounts, faults);
    if (err == OK)
        err = payload_key_dir_make(config, &out->accounts, faults);
    return err;
}

enum err preflight_prepare(const struct config_sources *sources,
                           struct config *config, struct preflight *out)
{
    struct buf faults;
    enum err err;

    buf_init(&faults, 0);
    listener_tls_init(&out->api_tls);
    listener_tls_init(&out->ingest_tls);
    err = config_load(sources, config, &faults);
    if (err == OK) {
        log_set_json(config_logs_json(config));
        err = prepare(config, out, &faults);
    }
    if (err != OK)
        put_faults(config, &faults);
    buf_clear(&faults);
    return err;
}

void preflight_hand_over(const struct config *config, const struct preflight *s)
{
    struct buf why;

    buf_init(&why, 0);
    if (s->accounts.has_roles &&
        account_hand_over(s->lock_fd, &s->accounts.roles, &why) != OK) {
        log_warn("files of root in the data directory cannot be given to the "
                 "user of the roles",
                 "data_dir=%s reason=%s", log_quote(str_of(config->data_dir)),
                 log_quote(buf_str(&why)));
    }
    buf_clear(&why);
}
