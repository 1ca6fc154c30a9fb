// handlers.h — what answers the routes of the engine itself, and of what Pulumi's command
// line wants to find beside hooks. Each answers its call.

#ifndef API_SYSTEM_HANDLERS_H
#define API_SYSTEM_HANDLERS_H

struct call;

// --- health_routes.c: for operators, without a token ---
void operations_healthz(struct call *c);
void operations_readyz(struct call *c);
void operations_metrics(struct call *c);

// --- backlog_routes.c: what waits ---
void backlog_get_org(struct call *c);    // of the path's organization
void backlog_get_engine(struct call *c); // the fullest organizations

// --- openapi.c: the description of the API ---
void openapi_get(struct call *c);

// --- token_routes.c: tokens of an organization ---
void tokens_create(struct call *c);
void tokens_list(struct call *c);
void tokens_revoke(struct call *c);

// --- pulumi_account_routes.c: what Pulumi's command line asks first ---
void neighbours_user(struct call *c);
void neighbours_default_org(struct call *c);
void neighbours_capabilities(struct call *c);
void neighbours_cli_version(struct call *c);

// --- stack_routes.c ---
void stacks_list(struct call *c);
void stacks_create(struct call *c);
void stacks_project(struct call *c);
void stacks_get(struct call *c);
void stacks_export(struct call *c);
void stacks_delete(struct call *c);

// --- environment_routes.c ---
void environments_list(struct call *c);
void environments_get(struct call *c);
void environments_delete(struct call *c);

#endif
