// neighbours.c — handlers of the routes that Pulumi's command line asks before
// it comes to the hooks: who am I, which organizations, is the stack there.
//
// There are no users, organizations or stacks here, only their names: in hooks
// and in events. So whatever was named is there.

#include "api/neighbours.h"

#include <string.h>

#include "api/server.h"
#include "common/codec.h"
#include "common/crypto.h"
#include "common/id.h"
#include "common/operator.h"

#define ORGS_MAX 1000 // of one answer

// What the command line compares itself with, to say that it is old: it is
// never called so here.
#define CLI_LATEST     "3.260.0"
#define CLI_OLD_ENOUGH "3.0.0"

// --- who, and where ---

// Whose token it is, and what it may see.
struct orgs {
    bool is_admin;
    struct buf body; // their list, without the brackets
    struct buf first;
    size_t n_orgs;
};

static bool put_org(void *data, struct str org)
{
    struct orgs *o = data;

    if (operator_is_org(org))
        return true; // it has no stacks, and is nobody's default
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

// False: they cannot be read; answered. Free `out` with orgs_clear().
static bool orgs_read(struct call *c, struct orgs *out)
{
    enum err err;

    *out = (struct orgs){ .is_admin = true };
    buf_init(&out->body, 0);
    buf_init(&out->first, 0);
    if (!c->grant.is_admin) {
        out->is_admin = false;
        put_org(out, (struct str){ c->grant.org, c->grant.n_org_bytes });
        return true;
    }
    err = org_list(c->api->stacks, put_org, out);
    if (err != OK)
        call_fail_store(c, err);
    return err == OK;
}

static void orgs_clear(struct orgs *o)
{
    buf_clear(&o->body);
    buf_clear(&o->first);
}

// A token of an organization goes by the organization's name.
void neighbours_user(struct call *c)
{
    static const char *const names[] = { "id", "githubLogin", "name" };
    struct orgs orgs;
    struct buf body;

    buf_init(&body, 0);
    if (orgs_read(c, &orgs)) {
        struct str login = orgs.is_admin ? STR("admin") : buf_str(&orgs.first);

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            buf_printf(&body, "%c\"%s\":", i == 0 ? '{' : ',', names[i]);
            buf_put_json(&body, login);
        }
        buf_puts(&body, ",\"email\":\"\",\"avatarUrl\":\"\","
                        "\"organizations\":[");
        buf_put_str(&body, buf_str(&orgs.body));
        buf_printf(&body, "],\"identities\":[],\"siteAdmin\":%s}",
                   orgs.is_admin ? "true" : "false");
        call_answer(c, 200, buf_str(&body));
    }
    buf_clear(&body);
    orgs_clear(&orgs);
}

// With one organization there is no doubt; with several, none is the default.
void neighbours_default_org(struct call *c)
{
    struct orgs orgs;
    struct buf body;

    buf_init(&body, 0);
    if (orgs_read(c, &orgs)) {
        if (orgs.n_orgs == 1) {
            buf_puts(&body, "{\"GitHubLogin\":");
            buf_put_json(&body, buf_str(&orgs.first));
            buf_puts(&body, ",\"Messages\":[]}");
            call_answer(c, 200, buf_str(&body));
        } else {
            http_fail(c->request, 404, STR_EMPTY,
                      "there is no default organization; name one");
        }
    }
    buf_clear(&body);
    orgs_clear(&orgs);
}

// --- what the server can do ---

void neighbours_capabilities(struct call *c)
{
    call_answer(c, 200, STR("{\"capabilities\":[]}"));
}

void neighbours_cli_version(struct call *c)
{
    call_answer(c, 200,
                STR("{\"latestVersion\":\"" CLI_LATEST
                    "\",\"oldestWithoutWarning\":\"" CLI_OLD_ENOUGH
                    "\",\"latestDevVersion\":\"\"}"));
}

// --- stacks ---

// The same for a name each time, on every machine.
static void put_stack_id(const struct hook_scope *stack, struct buf *out)
{
    char text[ID_TEXT_BYTES + 1];
    uint8_t hash[SHA256_BYTES];
    struct buf name;
    struct id id;

    buf_init(&name, 0);
    buf_put_str(&name, stack->org);
    buf_putc(&name, '/');
    buf_put_str(&name, stack->project);
    buf_putc(&name, '/');
    buf_put_str(&name, stack->target);
    crypto_sha256(buf_str(&name), hash);
    memcpy(id.bytes, hash, sizeof(id.bytes));
    id_format(&id, text);
    buf_puts(out, text);
    buf_clear(&name);
}

static void answer_stack(struct call *c, const struct hook_scope *stack)
{
    struct buf body;

    buf_init(&body, 0);
    buf_puts(&body, "{\"id\":\"");
    put_stack_id(stack, &body);
    buf_puts(&body, "\",\"orgName\":");
    buf_put_json(&body, stack->org);
    buf_puts(&body, ",\"projectName\":");
    buf_put_json(&body, stack->project);
    buf_puts(&body, ",\"stackName\":");
    buf_put_json(&body, stack->target);
    buf_puts(&body, ",\"activeUpdate\":\"\",\"tags\":{},\"version\":1}");
    call_answer(c, 200, buf_str(&body));
    buf_clear(&body);
}

void neighbours_stack(struct call *c)
{
    struct hook_scope stack;
    enum err err;

    if (!call_scope(c, &stack))
        return;
    err = stack_find(c->api->stacks, stack.org, stack.project, stack.target);
    if (err == OK) {
        answer_stack(c, &stack);
    } else if (err == ERR_NOTFOUND) {
        http_fail(c->request, 404, STR_EMPTY,
                  "Stack '%.*s/%.*s/%.*s' not found", STR_ARG(stack.org),
                  STR_ARG(stack.project), STR_ARG(stack.target));
    } else {
        call_fail_store(c, err);
    }
}
