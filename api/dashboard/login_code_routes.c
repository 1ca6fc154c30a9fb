// SPDX-License-Identifier: MIT
// login_code_routes.c — handler of the route that makes a link which logs in.
//
// The code is in the link's fragment, which a browser never sends: the page posts it to
// /dashboard/session. It serves once, within a minute.

#include "api/dashboard/handlers.h"

#include <string.h>

#include "api/core/audit.h"
#include "api/core/host.h"
#include "api/dashboard/origin.h"
#include "api/dashboard/session.h"
#include "api/json/json_members.h"
#include "api/json/scopes_json.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/config/config_types.h"
#include "common/log/log.h"
#include "common/model/akinon_names.h"
#include "common/model/operator.h"
#include "common/model/token.h"

#define CODE_BYTES      16
#define CODE_MS         (INT64_C(60) * 1000)
#define LIFETIME_MIN_MS (INT64_C(60) * 1000)
#define READER_MAX_MS \
    (INT64_C(30) * 24 * 3600 * 1000) // with the scope read alone

// --- what the link allows ---

// What is wrong with the body; status 400 or 403.
struct reading {
    struct api_request *rq;
    struct validation validation;
    unsigned status;
};

static enum err forbid(struct reading *in, const char *why)
{
    in->status = 403;
    return validation_refuse(&in->validation, why);
}

static void set_org(struct login *out, struct str org)
{
    char lower[AKINON_ID_BYTES];

    if (akinon_is_id(org)) {
        akinon_lower_id(org, lower);
        org = (struct str){ lower, sizeof(lower) };
    }
    memcpy(out->org, org.at, org.n_bytes);
    out->n_org_bytes = org.n_bytes;
}

// A link for an organization; the admin token may leave it out.
static enum err read_org(struct reading *in, const struct json_value *body,
                         struct login *out)
{
    const struct auth_grant *grant = &in->rq->grant;
    struct str own = { grant->org, grant->n_org_bytes };
    struct str org = STR_EMPTY;
    enum err err = member_text(&in->validation, body, "org", &org);

    if (err != OK)
        return err;
    out->is_narrowed = !grant->is_admin || member_find(body, "org") != NULL;
    if (member_find(body, "org") == NULL) {
        set_org(out, own);
        return OK;
    }
    if (!text_is_name(org) || operator_is_org(org)) {
        return validation_refuse(&in->validation,
                                 "org must be the name of an organization "
                                 "other than " OPERATOR_ORG
                                 ": 1 to 100 of A-Z a-z 0-9 . _ -");
    }
    set_org(out, org);
    if (!grant->is_admin &&
        !str_eq(own, (struct str){ out->org, out->n_org_bytes })) {
        return forbid(in, "org: this token is of another organization, and "
                          "makes links for its own alone");
    }
    return OK;
}

static enum err read_scopes(struct reading *in, const struct json_value *body,
                            struct login *out)
{
    const struct auth_grant *grant = &in->rq->grant;
    unsigned views = TOKEN_READ | TOKEN_WRITE;
    unsigned allowed = grant->is_admin ? views : grant->scopes & views;
    enum err err = OK;

    if (allowed == 0) {
        return forbid(in, "this token has neither the scope read nor write, "
                          "and the dashboard needs one of them");
    }
    out->scopes = allowed;
    if (member_find(body, "scopes") == NULL)
        return OK;
    if (!out->is_narrowed) {
        return validation_refuse(&in->validation,
                                 "scopes needs org: without one, the link is "
                                 "the admin token's");
    }
    err = scopes_read(&in->validation, body, views, &out->scopes);
    if (err == OK && (out->scopes & ~allowed) != 0) {
        return forbid(in, "scopes: a link allows no more than the token that "
                          "makes it");
    }
    return err;
}

static enum err read_lifetime(struct reading *in, const struct json_value *body,
                              struct login *out)
{
    bool is_reader = out->is_narrowed && out->scopes == TOKEN_READ;
    struct str text = STR_EMPTY;
    enum err err = member_text(&in->validation, body, "ttl", &text);

    out->lifetime_ms = SESSION_MS;
    if (err != OK || member_find(body, "ttl") == NULL)
        return err;
    if (config_read_duration(text, LIFETIME_MIN_MS,
                             is_reader ? READER_MAX_MS : SESSION_MS,
                             &out->lifetime_ms) == OK)
        return OK;
    return validation_refuse(&in->validation,
                             "ttl must be a duration of 1m to 12h, or to 30d "
                             "for a link with the scope read alone");
}

static enum err read_link(struct reading *in, const struct json_value *body,
                          struct login *out)
{
    enum err err;

