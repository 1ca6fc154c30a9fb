// tokens.h — handlers of the routes that make, list and revoke tokens.

#ifndef API_TOKENS_H
#define API_TOKENS_H

struct call;

// Each answers its call.
void tokens_create(struct call *c);
void tokens_list(struct call *c);
void tokens_revoke(struct call *c);

#endif
