// SPDX-License-Identifier: MIT
// facts.c — the values of one event at the paths that patterns look at.
//
// The event is walked without recursion, along the tree of paths: a member that no
// pattern names is passed over with all that it holds. Where an array is in the way, its
// elements count as if each were there alone; each value knows the innermost element that
// it is in, since a pattern's fields must not hold in different elements. Elements are
// noted when the first value in them is, so there are at most as many as values and
// nested arrays.

#include "common/pattern/facts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/pattern/number.h"

// --- growing ---

static void *grow(void *at, size_t n, size_t *room, size_t each_bytes)
{
    if (n < *room)
        return at;
    *room = *room > 0 ? *room * 2 : 16;
    return xrealloc(at, *room * each_bytes);
}

struct facts *facts_new(void)
{
    return xcalloc(1, sizeof(struct facts));
}

void facts_free(struct facts *facts)
{
    if (facts == NULL)
        return;
    free(facts->slots);
    free(facts->values);
    free(facts->elements);
    free(facts->arrays);
    free(facts->frames);
    free(facts);
}

static uint32_t add_element(struct facts *facts, uint32_t parent,
                            uint32_t array)
{
    facts->elements = grow(facts->elements, facts->n_elements,
                           &facts->elements_room, sizeof(*facts->elements));
    facts->elements[facts->n_elements] =
        (struct element){ .parent = parent, .array = array };
    return facts->n_elements++;
}

static uint32_t add_array(struct facts *facts)
{
    facts->arrays = grow(facts->arrays, facts->n_arrays, &facts->arrays_room,
                         sizeof(*facts->arrays));
    facts->arrays[facts->n_arrays] = (struct array){ .stamp = 0 };
    return facts->n_arrays++;
}

void facts_begin(struct facts *facts, const struct paths *paths)
{
    facts->paths = paths;
    facts->stamp++;
    if (facts->stamp == 0) { // once in 2^32 events
        memset(facts->slots, 0, facts->n_slots * sizeof(*facts->slots));
        facts->stamp = 1;
    }
    if (paths->n_ids > facts->n_slots) {
        facts->slots =
            xrealloc(facts->slots, paths->n_ids * sizeof(*facts->slots));
        memset(facts->slots + facts->n_slots, 0,
               (paths->n_ids - facts->n_slots) * sizeof(*facts->slots));
        facts->n_slots = paths->n_ids;
    }
    facts->n_values = 0;
    facts->n_elements = 0;
    facts->n_arrays = 0;
    facts->n_frames = 0;
    facts->compare_stamp = 0;
    (void)add_array(facts); // 0: none
    (void)add_element(facts, 0, 0);
}

// --- values ---

// The innermost element of an array around a value of the top frame's container. It is
// noted now, with those around it, if it is the first value in it.
static uint32_t element_here(struct facts *facts)
{
    size_t n = facts->n_frames;
    uint32_t element = 0;
    size_t i = n > 0 ? n - 1 : 0; // the top frame is no element of its own

    while (i > 0 && !(facts->frames[i - 1].is_array &&
                      facts->frames[i - 1].element != 0))
        i--;
    if (i > 0)
        element = facts->frames[i - 1].element;
    for (; i + 1 < n; i++) {
        struct frame *frame = &facts->frames[i];

        if (!frame->is_array)
            continue;
        if (frame->array == 0)
            frame->array = add_array(facts);
        element = add_element(facts, element, frame->array);
        frame->element = element;
    }
    return element;
}

static void add_value(struct facts *facts, const struct path_node *node,
                      struct value value)
{
    struct slot *slot = &facts->slots[node->id];

    if (slot->stamp != facts->stamp)
        *slot = (struct slot){ .stamp = facts->stamp, .first = NO_VALUE };
    slot->n_seen++;
    if (slot->n == PATTERN_MAX_VALUES)
        return;
    value.element = element_here(facts);
    value.next = NO_VALUE;
    value.n_address = ADDRESS_UNKNOWN;
    facts->values = grow(facts->values, facts->n_values, &facts->values_room,
                         sizeof(*facts->values));
    facts->values[facts->n_values] = value;
    if (slot->n == 0) {
        slot->first = facts->n_values;
    } else {
        facts->values[slot->last].next = facts->n_values;
    }
    slot->last = facts->n_values++;
    slot->n++;
}

static void add_scalar(struct facts *facts, const struct path_node *node,
                       const struct json_value *v)
{
    struct value value = { .type = (uint8_t)json_type(v) };

    if (node->n_fields == 0)
        return;
    switch (json_type(v)) {
    case JSON_STRING:
        value.text = json_str(v);
        break;
    case JSON_NUMBER:
        value.text = json_number(v);
        value.is_number = number_of(value.text, &value.number);
        break;
    case JSON_BOOL:
        value.text = json_bool(v) ? STR("true") : STR("false");
        break;
    case JSON_NULL:
        value.text = STR("null");
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        return;
    }
    add_value(facts, node, value);
}

// --- walking ---

// The node of a member. A dot in its name is like one between names.
static const struct path_node *
follow(const struct facts *facts, const struct path_node *node, struct str name)
{
    for (;;) {
        const char *dot =
            name.n_bytes > 0 ? memchr(name.at, '.', name.n_bytes) : NULL;
        size_t n = dot != NULL ? (size_t)(dot - name.at) : name.n_bytes;

        node = paths_child(facts->paths, node, (struct str){ name.at, n });
        if (node == NULL || dot == NULL)
            return node;
        name.at += n + 1;
        name.n_bytes -= n + 1;
    }
}

// Opens a container, unless no pattern can name anything in it.
static void push(struct facts *facts, const struct path_node *node,
                 const struct json_value *v)
{
    bool is_array = json_is(v, JSON_ARRAY);
    bool has_children = node->n_uses > node->n_fields;

    if (!has_children && !is_array)
        return;
    assert(facts->n_frames < JSON_DEPTH_MAX);
    facts->frames = grow(facts->frames, facts->n_frames, &facts->frames_room,
                         sizeof(*facts->frames));
    facts->frames[facts->n_frames++] = (struct frame){ .it = json_iter(v),
                                                       .node = node,
                                                       .is_array = is_array };
}

static void visit(struct facts *facts, const struct path_node *node,
                  const struct json_value *v)
{
    if (json_is(v, JSON_ARRAY) || json_is(v, JSON_OBJECT)) {
        push(facts, node, v);
    } else {
        add_scalar(facts, node, v);
    }
}

void facts_add_json(struct facts *facts, const char *field,
                    const struct json_value *v)
{
    const struct path_node *node =
        paths_child(facts->paths, NULL, str_of(field));

    if (node == NULL)
        return;
    visit(facts, node, v);
    while (facts->n_frames > 0) {
        struct frame *frame = &facts->frames[facts->n_frames - 1];
        struct str name = STR_EMPTY;
        const struct json_value *child = json_next(&frame->it, &name);

        if (child == NULL) {
            facts->n_frames--;
            continue;
        }
        frame->element = 0;
        node = frame->is_array ? frame->node : follow(facts, frame->node, name);
        if (node != NULL)
            visit(facts, node, child);
    }
}

void facts_add_str(struct facts *facts, const char *field, struct str text)
{
    const struct path_node *node =
        paths_child(facts->paths, NULL, str_of(field));

    if (node != NULL && node->n_fields > 0) {
        add_value(facts, node,
                  (struct value){ .text = text, .type = JSON_STRING });
    }
}
