// SPDX-License-Identifier: MIT
// fold.c — texts that are equal whatever the case of their letters.
//
// The folded form of a character: the bytes of its first form, with their number before
// them, then those of the second form; a character without cases has none there. The
// first form is the character itself, if it has no third one.

#include "common/pattern/fold.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/pattern/fold_table.h"

#define FORM_MAX_BYTES 8 // "ΰ", in upper case, has six

// --- folding ---

static size_t utf8_put(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | c >> 12);
    out[1] = (char)(0x80 | (c >> 6 & 0x3f));
    out[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

// The bytes of the character at the front of a text that is not empty.
static size_t char_bytes(struct str text)
{
    unsigned char c = (unsigned char)text.at[0];
    size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    return n < text.n_bytes ? n : text.n_bytes;
}

static uint32_t char_of(struct str text)
{
    uint32_t c = (unsigned char)text.at[0];

    if (text.n_bytes == 2)
        return (c & 0x1f) << 6 | ((unsigned char)text.at[1] & 0x3f);
    if (text.n_bytes == 3) {
        return (c & 0x0f) << 12 |
               ((uint32_t)(unsigned char)text.at[1] & 0x3f) << 6 |
               ((unsigned char)text.at[2] & 0x3f);
    }
    return c;
}

static const struct fold_range *range_of(uint32_t c)
{
    size_t low = 0;
    size_t high = fold_n_ranges;

    while (low < high) { // the last one that begins at c or before
        size_t middle = low + (high - low) / 2;

        if (fold_ranges[middle].first <= c) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    // Ranges of every second character lie within each other.
    for (size_t i = low; i > 0 && i + 2 > low; i--) {
        const struct fold_range *r = &fold_ranges[i - 1];

        if (c <= r->last && (c - r->first) % r->step == 0)
            return r;
    }
    return NULL;
}

static const struct fold_special *special_of(uint32_t c)
{
    for (size_t i = 0; i < fold_n_specials; i++) {
        if (fold_specials[i].c == c)
            return &fold_specials[i];
    }
    return NULL;
}

static void put_form(struct buf *out, struct str form)
{
    buf_putc(out, (char)form.n_bytes);
    buf_put_str(out, form);
}

static void put_char(struct str text, struct buf *out)
{
    const struct fold_range *range = NULL;
    const struct fold_special *special = NULL;
    char lower[FORM_MAX_BYTES];
    char upper[FORM_MAX_BYTES];
    struct str low = text;
    struct str up = text;

    if (text.n_bytes < 4) {
        range = range_of(char_of(text));
        special = special_of(char_of(text));
    }
    if (special != NULL) {
        low = str_of(special->lower);
        up = str_of(special->upper);
    } else if (range != NULL) {
        uint32_t c = char_of(text);

        low = (struct str){
            lower, utf8_put((uint32_t)((int32_t)c + range->to_lower), lower)
        };
        up = (struct str){
            upper, utf8_put((uint32_t)((int32_t)c + range->to_upper), upper)
        };
    }
    if (str_eq(low, up)) {
        put_form(out, text);
        buf_putc(out, 0);
    } else {
        put_form(out, str_eq(text, up) ? up : low);
        put_form(out, str_eq(text, up) ? low : up);
    }
}

void fold_put(struct str text, bool from_end, struct buf *out)
{
    while (text.n_bytes > 0) {
        size_t n = char_bytes(text);
        struct str c = { text.at, n };

        if (from_end) {
            for (n = 1; n < text.n_bytes &&
                        (text.at[text.n_bytes - n] & 0xc0) == 0x80;)
                n++;
            c = (struct str){ text.at + text.n_bytes - n, n };
        } else {
            text.at += n;
        }
        put_char(c, out);
        text.n_bytes -= n;
    }
}

// --- comparing ---

static struct str take_form(struct str *folded)
{
    size_t n = (unsigned char)folded->at[0];
    struct str form = { folded->at + 1, n };

    folded->at += n + 1;
    folded->n_bytes -= n + 1;
    return form;
}

// Takes what was folded off the front or the end of the text.
static bool take(struct str folded, struct str *text, bool from_end)
{
    while (folded.n_bytes > 0) {
        struct str forms[2];
        size_t i;

        forms[0] = take_form(&folded);
        forms[1] = take_form(&folded);
        for (i = 0; i < 2; i++) {
            size_t n = forms[i].n_bytes;
            size_t skip = from_end ? text->n_bytes - n : 0;

            if (n > 0 && n <= text->n_bytes &&
                memcmp(text->at + skip, forms[i].at, n) == 0)
                break;
        }
        if (i == 2)
            return false;
        text->n_bytes -= forms[i].n_bytes;
        if (!from_end)
            text->at += forms[i].n_bytes;
    }
    return true;
}

bool fold_is(struct str folded, struct str text)
{
    return take(folded, &text, false) && text.n_bytes == 0;
}

bool fold_starts(struct str folded, struct str text)
{
    return take(folded, &text, false);
}

bool fold_ends(struct str folded, struct str text)
{
    return take(folded, &text, true);
}

void fold_unput(struct str folded, bool from_end, struct buf *out)
{
    char *text = xmalloc(folded.n_bytes + 1);
    size_t at = from_end ? folded.n_bytes : 0;
    size_t n_bytes = 0;

    while (folded.n_bytes > 0) {
        struct str form = take_form(&folded);

        (void)take_form(&folded);
        if (from_end)
            at -= form.n_bytes;
        memcpy(text + at, form.at, form.n_bytes);
        n_bytes += form.n_bytes;
        if (!from_end)
            at += form.n_bytes;
    }
    buf_put(out, from_end ? text + at : text, n_bytes);
    free(text);
}
