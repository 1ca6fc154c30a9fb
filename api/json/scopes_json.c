// SPDX-License-Identifier: MIT
// scopes_json.c — what a token or a session may do, as an array of words.

#include "api/json/scopes_json.h"

#include "common/model/token.h"

static const struct {
    const char *name;
    enum token_scope scope;
} scope_names[] = {
    { "ingest", TOKEN_INGEST },
    { "read", TOKEN_READ },
    { "write", TOKEN_WRITE },
    { "admin", TOKEN_ADMIN },
};

#define N_SCOPES (sizeof(scope_names) / sizeof(scope_names[0]))

void scopes_print(unsigned scopes, struct json_writer *w, const char *key)
{
    json_open_array(w, key);
    for (size_t i = 0; i < N_SCOPES; i++) {
        if ((scopes & scope_names[i].scope) != 0)
            json_put_text(w, NULL, scope_names[i].name);
    }
    json_close(w);
}

static enum err refuse(const struct validation *validation, unsigned allowed)
{
    const char *separator = "";

    buf_puts(validation->why, "scopes must be an array of one or more of ");
    for (size_t i = 0; i < N_SCOPES; i++) {
        if ((allowed & scope_names[i].scope) == 0)
            continue;
        buf_printf(validation->why, "%s\"%s\"", separator, scope_names[i].name);
        separator = ", ";
    }
    return validation_refuse(validation, ", each once");
}

enum err scopes_read(const struct validation *validation,
                     const struct json_value *body, unsigned allowed,
                     unsigned *out)
{
    const struct json_value *list = member_find(body, "scopes");
    struct json_iter it = json_iter(list);
    const struct json_value *item;

    *out = 0;
    if (!json_is(list, JSON_ARRAY))
        list = NULL;
    while (list != NULL && (item = json_next(&it, NULL)) != NULL) {
        unsigned before = *out;

        for (size_t i = 0; i < N_SCOPES; i++) {
            if (str_is(json_str(item), scope_names[i].name))
                *out |= scope_names[i].scope & allowed;
        }
        if (*out == before)
            list = NULL; // unknown, or given twice
    }
    if (list != NULL && *out != 0)
        return OK;
    return refuse(validation, allowed);
}
