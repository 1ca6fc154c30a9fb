// cli_rekey.c — `posthorn rekey`: seals the secrets of the hooks with a new key.
//
// The new key is in the file before anything is sealed with it, and the old one
// until nothing is any more: a rekey that is stopped leaves an engine that
// starts, and the next one goes on where it was.

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "api/commands.h"
#include "api/locate.h"
#include "common/config.h"
#include "common/journal.h"
#include "common/keyring.h"
#include "queue/queue.h"

static int failed(const char *what, struct buf *why)
{
    fprintf(stderr, "%sposthorn rekey: %s%s%s\n", journal_prefix(JOURNAL_ERR),
            what, why->n_bytes > 0 ? ": " : "", buf_cstr(why));
    return EXIT_FAILED;
}

static int reseal(struct queue_config *qc, const char *path, struct buf *why)
{
    uint64_t n_hooks = 0;
    enum err err;

    if (keyring_read(path, &qc->keys, why) != OK ||
        keyring_add(path, &qc->keys, why) != OK)
        return failed("the key cannot be changed", why);
    err = queue_reseal(qc, &n_hooks);
    if (err == ERR_DENIED) {
        return failed("a secret was sealed with another key than the file "
                      "holds; nothing was changed",
                      why);
    }
    if (err != OK) {
        buf_puts(why, err_str(err));
        return failed("nothing was changed", why);
    }
    if (keyring_drop_old(path, &qc->keys, why) != OK)
        return failed("sealed anew, but the old key is still in the file", why);
    printf("sealed %" PRIu64 " webhooks with a new key\n", n_hooks);
    return 0;
}

static int rekey(const struct config *config, const char *data_dir)
{
    struct queue_config qc = { .data_dir = data_dir,
                               .max_bytes = config->max_queue_bytes,
                               .n_shards = 1 };
    char *path = keyring_path(config->secret_key_file, data_dir);
    int lock_fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct buf why;
    int status = EXIT_FAILED;

    buf_init(&why, 0);
    if (lock_fd < 0) {
        buf_puts(&why, strerror(errno));
        status = failed(data_dir, &why);
    } else if (flock(lock_fd, LOCK_EX | LOCK_NB) != 0) {
        status =
            failed("an engine runs with this directory; stop it first", &why);
    } else {
        status = reseal(&qc, path, &why);
    }
    keyring_free(qc.keys);
    if (lock_fd >= 0)
        close(lock_fd);
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
