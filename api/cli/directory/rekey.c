// SPDX-License-Identifier: MIT
// rekey.c — `posthorn rekey`: seals the secrets of the hooks with a new key.
//
// The new key is written to the file before anything is sealed with it, and the old key
// stays in the file until nothing is sealed with it any more. So an engine starts after
// a rekey that was stopped, and the next rekey continues.

#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "api/cli/core/commands.h"
#include "api/cli/core/locate.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/config/settings.h"
#include "common/files/keyring.h"
#include "common/files/owner.h"
#include "common/files/payload_keys.h"
#include "common/files/small_file.h"
#include "common/log/journal.h"
#include "queue/queue.h"

static int failed(const char *what, struct buf *why)
{
    fprintf(stderr, "%sposthorn rekey: %s%s%s\n", journal_prefix(JOURNAL_ERR),
            what, why->n_bytes > 0 ? ": " : "", buf_cstr(why));
    return EXIT_FAILED;
}

struct rekey {
    struct queue_config qc;
    const char *path; // of the key
    struct owner dir; // of the data directory
    struct owner key_dir;
    struct owner payload_dir; // of the payloads' keys; not held: there is none
};

// Works on the key files with the rights of the owner of their directory.
static bool batch_key(struct rekey *r,
                      enum err (*change)(const char *path, struct keyring **k,
                                         struct buf *why),
                      struct buf *why)
{
    bool is_done;

    if (!owner_act(&r->key_dir, why))
        return false;
    is_done = change(r->path, &r->qc.keys, why) == OK;
    owner_act_end(&r->key_dir);
    return is_done;
}

// Both run in a child process, which takes the rights of the data directory's owner: root
// would follow any link in it.
static enum err is_copy_step(void *data, struct buf *out)
{
    struct rekey *r = data;
    bool is_copy = false;
    struct buf why;
    enum err err = ERR_DENIED;

    (void)out;
    buf_init(&why, 0);
    if (owner_become(&r->dir, &why))
        err = cluster_is_copy(&r->qc, &is_copy);
    buf_clear(&why);
    return is_copy ? ERR_CONFLICT : err;
}

static enum err reseal_step(void *data, struct buf *out)
{
    struct rekey *r = data;
    uint64_t n_hooks = 0;
    struct buf why;
    enum err err = ERR_LOST;

    buf_init(&why, 0);
    if (owner_become(&r->dir, &why)) {
        err = queue_reseal(&r->qc, &n_hooks);
    } else {
        failed(r->dir.path, &why);
    }
    buf_clear(&why);
    buf_put(out, &n_hooks, sizeof(n_hooks));
    return err;
}

// Seals the keys of payloads, with the rights of the owner of their directory.
static bool reseal_payload_keys(struct rekey *r, size_t *n_sealed,
                                struct buf *why)
{
    struct payload_keys *keys = NULL;
    size_t n_left = 0;
    bool is_done;

    if (r->payload_dir.dir_fd < 0)
        return true;
    if (!owner_act(&r->payload_dir, why))
        return false;
    is_done = payload_keys_open(r->payload_dir.path, r->qc.keys, true, &keys,
                                why) == OK &&
              payload_keys_reseal(keys, n_sealed, &n_left, why) == OK;
    owner_act_end(&r->payload_dir);
    payload_keys_free(keys);
    if (n_left > 0) {
        fprintf(stderr,
                "%sposthorn rekey: %zu keys of payloads cannot be opened, and "
                "stay as they are\n",
                journal_prefix(JOURNAL_WARNING), n_left);
    }
    return is_done;
}

