// SPDX-License-Identifier: MIT
// data_dir.h — that every process of an engine works on the same data directory.
//
// A directory that was removed, or replaced by another one, while the engine runs
// still has its name, or another directory has it. What has it open notices
// (queue_is_in_place()); a role that starts then would take the new one.

#ifndef COMMON_FILES_DATA_DIR_H
#define COMMON_FILES_DATA_DIR_H

// Supervisor: the roles that it starts shall find this directory, which is open.
void data_dir_note(int dir_fd);

// Role: exits (log_fatal) if `path` is not the directory that the supervisor has
// locked.
void data_dir_check(const char *path);

#endif
