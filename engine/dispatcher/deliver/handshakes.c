// SPDX-License-Identifier: MIT
// handshakes.c — asks receivers for permission, for hooks that want the handshake.
//
// Happy path: a hook awaits permission; OPTIONS goes to its URL through a sender, as an
// attempt would; the answer is told to the api process, which writes it into the hook's
// record; the change of the record lets the hook's deliveries go.
//
// If it fails: the receiver is asked again after breaker_wait, which doubles up to an hour.
// An answer is told once a second until the record has it, always with the hook's present
// revision, and only while the hook has the URL and the engine the origin that it is about.
// A request in flight whose hook has changed is waited for, and its answer is dropped: so a
// hook has one request in flight at most.

#include "engine/dispatcher/deliver/handshakes.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/hash_map.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"
#include "common/messages/engine_event.h"
#include "common/model/hook.h"
#include "common/process/blame.h"
#include "common/process/channel.h"
#include "common/process/role.h"
#include "engine/delivery/retry_after.h"
#include "engine/dispatcher/deliver/handshake_answer.h"
#include "engine/dispatcher/schedule/hook_schedule.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"

#define ASKED_MAX     16 // requests in flight of this dispatcher
#define ASKED_MAX_ORG 4  // of them, for hooks of one organization
// What an organization can have somebody else's machine asked in a second.
#define ASKED_MAX_A_SECOND 10
#define WAIT_MAX_MS        (INT64_C(3600) * 1000)
// A slot is somebody else's turn: so long may a receiver take at most.
#define ANSWER_MAX_MS INT64_C(10000)

enum place { PLACE_WAITS, PLACE_DUE, PLACE_ASKED };

// An organization that has any.
struct asking {
    struct hash_node by_org;
    uint64_t org_id;
    struct list due;          // the longest waiting first
    struct list_node in_turn; // if one of them may be asked now
    bool is_in_turn;
    unsigned n; // handshakes
    unsigned n_asked, n_this_second;
};

// A hook that awaits permission, or whose request is in flight.
struct handshake {
    struct list_node node; // in the list of its place
    struct hash_node by_hook;
    enum place place;
    uint64_t hook_id;
    struct asking *org;
    uint8_t url_sha256[SHA256_BYTES]; // what is asked about, with the origin
    char *origin;                     // owned
    int64_t ask_at_us;                // monotonic
    int64_t wait_ms;                  // before it is asked next
    uint64_t order_no;
    int64_t asked_at_us;
    unsigned sender;
    unsigned n_deaths; // of senders that died with it
    bool is_stale;     // the hook has changed since it was asked
    bool is_over;      // it is not asked until the hook changes
    // The answer that api has not written yet; at_ms 0: none.
    enum handshake_answer answer;
    uint32_t rate_per_minute;
    struct buf reason;
    int64_t at_ms;
};

struct handshakes {
    struct list waiting, asked;
    struct list turns; // organizations, one after the other
    struct hash_map by_hook, by_org;
    uint32_t n_asked;
    uint32_t n_orders; // so far: the high half of an order's number
};

void handshakes_init(struct dispatcher *d)
{
    d->handshakes = xcalloc(1, sizeof(*d->handshakes));
}

// --- which there are ---

static struct asking *org_of(struct handshakes *hs, uint64_t org_id)
{
    struct asking *org =
        HASH_OBJECT(hash_map_find(&hs->by_org, org_id), struct asking, by_org);

    if (org == NULL) {
        org = xcalloc(1, sizeof(*org));
        org->org_id = org_id;
        hash_map_add(&hs->by_org, &org->by_org, org_id);
    }
    return org;
}

// Gives the organization its turn, at the end, or takes it.
static void set_turn(struct handshakes *hs, struct asking *org)
{
    bool may_ask = org->due.first != NULL && org->n_asked < ASKED_MAX_ORG &&
                   org->n_this_second < ASKED_MAX_A_SECOND;

    if (may_ask && !org->is_in_turn)
        list_push(&hs->turns, &org->in_turn);
    if (!may_ask && org->is_in_turn)
        list_remove(&hs->turns, &org->in_turn);
    org->is_in_turn = may_ask;
}

static struct list *list_of(struct handshakes *hs, const struct handshake *h)
{
    return h->place == PLACE_WAITS ? &hs->waiting
           : h->place == PLACE_DUE ? &h->org->due
                                   : &hs->asked;
}

static void leave(struct handshakes *hs, struct handshake *h)
{
    list_remove(list_of(hs, h), &h->node);
    hs->n_asked -= h->place == PLACE_ASKED;
    h->org->n_asked -= h->place == PLACE_ASKED;
}

