// SPDX-License-Identifier: MIT
// data_dir.h — ensures that all processes of an engine use the same data directory.
//
// While the engine runs, its data directory may be removed, or replaced by another
// one under the same name. Processes that have it open notice that
// (queue_is_in_place()); a role that starts afterwards would open the new
// directory.

#ifndef COMMON_FILES_DATA_DIR_H
#define COMMON_FILES_DATA_DIR_H

// Supervisor: `dir_fd` is the directory that the roles it starts must find.
void data_dir_note(int dir_fd);

// Role: exits (log_fatal) if `path` is not the directory that the supervisor has
// locked.
void data_dir_check(const char *path);

#endif
