// SPDX-License-Identifier: MIT
// dashboard_files.c — serves the page and what belongs to it, as built in.

#include "api/dashboard/dashboard_files.h"

#include <assert.h>

#include "api/core/api_request.h"
#include "api/dashboard/handlers.h"
#include "api/dashboard/negotiation.h"

#define PAGE "index.html"

// What the page may do, and who may do something with it: only files of this server are
// loaded, no text becomes code or markup, and no other page gets hold of this one.
static const char protection[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; "
    "style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Cache-Control: no-cache\r\n";

static const struct embedded_file *find(struct str path)
{
    for (size_t i = 0; i < n_web_files; i++) {
        if (str_is(path, web_files[i].path))
            return &web_files[i];
    }
    return NULL;
}

// --- a long file, in pieces ---

struct showing {
    struct str rest; // of the file, borrowed
};

static struct str next_part(struct showing *s)
{
    struct str part = s->rest;

    if (part.n_bytes > HTTP_PIECE_BYTES)
        part.n_bytes = HTTP_PIECE_BYTES;
    s->rest.at += part.n_bytes;
    s->rest.n_bytes -= part.n_bytes;
    return part;
}

static enum http_more next(void *data, struct buf *out)
{
    struct api_request *rq = data;
    struct showing *s = rq->data;

    buf_put_str(out, next_part(s));
    return s->rest.n_bytes > 0 ? HTTP_MORE : HTTP_LAST;
}

// Clients without a token may ask for files, and must not make the process hold many
// copies.
static void send_content(struct api_request *rq, struct http_response *response)
{
    struct showing *s = arena_take(&rq->arena, sizeof(*s));

    if (response->body.n_bytes <= HTTP_PIECE_BYTES) {
        http_respond(rq->http, response);
        return;
    }
    s->rest = response->body;
    rq->data = s;
    response->body = next_part(s);
    request_answer_pieces(rq, response, next);
}

static void send_file(struct api_request *rq, const struct embedded_file *file)
{
    struct http_response response = { .status = 200,
                                      .content_type = str_of(file->type),
                                      .body = file->content };
    bool is_packed =
        file->gzip.n_bytes > 0 &&
        negotiation_takes_gzip(http_header(rq->http, "accept-encoding"));
    struct buf etag, headers;

    buf_init(&etag, 0);
    buf_init(&headers, 0);
    buf_printf(&etag, "%s%s", file->hash, is_packed ? "-gz" : "");
    buf_printf(&headers, "%sETag: \"%s\"\r\nVary: Accept-Encoding\r\n",
               protection, buf_cstr(&etag));
    if (is_packed) {
        buf_puts(&headers, "Content-Encoding: gzip\r\n");
        response.body = file->gzip;
    }
    if (negotiation_has(http_header(rq->http, "if-none-match"),
                        buf_str(&etag))) {
        response.status = 304;
        response.body = STR_EMPTY;
    }
    response.headers = buf_str(&headers);
    send_content(rq, &response);
    buf_clear(&etag);
    buf_clear(&headers);
}

void dashboard_file(struct api_request *rq)
{
    const struct embedded_file *file = find(rq->match.params[PARAM_PATH]);

    if (file == NULL)
        file = find(STR(PAGE));
    assert(file != NULL); // the build would lack its page
    send_file(rq, file);
}

bool dashboard_welcome(struct api_request *rq)
{
    struct http_response response = { .status = 302 };
    struct buf headers;

    if (!str_is(rq->http->path, "/") ||
        (rq->http->method != METHOD_GET && rq->http->method != METHOD_HEAD) ||
        !negotiation_asks_html(http_header(rq->http, "accept")))
        return false;
    buf_init(&headers, 0);
    buf_printf(&headers, "%sLocation: /dashboard\r\nVary: Accept\r\n",
               protection);
    response.headers = buf_str(&headers);
    http_respond(rq->http, &response);
    buf_clear(&headers);
    return true;
}
