// SPDX-License-Identifier: MIT
// delivery_page.c — a page of the history of a hook or an organization.
//
// A page is built from many short reads of the history, so that no read pins
// database pages for long. It ends at the limit, at PAGE_BYTES, or at PAGE_COST
// when a filter finds little; then a cursor says where to go on. So a page may
// be short, even empty, and still not be the last.
//
// The rows of a page are chosen before its first byte is sent, since the headers say
// where the next page begins. Rows that do not fit into the first piece are noted, and
// shown while the client reads: each as it is then, and left out if retention has
// removed it meanwhile.
//
// An organization's history lies in all shards. Its pages merge the shards: of their
// next rows, the newest is shown first.

#include "api/deliveries/delivery_page.h"

#include <string.h>

#include "api/json/delivery_json.h"
#include "api/json/pagination.h"
#include "common/base/codec.h"
#include "common/log/log.h"
#include "queue/queue.h"

#define PAGE_BYTES    (8 << 20)
#define COST_PER_READ 2000
#define COST_PER_HEAD 10
#define PAGE_COST     20000 // as history_query counts: a millisecond or two

struct wanted_payload {
    struct hook_store *hooks;
    const struct attempt *attempt;
    struct buf *out;
    bool is_locked, is_erased;
};

// Copies the payload only if the event is the wanted one: where pages of the log were
// exchanged, another organization's event may be at this place.
static bool copy_payload(void *data, const struct event *event)
{
    struct wanted_payload *w = data;
    uint64_t org_id;

    if (id_eq(&event->id, &w->attempt->event_id) &&
        org_number(w->hooks, event->dialect, event->org, &org_id) == OK &&
        org_id == w->attempt->org_id) {
        buf_put_str(w->out, event->payload);
        w->is_locked = event->is_locked;
        w->is_erased = event_is_erased(event);
    }
    return false;
}

struct str page_payload(struct page *p, const struct attempt *attempt)
{
    struct event_view *events = p->rq->api->events;
    struct wanted_payload wanted = { .hooks = p->rq->api->hooks,
                                     .attempt = attempt,
                                     .out = &p->payload };
    enum err err;

    p->is_locked = attempt->is_locked;
    p->is_erased = false;
    if (attempt->payload.n_bytes > 0)
        return attempt->payload;
    buf_reset(&p->payload);
    err = event_view_get(events, attempt->position, copy_payload, &wanted);
    p->is_locked = wanted.is_locked || attempt->is_locked;
    p->is_erased = wanted.is_erased;
    if (err != OK && err != ERR_NOTFOUND) {
        log_warn("the payload of an event cannot be read", "%s reason=%s",
                 hook_log_no(attempt->hook_id),
                 log_quote(str_of(err_str(err))));
    }
    return buf_str(&p->payload);
}

struct trace {
    const struct id *id;
    bool is_found;
};

static bool on_trace(void *data, uint64_t no, const struct attempt *attempt)
{
    struct trace *trace = data;

    (void)no;
    trace->is_found = id_eq(&attempt->event_id, trace->id);
    return false;
}

// An event that is not in the log may have been removed, and its id tells where it was; or
// the id is that of a ping.
enum err page_find_event(struct page *p, const struct hook_scope *scope)
{
    struct position *out = &p->event_place;
    const struct api *api = p->rq->api;
    struct trace trace = { .id = &p->query.id };
    enum err err;

    if (!p->query.has_id)
        return OK;
    p->event = out;
    err = event_view_find(api->events, scope->dialect, scope->org, &p->query.id,
                          out);
    if (err != ERR_NOTFOUND)
        return err;
    put_be64(out->bytes, id_serial(&p->query.id));
    err = history_of_event(api->shards[p->cursors[0].shard], out, 1, on_trace,
                           &trace);
    if (!trace.is_found)
        *out = position_start;
    return err;
}

static bool is_full(const struct page *p)
{
    return p->n_rows == p->query.limit || p->n_bytes >= PAGE_BYTES;
}

// Puts the members that name the row's hook.
static void put_hook_name(struct page *p, uint64_t hook_id)
{
    struct json_writer w = json_writer(&p->hook_name);

    if (p->named_no != hook_id) {
        p->named_no = hook_id;
        buf_reset(&p->hook_name);
        json_open_object(&w, NULL);
        request_put_hook(p->rq->api, hook_id, &w);
        json_close(&w);
    }
    json_put_contents(&p->json, buf_str(&p->hook_name));
}

