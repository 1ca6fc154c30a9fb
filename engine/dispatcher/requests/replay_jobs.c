// SPDX-License-Identifier: MIT
// replay_jobs.c — queries about replays: counting, answering, cancelling.
//
// Counting reads the whole source, a little at a time between deliveries, one hook
// after the other. Then the replays of hooks that have something to send begin, some
// with each commit; the query is answered when the last record is committed. A dry run
// ends with the count.

#include "engine/dispatcher/requests/replay_jobs.h"

#include <stdlib.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/config/caps.h"
#include "common/encoding/id.h"
#include "common/fairness/share.h"
#include "common/log/log.h"
#include "common/messages/query.h"
#include "common/model/event.h"
#include "common/model/hook.h"
#include "common/model/replay.h"
#include "common/process/metrics.h"
#include "engine/dispatcher/deliver/requesters.h"
#include "engine/dispatcher/loop/dispatcher.h"
#include "engine/dispatcher/loop/slice.h"
#include "engine/dispatcher/loop/turn.h"
#include "engine/dispatcher/record/commit.h"
#include "engine/dispatcher/record/replay_progress.h"
#include "engine/dispatcher/record/storage.h"
#include "engine/dispatcher/requests/replay_source.h"
#include "engine/dispatcher/schedule/delivery_table.h"
#include "engine/dispatcher/schedule/hook_state.h"
#include "engine/dispatcher/schedule/hook_table.h"
#include "engine/dispatcher/schedule/schedule.h"
#include "queue/queue.h"

#define HOOKS_AT_ONCE   64    // hooks of an organization read at once
#define HOOKS_MAX       10000 // hooks that one query may find deliveries of
#define HELD_MAX_BYTES  ((size_t)32 << 20) // memory of the replays of one query
#define RECORDS_AT_ONCE 128                // records put into one commit

struct job {
    struct job *next;
    uint64_t n_apis; // the link that asked
    struct reply reply;
    bool is_forgotten; // nobody waits for the answer
    bool is_cancel;    // cancels replays: the answer waits for their records
    bool is_dry;
    uint64_t after_commit;        // counting begins after this commit
    struct buf text;              // holds the texts of `record`
    struct replay record;         // what is asked for each hook
    struct replay_holder *holder; // NULL: it counts for no organization
    // For a replay of an organization, whose hooks are read some at a time:
    enum dialect dialect;
    struct buf org;    // empty: a replay of one hook
    struct buf cursor; // of the last hook that was read
    bool are_hooks_read;
    uint64_t hook_nos[HOOKS_AT_ONCE]; // to be counted
    size_t n_hooks, i_hook;
    struct running *counting; // NULL: go on with the next hook
    struct running *found;    // counted, with something to send
    size_t n_found, n_held_bytes;
    bool is_counted;
    uint64_t added_at; // its last record is added at this replays_n_added()
};

struct replay_jobs {
    struct job *first; // in the order of their turns
};

void jobs_init(struct dispatcher *d)
{
    d->replay_jobs = xcalloc(1, sizeof(*d->replay_jobs));
}

bool jobs_any(const struct dispatcher *d)
{
    return d->replay_jobs->first != NULL;
}

bool jobs_are_of(const struct dispatcher *d, uint64_t org_id)
{
    for (const struct job *job = d->replay_jobs->first; job != NULL;
         job = job->next) {
        if (job->record.org_id == org_id)
            return true;
    }
    return false;
}

// --- asking ---

static enum err choose_hook(const struct dispatcher *d, struct job *job,
                            uint64_t hook_id)
{
    const struct hook_state *f = hook_find(&d->schedule, hook_id);

    if (f == NULL || hook_record(f) == NULL)
        return ERR_NOTFOUND;
    if (!hook_is_active(f))
        return ERR_CONFLICT;
    job->hook_nos[job->n_hooks++] = hook_id;
    job->are_hooks_read = true;
    job->record.org_id = hook_record(f)->org_id;
    return OK;
}

static enum err choose(struct dispatcher *d, struct job *job,
                       const struct query *query)
{
    struct replay *record = &job->record;
    enum err err;

    buf_put_str(&job->text, query->text);
    err = replay_decode(buf_str(&job->text), record);
    if (err != OK)
        return err;
    record->next = 0;
    record->state = REPLAY_RUNNING;
    record->created_at_ms = clock_now_ms();
    record->end = get_be64(d->read_to.bytes) + 1;
    if (!record->unmatched)
        err = history_end(d->history, &record->end);
    if (err != OK)
        return err;
    if (query->hook_id != 0)
        return choose_hook(d, job, query->hook_id);
    job->dialect = (enum dialect)query->dialect;
    buf_put_str(&job->org, query->org);
    return org_number(d->hooks, job->dialect, query->org, &record->org_id);
}

static struct job *job_new(void)
{
    struct job *job = xcalloc(1, sizeof(*job));

    buf_init(&job->text, 0);
    buf_init(&job->org, 0);
    buf_init(&job->cursor, 0);
    return job;
}

