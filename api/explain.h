// explain.h — handlers of the routes that say which hooks want an event.

#ifndef API_EXPLAIN_H
#define API_EXPLAIN_H

struct call;

// Each answers later.
void explain_posted(struct call *c); // the event in the body, with requests
void explain_stored(struct call *c); // the event of the path, with its attempts

#endif
