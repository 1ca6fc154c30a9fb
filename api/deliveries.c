// deliveries.c — handlers of the routes that show the history.
//
// A page is built from many short reads of the history, so that no read pins
// database pages for long. It ends at the limit, at PAGE_BYTES, or at PAGE_COST
// when a filter finds little; then a cursor says where to go on. So a page may
// be short, even empty, and still not be the last.
//
// An organization's history lies in all shards: there the newest of their next
// rows goes first.

#include "api/deliveries.h"

#include <string.h>

#include "api/delivery_json.h"
#include "api/delivery_query.h"
#include "api/headers_json.h"
#include "api/hook_json.h"
#include "api/paging.h"
#include "api/server.h"
#include "common/codec.h"
#include "common/log.h"

#define PAGE_BYTES    (8 << 20)
#define COST_PER_READ 2000
#define COST_PER_HEAD 10
#define PAGE_COST     20000 // as history_query counts: a millisecond or two

// Where a page is in the history of one shard.
struct lane {
    unsigned shard;
    uint64_t from_no; // rows from here on are done; 0: none yet
    bool is_end;
    int64_t head_at_us; // of its next row; INT64_MIN: not known yet
};

struct page {
    struct call *call;
    struct delivery_query query;
    struct buf body;
    struct buf payload; // of the row at hand
    uint64_t owner_no;
    const struct position *event;        // whose attempts alone; NULL: all
    struct lane lanes[QUEUE_SHARDS_MAX]; // a hook has one
    unsigned n_lanes;
    size_t n_rows; // in the body
    size_t n_cost; // as history_query counts
    bool has_more; // at least one row is left
    bool names_hooks;
    uint64_t named_no;    // the hook whose name is in `hook_name`
    struct buf hook_name; // JSON members
};

static bool take_hook_no(void *data, const struct hook *hook)
{
    uint64_t *hook_no = data;

    *hook_no = hook->no;
    return false;
}

struct wanted_payload {
    struct hook_store *hooks;
    const struct attempt *attempt;
    struct buf *out;
};

// What lies there may be somebody else's, where pages of the log are in each
// other's places.
static bool copy_payload(void *data, const struct event *event)
{
    struct wanted_payload *w = data;
    uint64_t org_no;

    if (id_eq(&event->id, &w->attempt->event_id) &&
        org_number(w->hooks, event->family, event->org, &org_no) == OK &&
        org_no == w->attempt->org_no)
        buf_put_str(w->out, event->payload);
    return false;
}

// What was sent: the row's own, or the event's, or "" once that is removed.
static struct str payload_of(struct page *p, const struct attempt *attempt)
{
    struct event_view *events = p->call->api->events;
    struct wanted_payload wanted = { p->call->api->hooks, attempt,
                                     &p->payload };
    enum err err;

    if (attempt->payload.n_bytes > 0)
        return attempt->payload;
    buf_reset(&p->payload);
    err = event_view_get(events, attempt->position, copy_payload, &wanted);
    if (err != OK && err != ERR_NOTFOUND) {
        log_warn("payload not readable", "hook=%llu reason=%s",
                 (unsigned long long)attempt->hook_no,
                 log_quote(str_of(err_str(err))));
    }
    return buf_str(&p->payload);
}

static bool is_full(const struct page *p)
{
    return p->n_rows == p->query.limit || p->body.n_bytes >= PAGE_BYTES;
}

// Empty unless rows are of several hooks.
static struct str hook_name_of(struct page *p, uint64_t hook_no)
{
    if (p->names_hooks && p->named_no != hook_no) {
        p->named_no = hook_no;
        buf_reset(&p->hook_name);
        call_put_hook(p->call->api, hook_no, &p->hook_name);
    }
    return buf_str(&p->hook_name);
}

// --- pages ---

static void print(struct page *p, const struct attempt *attempt,
                  struct str members)
{
    struct attempt shown = *attempt;
    struct buf headers;

