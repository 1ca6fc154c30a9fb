// replay_jobs.c — replays that are asked for: counted, answered, cancelled.
//
// Counting reads the whole source, a little at a time between deliveries. The
// answer comes when the replay is committed; a dry run ends with the count.

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "common/mem.h"
#include "engine/replays.h"

#define COUNT_US 2500 // of each turn

struct job {
    struct job *next;
    uint64_t n_apis; // the link that asked
    struct answer answer;
    bool is_dry;
    uint64_t after_commit; // what is said already must lie in the index
    struct running *left;  // to be counted
    struct running *found; // counted, with something to do
};

// --- asking ---

struct choosing {
    struct dispatcher *d;
    struct job *job;
    const struct ask *ask;
    struct replay record;
};

static void take_hook(struct choosing *c, const struct followed *f)
{
    struct running *r;

    c->record.hook_no = f->no;
    c->record.org_no = f->hook->org_no;
    r = running_new(&c->record);
    r->next = c->job->left;
    c->job->left = r;
}

static void take_hooks_of_org(struct choosing *c)
{
    const struct dispatcher *d = c->d;

    for (size_t i = 0; d->by_no != NULL && i <= d->n_by_no_mask; i++) {
        for (struct followed *f = d->by_no[i]; f != NULL; f = f->next_hash) {
            if (followed_is_active(f) &&
                (unsigned)f->hook->scope.family == c->ask->family &&
                str_eq(f->hook->scope.org, c->ask->org))
                take_hook(c, f);
        }
    }
}

static enum err choose(struct choosing *c)
{
    struct dispatcher *d = c->d;
    const struct followed *f;
    enum err err = replay_decode(c->ask->text, &c->record);

    if (err != OK)
        return err;
    c->record.next = 0;
    c->record.state = REPLAY_RUNNING;
    c->record.created_at_ms = clock_now_ms();
    c->record.end = get_be64(d->read_to.bytes) + 1;
    if (!c->record.unmatched)
        err = history_end(d->history, &c->record.end);
    if (err != OK)
        return err;
    if (c->ask->hook_no == 0) {
        take_hooks_of_org(c);
        return OK;
    }
    f = followed_find(d, c->ask->hook_no);
    if (f == NULL || f->hook == NULL)
        return ERR_NOTFOUND;
    if (!followed_is_active(f))
        return ERR_CONFLICT;
    take_hook(c, f);
    return OK;
}

static void free_all(struct running *r)
{
    while (r != NULL) {
        struct running *next = r->next;

        running_free(r);
        r = next;
    }
}

// Whether it may be under way besides those of its organization; if so, it counts
// as such. ERR_BUSY: `why` says which limit is reached.
static enum err join(struct choosing *c, struct buf *why)
{
    struct dispatcher *d = c->d;
    struct share_limit limit = cap_limit(d->config, CAP_REPLAYS);
    struct replay_holder *holder;
    enum share share;

    if (c->job->left == NULL)
        return OK; // no hook wants it
    share = shares_judge(&d->replay_shares, &limit, c->record.org_no,
                         c->ask->is_admin, 1);
    if (share != SHARE_THERE) {
        cap_put_why(d->config, CAP_REPLAYS, share, why);
        return ERR_BUSY;
    }
    holder = replay_hold(d, c->record.org_no);
    for (struct running *r = c->job->left; r != NULL; r = r->next)
        running_join(r, holder);
    return OK;
}

static enum err begin(struct dispatcher *d, const struct ask *ask,
                      struct buf *why)
{
    struct choosing c = { .d = d, .ask = ask };
    struct job **link = &d->jobs;
    enum err err;

