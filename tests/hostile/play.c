// SPDX-License-Identifier: MIT
// play.c — a sender that lies: in its outcomes, and in the metrics.
//
// Each URL acts once in a process, so that a delivery that is retried is made.

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/messages/send_order.h"
#include "tests/hostile/hostile.h"

#define URL_BYTES  1024
#define PAGE_BYTES 4096
#define REACH      64 // pages that are tried, from the sender's own on

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's own names
void __real_outcome_pack(struct buf *frame, const struct outcome *outcome);
void __wrap_outcome_pack(struct buf *frame, const struct outcome *outcome);
// NOLINTEND(bugprone-reserved-identifier)

static char lie[URL_BYTES]; // what the next outcome says; "": the truth
static char played[URL_BYTES];

// --- outcomes ---

static void change(struct outcome *o)
{
    if (strcmp(lie, "future") == 0) {
        o->started_at_us = INT64_MAX;
    } else if (strcmp(lie, "past") == 0) {
        o->started_at_us = 1;
    } else if (strcmp(lie, "next-year") == 0) {
        o->started_at_us += INT64_C(365) * 86400 * 1000000;
    } else if (strcmp(lie, "before-time") == 0) {
        o->started_at_us = INT64_MIN;
    } else if (strcmp(lie, "endless") == 0) {
        o->timing.total_us = INT64_MAX;
    } else if (strcmp(lie, "hours") == 0) {
        o->timing.total_us = INT64_C(7200) * 1000000;
    } else if (strcmp(lie, "backwards") == 0) {
        o->timing.first_byte_us = INT64_MIN;
    } else if (strcmp(lie, "no-status") == 0) {
        o->response_code = 0;
    } else if (strcmp(lie, "no-error") == 0) {
        o->error = (enum error_class)77;
    } else if (strcmp(lie, "both") == 0) {
        o->error = ERROR_GONE;
    } else { // the attempt of another
        o->no = strtoull(lie, NULL, 10);
    }
}

// NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's own name
void __wrap_outcome_pack(struct buf *frame, const struct outcome *outcome)
{
    struct outcome o = *outcome;

    if (lie[0] != '\0')
        change(&o);
    lie[0] = '\0';
    __real_outcome_pack(frame, &o);
}

// --- metrics ---

static sigjmp_buf no_memory;

static void on_bus(int signum)
{
    siglongjmp(no_memory, signum);
}

static bool fill(char *at, size_t n_bytes)
{
    if (sigsetjmp(no_memory, 1) != 0)
        return false;
    memset(at, 'A', n_bytes);
    return true;
}

// Enlarges the mapping of its page: the pages behind it in the file become visible.
static bool fill_neighbours(char *page)
{
    char *more = mremap(page, 0, (size_t)REACH * PAGE_BYTES, MREMAP_MAYMOVE);

    return more != MAP_FAILED && fill(more + PAGE_BYTES, PAGE_BYTES);
}

static void scribble(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    char *pages[REACH];
    size_t n = 0;

    if (maps == NULL)
        abort();
    while (n < REACH && fgets(line, sizeof(line), maps) != NULL) {
        // A name of another kind would be a page that this test overlooks.
        if (strstr(line, "memfd:posthorn-metrics") != NULL) {
            // NOLINTNEXTLINE(performance-no-int-to-ptr): where it lies is a number
            pages[n++] = (char *)(uintptr_t)strtoull(line, NULL, 16);
        }
    }
    fclose(maps);
    signal(SIGBUS, on_bus);
    for (size_t i = 0; i < n; i++) {
        bool has_others = fill_neighbours(pages[i]);

        fprintf(stderr, "scribble: own=%d others=%d\n",
                fill(pages[i], PAGE_BYTES), has_others);
    }
    signal(SIGBUS, SIG_DFL);
    fprintf(stderr, "scribbled over %zu\n", n);
}

void play(const char *url)
{
    static const char lies[] = "/play/lies/";
    const char *what = strstr(url, lies);

    fprintf(stderr, "order pid=%d url=%s\n", (int)getpid(), url);
    if (strcmp(url, played) == 0)
        return;
    if (what != NULL) {
        snprintf(lie, sizeof(lie), "%s", what + strlen(lies));
    } else if (strstr(url, "/play/scribble") != NULL) {
        scribble();
    } else {
        return;
    }
    snprintf(played, sizeof(played), "%s", url);
}
