// SPDX-License-Identifier: MIT
// build.c — a pattern while it is compiled.

#include "common/pattern/build.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "common/pattern/test.h"

enum err build_refuse(struct build *b, const char *format, ...)
{
    va_list args;

    if (b->why == NULL)
        return ERR_INVALID;
    if (b->path.n_bytes > 0) {
        buf_put_plain(b->why, buf_str(&b->path));
        buf_puts(b->why, ": ");
    }
    va_start(args, format);
    buf_vprintf(b->why, format, args);
    va_end(args);
    return ERR_INVALID;
}

enum err build_test(struct build *b, enum operator op, bool is_negated,
                    size_t n_leaves)
{
    b->n_leaves += n_leaves;
    if (b->n_leaves > PATTERN_MAX_LEAVES) {
        return build_refuse(b,
                            "a pattern must have at most %d leaves; a leaf "
                            "is an operator on a field, and the plain "
                            "values of a field are one",
                            PATTERN_MAX_LEAVES);
    }
    b->tests[b->n_tests++] = (struct test){ .op = (uint8_t)op,
                                            .is_negated = is_negated,
                                            .first = (uint16_t)b->n_operands };
    return OK;
}

void build_operand(struct build *b, enum operand_type type, uint8_t flags,
                   struct str text)
{
    assert(b->n_operands < OPERANDS_MAX);
    b->operands[b->n_operands++] =
        (struct operand){ .at = (uint32_t)b->text.n_bytes,
                          .n_bytes = (uint16_t)text.n_bytes,
                          .type = (uint8_t)type,
                          .flags = flags };
    buf_put_str(&b->text, text);
    b->tests[b->n_tests - 1].n++;
}

static int compare_operands(const void *a, const void *b, void *text)
{
    const struct operand *x = a;
    const struct operand *y = b;
    const struct buf *texts = text;

    return key_compare(*x, (struct str){ texts->at + x->at, x->n_bytes }, *y,
                       (struct str){ texts->at + y->at, y->n_bytes });
}

void build_sort(struct build *b)
{
    struct test *t = &b->tests[b->n_tests - 1];
    struct operand *operands = &b->operands[t->first];
    size_t n = t->n > 0 ? 1 : 0;

    qsort_r(operands, t->n, sizeof(*operands), compare_operands, &b->text);
    for (size_t i = 1; i < t->n; i++) {
        if (compare_operands(&operands[n - 1], &operands[i], &b->text) != 0)
            operands[n++] = operands[i];
    }
    b->n_operands = t->first + n;
    t->n = (uint16_t)n;
}
