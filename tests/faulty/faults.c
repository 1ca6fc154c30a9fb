// faults.c — what goes wrong in a process when a test wants it to.
//
// Linked into an engine of its own (posthorn-faulty), in front of functions of
// the engine (ld --wrap): the program is as always but for these. Events say
// by their kind where a process dies of them or spins, such as "crash.match".
//
// While the file that FAULTY_DISK names is there, commits wait: a disk that
// hangs.

#include <lmdb.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "engine/match.h"

#define DISK_LOOK_US 5000

// NOLINTBEGIN(bugprone-reserved-identifier): the linker's own names
int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
size_t __real_match_event(const struct match_index *index,
                          const struct event *event, match_visit visit,
                          void *data);
size_t __wrap_match_event(const struct match_index *index,
                          const struct event *event, match_visit visit,
                          void *data);
// NOLINTEND(bugprone-reserved-identifier)

static void spin(void)
{
    volatile bool goes_on = true;

    while (goes_on) {
    }
}

static bool is_at(const struct event *event, const char *where)
{
    return str_eq(event->kind, str_of(where));
}

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    const char *path = getenv("FAULTY_DISK");

    while (path != NULL && access(path, F_OK) == 0)
        usleep(DISK_LOOK_US);
    return __real_mdb_txn_commit(txn);
}

size_t __wrap_match_event(const struct match_index *index,
                          const struct event *event, match_visit visit,
                          void *data)
{
    if (is_at(event, "spin.match"))
        spin();
    return __real_match_event(index, event, visit, data);
}
