// tail.h — deliveries as they happen, as server-sent events.

#ifndef API_TAIL_H
#define API_TAIL_H

struct api;
struct call;

void tail_init(struct api *api);

// Follows a hook, or an organization; the answer has no end.
void tail_get(struct call *c);

#endif
