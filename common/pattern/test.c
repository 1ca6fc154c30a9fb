// SPDX-License-Identifier: MIT
// test.c — whether an operator holds for a value.
//
// Each takes time in proportion to the value's length: a wildcard's pieces are searched
// for one after the other, each from where the one before ended.

#include "common/pattern/test.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/pattern/address.h"
#include "common/pattern/fold.h"

// --- plain values ---

int key_compare(struct operand a, struct str a_text, struct operand b,
                struct str b_text)
{
    if (a.type != b.type)
        return a.type < b.type ? -1 : 1;
    if (a_text.n_bytes != b_text.n_bytes)
        return a_text.n_bytes < b_text.n_bytes ? -1 : 1;
    return a_text.n_bytes > 0 ? memcmp(a_text.at, b_text.at, a_text.n_bytes)
                              : 0;
}

static bool has_key(const struct pattern *p, const struct test *t,
                    enum operand_type type, struct str text)
{
    struct operand key = { .type = (uint8_t)type };
    size_t low = 0;
    size_t high = t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct operand *o = &p->operands[t->first + middle];
        int order = key_compare(*o, operand_text(p, o), key, text);

        if (order == 0)
            return true;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

static size_t value_address(struct value *value)
{
    if (value->n_address == ADDRESS_UNKNOWN)
        value->n_address = (uint8_t)address_of(value->text, value->address);
    return value->n_address;
}

static bool is_one_of(const struct pattern *p, const struct test *t,
                      struct value *value)
{
    switch ((enum json_type)value->type) {
    case JSON_STRING:
        if (has_key(p, t, KEY_STRING, value->text))
            return true;
        return !t->is_negated && value_address(value) > 0 &&
               has_key(p, t, KEY_ADDRESS,
                       (struct str){ (const char *)value->address,
                                     value->n_address });
    case JSON_NUMBER:
        if (!value->is_number)
            return has_key(p, t, KEY_DIGITS, value->text);
        return has_key(p, t, KEY_NUMBER,
                       (struct str){ (const char *)&value->number,
                                     sizeof(value->number) });
    case JSON_BOOL:
        return has_key(p, t, str_is(value->text, "true") ? KEY_TRUE : KEY_FALSE,
                       STR_EMPTY);
    case JSON_NULL:
        return has_key(p, t, KEY_NULL, STR_EMPTY);
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return false;
}

// --- texts ---

static bool ends_with(struct str text, struct str end)
{
    return text.n_bytes >= end.n_bytes &&
           str_eq((struct str){ text.at + (text.n_bytes - end.n_bytes),
                                end.n_bytes },
                  end);
}

// Takes the next piece of a wildcard: its length, in two bytes, then its text.
static struct str take_piece(struct str *pieces)
{
    size_t n = (size_t)(unsigned char)pieces->at[0] << 8 |
               (unsigned char)pieces->at[1];
    struct str piece = { pieces->at + 2, n };

    pieces->at += n + 2;
    pieces->n_bytes -= n + 2;
    return piece;
}

static bool is_wildcard(struct str pieces, struct str text)
{
    struct str piece = take_piece(&pieces);

    if (pieces.n_bytes == 0)
        return str_eq(piece, text);
    if (!str_starts(text, piece))
        return false;
    text =
        (struct str){ text.at + piece.n_bytes, text.n_bytes - piece.n_bytes };
    for (;;) {
        const char *found;

        piece = take_piece(&pieces);
        if (pieces.n_bytes == 0)
            return ends_with(text, piece);
        found = text.n_bytes > 0
                    ? memmem(text.at, text.n_bytes, piece.at, piece.n_bytes)
                    : NULL;
        if (found == NULL)
            return false;
        found += piece.n_bytes;
        text.n_bytes -= (size_t)(found - text.at);
        text.at = found;
    }
}

static bool text_holds(enum operator op, struct str with, struct str text)
{
    switch (op) {
    case OP_PREFIX:
        return str_starts(text, with);
    case OP_SUFFIX:
        return ends_with(text, with);
    case OP_PREFIX_ANY_CASE:
        return fold_starts(with, text);
    case OP_SUFFIX_ANY_CASE:
        return fold_ends(with, text);
    case OP_ANY_CASE:
        return fold_is(with, text);
    case OP_WILDCARD:
        return is_wildcard(with, text);
    case OP_VALUES:
    case OP_NUMERIC:
    case OP_CIDR:
    case OP_EXISTS:
    case OP_ABSENT:
        break;
    }
    return false;
}

static bool any_text_holds(const struct pattern *p, const struct test *t,
                           const struct value *value)
{
    if (value->type != JSON_STRING)
        return false;
    for (size_t i = 0; i < t->n; i++) {
        const struct operand *o = &p->operands[t->first + i];

        if (text_holds((enum operator)t->op, operand_text(p, o), value->text))
            return true;
    }
    return false;
}

// --- numbers, addresses ---

static void range_of(const struct pattern *p, const struct operand *o,
                     double range[2])
{
    memcpy(range, p->text + o->at, 2 * sizeof(*range));
}

static bool is_in_range(const struct pattern *p, const struct operand *o,
                        const struct value *value)
{
    double range[2];

    if (!value->is_number)
        return false;
    range_of(p, o, range);
    return ((o->flags & RANGE_OPEN_LOW) != 0 ? value->number > range[0]
                                             : value->number >= range[0]) &&
           ((o->flags & RANGE_OPEN_HIGH) != 0 ? value->number < range[1]
                                              : value->number <= range[1]);
}

static bool is_in_network(struct str network, struct value *value)
{
    return value->type == JSON_STRING &&
           value_address(value) == network.n_bytes - 1 &&
           network_has((const uint8_t *)network.at + 1, network.n_bytes - 1,
                       (uint8_t)network.at[0], value->address);
}

// --- all ---

static bool holds(const struct pattern *p, const struct test *t,
                  struct value *value)
{
    switch ((enum operator)t->op) {
    case OP_VALUES:
        return is_one_of(p, t, value);
    case OP_NUMERIC:
        return is_in_range(p, &p->operands[t->first], value);
    case OP_CIDR:
        return is_in_network(operand_text(p, &p->operands[t->first]), value);
    case OP_EXISTS:
        return true;
    case OP_ABSENT:
        return false;
    case OP_PREFIX:
    case OP_SUFFIX:
    case OP_PREFIX_ANY_CASE:
    case OP_SUFFIX_ANY_CASE:
    case OP_ANY_CASE:
    case OP_WILDCARD:
        break;
    }
    return any_text_holds(p, t, value);
}

bool field_holds(const struct pattern *p, const struct field *f,
                 struct value *value)
{
    for (size_t i = 0; i < f->n_tests; i++) {
        const struct test *t = &p->tests[f->first_test + i];

        if (holds(p, t, value) != t->is_negated)
            return true;
    }
    return false;
}
