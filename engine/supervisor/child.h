// SPDX-License-Identifier: MIT
// child.h — one process of the supervisor: spawned, watched, started again.

#ifndef ENGINE_SUPERVISOR_CHILD_H
#define ENGINE_SUPERVISOR_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "common/process/control_socket.h"
#include "common/process/role.h"
#include "engine/supervisor/accounts.h"
#include "engine/supervisor/connect_probe.h"
#include "engine/supervisor/start_watch.h"

#define CHILDREN_MAX 40 // 16 dispatchers, 16 senders, ingest, api, and room

struct child;

// What all children have in common; owned by the supervisor.
struct child_owner {
    uv_loop_t *loop;
    const struct accounts *accounts;     // the users that they become
    const struct connect_plan *connects; // how senders connect
    const char *instance;     // of this run, for its health endpoints
    const char *secret;       // of this run, for their proofs
    const char *sources_text; // where the settings come from, for the roles
    bool is_ending;           // no child is started any more
    void (*on_started)(struct child *c);
    void (*on_message)(struct child *c, const struct control_message *m);
    void (*on_ended)(struct child *c, int64_t status, int signum,
                     const struct death *death);
    // The child is gone and not started again: it is setup or not wanted, or the engine
    // ends.
    void (*on_closed)(struct child *c);
};

// Closed to other rooms.
struct child {
    struct child_owner *owner;
    enum role_kind kind;
    unsigned index;
    unsigned slot; // of the metrics page
    int listen_fd; // -1: it does not listen
    const int
        *tls_fd; // what its listener speaks TLS with; -1 or NULL: plain HTTP
    int blame_fd;
    struct blame_page *notes; // NULL: it has none
    char **env;
    uv_process_t process;
    uv_poll_t control;
    uv_timer_t restart;
    int control_fd;
    int n_open_handles; // of `process` and `control`
    int spawn_error;    // errno of the last try; 0: it was spawned
    bool is_wanted;     // false: it is not started
    bool is_alive;
    bool is_ready;
    bool is_guarded;    // a sender whose connections the supervisor makes
    unsigned n_reloads; // reloads that it was told of and has not confirmed
    struct start_watch start;
    bool has_hung; // before its first turn, and no process of it worked since
    int hung_pid;  // the process that hung
    int64_t started_us;
    int64_t ended_us; // when it was last alive; at first, when it was made
    uint32_t restart_wait_ms;
};

// Prepares a child without starting it: memory and names, so that only resources of the
// kernel can be lacking at the start.
void child_init(struct child *c, struct child_owner *owner, enum role_kind kind,
                unsigned index);

// Spawns it. If the kernel has no descriptor, process or memory left, tries again after
// a wait that doubles, and the pulse tells why the child does not run; if setup cannot
// be spawned, the program ends.
void child_start(struct child *c);

// Cancels a start that was put off.
void child_stay_down(struct child *c);

// Whether it runs: it is started, unless it does; or not started any more, while whoever
// calls ends it.
void child_want(struct child *c, bool is_wanted);

void child_tell(struct child *c, enum control_type type);
bool child_speaks_tls(const struct child *c);
void child_kill(struct child *c, int signum);

#endif
