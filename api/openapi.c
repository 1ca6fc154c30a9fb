// openapi.c — shows the OpenAPI document: openapi.json, as built in.

#include "api/openapi.h"

#include "api/server.h"

void openapi_get(struct call *c)
{
    call_answer(c, 200, (struct str){ openapi_json, openapi_json_bytes });
}
