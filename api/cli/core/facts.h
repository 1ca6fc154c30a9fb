// SPDX-License-Identifier: MIT
// facts.h — one object as a table of names and values, for people.

#ifndef API_CLI_CORE_FACTS_H
#define API_CLI_CORE_FACTS_H

#include "common/encoding/json.h"

// Prints the members of an object and of objects within it, one per row: "payloadUrl"
// as "payload url", times as in other tables, sizes and shares with their units.
// Members that are null or empty are left out. Values are never cut to the terminal's
// width.
void facts_print(const struct json_value *object);

#endif
