// SPDX-License-Identifier: MIT
// format_table.c — the table of formats.

#include "common/model/formats/format_table.h"

#include <stddef.h>

// A new format: a file with its row, declared in format.h, and a line here.
static const struct format *const formats[] = {
    &format_raw,      &format_slack,
    &format_ms_teams, &format_pulumi_deployments,
    &format_akinon,   &format_cloudevents,
};

#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

const struct format *format_by_number(int number)
{
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (formats[i]->number == number)
            return formats[i];
    }
    return NULL;
}

const struct format *format_by_name(struct str name)
{
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (str_is(name, formats[i]->name))
            return formats[i];
    }
    return NULL;
}

const char *format_content_type(int number)
{
    const struct format *format = format_by_number(number);

    return format != NULL && format->content_type != NULL ? format->content_type
                                                          : "application/json";
}

void format_put_names(struct buf *out)
{
    const char *separator = "";

    for (size_t i = 0; i < N_FORMATS; i++) {
        if (!formats[i]->is_pulumi)
            continue;
        buf_printf(out, "%s%s", separator, formats[i]->name);
        separator = ", ";
    }
}
