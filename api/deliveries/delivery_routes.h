// delivery_routes.h — handlers of the routes that show a hook's history.

#ifndef API_DELIVERIES_DELIVERY_ROUTES_H
#define API_DELIVERIES_DELIVERY_ROUTES_H

struct call;

#include <stdint.h>

struct answer;

// Answer their calls: the attempts of a hook, or of an organization.
void deliveries_list(struct call *c);
void deliveries_list_org(struct call *c);

// Answers the call with the record of the attempt that `answer` tells of.
void deliveries_show(struct call *c, uint64_t hook_no,
                     const struct answer *answer);

#endif
