// SPDX-License-Identifier: MIT
// token_routes.c — handlers of the routes that make, list and revoke tokens.
//
// A token is shown once, in the answer that made it; what is stored is its
// hash. The tokens of the operator's organization are admin tokens. Only admin tokens come
// here.

#include "api/system/handlers.h"

#include <inttypes.h>
#include <string.h>

#include "api/core/api_request.h"
#include "api/core/audit.h"
#include "api/json/json_members.h"
#include "api/json/scopes_json.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/config/config_types.h"
#include "common/encoding/crypto.h"
#include "common/http/authentication.h"
#include "common/log/log.h"
#include "common/model/akinon_names.h"
#include "common/model/operator.h"

#define TOKEN_PREFIX "pht_"
#define TOKEN_RANDOM 32
#define ID_RANDOM    8
// How long a token that was replaced goes on being valid.
#define OVERLAP_MS     (INT64_C(24) * 3600 * 1000)
#define OVERLAP_MAX_MS (30 * OVERLAP_MS)

#define LABEL_MAX   100                   // bytes
#define SECONDS_MAX INT64_C(253402300799) // the end of the year 9999

// Reads an organization of either API; Akinon's ids are put in lower case. False: it is
// invalid; the request has been answered.
static bool read_org(struct api_request *rq, struct str *out)
{
    char lower[AKINON_ID_BYTES];

    *out = rq->match.params[PARAM_ORG];
    if (akinon_is_id(*out)) {
        akinon_lower_id(*out, lower);
        *out = arena_copy(&rq->arena, (struct str){ lower, sizeof(lower) });
    }
    if (text_is_name(*out))
        return true;
    http_fail(rq->http, 400, STR_EMPTY,
              "the organization's name must be 1 to %d of A-Z a-z 0-9 . _ -",
              NAME_MAX_BYTES);
    return false;
}

// --- printing ---

// Puts a token. `secret` is the token itself in the answer that made it, else empty.
static void put_token(const struct token *t, struct str secret,
                      struct json_writer *w)
{
    json_open_object(w, NULL);
    json_put_str(w, "id", t->id);
    json_put_given(w, "token", secret);
    json_put_str(w, "organization", t->org);
    scopes_print(t->scopes, w, "scopes");
    json_put_str(w, "name", t->name);
    json_put_i64(w, "createdAt", t->created_at_ms / 1000);
    if (t->expires_at_ms != 0) {
        json_put_i64(w, "expiresAt", t->expires_at_ms / 1000);
    } else {
        json_put_null(w, "expiresAt");
    }
    json_close(w);
}

// --- create ---

static enum err read_expiry(const struct validation *validation,
                            const struct json_value *body, int64_t now_ms,
                            int64_t *out_ms)
{
    const struct json_value *v = member_find(body, "expiresAt");
    int64_t seconds;

    *out_ms = 0;
    if (v == NULL)
        return OK;
    if (json_int(v, &seconds) != OK || seconds < 0 || seconds > SECONDS_MAX ||
        seconds * 1000 <= now_ms) {
        return validation_refuse(validation,
                                 "expiresAt must be a time to come, in unix "
                                 "seconds");
    }
    *out_ms = seconds * 1000;
    return OK;
}

static enum err read_scopes(const struct validation *validation,
                            const struct json_value *body, struct token *t)
{
    if (!operator_is_org(t->org)) {
        return scopes_read(validation, body,
                           TOKEN_INGEST | TOKEN_READ | TOKEN_WRITE, &t->scopes);
    }
    if (scopes_read(validation, body, TOKEN_ADMIN, &t->scopes) == OK)
        return OK;
    buf_reset(validation->why);
    return validation_refuse(validation,
                             "scopes must be [\"admin\"]: the tokens of the "
                             "organization " OPERATOR_ORG " are admin tokens");
}

static enum err read_token(const struct validation *validation,
                           const struct json_value *body, struct token *t)
{
    enum err err;

    if (!json_is(body, JSON_OBJECT))
        return validation_refuse(validation, "the body must be a JSON object");
    err = read_scopes(validation, body, t);
    if (err == OK)
        err = member_text(validation, body, "name", &t->name);
    if (err == OK && t->name.n_bytes > LABEL_MAX)
        err = validation_refuse(validation, "name must be at most 100 bytes");
    if (err == OK) {
        err =
            read_expiry(validation, body, t->created_at_ms, &t->expires_at_ms);
    }
    return err;
}

