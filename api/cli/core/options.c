// SPDX-License-Identifier: MIT
// options.c — reads a command line by its table; prints help from it.

#include "api/cli/core/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/cli/core/terminal.h"
#include "common/config/config_types.h"
#include "common/log/journal.h"

// --- reading ---

static const struct opt *find(const struct command *command, const char *name,
                              size_t n_bytes)
{
    for (size_t i = 0; command->options[i] != NULL; i++) {
        for (const struct opt *o = command->options[i]; o->name != NULL; o++) {
            if (strlen(o->name) == n_bytes &&
                memcmp(o->name, name, n_bytes) == 0)
                return o;
        }
    }
    return NULL;
}

static bool refuse(const struct args *a, const char *what, const char *word)
{
    command_misused(a->command, "%s %s", word, what);
    return false;
}

// Reads the option in `argv[*i]`, and its value, which may be the next word.
static bool take_option(struct args *a, int argc, char **argv, int *i)
{
    const char *name = argv[*i] + 2;
    const char *equals = strchr(name, '=');
    size_t n_bytes = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct opt *opt = find(a->command, name, n_bytes);
    const char *value = equals != NULL ? equals + 1 : NULL;

    if (opt == NULL) {
        return refuse(a, "is not an option or argument of this command",
                      argv[*i]);
    }
    if (opt->value == NULL && value != NULL)
        return refuse(a, "takes no value", argv[*i]);
    if (opt->value != NULL && value == NULL) {
        if (*i + 1 >= argc)
            return refuse(a, "needs a value", argv[*i]);
        value = argv[++*i];
    }
    if (a->n_given == ARGS_MAX) {
        return refuse(a, "is one option more than a command can take",
                      argv[*i]);
    }
    a->given[a->n_given].opt = opt;
    a->given[a->n_given++].value = value;
    return true;
}

static bool is_verb(const char *verbs, const char *word)
{
    size_t n = strlen(word);

    while (*verbs != '\0') {
        size_t n_verb = strcspn(verbs, " ");

        if (n_verb == n && memcmp(verbs, word, n) == 0)
            return true;
        verbs += n_verb + strspn(verbs + n_verb, " ");
    }
    return false;
}

static bool check_arguments(const struct args *a)
{
    const struct command *c = a->command;

    if (c->verbs != NULL && a->n_operands == 0 && c->min_operands > 0) {
        command_misused(c, "the action is missing; it must be one of: %s",
                        c->verbs);
        return false;
    }
    if (c->verbs != NULL && a->n_operands > 0 &&
        !is_verb(c->verbs, a->operands[0])) {
        command_misused(
            c, "%s is not an action of this command; it must be one of: %s",
            a->operands[0], c->verbs);
        return false;
    }
    if (a->n_operands < c->min_operands) {
        command_misused(c, "%s is missing", c->operands);
        return false;
    }
    if (a->n_operands > c->max_operands) {
        return refuse(a, "is not an option or argument of this command",
                      a->operands[c->max_operands]);
    }
    return true;
}

bool args_read(struct args *a, const struct command *command, int argc,
               char **argv)
{
    bool has_options = true;

    *a = (struct args){ .command = command };
    for (int i = 1; i < argc; i++) {
        if (has_options && strcmp(argv[i], "--") == 0) {
            has_options = false;
        } else if (has_options && strncmp(argv[i], "--", 2) == 0) {
            if (!take_option(a, argc, argv, &i))
                return false;
        } else if (has_options && argv[i][0] == '-' && argv[i][1] != '\0') {
            return refuse(a, "is not an option or argument of this command",
                          argv[i]);
        } else if (a->n_operands == OPERANDS_MAX) {
            return refuse(a, "is one argument more than a command can take",
                          argv[i]);
        } else {
            a->operands[a->n_operands++] = argv[i];
        }
    }
    return check_arguments(a);
}

// --- what was given ---

const char *args_next(const struct args *a, const char *name, size_t *i)
{
    while (*i < a->n_given) {
        size_t at = (*i)++;

        if (strcmp(a->given[at].opt->name, name) == 0)
            return a->given[at].value != NULL ? a->given[at].value : "";
    }
    return NULL;
}

const char *args_text(const struct args *a, const char *name)
{
    const char *last = NULL;
    const char *value;
    size_t i = 0;

    while ((value = args_next(a, name, &i)) != NULL)
        last = value;
    return last;
}

bool args_has(const struct args *a, const char *name)
{
    return args_text(a, name) != NULL;
}

bool args_number(const struct args *a, const char *name, uint64_t min,
                 uint64_t max, uint64_t otherwise, uint64_t *out)
{
    const char *text = args_text(a, name);

    *out = otherwise;
    if (text == NULL || config_read_count(str_of(text), min, max, out) == OK)
        return true;
    command_misused(a->command,
                    "--%s %s: it must be a number from %llu to %llu", name,
                    text, (unsigned long long)min, (unsigned long long)max);
    return false;
}

// --- help ---

static void put_synopsis(FILE *out, const struct command *c)
{
    bool has_options = c->options[0] != NULL;

    fprintf(out, "usage: posthorn %s%s%s%s\n", c->name,
            c->operands != NULL ? " " : "",
            c->operands != NULL ? c->operands : "",
            has_options ? " [OPTION]..." : "");
}

int command_help(const struct command *c)
{
    unsigned width = terminal_width(stdout);

    put_synopsis(stdout, c);
    terminal_wrap(stdout, c->summary, 0, width);
    if (c->details != NULL) {
        putchar('\n');
        terminal_wrap(stdout, c->details, 0, width);
    }
    if (c->options[0] != NULL)
        puts("\nOptions:");
    for (size_t i = 0; c->options[i] != NULL; i++) {
        for (const struct opt *o = c->options[i]; o->name != NULL; o++) {
            int n = printf("  --%s%s%s", o->name, o->value != NULL ? " " : "",
                           o->value != NULL ? o->value : "");

            if (n > 28) {
                printf("\n%30s", "");
            } else {
                printf("%*s", 30 - n, "");
            }
            terminal_wrap(stdout, o->help, 30, width);
        }
    }
    if (c->example != NULL)
        printf("\nExample:\n  %s\n", c->example);
    return 0;
}

__attribute__((format(printf, 2, 0))) static void
say(const struct command *c, const char *what, va_list args)
{
    struct buf text;

    buf_init(&text, 0);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): the callers begin it
    buf_vprintf(&text, what, args);
    fprintf(stderr, "%sposthorn %s: ", journal_prefix(JOURNAL_ERR), c->name);
    terminal_put_lines(stderr, buf_str(&text));
    fputc('\n', stderr);
    buf_clear(&text);
}

int command_misused(const struct command *c, const char *what, ...)
{
    va_list args;

    va_start(args, what);
    say(c, what, args);
    va_end(args);
    put_synopsis(stderr, c);
    fprintf(stderr, "Try `posthorn %s --help`.\n", c->name);
    return EXIT_USAGE;
}

int command_failed(const struct command *c, const char *what, ...)
{
    va_list args;

    va_start(args, what);
    say(c, what, args);
    va_end(args);
    return EXIT_FAILED;
}
