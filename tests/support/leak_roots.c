// SPDX-License-Identifier: MIT
// leak_roots.c — where LeakSanitizer looks for pointers at a process's end: everywhere but in
// the sanitizers' own tables. Those are 10 MB that no process uses up, and to read them was
// half of what a short process cost. Linked into builds with AddressSanitizer only.

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>

// The first calls come before AddressSanitizer has begun, and later ones while all threads
// are stopped. So this is compiled without it, and calls no function that it replaces.
enum { SEGMENTS_MAX = 32 };

typedef int visit_fn(struct dl_phdr_info *info, size_t size, void *context);

struct walk {
    visit_fn *visit;
    void *context;
};

// Does the name of the file begin with it?
static bool is_file(const char *path, const char *name)
{
    const char *file = path;
    size_t i = 0;

    for (const char *at = path; *at != '\0'; at++) {
        if (*at == '/')
            file = at + 1;
    }
    while (name[i] != '\0' && file[i] == name[i])
        i++;
    return name[i] == '\0';
}

// What begins as zeros and lies behind a file's data is left out. Everything else must be
// told: reports name functions by it.
static int visit_without_tables(const struct walk *walk,
                                struct dl_phdr_info info, size_t size)
{
    ElfW(Phdr) segments[SEGMENTS_MAX];

    for (size_t i = 0; i < info.dlpi_phnum; i++) {
        segments[i] = info.dlpi_phdr[i];
        if (segments[i].p_type == PT_LOAD && (segments[i].p_flags & PF_W) != 0)
            segments[i].p_memsz = segments[i].p_filesz;
    }
    info.dlpi_phdr = segments;
    return walk->visit(&info, size, walk->context);
}

static int visit_one(struct dl_phdr_info *info, size_t size, void *context)
{
    const struct walk *walk = context;

    if (info->dlpi_name != NULL && info->dlpi_phnum <= SEGMENTS_MAX &&
        (is_file(info->dlpi_name, "libasan.so") ||
         is_file(info->dlpi_name, "libubsan.so")))
        return visit_without_tables(walk, *info, size);
    return walk->visit(info, size, walk->context);
}

// In place of the C library's: this one is found first.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): its own are reserved
int dl_iterate_phdr(visit_fn *visit, void *context)
{
    static int (*in_libc)(visit_fn *, void *);
    struct walk walk = { visit, context };

    if (in_libc == NULL)
        *(void **)&in_libc = dlsym(RTLD_NEXT, "dl_iterate_phdr");
    return in_libc(visit_one, &walk);
}
