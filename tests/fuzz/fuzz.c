// SPDX-License-Identifier: MIT
// fuzz.c — what all targets share: libFuzzer's entry, choices, seeds.
//
//   fuzz --seeds FOLDER        writes the seeds of the target, and ends
//   fuzz [libFuzzer's own]     fuzzes, or runs the files that are named
//
// FUZZ_TARGET in the environment says which target: libFuzzer's words are its own.

#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n_bytes);

#define X(name)                             \
    void fuzz_one_##name(struct str input); \
    bool fuzz_seed_##name(size_t i, struct buf *out);
#include FUZZ_LIST
#undef X

static const struct target {
    const char *name;
    void (*one)(struct str input);
    bool (*seed)(size_t i, struct buf *out);
} targets[] = {
#define X(name) { #name, fuzz_one_##name, fuzz_seed_##name },
#include FUZZ_LIST
#undef X
};

#define N_TARGETS (sizeof(targets) / sizeof(targets[0]))

static const struct target *target; // set before anything runs

_Noreturn void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    abort();
}

// --- libFuzzer ---

static void write_file(const char *folder, const char *name, struct str content)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 ||
        write(fd, content.at, content.n_bytes) != (ssize_t)content.n_bytes) {
        perror(path);
        exit(1);
    }
    close(fd);
}

static void write_seeds(const char *folder)
{
    struct buf b;
    char name[32];

    buf_init(&b, 0);
    for (size_t i = 0; target->seed(i, &b); i++) {
        snprintf(name, sizeof(name), "seed-%03zu", i);
        write_file(folder, name, buf_str(&b));
        buf_reset(&b);
    }
    buf_clear(&b);
}

static void choose_target(void)
{
    const char *name = getenv("FUZZ_TARGET");

    for (size_t i = 0; name != NULL && i < N_TARGETS; i++) {
        if (strcmp(targets[i].name, name) == 0)
            target = &targets[i];
    }
    if (target != NULL)
        return;
    fprintf(stderr, "fuzz: FUZZ_TARGET must be one of:");
    for (size_t i = 0; i < N_TARGETS; i++)
        fprintf(stderr, " %s", targets[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

// NOLINTNEXTLINE(readability-non-const-parameter): libFuzzer's own type
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    choose_target();
    if (*argc == 3 && strcmp((*argv)[1], "--seeds") == 0) {
        write_seeds((*argv)[2]);
        _exit(0);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n_bytes)
{
    target->one((struct str){ (const char *)at, n_bytes });
    return 0;
}

// --- choices ---

uint8_t take_u8(struct str *input)
{
    uint8_t byte;

    if (input->n_bytes == 0)
        return 0;
    byte = (uint8_t)*input->at++;
    input->n_bytes--;
    return byte;
}

uint32_t take_u32(struct str *input)
{
    uint32_t number = 0;

    for (int i = 0; i < 4; i++)
        number = number << 8 | take_u8(input);
    return number;
}

uint64_t take_u64(struct str *input)
{
    uint64_t high = take_u32(input);

    return high << 32 | take_u32(input);
}

static struct str take_bytes(struct str *input, size_t n_bytes)
{
    struct str taken = { input->at,
                         n_bytes < input->n_bytes ? n_bytes : input->n_bytes };

    if (taken.n_bytes > 0) {
        input->at += taken.n_bytes;
        input->n_bytes -= taken.n_bytes;
    }
    return taken;
}

struct str take_text(struct str *input)
{
    return take_bytes(input, take_u8(input));
}

struct str take_line(struct str *input)
{
    const char *end =
        input->n_bytes > 0 ? memchr(input->at, '\n', input->n_bytes) : NULL;
    struct str line = take_bytes(input, end != NULL ? (size_t)(end - input->at)
                                                    : input->n_bytes);

    (void)take_u8(input);
    return line;
}

// --- seeds ---

bool seed_text(const char *const *texts, size_t n, size_t i, struct buf *out)
{
    if (i >= n)
        return false;
    buf_puts(out, texts[i]);
    return true;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void put_file(const char *path, struct buf *out)
{
    char piece[4096];
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        perror(path);
        exit(1);
    }
    while ((n = read(fd, piece, sizeof(piece))) > 0)
        buf_put(out, piece, (size_t)n);
    close(fd);
}

bool seed_file(const char *folder, size_t i, struct buf *out)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_visible, alphasort);
    char path[512];

    if (n < 0) {
        perror(folder);
        exit(1);
    }
    if (i < (size_t)n) {
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        put_file(path, out);
    }
    for (int k = 0; k < n; k++)
        free(entries[k]);
    free(entries);
    return i < (size_t)n;
}

// --- files ---

static char folder_path[64];

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    remove(path);
    return 0;
}

static void remove_folder(void)
{
    nftw(folder_path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
    if (folder_path[0] == '\0') {
        snprintf(folder_path, sizeof(folder_path), "/dev/shm/fuzz-%d-XXXXXX",
                 (int)getpid());
        if (mkdtemp(folder_path) == NULL) {
            perror(folder_path);
            exit(1);
        }
        atexit(remove_folder);
    }
    return folder_path;
}

void fuzz_write(const char *name, struct str content)
{
    write_file(fuzz_folder(), name, content);
}
