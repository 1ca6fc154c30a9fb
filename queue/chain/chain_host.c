// SPDX-License-Identifier: MIT
// chain_host.c — one part of a data directory, kept by the replicator.
//
// Happy path: the thread follows the chain and does its changes in the copy. When it is to
// take the chain, it follows to the end and begins a term. Then a role connects, and each
// transaction that it sends is appended; the role commits it itself.
//
// If it fails: a role that was killed between the append and its commit has not done what
// the chain says, so before a role writes, the copy is brought to the chain's end.

#include "queue/chain/chain_host.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "queue/chain/chain.h"
#include "queue/chain/chain_copy.h"
#include "queue/chain/chain_link.h"
#include "queue/chain/chain_snapshot.h"
#include "queue/lmdb/part.h"

#define STEP_MS  200 // how long the thread does not look at what it is to do
#define TRY_MS   5000
#define PAUSE_MS 500 // after an error
#define STUCK_MS 5000

struct chain_host {
    struct journal *journal;
    struct keyring *keys; // borrowed
    struct part part;
    unsigned number;
    struct store *store;
    struct chain chain;
    struct chain_copy copy;
    int listen_fd;
    int role_fd; // -1: no role is connected
    struct buf request;
    bool is_stuck; // it was said that the chain cannot be read on
    void (*on_change)(void *data);
    void *data;
    uv_thread_t thread;
    uv_mutex_t mutex; // of all below
    struct chain_host_status status;
    uint64_t wanted_term;   // 0: it is to follow
    int64_t append_from_us; // monotonic; 0: none is under way
};

// --- what others see ---

static void set_state(struct chain_host *h, enum chain_host_state state,
                      enum err err)
{
    bool is_new;

    uv_mutex_lock(&h->mutex);
    is_new = h->status.state != state;
    h->status.state = state;
    h->status.err = err;
    uv_mutex_unlock(&h->mutex);
    if (is_new)
        h->on_change(h->data);
}

static void note_reading(struct chain_host *h, enum err err)
{
    struct chain_point mark = chain_copy_mark(&h->copy);
    bool is_at_end = err == ERR_NOTFOUND;
    bool is_new;

    uv_mutex_lock(&h->mutex);
    is_new = h->status.is_at_end != is_at_end;
    h->status.is_at_end = is_at_end;
    h->status.is_reachable = err != ERR_AGAIN;
    h->status.seq = mark.seq;
    h->status.term = mark.term;
    h->status.n_strays = chain_strays(&h->chain);
    uv_mutex_unlock(&h->mutex);
    if (is_new)
        h->on_change(h->data);
}

static uint64_t wanted_term(struct chain_host *h)
{
    uint64_t term;

    uv_mutex_lock(&h->mutex);
    term = h->wanted_term;
    uv_mutex_unlock(&h->mutex);
    return term;
}

static enum chain_host_state state_of(struct chain_host *h)
{
    return chain_host_status(h).state;
}

// --- following ---

// Whether a new copy can be made, which is of use where this one is not.
static bool is_snapshot_better(struct chain_host *h)
{
    struct chain_snapshot last;

    return chain_snapshot_get(h->journal, h->number, &last) == OK &&
           (last.seq > chain_copy_mark(&h->copy).seq ||
            !chain_copy_is_sound(&h->copy));
}

// The copy cannot go on. It is given up only for a better one: what the journal says, or
// does not say, is no reason to remove a copy that is sound. False: the thread ends.
static bool stop_following(struct chain_host *h, enum err err)
{
    if ((err == ERR_GONE || !chain_copy_is_sound(&h->copy)) &&
        is_snapshot_better(h)) {
        log_warn("a copy cannot follow its chain any more", "part=%s reason=%s",
                 h->part.name, log_quote(str_of(err_str(err))));
        set_state(h, CHAIN_HOST_ENDED, err);
        return false;
    }
    if (!h->is_stuck) {
        log_warn("a chain cannot be read on; the copy is kept as it is",
                 "part=%s reason=%s", h->part.name,
                 log_quote(str_of(err_str(err))));
    }
    h->is_stuck = true;
    uv_sleep(STUCK_MS);
    (void)!chain_copy_rewind(&h->copy);
    return true;
}

