// SPDX-License-Identifier: MIT
// fuzz_config.c — settings: a file is read, or refused with reasons, and the description of
// the settings is read as the same settings.
//
// Input: the first byte chooses between a file and a value of each type.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/config/config_types.h"
#include "common/config/settings.h"
#include "tests/fuzz/fuzz.h"

// Checks that a number that was written is read as the same number.
static void check_numbers(struct str text)
{
    uint64_t number;
    int64_t wait_ms;
    struct buf again;

    buf_init(&again, 0);
    if (config_read_count(text, 3, 1000, &number) == OK)
        CHECK(number >= 3 && number <= 1000);
    if (config_read_bytes(text, 1, UINT64_MAX, &number) == OK) {
        uint64_t same = 0;

        config_put_bytes(number, &again);
        CHECK(config_read_bytes(buf_str(&again), 0, UINT64_MAX, &same) == OK);
        CHECK(same == number);
    }
    buf_reset(&again);
    if (config_read_duration(text, 0, INT64_MAX, &wait_ms) == OK) {
        int64_t same = 0;

        CHECK(wait_ms >= 0);
        config_put_duration(wait_ms, &again);
        CHECK(config_read_duration(buf_str(&again), 0, INT64_MAX, &same) == OK);
        CHECK(same == wait_ms);
    }
    buf_clear(&again);
}

static void check_lists(struct str text)
{
    int64_t waits_ms[RETRIES_MAX];
    struct cidr cidrs[CIDRS_MAX];
    struct port_range ports[PORT_RANGES_MAX];
    size_t n;
    bool yes;

    if (config_read_schedule(text, 5000, waits_ms, &n) == OK) {
        CHECK(n <= RETRIES_MAX);
        for (size_t i = 0; i < n; i++)
            CHECK(waits_ms[i] >= 0 && waits_ms[i] <= 5000);
    }
    if (config_read_cidrs(text, cidrs, CIDRS_MAX, &n) == OK) {
        CHECK(n <= CIDRS_MAX);
        for (size_t i = 0; i < n; i++)
            CHECK(cidrs[i].n_bits <= 128);
    }
    if (config_read_ports(text, ports, PORT_RANGES_MAX, &n) == OK) {
        CHECK(n <= PORT_RANGES_MAX);
        for (size_t i = 0; i < n; i++)
            CHECK(ports[i].first >= 1 && ports[i].first <= ports[i].last);
    }
    (void)!config_read_bool(text, &yes);
}

// "name = value  # …" of each line of config_describe() as "name=value".
static size_t take_sets(struct str text, char **sets, size_t max)
{
    size_t n = 0;

    while (text.n_bytes > 0 && n < max) {
        struct str line = take_line(&text);
        char *copy = xstrndup(line.at, line.n_bytes);
        char *end = strstr(copy, "  #");

        if (end != NULL)
            *end = '\0';
        sets[n++] = copy;
    }
    return n;
}

// Checks that the described values, set again, have the same description except for
// their origin.
static void check_described(const struct config_sources *from)
{
    char *sets[128], *again_sets[128];
    struct config_sources sources = { .sets = sets, .no_environment = true };
    struct config config;
    struct buf text, again, faults;
    size_t n_again;

    buf_init(&text, 0);
    buf_init(&again, 0);
    buf_init(&faults, 0);
    config_describe(from, &text);
    sources.n_sets = take_sets(buf_str(&text), sets, 128);
    CHECK(config_load(&sources, &config, &faults) == OK);
    config_clear(&config);
    config_describe(&sources, &again);
    n_again = take_sets(buf_str(&again), again_sets, 128);
    CHECK(n_again == sources.n_sets);
    for (size_t i = 0; i < n_again; i++) {
        CHECK(strcmp(sets[i], again_sets[i]) == 0);
        free(sets[i]);
        free(again_sets[i]);
    }
    buf_clear(&text);
    buf_clear(&again);
    buf_clear(&faults);
}

static void check_file(struct str text)
{
    char *path = xasprintf("%s/posthorn.conf", fuzz_folder());
    struct config_sources sources = { .file = path, .no_environment = true };
    struct config config;
    struct buf faults;
    enum err err;

    fuzz_write("posthorn.conf", text);
    buf_init(&faults, 0);
    err = config_load(&sources, &config, &faults);
    CHECK((err == OK) == (faults.n_bytes == 0));
    CHECK(err == OK || err == ERR_INVALID);
    CHECK(config_org_quota_bytes(&config) <= config.max_queue_bytes ||
          config.max_queue_bytes_per_organization > 0);
    config_clear(&config);
    if (err == OK)
        check_described(&sources);
    buf_clear(&faults);
    free(path);
}

void fuzz_one(struct str input)
{
    struct sockaddr_storage *address = xmalloc(256);
    char *text = xstrndup(input.at, input.n_bytes);

    (void)!config_address(text, address);
    free(text);
    free(address);
    if ((take_u8(&input) & 1) != 0) {
        check_file(input);
    } else {
        check_numbers(input);
        check_lists(input);
    }
}

bool fuzz_seed(size_t i, struct buf *out)
{
    static const char *const texts[] = {
        // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): it is long
        "A# a comment\ndata_dir = /tmp/x\napi_listen = 127.0.0.1:0\n"
        "endpoint_allow = 10.0.0.0/8, ::1/128:8443\nretry_schedule = 5s,30s\n"
        "max_queue_bytes = 1GiB\ndebug = yes\nsandbox = off\n",
        "Amax_inflight = 0\nunknown = 1\nmax_inflight=7\n = \n",
        "B5s,30s,2m,10m",
        "B80,443,1024-65535",
        "B10.0.0.0/8, fd00::/8, 127.0.0.1/32:8443, [::1]/128:1",
        "B64GiB",
        "B18446744073709551615",
        "B365d",
        "B127.0.0.1:8080",
        "Byes",
    };
    const size_t n = sizeof(texts) / sizeof(texts[0]);

    if (seed_text(texts, n, i, out))
        return true;
    buf_putc(out, 'A');
    return i == n && seed_file("deploy", 3, out);
}
