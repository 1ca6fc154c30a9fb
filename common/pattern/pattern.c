// SPDX-License-Identifier: MIT
// pattern.c — whether an event's values satisfy a pattern, and why not.
//
// Each field is looked at alone first: without arrays of objects, that is all. Fields
// whose values lie in elements of arrays must hold in the same element of each array, so
// for these every element gets the set of fields that hold in it, and hands it on to the
// element around its array if nothing is missing, the innermost first. This takes one
// step for each value, however arrays are nested.
//
// What must be absent is compared in the order of the paths, as in the language: a field
// counts as absent from the element that an earlier field was found in; if none was,
// from the whole array.

#include "common/pattern/pattern.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/pattern/compiled.h"
#include "common/pattern/facts.h"
#include "common/pattern/paths.h"
#include "common/pattern/show.h"
#include "common/pattern/test.h"

#define SHOWN_VALUES 3
#define SHOWN_BYTES  64

// --- its life ---

void pattern_bind(struct pattern *p, struct paths *paths)
{
    p->paths = paths;
    for (size_t i = 0; i < p->n_fields; i++)
        p->fields[i].node = paths_take(paths, field_path(p, &p->fields[i]));
}

void pattern_unbind(struct pattern *p)
{
    for (size_t i = 0; i < p->n_fields; i++) {
        paths_drop(p->paths, p->fields[i].node);
        p->fields[i].node = NULL;
    }
    p->paths = NULL;
}

void pattern_free(struct pattern *p)
{
    assert(p == NULL || p->paths == NULL);
    free(p);
}

size_t pattern_bytes(const struct pattern *p)
{
    return p->n_bytes;
}

// --- each field alone ---

static uint64_t bit(size_t i)
{
    return UINT64_C(1) << i;
}

static uint64_t lowest(uint64_t set)
{
    return set & (~set + 1);
}

// What is known of a pattern's fields.
struct known {
    uint64_t looked; // fields that were looked at
    uint64_t holds;  // of these: alone
    uint64_t
        in_array;    // of these: only by values in arrays, or absent from them
    uint64_t found;  // of these: by values
    uint64_t spread; // fields whose elements are noted
};

static void look(const struct pattern *p, struct facts *facts, size_t i,
                 struct known *known)
{
    const struct field *f = &p->fields[i];
    const struct slot *slot = facts_at(facts, f->node);
    bool is_found = false;
    bool is_visible = false; // a value is in no array

    known->looked |= bit(i);
    if (slot == NULL) {
        if (f->may_be_absent)
            known->holds |= bit(i);
        return;
    }
    for (uint32_t at = slot->first; at != NO_VALUE;
         at = facts->values[at].next) {
        struct value *value = &facts->values[at];

        is_visible |= value->element == 0;
        if (is_found && value->element != 0)
            continue;
        if (field_holds(p, f, value)) {
            is_found = true;
            if (value->element == 0) { // no other field can be in the way
                known->holds |= bit(i);
                return;
            }
        }
    }
    // Values that are not kept might be visible.
    if (is_found ||
        (f->may_be_absent && !is_visible && slot->n == slot->n_seen)) {
        known->holds |= bit(i);
        known->in_array |= bit(i);
        known->found |= is_found ? bit(i) : 0;
    }
}

// Whether all fields of the set hold alone.
static bool hold_alone(const struct pattern *p, struct facts *facts,
                       uint64_t set, struct known *known)
{
    for (uint64_t left = set & ~known->looked; left != 0; left &= left - 1) {
        size_t i = (size_t)__builtin_ctzll(left);

        look(p, facts, i, known);
        if ((known->holds & bit(i)) == 0)
            return false;
    }
    return (set & ~known->holds) == 0;
}

// --- fields together ---

static struct element *element_of(struct facts *facts, uint32_t i)
{
    struct element *e = &facts->elements[i];

    if (e->stamp != facts->compare_stamp) {
        e->stamp = facts->compare_stamp;
        e->has = e->holds = 0;
    }
    return e;
}

static struct array *array_of(struct facts *facts, uint32_t i)
{
    struct array *a = &facts->arrays[i];

    if (a->stamp != facts->compare_stamp) {
        a->stamp = facts->compare_stamp;
        a->has = 0;
    }
    return a;
}

// Notes where the field has values, and where they hold.
static void spread(const struct pattern *p, struct facts *facts, size_t i)
{
    const struct field *f = &p->fields[i];
    const struct slot *slot = facts_at(facts, f->node);

    assert(slot != NULL); // it has values in arrays
    for (uint32_t at = slot->first; at != NO_VALUE;
         at = facts->values[at].next) {
        struct value *value = &facts->values[at];
        struct element *e = element_of(facts, value->element);
        uint32_t around = value->element;

        if (field_holds(p, f, value))
            e->holds |= bit(i);
        while ((e->has & bit(i)) == 0) {
            e->has |= bit(i);
            if (around == 0)
                break;
            array_of(facts, e->array)->has |= bit(i);
            around = e->parent;
            e = element_of(facts, around);
        }
    }
}

// Hands on what holds in an element to the element around its array, if all fields of
// the set hold that have values in the array. The first of them must have been found: only
// then is the element the one that later fields may be absent from.
static void hand_on(struct facts *facts, uint32_t i, uint64_t set,
                    uint64_t absent)
{
    const struct element *e = &facts->elements[i];
    struct element *around = element_of(facts, e->parent);
    uint64_t has = array_of(facts, e->array)->has & set;
    uint64_t needed = has & ~around->got;
    uint64_t got = e->got | (absent & ~e->has);

    if ((needed & ~got) != 0 || (lowest(needed) & ~e->found) != 0)
        return;
    around->got |= needed;
    around->found |= lowest(needed);
}