    if (d->is_draining)
        return ERR_AGAIN;
    if (!storage_has_room(d))
        return ERR_FULL;
    c.job = xcalloc(1, sizeof(*c.job));
    err = choose(&c);
    if (err == OK)
        err = join(&c, why);
    if (err != OK) {
        free_all(c.job->left);
        free(c.job);
        return err;
    }
    c.job->n_apis = d->n_apis;
    c.job->is_dry = ask->is_dry;
    c.job->answer.no = ask->no;
    c.job->after_commit = d->n_commits +
                          (shard_is_committing(d->shard) ? 1 : 0) +
                          (change_n(d->filling) > 0 || d->rowless != NULL);
    while (*link != NULL)
        link = &(*link)->next;
    *link = c.job;
    return OK;
}

// --- counting ---

static void start_over(struct running *r)
{
    r->record.matched = r->n_found;
    r->read_no = 0;
    r->is_read = false;
    r->n_ahead = 0;
    r->i_ahead = 0;
    r->is_dirty = true;
}

static void end_job(struct dispatcher *d, struct job *job)
{
    bool is_kept = !job->is_dry && job->answer.n > 0;

    while (is_kept && job->found != NULL) {
        struct running *r = job->found;

        job->found = r->next;
        start_over(r);
        replays_add(d, r);
    }
    if (is_kept) {
        manual_answer_later(d, job->n_apis, &job->answer);
    } else if (job->n_apis == d->n_apis) {
        manual_answer_now(d, &job->answer);
    }
    d->jobs = job->next;
    free_all(job->found);
    free(job);
}

// True: the job is done.
static bool count_some(struct dispatcher *d, struct job *job)
{
    int64_t until_us = clock_mono_us() + COUNT_US;

    while (job->left != NULL && clock_mono_us() < until_us) {
        struct running *r = job->left;
        const struct followed *f = followed_find(d, r->record.hook_no);

        if (f != NULL && f->hook != NULL && !r->is_read) {
            r->i_ahead = r->n_ahead; // only the number counts
            source_read(d, r, f);
            continue;
        }
        job->left = r->next;
        job->answer.n += r->n_found;
        job->answer.n_gone += r->n_gone;
        if (r->n_found > 0) {
            r->next = job->found;
            job->found = r;
        } else {
            running_free(r);
        }
    }
    return job->left == NULL;
}

void jobs_run(struct dispatcher *d)
{
    struct job *job = d->jobs;

    if (job == NULL)
        return;
    if (d->n_commits < job->after_commit) {
        settle_touch(d);
        return;
    }
    if (job->n_apis != d->n_apis) { // nobody waits for it
        d->jobs = job->next;
        free_all(job->left);
        free_all(job->found);
        free(job);
        return;
    }
    if (count_some(d, job))
        end_job(d, job);
}

// --- cancelling ---

static bool is_of(const struct ask *ask, const struct running *r)
{
    return id_eq(&r->record.id, &ask->event_id) &&
           (ask->hook_no == 0 || ask->hook_no == r->record.hook_no);
}

// What is in flight runs to its end; what waits for another attempt, too.
static void cancel(struct dispatcher *d, const struct ask *ask)
{
    struct answer answer = { .no = ask->no };

    for (struct running *r = d->replays; r != NULL; r = r->next) {
        if (!is_of(ask, r) || r->record.state != REPLAY_RUNNING)
            continue;
        replays_end(r, REPLAY_CANCELLED);
        answer.n++;
    }
    // Also if none runs: that one has ended may be said, and not committed yet, and
    // whoever asked looks next.
    manual_answer_later(d, d->n_apis, &answer);
}

void replays_on_ask(struct dispatcher *d, const struct ask *ask)
{
    struct answer answer = { .no = ask->no };
    struct buf why;

    if (ask->what == ASK_CANCEL_REPLAY) {
        cancel(d, ask);
        return;
    }
    buf_init(&why, 0);
    answer.err = begin(d, ask, &why);
    answer.text = buf_str(&why);
    if (answer.err != OK) {
        manual_answer_now(d, &answer);
    } else {
        replays_go_on(d);
    }
    buf_clear(&why);
}
