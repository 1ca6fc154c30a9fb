// SPDX-License-Identifier: MIT
// help.c — what `posthorn help` and `posthorn version` print.

#include "api/cli/help.h"

#include <string.h>

#include "api/cli/build_facts.h"
#include "api/cli/core/commands.h"
#include "common/base/buf.h"
#include "common/encoding/json_writer.h"
#include "queue/queue.h"

// For programs, and for reports of faults: what was built, with what.
static void put_version_json(void)
{
    struct json_writer w;
    struct buf text;

    buf_init(&text, 0);
    w = json_writer(&text);
    json_open_object(&w, NULL);
    json_put_text(&w, "version", POSTHORN_VERSION);
    json_put_i64(&w, "format", QUEUE_FORMAT);
    json_put_i64(&w, "oldestFormat", QUEUE_FORMAT_OLDEST);
    for (const struct build_fact *f = build_facts; f->name != NULL; f++)
        json_put_text(&w, f->name, f->value);
    json_open_object(&w, "builtWith");
    for (const struct build_fact *f = build_libraries; f->name != NULL; f++)
        json_put_text(&w, f->name, f->value);
    json_close(&w);
    json_close(&w);
    buf_putc(&text, '\n');
    fwrite(text.at, 1, text.n_bytes, stdout);
    buf_clear(&text);
}

int command_version(const struct args *args)
{
    if (args_has(args, "json")) {
        put_version_json();
        return 0;
    }
    puts("posthorn " POSTHORN_VERSION);
    printf(
        "data directories of format %d; one of format %d is converted at its "
        "first start\n",
        QUEUE_FORMAT, QUEUE_FORMAT_OLDEST);
    return 0;
}

const struct command *help_find(const struct command_table *table,
                                const char *name)
{
    for (const struct command *c = table->commands; c->name != NULL; c++) {
        if (strcmp(name, c->name) == 0)
            return c;
    }
    return NULL;
}

int help_unknown(const char *name)
{
    fprintf(stderr,
            "posthorn: there is no command %s\n"
            "Try `posthorn help`.\n",
            name);
    return EXIT_USAGE;
}

void help_put_list(const struct command_table *table, FILE *out)
{
    fputs("usage: posthorn COMMAND [OPTION]...\n", out);
    for (const struct command_group *g = table->groups; g->title != NULL; g++) {
        fprintf(out, "\n%s:\n", g->title);
        for (size_t i = 0; g->names[i] != NULL; i++) {
            const struct command *c = help_find(table, g->names[i]);

            if (c != NULL)
                fprintf(out, "  %-10s  %s\n", c->name, c->summary);
        }
    }
    fputs("\n`posthorn COMMAND --help` says more.\n", out);
}

int command_list(const struct args *args)
{
    const struct command *about;

    if (args->n_operands == 0) {
        help_put_list(args->table, stdout);
        return 0;
    }
    about = help_find(args->table, args->operands[0]);
    return about != NULL ? command_help(about)
                         : help_unknown(args->operands[0]);
}
