// commands.h — the commands of the command line, one function each.

#ifndef API_COMMANDS_H
#define API_COMMANDS_H

#include <getopt.h>
#include <stddef.h>

#include "common/config.h"

#define EXIT_FAILED 1
#define EXIT_USAGE  2

struct command {
    const char *name;
    int (*run)(const struct command *command, int argc, char **argv);
    const char *synopsis; // what follows the name
    const char *summary;  // one line
    const char *details;  // the rest of its help
};

// Each returns the exit status. argv[0] is the command's name.
int command_verify(const struct command *command, int argc, char **argv);
int command_config(const struct command *command, int argc, char **argv);
int command_hook(const struct command *command, int argc, char **argv);
int command_token(const struct command *command, int argc, char **argv);
int command_rekey(const struct command *command, int argc, char **argv);
int command_sink(const struct command *command, int argc, char **argv);

// Prints the command's help on stdout; returns 0.
int command_help(const struct command *command);

// Says on stderr what is wrong and how it should be; returns EXIT_USAGE.
// `what` is printf.
__attribute__((format(printf, 2, 3))) int
command_misused(const struct command *command, const char *what, ...);

// getopt_long() with its complaints left to command_misused(). -1: no more;
// '?': not an option of this command.
int command_option(int argc, char **argv, const struct option *options);

#endif
