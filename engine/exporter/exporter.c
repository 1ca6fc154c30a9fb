// SPDX-License-Identifier: MIT
// exporter.c — the process that sends spans to a collector of OpenTelemetry.
//
// Happy path: ingest and dispatchers send spans; they are gathered in a batch, which is
// posted after a second or when it is full, one batch at a time, by the worker thread.
//
// If it fails: a batch that the collector may take later is kept, and tried again after the
// time that the collector names, or 1 s, doubling to 30 s. Meanwhile further spans are
// kept, up to BATCHES_MAX batches; beyond, they are dropped and counted. What the collector
// refuses for good is dropped and counted. A drain tries each batch once, for 2 s in all.

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/messages/span.h"
#include "common/process/channel.h"
#include "common/process/landlock.h"
#include "common/process/metrics.h"
#include "common/process/role.h"
#include "engine/exporter/otlp_post.h"

#define BATCH_SPANS 512
#define BATCH_BYTES ((size_t)512 * 1024)
#define BATCHES_MAX 16
#define GATHER_MS   1000
#define WAIT_MIN_MS 1000
#define WAIT_MAX_MS 30000
#define DRAIN_MS    2000
#define N_PEERS     17 // ingest, and as many dispatchers as there may be

struct batch_of_spans {
    struct buf json; // with commas between them
    uint64_t n;
};

struct peer {
    struct exporter *exporter;
    enum role_kind kind;
    unsigned index;
    struct channel *channel; // NULL: not there
};

struct exporter {
    struct role *role;
    struct otlp_post *post;
    struct peer peers[N_PEERS];
    // A ring: the first is the oldest, the last is being filled.
    struct batch_of_spans batches[BATCHES_MAX];
    size_t first, n_batches;
    uint64_t n_waiting; // spans in all of them
    uv_timer_t timer;   // a batch may be posted
    uv_work_t work;
    struct otlp_answer answer; // of the post that has ended
    int64_t wait_ms;           // before the next try; 0: all is well
    bool is_posting;
    bool is_draining;
};

static struct batch_of_spans *batch_at(struct exporter *e, size_t i)
{
    return &e->batches[(e->first + i) % BATCHES_MAX];
}

static void drop_first(struct exporter *e)
{
    struct batch_of_spans *b = batch_at(e, 0);

    e->n_waiting -= b->n;
    metrics_gauge(GAUGE_SPANS_WAITING, (int64_t)e->n_waiting);
    b->n = 0;
    buf_reset(&b->json);
    e->first = (e->first + 1) % BATCHES_MAX;
    e->n_batches--;
}

// --- posting ---

static void on_timer(uv_timer_t *timer);
static void on_posted(uv_work_t *work, int status);

static void run_post(uv_work_t *work)
{
    struct exporter *e = work->data;

    otlp_post_send(e->post, buf_str(&batch_at(e, 0)->json), &e->answer);
}

// The batch that is posted gets no more spans.
static void post(struct exporter *e)
{
    if (e->is_posting || e->n_batches == 0)
        return;
    e->is_posting = true;
    e->work.data = e;
    if (uv_queue_work(role_loop(e->role), &e->work, run_post, on_posted) != 0)
        log_fatal("a post cannot be begun", "");
}

static void await_post(struct exporter *e, int64_t wait_ms)
{
    if (!e->is_posting && !uv_is_active((uv_handle_t *)&e->timer))
        uv_timer_start(&e->timer, on_timer, (uint64_t)wait_ms, 0);
}

static void on_timer(uv_timer_t *timer)
{
    post(timer->data);
}

static void count_taken(struct exporter *e)
{
    uint64_t n = batch_at(e, 0)->n;
    uint64_t n_rejected = e->answer.n_rejected < n ? e->answer.n_rejected : n;

    metrics_count(COUNTER_SPANS_EXPORTED, n - n_rejected);
    metrics_count(COUNTER_SPANS_REFUSED, n_rejected);
    if (e->wait_ms > 0)
        log_info("traces are sent again", "");
    e->wait_ms = 0;
}

static void try_later(struct exporter *e)
{
    if (e->wait_ms == 0) {
        log_warn("traces cannot be sent; spans are kept, then dropped",
                 "reason=%s", log_quote(str_of(e->answer.reason)));
    }
    e->wait_ms = e->wait_ms == 0 ? WAIT_MIN_MS : e->wait_ms * 2;
    if (e->wait_ms > WAIT_MAX_MS)
        e->wait_ms = WAIT_MAX_MS;
    uv_timer_start(
        &e->timer, on_timer,
        (uint64_t)(e->answer.wait_ms > 0 ? e->answer.wait_ms : e->wait_ms), 0);
}

static void leave(struct exporter *e)
{
    if (e->is_draining && !e->is_posting && e->n_batches == 0)
        role_done(e->role);
}

