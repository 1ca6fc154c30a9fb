// SPDX-License-Identifier: MIT
// pulumi_account_routes.c — handlers of the routes that Pulumi's command line calls
// before those of hooks: who am I, which organizations, what can the server do.
//
// Users and organizations are not stored here, only the names that hooks and events
// use. So an organization exists if it was named.

#include "api/system/handlers.h"

#include "api/core/api_request.h"
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
    struct buf list;         // JSON array of organizations
    struct json_writer json; // writes the list
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
    json_open_object(&o->json, NULL);
    json_put_str(&o->json, "githubLogin", org);
    json_put_str(&o->json, "name", org);
    json_put_text(&o->json, "avatarUrl", "");
    json_close(&o->json);
    return ++o->n_orgs < ORGS_MAX;
}

// Reads the organizations. False: they cannot be read; the request has been answered.
// Free `out` with orgs_clear().
static bool orgs_read(struct api_request *rq, struct orgs *out)
{
    enum err err;

    *out = (struct orgs){ .is_admin = true };
    buf_init(&out->list, 0);
    buf_init(&out->first, 0);
    out->json = json_writer(&out->list);
    json_open_array(&out->json, NULL);
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
    buf_clear(&o->list);
    buf_clear(&o->first);
}

// The login of an organization's token is the organization's name.
void pulumi_account_user(struct api_request *rq)
{
    static const char *const names[] = { "id", "githubLogin", "name" };
    struct orgs orgs;
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    if (orgs_read(rq, &orgs)) {
        struct str login =
            orgs.is_admin ? STR(API_ADMIN_LOGIN) : buf_str(&orgs.first);

        json_open_object(&w, NULL);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            json_put_str(&w, names[i], login);
        json_put_text(&w, "email", "");
        json_put_text(&w, "avatarUrl", "");
        json_close(&orgs.json);
        json_put_raw(&w, "organizations", buf_str(&orgs.list));
        json_open_array(&w, "identities");
        json_close(&w);
        json_put_bool(&w, "siteAdmin", orgs.is_admin);
        json_close(&w);
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
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    if (orgs_read(rq, &orgs)) {
        org = default_of(&orgs);
        if (org.n_bytes > 0) {
            json_open_object(&w, NULL);
            json_put_str(&w, "GitHubLogin", org);
            json_open_array(&w, "Messages");
            json_close(&w);
            json_close(&w);
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
