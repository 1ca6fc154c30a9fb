// SPDX-License-Identifier: MIT
// cli.h — the command line, but for `serve`.

#ifndef API_CLI_CLI_H
#define API_CLI_CLI_H

// Runs `posthorn COMMAND …` and returns the exit status: 0, 1 (it failed), or
// 2 (wrong usage). argv[0] is the program.
int cli_main(int argc, char **argv);

#endif