static void free_found(struct job *job)
{
    while (job->found != NULL) {
        struct running *next = job->found->next;

        running_free(job->found);
        job->found = next;
    }
}

static void job_free(struct job *job)
{
    free_found(job);
    if (job->counting != NULL)
        running_free(job->counting);
    replay_leave(&job->holder);
    buf_clear(&job->text);
    buf_clear(&job->org);
    buf_clear(&job->cursor);
    free(job);
}

static void append(struct dispatcher *d, struct job *job)
{
    struct job **link = &d->replay_jobs->first;

    job->next = NULL;
    while (*link != NULL)
        link = &(*link)->next;
    *link = job;
}

// Counts the job in the share of its organization, if the share has room for one more.
// ERR_BUSY: `why` says which limit is reached.
static enum err join(struct dispatcher *d, struct job *job, bool is_admin,
                     struct buf *why)
{
    struct share_limit limit = cap_limit(d->config, CAP_REPLAYS);
    uint64_t org_id = job->record.org_id;
    enum share share;

    if (org_id == 0)
        return OK; // the organization has no hook
    share = replays_check(d, &limit, org_id, is_admin);
    if (share != SHARE_THERE) {
        cap_put_why(d->config, CAP_REPLAYS, share, why);
        return ERR_BUSY;
    }
    replay_join(&job->holder, replay_hold(d, org_id));
    return OK;
}

static enum err begin(struct dispatcher *d, const struct query *query,
                      struct buf *why)
{
    struct job *job;
    enum err err;

    if (d->is_draining)
        return ERR_AGAIN;
    if (!storage_has_room(d))
        return ERR_FULL;
    job = job_new();
    err = choose(d, job, query);
    if (err == OK)
        err = join(d, job, query->is_admin, why);
    if (err != OK) {
        job_free(job);
        return err;
    }
    job->n_apis = d->n_apis;
    job->is_dry = query->is_dry;
    job->reply.no = query->no;
    job->after_commit = schedule_n_commits(&d->schedule) +
                        (commit_is_under_way(d) ? 1 : 0) +
                        (batch_n(d->open_batch) > 0 ||
                         delivery_without_row(&d->schedule) != NULL);
    append(d, job);
    return OK;
}

// --- hooks ---

static bool on_hook(void *data, const struct hook *hook)
{
    struct job *job = data;

    job->hook_nos[job->n_hooks++] = hook->no;
    buf_reset(&job->cursor);
    hook_cursor_put(hook, &job->cursor);
    return job->n_hooks < HOOKS_AT_ONCE;
}

// Reads some hooks of the organization, including those of other dispatchers.
static void read_hooks(struct dispatcher *d, struct job *job)
{
    struct buf after;

    buf_init(&after, 0);
    buf_put_str(&after, buf_str(&job->cursor));
    job->n_hooks = 0;
    job->i_hook = 0;
    if (hook_list_org(d->hooks, job->dialect, buf_str(&job->org),
                      buf_str(&after), on_hook, job) != OK)
        log_fatal("hooks cannot be read", "");
    job->are_hooks_read = job->n_hooks < HOOKS_AT_ONCE;
    buf_clear(&after);
}

// Begins to count the next hook, if it belongs to this dispatcher. False: there is
// none.
static bool begin_hook(struct dispatcher *d, struct job *job)
{
    const struct hook_state *f;

    if (job->i_hook == job->n_hooks && job->are_hooks_read)
        return false;
    if (job->i_hook == job->n_hooks) {
        read_hooks(d, job);
        return true;
    }
    f = hook_find(&d->schedule, job->hook_nos[job->i_hook++]);
    if (f != NULL && hook_is_active(f)) {
        job->record.hook_id = hook_state_id(f);
        job->counting = running_new(&job->record);
    }
    return true;
}

// --- counting ---

static void take_count(struct job *job)
{
    struct running *r = job->counting;

    job->counting = NULL;
    running_slim(r);
    job->reply.n += r->n_found;
    job->reply.n_gone += r->n_gone;
    if (r->n_found == 0 || job->is_dry) {
        running_free(r);
        return;
    }
    replay_join(&r->holder, job->holder);
    job->n_found++;
    job->n_held_bytes += sizeof(*r) + r->text.n_bytes;
    r->next = job->found;
    job->found = r;
}

static bool is_too_large(const struct job *job)
{
    return job->n_found > HOOKS_MAX || job->n_held_bytes > HELD_MAX_BYTES;
}

// Counts some. True: all is counted.
static bool count_some(struct dispatcher *d, struct job *job, int64_t until_us)
{
    do {
        struct running *r = job->counting;
        const struct hook_state *f =
            r != NULL ? hook_find(&d->schedule, r->record.hook_id) : NULL;

        if (r == NULL) {
            if (!begin_hook(d, job))
                return true;
        } else if (f != NULL && hook_record(f) != NULL && !r->is_read) {
            r->i_ahead = r->n_ahead; // only their number is needed
            source_read(d, r, f, until_us);
        } else {
            take_count(job);
        }
    } while (!is_too_large(job) && clock_mono_us() < until_us);
    return is_too_large(job);
}