static void move(struct dispatcher *d, struct handshake *h, enum place place)
{
    struct handshakes *hs = d->handshakes;

    leave(hs, h);
    h->place = place;
    hs->n_asked += place == PLACE_ASKED;
    h->org->n_asked += place == PLACE_ASKED;
    h->org->n_this_second += place == PLACE_ASKED;
    list_push(list_of(hs, h), &h->node);
    set_turn(hs, h->org);
}

static struct handshake *find(const struct dispatcher *d, uint64_t hook_id)
{
    struct hash_node *n = hash_map_find(&d->handshakes->by_hook, hook_id);

    return HASH_OBJECT(n, struct handshake, by_hook);
}

static void drop(struct dispatcher *d, struct handshake *h)
{
    struct handshakes *hs = d->handshakes;
    struct asking *org = h->org;

    leave(hs, h);
    hash_map_remove(&hs->by_hook, &h->by_hook);
    buf_clear(&h->reason);
    free(h->origin);
    free(h);
    set_turn(hs, org);
    if (--org->n == 0) {
        hash_map_remove(&hs->by_org, &org->by_org);
        free(org);
    }
}

static struct handshake *add(struct dispatcher *d, const struct hook *hook)
{
    struct handshakes *hs = d->handshakes;
    struct handshake *h = xcalloc(1, sizeof(*h));

    h->hook_id = hook->no;
    h->org = org_of(hs, hook->org_id);
    h->org->n++;
    h->place = PLACE_WAITS;
    buf_init(&h->reason, 0); // bounded by what the sender may report
    list_push(&hs->waiting, &h->node);
    hash_map_add(&hs->by_hook, &h->by_hook, h->hook_id);
    return h;
}

static bool awaits(const struct dispatcher *d, const struct hook_state *f)
{
    return f != NULL && !hook_is_aside(f) && hook_is_active(f) &&
           hook_record(f)->awaits_handshake &&
           d->config->webhook_origin[0] != '\0';
}

// Whether it is about the hook's present URL and the present origin.
static bool is_about(const struct dispatcher *d, const struct handshake *h,
                     const struct hook *hook)
{
    uint8_t sha256[SHA256_BYTES];

    crypto_sha256(hook->url, sha256);
    return h->origin != NULL &&
           strcmp(h->origin, d->config->webhook_origin) == 0 &&
           memcmp(sha256, h->url_sha256, sizeof(sha256)) == 0;
}

// Begins anew, with the hook as it is now. What is in flight has ended.
static void begin(struct dispatcher *d, struct handshake *h,
                  const struct hook *hook)
{
    struct str origin = str_of(d->config->webhook_origin);
    int64_t since_ms = clock_now_ms() - hook->handshake.at_ms;

    free(h->origin);
    h->origin = xstrdup(origin.at);
    crypto_sha256(hook->url, h->url_sha256);
    h->wait_ms = d->config->breaker_wait_ms;
    h->is_stale = false;
    h->is_over = false;
    h->at_ms = 0;
    h->n_deaths = 0;
    // An earlier process has asked already: a restart does not ask all at once.
    if (hook_handshake_is_current(hook, origin) && since_ms >= 0 &&
        since_ms < h->wait_ms) {
        h->ask_at_us = clock_mono_us() + (h->wait_ms - since_ms) * 1000;
        move(d, h, PLACE_WAITS);
    } else {
        move(d, h, PLACE_DUE);
    }
}

// --- telling api ---

static void tell(struct dispatcher *d, const struct handshake *h)
{
    const struct hook_state *f = hook_find(&d->schedule, h->hook_id);
    struct handshake_report report = {
        .hook_id = h->hook_id,
        .url_sha256 = { (const char *)h->url_sha256, SHA256_BYTES },
        .origin = str_of(h->origin),
        .answer = h->answer,
        .rate_per_minute = h->rate_per_minute,
        .reason = buf_str(&h->reason),
        .at_ms = h->at_ms,
    };

    if (d->api == NULL || !awaits(d, f))
        return; // tried again a second later
    report.revision = hook_record(f)->revision;
    handshake_pack(channel_begin(d->api), &report);
    channel_end_small(d->api);
}

// --- asking ---

static void wait_longer(struct dispatcher *d, struct handshake *h)
{
    h->ask_at_us = clock_mono_us() + h->wait_ms * 1000;
    h->wait_ms = h->wait_ms < WAIT_MAX_MS / 2 ? h->wait_ms * 2 : WAIT_MAX_MS;
    move(d, h, PLACE_WAITS);
}

