// SPDX-License-Identifier: MIT
// hostile.h — an engine whose sender acts like an intruder when an order's URL says so.

#ifndef TESTS_HOSTILE_HOSTILE_H
#define TESTS_HOSTILE_HOSTILE_H

#include <stdbool.h>

// Acts by a URL. "/play/lies/KIND": the next outcome of this sender contains this lie.
// "/play/scribble": overwrites all metrics that it can reach. Other URLs: does nothing.
void play(const char *url);

// Attacks by a URL. "/attack?NAME=VALUE&...": tries every attack, and prints to stderr
// which succeeded. "/attack/NAME?...": tries that one only. Other URLs: does nothing.
void attack(const char *url);

// Tries the attack of this name; true: it succeeded.
bool attack_by_name(const char *name);

// Tries the attacks of an intruder in another role, and prints to stderr which
// succeeded.
void attack_as_other(void);

#endif
