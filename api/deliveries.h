// deliveries.h — handlers of the routes that show a hook's history.

#ifndef API_DELIVERIES_H
#define API_DELIVERIES_H

struct call;

// Answers its call.
void deliveries_list(struct call *c);

#endif
