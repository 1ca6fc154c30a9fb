// SPDX-License-Identifier: MIT
// tail_routes.c — deliveries as they happen, as server-sent events (WHATWG HTML, 9.2).
//
// The history is read ten times a second, for each follower from its own position. The
// id of a server-sent event contains that position, so that a client that was cut off
// continues after it (Last-Event-ID), as far as retention has kept the rows that came
// meanwhile. Where it has not, an event `gap` says so. A follower's position is that in
// the shard's history, whosever rows it passed, and comments carry it to the client: so
// one whose organization is quiet is told of no gap that is none.

#include "api/deliveries/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "api/core/api_request.h"
#include "api/json/delivery_filter.h"
#include "api/json/delivery_json.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log/log.h"

#define REFRESH_MS 100
#define TURN_US    5000 // reads in one turn of the loop
#define NEXT_MS    1    // delay before followers that are left get their turn
// A client with this much unread gets more rows once it has read: the history keeps
// them.
#define UNREAD_MAX_BYTES HTTP_PIECE_BYTES
#define PIECES_MAX       8                 // that a follower gets in one turn
#define COST             5000              // of a read, as history_query counts
#define SILENCE_US       INT64_C(15000000) // then a comment keeps proxies waiting
#define STREAM_TYPE      "text/event-stream"

struct tail {
    struct list_node node; // in api.tails
    struct api_request *rq;
    struct history_filter filter;
    unsigned
        states;  // states to show; compared with the row's state at that time
    bool has_id; // follows one event only
    struct id id;
    struct hook_scope scope;
    uint64_t owner_no; // 0: the organization had no hook yet
    unsigned shard, n_shards;
    uint64_t row_nos[QUEUE_SHARDS_MAX]; // rows up to here are done
    uint64_t *row_no;                   // the entry of the current shard
    int64_t said_us;
    uint8_t key[SHA256_BYTES];
    bool is_gone;
    bool is_full; // the last read ended because `out` was full
    struct buf out;
};

// --- the end ---

// Ends a follower that is no longer in the list.
static void end(struct tail *t)
{
    struct api_request *rq = t->rq;
    if (rq->api->tails.first == NULL)
        uv_timer_stop(&rq->api->tail_timer);
    rq->tail = NULL;
    rq->http->data = NULL;
    http_stream_end(rq->http);
    buf_clear(&t->out);
    free(t);
    shares_remove(&rq->api->shares[CAP_TAILS], request_holder(rq), 1);
    request_free(rq);
}

static void on_gone(struct http_request *r)
{
    struct api_request *rq = r->data;

    rq->tail->is_gone = true; // the next read ends the tail
}

// --- reading the history ---

static void put_id(struct tail *t)
{
    buf_puts(&t->out, "id: ");
    cursor_put(t->key, t->owner_no, t->row_nos, t->n_shards, &t->out);
    buf_putc(&t->out, '\n');
}

static bool put_row(void *data, uint64_t no, const struct attempt *a)
{
    struct tail *t = data;
    struct json_writer w = json_writer(&t->out);

    if (t->out.n_bytes >= HTTP_PIECE_BYTES) {
        t->is_full = true;
        return false; // the next read continues here
    }
    *t->row_no = no;
    if ((t->states != 0 && (t->states & 1U << a->state) == 0) ||
        (t->has_id && !id_eq(&t->id, &a->event_id)))
        return true;
    put_id(t);
    buf_puts(&t->out, "event: delivery\ndata: ");
    json_open_object(&w, NULL);
    request_put_hook(t->rq->api, a->hook_id, &w);
    delivery_print_brief(a, &w);
    json_close(&w);
    buf_puts(&t->out, "\n\n");
    return true;
}

// Skips rows that retention has removed before the follower got them, and says that some
// may be missing.
static enum err skip_removed(struct tail *t)
{
    struct json_writer w = json_writer(&t->out);
    int64_t kept_since_us = 0;
    bool is_gap = false;

    for (unsigned i = 0; i < t->n_shards; i++) {
        struct shard_view *shard = t->rq->api->shards[t->shard + i];
        uint64_t first_no;
        int64_t started_at_us;
        enum err err = history_begin(shard, &first_no, NULL);

        if (err == OK && t->row_nos[i] + 1 >= first_no)
            continue;
        if (err == OK)
            err = history_begin(shard, &first_no, &started_at_us);
        if (err != OK)
            return err;
        is_gap = true;
        t->row_nos[i] = first_no - 1;
        if (started_at_us > kept_since_us)
            kept_since_us = started_at_us;
    }
    if (!is_gap)
        return OK;
    put_id(t);
    buf_puts(&t->out, "event: gap\ndata: ");
    json_open_object(&w, NULL);
    json_put_text(&w, "reason", "retention");
    if (kept_since_us > 0) {
        json_put_i64(&w, "keptSince", kept_since_us / 1000);
    } else {
        json_put_null(&w, "keptSince");
    }
    json_close(&w);
    buf_puts(&t->out, "\n\n");
    return OK;
}

// Reads what is new in the follower's shard `i`.
static enum err read_shard(struct tail *t, unsigned i)
{
    struct shard_view *shard = t->rq->api->shards[t->shard + i];
    struct history_query query = { .owner_no = t->owner_no,
                                   .filter = &t->filter,
                                   .oldest_first = true,
                                   .from_no = t->row_nos[i],
                                   .max_rows = COST };
    uint64_t next_no;
    enum err err = history_end(shard, &next_no);

