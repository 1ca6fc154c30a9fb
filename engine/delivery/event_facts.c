// SPDX-License-Identifier: MIT
// event_facts.c — an event as patterns see it.

#include "engine/delivery/event_facts.h"

void event_facts_open_with(struct event_facts *ef, payload_opener open,
                           void *data)
{
    ef->open = open;
    ef->data = data;
}

void event_facts_begin(struct event_facts *ef, const struct event *event)
{
    event_facts_end(ef);
    ef->event = event;
}

void event_facts_end(struct event_facts *ef)
{
    json_free(ef->payload);
    ef->payload = NULL;
    ef->is_parsed = false;
    ef->event = NULL;
    ef->paths = NULL;
}

void event_facts_clear(struct event_facts *ef)
{
    event_facts_end(ef);
    facts_free(ef->facts);
    ef->facts = NULL;
}

static struct str payload_of(const struct event_facts *ef)
{
    if (!ef->event->is_closed)
        return ef->event->payload;
    return ef->open != NULL ? ef->open(ef->data, ef->event) : STR_EMPTY;
}

const struct json_value *event_facts_payload(struct event_facts *ef)
{
    if (!ef->is_parsed &&
        json_parse(payload_of(ef), &json_no_limits, &ef->payload, NULL) != OK)
        ef->payload = NULL;
    ef->is_parsed = true;
    return ef->payload != NULL ? json_root(ef->payload) : NULL;
}

// A name that the event has not is absent.
static void add_name(struct facts *facts, const char *field, struct str name)
{
    if (name.n_bytes > 0)
        facts_add_str(facts, field, name);
}

struct facts *event_facts_at(struct event_facts *ef, const struct paths *paths,
                             uint64_t revision)
{
    const struct json_value *payload;

    if (ef->facts == NULL)
        ef->facts = facts_new();
    if (ef->paths == paths && ef->revision == revision)
        return ef->facts;
    facts_begin(ef->facts, paths);
    add_name(ef->facts, "kind", ef->event->kind);
    add_name(ef->facts, "organization", ef->event->org);
    add_name(ef->facts, "project", ef->event->project);
    add_name(ef->facts, "stack", ef->event->stack);
    add_name(ef->facts, "environment", ef->event->env);
    payload = event_facts_payload(ef);
    if (payload != NULL)
        facts_add_json(ef->facts, "payload", payload);
    ef->paths = paths;
    ef->revision = revision;
    return ef->facts;
}

void event_facts_forget_paths(struct event_facts *ef)
{
    ef->paths = NULL;
}
