// health_routes.h — health, readiness, metrics: for operators, without a token.

#ifndef API_SYSTEM_HEALTH_ROUTES_H
#define API_SYSTEM_HEALTH_ROUTES_H

struct call;

// Each answers its call.
void operations_healthz(struct call *c);
void operations_readyz(struct call *c);
void operations_metrics(struct call *c);

#endif
