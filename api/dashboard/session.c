// SPDX-License-Identifier: MIT
// session.c — sessions of the dashboard: a cookie instead of a token in each request.

#include "api/dashboard/session.h"

#include <string.h>
#include <strings.h>

#include "api/dashboard/cookie.h"
#include "api/dashboard/session_file.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log/log.h"

#define SESSIONS_MAX 256
#define KEPT_MS      60000 // until the next write for another reason than a change
#define CODES_MAX    256

#define LOGGED_PER_S   1
#define LOGGED_AT_ONCE 20

static const char ended[] = "the session has ended; log in again";

struct dashboard *dashboard_new(const struct config *config)
{
    struct dashboard *d = xcalloc(1, sizeof(*d));

    login_table_init(&d->sessions, SESSIONS_MAX);
    login_table_init(&d->codes, CODES_MAX);
    limiter_init(&d->refusals, LOGGED_PER_S, LOGGED_AT_ONCE);
    if (config->dashboard) {
        session_file_read(config->data_dir, &d->sessions);
    } else {
        d->sessions.is_changed = true; // a file of an earlier process goes
    }
    return d;
}

void dashboard_forget(struct dashboard *d)
{
    login_table_clear(&d->sessions);
    login_table_clear(&d->codes);
    login_table_init(&d->sessions, SESSIONS_MAX);
    login_table_init(&d->codes, CODES_MAX);
    d->sessions.is_changed = true;
}

static void write_sessions(struct dashboard *d, const char *data_dir)
{
    d->written_at_ms = clock_now_ms();
    d->is_unwritten = session_file_write(data_dir, &d->sessions) != OK;
    d->sessions.is_changed = d->is_unwritten;
}

void dashboard_keep(struct dashboard *d, const char *data_dir)
{
    const struct login_table *t = &d->sessions;
    int64_t now_ms = clock_now_ms();
    bool is_minute_over =
        now_ms - d->written_at_ms > KEPT_MS || now_ms < d->written_at_ms;

    if (is_minute_over ? !t->is_changed && t->used_at_ms < d->written_at_ms
                       : !t->is_changed || d->is_unwritten)
        return;
    write_sessions(d, data_dir);
}

void dashboard_keep_now(struct dashboard *d, const char *data_dir)
{
    if (d->sessions.is_changed || d->sessions.used_at_ms >= d->written_at_ms)
        write_sessions(d, data_dir);
}

struct origin_facts session_facts(const struct api_request *rq)
{
    const struct http_request *r = rq->http;

    return (struct origin_facts){
        .is_read = r->method == METHOD_GET || r->method == METHOD_HEAD,
        .is_encrypted = http_is_encrypted(r),
        .peer = str_of(r->peer),
        .host = http_header(r, "host"),
        .site = http_header(r, "sec-fetch-site"),
        .origin = http_header(r, "origin"),
        .mark = http_header(r, "x-posthorn"),
        .public_url = rq->api->config->dashboard_url,
    };
}

// A browser sends all cookies in one header; a proxy may have split it.
static struct str secret_of(const struct http_request *r)
{
    struct str secret = STR_EMPTY;
    struct str name, value;

    for (size_t i = 0;
         secret.n_bytes == 0 && http_header_at(r, i, &name, &value); i++) {
        if (str_eq_any_case(name, STR("cookie")))
            secret = cookie_find(value);
    }
    return secret;
}

bool session_is_given(const struct api_request *rq)
{
    return rq->api->config->dashboard && !auth_has_token(rq->http) &&
           secret_of(rq->http).n_bytes > 0;
}

const struct login *session_of(struct api_request *rq)
{
    return login_find(&rq->api->dashboard->sessions, secret_of(rq->http),
                      clock_now_ms());
}

bool session_end(struct api_request *rq)
{
    bool was_there = session_of(rq) != NULL;

    login_remove(&rq->api->dashboard->sessions, secret_of(rq->http));
    return was_there;
}

