// attempt_routes.h — handlers of the routes that make an attempt at once.

#ifndef API_DELIVERIES_ATTEMPT_ROUTES_H
#define API_DELIVERIES_ATTEMPT_ROUTES_H

#include <stdint.h>

struct answer;
struct call;

// Each answers its call with the record of the attempt, later.
void manual_ping(struct call *c);
void manual_status(struct call *c);
void manual_redeliver(struct call *c);

// Answers with what a dispatcher said: the record, or why there is none.
void manual_answered(struct call *c, uint64_t hook_no,
                     const struct answer *answer);

#endif
