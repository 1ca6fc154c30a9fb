// deliveries.c — handlers of the routes that show a hook's history.
//
// A page is built from many short reads of the history, so that no read pins
// database pages for long. It ends at the limit, at PAGE_BYTES, or when
// SCAN_MAX rows were looked at for a filter; then a cursor says where to go
// on. So a page may be short, even empty, and still not be the last.

#include "api/deliveries.h"

#include <string.h>

#include "api/delivery_json.h"
#include "api/delivery_query.h"
#include "api/hook_json.h"
#include "api/paging.h"
#include "api/server.h"
#include "common/log.h"

#define PAGE_BYTES    (8 << 20)
#define ROWS_PER_READ 200
#define SCAN_MAX      20000 // rows of one request

struct page {
    struct call *call;
    struct delivery_query query;
    struct buf body;
    struct buf payload; // of the row at hand
    uint64_t hook_no;
    const struct position *event; // whose attempts alone; NULL: all
    uint64_t before_no;           // rows from here on are done; 0: none yet
    size_t n_rows;                // in the body
    size_t n_scanned;
    size_t n_read; // by the read at hand
    bool has_more; // at least one row is left
};

static bool take_hook_no(void *data, const struct hook *hook)
{
    uint64_t *hook_no = data;

    *hook_no = hook->no;
    return false;
}

static bool copy_payload(void *data, const struct event *event)
{
    buf_put_str(data, event->payload);
    return false;
}

// What was sent: the row's own, or the event's, or "" once that is removed.
static struct str payload_of(struct page *p, const struct attempt *attempt)
{
    struct event_view *events = p->call->api->events;
    enum err err;

    if (attempt->payload.n_bytes > 0)
        return attempt->payload;
    buf_reset(&p->payload);
    err = event_view_get(events, attempt->position, copy_payload, &p->payload);
    if (err != OK && err != ERR_NOTFOUND) {
        log_warn("payload not readable", "hook=%llu reason=%s",
                 (unsigned long long)p->hook_no,
                 log_quote(str_of(err_str(err))));
    }
    return buf_str(&p->payload);
}

static bool is_full(const struct page *p)
{
    return p->n_rows == p->query.limit || p->body.n_bytes >= PAGE_BYTES ||
           p->n_scanned == SCAN_MAX;
}

// The filter `state` is about deliveries, and shows each by its newest attempt.
static bool is_now(struct page *p, uint64_t no, const struct attempt *attempt)
{
    struct api *api = p->call->api;
    bool is_now_so = false;

    if (history_is_now(api->shards[queue_shard_of(p->hook_no, api->n_shards)],
                       no, attempt, &is_now_so) != OK)
        log_warn("history not readable", "row=%llu", (unsigned long long)no);
    return is_now_so;
}

static bool visit_row(void *data, uint64_t no, const struct attempt *attempt)
{
    struct page *p = data;

    if (is_full(p)) {
        p->has_more = true; // this row, at least
        return false;
    }
    p->n_read++;
    p->n_scanned++;
    p->before_no = no;
    if (!delivery_query_wants(&p->query, attempt) ||
        (p->query.has_state && !is_now(p, no, attempt)))
        return true;
    if (p->n_rows++ > 0)
        buf_putc(&p->body, ',');
    delivery_print(attempt, payload_of(p, attempt), &p->body);
    return true;
}

static enum err fill(struct page *p)
{
    struct api *api = p->call->api;
    unsigned shard = queue_shard_of(p->hook_no, api->n_shards);
    enum err err = OK;

    do {
        struct history_query query = { .hook_no = p->hook_no,
                                       .event = p->event,
                                       .before_no = p->before_no,
                                       .limit = ROWS_PER_READ };

        p->n_read = 0;
        err = history_scan(api->shards[shard], &query, visit_row, p);
    } while (err == OK && p->n_read > 0 && !p->has_more);
    return err;
}

static void put_headers(const struct page *p, const uint8_t key[SHA256_BYTES],
                        struct buf *out)
{
    struct buf cursor;

    if (!p->has_more)
        return;
    buf_init(&cursor, 0);
    cursor_put(key, p->hook_no, p->before_no, &cursor);
    page_put_headers(p->call->request, buf_str(&cursor), out);
    buf_clear(&cursor);
}

static void answer_page(struct page *p, const uint8_t key[SHA256_BYTES])
{
    struct http_response response = { .status = 200 };
    struct buf headers;
    enum err err;

    buf_init(&p->body, 0);
    buf_init(&p->payload, 0);
    buf_init(&headers, 0);
    buf_putc(&p->body, '[');
    err = fill(p);
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
    buf_clear(&p->payload);
    buf_clear(&p->body);
}

// --- one record ---

#define ROWS_SHOWN 100 // attempts of one event that are searched for one

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
    delivery_print(attempt, payload_of(&s->page, attempt), &s->page.body);
    return false;
}

void deliveries_show(struct call *c, uint64_t hook_no,
                     const struct answer *answer)
{
    struct shown s = { .page = { .call = c, .hook_no = hook_no },
                       .answer = answer };
    unsigned shard = queue_shard_of(hook_no, c->api->n_shards);
    struct position event;
    struct history_query query = { .hook_no = hook_no,
                                   .event = &event,
                                   .limit = ROWS_SHOWN };
    enum err err;

    memcpy(event.bytes, answer->position, sizeof(event.bytes));
    buf_init(&s.page.body, 0);
    buf_init(&s.page.payload, 0);
    err = history_scan(c->api->shards[shard], &query, show_row, &s);
    if (err == OK && !s.is_found)
        err = ERR_CORRUPT;
    if (err == OK) {
        call_answer(c, 200, buf_str(&s.page.body));
    } else {
        call_fail_store(c, err);
    }
    buf_clear(&s.page.payload);
    buf_clear(&s.page.body);
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

// With an id, only that event's attempts are read. One that is in no log may
// be a ping's.
static enum err find_event(struct page *p, const struct hook_scope *scope,
                           struct position *out)
{
    enum err err;

    if (!p->query.has_id)
        return OK;
    err = event_view_find(p->call->api->events, scope->family, scope->org,
                          &p->query.id, out);
    if (err == ERR_NOTFOUND) {
        *out = position_start;
        err = OK;
    }
    p->event = out;
    return err;
}

void deliveries_list(struct call *c)
{
    struct page page = { .call = c };
    uint8_t key[SHA256_BYTES];
    struct position event;
    struct hook_scope scope;
    enum err err;

    if (!call_scope(c, &scope) || !read_query(c, &page.query))
        return;
    err = find_hook(c, &scope, &page.hook_no);
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
    if (page.query.cursor.n_bytes > 0 &&
        cursor_read(key, page.query.cursor, page.hook_no, &page.before_no) !=
            OK) {
        http_fail(c->request, 400, STR_EMPTY,
                  "continuationToken is not one that this server gave out for "
                  "this webhook");
        return;
    }
    err = find_event(&page, &scope, &event);
    if (err == OK) {
        answer_page(&page, key);
    } else {
        call_fail_store(c, err);
    }
}
