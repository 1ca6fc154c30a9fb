// SPDX-License-Identifier: MIT
// raw.c — the event's payload as it is.

#include <stddef.h>

#include "common/model/formats/format.h"

const struct format format_raw = {
    .name = "raw",
    .number = 1,
    .is_pulumi = true,
    .is_for_organizations = true,
    .check_url = format_check_http,
    .render = NULL,
};
