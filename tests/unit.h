// SPDX-License-Identifier: MIT
// unit.h — cmocka, with what it wants included before it, in its order.

#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

// Of the test that includes this: the build gives it another name (unit_main.c).
int main(void);

#endif
