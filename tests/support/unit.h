// SPDX-License-Identifier: MIT
// unit.h — cmocka, and the headers that must be included before it, in its order.

#ifndef TESTS_SUPPORT_UNIT_H
#define TESTS_SUPPORT_UNIT_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

// The main() of the test that includes this header; the build renames it (unit_main.c).
int main(void);

#endif
