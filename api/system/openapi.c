// SPDX-License-Identifier: MIT
// openapi.c — shows the OpenAPI document: openapi.json, as built in.

#include "api/system/openapi.h"

#include "api/core/api_request.h"
#include "api/system/handlers.h"

struct showing {
    size_t n_shown_bytes;
};

static struct str next_part(struct showing *s)
{
    struct str part = openapi_files[0].content;

    part.at += s->n_shown_bytes;
    part.n_bytes -= s->n_shown_bytes;

    if (part.n_bytes > HTTP_PIECE_BYTES)
        part.n_bytes = HTTP_PIECE_BYTES;
    s->n_shown_bytes += part.n_bytes;
    return part;
}

static enum http_more next(void *data, struct buf *out)
{
    struct api_request *rq = data;
    struct showing *s = rq->data;

    buf_put_str(out, next_part(s));
    return s->n_shown_bytes < openapi_files[0].content.n_bytes ? HTTP_MORE
                                                               : HTTP_LAST;
}

// Sends the document in pieces: clients without a token may ask for it, and must not
// make the process hold many copies.
void openapi_get(struct api_request *rq)
{
    struct showing *s = arena_take(&rq->arena, sizeof(*s));
    struct http_response first = { .status = 200 };

    s->n_shown_bytes = 0;
    rq->data = s;
    first.body = next_part(s);
    request_answer_pieces(rq, &first, next);
}