    if (err != OK)
        return err;
    t->row_no = &t->row_nos[i];
    err = history_scan(shard, &query, put_row, t);
    t->row_nos[i] = query.last_no;
    // Rows of others, which need not be passed again.
    if (err == OK && query.is_end && t->row_nos[i] + 1 < next_no)
        t->row_nos[i] = next_no - 1;
    return err;
}

// Sends a piece of what is new. False: there is no more, or the client has to read first.
static bool send_piece(struct tail *t)
{
    struct api *api = t->rq->api;
    enum err err;

    t->is_full = false;
    if (http_stream_unread_bytes(t->rq->http) > UNREAD_MAX_BYTES)
        return false;
    if (t->owner_no == 0 && org_number(api->hooks, t->scope.dialect,
                                       t->scope.org, &t->owner_no) != OK)
        log_warn("the number of an organization cannot be read", "");
    buf_reset(&t->out);
    err = skip_removed(t);
    for (unsigned i = 0; i < t->n_shards && err == OK; i++)
        err = read_shard(t, i);
    if (err != OK)
        log_warn("the history cannot be read", "");
    if (t->out.n_bytes == 0 && clock_mono_us() - t->said_us > SILENCE_US) {
        // Without a number the organization's positions change their form.
        if (t->owner_no != 0)
            put_id(t);
        buf_puts(&t->out, ": nothing new\n\n");
    }
    if (t->out.n_bytes == 0)
        return false;
    t->said_us = clock_mono_us();
    http_stream_write(t->rq->http, buf_str(&t->out));
    return t->is_full && err == OK;
}

static void refresh(struct tail *t)
{
    unsigned n_pieces = 0;

    while (n_pieces < PIECES_MAX && send_piece(t))
        n_pieces++;
}

// A follower that had its turn goes to the end of the list, so that the next turn of the
// loop begins with those that are left.
static void on_refresh(uv_timer_t *timer)
{
    struct api *api = timer->data;
    int64_t end_us = clock_mono_us() + TURN_US;
    const struct list_node *last = api->tails.last;
    bool is_last;

    do {
        struct tail *t = LIST_POP(&api->tails, struct tail, node);

        if (t == NULL)
            return; // all have ended
        is_last = &t->node == last;
        if (t->is_gone || !request_is_allowed(t->rq)) {
            end(t);
        } else {
            list_push(&api->tails, &t->node);
            refresh(t);
        }
    } while (!is_last && clock_mono_us() <= end_us);
    if (!is_last)
        uv_timer_start(timer, on_refresh, NEXT_MS, REFRESH_MS);
}

void tail_init(struct api *api)
{
    uv_timer_init(role_loop(api->role), &api->tail_timer);
    api->tail_timer.data = api;
}

// --- the beginning ---

// Sets where the follower begins: after Last-Event-ID, or with the next row. False: the
// request has been answered.
static bool find_start(struct tail *t)
{
    struct api_request *rq = t->rq;
    struct str last = http_header(rq->http, "Last-Event-ID");

    if (last.n_bytes > 0) {
        if (cursor_read(t->key, last, t->owner_no, t->row_nos, t->n_shards) ==
            OK)
            return true;
        http_fail(rq->http, 400, STR_EMPTY,
                  "Last-Event-ID is not one that this server gave out here");
        return false;
    }
    for (unsigned i = 0; i < t->n_shards; i++) {
        uint64_t next_no;
        enum err err = history_end(rq->api->shards[t->shard + i], &next_no);

        if (err != OK) {
            request_fail_store(rq, err);
            return false;
        }
        t->row_nos[i] = next_no - 1;
    }
    return true;
}

static bool read_filter(struct tail *t)
{
    struct api_request *rq = t->rq;
    struct delivery_query query;
    struct buf why;
    bool is_good;

    buf_init(&why, 4096);
    is_good = delivery_query_read(rq->http, &rq->arena, &query, &why) == OK;
    if (!is_good)
        http_fail(rq->http, 400, STR_EMPTY, "%s", buf_cstr(&why));
    buf_clear(&why);
    t->filter = query.filter;
    t->has_id = is_good && query.has_id;
    t->id = query.id;
    t->states = query.filter.states;
    t->filter.states = 0;
    return is_good;
}

void tail_get(struct api_request *rq)
{
    struct api *api = rq->api;
    struct tail *t;

    if (!request_may_hold(rq, CAP_TAILS))
        return;
    t = xcalloc(1, sizeof(*t));
    t->rq = rq;
    auth_key(api->auth, "deliveries", t->key);
    buf_init(&t->out, 0);
    if (!request_owner(rq, &t->scope, &t->owner_no) || !read_filter(t)) {
        free(t);
        return;
    }
    t->shard = request_shards(rq, t->owner_no, &t->n_shards);
    if (!find_start(t)) {
        free(t);
        return;
    }
    shares_add(&api->shares[CAP_TAILS], request_holder(rq), 1);
    t->said_us = clock_mono_us();
    list_push_front(&api->tails, &t->node);
    rq->tail = t;
    http_stream_begin(rq->http, STR(STREAM_TYPE), on_gone);
    http_stream_write(rq->http, STR(": following\n\n"));
    if (!uv_is_active((uv_handle_t *)&api->tail_timer))
        uv_timer_start(&api->tail_timer, on_refresh, REFRESH_MS, REFRESH_MS);
}
