// SPDX-License-Identifier: MIT
// scope_options.c — where the hooks of a command are.

#include "api/cli/core/scope_options.h"

#include <string.h>
#include <strings.h>

#include "api/cli/core/api_client.h"
#include "common/http/http.h"
#include "common/model/operator.h"

// `needs_project`: a scope of Akinon's has hooks only within a project.
static const char *fault_of(const struct scope_options *p, bool is_operator,
                            bool wants_hook, bool needs_project)
{
    bool has_names = p->org != NULL || p->project != NULL || p->stack != NULL ||
                     p->environment != NULL;

    if (is_operator && (has_names || p->is_akinon)) {
        return "--operator cannot be combined with --org, --project, --stack, "
               "--environment or --akinon";
    }
    if (!is_operator && p->org == NULL)
        return "--org is missing";
    if (p->is_akinon && (p->stack != NULL || p->environment != NULL))
        return "--akinon cannot be combined with --stack or --environment";
    if (p->is_akinon && p->project == NULL &&
        (needs_project || p->hook != NULL))
        return "--akinon needs --org and --project, which are ids";
    if (!p->is_akinon && p->project != NULL &&
        (p->stack != NULL) == (p->environment != NULL))
        return "--project needs --stack or --environment";
    if (p->project == NULL && (p->stack != NULL || p->environment != NULL))
        return "--project is missing";
    if (wants_hook && p->hook == NULL)
        return "--hook is missing";
    return NULL;
}

static bool read_scope(const struct args *a, bool wants_hook,
                       bool needs_project, struct scope_options *out)
{
    bool is_operator = args_has(a, "operator");
    const char *fault;

    *out = (struct scope_options){ .org = args_text(a, "org"),
                                   .project = args_text(a, "project"),
                                   .stack = args_text(a, "stack"),
                                   .environment = args_text(a, "environment"),
                                   .hook = args_text(a, "hook"),
                                   .is_akinon = args_has(a, "akinon") };
    fault = fault_of(out, is_operator, wants_hook, needs_project);
    if (fault != NULL)
        command_misused(a->command, "%s", fault);
    if (is_operator)
        out->org = OPERATOR_ORG;
    return fault == NULL;
}

bool scope_read(const struct args *a, bool wants_hook,
                struct scope_options *out)
{
    return read_scope(a, wants_hook, true, out);
}

bool scope_read_owner(const struct args *a, bool takes_project,
                      struct scope_options *out)
{
    const char *fault = NULL;

    if (!read_scope(a, false, false, out))
        return false;
    if (out->hook == NULL && out->is_akinon && !takes_project &&
        out->project != NULL)
        fault = "--project needs --hook in this command";
    // A stack without a hook would be ignored, and the whole organization chosen.
    if (out->hook == NULL && !out->is_akinon && out->project != NULL) {
        fault =
            "--project, --stack and --environment need --hook in this command";
    }
    if (fault != NULL)
        command_misused(a->command, "%s", fault);
    return fault == NULL;
}

bool scope_read_place(const struct args *a, struct scope_options *out)
{
    return read_scope(a, false, false, out);
}

static void put_project(const struct scope_options *p, struct buf *path)
{
    buf_puts(path, "/organizations");
    client_put_segment(path, p->org);
    if (p->project == NULL)
        return;
    buf_puts(path, "/projects");
    client_put_segment(path, p->project);
}

void scope_put_place_path(const struct scope_options *p, struct buf *path)
{
    if (p->is_akinon) {
        put_project(p, path);
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
}

void scope_put_hooks_path(const struct scope_options *p, struct buf *path)
{
    scope_put_place_path(p, path);
    buf_puts(path, p->is_akinon ? "/settings/webhooks" : "/hooks");
}

void scope_put_owner_path(const struct scope_options *p, struct buf *path)
{
    if (p->hook != NULL) {
        scope_put_hooks_path(p, path);
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

// --- paths from a file ---

// Forms of paths; a star stands for a name.
static const char *const shapes[] = {
    "/api/orgs/*/hooks",
    "/api/stacks/*/*/*/hooks",
    "/api/esc/environments/*/*/*/hooks",
    "/organizations/*/projects/*/settings/webhooks",
};

#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static struct str take_segment(struct str *path)
{
    const char *slash;
    struct str segment;

    if (path->n_bytes == 0 || path->at[0] != '/')
        return STR_EMPTY;
    segment = (struct str){ path->at + 1, path->n_bytes - 1 };
    slash = memchr(segment.at, '/', segment.n_bytes);
    if (slash != NULL)
        segment.n_bytes = (size_t)(slash - segment.at);
    path->at += segment.n_bytes + 1;
    path->n_bytes -= segment.n_bytes + 1;
    return segment;
}

// Whether a segment is percent-encoded as this program does it, and cannot change the
// path when it is decoded: not . or .., no slash, no NUL.
static bool is_name(struct str segment)
{
    struct buf name, again;
    bool is_good;

    buf_init(&name, 0);
    buf_init(&again, 0);
    is_good = segment.n_bytes > 0 && http_decode(segment, &name) == OK;
    if (is_good) {
        client_put_segment(&again, buf_cstr(&name));
        is_good = strncasecmp(again.at + 1, segment.at, segment.n_bytes) == 0 &&
                  again.n_bytes == segment.n_bytes + 1 &&
                  memchr(name.at, '/', name.n_bytes) == NULL &&
                  !str_is(buf_str(&name), ".") && !str_is(buf_str(&name), "..");
    }
    buf_clear(&again);
    buf_clear(&name);
    return is_good;
}

static bool has_shape(struct str path, const char *text)
{
    struct str shape = str_of(text);

    while (shape.n_bytes > 0) {
        struct str wanted = take_segment(&shape);
        struct str segment = take_segment(&path);

        if (str_is(wanted, "*") ? !is_name(segment) : !str_eq(segment, wanted))
            return false;
    }
    return path.n_bytes == 0;
}

bool scope_is_hooks_path(struct str path)
{
    for (size_t i = 0; i < N_SHAPES; i++) {
        if (has_shape(path, shapes[i]))
            return true;
    }
    return false;
}

bool scope_is_keys_path(struct str path)
{
    return has_shape(path, "/api/orgs/*/signing-keys") ||
           has_shape(path, "/organizations/*/signing-keys");
}

void scope_put_path_shapes(struct buf *out)
{
    buf_puts(out, "path must be a path of webhooks, with a name for each *:");
    for (size_t i = 0; i < N_SHAPES; i++)
        buf_printf(out, "%s %s", i > 0 ? "," : "", shapes[i]);
}