static int reseal(struct rekey *r, struct buf *why)
{
    uint64_t n_hooks = 0;
    size_t n_payload_keys = 0;
    struct buf out;
    enum err err;

    if (!batch_key(r, keyring_read, why) || !batch_key(r, keyring_add, why))
        return failed("the key cannot be changed", why);
    if (!reseal_payload_keys(r, &n_payload_keys, why)) {
        return failed("the keys of payloads cannot all be encrypted anew; run "
                      "it again to finish",
                      why);
    }
    buf_init(&out, 0);
    err = queue_apart(reseal_step, r, NULL, &out, why);
    if (err == OK && out.n_bytes == sizeof(n_hooks))
        memcpy(&n_hooks, out.at, sizeof(n_hooks));
    buf_clear(&out);
    if (err == ERR_DENIED) {
        return failed("a secret was encrypted with another key than the file "
                      "contains; nothing was changed",
                      why);
    }
    if (err != OK) {
        if (why->n_bytes == 0)
            buf_puts(why, err_str(err));
        return failed("nothing was changed", why);
    }
    if (!batch_key(r, keyring_drop_old, why)) {
        return failed("the secrets are encrypted with the new key, but the old "
                      "key is still in the file",
                      why);
    }
    printf("sealed %" PRIu64 " webhooks with a new key\n", n_hooks);
    if (r->payload_dir.dir_fd >= 0)
        printf("sealed %zu keys of payloads, too\n", n_payload_keys);
    return 0;
}

// The other nodes of a cluster would not learn of the new key. What else is wrong with the
// directory, the next step tells.
static bool is_of_cluster(struct rekey *r, struct buf *why)
{
    struct buf out;
    enum err err;

    buf_init(&out, 0);
    err = queue_apart(is_copy_step, r, NULL, &out, why);
    buf_clear(&out);
    buf_reset(why);
    return err == ERR_CONFLICT;
}

// Opens the directory of the key, so that it cannot be exchanged meanwhile. False:
// `why` has the reason.
static bool hold_key(struct rekey *r, const char *setting, char **path,
                     struct buf *why)
{
    char *named = keyring_path(setting, r->dir.path);
    char *resolved = small_file_resolve(named);
    char *copy = xstrdup(resolved);
    char *dir = dirname(copy);
    bool is_held = owner_hold(dir, &r->key_dir, why) == OK;

    if (is_held) {
        const char *slash = strrchr(resolved, '/');

        *path = xasprintf("%s/%s", r->key_dir.path,
                          slash != NULL ? slash + 1 : resolved);
        r->path = *path;
    }
    free(copy);
    free(resolved);
    free(named);
    return is_held;
}

static int rekey(const struct config *config, const char *data_dir)
{
    struct rekey r = { .qc = { .max_bytes = config->max_queue_bytes,
                               .n_shards = 1 },
                       .key_dir = { .dir_fd = -1 },
                       .payload_dir = { .dir_fd = -1 } };
    const char *payload_dir = config->payload_keys_dir;
    char *path = NULL;
    struct buf why;
    int status = EXIT_FAILED;

    buf_init(&why, 0);
    if (owner_hold(data_dir, &r.dir, &why) != OK) {
        status = failed(data_dir, &why);
    } else if (flock(r.dir.dir_fd, LOCK_EX | LOCK_NB) != 0) {
        status =
            failed("an engine runs with this directory; stop it first", &why);
    } else if (!hold_key(&r, config->secret_key_file, &path, &why)) {
        status = failed("the directory of the key", &why);
    } else if (payload_dir[0] != '\0' &&
               owner_hold(payload_dir, &r.payload_dir, &why) != OK) {
        status = failed(payload_dir, &why);
    } else {
        r.qc.data_dir = r.dir.path;
        status = is_of_cluster(&r, &why)
                     ? failed("the directory is a copy of a cluster's, whose "
                              "other nodes would not learn of a new key; "
                              "`posthorn cluster detach` makes it a directory "
                              "of its own",
                              &why)
                     : reseal(&r, &why);
    }
    keyring_free(r.qc.keys);
    owner_release(&r.payload_dir);
    owner_release(&r.key_dir);
    owner_release(&r.dir);
    buf_clear(&why);
    free(path);
    return status;
}

int command_rekey(const struct args *args)
{
    const char *data_dir = args_text(args, "data-dir");
    struct config config;
    int status = EXIT_FAILED;

    if (locate_settings(args, data_dir, &config)) {
        status = rekey(&config, data_dir != NULL ? data_dir : config.data_dir);
        config_clear(&config);
    }
    return status;
}
