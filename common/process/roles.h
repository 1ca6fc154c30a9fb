// roles.h — the processes of the engine, for main's table.

#ifndef COMMON_PROCESS_ROLES_H
#define COMMON_PROCESS_ROLES_H

// Each runs a role to its end and returns the exit status.
int setup_role(unsigned index);
int ingest_role(unsigned index);
int dispatcher_role(unsigned index);
int sender_role(unsigned index);

#endif
