// SPDX-License-Identifier: MIT
// summary.h — what an event says, for people: title, link, mood, facts.
//
// The one place that knows how the payloads of the kinds are laid out for
// display; slack and ms_teams draw the same summary. Nothing in a payload is
// relied on: what is missing or of another type is left out.

#ifndef COMMON_MODEL_FORMATS_SUMMARY_H
#define COMMON_MODEL_FORMATS_SUMMARY_H

#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/str.h"
#include "common/model/formats/format.h"

#define SUMMARY_FACTS_MAX 10 // as many as a section of Slack may have

enum mood { MOOD_NONE, MOOD_GOOD, MOOD_BAD, MOOD_OTHER };

struct fact {
    struct str label;
    struct str value; // lines are separated by '\n'
};

struct summary {
    struct str title;
    struct str url; // http or https, without characters that end a link; empty:
                    // none
    enum mood mood; // MOOD_NONE: there is nothing but the title
    struct fact facts[SUMMARY_FACTS_MAX];
    size_t n_facts;
    struct arena arena; // where the texts are
};

// Never fails; free it with summary_clear(). Texts are valid UTF-8 without
// control characters (but for '\n' in values).
void summary_read(const struct format_event *event, struct summary *out);
void summary_clear(struct summary *s);

// The beginning of `text` of at most `max_bytes` bytes, on a character's
// border; `is_cut` says whether something is missing.
struct str summary_cut(struct str text, size_t max_bytes, bool *is_cut);

#endif