    if (!json_is(body, JSON_OBJECT)) {
        return validation_refuse(&in->validation,
                                 "the body must be a JSON object");
    }
    err = read_org(in, body, out);
    if (err == OK)
        err = read_scopes(in, body, out);
    if (err == OK)
        err = read_lifetime(in, body, out);
    return err;
}

// --- its address ---

// The port of a Host, with its colon; empty if there is none. The host has been checked.
static struct str port_of(struct str host)
{
    const char *colon = memrchr(host.at, ':', host.n_bytes);

    if (colon == NULL || host.at[host.n_bytes - 1] == ']')
        return STR_EMPTY;
    return (struct str){ colon, (size_t)(host.at + host.n_bytes - colon) };
}

// Whether a name below localhost leads where this host does: there a browser tries
// 127.0.0.1 and ::1 alone. Of 127.0.0.2 another program may have the port.
static bool is_localhost(struct str host)
{
    struct str port = port_of(host);
    struct str name = { host.at, host.n_bytes - port.n_bytes };

    return host_is_loopback(host) &&
           (!str_starts(name, STR("127.")) || str_is(name, "127.0.0.1"));
}

// Appends where people reach this server: as the setting says, or else where this request
// reached it. On this machine it gets a name of its own, since all servers on localhost
// share their cookies.
static void put_address(const struct api_request *rq, struct buf *out)
{
    const char *public_url = rq->api->config->dashboard_url;
    bool is_encrypted = http_is_encrypted(rq->http);
    struct str host = http_header(rq->http, "host");
    struct buf here;

    if (public_url[0] != '\0' && origin_put(str_of(public_url), out))
        return;
    buf_init(&here, 0);
    buf_printf(&here, "%s://", is_encrypted ? "https" : "http");
    if (!is_encrypted && is_localhost(host)) {
        buf_puts(&here, "posthorn.localhost");
        buf_put_str(&here, port_of(host));
    } else {
        buf_put_str(&here, host);
    }
    if (!origin_put(buf_str(&here), out))
        buf_put_str(out, buf_str(&here));
    buf_clear(&here);
}

// --- the answer ---

static void audit_link(const struct api_request *rq, const struct login *link)
{
    struct buf allows;
    struct json_writer w = json_writer(&allows);

    buf_init(&allows, 0);
    if (link->is_narrowed) {
        scopes_print(link->scopes, &w, NULL);
    } else {
        buf_puts(&allows, "everything");
    }
    buf_puts(&allows, " for ");
    config_put_duration(link->lifetime_ms, &allows);
    audit(rq, "login link created", "org=%s allows=%s",
          log_quote((struct str){ link->org, link->n_org_bytes }),
          log_quote(buf_str(&allows)));
    buf_clear(&allows);
}

static void answer(struct api_request *rq, const struct login *link)
{
    struct buf code, url, body;
    struct json_writer w = json_writer(&body);

    buf_init(&code, 0);
    buf_init(&url, 0);
    buf_init(&body, 0);
    login_add(&rq->api->dashboard->codes, link, clock_now_ms(), CODE_BYTES,
              &code);
    put_address(rq, &url);
    buf_puts(&url, "/dashboard/login#");
    buf_put_str(&url, buf_str(&code));
    json_open_object(&w, NULL);
    json_put_str(&w, "code", buf_str(&code));
    json_put_str(&w, "url", buf_str(&url));
    json_put_i64(&w, "expiresAt", link->ends_at_ms / 1000);
    json_close(&w);
    audit_link(rq, link);
    rq->http->is_private = true;
    request_answer(rq, 201, buf_str(&body));
    crypto_wipe_buf(&code);
    crypto_wipe_buf(&url);
    crypto_wipe_buf(&body);
}

void login_codes_create(struct api_request *rq)
{
    const struct login *session = session_is_given(rq) ? session_of(rq) : NULL;
    struct reading in = { .rq = rq, .status = 400 };
    struct login link = { .ends_at_ms = clock_now_ms() + CODE_MS };
    struct json *body;
    struct buf why;

    if (!request_json(rq, &body))
        return;
    buf_init(&why, 0);
    in.validation.arena = &rq->arena;
    in.validation.why = &why;
    memcpy(link.token_hash, rq->grant.token_hash, sizeof(link.token_hash));
    if (session != NULL)
        link.last_end_ms = session->ends_at_ms;
    if (read_link(&in, json_root(body), &link) == OK) {
        answer(rq, &link);
    } else {
        http_fail(rq->http, in.status, STR_EMPTY, "%s", buf_cstr(&why));
    }
    json_free(body);
    buf_clear(&why);
}