// Where the fields of the set have values, and where they hold, is noted once for all
// sets of a pattern. Returns those that may be absent.
static uint64_t spread_all(const struct pattern *p, struct facts *facts,
                           uint64_t set, struct known *known)
{
    uint64_t absent = 0;

    if (known->spread == 0)
        facts->compare_stamp++;
    for (uint64_t left = set; left != 0; left &= left - 1) {
        size_t i = (size_t)__builtin_ctzll(left);
        const struct slot *slot = facts_at(facts, p->fields[i].node);

        if ((known->spread & bit(i)) == 0)
            spread(p, facts, i);
        if (p->fields[i].may_be_absent && slot->n == slot->n_seen)
            absent |= bit(i);
    }
    known->spread |= set;
    return absent;
}

// Whether the fields of the set, which all have values in arrays and hold alone, hold
// together.
static bool hold_together(const struct pattern *p, struct facts *facts,
                          uint64_t set, struct known *known)
{
    uint64_t absent = spread_all(p, facts, set, known);
    const struct element *all = element_of(facts, 0);

    for (uint32_t i = 0; i < facts->n_elements; i++) {
        struct element *e = &facts->elements[i];

        e->got = e->found = e->holds & set;
    }
    for (uint32_t i = facts->n_elements - 1; i > 0; i--) {
        if (facts->elements[i].stamp == facts->compare_stamp)
            hand_on(facts, i, set, absent);
    }
    return (set & ~(all->got | (absent & ~all->has))) == 0;
}

// A single field that was found in an array needs no other one there.
static bool choice_holds(const struct pattern *p, struct facts *facts,
                         uint64_t set, struct known *known)
{
    uint64_t together;

    if (!hold_alone(p, facts, set, known))
        return false;
    together = set & known->in_array;
    if ((together & (together - 1)) == 0 && (together & ~known->found) == 0)
        return true;
    return hold_together(p, facts, together, known);
}

bool pattern_holds(const struct pattern *p, struct facts *facts)
{
    struct known known = { .looked = 0 };

    for (size_t i = 0; i < p->n_choices; i++) {
        if (choice_holds(p, facts, p->choices[i], &known))
            return true;
    }
    return false;
}

// --- why not ---

static void put_value(const struct value *value, struct buf *out)
{
    struct str text = value->text;
    bool is_cut = text.n_bytes > SHOWN_BYTES;

    if (is_cut) {
        text.n_bytes = SHOWN_BYTES;
        while (text.n_bytes > 0 && (text.at[text.n_bytes] & 0xc0) == 0x80)
            text.n_bytes--;
    }
    if (value->type == JSON_STRING) {
        buf_put_json(out, text);
    } else {
        buf_put_str(out, text);
    }
    if (is_cut)
        buf_puts(out, " ...");
}

static void put_values(struct facts *facts, const struct field *f,
                       struct buf *out)
{
    const struct slot *slot = facts_at(facts, f->node);
    uint32_t at;
    uint32_t n = 0;

    if (slot == NULL) {
        buf_puts(out, "missing");
        return;
    }
    for (at = slot->first; at != NO_VALUE && n < SHOWN_VALUES;
         at = facts->values[at].next) {
        buf_puts(out, n++ > 0 ? ", " : "");
        put_value(&facts->values[at], out);
    }
    if (slot->n_seen > n)
        buf_printf(out, " and %u more", slot->n_seen - n);
    if (slot->n_seen > slot->n)
        buf_printf(out, ", of which the first %u are compared", slot->n);
}

static void put_field(const struct pattern *p, struct facts *facts,
                      const struct field *f, struct buf *out)
{
    buf_put_plain(out, field_path(p, f));
    buf_puts(out, " is ");
    put_values(facts, f, out);
    buf_puts(out, "; it must be ");
    for (size_t i = 0; i < f->n_tests; i++) {
        buf_puts(out, i > 0 ? " or " : "");
        test_put(p, &p->tests[f->first_test + i], out);
    }
}

static void put_together(const struct pattern *p, uint64_t set, struct buf *out)
{
    const char *separator = "";

    for (; set != 0; set &= set - 1) {
        buf_puts(out, separator);
        buf_put_plain(out,
                      field_path(p, &p->fields[(size_t)__builtin_ctzll(set)]));
        separator = ", ";
    }
    buf_puts(out, " are as they must be, but not in the same element of an "
                  "array");
}

void pattern_explain(const struct pattern *p, struct facts *facts,
                     struct buf *out)
{
    struct known known = { .looked = 0 };
    uint64_t nearest = p->choices[0];
    int n_fewest = PATTERN_MAX_LEAVES + 1;

    for (size_t i = 0; i < p->n_fields; i++)
        look(p, facts, i, &known);
    for (size_t i = 0; i < p->n_choices; i++) {
        int n = __builtin_popcountll(p->choices[i] & ~known.holds);

        if (n < n_fewest) {
            n_fewest = n;
            nearest = p->choices[i];
        }
    }
    buf_puts(out, "its pattern does not hold: ");
    if (n_fewest > 0) {
        size_t i = (size_t)__builtin_ctzll(nearest & ~known.holds);

        put_field(p, facts, &p->fields[i], out);
    } else {
        put_together(p, nearest & known.in_array, out);
    }
    if (p->n_choices > 1) {
        buf_printf(out, " (in the nearest of %u combinations of $or)",
                   (unsigned)p->n_choices);
    }
}
