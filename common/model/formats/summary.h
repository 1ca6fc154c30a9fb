// SPDX-License-Identifier: MIT
// summary.h — an event's content for people: title, link, mood, facts.
//
// The only module that knows where the payloads of each kind have the data to
// display; slack and ms_teams show the same summary. It relies on nothing in a
// payload: members that are missing or of another type are left out.

#ifndef COMMON_MODEL_FORMATS_SUMMARY_H
#define COMMON_MODEL_FORMATS_SUMMARY_H

#include <stddef.h>

#include "common/base/arena.h"
#include "common/base/str.h"
#include "common/model/formats/format.h"

#define SUMMARY_FACTS_MAX 10 // the limit of a section in Slack

enum mood { MOOD_NONE, MOOD_GOOD, MOOD_BAD, MOOD_OTHER };

struct fact {
    struct str label;
    struct str value; // lines are separated by '\n'
};

struct summary {
    struct str title;
    struct str url; // http or https, without characters that end a link; empty:
                    // none
    enum mood mood; // MOOD_NONE: there is only the title
    struct fact facts[SUMMARY_FACTS_MAX];
    size_t n_facts;
    struct arena arena; // where the texts are
};

// Cannot fail; free the result with summary_clear(). Texts are valid UTF-8 without
// control characters (except '\n' in values).
void summary_read(const struct format_event *event, struct summary *out);
void summary_clear(struct summary *s);

// Returns the beginning of `text`, at most `max_bytes` bytes, cut between two
// characters; `is_cut` says whether something is missing.
struct str summary_cut(struct str text, size_t max_bytes, bool *is_cut);

#endif
