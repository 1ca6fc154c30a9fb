// stats.h — handler of the routes that show statistics.

#ifndef API_STATS_H
#define API_STATS_H

struct call;

// Of a hook, or of an organization.
void stats_get(struct call *c);

#endif
