// SPDX-License-Identifier: MIT
// journal_suite.c — a program that tries a journal.
//
//   posthorn-journal URL MONITORS REPLICAS contract SEED OPERATIONS
//   posthorn-journal URL MONITORS REPLICAS judge
//   posthorn-journal URL MONITORS REPLICAS append N BYTES
//   posthorn-journal URL MONITORS REPLICAS race ROUNDS
//   posthorn-journal URL MONITORS REPLICAS watch N
//   posthorn-journal URL MONITORS REPLICAS full
//   posthorn-journal URL MONITORS REPLICAS lease
//
// Files are named by the variables CREDENTIALS, AUTHORITIES, CERTIFICATE and KEY; MAX_BYTES is
// what all streams may take.
// The status is 0 if all that was promised is kept.

#include "tests/support/suite/journal_suite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/journal/journal_open.h"
#include "tests/support/journal_contract.h"

static struct journal_config config = { .node = "suite" };

void suite_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(NULL);
    exit(1);
}

struct journal *suite_open(void)
{
    struct journal *j = NULL;
    struct buf why;

    buf_init(&why, 0);
    if (journal_open(&config, &why, &j) != OK)
        suite_fail("%s", buf_cstr(&why));
    buf_clear(&why);
    return j;
}

static struct journal *open_one(void *data)
{
    (void)data;
    return suite_open();
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

static void run_contract(const char *seed, unsigned n_operations)
{
    char prefix[24];
    struct journal_contract_case c = {
        .open = open_one,
        .seed = strtoull(seed, NULL, 10),
        .prefix = prefix,
        .n_operations = n_operations,
        .wait_ms = 10000,
        .look_ms = 200,
    };
    struct buf faults;

    snprintf(prefix, sizeof(prefix), "seed%s", seed);
    // Also one that is in the stream of snapshots.
    c.chain = c.seed % 2 == 0 ? 6 : 126;
    buf_init(&faults, 0);
    if (!journal_contract(&c, &faults))
        suite_fail("%s", buf_cstr(&faults));
    buf_clear(&faults);
}

static void run_judge(void)
{
    struct journal *j = suite_open();
    struct buf faults;
    enum err err;

    buf_init(&faults, 0);
    err = journal_judge(j, &faults);
    printf("%s", buf_cstr(&faults));
    buf_clear(&faults);
    journal_close(j);
    if (err != OK)
        suite_fail("%s", err_str(err));
}

int main(int argc, char **argv)
{
    const char *what = argc > 4 ? argv[4] : "";

    if (argc < 5)
        suite_fail("needed: URL MONITORS REPLICAS COMMAND…");
    config.url = argv[1];
    config.monitors = argv[2][0] != '\0' ? argv[2] : NULL;
    config.replicas = number(argv[3]);
    config.credentials = getenv("CREDENTIALS");
    config.authorities = getenv("AUTHORITIES");
    config.certificate = getenv("CERTIFICATE");
    config.key = getenv("KEY");
    if (getenv("MAX_BYTES") != NULL)
        config.max_bytes = strtoull(getenv("MAX_BYTES"), NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(what, "contract") == 0 && argc == 7) {
        run_contract(argv[5], number(argv[6]));
    } else if (strcmp(what, "judge") == 0 && argc == 5) {
        run_judge();
    } else if (strcmp(what, "append") == 0 && argc == 7) {
        suite_append(number(argv[5]), number(argv[6]));
    } else if (strcmp(what, "race") == 0 && argc == 6) {
        suite_race(number(argv[5]));
    } else if (strcmp(what, "watch") == 0 && argc == 6) {
        suite_watch(number(argv[5]));
    } else if (strcmp(what, "full") == 0 && argc == 5) {
        suite_full();
    } else if (strcmp(what, "lease") == 0 && argc == 5) {
        suite_lease();
    } else {
        suite_fail("unknown command: %s", what);
    }
    return 0;
}
