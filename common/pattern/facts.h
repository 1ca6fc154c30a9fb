// SPDX-License-Identifier: MIT
// facts.h — the values of one event at the paths that patterns look at.
//
//   facts_begin(facts, paths);
//   facts_add_str(facts, "kind", event->kind);
//   facts_add_json(facts, "payload", json_root(payload));
//   … pattern_holds(pattern, facts) …
//
// What a value points to is borrowed from the event and its JSON.

#ifndef COMMON_PATTERN_FACTS_H
#define COMMON_PATTERN_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/str.h"
#include "common/encoding/json.h"
#include "common/pattern/paths.h"

// Of a field that arrays repeat, this many values are compared: the first ones.
#define PATTERN_MAX_VALUES 1024

#define NO_VALUE UINT32_MAX

struct value {
    struct str text;   // of a string; of a number as it was written
    double number;     // if it `is_number`
    uint32_t element;  // the innermost one of an array around it; 0: none
    uint32_t next;     // the next one at this path, or NO_VALUE
    uint8_t type;      // enum json_type
    bool is_number;    // a double holds it
    uint8_t n_address; // bytes of the address; ADDRESS_UNKNOWN: not looked yet
    uint8_t address[16];
};

#define ADDRESS_UNKNOWN 255

// The values at a path.
struct slot {
    uint32_t stamp; // of the event
    uint32_t first, last;
    uint32_t n;      // that are kept
    uint32_t n_seen; // PATTERN_MAX_VALUES of them are kept
};

// An element of an array that is an object or an array itself. Parents come before
// children. Sets of fields are of the comparison in progress.
struct element {
    uint32_t parent; // element; 0: none
    uint32_t array;
    uint32_t stamp; // of the comparison
    uint64_t has;   // fields with a value in it
    uint64_t
        holds; // fields of which a value holds that is in no element within it
    uint64_t got;   // of the set that is compared: those that hold in it
    uint64_t found; // those of them that hold by a value
};

struct array {
    uint32_t stamp;
    uint64_t has; // fields with a value in any of its elements
};

struct frame {
    struct json_iter it;
    const struct path_node *node;
    bool is_array;
    uint32_t array;   // 0: none yet
    uint32_t element; // of the current element; 0: none yet
};

// Keeps its memory from event to event. Closed to other rooms.
struct facts {
    const struct paths *paths;
    uint32_t stamp;
    struct slot *slots; // by the id of a path
    size_t n_slots;
    struct value *values;
    uint32_t n_values;
    size_t values_room;
    struct element *elements; // the first stands for the event itself
    uint32_t n_elements;
    size_t elements_room;
    uint32_t compare_stamp;
    struct array *arrays;
    uint32_t n_arrays;
    size_t arrays_room;
    struct frame *frames;
    size_t n_frames;
    size_t frames_room;
};

// The values at a path, or NULL: there are none.
static inline const struct slot *facts_at(const struct facts *facts,
                                          const struct path_node *node)
{
    const struct slot *slot;

    if (node->id >= facts->n_slots)
        return NULL;
    slot = &facts->slots[node->id];
    return slot->stamp == facts->stamp ? slot : NULL;
}

struct facts *facts_new(void);
void facts_free(struct facts *facts); // NULL is fine

// Forgets the event before. `paths` must not change until the last pattern is compared.
void facts_begin(struct facts *facts, const struct paths *paths);

// A field of the event: a string, or a JSON value of any depth.
void facts_add_str(struct facts *facts, const char *field, struct str text);
void facts_add_json(struct facts *facts, const char *field,
                    const struct json_value *v);

#endif
