// SPDX-License-Identifier: MIT
// hostile.h — an engine whose sender acts like an intruder when an order's URL says so.

#ifndef TESTS_HOSTILE_HOSTILE_H
#define TESTS_HOSTILE_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>

// Acts by a URL. "/play/lies/KIND": the next outcome of this sender contains this lie.
// "/play/scribble": overwrites all metrics that it can reach. Other URLs: does nothing.
void play(const char *url);

// Attacks by a URL. "/attack?NAME=VALUE&...": tries every attack, and prints to stderr
// which succeeded. "/attack/NAME?...": tries that one only. Other URLs: does nothing.
void attack(const char *url);

// An attack, and whether it succeeded.
struct attack {
    const char *name;
    bool (*run)(void);
};

// The value of a name in the query of the URL that attacks; "": none. It is kept until the
// next call.
const char *asked(const char *name);

// Those on the engine's own servers; "/attack" tries them, too.
extern const struct attack connect_attacks[];
extern const size_t n_connect_attacks;

// "/attack/flood": calls connect() in several threads, and does not return; "silent" is
// a port at 127.0.0.1 that does not answer.
void connect_flood(void);

// Prints how connections end that an honest sender may make, as errnos.
void connect_elsewhere(void);

// Tries the attack of this name; true: it succeeded.
bool attack_by_name(const char *name);

// Tries the attacks of an intruder in another role, and prints to stderr which
// succeeded.
void attack_as_other(void);

#endif
