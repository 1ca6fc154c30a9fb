// SPDX-License-Identifier: MIT
// signing_key_routes.c — handlers of the routes of an organization's signing keys, and of
// the public keys that receivers read.
//
// A private key is never shown, whoever made it. Public keys are shown to anybody who asks
// with the right path, and a path has only the keys that the requests of one webhook, or of
// the webhooks that sign for one organization, are signed with.

#include "api/core/api_request.h"
#include "api/core/audit.h"
#include "api/hooks/handlers.h"
#include "api/hooks/org_signing.h"
#include "api/json/json_members.h"
#include "api/json/pulumi_hook_json.h"
#include "common/base/clock.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"

#define TRIES 5

static struct str pair_of(const struct signing_key *key)
{
    return (struct str){ (const char *)key->pair, SIGNING_PAIR_BYTES };
}

static bool still_signs(int64_t until_ms)
{
    return until_ms == 0 || clock_now_ms() < until_ms;
}

// --- the keys of an organization ---

static void put_time(struct json_writer *w, const char *member, int64_t at_ms)
{
    clock_put_rfc3339(json_open_text(w, member), at_ms);
    json_close_text(w);
}

static void put_key(const struct signing_key *key, struct json_writer *w)
{
    json_open_object(w, NULL);
    signing_pair_put_id(pair_of(key), json_open_text(w, "id"));
    json_close_text(w);
    signing_pair_put_public(pair_of(key), json_open_text(w, "publicKey"));
    json_close_text(w);
    put_time(w, "createdAt", key->created_at_ms);
    if (key->until_ms != 0)
        put_time(w, "until", key->until_ms);
    json_close(w);
}

static void answer_keys(struct api_request *rq, unsigned status,
                        const struct signing_keys *keys)
{
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    json_open_array(&w, NULL);
    for (size_t i = 0; i < keys->n; i++) {
        if (still_signs(keys->at[i].until_ms))
            put_key(&keys->at[i], &w);
    }
    json_close(&w);
    request_answer(rq, status, buf_str(&body));
    buf_clear(&body);
}

// Reads the keys of an organization; none is no error. False: the request has been
// answered.
static bool read_keys(struct api_request *rq, const struct hook_scope *scope,
                      struct signing_keys *out, uint64_t *revision)
{
    uint64_t org_no;
    enum err err;

    if (!request_org_no(rq, scope, &org_no))
        return false;
    err = org_signing_get(rq->api, org_no, &rq->arena, out, revision);
    out->dialect = scope->dialect;
    out->org = scope->org;
    if (err == OK || err == ERR_NOTFOUND)
        return true;
    request_fail_store(rq, err);
    return false;
}

void signing_keys_list(struct api_request *rq)
{
    struct hook_scope scope;
    struct signing_keys keys;
    uint64_t revision;

    if (!request_org(rq, &scope) || !read_keys(rq, &scope, &keys, &revision))
        return;
    answer_keys(rq, 200, &keys);
    crypto_wipe(&keys, sizeof(keys));
}

// What the making of a key needs until it is answered.
struct making {
    struct hook_scope scope;
    struct signing_key key;
    struct signing_keys keys; // with it
    bool ends_overlap;        // replaced keys sign no more
    unsigned n_tries;
};

static void on_free(struct api_request *rq)
{
    struct making *m = rq->data;

    crypto_wipe(&m->key, sizeof(m->key));
    crypto_wipe(&m->keys, sizeof(m->keys));
}

static void audit_key(struct api_request *rq, const struct making *m)
{
    struct buf id;

    buf_init(&id, 0);
    signing_pair_put_id(pair_of(&m->key), &id);
    audit(rq, "signing key created", "org=%s key_id=%s keys=%zu",
          log_quote(m->scope.org), buf_cstr(&id), m->keys.n);
    buf_clear(&id);
}

static void begin_create(struct api_request *rq);

static void on_created(struct api_request *rq,
                       const struct catalog_result *result)
{
    struct making *m = rq->data;

    if (result->err == ERR_CONFLICT && m->n_tries < TRIES) {
        request_change(rq, begin_create, CHANGE_ALONE);
    } else if (result->err != OK) {
        request_fail_store(rq, result->err);
    } else {
        api_hint(rq->api);
        audit_key(rq, m);
        answer_keys(rq, 201, &m->keys);
    }
}

static void begin_create(struct api_request *rq)
{
    struct making *m = rq->data;
    struct catalog_caller caller;
    uint64_t revision;
    int64_t until_ms;
    enum err err;

    if (!read_keys(rq, &m->scope, &m->keys, &revision))
        return;
    m->n_tries++;
    m->key.created_at_ms = clock_now_ms();
    until_ms = m->key.created_at_ms + rq->api->config->secret_overlap_ms;
    if (m->ends_overlap) {
        until_ms = m->key.created_at_ms;
        m->keys.n = m->keys.n > 0;
    }
    err = signing_keys_add(&m->keys, &m->key, until_ms);
    if (err == ERR_EXISTS) {
        http_fail(rq->http, 409, STR_EMPTY,
                  "the organization signs with this key already");
    } else if (err == ERR_FULL) {
        http_fail(rq->http, 409, STR_EMPTY,
                  "%d keys of this organization sign already, which is the "
                  "most there may be; wait until the time of one is over, or "
                  "send endOverlap: true",
                  SIGNING_KEYS_MAX);
    } else {
        caller = change_caller(rq, on_created);
        org_signing_put(rq->api, &m->keys, revision, &caller);
    }
}

