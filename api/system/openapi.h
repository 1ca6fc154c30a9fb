// openapi.h — the description of this server, and the handler that shows it.

#ifndef API_SYSTEM_OPENAPI_H
#define API_SYSTEM_OPENAPI_H

#include <stddef.h>

struct call;

extern const char openapi_json[]; // openapi.json, as built in
extern const size_t openapi_json_bytes;

// Answers its call.
void openapi_get(struct call *c);

#endif
