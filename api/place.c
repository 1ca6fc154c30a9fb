// place.c — where the hooks of a command are.

#include "api/place.h"

#include "api/client.h"
#include "common/operator.h"

static const char *fault_of(const struct place *p, bool is_operator,
                            bool wants_hook)
{
    bool has_names = p->org != NULL || p->project != NULL || p->stack != NULL ||
                     p->environment != NULL;

    if (is_operator && (has_names || p->is_akinon)) {
        return "--operator goes without --org, --project, --stack, "
               "--environment and --akinon";
    }
    if (!is_operator && p->org == NULL)
        return "--org is missing";
    if (p->is_akinon &&
        (p->project == NULL || p->stack != NULL || p->environment != NULL))
        return "--akinon goes with --org and --project, which are ids";
    if (!p->is_akinon && p->project != NULL &&
        (p->stack != NULL) == (p->environment != NULL))
        return "--project goes with --stack or --environment";
    if (p->project == NULL && (p->stack != NULL || p->environment != NULL))
        return "--project is missing";
    if (wants_hook && p->hook == NULL)
        return "--hook is missing";
    return NULL;
}

bool place_read(const struct args *a, bool wants_hook, struct place *out)
{
    bool is_operator = args_has(a, "operator");
    const char *fault;

    *out = (struct place){ .org = args_text(a, "org"),
                           .project = args_text(a, "project"),
                           .stack = args_text(a, "stack"),
                           .environment = args_text(a, "environment"),
                           .hook = args_text(a, "hook"),
                           .is_akinon = args_has(a, "akinon") };
    fault = fault_of(out, is_operator, wants_hook);
    if (fault != NULL)
        command_misused(a->command, "%s", fault);
    if (is_operator)
        out->org = OPERATOR_ORG;
    return fault == NULL;
}

bool place_read_owner(const struct args *a, bool takes_project,
                      struct place *out)
{
    const char *fault = NULL;

    if (!place_read(a, false, out))
        return false;
    if (out->hook == NULL && out->is_akinon && !takes_project)
        fault = "--akinon goes with --hook here";
    // Whoever names a stack means less than the whole organization.
    if (out->hook == NULL && !out->is_akinon && out->project != NULL)
        fault = "--project, --stack and --environment go with --hook here";
    if (fault != NULL)
        command_misused(a->command, "%s", fault);
    return fault == NULL;
}

static void put_project(const struct place *p, struct buf *path)
{
    buf_puts(path, "/organizations");
    client_put_segment(path, p->org);
    buf_puts(path, "/projects");
    client_put_segment(path, p->project);
}

void place_put_hooks(const struct place *p, struct buf *path)
{
    if (p->is_akinon) {
        put_project(p, path);
        buf_puts(path, "/settings/webhooks");
        return;
    }
    buf_puts(path, p->environment != NULL ? "/api/esc/environments"
                   : p->stack != NULL     ? "/api/stacks"
                                          : "/api/orgs");
    client_put_segment(path, p->org);
    if (p->project != NULL)
        client_put_segment(path, p->project);
    if (p->stack != NULL)
        client_put_segment(path, p->stack);
    if (p->environment != NULL)
        client_put_segment(path, p->environment);
    buf_puts(path, "/hooks");
}

void place_put_owner(const struct place *p, struct buf *path)
{
    if (p->hook != NULL) {
        place_put_hooks(p, path);
        client_put_segment(path, p->hook);
        return;
    }
    if (p->is_akinon) {
        put_project(p, path);
        return;
    }
    buf_puts(path, "/api/orgs");
    client_put_segment(path, p->org);
}
