// cli_verify.c — `posthorn verify`: checks a data directory and its balance.

#include <inttypes.h>
#include <stdio.h>

#include "api/commands.h"
#include "queue/queue.h"

static void put_fault(void *data, const char *what)
{
    (void)data;
    fprintf(stderr, "posthorn verify: %s\n", what);
}

static bool is_balanced(const struct queue_report *r)
{
    return r->n_faults == 0 && r->matched == r->delivered + r->cancelled +
                                                 r->dead_expired + r->dead +
                                                 r->pending;
}

struct figure {
    const char *name;
    int64_t value;
    const char *meaning;
};

static void print_figures(const struct figure *figures, size_t n, bool is_json,
                          bool is_good)
{
    if (is_json)
        printf("{");
    for (size_t i = 0; i < n; i++) {
        if (is_json) {
            printf("\"%s\":%" PRId64 ",", figures[i].name, figures[i].value);
        } else {
            printf("%-11s %12" PRId64 "  %s\n", figures[i].name,
                   figures[i].value, figures[i].meaning);
        }
    }
    if (is_json) {
        printf("\"balanced\":%s}\n", is_good ? "true" : "false");
    } else {
        printf("%s\n", is_good ? "It adds up."
                               : "It does NOT add up, or records are damaged.");
    }
}

static void print_report(const struct queue_report *r, bool is_json)
{
    const struct figure figures[] = {
        { "accepted", (int64_t)r->n_accepted, "events, since the beginning" },
        { "unmatched", (int64_t)r->n_unmatched,
          "of them, not compared with the hooks yet" },
        { "matched", r->matched, "deliveries made of them" },
        { "delivered", r->delivered, "answered 2xx" },
        { "dead", r->dead, "dead letters that wait for somebody" },
        { "expired", r->dead_expired, "dead letters that retention removed" },
        { "cancelled", r->cancelled, "hook deleted or switched off" },
        { "pending", r->pending, "wait for an attempt" },
        { "hooks", (int64_t)r->n_hooks, "" },
        { "faults", (int64_t)r->n_faults, "damaged records, wrong counts" },
    };

    print_figures(figures, sizeof(figures) / sizeof(figures[0]), is_json,
                  is_balanced(r));
}

static int verify(const char *data_dir, uint64_t max_bytes, bool is_json)
{
    struct queue_config qc = { .data_dir = data_dir, .max_bytes = max_bytes };
    struct queue_report report;
    enum err err = queue_n_shards(data_dir, &qc.n_shards);

    if (err == ERR_NOTFOUND) {
        fprintf(stderr, "posthorn verify: there is no queue in %s\n", data_dir);
        return EXIT_FAILED;
    }
    if (err == OK)
        err = queue_verify(&qc, put_fault, NULL, &report);
    if (err != OK) {
        fprintf(stderr, "posthorn verify: %s cannot be read: %s\n", data_dir,
                err_str(err));
        return EXIT_FAILED;
    }
    print_report(&report, is_json);
    return is_balanced(&report) ? 0 : EXIT_FAILED;
}

// The directory that the settings name if `data_dir` is NULL.
static int verify_configured(const char *data_dir, bool is_json)
{
    struct config_sources sources = { .n_sets = 0 };
    struct config config;
    struct buf faults;
    int status = EXIT_FAILED;

    buf_init(&faults, 0);
    if (config_load(&sources, &config, &faults) == OK) {
        status = verify(data_dir != NULL ? data_dir : config.data_dir,
                        config.max_queue_bytes, is_json);
    } else {
        fputs(buf_cstr(&faults), stderr);
    }
    config_clear(&config);
    buf_clear(&faults);
    return status;
}

int command_verify(const struct command *command, int argc, char **argv)
{
    static const struct option options[] = {
        { "data-dir", required_argument, NULL, 'd' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *data_dir = NULL;
    bool is_json = false;
    int option;

    while ((option = command_option(argc, argv, options)) != -1) {
        if (option == 'h')
            return command_help(command);
        if (option == 'd') {
            data_dir = optarg;
        } else if (option == 'j') {
            is_json = true;
        } else {
            return command_misused(command, "%s is not right here",
                                   argv[optind - 1]);
        }
    }
    if (optind < argc)
        return command_misused(command, "%s is not right here", argv[optind]);
    return verify_configured(data_dir, is_json);
}
