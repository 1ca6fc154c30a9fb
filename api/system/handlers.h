// SPDX-License-Identifier: MIT
// handlers.h — the handlers of the routes of the engine itself, and of those that Pulumi's
// command line needs besides hooks. Each answers its request.

#ifndef API_SYSTEM_HANDLERS_H
#define API_SYSTEM_HANDLERS_H

struct api_request;

// --- health_routes.c: for operators, without a token ---
void operations_healthz(struct api_request *rq);
void operations_readyz(struct api_request *rq);
void operations_metrics(struct api_request *rq);

// --- status_routes.c: how it goes; both answer later ---
void status_get_org(struct api_request *rq); // with the path's organization
void status_get_engine(struct api_request *rq);

// --- config_routes.c: the settings of this process ---
void config_get(struct api_request *rq);

// --- kind_routes.c: what webhooks can be filtered by ---
void kinds_list(struct api_request *rq);
void kinds_list_org(
    struct api_request *rq); // of its newest events; answers later

// --- catalogue_routes.c: what an organization says about a kind of its own ---
void catalogue_get(struct api_request *rq);
void catalogue_put(struct api_request *rq);
void catalogue_delete(struct api_request *rq);

// --- openapi.c: the description of the API ---
void openapi_get(struct api_request *rq);

// --- token_routes.c: tokens of an organization ---
void tokens_create(struct api_request *rq);
void tokens_list(struct api_request *rq);
void tokens_rotate(struct api_request *rq);
void tokens_revoke(struct api_request *rq);

// --- pulumi_account_routes.c: what Pulumi's command line asks first ---
void pulumi_account_user(struct api_request *rq);
void pulumi_account_default_org(struct api_request *rq);
void pulumi_account_capabilities(struct api_request *rq);
void pulumi_account_cli_version(struct api_request *rq);

// --- akinon_account_routes.c: organizations of Akinon's that the token may see ---
void akinon_account_organizations(struct api_request *rq);

// --- stack_routes.c ---
void stacks_list(struct api_request *rq);
void stacks_create(struct api_request *rq);
void stacks_project(struct api_request *rq);
void stacks_get(struct api_request *rq);
void stacks_export(struct api_request *rq);
void stacks_delete(struct api_request *rq);

// --- environment_routes.c ---
void environments_list(struct api_request *rq);
void environments_get(struct api_request *rq);
void environments_delete(struct api_request *rq);

#endif