// How many tokens an organization has.
struct token_counts {
    struct str but_id; // not counted; empty: all are
    uint64_t n_valid, n_all;
};

static bool count_token(void *data, const struct token *t)
{
    struct token_counts *n = data;

    if (str_eq(t->id, n->but_id))
        return true;
    n->n_valid += t->expires_at_ms == 0 || t->expires_at_ms > clock_now_ms();
    n->n_all++;
    return true;
}

// Whether there is room for one more token beside those that are counted. False: there is
// none; the request has been answered. Expired ones are never removed by themselves, since
// a clock that was wrong would take valid ones along; there may be nine times as many.
static bool has_room(struct api_request *rq, struct str org, struct str but_id)
{
    uint64_t max = rq->api->config->max_tokens_per_organization;
    struct token_counts n = { .but_id = but_id };
    enum err err = token_list(rq->api->tokens, org, count_token, &n);

    if (err != OK) {
        request_fail_store(rq, err);
        return false;
    }
    if (n.n_valid < max && n.n_all < 10 * max)
        return true;
    http_fail(rq->http, 409, STR_EMPTY,
              "this organization has %" PRIu64 " tokens and %" PRIu64
              " expired ones; the limit is %" PRIu64
              " (max_tokens_per_organization), and ten times that with the "
              "expired ones; revoke one first",
              n.n_valid, n.n_all - n.n_valid, max);
    return false;
}

static struct str random_text(struct arena *arena, const char *prefix,
                              size_t n_bytes)
{
    uint8_t random[TOKEN_RANDOM];
    struct buf text;
    struct str kept;

    crypto_random(random, n_bytes);
    buf_init(&text, 0);
    buf_puts(&text, prefix);
    crypto_put_hex(&text, random, n_bytes);
    kept = arena_copy(arena, buf_str(&text));
    crypto_wipe_buf(&text);
    crypto_wipe(random, sizeof(random));
    return kept;
}

// Logs what the token allows and until when, never the token itself.
static void audit_token(struct api_request *rq, const char *what,
                        const struct token *t)
{
    struct buf more;
    struct json_writer w = json_writer(&more);

    buf_init(&more, 0);
    scopes_print(t->scopes, &w, NULL);
    buf_puts(&more, " until ");
    if (t->expires_at_ms != 0) {
        clock_put_rfc3339(&more, t->expires_at_ms);
    } else {
        buf_puts(&more, "it is revoked");
    }
    audit(rq, what, "org=%s token=%s token_id=%s allows=%s", log_quote(t->org),
          log_quote(t->name), log_quote(t->id), log_quote(buf_str(&more)));
    buf_clear(&more);
}

static void answer_created(struct api_request *rq, const struct token *t,
                           struct str secret)
{
    struct buf body;
    struct json_writer w = json_writer(&body);

    audit_token(rq, "token created", t);
    buf_init(&body, 0);
    put_token(t, secret, &w);
    request_answer(rq, 201, buf_str(&body));
    crypto_wipe_buf(&body);
}

// What the making of a token needs until it is answered.
struct token_change {
    struct token token; // its texts lie in the body and the arena
    struct str secret;
    struct json *body; // owned
    struct str old_id; // rotation: the token that it replaces
    int64_t overlap_ms;
    bool has_expiry;        // one of its own, not as the old one had it
    bool is_there, is_over; // the old one
};

static void on_change_free(struct api_request *rq)
{
    struct token_change *c = rq->data;

    json_free(c->body);
}

static void on_created(struct api_request *rq,
                       const struct catalog_result *result)
{
    const struct token_change *c = rq->data;

    if (result->err == OK) {
        answer_created(rq, &c->token, c->secret);
    } else {
        request_fail_store(rq, result->err);
    }
}

static void give_secret(struct api_request *rq, struct token_change *c)
{
    c->secret = random_text(&rq->arena, TOKEN_PREFIX, TOKEN_RANDOM);
    c->token.id = random_text(&rq->arena, "", ID_RANDOM);
    crypto_sha256(c->secret, c->token.hash);
}

static void begin_create(struct api_request *rq)
{
    struct token_change *c = rq->data;
    struct catalog_caller caller;

    if (!has_room(rq, c->token.org, STR_EMPTY))
        return;
    give_secret(rq, c);
    caller = change_caller(rq, on_created);
    token_create(rq->api->tokens, &c->token, &caller);
}

