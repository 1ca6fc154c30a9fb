// SPDX-License-Identifier: MIT
// queue_fixture.h — a data directory of its own for each test of the queue.

#ifndef TESTS_SUPPORT_QUEUE_FIXTURE_H
#define TESTS_SUPPORT_QUEUE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/files/keyring.h"
#include "queue/queue.h"
#include "tests/support/unit.h"

// The queue never closes what it opens (queue.h says why), so what a test opens
// is still there at its end. Weak, since several files of one program define it.
// NOLINTBEGIN(bugprone-reserved-identifier): the sanitizer's name
__attribute__((weak)) const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
// NOLINTEND(bugprone-reserved-identifier)
{
    return "detect_leaks=0";
}

#ifndef MAP_BYTES
#define MAP_BYTES (UINT64_C(64) << 20)
#endif

struct fixture {
    char dir[64];
    uv_loop_t loop;
    struct queue_config config;
    struct event_log *log;
    struct event_view *view;
    struct shard *shard;
    struct hook_store *hooks;
};

static inline struct keyring *new_keys(const char *dir)
{
    char *path = keyring_path("", dir);
    struct keyring *keys = NULL;
    struct buf why;

    buf_init(&why, 0);
    if (keyring_make(path, &why) != OK || keyring_read(path, &keys, &why) != OK)
        fail_msg("%s", buf_cstr(&why));
    free(path);
    return keys;
}

// One step of retention, to its end.
static inline void trim_before(struct fixture *f, int64_t before_us,
                               uint64_t max_bytes)
{
    const struct event_retention keep = { .now_us = clock_now_us(),
                                          .before_us = before_us,
                                          .max_bytes = max_bytes };

    event_log_trim(f->log, &keep, 100);
}

static inline int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct buf why;

    snprintf(f->dir, sizeof(f->dir), "/tmp/posthorn-queue-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->config = (struct queue_config){ .data_dir = f->dir,
                                       .max_bytes = MAP_BYTES,
                                       .n_shards = 1 };
    buf_init(&why, 0);
    f->config.keys = new_keys(f->dir);
    if (queue_prepare(&f->config, &why) != OK)
        fail_msg("%s", buf_cstr(&why));
    uv_loop_init(&f->loop);
    assert_int_equal(event_log_open(&f->config, &f->loop, &f->log), OK);
    assert_int_equal(event_view_open(&f->config, &f->view), OK);
    assert_int_equal(shard_open(&f->config, 0, &f->loop, &f->shard), OK);
    assert_int_equal(hook_store_open(&f->config, &f->loop, &f->hooks), OK);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    char *command = xasprintf("rm -rf %s", f->dir);

    // A test's own directory. NOLINTNEXTLINE(cert-env33-c)
    assert_int_equal(system(command), 0);
    free(command);
    free(f);
    return 0;
}

static inline struct new_event event_of(const char *kind, const char *payload)
{
    return (struct new_event){ .event = { .accepted_at_us = clock_now_us(),
                                          .dialect = DIALECT_PULUMI,
                                          .kind = str_of(kind),
                                          .org = STR("acme"),
                                          .payload = str_of(payload) } };
}

static inline void on_done(struct append *a, enum err err)
{
    *(enum err *)a->data = err;
}

static inline enum err append(struct fixture *f, struct new_event *events,
                              size_t n, struct append *a)
{
    enum err result = ERR_AGAIN;

    *a = (struct append){
        .events = events, .n_events = n, .done = on_done, .data = &result
    };
    event_log_append(f->log, a);
    assert_int_equal(result, ERR_AGAIN); // never before it returns
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(event_log_pending(f->log), 0);
    return result;
}

struct seen {
    size_t n;
    char payloads[512];
    struct event last;
};

static inline bool on_event(void *data, const struct event *e)
{
    struct seen *seen = data;

    seen->n++;
    seen->last = *e;
    strncat(seen->payloads, e->payload.at, e->payload.n_bytes);
    return true;
}

static inline struct seen scan(struct fixture *f, struct position after,
                               size_t max, struct position *last)
{
    struct event_scan query = { .after = after, .max = max };
    struct seen seen = { 0 };

    assert_int_equal(event_view_scan(f->view, &query, on_event, &seen), OK);
    assert_int_equal(query.n_damaged, 0);
    *last = query.last;
    return seen;
}

static inline void on_committed(void *data, enum err err)
{
    *(enum err *)data = err;
}

static inline void commit(struct fixture *f, struct shard_batch *c)
{
    enum err result = ERR_AGAIN;

    shard_commit(f->shard, c, on_committed, &result);
    assert_int_equal(result, ERR_AGAIN); // off the loop
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(result, OK);
    shard_batch_reset(c);
}

// The outcome of a write of a hook, a stack or a token.
struct written {
    unsigned n_calls;
    enum err err;
    enum share share;
    uint64_t no, revision, org_id; // of a stored hook
};

static inline void on_written(void *data, const struct catalog_result *result)
{
    struct written *w = data;

    w->n_calls++;
    w->err = result->err;
    w->share = result->share;
    assert_true((result->hook == NULL) || result->err == OK);
    if (result->hook != NULL) {
        w->no = result->hook->no;
        w->revision = result->hook->revision;
        w->org_id = result->hook->org_id;
    }
}

static inline struct catalog_caller caller_of(struct written *w)
{
    *w = (struct written){ .err = ERR_AGAIN };
    return (struct catalog_caller){ .done = on_written, .data = w };
}

// Waits for the outcome of a write that has begun.
static inline enum err outcome(struct fixture *f, const struct written *w)
{
    assert_int_equal(w->n_calls, 0); // never before the call returns
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->n_calls, 1);
    return w->err;
}

static inline enum err create_hook(struct fixture *f, struct hook *h)
{
    struct written w;
    const struct catalog_caller caller = caller_of(&w);

    hook_create(f->hooks, h, &caller);
    if (outcome(f, &w) == OK) {
        h->no = w.no;
        h->revision = w.revision;
        h->org_id = w.org_id;
    }
    return w.err;
}

static inline enum err update_hook(struct fixture *f, struct hook *h)
{
    struct written w;
    const struct catalog_caller caller = caller_of(&w);

    hook_update(f->hooks, h, &caller);
    if (outcome(f, &w) == OK)
        h->revision = w.revision;
    return w.err;
}

static inline enum err delete_hook(struct fixture *f,
                                   const struct hook_scope *scope,
                                   struct str name, uint64_t revision)
{
    struct written w;
    const struct catalog_caller caller = caller_of(&w);

    hook_delete(f->hooks, scope, name, revision, &caller);
    return outcome(f, &w);
}

static inline struct position nth(uint64_t n)
{
    struct position p = position_start;

    for (size_t i = 0; i < 8; i++)
        p.bytes[i] = (uint8_t)(n >> (56 - 8 * i));
    return p;
}

static inline struct due_row due(uint64_t hook_id, int64_t due_at_ms,
                                 uint64_t n)
{
    return (struct due_row){ .hook_id = hook_id,
                             .due_at_ms = due_at_ms,
                             .position = nth(n),
                             .n_attempts = 2,
                             .queue_us = 55 };
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