    buf_init(&headers, 0);
    if (headers_are_sealed(attempt->request_headers)) {
        enum err err =
            headers_open(p->call->api->hooks, attempt->hook_no,
                         attempt->position, attempt->request_headers, &headers);

        if (err != OK) {
            log_warn("request headers do not open", "hook=%llu reason=%s",
                     (unsigned long long)attempt->hook_no,
                     log_quote(str_of(err_str(err))));
        }
    } else {
        headers_mask_text(attempt->request_headers, &headers);
    }
    shown.request_headers = buf_str(&headers);
    delivery_print(&shown, payload_of(p, attempt), members, &p->body);
    buf_clear(&headers);
}

static void put_row(struct page *p, const struct attempt *attempt)
{
    if (p->n_rows++ > 0)
        buf_putc(&p->body, ',');
    print(p, attempt, hook_name_of(p, attempt->hook_no));
}

static bool visit_row(void *data, uint64_t no, const struct attempt *attempt)
{
    struct page *p = data;

    (void)no;
    if (p->query.has_id && !id_eq(&p->query.id, &attempt->event_id))
        return true; // another ping
    if (is_full(p)) {
        p->has_more = true; // this row, at least
        return false;
    }
    put_row(p, attempt);
    return true;
}

// One read of a lane: short, so that it pins no database pages for long.
static enum err read_lane(struct page *p, struct lane *lane,
                          attempt_visit visit)
{
    struct history_query query = { .owner_no = p->owner_no,
                                   .event = p->event,
                                   .filter = &p->query.filter,
                                   .from_no = lane->from_no,
                                   .max_rows = COST_PER_READ };
    enum err err =
        history_scan(p->call->api->shards[lane->shard], &query, visit, p);

    lane->from_no = query.last_no;
    lane->is_end = query.is_end;
    p->n_cost += COST_PER_READ;
    return err;
}

static enum err fill_from_one(struct page *p)
{
    struct lane *lane = &p->lanes[0];
    enum err err;

    do {
        err = read_lane(p, lane, visit_row);
    } while (err == OK && !lane->is_end && !p->has_more &&
             p->n_cost < PAGE_COST);
    p->has_more = p->has_more || !lane->is_end;
    return err;
}

// --- pages of several shards ---

struct head {
    struct page *page;
    struct lane *lane;
    bool is_taken; // print it; else only its time is wanted
    bool is_found;
};

static bool visit_head(void *data, uint64_t no, const struct attempt *attempt)
{
    struct head *h = data;

    (void)no;
    if (h->is_found)
        return false; // one is enough
    h->is_found = true;
    h->lane->head_at_us = attempt->started_at_us;
    if (h->is_taken)
        put_row(h->page, attempt);
    return h->is_taken;
}

static enum err read_head(struct page *p, struct lane *lane, bool is_taken)
{
    struct head head = { .page = p, .lane = lane, .is_taken = is_taken };
    enum err err = OK;

    while (err == OK && !head.is_found && !lane->is_end &&
           p->n_cost < PAGE_COST) {
        struct history_query query = { .owner_no = p->owner_no,
                                       .filter = &p->query.filter,
                                       .from_no = lane->from_no,
                                       .max_rows = COST_PER_READ };

        err = history_scan(p->call->api->shards[lane->shard], &query,
                           visit_head, &head);
        lane->from_no = query.last_no;
        lane->is_end = query.is_end && !head.is_found;
        p->n_cost += head.is_found ? COST_PER_HEAD : COST_PER_READ;
    }
    return err;
}

// The lane whose next row is the newest. NULL: none has any, or nothing more
// may be read.
static struct lane *newest_lane(struct page *p, enum err *err)
{
    struct lane *newest = NULL;

    for (unsigned i = 0; i < p->n_lanes; i++) {
        struct lane *lane = &p->lanes[i];

        if (lane->head_at_us == INT64_MIN && *err == OK)
            *err = read_head(p, lane, false);
        if (lane->head_at_us != INT64_MIN &&
            (newest == NULL || lane->head_at_us > newest->head_at_us))
            newest = lane;
        p->has_more = p->has_more || !lane->is_end;
    }
    return newest;
}