static struct token_change *change_new(struct api_request *rq)
{
    struct token_change *c = arena_take(&rq->arena, sizeof(*c));

    memset(c, 0, sizeof(*c));
    c->token.created_at_ms = clock_now_ms();
    rq->data = c;
    rq->on_free = on_change_free;
    return c;
}

void tokens_create(struct api_request *rq)
{
    struct token_change *c = change_new(rq);
    struct validation validation = { .arena = &rq->arena };
    struct token *t = &c->token;
    struct buf why;

    if (!read_org(rq, &t->org))
        return;
    if (!request_json(rq, &c->body))
        return;
    buf_init(&why, 0);
    validation.why = &why;
    if (read_token(&validation, json_root(c->body), t) == OK) {
        request_change(rq, begin_create, CHANGE_ALONE);
    } else {
        http_fail(rq->http, 400, STR_EMPTY, "%s", buf_cstr(&why));
    }
    buf_clear(&why);
}

// --- rotate ---

static enum err read_rotation(const struct validation *validation,
                              const struct json_value *body,
                              struct token_change *c)
{
    const struct json_value *overlap = member_find(body, "overlap");

    if (!json_is(body, JSON_OBJECT))
        return validation_refuse(validation, "the body must be a JSON object");
    c->overlap_ms = OVERLAP_MS;
    c->has_expiry = member_find(body, "expiresAt") != NULL;
    if (overlap != NULL &&
        (!json_is(overlap, JSON_STRING) ||
         config_read_duration(json_str(overlap), 0, OVERLAP_MAX_MS,
                              &c->overlap_ms) != OK)) {
        return validation_refuse(validation,
                                 "overlap must be a duration of 0s to 30d");
    }
    return read_expiry(validation, body, c->token.created_at_ms,
                       &c->token.expires_at_ms);
}

// Takes over what the token to be replaced has.
static bool on_old(void *data, const struct token *old)
{
    struct api_request *rq = data;
    struct token_change *c = rq->data;
    struct token *t = &c->token;

    if (!str_eq(old->id, c->old_id))
        return true;
    c->is_there = true;
    c->is_over =
        old->expires_at_ms != 0 && old->expires_at_ms <= t->created_at_ms;
    t->scopes = old->scopes;
    t->name = arena_copy(&rq->arena, old->name);
    if (!c->has_expiry && old->expires_at_ms != 0) {
        t->expires_at_ms =
            t->created_at_ms + old->expires_at_ms - old->created_at_ms;
    }
    return false;
}

static void on_rotated(struct api_request *rq,
                       const struct catalog_result *result)
{
    const struct token_change *c = rq->data;

    if (result->err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_TOKEN);
        return;
    }
    if (result->err == OK) {
        audit(rq, "token replaced",
              "org=%s token=%s token_id=%s overlap_s=%" PRId64,
              log_quote(c->token.org), log_quote(c->token.name),
              log_quote(c->old_id), c->overlap_ms / 1000);
    }
    on_created(rq, result);
}

static void begin_rotate(struct api_request *rq)
{
    struct token_change *c = rq->data;
    struct catalog_caller caller;
    enum err err = token_list(rq->api->tokens, c->token.org, on_old, rq);

    if (err != OK) {
        request_fail_store(rq, err);
        return;
    }
    if (!c->is_there) {
        request_fail_missing(rq, PARAM_TOKEN);
        return;
    }
    if (c->is_over) {
        http_fail(rq->http, 409, STR_EMPTY,
                  "this token has expired; make a new one");
        return;
    }
    // The old one does not count: an overlap has one more for each token at most.
    if (!has_room(rq, c->token.org, c->old_id))
        return;
    give_secret(rq, c);
    caller = change_caller(rq, on_rotated);
    token_replace(rq->api->tokens, c->old_id,
                  c->overlap_ms == 0 ? 0 : clock_now_ms() + c->overlap_ms,
                  &c->token, &caller);
}

void tokens_rotate(struct api_request *rq)
{
    struct token_change *c = change_new(rq);
    struct validation validation = { .arena = &rq->arena };
    struct buf why;

    c->old_id = rq->match.params[PARAM_TOKEN];
    if (!read_org(rq, &c->token.org) || !request_json(rq, &c->body))
        return;
    buf_init(&why, 0);
    validation.why = &why;
    if (read_rotation(&validation, json_root(c->body), c) == OK) {
        request_change(rq, begin_rotate, CHANGE_ALONE);
    } else {
        http_fail(rq->http, 400, STR_EMPTY, "%s", buf_cstr(&why));
    }
    buf_clear(&why);
}