static void on_posted(uv_work_t *work, int status)
{
    struct exporter *e = work->data;

    (void)status;
    e->is_posting = false;
    switch (e->answer.result) {
    case OTLP_TAKEN:
        count_taken(e);
        drop_first(e);
        break;
    case OTLP_REFUSED:
        log_warn("the collector refuses spans; they are dropped",
                 "spans=%llu reason=%s", (unsigned long long)batch_at(e, 0)->n,
                 log_quote(str_of(e->answer.reason)));
        metrics_count(COUNTER_SPANS_REFUSED, batch_at(e, 0)->n);
        drop_first(e);
        break;
    case OTLP_AGAIN:
        if (!e->is_draining) {
            try_later(e);
            return;
        }
        metrics_count(COUNTER_SPANS_STOPPED, batch_at(e, 0)->n);
        drop_first(e);
    }
    if (e->n_batches > 0) {
        bool is_full = e->n_batches > 1 || e->is_draining;

        await_post(e, is_full ? 0 : GATHER_MS);
    }
    leave(e);
}

// --- spans that come ---

// The batch that a span goes into; NULL: there is no room.
static struct batch_of_spans *open_batch(struct exporter *e, size_t n_bytes)
{
    struct batch_of_spans *last =
        e->n_batches > 0 ? batch_at(e, e->n_batches - 1) : NULL;
    bool is_taken = e->n_batches == 1 && e->is_posting;

    if (last != NULL && !is_taken && last->n < BATCH_SPANS &&
        last->json.n_bytes + n_bytes < BATCH_BYTES)
        return last;
    if (e->n_batches == BATCHES_MAX)
        return NULL;
    return batch_at(e, e->n_batches++);
}

static void on_frame(void *data, struct str frame)
{
    struct peer *p = data;
    struct exporter *e = p->exporter;
    struct batch_of_spans *b;
    struct str json;

    if (span_unpack(frame, &json) != OK) {
        channel_refuse(p->channel);
        return;
    }
    b = open_batch(e, json.n_bytes);
    if (b == NULL) {
        metrics_count(COUNTER_SPANS_FULL, 1);
        return;
    }
    if (b->n++ > 0)
        buf_putc(&b->json, ',');
    buf_put_str(&b->json, json);
    metrics_gauge(GAUGE_SPANS_WAITING, (int64_t)++e->n_waiting);
    if (e->n_batches > 1 && e->wait_ms == 0) {
        uv_timer_stop(&e->timer); // a batch is full
        post(e);
    }
    await_post(e, GATHER_MS);
}

static void on_closed(void *data)
{
    struct peer *p = data;

    p->channel = NULL;
    role_link_lost(p->exporter->role, p->kind, p->index);
}

static void on_link(void *data, enum role_kind kind, unsigned index, int fd)
{
    struct exporter *e = data;
    size_t i = kind == ROLE_INGEST ? 0 : 1 + (size_t)index;
    struct peer *p;

    if ((kind != ROLE_INGEST && kind != ROLE_DISPATCHER) || i >= N_PEERS) {
        close(fd);
        return;
    }
    p = &e->peers[i];
    if (p->channel != NULL)
        channel_close(p->channel);
    *p = (struct peer){ .exporter = e, .kind = kind, .index = index };
    p->channel = role_open_channel(
        e->role, kind, fd,
        &(struct channel_handlers){
            .on_frame = on_frame, .on_closed = on_closed, .data = p });
}

// --- the process ---

static void on_drain(void *data)
{
    struct exporter *e = data;

    e->is_draining = true;
    otlp_post_stop(e->post, DRAIN_MS);
    uv_timer_stop(&e->timer);
    await_post(e, 0);
    if (e->n_batches == 0 && !e->is_posting)
        role_done(e->role);
}

// A process that was sandboxed before cannot open a new file for name resolution.
static void on_second(void *data)
{
    struct exporter *e = data;

    if (e->is_draining || !landlock_is_stale())
        return;
    log_info("files of name resolution were replaced; a new exporter is "
             "started",
             "");
    on_drain(e);
}

int exporter_role(unsigned index)
{
    struct exporter *e = xcalloc(1, sizeof(*e));
    struct role_handlers handlers = { .on_link = on_link,
                                      .on_drain = on_drain,
                                      .on_second = on_second,
                                      .data = e };

    e->role = role_start(ROLE_EXPORTER, index);
    for (size_t i = 0; i < BATCHES_MAX; i++)
        buf_init(&e->batches[i].json, 0);
    uv_timer_init(role_loop(e->role), &e->timer);
    e->timer.data = e;
    e->post = otlp_post_new(role_config(e->role));
    role_ready(e->role, &handlers);
    return role_run(e->role);
}
