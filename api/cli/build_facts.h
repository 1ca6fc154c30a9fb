// SPDX-License-Identifier: MIT
// build_facts.h — how the program was built. Written by cmake, see CMakeLists.txt.

#ifndef API_CLI_BUILD_FACTS_H
#define API_CLI_BUILD_FACTS_H

struct build_fact {
    const char *name, *value;
};

// Both end with a name that is NULL: the build, as names of JSON; and the libraries
// that the program was built with, each with its version.
extern const struct build_fact build_facts[];
extern const struct build_fact build_libraries[];

#endif
