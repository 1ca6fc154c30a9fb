// SPDX-License-Identifier: MIT
// queue.h — the durable state: the event log, the deliveries, the hooks.
//
// The only header of this folder that engine/ and api/ may include: it brings the
// public headers of the rooms. Files within queue/ include the headers that they
// need, and not this one.
//
//   append ─► event log ─(a dispatcher reads on from its cursor, matches)─►
//
//      DUE ──attempt: 2xx──────────► delivered: history only
//      ▲ ▲ └─attempt: failed───────► DUE again, later
//      │ └─redeliver── DEAD ◄──────┘ attempts used up
//      └─ what the cursor passed and what is not settled yet
//
// A delivery is one event for one hook. It lies in exactly one index, and that
// index is its state. The payload is stored once, in the event log.
//
// Three kinds of environment under `data_dir`, each with one writing process:
//   events/            ingest         the event log, idempotency keys
//   deliveries/K/      dispatcher K   cursor, due, dead, history, counts
//   hooks/             api            hooks and tokens; what is being erased
// All other processes open them for reading. Nothing here closes an environment:
// LMDB 0.9.26–0.9.31 would destroy the mutexes that the other processes use. A
// process that has finished exits.
//
// What another implementation must keep: writes are asynchronous. Appends and shard
// commits take a batch; hooks, stacks and tokens are written one by one, on the
// condition that the caller states (an expected revision, a name that is free). Each
// write ends with one call on the loop and a known outcome: committed, in conflict, or
// refused with a reason; it stays unknown only if the process ends. What a callback
// is given is valid during the call. Reads are synchronous and show this process what
// is committed. Positions are opaque and comparable within one log only. No transaction
// leaves this folder.
//
// Besides the errors that it names, every function may return: ERR_IO (the disk or
// the file failed; the reason is logged), ERR_CORRUPT (a damaged record) and, where
// something is stored, ERR_LOST (the files were removed or replaced while in use,
// so the data may be gone).

#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "common/model/delivery.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "common/model/replay.h"
#include "common/model/token.h"
#include "queue/admin/backup.h"
#include "queue/admin/copy_target.h"
#include "queue/admin/data_dir.h"
#include "queue/admin/environment_dir.h"
#include "queue/admin/progress.h"
#include "queue/admin/repair.h"
#include "queue/admin/verify.h"
#include "queue/catalog/hook_label.h"
#include "queue/catalog/hook_store.h"
#include "queue/chain/chain_host.h"
#include "queue/cluster/cluster_identity.h"
#include "queue/cluster/cluster_journal.h"
#include "queue/cluster/cluster_members.h"
#include "queue/cluster/cluster_parts.h"
#include "queue/compact/compact.h"
#include "queue/erasure/erasure_mark.h"
#include "queue/erasure/erasures.h"
#include "queue/erasure/payload_orders.h"
#include "queue/erasure/payload_work.h"
#include "queue/event_log/event_log.h"
#include "queue/event_log/event_view.h"
#include "queue/event_log/org_ages.h"
#include "queue/event_log/payload_erasure.h"
#include "queue/event_rows/append.h"
#include "queue/journal/journal.h"
#include "queue/journal/journal_open.h"
#include "queue/listing/listed_event.h"
#include "queue/lmdb/child.h"
#include "queue/lmdb/room.h"
#include "queue/lmdb/upkeep.h"
#include "queue/orgs/kind_entry.h"
#include "queue/orgs/org_retention.h"
#include "queue/orgs/org_values.h"
#include "queue/records/backlog_sums.h"
#include "queue/records/counts.h"
#include "queue/records/hook_health.h"
#include "queue/records/queue_config.h"
#include "queue/records/replay_record.h"
#include "queue/records/retention.h"
#include "queue/records/sealed.h"
#include "queue/records/stats.h"
#include "queue/sealing/key_check.h"
#include "queue/shard/backlog.h"
#include "queue/shard/history.h"
#include "queue/shard/shard.h"
#include "queue/shard/shard_batch.h"
#include "queue/shard/shard_dead.h"
#include "queue/shard/shard_health.h"
#include "queue/shard/shard_replays.h"
#include "queue/shard/shard_rows.h"
#include "queue/shard/shard_stats.h"
#include "queue/shard/shard_view.h"

#endif
