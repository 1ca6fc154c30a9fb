// SPDX-License-Identifier: MIT
// payload_orders.c — orders to erase the payload of an event.

#include "queue/erasure/payload_orders.h"

#include <string.h>

#include "common/base/codec.h"
#include "common/log/log.h"
#include "queue/orgs/org_values.h"

#define BYTES 32 // position(8) event id(16) at_ms(8)

static bool read_order(const struct org_value *value, struct payload_order *out)
{
    const uint8_t *at = (const uint8_t *)value->bytes.at;

    if (value->bytes.n_bytes != BYTES)
        return false;
    out->org_no = value->org_no;
    memcpy(out->position.bytes, at, 8);
    memcpy(out->event_id.bytes, at + 8, 16);
    out->at_ms = (int64_t)get_be64(at + 24);
    return true;
}

struct visiting {
    payload_order_visit visit;
    void *data;
};

static bool on_value(void *data, const struct org_value *value)
{
    const struct visiting *v = data;
    struct payload_order order;

    if (read_order(value, &order))
        return v->visit(v->data, &order);
    log_warn("an order to erase a payload is damaged and passed over",
             "org_no=%llu", (unsigned long long)value->org_no);
    return true;
}

enum err payload_orders_each(struct hook_store *hs, uint64_t org_no,
                             payload_order_visit visit, void *data)
{
    struct visiting v = { .visit = visit, .data = data };

    return org_value_each(hs, ORG_PAYLOAD_ORDER, org_no, STR_EMPTY, on_value,
                          &v);
}

void payload_order_put(struct hook_store *hs, enum dialect dialect,
                       struct str org, const struct payload_order *order,
                       const struct catalog_caller *caller)
{
    uint8_t bytes[BYTES];
    char name[ID_TEXT_BYTES + 1];
    const struct org_value_put put = { .dialect = dialect,
                                       .org = org,
                                       .use = ORG_PAYLOAD_ORDER,
                                       .name = { name, ID_TEXT_BYTES },
                                       .bytes = { (const char *)bytes, BYTES },
                                       .revision = ORG_VALUE_ANY,
                                       .max = PAYLOAD_ORDERS_MAX };

    id_format(&order->event_id, name);
    memcpy(bytes, order->position.bytes, 8);
    memcpy(bytes + 8, order->event_id.bytes, 16);
    put_be64(bytes + 24, (uint64_t)order->at_ms);
    org_value_put(hs, &put, caller);
}

void payload_order_delete(struct hook_store *hs,
                          const struct payload_order *order,
                          const struct catalog_caller *caller)
{
    char name[ID_TEXT_BYTES + 1];

    id_format(&order->event_id, name);
    org_value_delete(hs, order->org_no, ORG_PAYLOAD_ORDER,
                     (struct str){ name, ID_TEXT_BYTES }, ORG_VALUE_ANY,
                     caller);
}