// False: the thread has nothing more to do.
static bool follow(struct chain_host *h, int64_t wait_ms)
{
    enum err err = chain_copy_step(&h->copy, wait_ms);

    note_reading(h, err);
    switch (err) {
    case OK:
    case ERR_NOTFOUND:
        h->is_stuck = false;
        return true;
    case ERR_AGAIN: // the journal cannot be reached
    case ERR_FULL:
    case ERR_LOST:
        uv_sleep(PAUSE_MS);
        return true;
    default:
        return stop_following(h, err);
    }
}

static bool follow_again(struct chain_host *h)
{
    enum err err;

    if (h->role_fd >= 0)
        close(h->role_fd);
    h->role_fd = -1;
    err = chain_copy_rewind(&h->copy);
    if (err != OK) {
        set_state(h, CHAIN_HOST_ENDED, err);
        return false;
    }
    set_state(h, CHAIN_HOST_FOLLOWS, OK);
    return true;
}

static void take(struct chain_host *h, uint64_t term)
{
    int64_t wait_ms = 0;
    enum err err;

    set_state(h, CHAIN_HOST_TAKES, OK);
    do {
        while ((err = chain_copy_step(&h->copy, wait_ms)) == OK) {
        }
        wait_ms = STEP_MS; // what another one appended may come a moment later
        note_reading(h, err);
        if (err == ERR_NOTFOUND)
            err = chain_take(&h->chain, term, TRY_MS);
    } while (err == ERR_CONFLICT && wanted_term(h) == term);
    if (err == OK) {
        uv_mutex_lock(&h->mutex);
        h->status.seq = chain_end(&h->chain).seq;
        h->status.term = term;
        h->status.n_appends = 0;
        h->status.n_appended_bytes = 0;
        uv_mutex_unlock(&h->mutex);
        set_state(h, CHAIN_HOST_OWNS, OK);
    } else {
        set_state(h, CHAIN_HOST_LOST, err);
    }
}

// --- owning ---

static bool may_go_on(void *data)
{
    struct chain_host *h = data;

    return wanted_term(h) != 0;
}

// Does in the copy what the chain has, and whoever appended it has not committed.
static enum err catch_up(struct chain_host *h)
{
    struct chain_point end = chain_end(&h->chain);
    struct chain_copy copy;
    struct chain chain;
    enum err err;

    chain_init(&chain, h->journal, h->keys, h->number, end);
    err = chain_copy_open(&copy, &chain, h->store, h->part.meta_db);
    // It may end in the middle of a transaction that was not appended whole.
    while (err == OK && chain_end(&chain).seq < end.seq) {
        err = chain_copy_step(&copy, TRY_MS);
        if (err == ERR_AGAIN && may_go_on(h))
            err = OK;
    }
    chain_copy_clear(&copy);
    chain_clear(&chain);
    return err;
}

static void set_append(struct chain_host *h, int64_t from_us)
{
    uv_mutex_lock(&h->mutex);
    h->append_from_us = from_us;
    uv_mutex_unlock(&h->mutex);
}

static enum err append(struct chain_host *h, struct str changes)
{
    enum err err;

    set_append(h, clock_boot_us());
    err = chain_append(&h->chain, changes, may_go_on, h);
    uv_mutex_lock(&h->mutex);
    h->append_from_us = 0;
    if (err == OK) {
        h->status.seq = chain_end(&h->chain).seq;
        h->status.n_appends++;
        h->status.n_appended_bytes += changes.n_bytes;
    }
    h->status.n_strays = chain_strays(&h->chain);
    uv_mutex_unlock(&h->mutex);
    if (err == OK || err == ERR_FULL || err == ERR_TOOBIG)
        return err;
    set_state(h, CHAIN_HOST_LOST, err); // not known, or another one owns it
    return ERR_DENIED;
}

static void leave_role(struct chain_host *h)
{
    close(h->role_fd);
    h->role_fd = -1;
}

