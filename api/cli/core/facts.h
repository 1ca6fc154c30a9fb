// SPDX-License-Identifier: MIT
// facts.h — one object as a table of names and values, for people.

#ifndef API_CLI_CORE_FACTS_H
#define API_CLI_CORE_FACTS_H

#include "common/encoding/json.h"

// Prints the members of an object, one a row, those of objects within it too: "payloadUrl"
// as "payload url", times as in other tables, sizes and shares with their units. What is
// null or empty is left out. Values are whole, however wide the terminal is.
void facts_print(const struct json_value *object);

#endif
