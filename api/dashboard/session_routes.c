// SPDX-License-Identifier: MIT
// session_routes.c — handlers of login, logout, and who is logged in.

#include "api/dashboard/handlers.h"

#include <string.h>

#include "api/core/audit.h"
#include "api/dashboard/cookie.h"
#include "api/dashboard/session.h"
#include "api/json/json_members.h"
#include "api/json/scopes_json.h"
#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/model/token.h"

#define SECRET_BYTES 32
#define VIEWS        (1U << AUTH_READ | 1U << AUTH_WRITE) // what the page needs

// --- login ---

static void log_in(struct api_request *rq, const struct login *login,
                   const char *how)
{
    struct http_response response = { .status = 204 };
    struct buf secret, headers, until;

    buf_init(&secret, 0);
    buf_init(&headers, 0);
    buf_init(&until, 0);
    session_end(rq); // the one that this browser had
    login_add(&rq->api->dashboard->sessions, login, clock_now_ms(),
              SECRET_BYTES, &secret);
    cookie_put_line(buf_str(&secret), &headers);
    clock_put_rfc3339(&until, login->ends_at_ms);
    audit(rq, "login", "org=%s with=%s until=%s",
          log_quote((struct str){ rq->grant.org, rq->grant.n_org_bytes }), how,
          buf_cstr(&until));
    rq->http->is_private = true;
    response.headers = buf_str(&headers);
    http_respond(rq->http, &response);
    crypto_wipe_buf(&secret);
    crypto_wipe_buf(&headers);
    buf_clear(&until);
}

static void log_in_by_token(struct api_request *rq)
{
    struct login login = { .is_narrowed = false,
                           .ends_at_ms = clock_now_ms() + SESSION_MS,
                           .idle_ms = SESSION_IDLE_MS };

    if (!rq->grant.is_admin && (rq->grant.scopes & VIEWS) == 0) {
        session_log_refusal(rq, "login refused",
                            "the token has neither read nor write");
        http_fail(rq->http, 403, STR_EMPTY,
                  "this token has neither the scope read nor write, and the "
                  "dashboard needs one of them");
        return;
    }
    memcpy(login.token_hash, rq->grant.token_hash, sizeof(login.token_hash));
    memcpy(login.org, rq->grant.org, rq->grant.n_org_bytes);
    login.n_org_bytes = rq->grant.n_org_bytes;
    log_in(rq, &login, "token");
}

// Takes a code: it serves once. False: it is not valid; the request has been answered.
static bool take_code(struct api_request *rq, struct str code,
                      struct login *out)
{
    static const char why[] =
        "this link is not valid: a link serves once, within a minute, and as "
        "long as the token that made it is valid";
    struct login_table *codes = &rq->api->dashboard->codes;
    const struct login *login = login_find(codes, code, clock_now_ms());
    enum err err = ERR_DENIED;

    if (login != NULL) {
        *out = *login;
        err = session_grant(rq->api, out, &rq->grant);
    }
    if (err != OK && err != ERR_DENIED) { // the code can be tried again
        auth_fail_lookup(rq->http);
        return false;
    }
    login_remove(codes, code);
    if (err == OK)
        return true;
    session_log_refusal(rq, "login refused", why);
    auth_refuse(rq->api->auth, rq->http, why);
    return false;
}

static void log_in_by_code(struct api_request *rq, struct str code)
{
    struct login login;

    if (!take_code(rq, code, &login))
        return;
    login.ends_at_ms = clock_now_ms() + login.lifetime_ms;
    if (login.last_end_ms != 0 && login.ends_at_ms > login.last_end_ms)
        login.ends_at_ms = login.last_end_ms;
    // Who made a link for longer wants it for a screen, which may be off at night.
    login.idle_ms = login.lifetime_ms > SESSION_MS ? 0 : SESSION_IDLE_MS;
    log_in(rq, &login, "link");
}

void session_create(struct api_request *rq)
{
    const struct json_value *code;
    struct json *body;

    if (auth_has_token(rq->http) && rq->http->body.n_bytes == 0) {
        log_in_by_token(rq);
        return;
    }
    if (auth_has_token(rq->http)) {
        http_fail(rq->http, 400, STR_EMPTY,
                  "a login takes a token, or the code of a link, not both");
        return;
    }
    if (!request_json(rq, &body))
        return;
    code = member_find(json_root(body), "code");
    if (json_is(json_root(body), JSON_OBJECT) && json_is(code, JSON_STRING)) {
        log_in_by_code(rq, json_str(code));
    } else {
        http_fail(rq->http, 400, STR_EMPTY,
                  "a login needs a token in the header Authorization, or a "
                  "JSON object with the \"code\" of a link");
    }
    json_free(body);
}

// --- logout ---

void session_delete(struct api_request *rq)
{
    struct http_response response = { .status = 204 };
    struct buf headers;

    if (session_end(rq)) {
        // Before it is answered: a crash must not bring the session back.
        dashboard_keep_now(rq->api->dashboard, rq->api->config->data_dir);
        audit(rq, "logout", "");
    }
    buf_init(&headers, 0);
    cookie_put_line(STR_EMPTY, &headers);
    response.headers = buf_str(&headers);
    http_respond(rq->http, &response);
    buf_clear(&headers);
}

// --- who ---

static void put_who(const struct auth_grant *grant, struct json_writer *w)
{
    struct str org = { grant->org, grant->n_org_bytes };
    struct str id = { grant->id, grant->n_id_bytes };
    struct str name = { grant->name, grant->n_name_bytes };

    json_put_bool(w, "admin", grant->is_admin);
    if (grant->is_admin) {
        json_put_null(w, "org");
        scopes_print(TOKEN_INGEST | TOKEN_READ | TOKEN_WRITE, w, "scopes");
    } else {
        json_put_str(w, "org", org);
        scopes_print(grant->scopes, w, "scopes");
    }
    if (grant->is_admin && id.n_bytes == 0) { // the one in admin.token
        id = STR("admin");
        name = STR("admin token");
    }
    json_put_str(w, "tokenId", id);
    json_put_str(w, "tokenName", name);
}

void session_get(struct api_request *rq)
{
    const struct login *login = session_is_given(rq) ? session_of(rq) : NULL;
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    json_open_object(&w, NULL);
    put_who(&rq->grant, &w);
    if (login != NULL) {
        json_put_i64(&w, "expiresAt", login->ends_at_ms / 1000);
    } else {
        json_put_null(&w, "expiresAt");
    }
    json_put_text(&w, "version", POSTHORN_VERSION);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}
