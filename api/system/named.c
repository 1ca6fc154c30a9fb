// SPDX-License-Identifier: MIT
// named.c — lists of named stacks and environments, in pages.
//
// A page ends after SCAN_MAX names were read, shown or not, so that a request for a
// few among many names does not delay other requests. A page without rows may have
// another page after it.

#include "api/system/named.h"

#include "api/json/pagination.h"
#include "common/base/text.h"
#include "common/model/operator.h"

#define SCAN_MAX 500

struct listing {
    const struct named_style *style;
    struct buf body;
    struct json_writer json;
};

static void put_row(void *data, const struct stack_name *name)
{
    struct listing *l = data;

    if (!operator_is_org(name->org))
        l->style->put(name, &l->json);
}

static void listing_init(struct listing *l, const struct named_style *style)
{
    *l = (struct listing){ .style = style };
    buf_init(&l->body, 0);
    l->json = json_writer(&l->body);
    json_open_object(&l->json, NULL);
    json_open_array(&l->json, style->name);
}

void named_answer_none(struct api_request *rq, const struct named_style *style)
{
    struct listing l;

    listing_init(&l, style);
    json_close(&l.json);
    json_close(&l.json);
    request_answer(rq, 200, buf_str(&l.body));
    buf_clear(&l.body);
}

// The text that a page's token is bound to: this list with these filters.
static struct str list_of(struct api_request *rq,
                          const struct named_style *style,
                          const struct stack_query *q)
{
    struct buf list;
    struct str copy;

    buf_init(&list, 0);
    buf_puts(&list, style->name);
    buf_putc(&list, '\0');
    buf_put_str(&list, q->org);
    buf_putc(&list, '\0');
    buf_put_str(&list, q->project);
    copy = arena_copy(&rq->arena, buf_str(&list));
    buf_clear(&list);
    return copy;
}

// False: the token was not made by this server; the request has been answered.
static bool read_cursor(struct api_request *rq, const uint8_t key[SHA256_BYTES],
                        struct str list, struct buf *cursor)
{
    struct buf text;
    enum err err;

    buf_init(&text, 0);
    err = http_query(rq->http, "continuationToken", &text);
    if (err == OK && text.n_bytes > 0)
        err = page_token_read(key, list, buf_str(&text), cursor);
    buf_clear(&text);
    if (err == OK || err == ERR_NOTFOUND)
        return true;
    http_fail(
        rq->http, 400, STR_EMPTY,
        "continuationToken is not one that this server gave out for this list");
    return false;
}

static void answer_page(struct api_request *rq, const struct named_style *style,
                        const struct stack_query *q)
{
    uint8_t key[SHA256_BYTES];
    struct str list = list_of(rq, style, q);
    struct listing l;
    struct buf cursor;
    enum err err;

    auth_key(rq->api->auth, "named", key);
    buf_init(&cursor, 0);
    if (read_cursor(rq, key, list, &cursor)) {
        listing_init(&l, style);
        err = stack_list(rq->api->stacks, q, SCAN_MAX, &cursor, put_row, &l);
        json_close(&l.json);
        if (cursor.n_bytes > 0) {
            page_token_put(key, list, buf_str(&cursor),
                           json_open_text(&l.json, style->token));
            json_close_text(&l.json);
        }
        json_close(&l.json);
        if (err == OK) {
            request_answer(rq, 200, buf_str(&l.body));
        } else {
            request_fail_store(rq, err);
        }
        buf_clear(&l.body);
    }
    buf_clear(&cursor);
}

void named_answer(struct api_request *rq, const struct named_style *style,
                  struct str org, struct str project)
{
    struct stack_query q = { .is_env = style->is_env,
                             .org = org,
                             .project = project };
    struct str own = { rq->grant.org, rq->grant.n_org_bytes };
    bool is_others =
        !rq->grant.is_admin && org.n_bytes > 0 && !str_eq(org, own);

    if (!rq->grant.is_admin)
        q.org = own;
    if (is_others || (q.org.n_bytes > 0 && !text_is_name(q.org)) ||
        (project.n_bytes > 0 && !text_is_name(project))) {
        named_answer_none(rq, style); // nothing can have such a name
    } else {
        answer_page(rq, style, &q);
    }
}
