// SPDX-License-Identifier: MIT
// json_members.c — reads members of a JSON body, with reasons for what is wrong.

#include "api/json/json_members.h"

#include "common/config/config.h"
#include "common/encoding/url.h"

void validation_at(const struct validation *validation, const char *key)
{
    if (validation->field != NULL)
        *validation->field = key;
}

enum err validation_refuse(const struct validation *validation,
                           const char *sentence)
{
    buf_puts(validation->why, sentence);
    return ERR_INVALID;
}

const struct json_value *member_find(const struct json_value *body,
                                     const char *key)
{
    const struct json_value *v = json_get(body, key);

    return json_is(v, JSON_NULL) ? NULL : v;
}

enum err member_text(const struct validation *validation,
                     const struct json_value *body, const char *key,
                     struct str *out)
{
    const struct json_value *v = member_find(body, key);

    validation_at(validation, key);
    if (v == NULL)
        return OK;
    if (!json_is(v, JSON_STRING)) {
        buf_printf(validation->why, "%s must be a string, not %s", key,
                   json_type_name(v));
        return ERR_INVALID;
    }
    *out = arena_copy(validation->arena, json_str(v));
    return OK;
}

enum err member_url(const struct validation *validation,
                    const struct json_value *body, const char *key,
                    struct str *out)
{
    struct str before = *out;
    struct url url;
    enum err err = member_text(validation, body, key, out);

    if (err != OK || validation->config == NULL || str_eq(before, *out) ||
        url_parse(*out, &url, NULL) != OK ||
        config_permits_port(validation->config, url.port))
        return err;
    buf_printf(validation->why,
               "%s: nothing is delivered to port %u; the setting "
               "endpoint_ports allows ",
               key, url.port);
    config_put_ports(validation->config, validation->why);
    return ERR_INVALID;
}

enum err member_bool(const struct validation *validation,
                     const struct json_value *body, const char *key, bool *out)
{
    const struct json_value *v = member_find(body, key);

    validation_at(validation, key);
    if (v == NULL)
        return OK;
    if (!json_is(v, JSON_BOOL)) {
        buf_printf(validation->why, "%s must be true or false, not %s", key,
                   json_type_name(v));
        return ERR_INVALID;
    }
    *out = json_bool(v);
    return OK;
}
