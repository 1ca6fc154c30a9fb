// SPDX-License-Identifier: MIT
// environment_guard.c — explains why a process ends when it meets a damaged page.
//
// Happy path: never called.
//
// If a thread faults within a map, or in LMDB's code, or an assertion of LMDB's
// fails, one line is written and the process exits. Other faults are passed to the
// handler that was installed before, or to the kernel.

#include "queue/lmdb/environment_guard.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <ucontext.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log/log.h"
#include "common/process/blame.h"

#define WATCHED_MAX 160 // environments of a process; later ones are not named

// A damaged length is at most 4 GiB, so a read may go that far beyond the map.
#define BEYOND_BYTES (UINT64_C(1) << 32)

struct watched {
    uintptr_t from, to;
    const char *path;
};

static struct watched watched[WATCHED_MAX];
static atomic_size_t n_watched;
static struct watched lmdb_code; // where its code lies; 0: unknown
static const char *volatile opening = "";

static struct guarded {
    int signum;
    struct sigaction before;
} guarded[] = { { .signum = SIGBUS },
                { .signum = SIGSEGV },
                { .signum = SIGFPE } };
#define N_GUARDED (sizeof(guarded) / sizeof(guarded[0]))

// --- in a handler: nothing but write() and _exit() ---

static size_t put(char *line, size_t room, size_t n, const char *text)
{
    while (*text != '\0' && n + 1 < room)
        line[n++] = *text++;
    return n;
}

static _Noreturn void end(const char *path, const char *what)
{
    char line[PATH_MAX + 512];
    size_t n = 0;
    ssize_t written;

    n = put(line, sizeof(line), n,
            "level=fatal msg=\"stored data is damaged: ");
    n = put(line, sizeof(line), n, what);
    n = put(line, sizeof(line), n, "; " STORE_DAMAGED_ADVICE "\" path=\"");
    n = put(line, sizeof(line), n, path);
    n = put(line, sizeof(line), n, "\"");
    line[n++] = '\n';
    blame_this_thread(); // no record may prevent a role from running
    written = write(STDERR_FILENO, line, n);
    (void)written; // there is nobody to report it to
    _exit(EXIT_DAMAGED);
}

static uintptr_t instruction_of(const void *context)
{
#if defined(__x86_64__)
    const ucontext_t *c = context;

    return (uintptr_t)c->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    const ucontext_t *c = context;

    return (uintptr_t)c->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

static void on_fault(int signum, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr;
    uintptr_t code = instruction_of(context);
    size_t n = atomic_load(&n_watched);

    for (size_t i = 0; i < n && signum != SIGFPE; i++) {
        if (at >= watched[i].from && at < watched[i].to)
            end(watched[i].path, "a page cannot be read");
    }
    for (size_t i = 0; i < n && signum == SIGSEGV; i++) {
        if (at >= watched[i].to && at - watched[i].to < BEYOND_BYTES)
            end(watched[i].path, "a length leads out of the file");
    }
    if (code >= lmdb_code.from && code < lmdb_code.to)
        end(opening, "a number leads out of the file");
    // Restores the old handler: the instruction runs again, and the fault ends the
    // process as it would have without the guard.
    for (size_t i = 0; i < N_GUARDED; i++) {
        if (guarded[i].signum == signum)
            sigaction(signum, &guarded[i].before, NULL);
    }
}

void store_guard_assert(const char *path)
{
    end(path != NULL ? path : opening, "a page is not what it should be");
}

// --- watching ---

static void install(void)
{
    struct sigaction action = { .sa_sigaction = on_fault,
                                .sa_flags =
                                    SA_SIGINFO | SA_NODEFER | SA_ONSTACK };

    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < N_GUARDED; i++)
        sigaction(guarded[i].signum, &action, &guarded[i].before);
}

static bool is_taken(uintptr_t from)
{
    for (size_t i = 0; i < atomic_load(&n_watched); i++) {
        if (watched[i].from == from)
            return true;
    }
    return false;
}

// LMDB does not tell where it mapped a file, but the kernel does: takes the newest
// mapping of this file that is not recorded yet.
static uintptr_t find_map(const char *data_path)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_MAX + 128];
    uintptr_t found = 0;
    struct stat st;

    if (maps == NULL)
        return 0;
    if (stat(data_path, &st) != 0)
        st.st_ino = 0; // the number of no file
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long long from;
        unsigned long long to;
        unsigned long long inode;
        char mode[8];

        // NOLINTNEXTLINE(cert-err34-c): a kernel file of fixed form
        if (sscanf(line, "%llx-%llx %7s %*x %*s %llu", &from, &to, mode,
                   &inode) != 4)
            continue;
        if (strstr(line, "liblmdb") != NULL && mode[2] == 'x') {
            lmdb_code.from = (uintptr_t)from;
            lmdb_code.to = (uintptr_t)to;
        }
        if (inode != 0 && inode == st.st_ino &&
            strstr(line, "/data.mdb") != NULL && !is_taken((uintptr_t)from))
            found = (uintptr_t)from;
    }
    fclose(maps);
    return found;
}

void store_guard_begin(const char *path)
{
    static bool is_installed;

    opening = path;
    if (is_installed)
        return;
    is_installed = true;
    find_map("");
    install();
}

const uint8_t *store_guard(const char *path, uint64_t map_bytes)
{
    size_t n = atomic_load(&n_watched);
    char *data_path = xasprintf("%s/data.mdb", path);
    uintptr_t from = find_map(data_path);

    free(data_path);
    opening = "";
    if (from == 0 || n == WATCHED_MAX)
        return NULL;
    watched[n] = (struct watched){ from, from + map_bytes, path };
    atomic_store(&n_watched, n + 1);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): it is an address
    return (const uint8_t *)from;
}
