// SPDX-License-Identifier: MIT
// options.h — the command line as data: commands, their options, what was given.

#ifndef API_CLI_CORE_OPTIONS_H
#define API_CLI_CORE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXIT_FAILED 1
#define EXIT_USAGE  2

#define ARGS_MAX     80 // options of one call
#define OPERANDS_MAX 16

// An option. The last of a list has no name.
struct opt {
    const char *name;
    const char *value; // its value's name in help: "FILE"; NULL: it is a flag
    const char *help;
    const char *choices; // for completion: words, or "FILE", "DIR"; or NULL
};

struct args;

struct command {
    const char *name;
    int (*run)(const struct args *args); // returns the exit status
    const char *operands;                // as shown in help: "[DIR]"; or NULL
    size_t min_operands, max_operands;
    const char *verbs;   // words that the first operand may be; or NULL
    const char *summary; // one line
    const char *details; // the rest of its help; each paragraph is one line
    const char *example;
    const struct opt *options[6]; // lists; the last is NULL
};

#define GROUP_MAX 10

// A group of commands in the help; each command is in one group. The last has no title.
struct command_group {
    const char *title;
    const char *names[GROUP_MAX + 1]; // the last is NULL
};

// All commands: for help, the manual page and completion.
struct command_table {
    const struct command *commands;     // the last has no name
    const struct command_group *groups; // the last has no title
};

// The options and operands of one call. All values point into argv.
struct args {
    const struct command *command;
    const struct command_table *table; // has the command
    struct {
        const struct opt *opt;
        const char *value;
    } given[ARGS_MAX];
    size_t n_given;
    const char *operands[OPERANDS_MAX];
    size_t n_operands;
};

// Reads argv, where argv[0] is the command's name. Options and operands may come in any
// order; "--" ends the options. False: the usage is wrong, which is printed to stderr.
// The caller sets `table`.
bool args_read(struct args *a, const struct command *command, int argc,
               char **argv);

// The value that was given last for an option. NULL: the option was not given.
const char *args_text(const struct args *a, const char *name);
bool args_has(const struct args *a, const char *name);
// The next value of an option that may be given several times, from `*i` = 0 on. NULL:
// there are no more.
const char *args_next(const struct args *a, const char *name, size_t *i);
// Reads a number in a range; `otherwise` if the option was not given. False: the value
// is not such a number, which is printed to stderr.
bool args_number(const struct args *a, const char *name, uint64_t min,
                 uint64_t max, uint64_t otherwise, uint64_t *out);

// Prints the command's help on stdout; returns 0.
int command_help(const struct command *c);

// Prints to stderr what is wrong and how it should be; returns EXIT_USAGE. `what` is a
// printf format.
__attribute__((format(printf, 2, 3))) int
command_misused(const struct command *c, const char *what, ...);

// Prints to stderr what failed; returns EXIT_FAILED.
__attribute__((format(printf, 2, 3))) int
command_failed(const struct command *c, const char *what, ...);

#endif