// --- list, revoke ---

struct listing {
    struct json_writer json; // writes into the current piece
    struct buf first;        // the first piece
    struct buf left;         // hashes of tokens that later pieces show
    size_t at_left;
};

static bool show(void *data, const struct token *t)
{
    struct listing *l = data;

    put_token(t, STR_EMPTY, &l->json);
    return true;
}

static bool put_listed(void *data, const struct token *t)
{
    struct listing *l = data;

    if (l->first.n_bytes < HTTP_PIECE_BYTES)
        return show(l, t);
    buf_put(&l->left, t->hash, SHA256_BYTES);
    return true;
}

static enum http_more next(void *data, struct buf *out)
{
    struct api_request *rq = data;
    struct listing *l = rq->data;

    l->json.out = out;
    while (l->at_left < l->left.n_bytes && out->n_bytes < HTTP_PIECE_BYTES) {
        const uint8_t *hash = (const uint8_t *)l->left.at + l->at_left;
        enum err err = token_find(rq->api->tokens, hash, show, l);

        l->at_left += SHA256_BYTES;
        if (err != OK && err != ERR_NOTFOUND) // NOTFOUND: revoked meanwhile
            return HTTP_FAILED;
    }
    if (l->at_left < l->left.n_bytes)
        return HTTP_MORE;
    json_close(&l->json);
    return HTTP_LAST;
}

static void on_free(struct api_request *rq)
{
    struct listing *l = rq->data;

    buf_clear(&l->left);
    buf_clear(&l->first);
}

void tokens_list(struct api_request *rq)
{
    struct listing *l = arena_take(&rq->arena, sizeof(*l));
    struct http_response response = { .status = 200 };
    struct str org;
    enum err err;

    memset(l, 0, sizeof(*l));
    if (!read_org(rq, &org))
        return;
    buf_init(&l->first, 0);
    buf_init(&l->left, 0);
    l->json = json_writer(&l->first);
    rq->data = l;
    rq->on_free = on_free;
    json_open_array(&l->json, NULL);
    err = token_list(rq->api->tokens, org, put_listed, l);
    if (err != OK) {
        request_fail_store(rq, err);
        return;
    }
    if (l->left.n_bytes == 0)
        json_close(&l->json);
    response.body = buf_str(&l->first);
    if (l->left.n_bytes == 0) {
        http_respond(rq->http, &response);
    } else {
        request_answer_pieces(rq, &response, next);
        buf_clear(&l->first);
    }
}

// A token that is to be revoked.
struct revoking {
    struct api_request *rq;
    struct str org, id, name;
};

static bool on_wanted(void *data, const struct token *t)
{
    struct revoking *v = data;

    if (!str_eq(t->id, v->id))
        return true;
    v->name = arena_copy(&v->rq->arena, t->name);
    return false;
}

static void on_revoked(struct api_request *rq,
                       const struct catalog_result *result)
{
    struct http_response response = { .status = 204 };
    const struct revoking *v = rq->data;

    if (result->err == ERR_NOTFOUND) {
        request_fail_missing(rq, PARAM_TOKEN);
    } else if (result->err != OK) {
        request_fail_store(rq, result->err);
    } else {
        audit(rq, "token revoked", "org=%s token=%s token_id=%s",
              log_quote(v->org), log_quote(v->name), log_quote(v->id));
        http_respond(rq->http, &response);
    }
}

static void begin_revoke(struct api_request *rq)
{
    struct revoking *v = rq->data;
    struct catalog_caller caller;
    enum err err = token_list(rq->api->tokens, v->org, on_wanted, v);

    if (err != OK) {
        request_fail_store(rq, err);
        return;
    }
    caller = change_caller(rq, on_revoked);
    token_revoke(rq->api->tokens, v->org, v->id, &caller);
}

void tokens_revoke(struct api_request *rq)
{
    struct revoking *v = arena_take(&rq->arena, sizeof(*v));

    *v = (struct revoking){ .rq = rq, .id = rq->match.params[PARAM_TOKEN] };
    rq->data = v;
    if (read_org(rq, &v->org))
        request_change(rq, begin_revoke, CHANGE_ALONE);
}