static void wait_at_least(struct handshake *h, int64_t wait_ms)
{
    int64_t at_us = clock_mono_us() +
                    (wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS) * 1000;

    if (wait_ms > 0 && h->ask_at_us < at_us)
        h->ask_at_us = at_us;
}

// A sender that is linked: that of the hook's deliveries, if it is. False: there is none.
static bool choose_sender(const struct dispatcher *d,
                          const struct hook_state *f, unsigned *out)
{
    *out = hook_sender(&d->schedule, f);
    for (unsigned i = 0; i < d->n_senders; i++) {
        if (d->senders[*out] != NULL)
            return true;
        *out = (*out + 1) % d->n_senders;
    }
    return false;
}

// False: no sender can be asked now.
static bool ask(struct dispatcher *d, struct handshake *h,
                const struct hook_state *f)
{
    const struct hook *hook = hook_record(f);
    int64_t own_ms = hook->policy.timeout_ms > 0
                         ? hook->policy.timeout_ms
                         : d->config->request_timeout_ms;
    int64_t timeout_ms = own_ms < ANSWER_MAX_MS ? own_ms : ANSWER_MAX_MS;
    struct order order = {
        .url = hook->url,
        .client_cert = hook->client_cert,
        .client_key = hook->client_key,
        .hook_no = hook->no,
        .method = ORDER_OPTIONS,
        .connect_timeout_ms = d->config->connect_timeout_ms < timeout_ms
                                  ? d->config->connect_timeout_ms
                                  : timeout_ms,
        .request_timeout_ms = timeout_ms,
    };

    if (!choose_sender(d, f, &h->sender))
        return false;
    h->order_no = (uint64_t)++d->handshakes->n_orders << 32 | HANDSHAKE_ORDER;
    order.no = h->order_no;
    buf_reset(&d->headers);
    handshake_put_headers(str_of(h->origin),
                          (uint64_t)hook->policy.rate_per_second * 60,
                          hook->lower_headers, &d->headers);
    order.headers = buf_str(&d->headers);
    order_pack(channel_begin(d->senders[h->sender]), &order);
    if (channel_end(d->senders[h->sender]) != OK) {
        log_warn("a request for permission is larger than a sender takes", "%s",
                 hook_log(hook));
        wait_longer(d, h);
        return true;
    }
    h->asked_at_us = clock_mono_us();
    h->is_stale = false;
    move(d, h, PLACE_ASKED);
    return true;
}

// Asks those that are due: organizations in turns, the longest waiting of each first.
static void ask_due(struct dispatcher *d)
{
    struct handshakes *hs = d->handshakes;
    bool has_sender = true;

    while (hs->turns.first != NULL && hs->n_asked < ASKED_MAX && has_sender &&
           !d->is_draining) {
        struct asking *org = LIST_FIRST(&hs->turns, struct asking, in_turn);
        struct handshake *h = LIST_FIRST(&org->due, struct handshake, node);
        const struct hook_state *f = hook_find(&d->schedule, h->hook_id);

        list_remove(&hs->turns, &org->in_turn);
        org->is_in_turn = false;
        if (awaits(d, f)) {
            has_sender = ask(d, h, f);
            set_turn(hs, org);
        } else {
            drop(d, h);
        }
    }
}

// --- answers ---

static struct handshake *find_order(const struct dispatcher *d, unsigned sender,
                                    uint64_t no)
{
    struct handshake *h =
        LIST_FIRST(&d->handshakes->asked, struct handshake, node);

    while (h != NULL && (h->sender != sender || h->order_no != no))
        h = LIST_NEXT(h, struct handshake, node);
    return h;
}

// What was in flight has ended. False: it is about what the hook was before.
static bool go_on(struct dispatcher *d, struct handshake *h)
{
    const struct hook_state *f = hook_find(&d->schedule, h->hook_id);

    if (!awaits(d, f)) {
        drop(d, h);
        return false;
    }
    if (h->is_stale) {
        begin(d, h, hook_record(f));
        return false;
    }
    return true;
}

