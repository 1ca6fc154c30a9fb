// SPDX-License-Identifier: MIT
// config_routes.c — handler of the route that shows the settings as this process has them.

#include "api/core/api_request.h"
#include "api/system/handlers.h"
#include "common/config/settings_shown.h"

void config_get(struct api_request *rq)
{
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    json_open_object(&w, NULL);
    json_open_array(&w, "settings");
    settings_print(rq->api->config, &w);
    json_close(&w);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}
