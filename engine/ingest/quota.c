// SPDX-License-Identifier: MIT
// quota.c — whether there is room for more events.

#include "engine/ingest/quota.h"

#include <inttypes.h>
#include <sys/statvfs.h>

#include "common/log/log.h"
#include "common/process/metrics.h"

#define REFRESH_BYTES   (UINT64_C(4) * 1024 * 1024)
#define REFRESH_PART    64 // 1/64 of the queue: far less than the 20 % kept free
#define DISK_LEFT_BYTES (UINT64_C(32) * 1024 * 1024)

static bool is_disk_tight(const char *dir, uint64_t used_bytes)
{
    struct statvfs fs;
    uint64_t total_bytes;
    uint64_t left_bytes;

    if (statvfs(dir, &fs) != 0)
        return false; // if the disk is full, the commit fails
    total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
    left_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    metrics_gauge(GAUGE_DISK_SIZE_BYTES, (int64_t)total_bytes);
    metrics_gauge(GAUGE_DISK_FREE_BYTES, (int64_t)left_bytes);
    return left_bytes < DISK_LEFT_BYTES || used_bytes > total_bytes / 10 * 8;
}

void quota_refresh(struct quota *q, const struct config *config,
                   struct event_log *log)
{
    bool was_full = q->is_full;
    uint64_t used_bytes = 0;

    q->n_appended_bytes = 0;
    if (event_log_usage(log, &used_bytes) != OK)
        return;
    metrics_gauge(GAUGE_QUEUE_BYTES, (int64_t)used_bytes);
    q->log_bytes = used_bytes;
    used_bytes += (uint64_t)metrics_sum_gauge(GAUGE_QUEUE_BYTES, "dispatcher");
    q->used_bytes = used_bytes;
    q->is_disk_full = is_disk_tight(config->data_dir, used_bytes);
    q->is_full =
        q->is_disk_full || used_bytes > config->max_queue_bytes / 10 * 8;
    metrics_gauge(GAUGE_QUEUE_LIMIT_BYTES, (int64_t)config->max_queue_bytes);
    metrics_gauge(GAUGE_INTAKE_STOPPED, q->is_full);
    if (q->is_full != was_full) {
        log_warn(
            q->is_full ? "event intake stops: the queue or the disk is full"
                       : "event intake continues",
            "used_bytes=%" PRIu64 " max_queue_bytes=%" PRIu64 " disk_full=%s",
            used_bytes, config->max_queue_bytes,
            q->is_disk_full ? "yes" : "no");
    }
}

void quota_add(struct quota *q, const struct config *config,
               struct event_log *log, size_t n_bytes)
{
    uint64_t every_bytes = config->max_queue_bytes / REFRESH_PART;

    if (every_bytes > REFRESH_BYTES)
        every_bytes = REFRESH_BYTES;
    q->n_appended_bytes += n_bytes;
    if (q->n_appended_bytes >= every_bytes)
        quota_refresh(q, config, log);
}
