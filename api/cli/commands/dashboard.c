// SPDX-License-Identifier: MIT
// dashboard.c — `posthorn dashboard`: a link that logs a browser in.

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/cli/core/api_client.h"
#include "api/cli/core/commands.h"
#include "common/base/mem.h"
#include "common/encoding/json.h"
#include "common/encoding/json_writer.h"

#define OPENER "xdg-open"

static void put_body(const struct args *args, struct buf *out)
{
    const char *scopes = args_text(args, "scopes");
    struct json_writer w = json_writer(out);

    json_open_object(&w, NULL);
    if (args_text(args, "org") != NULL)
        json_put_text(&w, "org", args_text(args, "org"));
    if (scopes != NULL)
        client_put_words(scopes, "scopes", &w);
    if (args_text(args, "ttl") != NULL)
        json_put_text(&w, "ttl", args_text(args, "ttl"));
    json_close(&w);
}

// Whether the server sent a web address, and not a file or the name of another program.
static bool is_web(const char *url)
{
    return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

// Opens the link in the browser that the desktop has. The link is an argument, which other
// users can see while the program runs: it serves once, and the browser uses it at once.
static int open_link(const struct args *args, const char *url)
{
    char name[] = OPENER;
    char *link = xstrdup(url);
    char *words[] = { name, link, NULL };
    int status = -1;
    int err;
    pid_t pid;

    if (!is_web(url)) {
        free(link);
        return command_failed(args->command,
                              "the server's link is no web address, and is not "
                              "opened");
    }
    err = posix_spawnp(&pid, OPENER, NULL, NULL, words, environ);
    free(link);
    if (err != 0) {
        return command_failed(args->command,
                              OPENER " cannot be run (%s); open the link "
                                     "yourself",
                              strerror(err));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return command_failed(args->command,
                              OPENER " found no browser; open the link "
                                     "yourself");
    }
    return 0;
}

static int show(const struct args *args, const struct buf *answer)
{
    struct json *json;
    struct buf url;
    int status = 0;

    if (!client_read(args->command, answer, &json))
        return EXIT_FAILED;
    buf_init(&url, 0);
    buf_put_plain(&url, json_str(json_get(json_root(json), "url")));
    json_free(json);
    if (args_has(args, "json")) {
        status = client_print(args, answer, NULL);
    } else {
        printf("%s\n", buf_cstr(&url));
        fflush(stdout);
        fprintf(stderr, "This link logs in once, within a minute.\n");
    }
    if (status == 0 && args_has(args, "open"))
        status = open_link(args, buf_cstr(&url));
    buf_clear(&url);
    return status;
}

int command_dashboard(const struct args *args)
{
    struct client_call call = { .method = "POST", .path = "/api/login-codes" };
    struct buf body, answer;
    int status = EXIT_FAILED;

    buf_init(&body, 0);
    buf_init(&answer, 0);
    put_body(args, &body);
    call.body = buf_str(&body);
    if (client_request(args, &call, &answer) == OK)
        status = show(args, &answer);
    buf_clear(&body);
    buf_clear(&answer);
    return status;
}
