// SPDX-License-Identifier: MIT
// main.c — where the hostile engine differs from the real one (ld --wrap).
//
// The name of the program chooses the differences. With "abi2" in it, the kernel
// appears to have version 2 of Landlock; with "other" in it, api attacks, too. With
// "kill" in it, system calls that the filter answers by ending the process do end it;
// otherwise they fail with EPERM, so that one sender can try one attack after the
// other.

#include <errno.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/process/metrics_text.h"
#include "engine/sender/transfer.h"
#include "tests/hostile/hostile.h"

#define URL_BYTES    1024
#define OLD_VERSION  2
#define SYSCALL_ARGS 6

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's own names
void __real_transfers_start(struct transfers *ts, const struct order *order);
void __wrap_transfers_start(struct transfers *ts, const struct order *order);
int __real_seccomp_rule_add_array(scmp_filter_ctx context, uint32_t action,
                                  int call, unsigned n,
                                  const struct scmp_arg_cmp *args);
int __wrap_seccomp_rule_add_array(scmp_filter_ctx context, uint32_t action,
                                  int call, unsigned n,
                                  const struct scmp_arg_cmp *args);
void __real_metrics_render(struct buf *out,
                           bool (*works)(size_t slot, struct buf *why));
void __wrap_metrics_render(struct buf *out,
                           bool (*works)(size_t slot, struct buf *why));
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
// NOLINTEND(bugprone-reserved-identifier)

static bool is_named(const char *word)
{
    char path[URL_BYTES] = "";

    return readlink("/proc/self/exe", path, sizeof(path) - 1) > 0 &&
           strstr(path, word) != NULL;
}

// NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's own name
int __wrap_seccomp_rule_add_array(scmp_filter_ctx context, uint32_t action,
                                  int call, unsigned n,
                                  const struct scmp_arg_cmp *args)
{
    bool is_soft = action == SCMP_ACT_KILL_PROCESS && !is_named("kill");
    int rc = __real_seccomp_rule_add_array(
        context, is_soft ? SCMP_ACT_ERRNO(EPERM) : action, call, n, args);

    return is_soft && rc == -EACCES ? 0 : rc; // EPERM is the rule already
}

// NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's own name
long __wrap_syscall(long number, ...)
{
    long a[SYSCALL_ARGS];
    bool asks_version;
    va_list list;
    long rc;

    va_start(list, number);
    for (size_t i = 0; i < SYSCALL_ARGS; i++)
        a[i] = va_arg(list, long);
    va_end(list);
    asks_version = number == SYS_landlock_create_ruleset &&
                   a[2] == LANDLOCK_CREATE_RULESET_VERSION;
    rc = __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (asks_version) {
        fprintf(stderr, "landlock version=%ld capped=%d\n", rc,
                is_named("abi2"));
    }
    return asks_version && is_named("abi2") && rc > OLD_VERSION ? OLD_VERSION
                                                                : rc;
}

// NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's own name
void __wrap_transfers_start(struct transfers *ts, const struct order *order)
{
    char url[URL_BYTES];

    snprintf(url, sizeof(url), "%.*s", STR_ARG(order->url));
    play(url);
    attack(url);
    __real_transfers_start(ts, order);
}

// Attacks in api, when /metrics is requested for the first time.
// NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's own name
void __wrap_metrics_render(struct buf *out,
                           bool (*works)(size_t slot, struct buf *why))
{
    static bool is_over;

    if (!is_over && is_named("other"))
        attack_as_other();
    is_over = true;
    __real_metrics_render(out, works);
}
