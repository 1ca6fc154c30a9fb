// SPDX-License-Identifier: MIT
// format_table.h — finds the formats that a hook may use: one row of a table each.
//
// The API checks URLs with it, the engine makes bodies with it.

#ifndef COMMON_MODEL_FORMATS_FORMAT_TABLE_H
#define COMMON_MODEL_FORMATS_FORMAT_TABLE_H

#include "common/base/buf.h"
#include "common/base/str.h"
#include "common/model/formats/format.h"

// NULL: there is none.
const struct format *format_by_number(int number);
const struct format *format_by_name(struct str name);

// Appends the names that Pulumi's hooks may use: "raw, slack, …".
void format_put_names(struct buf *out);

// The media type of the bodies of a format; a number that is none's has application/json.
const char *format_content_type(int number);

#endif
