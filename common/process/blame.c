// SPDX-License-Identifier: MIT
// blame.c — which record a process was working on when it died.

#include "common/process/blame.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/encoding/crypto.h"
#include "common/log/log.h"

#define CELLS       2 // the loop's and the worker's
#define LOOP_CELL   0
#define WORKER_CELL 1
#define ALT_STACK   ((size_t)64 * 1024)
#define FORGET_US   ((uint64_t)BLAME_WAIT_S * 1000000)

struct cell {
    volatile uint64_t kind, a, b;
};

struct suspect {
    struct blamed record; // kind BLAME_NOTHING: free
    uint32_t n_deaths;
    int64_t died_at_us; // monotonic, the last time
};

struct blame_page {
    struct cell cells[CELLS];
    volatile uint64_t is_foreign;     // the signal came from another process
    volatile uint64_t guilty;         // cell of the thread that died, plus one
    volatile uint64_t is_loop_guilty; // whichever thread it was
    uint64_t seed;                    // of blame_hash()
    atomic_uint n_suspects;
    struct suspect suspects[BLAME_MAX];
};

static struct blame_page no_page; // used until blame_attach()
static struct blame_page *own = &no_page;

static const int fatal[] = { SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
#define N_FATAL (sizeof(fatal) / sizeof(fatal[0]))

// Sanitizers have handlers of their own, which report more; abort() is left to
// ours.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

static bool is_fatal(int signum)
{
    for (size_t i = 0; i < N_FATAL; i++) {
        if (fatal[i] == signum)
            return true;
    }
    return false;
}

static bool is_same(const struct blamed *x, const struct blamed *y)
{
    return x->kind == y->kind && x->a == y->a && x->b == y->b;
}

// --- suspects ---

static bool is_over(const struct suspect *s)
{
    return s->record.kind == BLAME_REQUEST &&
           (uint64_t)clock_mono_us() - (uint64_t)s->died_at_us > FORGET_US;
}

static struct suspect *find(struct blame_page *page,
                            const struct blamed *record)
{
    for (size_t i = 0; i < BLAME_MAX; i++) {
        if (is_same(&page->suspects[i].record, record))
            return &page->suspects[i];
    }
    return NULL;
}

static void clear(struct blame_page *page, struct suspect *s)
{
    memset(s, 0, sizeof(*s));
    atomic_fetch_sub(&page->n_suspects, 1);
}

static struct suspect *oldest(struct blame_page *page)
{
    struct suspect *s = &page->suspects[0];

    for (size_t i = 0; i < BLAME_MAX; i++) {
        struct suspect *other = &page->suspects[i];

        if (other->record.kind == BLAME_NOTHING)
            return other;
        if (other->died_at_us < s->died_at_us)
            s = other;
    }
    return s;
}

static uint32_t count_death(struct blame_page *page,
                            const struct blamed *record)
{
    struct suspect *s = find(page, record);

    if (s != NULL && is_over(s)) {
        clear(page, s);
        s = NULL;
    }
    if (s == NULL) {
        s = oldest(page);
        if (s->record.kind == BLAME_NOTHING)
            atomic_fetch_add(&page->n_suspects, 1);
        *s = (struct suspect){ .record = *record };
    }
    s->died_at_us = clock_mono_us();
    return ++s->n_deaths;
}

// --- the supervisor ---

static struct blame_page *map(int fd)
{
    void *page = mmap(NULL, sizeof(struct blame_page), PROT_READ | PROT_WRITE,
                      MAP_SHARED, fd, 0);

    return page == MAP_FAILED ? NULL : page;
}

int blame_create(struct blame_page **out)
{
    int fd = memfd_create("posthorn-blame", MFD_CLOEXEC);

    if (fd < 0)
        return -1;
    *out = NULL;
    if (ftruncate(fd, sizeof(struct blame_page)) == 0)
        *out = map(fd);
    if (*out == NULL) {
        close(fd);
        return -1;
    }
    crypto_random(&(*out)->seed, sizeof((*out)->seed));
    return fd;
}

// The note of the thread that died; if the thread is unknown, any note.
static struct blamed note_of_death(const struct blame_page *page)
{
    uint64_t guilty = page->is_loop_guilty != 0 ? LOOP_CELL + 1 : page->guilty;
    struct blamed found = { BLAME_NOTHING, 0, 0 };

    for (size_t i = 0; i < CELLS && found.kind == BLAME_NOTHING; i++) {
        const struct cell *cell = &page->cells[i];

        if (guilty == 0 || guilty == i + 1)
            found = (struct blamed){ cell->kind, cell->a, cell->b };
    }
    return found;
}

bool blame_attribute(struct blame_page *page, int signum, struct blamed *out,
                     uint32_t *n_deaths)
{
    bool is_own = (is_fatal(signum) && page->is_foreign == 0) ||
                  (signum == 0 && page->guilty != 0); // blame_this_thread()

    *out = note_of_death(page);
    *n_deaths = 0;
    memset(page->cells, 0, sizeof(page->cells));
    page->is_foreign = 0;
    page->guilty = 0;
    page->is_loop_guilty = 0;
    if (is_own && out->kind != BLAME_NOTHING)
        *n_deaths = count_death(page, out);
    return is_own;
}

// --- the role ---

static size_t own_cell(void)
{
    static _Thread_local size_t cell = CELLS;

    if (cell == CELLS) {
        bool is_loop = syscall(SYS_gettid) == getpid();

        cell = is_loop ? LOOP_CELL : WORKER_CELL;
    }
    return cell;
}

void blame_this_thread(void)
{
    own->guilty = own_cell() + 1;
}

static void on_fatal(int signum, siginfo_t *info, void *context)
{
    bool was_sent = info->si_code == SI_USER || info->si_code == SI_QUEUE ||
                    info->si_code == SI_TKILL;

    (void)context;
    own->guilty = own_cell() + 1;
    if (was_sent && info->si_pid != getpid())
        own->is_foreign = 1;
    // The default action is in place again: a fault repeats by itself, a signal
    // that was sent has to be raised again.
    if (was_sent)
        raise(signum);
}

static void watch_signals(void)
{
    static char alt_stack[ALT_STACK]; // a stack that is full cannot hold this
    const stack_t stack = { .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) };
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_fatal;
    action.sa_flags = (int)(SA_SIGINFO | SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    if (!IS_SANITIZED && sigaltstack(&stack, NULL) == 0)
        action.sa_flags |= SA_ONSTACK;
    for (size_t i = 0; i < N_FATAL; i++) {
        if ((!IS_SANITIZED || fatal[i] == SIGABRT) &&
            sigaction(fatal[i], &action, NULL) != 0) {
            log_warn("a fatal signal cannot be handled; if it ends the "
                     "process, the record in work is not known",
                     "signal=%d", fatal[i]);
        }
    }
}

void blame_attach(int fd)
{
    struct blame_page *page = map(fd);

    if (page == NULL) {
        log_warn("shared memory cannot be mapped; if the process crashes, the "
                 "record in work is not known",
                 "");
        return;
    }
    own = page;
    watch_signals();
}

uint64_t blame_hash(struct str bytes, uint64_t before)
{
    return hash64(bytes, before ^ own->seed);
}

struct blamed blame_begin(enum blame_kind kind, uint64_t a, uint64_t b)
{
    struct cell *cell = &own->cells[own_cell()];
    struct blamed before = { cell->kind, cell->a, cell->b };

    cell->kind = BLAME_NOTHING; // never a mixture of two records
    cell->a = a;
    cell->b = b;
    cell->kind = kind;
    return before;
}

void blame_end(struct blamed before)
{
    blame_begin((enum blame_kind)before.kind, before.a, before.b);
}

bool blame_is_any(void)
{
    return atomic_load_explicit(&own->n_suspects, memory_order_relaxed) > 0;
}

static struct suspect *find_own(enum blame_kind kind, uint64_t a, uint64_t b)
{
    const struct blamed record = { kind, a, b };

    return blame_is_any() ? find(own, &record) : NULL;
}

uint32_t blame_deaths(enum blame_kind kind, uint64_t a, uint64_t b)
{
    struct suspect *s = find_own(kind, a, b);

    if (s != NULL && is_over(s)) {
        clear(own, s);
        s = NULL;
    }
    return s != NULL ? s->n_deaths : 0;
}

void blame_forget(enum blame_kind kind, uint64_t a, uint64_t b)
{
    struct suspect *s = find_own(kind, a, b);

    if (s != NULL)
        clear(own, s);
}

void blame_forgive(enum blame_kind kind, uint64_t a, uint64_t b)
{
    struct suspect *s = find_own(kind, a, b);

    if (s != NULL && s->n_deaths > BLAME_ALONE)
        s->n_deaths = BLAME_ALONE;
}

bool blame_at(unsigned i, struct blamed *out, uint32_t *n_deaths)
{
    const struct suspect *s = &own->suspects[i];

    *out = s->record;
    *n_deaths = s->n_deaths;
    return s->record.kind != BLAME_NOTHING;
}

void blame_the_loop(void)
{
    own->is_loop_guilty = 1;
}
