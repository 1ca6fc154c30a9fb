// SPDX-License-Identifier: MIT
// request_routes.c — handlers of the routes that show one attempt of a delivery, and the
// request that it sent, as data and as a command of curl.
//
// The attempts of the delivery are read from the newest on, some in each turn. If several
// have the wanted number, the newest that sent a request is shown.

#include "api/deliveries/handlers.h"

#include <string.h>

#include "api/deliveries/delivery_page.h"
#include "api/json/curl_text.h"
#include "api/json/pulumi_hook_json.h"
#include "common/base/utf8.h"
#include "common/config/config_types.h"
#include "common/model/request_header.h"

#define ROWS_COST    1000 // of one read, as history_query counts
#define HEADERS_MOST 64   // of a request that is shown
#define AGENT        "posthorn/" POSTHORN_VERSION

struct search {
    struct api_request *rq;
    struct page page;
    bool has_number;
    uint64_t number; // of the wanted attempt; without one: the newest
    uint64_t from_no;
    bool is_found;
    bool is_gone; // found, and the payload is not there any more
    // Shows the attempt. False: it is not what is wanted, others may be.
    bool (*show)(struct search *s, const struct attempt *attempt);
};

// --- the attempt ---

static bool has_request(const struct attempt *a)
{
    return !attempt_is_end(a) && str_starts(a->request_url, STR("http"));
}

// The end of a delivery without a request is shown if no attempt with this number sent
// one.
static bool show_attempt(struct search *s, const struct attempt *attempt)
{
    if (attempt_is_end(attempt) && s->page.body.n_bytes > 0)
        return false;
    buf_reset(&s->page.body);
    s->page.json = json_writer(&s->page.body);
    page_print(&s->page, attempt);
    return !attempt_is_end(attempt);
}

// --- the request ---

// Takes the next line "Name: value\r\n". False: there is none.
static bool take_header(struct str *rest, struct curl_header *out)
{
    const char *end =
        rest->n_bytes > 0 ? memchr(rest->at, '\n', rest->n_bytes) : NULL;
    size_t n_line = end != NULL ? (size_t)(end - rest->at) : 0;
    const char *colon = n_line > 0 ? memchr(rest->at, ':', n_line) : NULL;

    if (colon == NULL)
        return false;
    if (rest->at[n_line - 1] == '\r')
        n_line--;
    out->name = (struct str){ rest->at, (size_t)(colon - rest->at) };
    out->value = (struct str){ colon + 1, n_line - out->name.n_bytes - 1 };
    if (out->value.n_bytes > 0 && out->value.at[0] == ' ') {
        out->value.at++;
        out->value.n_bytes--;
    }
    out->is_masked = header_is_mask(out->value);
    rest->n_bytes -= (size_t)(end + 1 - rest->at);
    rest->at = end + 1;
    return true;
}

static const struct curl_header *find(const struct curl_request *request,
                                      const char *name)
{
    for (size_t i = 0; i < request->n_headers; i++) {
        if (str_eq_any_case(request->headers[i].name, str_of(name)))
            return &request->headers[i];
    }
    return NULL;
}

// Reads the headers that the history has, and adds those that it has not: the agent, and
// the engine's own authorization for deployments. Host and Content-Length follow from the
// rest.
static void read_headers(const struct search *s, struct str text,
                         struct curl_header *headers,
                         struct curl_request *request)
{
    const struct config *config = s->rq->api->config;
    const struct curl_header *accept;
    size_t n = 0;

    while (n < HEADERS_MOST - 2 && take_header(&text, &headers[n]))
        n++;
    request->headers = headers;
    request->n_headers = n;
    accept = find(request, "accept");
    if (find(request, "user-agent") == NULL) {
        bool is_lower = accept != NULL && accept->name.at[0] == 'a';

        headers[n++] =
            (struct curl_header){ .name = is_lower ? STR("user-agent")
                                                   : STR("User-Agent"),
                                  .value = STR(AGENT) };
    }
    if (accept != NULL && str_is(accept->value, "application/vnd.pulumi+8") &&
        config->deployments_token_file[0] != '\0' &&
        find(request, "authorization") == NULL) {
        headers[n++] = (struct curl_header){ .name = STR("Authorization"),
                                             .value = STR(HEADER_MASK),
                                             .is_masked = true };
    }
    request->n_headers = n;
}

static void put_headers(const struct curl_request *request,
                        struct json_writer *w)
{
    json_open_array(w, "headers");
    for (size_t i = 0; i < request->n_headers; i++) {
        const struct curl_header *h = &request->headers[i];

        json_open_object(w, NULL);
        json_put_str(w, "name", h->name);
        json_put_str(w, "value", h->value);
        if (h->is_masked) {
            curl_put_variable(h->name, json_open_text(w, "variable"));
            json_close_text(w);
        } else {
            json_put_null(w, "variable");
        }
        json_close(w);
    }
    json_close(w);
}

static void put_body(struct str body, struct json_writer *w)
{
    bool is_text = body.n_bytes == 0 || utf8_is_valid(body.at, body.n_bytes);

    json_put_u64(w, "bodyBytes", body.n_bytes);
    json_put_text(w, "bodyEncoding", is_text ? "utf-8" : "base64");
    if (is_text) {
        json_put_str(w, "body", body);
    } else {
        crypto_put_base64(json_open_text(w, "body"), body.at, body.n_bytes);
        json_close_text(w);
    }
}

