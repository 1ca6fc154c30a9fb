// pulumi_account_routes.h — handlers of the routes that Pulumi's command line asks before
// it comes to the hooks.

#ifndef API_SYSTEM_PULUMI_ACCOUNT_ROUTES_H
#define API_SYSTEM_PULUMI_ACCOUNT_ROUTES_H

struct call;

// Each answers its call.
void neighbours_user(struct call *c);
void neighbours_default_org(struct call *c);
void neighbours_capabilities(struct call *c);
void neighbours_cli_version(struct call *c);

#endif