// Narrows what a token allows. An admin token is then that of one organization.
static void narrow(const struct login *login, struct auth_grant *grant)
{
    struct auth_grant admin = *grant;

    if (!admin.is_admin) {
        grant->scopes &= login->scopes;
        return;
    }
    auth_grant_set(grant, (struct str){ login->org, login->n_org_bytes },
                   login->scopes, 0);
    if (admin.n_id_bytes > 0) {
        auth_grant_name(grant, (struct str){ admin.id, admin.n_id_bytes },
                        (struct str){ admin.name, admin.n_name_bytes });
    } else {
        auth_grant_name(grant, STR("admin"), STR("admin token"));
    }
    memcpy(grant->token_hash, login->token_hash, sizeof(grant->token_hash));
}

enum err session_grant(const struct api *api, const struct login *login,
                       struct auth_grant *out)
{
    enum err err = auth_grant_of(api->auth, login->token_hash, out);

    if (err != OK)
        return err;
    if (login->is_narrowed)
        narrow(login, out);
    return out->is_admin || out->scopes != 0 ? OK : ERR_DENIED;
}

// Sets what the request's session allows; it does not count as used. ERR_DENIED: there is
// none, or it has ended. Other errors: that cannot be told now.
static enum err find_grant(struct api_request *rq, struct auth_grant *out)
{
    const struct login *login = login_peek(&rq->api->dashboard->sessions,
                                           secret_of(rq->http), clock_now_ms());

    return login != NULL ? session_grant(rq->api, login, out) : ERR_DENIED;
}

static bool is_in_session(struct api_request *rq)
{
    struct auth_grant grant;

    return rq->api->config->dashboard && find_grant(rq, &grant) == OK;
}

// Streams go on in a tab that nobody looks at.
static bool is_use(const struct api_request *rq)
{
    return rq->match.route == NULL || !rq->match.route->is_stream;
}

bool session_check(struct api_request *rq, enum auth_scope scope)
{
    const struct origin_facts facts = session_facts(rq);
    const char *fault = origin_fault(&facts);
    enum err err;

    if (fault != NULL) {
        session_log_refusal(rq, "session refused", fault);
        http_fail(rq->http, 403, STR_EMPTY, "%s", fault);
        return false;
    }
    rq->http->is_private = true;
    rq->is_in_session = is_in_session;
    if (is_use(rq))
        (void)session_of(rq);
    err = find_grant(rq, &rq->grant);
    if (err == ERR_DENIED) {
        session_end(rq);
        auth_refuse(rq->api->auth, rq->http, ended);
        return false;
    }
    if (err != OK) { // it goes on once the storage works again
        auth_fail_lookup(rq->http);
        return false;
    }
    return auth_check_grant(rq->http, rq->match.params[PARAM_ORG], scope,
                            &rq->grant);
}

void session_forget_org(struct api *api, struct str org)
{
    login_remove_org(&api->dashboard->sessions, org);
    login_remove_org(&api->dashboard->codes, org);
}

static const char *login_fault(const struct api_request *rq)
{
    const struct origin_facts facts = session_facts(rq);

    if (!origin_is_private(&facts)) {
        return "beyond this machine a login needs TLS: set api_tls_cert and "
               "api_tls_key, or, if a proxy speaks TLS for this host, set "
               "dashboard_url to its https:// URL";
    }
    return origin_login_fault(&facts);
}

bool session_check_login(struct api_request *rq)
{
    const char *fault = login_fault(rq);

    if (fault != NULL) {
        session_log_refusal(rq, "login refused", fault);
        http_fail(rq->http, 403, STR_EMPTY, "%s", fault);
        return false;
    }
    if (!auth_has_token(rq->http) &&
        (rq->http->announced_bytes > 0 ||
         http_has_header(rq->http, "transfer-encoding")))
        return true; // the body has a code
    if (auth_check(rq->api->auth, rq->http, STR_EMPTY, AUTH_ANY, &rq->grant))
        return true;
    session_log_refusal(rq, "login refused", "the token is not valid");
    return false;
}

void session_log_refusal(struct api_request *rq, const char *what,
                         const char *why)
{
    struct dashboard *d = rq->api->dashboard;

    if (limiter_take(&d->refusals, str_of(rq->http->peer), clock_mono_us())) {
        log_info(what, "peer=%s reason=%s", log_quote(str_of(rq->http->peer)),
                 log_quote(str_of(why)));
    }
}