static void serve_request(struct chain_host *h)
{
    struct chain_link_answer answer = { .err = OK };
    enum chain_link_type type;
    struct str body;
    enum err err = chain_link_receive(h->role_fd, &h->request, &type, &body);

    if (err != OK) {
        leave_role(h);
        return;
    }
    answer.err = type == CHAIN_LINK_HELLO ? catch_up(h) : append(h, body);
    answer.end = chain_end(&h->chain);
    if (chain_link_answer(h->role_fd, &answer) != OK)
        leave_role(h);
}

// One role at a time: another one waits until the first has ended.
static void serve(struct chain_host *h)
{
    struct pollfd poll_fd = { .fd = h->role_fd >= 0 ? h->role_fd : h->listen_fd,
                              .events = POLLIN };

    if (poll(&poll_fd, 1, STEP_MS) <= 0)
        return;
    if (h->role_fd >= 0) {
        serve_request(h);
    } else {
        h->role_fd = accept(h->listen_fd, NULL, NULL);
    }
}

static void run(void *data)
{
    struct chain_host *h = data;
    bool goes_on = true;

    while (goes_on) {
        uint64_t term = wanted_term(h);

        switch (state_of(h)) {
        case CHAIN_HOST_FOLLOWS:
            if (term != 0) {
                take(h, term);
            } else {
                goes_on = follow(h, STEP_MS);
            }
            break;
        case CHAIN_HOST_OWNS:
            if (term != 0) {
                serve(h);
                break;
            }
            goes_on = follow_again(h);
            break;
        case CHAIN_HOST_LOST:
            if (term == 0) {
                goes_on = follow_again(h);
            } else {
                uv_sleep(STEP_MS);
            }
            break;
        default:
            goes_on = false;
            break;
        }
    }
}

// --- from the replicator's loop ---

void chain_host_take(struct chain_host *h, uint64_t term)
{
    assert(term != 0);
    uv_mutex_lock(&h->mutex);
    h->wanted_term = term;
    uv_mutex_unlock(&h->mutex);
}

void chain_host_follow(struct chain_host *h)
{
    uv_mutex_lock(&h->mutex);
    h->wanted_term = 0;
    uv_mutex_unlock(&h->mutex);
}

struct chain_host_status chain_host_status(struct chain_host *h)
{
    struct chain_host_status status;

    uv_mutex_lock(&h->mutex);
    status = h->status;
    if (h->append_from_us != 0)
        status.append_us = clock_boot_us() - h->append_from_us + 1;
    uv_mutex_unlock(&h->mutex);
    return status;
}

enum err chain_host_snapshot(struct chain_host *h, uint64_t *n_bytes)
{
    const struct chain_snapshot_job job = {
        .journal = h->journal,
        .chain = h->number,
        .keys = h->keys,
        .store = h->store,
        .meta_db = h->part.meta_db,
        .may_go_on = may_go_on,
        .data = h,
    };
    struct chain_snapshot made;
    enum err err = chain_snapshot_write(&job, &made);

    *n_bytes = made.n_bytes;
    return err;
}

enum err chain_host_start(struct journal *j, const struct queue_config *config,
                          unsigned part, void (*on_change)(void *data),
                          void *data, struct chain_host **out)
{
    struct chain_host *h = xcalloc(1, sizeof(*h));
    enum err err;

    h->journal = j;
    h->keys = config->keys;
    h->number = part;
    h->part = part_of(config, part);
    h->listen_fd = -1;
    h->role_fd = -1;
    h->on_change = on_change;
    h->data = data;
    buf_init(&h->request, 0);
    uv_mutex_init(&h->mutex);
    chain_init(&h->chain, j, h->keys, part, (struct chain_point){ .seq = 0 });
    err = part_open(config, &h->part, false, &h->store);
    if (err == OK)
        err = chain_copy_open(&h->copy, &h->chain, h->store, h->part.meta_db);
    if (err == OK)
        err = chain_link_listen(config->data_dir, part, &h->listen_fd);
    if (err == OK && uv_thread_create(&h->thread, run, h) != 0)
        err = ERR_IO;
    if (err != OK) {
        free(h);
        return err;
    }
    *out = h;
    return OK;
}
