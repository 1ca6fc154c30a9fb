// SPDX-License-Identifier: MIT
// org_quota.c — whether the backlog of an organization leaves room for more.

#include "engine/ingest/org_quota.h"

#include <inttypes.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/process/metrics.h"

#define LOG_AGAIN_US INT64_C(60000000)

enum err org_quota_init(struct org_quota *q, const struct queue_config *config)
{
    enum err err = hook_store_view(config, &q->hooks);

    buf_init(&q->last_org, 0);
    q->table = backlog_table_new(config->n_shards);
    return err;
}

// --- names ---

struct naming {
    struct buf *out;
    struct buf *org; // of the hook, too; NULL: not wanted
};

static bool put_name(void *data, const struct hook *hook)
{
    struct naming *n = data;
    const struct hook_scope *scope = &hook->scope;

    buf_put_str(n->out, hook->name);
    if (scope->project.n_bytes > 0) {
        buf_puts(n->out, " of ");
        buf_put_str(n->out, scope->project);
    }
    if (scope->target.n_bytes > 0) {
        buf_putc(n->out, '/');
        buf_put_str(n->out, scope->target);
    }
    if (hook->active && hook->paused)
        buf_puts(n->out, ", which is paused");
    if (hook->active && hook->handshake.is_wanted &&
        hook->handshake.answer != HANDSHAKE_ALLOWED)
        buf_puts(n->out, ", whose receiver has not allowed it");
    if (n->org != NULL && n->org->n_bytes == 0)
        buf_put_str(n->org, scope->org);
    return false;
}

// "1.2 MiB wait for webhook audit, which is paused, 1.0 MiB for webhook …"
static void put_hooks(const struct org_quota *q, const struct org_backlog *b,
                      struct buf *out, struct buf *org)
{
    struct naming naming = { .out = out, .org = org };
    const char *separator = "";

    for (size_t i = 0; i < BACKLOG_FULLEST; i++) {
        const struct hook_backlog *hook = &b->fullest[i];

        if (hook->hook_id == 0)
            continue;
        buf_puts(out, separator);
        buf_put_size(out, hook_backlog_bytes(hook));
        buf_puts(out, i == 0 ? " wait for webhook " : " for webhook ");
        if (hook_get_by_no(q->hooks, hook->hook_id, put_name, &naming) != OK)
            buf_puts(out, "that was deleted");
        separator = ", ";
    }
}

// --- which organizations are full ---

struct looking {
    struct org_quota *q;
    const struct config *config;
    uint64_t most_bytes;
    struct org_backlog fullest;
    unsigned most_percent;
    int64_t n_full;
};

static void refresh_org(void *data, const struct org_backlog *b)
{
    struct looking *l = data;
    struct backlog_share share;

    backlog_share(b, l->config, l->q->log_bytes, &share);
    l->q->waiting_bytes += share.n_bytes;
    l->n_full += share.is_full;
    if (share.percent > l->most_percent)
        l->most_percent = share.percent;
    if (share.n_bytes >= l->most_bytes) {
        l->most_bytes = share.n_bytes;
        l->fullest = *b;
    }
}

// Logs an organization once a minute at most: it may be full and not full in turns.
static void log_full(struct org_quota *q, const struct looking *l)
{
    int64_t now_us = clock_mono_us();
    struct buf org, hooks;

    if (l->n_full == 0 || (l->fullest.org_id == q->logged_no &&
                           now_us - q->logged_at_us < LOG_AGAIN_US))
        return;
    q->logged_no = l->fullest.org_id;
    q->logged_at_us = now_us;
    buf_init(&org, 0);
    buf_init(&hooks, 0);
    put_hooks(q, &l->fullest, &hooks, &org);
    log_warn("events of an organization are refused because its backlog fills "
             "its quota",
             "org=%s waiting_bytes=%" PRIu64 " quota_bytes=%" PRIu64
             " hooks=%s organizations=%" PRId64,
             log_quote(buf_str(&org)), l->most_bytes,
             config_org_quota_bytes(l->config), log_quote(buf_str(&hooks)),
             l->n_full);
    buf_clear(&hooks);
    buf_clear(&org);
}

void org_quota_refresh(struct org_quota *q, const struct config *config,
                       uint64_t log_bytes)
{
    struct looking l = { .q = q, .config = config };

    q->log_bytes = log_bytes;
    q->waiting_bytes = 0;
    backlog_each_org(q->table, refresh_org, &l);
    q->fullest_no = l.fullest.org_id;
    metrics_gauge(GAUGE_FULLEST_PERCENT, l.most_percent);
    metrics_gauge(GAUGE_ORGS_FULL, l.n_full);
    log_full(q, &l);
}

// --- answers ---

// The last result is remembered: the next post is often of the same organization. 0: it
// has no hooks, so nothing can wait for it.
uint64_t org_quota_number(struct org_quota *q, enum dialect dialect,
                          struct str org)
{
    if (q->last_no != 0 && q->last_dialect == dialect &&
        str_eq(buf_str(&q->last_org), org))
        return q->last_no;
    if (org_number(q->hooks, dialect, org, &q->last_no) != OK)
        q->last_no = 0;
    q->last_dialect = dialect;
    buf_reset(&q->last_org);
    buf_put_str(&q->last_org, org);
    return q->last_no;
}

bool org_quota_admits(struct org_quota *q, const struct config *config,
                      enum dialect dialect, struct str org, struct buf *why)
{
    struct backlog_share share;
    struct org_backlog b;

    if (q->fullest_no == 0)
        return true; // nothing waits
    backlog_of_org(q->table, org_quota_number(q, dialect, org), &b);
    backlog_share(&b, config, q->log_bytes, &share);
    if (!share.is_full)
        return true;
    buf_puts(why, "the backlog of organization ");
    buf_put_str(why, org);
    buf_puts(why, " fills its quota: ");
    buf_put_size(why, share.n_bytes);
    buf_puts(why, " wait of ");
    buf_put_size(why, share.quota_bytes);
    buf_puts(why, " that may; ");
    put_hooks(q, &b, why, NULL);
    return false;
}

void org_quota_put_share(struct org_quota *q, uint64_t used_bytes,
                         enum dialect dialect, struct str org, struct buf *why)
{
    uint64_t org_id = org_quota_number(q, dialect, org);
    struct org_backlog b;

    if (q->waiting_bytes < used_bytes / 2)
        return; // history or unmatched events fill the queue
    if (org_id == 0 || org_id != q->fullest_no) {
        buf_puts(why, ", which what waits for other organizations fills");
        return;
    }
    backlog_of_org(q->table, org_id, &b);
    buf_puts(why, ", which the backlog of organization ");
    buf_put_str(why, org);
    buf_puts(why, " fills most; ");
    put_hooks(q, &b, why, NULL);
}

void org_quota_put_fullest(const struct org_quota *q, struct buf *out)
{
    struct org_backlog b;
    struct buf org, hooks;

    if (q->fullest_no == 0)
        return;
    buf_init(&org, 0);
    buf_init(&hooks, 0);
    backlog_of_org(q->table, q->fullest_no, &b);
    put_hooks(q, &b, &hooks, &org);
    buf_put_str(out, buf_str(&org));
    buf_puts(out, ": ");
    buf_put_str(out, buf_str(&hooks));
    buf_clear(&hooks);
    buf_clear(&org);
}