// --- pages ---

void page_print(struct page *p, const struct attempt *attempt)
{
    struct attempt shown = *attempt;
    struct str payload;
    struct buf headers;

    buf_init(&headers, 0);
    request_put_sent_headers(p->rq->api, attempt, &headers);
    shown.request_headers = buf_str(&headers);
    json_open_object(&p->json, NULL);
    if (p->names_hooks)
        put_hook_name(p, attempt->hook_id);
    payload = page_payload(p, attempt);
    shown.is_locked = p->is_locked;
    delivery_print(&shown, payload, p->is_erased, &p->json);
    json_close(&p->json);
    buf_clear(&headers);
}

static size_t record_bytes(struct page *p, const struct attempt *attempt)
{
    return attempt->request_url.n_bytes + attempt->request_headers.n_bytes +
           attempt->response_headers.n_bytes + attempt->response_body.n_bytes +
           page_payload(p, attempt).n_bytes;
}

// Takes a row into the page: shows it, or notes it for a later piece.
static void choose_row(struct page *p, unsigned shard, uint64_t no,
                       const struct attempt *attempt)
{
    size_t n_before = p->body.n_bytes;

    p->n_rows++;
    if (n_before < HTTP_PIECE_BYTES) {
        page_print(p, attempt);
        p->n_bytes += p->body.n_bytes - n_before;
    } else {
        p->left[p->n_left++] = (struct row){ shard, no };
        p->n_bytes += record_bytes(p, attempt);
    }
}

static bool visit_row(void *data, uint64_t no, const struct attempt *attempt)
{
    struct page *p = data;

    if (p->query.has_id && !id_eq(&p->query.id, &attempt->event_id))
        return true; // the row of another ping
    if (is_full(p)) {
        p->has_more = true; // this row, at least
        return false;
    }
    choose_row(p, p->cursors[0].shard, no, attempt);
    return true;
}

// Reads the history of one shard once: briefly, so that it pins no database pages for
// long.
static enum err read_shard(struct page *p, struct shard_cursor *cursor,
                           attempt_visit visit)
{
    struct history_query query = { .owner_no = p->owner_no,
                                   .event = p->event,
                                   .filter = &p->query.filter,
                                   .from_no = cursor->from_no,
                                   .max_rows = COST_PER_READ };
    enum err err =
        history_scan(p->rq->api->shards[cursor->shard], &query, visit, p);

    cursor->from_no = query.last_no;
    cursor->is_end = query.is_end;
    p->n_cost += COST_PER_READ;
    return err;
}

static enum err fill_from_one(struct page *p)
{
    struct shard_cursor *cursor = &p->cursors[0];
    enum err err;

    do {
        err = read_shard(p, cursor, visit_row);
    } while (err == OK && !cursor->is_end && !p->has_more &&
             p->n_cost < PAGE_COST);
    p->has_more = p->has_more || !cursor->is_end;
    return err;
}

// --- pages of several shards ---

struct head {
    struct page *page;
    struct shard_cursor *cursor;
    bool is_taken; // print it; else only its time is wanted
    bool is_found;
};

static bool visit_head(void *data, uint64_t no, const struct attempt *attempt)
{
    struct head *h = data;

    if (h->is_found)
        return false; // one row is enough
    h->is_found = true;
    h->cursor->head_at_us = attempt->started_at_us;
    if (h->is_taken)
        choose_row(h->page, h->cursor->shard, no, attempt);
    return h->is_taken;
}

static enum err read_head(struct page *p, struct shard_cursor *cursor,
                          bool is_taken)
{
    struct head head = { .page = p, .cursor = cursor, .is_taken = is_taken };
    enum err err = OK;

    while (err == OK && !head.is_found && !cursor->is_end &&
           p->n_cost < PAGE_COST) {
        struct history_query query = { .owner_no = p->owner_no,
                                       .filter = &p->query.filter,
                                       .from_no = cursor->from_no,
                                       .max_rows = COST_PER_READ };

        err = history_scan(p->rq->api->shards[cursor->shard], &query,
                           visit_head, &head);
        cursor->from_no = query.last_no;
        cursor->is_end = query.is_end && !head.is_found;
        p->n_cost += head.is_found ? COST_PER_HEAD : COST_PER_READ;
    }
    return err;
}

// The shard whose next row is the newest. NULL: no shard has further rows, or the page
// may read no more.
static struct shard_cursor *newest_shard(struct page *p, enum err *err)
{
    struct shard_cursor *newest = NULL;