static void put_request(struct search *s, const struct attempt *attempt,
                        const struct curl_request *request)
{
    struct json_writer *w = &s->page.json;
    char id[ID_TEXT_BYTES + 1];
    struct buf curl;

    id_format(&attempt->event_id, id);
    buf_init(&curl, 0);
    curl_put(request, &curl);
    json_open_object(w, NULL);
    json_put_text(w, "id", id);
    json_put_u64(w, "attempt", attempt->attempt);
    json_put_i64(w, "timestamp", attempt->started_at_us / 1000000);
    json_put_text(w, "method", request->is_get ? "GET" : "POST");
    json_put_str(w, "url", request->url);
    put_headers(request, w);
    put_body(request->body, w);
    json_put_str(w, "curl", buf_str(&curl));
    json_close(w);
    buf_clear(&curl);
}

static bool show_request(struct search *s, const struct attempt *attempt)
{
    struct curl_header headers[HEADERS_MOST];
    struct curl_request request = { .url = attempt->request_url };
    bool is_ping = position_cmp(attempt->position, position_start) == 0;
    struct buf text;

    if (!has_request(attempt))
        return false;
    request.body = page_payload(&s->page, attempt);
    // Only pings of deployments have no body.
    request.is_get = is_ping && request.body.n_bytes == 0;
    s->is_gone = !is_ping && request.body.n_bytes == 0;
    if (s->is_gone)
        return true;
    buf_init(&text, 0);
    request_put_sent_headers(s->page.rq->api, attempt, &text);
    read_headers(s, buf_str(&text), headers, &request);
    put_request(s, attempt, &request);
    buf_clear(&text);
    return true;
}

// --- the search ---

static bool on_attempt(void *data, uint64_t no, const struct attempt *attempt)
{
    struct search *s = data;

    (void)no;
    if (!id_eq(&attempt->event_id, &s->page.query.id) ||
        (s->has_number && attempt->attempt != s->number))
        return true;
    s->is_found = s->show(s, attempt);
    return !s->is_found;
}

static const char *why_gone(const struct page *p)
{
    if (p->is_erased)
        return PAYLOAD_ERASED;
    return p->is_locked ? PAYLOAD_LOCKED : PAYLOAD_REMOVED;
}

static void respond(struct search *s, enum err err)
{
    struct api_request *rq = s->rq;

    if (err != OK) {
        request_fail_store(rq, err);
    } else if (s->is_gone) {
        http_fail(rq->http, 410, STR_EMPTY, "%s", why_gone(&s->page));
    } else if (s->page.body.n_bytes > 0) {
        request_answer(rq, 200, buf_str(&s->page.body));
    } else if (s->has_number && rq->match.params[PARAM_ATTEMPT].n_bytes > 0) {
        request_fail_missing(rq, PARAM_ATTEMPT);
    } else {
        http_fail(rq->http, 404, STR_EMPTY,
                  "this webhook was sent no such request");
    }
}

// Always one read; the next turn goes on.
static bool work(struct api_request *rq, int64_t until_us)
{
    struct search *s = rq->data;
    struct history_query query = { .owner_no = s->page.owner_no,
                                   .event = s->page.event,
                                   .from_no = s->from_no,
                                   .max_rows = ROWS_COST,
                                   .until_us = until_us };
    enum err err = history_scan(rq->api->shards[s->page.cursors[0].shard],
                                &query, on_attempt, s);

    s->from_no = query.last_no;
    if (err == OK && !s->is_found && !query.is_end)
        return false;
    respond(s, err);
    return true;
}

static void search_clear(struct api_request *rq)
{
    struct search *s = rq->data;

    page_clear(&s->page);
}

// Reads the number of an attempt. False: it is not one.
static bool read_number(struct search *s, struct str text)
{
    s->has_number = true;
    return config_read_count(text, 0, UINT32_MAX, &s->number) == OK;
}

// False: the request has been answered.
static bool read_parameter(struct search *s)
{
    struct api_request *rq = s->rq;
    struct buf text;
    bool is_good = true;
    enum err err;

    buf_init(&text, 0);
    err = http_query(rq->http, "attempt", &text);
    if (err == OK)
        is_good = read_number(s, buf_str(&text));
    if (!is_good || err == ERR_INVALID) {
        http_fail(rq->http, 400, STR_EMPTY,
                  "attempt: this is not allowed; allowed: a number from 0");
        is_good = false;
    }
    buf_clear(&text);
    return is_good;
}

static struct search *search_new(struct api_request *rq)
{
    struct search *s = arena_take(&rq->arena, sizeof(*s));

    memset(s, 0, sizeof(*s));
    s->rq = rq;
    s->page.rq = rq;
    page_init(&s->page);
    rq->data = s;
    rq->on_free = search_clear;
    return s;
}

static void begin(struct search *s)
{
    struct api_request *rq = s->rq;
    struct hook_scope scope;
    enum err err;

    if (!request_hook_no(rq, &scope, &s->page.owner_no))
        return;
    if (id_parse(rq->match.params[PARAM_EVENT], &s->page.query.id) != OK) {
        request_fail_missing(rq, PARAM_EVENT);
        return;
    }
    s->page.query.has_id = true;
    s->page.cursors[0].shard =
        queue_shard_of(s->page.owner_no, rq->api->n_shards);
    err = page_find_event(&s->page, &scope);
    if (err != OK) {
        request_fail_store(rq, err);
    } else if (request_count(rq)) {
        request_work(rq, work);
    }
}

void attempts_get(struct api_request *rq)
{
    struct search *s = search_new(rq);

    s->show = show_attempt;
    if (read_number(s, rq->match.params[PARAM_ATTEMPT])) {
        begin(s);
    } else {
        request_fail_missing(rq, PARAM_ATTEMPT);
    }
}

void requests_get(struct api_request *rq)
{
    struct search *s = search_new(rq);

    s->show = show_request;
    if (read_parameter(s))
        begin(s);
}
