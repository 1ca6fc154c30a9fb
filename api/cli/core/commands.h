// SPDX-License-Identifier: MIT
// commands.h — the commands of the command line, one function each.

#ifndef API_CLI_CORE_COMMANDS_H
#define API_CLI_CORE_COMMANDS_H

#include "api/cli/core/options.h"

int command_backup(const struct args *args);
int command_bench(const struct args *args);
int command_cluster(const struct args *args);
int command_completion(const struct args *args);
int command_config(const struct args *args);
int command_dashboard(const struct args *args);
int command_dead(const struct args *args);
int command_deliveries(const struct args *args);
int command_events(const struct args *args);
int command_explain(const struct args *args);
int command_export(const struct args *args);
int command_hook(const struct args *args);
int command_import(const struct args *args);
int command_kind(const struct args *args);
int command_list(const struct args *args);
int command_man(const struct args *args);
int command_redeliver(const struct args *args);
int command_rekey(const struct args *args);
int command_compact(const struct args *args);
int command_org(const struct args *args);
int command_repair(const struct args *args);
int command_replay(const struct args *args);
int command_restore(const struct args *args);
int command_send(const struct args *args);
int command_sink(const struct args *args);
int command_stats(const struct args *args);
int command_status(const struct args *args);
int command_tail(const struct args *args);
int command_token(const struct args *args);
int command_signing_key(const struct args *args);
int command_verify(const struct args *args);
int command_version(const struct args *args);

#endif