// --- beginning ---

static void start_over(struct running *r)
{
    r->record.matched = r->n_found;
    r->read_no = 0;
    r->is_read = false;
    r->n_ahead = 0;
    r->i_ahead = 0;
}

// Begins some of the replays that were found. True: the records of all are written.
static bool begin_some(struct dispatcher *d, struct job *job)
{
    for (size_t i = 0; i < RECORDS_AT_ONCE && job->found != NULL; i++) {
        struct running *r = job->found;

        job->found = r->next;
        start_over(r);
        replays_add(d, r);
        job->added_at = replays_touch(d, r);
    }
    commit_schedule(d);
    return job->found == NULL && replays_n_added(d) >= job->added_at;
}

static void answer_now(struct dispatcher *d, const struct job *job)
{
    if (job->n_apis == d->n_apis)
        requesters_answer_now(d, &job->reply);
}

// Works on a job for a slice. True: it is answered.
static bool work(struct dispatcher *d, struct job *job, int64_t until_us)
{
    if (job->is_cancel) {
        commit_schedule(d);
        if (replays_n_added(d) < job->added_at)
            return false;
        requesters_answer_later(d, job->n_apis, &job->reply);
        return true;
    }
    if (!job->is_counted && !count_some(d, job, until_us))
        return false;
    job->is_counted = true;
    if (is_too_large(job))
        job->reply.err = ERR_TOOBIG;
    if (job->reply.err != OK || job->is_dry || job->reply.n == 0) {
        answer_now(d, job);
        return true;
    }
    if (!begin_some(d, job))
        return false;
    requesters_answer_later(d, job->n_apis, &job->reply);
    return true;
}

// Whether nobody waits for the job, and none of its replays has begun.
static bool is_unwanted(const struct dispatcher *d, const struct job *job)
{
    return job->added_at == 0 &&
           (job->is_forgotten || job->n_apis != d->n_apis);
}

static void drop(struct dispatcher *d, struct job *job)
{
    metrics_count(COUNTER_QUESTIONS_DROPPED, 1);
    job->reply.err = ERR_AGAIN;
    answer_now(d, job); // so that api does not count it any more
    job_free(job);
}

// Does a slice of the first job; jobs have slices in turns. A job whose replays have
// begun goes on to its end, even if nobody waits for it.
void jobs_run(struct dispatcher *d)
{
    struct job *job = d->replay_jobs->first;

    if (job == NULL)
        return;
    if (schedule_n_commits(&d->schedule) < job->after_commit) {
        commit_schedule(d);
        return;
    }
    d->replay_jobs->first = job->next;
    if (is_unwanted(d, job)) {
        drop(d, job);
        return;
    }
    metrics_count(COUNTER_SLICES, 1);
    if (work(d, job, slice_end_us(clock_mono_us()))) {
        job_free(job);
    } else {
        append(d, job);
    }
}

void jobs_forget(struct dispatcher *d, uint64_t no)
{
    for (struct job *job = d->replay_jobs->first; job != NULL;
         job = job->next) {
        if (job->reply.no == no && job->n_apis == d->n_apis)
            job->is_forgotten = true;
    }
}

// --- cancelling ---

static bool is_of(const struct query *query, const struct running *r)
{
    return id_eq(&r->record.id, &query->event_id) &&
           (query->hook_id == 0 || query->hook_id == r->record.hook_id);
}

static bool is_about(const struct query *query, const struct job *job)
{
    return !job->is_cancel && id_eq(&job->record.id, &query->event_id) &&
           (query->hook_id == 0 || query->hook_id == job->record.hook_id);
}

// Cancels replays. What is in flight runs to its end, and so do deliveries that wait
// for another attempt. Replays that have not begun do not begin. The query is answered
// when all records are committed, even if no replay runs: the end of one may not be
// committed yet, and the client may look at the records next.
static void cancel(struct dispatcher *d, const struct query *query)
{
    struct job *job = job_new();

    job->n_apis = d->n_apis;
    job->reply.no = query->no;
    job->is_cancel = true;
    for (struct running *r = replays_first(d); r != NULL; r = r->next) {
        if (!is_of(query, r) || r->record.state != REPLAY_RUNNING)
            continue;
        replays_end(d, r, REPLAY_CANCELLED);
        job->reply.n++;
    }
    for (struct job *other = d->replay_jobs->first; other != NULL;
         other = other->next) {
        if (is_about(query, other))
            free_found(other);
    }
    job->added_at = replays_n_changes(d);
    append(d, job);
    turn_mark(d, TURN_REPLAY);
}

void replays_on_query(struct dispatcher *d, const struct query *query)
{
    struct reply reply = { .no = query->no };
    struct buf why;

    if (query->what == QUERY_CANCEL_REPLAY) {
        cancel(d, query);
        return;
    }
    buf_init(&why, 0);
    reply.err = begin(d, query, &why);
    reply.text = buf_str(&why);
    if (reply.err != OK) {
        requesters_answer_now(d, &reply);
    } else {
        turn_mark(d, TURN_REPLAY);
    }
    buf_clear(&why);
}
