// SPDX-License-Identifier: MIT
// json_members.c — reads members of a JSON body, with reasons for what is wrong.

#include "api/json/json_members.h"

#include "common/config/config.h"
#include "common/encoding/url.h"

enum err reader_refuse(const struct hook_reader *reader, const char *sentence)
{
    buf_puts(reader->why, sentence);
    return ERR_INVALID;
}

const struct json_value *member_find(const struct json_value *body,
                                     const char *key)
{
    const struct json_value *v = json_get(body, key);

    return json_is(v, JSON_NULL) ? NULL : v;
}

enum err member_text(const struct hook_reader *reader,
                     const struct json_value *body, const char *key,
                     struct str *out)
{
    const struct json_value *v = member_find(body, key);

    if (v == NULL)
        return OK;
    if (!json_is(v, JSON_STRING)) {
        buf_printf(reader->why, "%s must be a string, not %s", key,
                   json_type_name(v));
        return ERR_INVALID;
    }
    *out = arena_copy(reader->arena, json_str(v));
    return OK;
}

enum err member_url(const struct hook_reader *reader,
                    const struct json_value *body, const char *key,
                    struct str *out)
{
    struct str before = *out;
    struct url url;
    enum err err = member_text(reader, body, key, out);

    if (err != OK || reader->config == NULL || str_eq(before, *out) ||
        url_parse(*out, &url, NULL) != OK ||
        config_permits_port(reader->config, url.port))
        return err;
    buf_printf(reader->why,
               "%s: nothing is delivered to port %u; the setting "
               "endpoint_ports allows ",
               key, url.port);
    config_put_ports(reader->config, reader->why);
    return ERR_INVALID;
}

enum err member_bool(const struct hook_reader *reader,
                     const struct json_value *body, const char *key, bool *out)
{
    const struct json_value *v = member_find(body, key);

    if (v == NULL)
        return OK;
    if (!json_is(v, JSON_BOOL)) {
        buf_printf(reader->why, "%s must be true or false, not %s", key,
                   json_type_name(v));
        return ERR_INVALID;
    }
    *out = json_bool(v);
    return OK;
}
