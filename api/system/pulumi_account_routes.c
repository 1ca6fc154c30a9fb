// SPDX-License-Identifier: MIT
// pulumi_account_routes.c — handlers of the routes that Pulumi's command line calls
// before those of hooks: who am I, which organizations, what can the server do.
//
// Users and organizations are not stored here, only the names that hooks and events
// use. So an organization exists if it was named.

#include "api/system/handlers.h"

#include "api/core/api_request.h"
#include "common/base/codec.h"
#include "common/model/operator.h"

#define ORGS_MAX 1000 // of one answer

// The command line compares its version with these to say that it is outdated; these
// values never make it say so.
#define CLI_LATEST     "3.260.0"
#define CLI_OLD_ENOUGH "3.0.0"

// --- who, and where ---

// The owner of the token, and the organizations that it may see.
struct orgs {
    bool is_admin;
    struct str
        wanted; // the setting default_organization, for the admin token; or empty
    bool is_wanted_there;
    struct buf body; // JSON list of organizations, without the brackets
    struct buf first;
    size_t n_orgs;
};

static bool put_org(void *data, struct str org)
{
    struct orgs *o = data;

    if (operator_is_org(org))
        return true; // the operator's: it has no stacks, and is no default
    if (str_eq(org, o->wanted))
        o->is_wanted_there = true;
    if (o->n_orgs == 0)
        buf_put_str(&o->first, org);
    if (o->n_orgs++ > 0)
        buf_putc(&o->body, ',');
    buf_puts(&o->body, "{\"githubLogin\":");
    buf_put_json(&o->body, org);
    buf_puts(&o->body, ",\"name\":");
    buf_put_json(&o->body, org);
    buf_puts(&o->body, ",\"avatarUrl\":\"\"}");
    return o->n_orgs < ORGS_MAX;
}

// Reads the organizations. False: they cannot be read; the request has been answered.
// Free `out` with orgs_clear().
static bool orgs_read(struct api_request *rq, struct orgs *out)
{
    enum err err;

    *out = (struct orgs){ .is_admin = true };
    buf_init(&out->body, 0);
    buf_init(&out->first, 0);
    if (!rq->grant.is_admin) {
        out->is_admin = false;
        put_org(out, (struct str){ rq->grant.org, rq->grant.n_org_bytes });
        return true;
    }
    out->wanted = str_of(rq->api->config->default_organization);
    err = org_list(rq->api->stacks, put_org, out);
    if (err != OK) {
        request_fail_store(rq, err);
    } else if (out->wanted.n_bytes > 0 && !out->is_wanted_there) {
        put_org(out, out->wanted); // no hook or event has named it yet
    }
    return err == OK;
}

static void orgs_clear(struct orgs *o)
{
    buf_clear(&o->body);
    buf_clear(&o->first);
}

// The login of an organization's token is the organization's name.
void pulumi_account_user(struct api_request *rq)
{
    static const char *const names[] = { "id", "githubLogin", "name" };
    struct orgs orgs;
    struct buf body;

    buf_init(&body, 0);
    if (orgs_read(rq, &orgs)) {
        struct str login =
            orgs.is_admin ? STR(API_ADMIN_LOGIN) : buf_str(&orgs.first);

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            buf_printf(&body, "%c\"%s\":", i == 0 ? '{' : ',', names[i]);
            buf_put_json(&body, login);
        }
        buf_puts(&body, ",\"email\":\"\",\"avatarUrl\":\"\","
                        "\"organizations\":[");
        buf_put_str(&body, buf_str(&orgs.body));
        buf_printf(&body, "],\"identities\":[],\"siteAdmin\":%s}",
                   orgs.is_admin ? "true" : "false");
        request_answer(rq, 200, buf_str(&body));
    }
    buf_clear(&body);
    orgs_clear(&orgs);
}

// The default organization: the only one, or with several the one in the setting.
static struct str default_of(const struct orgs *orgs)
{
    if (orgs->wanted.n_bytes > 0)
        return orgs->wanted;
    return orgs->n_orgs == 1 ? buf_str(&orgs->first) : STR_EMPTY;
}

void pulumi_account_default_org(struct api_request *rq)
{
    struct str org;
    struct orgs orgs;
    struct buf body;

    buf_init(&body, 0);
    if (orgs_read(rq, &orgs)) {
        org = default_of(&orgs);
        if (org.n_bytes > 0) {
            buf_puts(&body, "{\"GitHubLogin\":");
            buf_put_json(&body, org);
            buf_puts(&body, ",\"Messages\":[]}");
            request_answer(rq, 200, buf_str(&body));
        } else {
            http_fail(rq->http, 404, STR_EMPTY,
                      "there is no default organization; name one, or set "
                      "default_organization");
        }
    }
    buf_clear(&body);
    orgs_clear(&orgs);
}

// --- what the server can do ---

void pulumi_account_capabilities(struct api_request *rq)
{
    request_answer(rq, 200, STR("{\"capabilities\":[]}"));
}

void pulumi_account_cli_version(struct api_request *rq)
{
    request_answer(rq, 200,
                   STR("{\"latestVersion\":\"" CLI_LATEST
                       "\",\"oldestWithoutWarning\":\"" CLI_OLD_ENOUGH
                       "\",\"latestDevVersion\":\"\"}"));
}
