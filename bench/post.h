// SPDX-License-Identifier: MIT
// post.h — the request that the generator sends: events, or a hook to be made.
//
// It is built once; before it is sent, only the stamps and the stacks' names are
// written into it, so that making events costs next to nothing.

#ifndef BENCH_POST_H
#define BENCH_POST_H

#include <stddef.h>
#include <stdint.h>

#define POST_MAX_STACKS 12000
#define POST_ORG        "o000000" // with n_orgs, these digits are the organization's
#define POST_MAX_ORGS   1000000

struct post_options {
    uint64_t port;
    const char *path;
    const char *token;    // NULL: no Authorization
    const char *hooks_of; // an organization: posts create hooks, not events
    uint64_t hooks_port; // these want every event and are at this port; 0: they
                         // want failed updates, and nobody is there
    uint64_t n_orgs;     // above 0: request i belongs to organization
                         // i mod n_orgs, wherever POST_ORG stands in it
    const char *kind;
    const char *project;
    uint64_t n_stacks; // event i belongs to stack s<i mod n_stacks>, 3 digits
    uint64_t payload_bytes;
    uint64_t batch; // events per request; above 1: NDJSON
};

#define POST_ORG_PLACES 4

struct post {
    char *at; // owned: head and body
    size_t n_bytes;
    size_t first_line; // offset of the first event
    size_t line_bytes; // each with its newline
    size_t stamp;      // offset within a line
    size_t stack;      // of the digits within a line
    uint64_t n_stacks;
    uint64_t n_orgs;
    size_t orgs[POST_ORG_PLACES]; // offsets of the digits; 0: no more
    uint64_t batch;
};

// Builds a post. Events are never smaller than the least possible size, even if
// `payload_bytes` is less.
void post_init(struct post *p, const struct post_options *options);

// Makes a copy of the request with bytes of its own.
void post_copy(struct post *to, const struct post *from);

void post_clear(struct post *p);

// Writes the events `seq` to `seq` + batch - 1, meant to be sent at `sent_us`
// (clock_mono_us()).
void post_stamp(struct post *p, uint64_t seq, int64_t sent_us);

#endif