// Reads the body of a create: `key`, a private key, and `endOverlap`.
static enum err read_body(const struct validation *validation,
                          const struct json_value *body, struct making *m)
{
    struct str text = STR_EMPTY;
    const char *why;
    enum err err;

    if (!json_is(body, JSON_OBJECT))
        return validation_refuse(validation, "the body must be a JSON object");
    err = member_bool(validation, body, "endOverlap", &m->ends_overlap);
    if (err == OK)
        err = member_text(validation, body, "key", &text);
    if (err != OK)
        return err;
    if (text.n_bytes == 0) {
        signing_pair_make(m->key.pair);
        return OK;
    }
    validation_at(validation, "key");
    if (!signing_pair_is_text(text))
        return validation_refuse(validation, "key must begin with whsk_");
    err = signing_pair_read(text, m->key.pair, &why);
    if (err != OK)
        buf_printf(validation->why, "key: %s", why);
    return err;
}

void signing_keys_create(struct api_request *rq)
{
    struct making *m = arena_take(&rq->arena, sizeof(*m));
    const char *field = NULL;
    struct json *json;
    struct buf why;
    struct validation validation = { .arena = &rq->arena,
                                     .why = &why,
                                     .field = &field };

    *m = (struct making){ .n_tries = 0 };
    rq->data = m;
    rq->on_free = on_free;
    if (!request_org(rq, &m->scope) || !request_json(rq, &json))
        return;
    buf_init(&why, 0);
    if (read_body(&validation, json_root(json), m) == OK) {
        request_change(rq, begin_create, CHANGE_ALONE);
    } else {
        http_fail_field(rq->http, 400, field, "%s", buf_cstr(&why));
    }
    buf_clear(&why);
    json_free(json);
}

// --- public keys ---

// Puts the keys of an organization that sign now.
static enum err put_org_jwks(struct api_request *rq, uint64_t org_no,
                             struct json_writer *w)
{
    struct signing_keys keys;
    uint64_t revision;
    enum err err =
        org_signing_get(rq->api, org_no, &rq->arena, &keys, &revision);

    for (size_t i = 0; err == OK && i < keys.n; i++) {
        if (still_signs(keys.at[i].until_ms))
            signing_pair_put_jwk(pair_of(&keys.at[i]), w);
    }
    crypto_wipe(&keys, sizeof(keys));
    return err == ERR_NOTFOUND ? OK : err;
}

static enum err put_hook_jwks(struct api_request *rq, const struct hook *hook,
                              struct json_writer *w)
{
    bool is_of_org = hook->signing == SIGNING_ORGANIZATION;

    if (hook->signing == SIGNING_OWN)
        signing_pair_put_jwk(hook->sign_key, w);
    for (size_t i = 0; i < hook->n_old; i++) {
        if (!still_signs(hook->old[i].until_ms))
            continue;
        if (hook->old[i].kind == OLD_SIGNING_KEY)
            signing_pair_put_jwk(hook->old[i].secret, w);
        is_of_org = is_of_org || hook->old[i].kind == OLD_ORGANIZATION;
    }
    return is_of_org ? put_org_jwks(rq, hook->org_id, w) : OK;
}

// Answers with the keys in `body`, an unfinished text of JSON. Without a key the answer is
// the same whether the path names something or not.
static void answer_jwks(struct api_request *rq, struct json_writer *w,
                        enum err err)
{
    struct http_response response = {
        .status = 200, .headers = STR("Cache-Control: public, max-age=300\r\n")
    };

    json_close(w);
    json_close(w);
    response.body = buf_str(w->out);
    if (err != OK) {
        request_fail_store(rq, err);
    } else if (str_is(response.body, "{\"keys\":[]}")) {
        http_fail(rq->http, 404, STR_EMPTY, "no public keys are here");
    } else {
        http_respond(rq->http, &response);
    }
}

static void open_jwks(struct buf *body, struct json_writer *w)
{
    buf_init(body, 0);
    json_open_object(w, NULL);
    json_open_array(w, "keys");
}

void jwks_get_org(struct api_request *rq)
{
    struct hook_scope scope;
    struct buf body;
    struct json_writer w = json_writer(&body);
    uint64_t org_no;

    if (!request_org(rq, &scope) || !request_org_no(rq, &scope, &org_no))
        return;
    open_jwks(&body, &w);
    answer_jwks(rq, &w, put_org_jwks(rq, org_no, &w));
    buf_clear(&body);
}

void jwks_get_hook(struct api_request *rq)
{
    struct str name = rq->match.params[PARAM_HOOK];
    struct hook *hook = NULL;
    struct hook_scope scope;
    struct buf body;
    struct json_writer w = json_writer(&body);
    enum err err = ERR_NOTFOUND;

    if (!request_scope(rq, &scope))
        return;
    if (hook_name_is_valid(name))
        err = hook_get(rq->api->hooks, &scope, name, hook_visit_copy, &hook);
    open_jwks(&body, &w);
    if (err == OK) {
        err = put_hook_jwks(rq, hook, &w);
    } else if (err == ERR_NOTFOUND) {
        err = OK;
    }
    answer_jwks(rq, &w, err);
    hook_free(hook);
    buf_clear(&body);
}
