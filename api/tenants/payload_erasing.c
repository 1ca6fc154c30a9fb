// SPDX-License-Identifier: MIT
// payload_erasing.c — orders to erase payloads of events: the part of it that is the api
// process's.
//
// Happy path: ingest and the dispatchers note that they have worked an order off; when all
// notes are there, the order is removed. Orders are looked at in rounds, some in each
// second, so that one that cannot be worked off now holds up no other.
//
// If it fails: the order is there, and is looked at again in a later second.

#include "api/tenants/payload_erasing.h"

#include "common/base/mem.h"
#include "common/log/log.h"

#define LOOKED_AT_ONCE  256 // orders, in a second
#define REMOVED_AT_ONCE 64  // orders, in a second; they share a commit

struct removal {
    struct api *api;
    struct id event_id;
};

struct payload_erasing {
    size_t from; // orders before this one had their turn in this round
    struct payload_order looked_at[LOOKED_AT_ONCE];
    struct removal removals[REMOVED_AT_ONCE];
    size_t n_writing; // removals under way
};

struct looking {
    struct payload_erasing *e;
    size_t n_passed; // orders that had their turn
    size_t n;
};

static bool take(void *data, const struct payload_order *order)
{
    struct looking *l = data;

    if (l->n_passed < l->e->from) {
        l->n_passed++;
        return true;
    }
    l->e->looked_at[l->n++] = *order;
    return l->n < LOOKED_AT_ONCE;
}

// Whether nobody holds anything of the payload any more, as far as is known.
static bool is_done(const struct api *api, const struct payload_order *order)
{
    bool is_done = false;

    if (event_view_has_erased(api->events, order->position, &is_done) != OK)
        return false;
    for (unsigned k = 0; is_done && k < api->n_shards; k++) {
        if (shard_view_has_erased(api->shards[k], order->position, &is_done) !=
            OK)
            return false;
    }
    return is_done;
}

static void on_removed(void *data, const struct catalog_result *result)
{
    const struct removal *removal = data;
    struct api *api = removal->api;
    char id[ID_TEXT_BYTES + 1];

    id_format(&removal->event_id, id);
    if (result->err == OK) {
        log_info("the payload of an event was erased", "event=%s", id);
    } else if (result->err != ERR_NOTFOUND) { // its organization was erased
        log_warn("the payload of an event was erased, and the order to do so "
                 "cannot be removed now",
                 "event=%s reason=%s", id,
                 log_quote(str_of(err_str(result->err))));
    }
    if (--api->payload_erasing->n_writing == 0)
        api_hint(api);
}

// Removes the orders that were looked at and are done, some of them. Returns how many had
// their turn.
static size_t remove_done(struct api *api, size_t n, size_t *n_removed)
{
    struct payload_erasing *e = api->payload_erasing;
    size_t i = 0;

    for (; i < n && *n_removed < REMOVED_AT_ONCE; i++) {
        const struct payload_order *order = &e->looked_at[i];
        struct removal *removal = &e->removals[*n_removed];
        const struct catalog_caller caller = { .done = on_removed,
                                               .data = removal };

        if (!is_done(api, order))
            continue;
        *removal = (struct removal){ api, order->event_id };
        ++*n_removed;
        e->n_writing++;
        payload_order_delete(api->hooks, order, &caller);
    }
    return i;
}

void payload_erasing_on_second(struct api *api)
{
    struct payload_erasing *e = api->payload_erasing;
    struct looking l = { .e = e };
    size_t n_removed = 0;
    size_t n;

    if (e->n_writing > 0 || payload_orders_each(api->hooks, 0, take, &l) != OK)
        return;
    n = remove_done(api, l.n, &n_removed);
    // In the next second those that are removed are not there any more.
    e->from = l.n < LOOKED_AT_ONCE && n == l.n ? 0 : e->from + n - n_removed;
}

void payload_erasing_init(struct api *api)
{
    api->payload_erasing = xcalloc(1, sizeof(*api->payload_erasing));
}
