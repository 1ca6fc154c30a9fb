// SPDX-License-Identifier: MIT
// transfer.c — `posthorn cluster import` and `detach`.
//
// Happy path: the directory is locked as an engine locks it; a child process, which a
// damaged page may end, takes the rights of the directory's owner and does the work.
//
// If it fails: an import that does not come to its end leaves no cluster, and can be made
// again. A detach that does not come to its end is finished by the next one.

#include "api/cli/cluster/transfer.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "api/cli/core/terminal.h"
#include "common/http/authentication.h"

struct transfer {
    struct cluster_call *call;
    struct queue_config queue;
    bool is_copy; // whether the directory has to be one
};

// --- what both need ---

static struct queue_config queue_of(const struct cluster_call *c)
{
    return (struct queue_config){
        .data_dir = c->dir.path,
        .max_bytes = c->config.max_queue_bytes,
        .n_shards = (unsigned)c->config.dispatchers,
        .keys = c->keys,
    };
}

// Locks a directory that has a queue. False: stderr has the reason.
static bool hold(struct cluster_call *c, unsigned *n_shards)
{
    const struct command *command = c->args->command;
    struct buf why;
    bool is_held = false;

    buf_init(&why, 0);
    if (c->dir.dir_fd < 0 || queue_n_shards(c->dir.path, n_shards) != OK) {
        command_failed(command, "there is no queue in %s", c->data_dir);
    } else if (flock(c->dir.dir_fd, LOCK_EX | LOCK_NB) != 0) {
        command_failed(command, "an engine runs with %s; stop it first",
                       c->data_dir);
    } else if (queue_check_format(c->dir.path, &why) != OK) {
        command_failed(command, "%s", buf_cstr(&why));
    } else {
        is_held = true;
    }
    buf_clear(&why);
    return is_held;
}

// Runs the work in a child process. 0: done; else stderr has the reason.
static int run_apart(struct transfer *t, queue_step step)
{
    const struct command *command = t->call->args->command;
    struct buf out;
    struct buf why;
    enum err err;
    int status = 0;

    buf_init(&out, 0);
    buf_init(&why, 0);
    terminal_catch_interrupts();
    err = queue_apart(step, t, terminal_is_interrupted, &out, &why);
    if (why.n_bytes == 0) // what the child says, not how it ended
        buf_put_str(&why, buf_str(&out));
    if (err != OK && terminal_is_interrupted()) {
        status = command_failed(command, "interrupted; run it again");
    } else if (err != OK) {
        status = command_failed(
            command, "%s", why.n_bytes > 0 ? buf_cstr(&why) : err_str(err));
    }
    buf_clear(&why);
    buf_clear(&out);
    return status;
}

// Whether the directory is a copy of a cluster's. Runs in a child process of its own, since
// it opens the parts to read them only.
static enum err copy_step(void *data, struct buf *why)
{
    struct transfer *t = data;
    const char *dir = t->call->data_dir;
    bool is_copy = false;
    enum err err;

    if (!owner_become(&t->call->dir, why))
        return ERR_DENIED;
    err = cluster_is_copy(&t->queue, &is_copy);
    if (err != OK || is_copy == t->is_copy)
        return err;
    if (is_copy) {
        buf_printf(why,
                   "%s is a copy of a cluster's; start its node with it, or "
                   "make it a directory of its own first with `posthorn "
                   "cluster detach`",
                   dir);
    } else {
        buf_printf(why, "%s is no copy of a cluster's", dir);
    }
    return ERR_CONFLICT;
}

// --- import ---

static bool may_go_on(void *data)
{
    (void)data;
    return true;
}

static void on_progress(void *data, const char *part, uint64_t n_bytes,
                        bool is_done)
{
    struct buf size;

    (void)data;
    if (!is_done)
        return;
    buf_init(&size, 0);
    terminal_put_bytes(&size, n_bytes);
    fprintf(stderr, "%s: %s\n", part, buf_cstr(&size));
    buf_clear(&size);
}

// Connects, and judges the servers.
static bool reach(struct cluster_call *c, struct buf *why)
{
    struct buf faults;
    enum err err;

    if (!cluster_connect(c, true, why))
        return false;
    buf_init(&faults, 0);
    err = journal_judge(c->journal, &faults);
    if (err != OK) {
        buf_puts(why, err == ERR_AGAIN
                          ? "the servers of the cluster cannot be reached: "
                          : "the servers of the cluster do not do: ");
        buf_put_str(why, buf_str(&faults));
    }
    buf_clear(&faults);
    return err == OK;
}

// Runs in a child process, which an interruption ends at once: until the identity is stored,
// there is no cluster.
static enum err import_step(void *data, struct buf *why)
{
    struct transfer *t = data;
    struct cluster_job job = { .config = &t->queue,
                               .may_go_on = may_go_on,
                               .on_progress = on_progress };
    enum err err;

    if (signal(SIGINT, SIG_DFL) == SIG_ERR || !reach(t->call, why))
        return ERR_AGAIN;
    err = queue_prepare(&t->queue, why);
    if (err == OK && auth_prepare(t->queue.data_dir) != OK) {
        buf_puts(why, "admin.token cannot be written");
        err = ERR_IO;
    }
    job.journal = t->call->journal;
    return err == OK ? cluster_import(&job, why) : err;
}

int cluster_take_in(struct cluster_call *c)
{
    struct transfer t = { .call = c };
    unsigned n_shards;
    int status;

    if (!config_is_clustered(&c->config)) {
        return command_failed(c->args->command, "the settings name no cluster; "
                                                "set cluster and node");
    }
    if (!hold(c, &n_shards))
        return EXIT_FAILED;
    if (c->keys == NULL) {
        return command_failed(c->args->command,
                              "the key of %s is not there; set secret_key_file",
                              c->data_dir);
    }
    t.queue = queue_of(c);
    t.queue.n_shards = n_shards;
    status = run_apart(&t, copy_step);
    t.queue.n_shards = (unsigned)c->config.dispatchers;
    if (status == 0)
        status = run_apart(&t, import_step);
    if (status == 0) {
        printf("%s is the cluster's now. Start node %s with it; each other "
               "node starts with an empty data_dir, the same file of keys, and "
               "dispatchers = %u.\n",
               c->data_dir, c->config.node, t.queue.n_shards);
        if (c->config.payload_keys_dir[0] != '\0') {
            printf("Payloads that were encrypted need the keys in %s on each "
                   "node, too.\n",
                   c->config.payload_keys_dir);
        }
    }
    return status;
}

// --- detach ---

// Runs in a child process.
static enum err detach_step(void *data, struct buf *why)
{
    struct transfer *t = data;

    return owner_become(&t->call->dir, why) ? cluster_detach(&t->queue, why)
                                            : ERR_DENIED;
}

int cluster_let_go(struct cluster_call *c)
{
    struct transfer t = { .call = c, .is_copy = true };
    unsigned n_shards;
    int status;

    if (!hold(c, &n_shards))
        return EXIT_FAILED;
    t.queue = queue_of(c);
    t.queue.n_shards = n_shards;
    status = run_apart(&t, copy_step);
    if (status == 0)
        status = run_apart(&t, detach_step);
    if (status == 0) {
        printf("%s is a directory of its own; start the engine with it, and "
               "without the settings cluster and node.\n",
               c->data_dir);
    }
    return status;
}
