// SPDX-License-Identifier: MIT
// main.c — simulates the scheduling core of a dispatcher with random worlds.
//
//   simulation [--seed N] [--episodes N] [--seconds N]
//
// An episode is a world of its own, made of its seed: some thousand random steps, after
// which everything has to come to its end. A failure prints the seed, which makes the
// same episode again.

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/simulation/world.h"

#define STEPS_MAX 6000
#define HANGS_S   60 // an episode takes milliseconds

static struct world w;

static char hang[128]; // what is said of this episode if it does not end

static void on_alarm(int number)
{
    (void)number;
    (void)!write(STDERR_FILENO, hang, strlen(hang));
    _exit(1);
}

static uint64_t run_episode(uint64_t seed)
{
    uint64_t n;

    snprintf(hang, sizeof(hang),
             "hangs: again with: simulation --seed %" PRIu64 " --episodes 1\n",
             seed);
    alarm(HANGS_S);
    world_init(&w, seed);
    n = 500 + roll(&w, STEPS_MAX - 500);
    for (w.n_steps = 0; w.n_steps < n; w.n_steps++) {
        act(&w);
        check_all(&w);
    }
    finish_all(&w);
    world_free(&w);
    return n;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "simulation: '%s' is not a number\n", text);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, n_episodes = UINT64_MAX, n_steps = 0, i;
    double limit_s = 0, start_s = seconds(), took_s;

    for (int k = 1; k < argc; k += 2) {
        if (k + 1 < argc && strcmp(argv[k], "--seed") == 0) {
            seed = number(argv[k + 1]);
        } else if (k + 1 < argc && strcmp(argv[k], "--episodes") == 0) {
            n_episodes = number(argv[k + 1]);
        } else if (k + 1 < argc && strcmp(argv[k], "--seconds") == 0) {
            limit_s = (double)number(argv[k + 1]);
        } else {
            fprintf(stderr, "usage: simulation [--seed N] [--episodes N] "
                            "[--seconds N]\n");
            return 2;
        }
    }
    if (n_episodes == UINT64_MAX && limit_s == 0)
        n_episodes = 1000;
    signal(SIGALRM, on_alarm);
    for (i = 0; i < n_episodes; i++) {
        n_steps += run_episode(seed + i);
        if (limit_s > 0 && seconds() - start_s > limit_s)
            break;
    }
    took_s = seconds() - start_s;
    printf("simulation: seeds %" PRIu64 " to %" PRIu64 ", %" PRIu64
           " steps in %.1f s, %.1f million a minute\n",
           seed, seed + i - (i > 0 && i == n_episodes), n_steps, took_s,
           (double)n_steps / took_s * 60 / 1e6);
    return 0;
}