    for (unsigned i = 0; i < p->n_cursors; i++) {
        struct shard_cursor *cursor = &p->cursors[i];

        if (cursor->head_at_us == INT64_MIN && *err == OK)
            *err = read_head(p, cursor, false);
        if (cursor->head_at_us != INT64_MIN &&
            (newest == NULL || cursor->head_at_us > newest->head_at_us))
            newest = cursor;
        p->has_more = p->has_more || !cursor->is_end;
    }
    return newest;
}

static enum err fill_from_several(struct page *p)
{
    struct shard_cursor *cursor;
    enum err err = OK;

    for (;;) {
        p->has_more = false;
        cursor = newest_shard(p, &err);
        if (err != OK || cursor == NULL || is_full(p) || p->n_cost >= PAGE_COST)
            return err;
        err = read_head(p, cursor, true);
        cursor->head_at_us = INT64_MIN;
    }
}

static void put_headers(const struct page *p, const uint8_t key[SHA256_BYTES],
                        struct buf *out)
{
    uint64_t row_nos[QUEUE_SHARDS_MAX];
    struct buf cursor;

    if (!p->has_more)
        return;
    for (unsigned i = 0; i < p->n_cursors; i++)
        row_nos[i] = p->cursors[i].from_no;
    buf_init(&cursor, 0);
    cursor_put(key, p->owner_no, row_nos, p->n_cursors, &cursor);
    page_put_headers(p->rq->http, buf_str(&cursor), out);
    buf_clear(&cursor);
}

void page_init(struct page *p)
{
    buf_init(&p->body, 0);
    buf_init(&p->payload, 0);
    buf_init(&p->hook_name, 0);
    p->json = json_writer(&p->body);
}

void page_clear(struct page *p)
{
    buf_clear(&p->hook_name);
    buf_clear(&p->payload);
    buf_clear(&p->body);
}

// --- pieces ---

struct left {
    struct page *page;
    uint64_t no;
};

static bool show_left(void *data, uint64_t no, const struct attempt *attempt)
{
    struct left *left = data;

    if (no == left->no)
        page_print(left->page, attempt);
    return false;
}

static enum err put_left(struct page *p, const struct row *row)
{
    struct left left = { p, row->no };
    struct history_query query = { .owner_no = p->owner_no,
                                   .event = p->event,
                                   .from_no = row->no + 1,
                                   .max_rows = 1 };

    return history_scan(p->rq->api->shards[row->shard], &query, show_left,
                        &left);
}

static enum http_more next(void *data, struct buf *out)
{
    struct api_request *rq = data;
    struct page *p = rq->data;

    p->json.out = out;
    while (p->at_left < p->n_left && out->n_bytes < HTTP_PIECE_BYTES) {
        enum err err = put_left(p, &p->left[p->at_left++]);

        if (err != OK) {
            log_warn("a page of the history ends early because attempts cannot "
                     "be read",
                     "reason=%s", log_quote(str_of(err_str(err))));
            return HTTP_FAILED;
        }
    }
    if (p->at_left < p->n_left)
        return HTTP_MORE;
    json_close(&p->json);
    return HTTP_LAST;
}

static void on_free(struct api_request *rq)
{
    page_clear(rq->data);
}

struct page *page_new(struct api_request *rq)
{
    struct page *page = arena_take(&rq->arena, sizeof(*page));

    memset(page, 0, sizeof(*page));
    page->rq = rq;
    page_init(page);
    rq->data = page;
    rq->on_free = on_free;
    return page;
}

void page_answer(struct page *p, const uint8_t key[SHA256_BYTES])
{
    struct http_response response = { .status = 200 };
    struct buf headers;
    enum err err;

    buf_init(&headers, 0);
    json_open_array(&p->json, NULL);
    err = p->n_cursors > 1 ? fill_from_several(p) : fill_from_one(p);
    if (err != OK) {
        request_fail_store(p->rq, err);
        return;
    }
    if (p->n_left == 0)
        json_close(&p->json);
    put_headers(p, key, &headers);
    response.headers = buf_str(&headers);
    response.body = buf_str(&p->body);
    if (p->n_left == 0) {
        http_respond(p->rq->http, &response);
    } else {
        request_answer_pieces(p->rq, &response, next);
        buf_clear(&p->body);
    }
    buf_clear(&headers);
}
