// SPDX-License-Identifier: MIT
// show.c — operators as they are written in a pattern, for people.

#include "common/pattern/show.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pattern/address.h"
#include "common/pattern/fold.h"

#define SHOWN_OPERANDS 8

// The fewest digits that give the number.
static void put_number(double number, struct buf *out)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        double back;

        (void)snprintf(text, sizeof(text), "%.*g", digits, number);
        back = strtod(text, NULL);
        if (!(back < number || back > number))
            break;
    }
    buf_puts(out, text);
}

static void put_key(const struct operand *o, struct str text, struct buf *out)
{
    double number;

    switch ((enum operand_type)o->type) {
    case KEY_STRING:
        buf_put_json(out, text);
        break;
    case KEY_NUMBER:
        memcpy(&number, text.at, sizeof(number));
        put_number(number, out);
        break;
    case KEY_DIGITS:
        buf_put_str(out, text);
        break;
    case KEY_ADDRESS:
        buf_putc(out, '"');
        address_put((const uint8_t *)text.at, text.n_bytes, out);
        buf_putc(out, '"');
        break;
    case KEY_TRUE:
        buf_puts(out, "true");
        break;
    case KEY_FALSE:
        buf_puts(out, "false");
        break;
    case KEY_NULL:
        buf_puts(out, "null");
        break;
    case TEXT_PLAIN:
    case TEXT_FOLDED:
    case TEXT_RANGE:
    case TEXT_NETWORK:
        break;
    }
}

static void put_range(const struct operand *o, struct str text, struct buf *out)
{
    bool is_low_open = (o->flags & RANGE_OPEN_LOW) != 0;
    bool is_high_open = (o->flags & RANGE_OPEN_HIGH) != 0;
    double range[2];

    memcpy(range, text.at, sizeof(range));
    buf_puts(out, "{\"numeric\":[");
    if (!(range[0] < range[1])) {
        buf_puts(out, "\"=\",");
        put_number(range[0], out);
    } else {
        bool has_low = is_low_open || range[0] > -DBL_MAX;

        if (has_low) {
            buf_puts(out, is_low_open ? "\">\"," : "\">=\",");
            put_number(range[0], out);
        }
        if (is_high_open || range[1] < DBL_MAX) {
            buf_puts(out, has_low ? "," : "");
            buf_puts(out, is_high_open ? "\"<\"," : "\"<=\",");
            put_number(range[1], out);
        }
    }
    buf_puts(out, "]}");
}

static void put_network(struct str text, struct buf *out)
{
    buf_puts(out, "{\"cidr\":\"");
    address_put((const uint8_t *)text.at + 1, text.n_bytes - 1, out);
    buf_printf(out, "/%u\"}", (unsigned)(unsigned char)text.at[0]);
}

static void put_wildcard(struct str pieces, struct buf *out)
{
    struct buf text;
    bool is_first = true;

    buf_init(&text, 0);
    while (pieces.n_bytes > 0) {
        size_t n = (size_t)(unsigned char)pieces.at[0] << 8 |
                   (unsigned char)pieces.at[1];

        if (!is_first)
            buf_putc(&text, '*');
        is_first = false;
        for (size_t i = 0; i < n; i++) {
            char c = pieces.at[2 + i];

            if (c == '*' || c == '\\')
                buf_putc(&text, '\\');
            buf_putc(&text, c);
        }
        pieces.at += n + 2;
        pieces.n_bytes -= n + 2;
    }
    buf_put_json(out, buf_str(&text));
    buf_clear(&text);
}

static void put_text(enum operator op, struct str text, struct buf *out)
{
    struct buf plain;

    if (op == OP_WILDCARD) {
        put_wildcard(text, out);
        return;
    }
    if (op == OP_PREFIX || op == OP_SUFFIX) {
        buf_put_json(out, text);
        return;
    }
    buf_init(&plain, 0);
    fold_unput(text, op == OP_SUFFIX_ANY_CASE, &plain);
    buf_put_json(out, buf_str(&plain));
    buf_clear(&plain);
}

static void put_list(const struct pattern *p, const struct test *t,
                     struct buf *out)
{
    for (size_t i = 0; i < t->n && i < SHOWN_OPERANDS; i++) {
        const struct operand *o = &p->operands[t->first + i];
        struct str text = operand_text(p, o);

        buf_puts(out, i > 0 ? "," : "");
        if (t->op == OP_VALUES) {
            put_key(o, text, out);
        } else {
            put_text((enum operator)t->op, text, out);
        }
    }
    if (t->n > SHOWN_OPERANDS)
        buf_puts(out, ",...");
}

static const char *open_of(enum operator op)
{
    switch (op) {
    case OP_PREFIX:
        return "{\"prefix\":";
    case OP_SUFFIX:
        return "{\"suffix\":";
    case OP_PREFIX_ANY_CASE:
        return "{\"prefix\":{\"equals-ignore-case\":";
    case OP_SUFFIX_ANY_CASE:
        return "{\"suffix\":{\"equals-ignore-case\":";
    case OP_ANY_CASE:
        return "{\"equals-ignore-case\":";
    case OP_WILDCARD:
        return "{\"wildcard\":";
    case OP_VALUES:
    case OP_NUMERIC:
    case OP_CIDR:
    case OP_EXISTS:
    case OP_ABSENT:
        break;
    }
    return "";
}

static void put_texts(const struct pattern *p, const struct test *t,
                      struct buf *out)
{
    const char *open = open_of((enum operator)t->op);
    bool is_list = t->n > 1 && (t->is_negated || t->op != OP_VALUES);

    if (t->is_negated)
        buf_puts(out, "{\"anything-but\":");
    buf_puts(out, open);
    buf_puts(out, is_list ? "[" : "");
    put_list(p, t, out);
    buf_puts(out, is_list ? "]" : "");
    for (; *open != '\0'; open++)
        buf_puts(out, *open == '{' ? "}" : "");
    if (t->is_negated)
        buf_putc(out, '}');
}

void test_put(const struct pattern *p, const struct test *t, struct buf *out)
{
    const struct operand *o = &p->operands[t->first];

    switch ((enum operator)t->op) {
    case OP_NUMERIC:
        put_range(o, operand_text(p, o), out);
        break;
    case OP_CIDR:
        put_network(operand_text(p, o), out);
        break;
    case OP_EXISTS:
        buf_puts(out, "{\"exists\":true}");
        break;
    case OP_ABSENT:
        buf_puts(out, "{\"exists\":false}");
        break;
    case OP_VALUES:
    case OP_PREFIX:
    case OP_SUFFIX:
    case OP_PREFIX_ANY_CASE:
    case OP_SUFFIX_ANY_CASE:
    case OP_ANY_CASE:
    case OP_WILDCARD:
        put_texts(p, t, out);
        break;
    }
}
