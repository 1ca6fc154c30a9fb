// SPDX-License-Identifier: MIT
// org_export.c — `posthorn org export`: everything of an organization, as lines of JSON.
//
// If it fails: an export without its last line is not complete, which is said; no file is
// left of it.

#include "api/cli/tenants/org_export.h"

#include <stdio.h>
#include <string.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/output.h"
#include "api/cli/core/terminal.h"

#define LAST_LINE STR("{\"type\":\"end\",")

struct exporting {
    FILE *out;
    char begins[16]; // of the line that was begun last
    size_t n_begins;
    bool is_line_over;
};

// Notes how the line begins, for the last one says that the export is complete.
static void note(struct exporting *e, struct str piece)
{
    for (size_t i = 0; i < piece.n_bytes; i++) {
        if (e->is_line_over)
            e->n_begins = 0;
        if (e->n_begins < sizeof(e->begins))
            e->begins[e->n_begins++] = piece.at[i];
        e->is_line_over = piece.at[i] == '\n';
    }
}

static bool on_piece(void *data, struct str piece)
{
    struct exporting *e = data;

    note(e, piece);
    return fwrite(piece.at, 1, piece.n_bytes, e->out) == piece.n_bytes &&
           !terminal_is_interrupted();
}

static bool is_complete(const struct exporting *e)
{
    return e->is_line_over &&
           str_starts((struct str){ e->begins, e->n_begins }, LAST_LINE);
}

// False: stderr has the reason.
static bool fetch(const struct args *args, const char *org, struct exporting *e)
{
    struct client_call call = { .method = "GET",
                                .on_piece = on_piece,
                                .data = e };
    struct buf path, answer;
    enum err err;

    buf_init(&path, 0);
    buf_init(&answer, 0);
    buf_puts(&path, "/api/orgs");
    client_put_segment(&path, org);
    buf_puts(&path, "/export");
    call.path = buf_cstr(&path);
    err = client_request(args, &call, &answer);
    buf_clear(&answer);
    buf_clear(&path);
    if (err == OK && fflush(e->out) == 0 && is_complete(e))
        return true;
    if (err == OK || e->n_begins > 0) {
        command_failed(args->command,
                       "the export is not complete: its last line is missing");
    }
    return false;
}

int cli_org_export(const struct args *args, const char *org)
{
    const char *path = args_text(args, "output");
    struct exporting e = { .out = stdout };
    struct output file;
    bool is_good;

    if (path != NULL && !output_begin(args, path, &file))
        return EXIT_FAILED;
    if (path != NULL)
        e.out = file.file;
    terminal_catch_interrupts();
    is_good = fetch(args, org, &e);
    if (path != NULL)
        is_good = output_end(args, &file, is_good);
    return is_good ? 0 : EXIT_FAILED;
}
