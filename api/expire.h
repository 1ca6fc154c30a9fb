// expire.h — removes what hooks need no more: secrets that were replaced.

#ifndef API_EXPIRE_H
#define API_EXPIRE_H

struct api;
struct hook;

// This hook is there (again): its old secret is to be removed in time.
void expire_note(struct api *api, const struct hook *hook);

// Every second: looks at the hooks when the first secret is about to be over.
void expire_on_second(struct api *api);

#endif