static void note(struct dispatcher *d, struct handshake *h,
                 const struct outcome *o)
{
    const struct hook_state *f = hook_find(&d->schedule, h->hook_id);
    static const char *const names[] = {
        [HANDSHAKE_NONE] = "none",
        [HANDSHAKE_ALLOWED] = "allowed",
        [HANDSHAKE_REFUSED] = "refused",
        [HANDSHAKE_FAILED] = "failed",
    };

    buf_reset(&h->reason);
    h->answer =
        handshake_judge(o, str_of(h->origin), &h->rate_per_minute, &h->reason);
    h->at_ms = clock_now_ms();
    h->n_deaths = 0;
    log_info("a receiver was asked for permission",
             "%s answer=%s rate_per_minute=%u reason=%s",
             hook_log(hook_record(f)), names[h->answer], h->rate_per_minute,
             log_quote(buf_str(&h->reason)));
    h->is_over = o->response_code == 410; // the receiver is gone for good
    wait_longer(d, h);
    if (o->response_code == 429 || o->response_code == 503)
        wait_at_least(h, retry_after_ms(o->response_headers, h->at_ms));
    tell(d, h);
}

bool handshakes_apply(struct dispatcher *d, unsigned sender,
                      struct outcome *outcome)
{
    struct handshake *h = find_order(d, sender, outcome->no);
    const struct hook_state *f;
    struct blamed before;

    if (h == NULL)
        return false;
    outcome_fit_into(outcome, clock_now_us(), clock_mono_us() - h->asked_at_us);
    f = hook_find(&d->schedule, h->hook_id);
    before = blame_begin(
        BLAME_HOOK, h->hook_id,
        f != NULL && hook_record(f) != NULL ? hook_record(f)->revision : 0);
    if (go_on(d, h))
        note(d, h, outcome);
    blame_end(before);
    ask_due(d);
    return true;
}

void handshakes_lose_sender(struct dispatcher *d, unsigned sender)
{
    struct handshake *next =
        LIST_FIRST(&d->handshakes->asked, struct handshake, node);

    while (next != NULL) {
        struct handshake *h = next;

        next = LIST_NEXT(h, struct handshake, node);
        if (h->sender != sender)
            continue;
        if (go_on(d, h))
            wait_longer(d, h);
    }
    ask_due(d);
}

void handshakes_blame(struct dispatcher *d, const struct death *death)
{
    struct hash_node *n = NULL;
    struct handshake *h = NULL;

    if (!death->is_own || death->blamed.kind != BLAME_ORDER ||
        death->blamed.a != role_index(d->role) ||
        (uint32_t)death->blamed.b != HANDSHAKE_ORDER)
        return;
    while ((n = hash_map_next(&d->handshakes->by_hook, n)) != NULL) {
        h = HASH_OBJECT(n, struct handshake, by_hook);
        if (h->order_no == death->blamed.b)
            break;
    }
    if (n == NULL || ++h->n_deaths < BLAME_ASIDE || h->place != PLACE_WAITS)
        return;
    h->is_over = true;
    h->answer = HANDSHAKE_FAILED;
    h->at_ms = clock_now_ms();
    buf_reset(&h->reason);
    buf_puts(&h->reason, "the sender process died three times with this "
                         "request; it is made again when the webhook changes");
    tell(d, h);
}

// --- hooks ---

void handshakes_on_hook(struct dispatcher *d, struct hook_state *f)
{
    struct handshake *h = find(d, hook_state_id(f));
    bool is_wanted = awaits(d, f);

    if (h == NULL && !is_wanted)
        return;
    if (h == NULL) {
        h = add(d, hook_record(f));
        begin(d, h, hook_record(f));
    } else if (!is_wanted || !is_about(d, h, hook_record(f))) {
        if (h->place == PLACE_ASKED) {
            h->is_stale = true;
        } else if (is_wanted) {
            begin(d, h, hook_record(f));
        } else {
            drop(d, h);
        }
    } else {
        h->is_stale = false; // changed back while the request is in flight
        if (h->at_ms != 0 && h->at_ms == hook_record(f)->handshake.at_ms)
            h->at_ms = 0; // written
    }
    ask_due(d);
}

// What was asked in the last second counts no more.
static void begin_second(struct handshakes *hs)
{
    struct hash_node *n = NULL;

    while ((n = hash_map_next(&hs->by_org, n)) != NULL) {
        struct asking *org = HASH_OBJECT(n, struct asking, by_org);

        org->n_this_second = 0;
        set_turn(hs, org);
    }
}

void handshakes_on_second(struct dispatcher *d)
{
    int64_t now_us = clock_mono_us();
    struct handshake *next =
        LIST_FIRST(&d->handshakes->waiting, struct handshake, node);

    begin_second(d->handshakes);
    while (next != NULL) {
        struct handshake *h = next;

        next = LIST_NEXT(h, struct handshake, node);
        if (h->at_ms != 0) {
            tell(d, h); // before it is written, nothing else is asked
        } else if (h->ask_at_us <= now_us && !h->is_over) {
            move(d, h, PLACE_DUE);
        }
    }
    ask_due(d);
}
