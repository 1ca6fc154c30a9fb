// SPDX-License-Identifier: MIT
// dashboard_files.c — serves the page and what belongs to it, as built in.

#include "api/dashboard/dashboard_files.h"

#include <assert.h>
#include <string.h>

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
    "Cross-Origin-Resource-Policy: same-origin\r\n";

// How long a browser may take what it has. The page names the files of its own program, so
// an old one must not be shown; under an address with the hash of all files lies the same
// for ever; and a file under its plain name is another after an upgrade.
static const char never[] = "no-store";
static const char always[] = "public, max-age=31536000, immutable";
static const char if_same[] = "no-cache";

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

static void send_file(struct api_request *rq, const struct embedded_file *file,
                      const char *may_keep)
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
    buf_printf(&headers,
               "%sCache-Control: %s\r\nETag: \"%s\"\r\n"
               "Vary: Accept-Encoding\r\n",
               protection, may_keep, buf_cstr(&etag));
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

// Takes "~HASH/" from the beginning of a path. False: it does not begin so, or with the
// hash of other files.
static bool take_hash(struct str *path)
{
    const size_t n = strlen(web_files_hash);

    if (path->n_bytes < n + 2 || path->at[n + 1] != '/' ||
        memcmp(path->at + 1, web_files_hash, n) != 0)
        return false;
    path->at += n + 2;
    path->n_bytes -= n + 2;
    return true;
}

// Of an address with a hash. What another program had is not here: a page that asks for it
// loads itself again, and gets this program's.
static void send_hashed(struct api_request *rq, struct str path)
{
    const struct embedded_file *file = take_hash(&path) ? find(path) : NULL;

    if (file != NULL && !str_is(path, PAGE)) {
        send_file(rq, file, always);
        return;
    }
    rq->http->is_private = true;
    http_fail(rq->http, 404, STR_EMPTY,
              "no such file; other versions of the dashboard had others");
}

void dashboard_file(struct api_request *rq)
{
    const struct str path = rq->match.params[PARAM_PATH];
    const struct embedded_file *file = find(path);
    const struct embedded_file *page = find(STR(PAGE));

    assert(page != NULL); // or the build lacks it
    if (str_starts(path, STR("~"))) {
        send_hashed(rq, path);
    } else if (file != NULL && file != page) {
        send_file(rq, file, if_same);
    } else {
        send_file(rq, page, never);
    }
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
    buf_printf(&headers,
               "%sCache-Control: %s\r\nLocation: /dashboard\r\n"
               "Vary: Accept\r\n",
               protection, if_same);
    response.headers = buf_str(&headers);
    http_respond(rq->http, &response);
    buf_clear(&headers);
    return true;
}
