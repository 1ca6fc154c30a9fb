// SPDX-License-Identifier: MIT
// data_dir_role.c — the setup role: prepares the data directory, then ends.
//
// It is a separate process, because no process may open LMDB and then fork. If root
// starts the engine, the key is made by root, since its file may be anywhere, and given
// to the roles' user; everything else is done as that user.

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/files/account.h"
#include "common/files/keyring.h"
#include "common/files/payload_keys.h"
#include "common/http/authentication.h"
#include "common/log/log.h"
#include "common/process/role.h"
#include "common/process/sandbox.h"
#include "queue/queue.h"

#define NEWEST_EVENTS 256 // that tell whether payloads are sealed

// Reads the keys. The first start makes the key; later starts never do, since what is
// sealed with the old key could not be opened any more.
static enum err read_keys(const struct config *config, struct keyring **keys,
                          struct buf *why)
{
    char *path = keyring_path(config->secret_key_file, config->data_dir);
    char *hooks = xasprintf("%s/hooks", config->data_dir);
    struct account account;
    bool has_account = sandbox_account(&account);
    enum err err = keyring_read(path, keys, why);

    if (err == ERR_NOTFOUND && access(hooks, F_OK) != 0) {
        buf_reset(why);
        err = keyring_make(path, why);
        if (err == OK && has_account && !account_give_file(&account, path)) {
            buf_printf(why, "%s cannot be given to the user %u", path,
                       (unsigned)account.uid);
            err = ERR_DENIED;
        }
        if (err == OK)
            err = keyring_read(path, keys, why);
    }
    free(hooks);
    free(path);
    return err;
}

// Becomes the roles' user. What was made as root until now is given to that user, too.
static void become_user(const struct config *config)
{
    struct account account;
    struct buf why;
    int fd = open(config->data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    buf_init(&why, 0);
    if (sandbox_account(&account) &&
        (fd < 0 || account_hand_over(fd, &account, &why) != OK)) {
        log_warn("the data directory cannot be given to the user of the roles",
                 "data_dir=%s reason=%s", log_quote(str_of(config->data_dir)),
                 log_quote(buf_str(&why)));
        _exit(1);
    }
    if (fd >= 0)
        close(fd);
    buf_clear(&why);
    sandbox_user(ROLE_SETUP, config);
}

static bool note_sealed(void *data, const struct event *event)
{
    *(bool *)data = event_is_sealed(event);
    return !event_is_sealed(event);
}

// Whether one of the newest events is sealed.
static bool has_sealed(const struct queue_config *qc)
{
    struct event_scan_back scan = { .before = position_end,
                                    .max = NEWEST_EVENTS };
    struct event_view *events;
    bool is_sealed = false;

    return event_view_open(qc, &events) == OK &&
           event_view_scan_back(events, &scan, note_sealed, &is_sealed) == OK &&
           is_sealed;
}

// Without its key, what waits would be cancelled: a start with the keys of another time,
// or with the directory of a disk that is not mounted, must not do that.
static void check_payload_keys(const struct role *role,
                               const struct queue_config *qc)
{
    struct payload_keys *keys = role_payload_keys(role, qc->keys);
    struct buf why;
    enum err err = OK;

    buf_init(&why, 0);
    if (keys != NULL)
        err = payload_keys_check(keys, &why);
    if (err == OK && keys != NULL && !payload_keys_are_there(keys) &&
        has_sealed(qc)) {
        buf_puts(&why, "there are encrypted payloads, and no key: is the right "
                       "directory mounted? If the keys are lost, make a "
                       "file " PAYLOAD_KEYS_NONE " in it to go on");
        err = ERR_NOTFOUND;
    }
    if (err != OK) {
        log_warn("payload_keys_dir cannot be used",
                 "payload_keys_dir=%s reason=%s",
                 log_quote(str_of(role_config(role)->payload_keys_dir)),
                 log_quote(buf_str(&why)));
        _exit(1);
    }
    buf_clear(&why);
    payload_keys_free(keys);
}

int setup_role(unsigned index)
{
    struct role *role = role_start(ROLE_SETUP, index);
    const struct config *config = role_config(role);
    struct queue_config qc = { .data_dir = config->data_dir,
                               .max_bytes = config->max_queue_bytes,
                               .n_shards = (unsigned)config->dispatchers };
    enum err err = ERR_INVALID;
    struct buf why;

    buf_init(&why, 0);
    if (queue_check(&qc, &why) == OK &&
        read_keys(config, &qc.keys, &why) != OK) {
        log_warn("secret_key_file cannot be used", "reason=%s",
                 log_quote(buf_str(&why)));
        _exit(1);
    }
    become_user(config);
    if (qc.keys != NULL && config_is_clustered(config))
        _exit(0); // the replicator makes the directory a copy of the cluster's
    if (qc.keys != NULL)
        err = queue_prepare(&qc, &why);
    if (err == OK)
        check_payload_keys(role, &qc);
    if (err == OK && compact_clean(config->data_dir) != OK) {
        log_warn("what an interrupted compaction left cannot be removed",
                 "data_dir=%s", log_quote(str_of(config->data_dir)));
    }
    if (err != OK) {
        log_warn("the data directory cannot be used", "data_dir=%s reason=%s",
                 log_quote(str_of(config->data_dir)), log_quote(buf_str(&why)));
        if (err == ERR_CONFLICT || err == ERR_CORRUPT || err == ERR_IO) {
            log_warn("this command saves everything that can be read into a "
                     "new directory",
                     "run=\"posthorn repair --data-dir %s --to NEW_DIR\"",
                     config->data_dir);
        }
        _exit(1);
    }
    if (auth_prepare(config->data_dir) != OK) {
        log_warn("admin.token cannot be written", "data_dir=%s",
                 log_quote(str_of(config->data_dir)));
        _exit(1);
    }
    _exit(0); // without tearing LMDB down (queue.h)
}
