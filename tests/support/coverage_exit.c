// SPDX-License-Identifier: MIT
// coverage_exit.c — writes what a process has counted before it ends without exit(), as
// roles do. Linked into builds with POSTHORN_COVERAGE only, in place of _exit().

#include <stdnoreturn.h>

// Names of the linker's and of libgcov's. NOLINTBEGIN(bugprone-reserved-identifier)
void __gcov_dump(void);
noreturn void __real__exit(int status);
noreturn void __wrap__exit(int status);

noreturn void __wrap__exit(int status)
{
    __gcov_dump();
    __real__exit(status);
}
// NOLINTEND(bugprone-reserved-identifier)
