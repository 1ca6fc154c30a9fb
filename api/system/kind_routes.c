// SPDX-License-Identifier: MIT
// kind_routes.c — handler of the route that lists what webhooks can be filtered by.

#include "api/system/handlers.h"

#include "api/core/api_request.h"
#include "common/model/event_kinds.h"

static void put_levels(unsigned levels, struct json_writer *w)
{
    static const struct {
        enum level_bit bit;
        const char *name;
    } names[] = { { LEVEL_BIT_ORG, "organization" },
                  { LEVEL_BIT_STACK, "stack" },
                  { LEVEL_BIT_ENV, "environment" } };

    json_open_array(w, "levels");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((levels & names[i].bit) != 0)
            json_put_text(w, NULL, names[i].name);
    }
    json_close(w);
}

static void put_group(enum group group, struct json_writer *w)
{
    json_open_object(w, NULL);
    json_put_text(w, "name", group_name(group));
    put_levels(group_levels(group), w);
    json_open_array(w, "filters");
    for (size_t i = 0; i < n_filters; i++) {
        if (filters[i].group != group)
            continue;
        json_open_object(w, NULL);
        json_put_text(w, "name", filters[i].name);
        json_put_text(w, "kind", filters[i].kind);
        put_levels(filters[i].levels, w);
        json_close(w);
    }
    json_close(w);
    json_close(w);
}

void kinds_list(struct api_request *rq)
{
    struct buf body;
    struct json_writer w = json_writer(&body);

    buf_init(&body, 0);
    json_open_object(&w, NULL);
    json_open_array(&w, "groups");
    for (int i = 0; i < GROUPS; i++)
        put_group((enum group)i, &w);
    json_close(&w);
    json_open_array(&w, "own");
    for (size_t i = 0; i < n_own_kinds; i++)
        json_put_text(&w, NULL, own_kinds[i]);
    json_close(&w);
    json_close(&w);
    request_answer(rq, 200, buf_str(&body));
    buf_clear(&body);
}