static enum err fill_from_several(struct page *p)
{
    struct lane *lane;
    enum err err = OK;

    for (;;) {
        p->has_more = false;
        lane = newest_lane(p, &err);
        if (err != OK || lane == NULL || is_full(p) || p->n_cost >= PAGE_COST)
            return err;
        err = read_head(p, lane, true);
        lane->head_at_us = INT64_MIN;
    }
}

static void put_headers(const struct page *p, const uint8_t key[SHA256_BYTES],
                        struct buf *out)
{
    uint64_t row_nos[QUEUE_SHARDS_MAX];
    struct buf cursor;

    if (!p->has_more)
        return;
    for (unsigned i = 0; i < p->n_lanes; i++)
        row_nos[i] = p->lanes[i].from_no;
    buf_init(&cursor, 0);
    cursor_put(key, p->owner_no, row_nos, p->n_lanes, &cursor);
    page_put_headers(p->call->request, buf_str(&cursor), out);
    buf_clear(&cursor);
}

static void page_init(struct page *p)
{
    buf_init(&p->body, 0);
    buf_init(&p->payload, 0);
    buf_init(&p->hook_name, 0);
}

static void page_clear(struct page *p)
{
    buf_clear(&p->hook_name);
    buf_clear(&p->payload);
    buf_clear(&p->body);
}

static void answer_page(struct page *p, const uint8_t key[SHA256_BYTES])
{
    struct http_response response = { .status = 200 };
    struct buf headers;
    enum err err;

    page_init(p);
    buf_init(&headers, 0);
    buf_putc(&p->body, '[');
    err = p->n_lanes > 1 ? fill_from_several(p) : fill_from_one(p);
    buf_putc(&p->body, ']');
    if (err == OK) {
        put_headers(p, key, &headers);
        response.headers = buf_str(&headers);
        response.body = buf_str(&p->body);
        http_respond(p->call->request, &response);
    } else {
        call_fail_store(p->call, err);
    }
    buf_clear(&headers);
    page_clear(p);
}

// --- one record ---

#define COST_SHOWN 1000 // of a search among the attempts of one event

struct shown {
    struct page page;
    const struct answer *answer;
    bool is_found;
};

static bool show_row(void *data, uint64_t no, const struct attempt *attempt)
{
    struct shown *s = data;

    (void)no;
    if (attempt->started_at_us != s->answer->started_at_us ||
        !id_eq(&attempt->event_id, &s->answer->event_id))
        return true;
    s->is_found = true;
    print(&s->page, attempt, STR_EMPTY);
    return false;
}

void deliveries_show(struct call *c, uint64_t hook_no,
                     const struct answer *answer)
{
    struct shown s = { .page = { .call = c, .owner_no = hook_no },
                       .answer = answer };
    unsigned shard = queue_shard_of(hook_no, c->api->n_shards);
    struct position event;
    struct history_query query = { .owner_no = hook_no,
                                   .event = &event,
                                   .max_rows = COST_SHOWN };
    enum err err;

    memcpy(event.bytes, answer->position, sizeof(event.bytes));
    page_init(&s.page);
    err = history_scan(c->api->shards[shard], &query, show_row, &s);
    if (err == OK && !s.is_found)
        err = ERR_CORRUPT;
    if (err == OK) {
        call_answer(c, 200, buf_str(&s.page.body));
    } else {
        call_fail_store(c, err);
    }
    page_clear(&s.page);
}

// --- lists ---

// ERR_NOTFOUND: there is no such hook.
static enum err find_hook(struct call *c, const struct hook_scope *scope,
                          uint64_t *hook_no)
{
    struct str name = c->match.params[PARAM_HOOK];

    if (!hook_name_is_valid(name))
        return ERR_NOTFOUND;
    return hook_get(c->api->hooks, scope, name, take_hook_no, hook_no);
}

