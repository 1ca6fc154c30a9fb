// SPDX-License-Identifier: MIT
// role.h — what all processes except the supervisor have in common.
//
// The supervisor starts a role with a control socket as fd 3, a shared page of
// metrics as fd 4, if it listens, its socket as fd 5, and a page of its notes
// (blame.h) as fd 6. The supervisor then sends it the links to its neighbours
// (socket ends, again whenever a neighbour was restarted), and the orders to reload
// or to drain. When the control socket closes, the supervisor is dead, and the role
// ends.
//
//   role_start ──► open what it needs ──► role_ready ──► role_run ──► exit

#ifndef COMMON_PROCESS_ROLE_H
#define COMMON_PROCESS_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config/config.h"
#include "common/process/blame.h"
#include "common/process/channel.h"
#include "common/process/control_socket.h"
#include "common/process/role_kind.h"

// First value of every frame between roles.
enum frame_type {
    FRAME_HINT = 1,    // read again: there are new events, or changed hooks
    FRAME_ORDER = 2,   // dispatcher to sender: one attempt to make
    FRAME_OUTCOME = 3, // sender to dispatcher: the attempt's outcome
    FRAME_QUERY = 4,   // api to dispatcher
    FRAME_REPLY = 5,   // dispatcher to api
    // Dispatcher to ingest: an event of the engine's own. The reply says whether it is
    // in the event log.
    FRAME_ENGINE_EVENT = 6,
    FRAME_ENGINE_EVENT_REPLY = 7,
    FRAME_DISABLE = 8, // dispatcher to api: switch a hook off
    // Dispatcher to ingest and api: what waits for an organization.
    FRAME_ORG_BACKLOG = 9,
    FRAME_HOOK_BACKLOG = 10, // dispatcher to api: what waits for a paused hook
    FRAME_FORGET = 11,       // api to dispatcher: nobody waits for this reply
    FRAME_SPAN = 12,         // ingest and dispatcher to exporter
    FRAME_HANDSHAKE = 13,    // dispatcher to api: what a receiver answered
    FRAME_LEAD = 14          // replicator to relay: which node leads
};

// The largest frames, by what they carry. A row of the table in role.c says which
// frames a link carries in which direction, for both of its ends.
// An order: an event, its headers, two PEM files, and their framing.
#define ORDER_FRAME_MAX_BYTES        (EVENT_BYTES_LIMIT + (size_t)1024 * 1024)
#define OUTCOME_FRAME_MAX_BYTES      ((size_t)256 * 1024)
#define QUERY_FRAME_MAX_BYTES        ((size_t)16 * 1024 * 1024) // and a reply
#define SPAN_FRAME_MAX_BYTES         ((size_t)17 * 1024)
#define LEAD_FRAME_MAX_BYTES         ((size_t)256)
#define NO_FRAME_MAX_BYTES           ((size_t)16) // nothing is sent this way
#define ENGINE_EVENT_FRAME_MAX_BYTES ((size_t)64 * 1024) // and its answer

struct death {
    bool is_own; // it raised the signal itself
    struct blamed blamed;
};

struct role_handlers {
    // A (new) socket to a neighbour, which the handler now owns: open a channel on
    // it. An earlier link to the same neighbour is dead or will be soon.
    void (*on_link)(void *data, enum role_kind peer, unsigned index, int fd);
    // A neighbour has died while it worked on this record. Comes before a new link
    // to it, and before or after the old one is seen to close. May be NULL.
    void (*on_peer_ended)(void *data, enum role_kind peer, unsigned index,
                          const struct death *death);
    // Finish the work in progress, then call role_done().
    void (*on_drain)(void *data);
    // The settings were read again (role_config() returns them). May be NULL.
    void (*on_reload)(void *data);
    // Another certificate for the listener, as role_tls_fd() gives the first one; the
    // descriptor stays the caller's. NULL: the role does not listen.
    void (*on_tls)(void *data, int fd);
    // The replicator: no role of the lead runs on this node any more. May be NULL.
    void (*on_stood_down)(void *data);
    // Every second: upkeep. May be NULL.
    void (*on_second)(void *data);
    void *data;
};

struct role; // opaque
struct uv_loop_s;

// Reads settings and connects to the supervisor. Exits (log_fatal) if it cannot,
// since its environment is broken then.
struct role *role_start(enum role_kind kind, unsigned index);

struct uv_loop_s *role_loop(struct role *r);
const struct config *role_config(const struct role *r);
unsigned role_index(const struct role *r);

// What the listener needs to speak TLS (tls_bundle.h): a descriptor, which the role
// reads and closes. -1: it speaks plain HTTP.
int role_tls_fd(const struct role *r);

// Opens the channel of a link that `on_link` brought, with the limits that both
// roles take from one table. A link that the table does not permit is a bug.
struct channel *role_open_channel(struct role *r, enum role_kind peer, int fd,
                                  const struct channel_handlers *handlers);

// The keys that seal the hooks' secrets; exits (log_fatal) if they cannot be read.
struct keyring;
struct keyring *role_keys(const struct role *r);

// The keys that payloads are sealed with, in the directory of the setting
// payload_keys_dir; NULL if that is empty. `keys` opens them, and is borrowed; NULL: those
// of role_keys(). Exits (log_fatal) if the directory cannot be opened.
struct payload_keys;
struct payload_keys *role_payload_keys(const struct role *r,
                                       struct keyring *keys);

// From now on the handlers run; tells the supervisor that the role works.
void role_ready(struct role *r, const struct role_handlers *handlers);

// Runs the loop until role_done(), then returns the exit status.
int role_run(struct role *r);

// Reports that the link to this neighbour is closed and that this role did not ask
// for it: if the neighbour lives, a new link will come.
void role_link_lost(struct role *r, enum role_kind peer, unsigned index);

// The replicator: tells the supervisor what the roles of the lead are to do.
void role_order_lead(struct role *r, enum lead_order order);

// Ends the process with status 0 as soon as the loop runs again.
void role_done(struct role *r);

// The entry functions of the processes, for the table in main.c: each runs a role
// to its end and returns the exit status. The rooms of engine/, and api/, define
// them.
int setup_role(unsigned index);
int ingest_role(unsigned index);
int dispatcher_role(unsigned index);
int sender_role(unsigned index);
int exporter_role(unsigned index);
int relay_role(unsigned index);
int replicator_role(unsigned index);

#endif
