// token_routes.h — handlers of the routes that make, list and revoke tokens.

#ifndef API_SYSTEM_TOKEN_ROUTES_H
#define API_SYSTEM_TOKEN_ROUTES_H

struct call;

// Each answers its call.
void tokens_create(struct call *c);
void tokens_list(struct call *c);
void tokens_revoke(struct call *c);

#endif