static bool read_query(struct call *c, struct delivery_query *out)
{
    struct buf why;
    bool is_good;

    buf_init(&why, 4096);
    is_good = delivery_query_read(c->request, &c->arena, out, &why) == OK;
    if (!is_good)
        http_fail(c->request, 400, STR_EMPTY, "%s", buf_cstr(&why));
    buf_clear(&why);
    return is_good;
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

// With an id, only that event's attempts are read. One that is in no log may have
// been removed, and its id tells where it was; or it is a ping's.
static enum err find_event(struct page *p, const struct hook_scope *scope,
                           struct position *out)
{
    const struct api *api = p->call->api;
    struct trace trace = { .id = &p->query.id };
    enum err err;

    if (!p->query.has_id)
        return OK;
    p->event = out;
    err = event_view_find(api->events, scope->family, scope->org, &p->query.id,
                          out);
    if (err != ERR_NOTFOUND)
        return err;
    put_be64(out->bytes, id_serial(&p->query.id));
    err = history_of_event(api->shards[p->lanes[0].shard], out, 1, on_trace,
                           &trace);
    if (!trace.is_found)
        *out = position_start;
    return err;
}

// Begins where the query's token says. False: it is not good; answered.
static bool set_lanes(struct page *p, const uint8_t key[SHA256_BYTES],
                      unsigned first_shard, unsigned n)
{
    uint64_t row_nos[QUEUE_SHARDS_MAX] = { 0 };
    enum err err = OK;

    if (p->query.cursor.n_bytes > 0 &&
        cursor_read(key, p->query.cursor, p->owner_no, row_nos, n) != OK) {
        http_fail(p->call->request, 400, STR_EMPTY,
                  "continuationToken is not one that this server gave out for "
                  "this list");
        return false;
    }
    p->n_lanes = n;
    // Where the history ends now: what comes later is on no page of this list.
    for (unsigned i = 0; i < n && p->query.cursor.n_bytes == 0 && err == OK;
         i++)
        err = history_end(p->call->api->shards[first_shard + i], &row_nos[i]);
    if (err != OK) {
        call_fail_store(p->call, err);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        p->lanes[i] = (struct lane){ .shard = first_shard + i,
                                     .from_no = row_nos[i],
                                     .head_at_us = INT64_MIN };
    }
    return true;
}

void deliveries_list(struct call *c)
{
    struct page *page = arena_take(&c->arena, sizeof(*page));
    uint8_t key[SHA256_BYTES];
    struct position event;
    struct hook_scope scope;
    enum err err;

    memset(page, 0, sizeof(*page));
    page->call = c;
    if (!call_scope(c, &scope) || !read_query(c, &page->query))
        return;
    err = find_hook(c, &scope, &page->owner_no);
    if (err == ERR_NOTFOUND && c->match.route->is_akinon) {
        http_fail(c->request, 404, STR_EMPTY, "Webhook not found");
        return;
    }
    if (err == ERR_NOTFOUND) { // as Pulumi Cloud does
        call_answer(c, 200, STR("[]"));
        return;
    }
    if (err != OK) {
        call_fail_store(c, err);
        return;
    }
    auth_key(c->api->auth, "deliveries", key);
    if (!set_lanes(page, key, queue_shard_of(page->owner_no, c->api->n_shards),
                   1))
        return;
    err = find_event(page, &scope, &event);
    if (err == OK) {
        answer_page(page, key);
    } else {
        call_fail_store(c, err);
    }
}

void deliveries_list_org(struct call *c)
{
    struct page *page = arena_take(&c->arena, sizeof(*page));
    uint8_t key[SHA256_BYTES];
    struct hook_scope scope;

    memset(page, 0, sizeof(*page));
    page->call = c;
    page->names_hooks = true;
    if (!call_scope(c, &scope) || !read_query(c, &page->query))
        return;
    if (page->query.has_id) {
        http_fail(c->request, 400, STR_EMPTY,
                  "id: not here; an event is at /api/orgs/{org}/events/{id}");
        return;
    }
    if (!call_org_no(c, &scope, &page->owner_no))
        return;
    auth_key(c->api->auth, "deliveries", key);
    if (set_lanes(page, key, 0, c->api->n_shards))
        answer_page(page, key);
}
