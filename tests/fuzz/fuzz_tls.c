// SPDX-License-Identifier: MIT
// fuzz_tls.c — what a client sends before anything is known of it: a handshake, in
// pieces. It ends, holds bounded memory, and what it answers are records.

#include <fcntl.h>
#include <unistd.h>

#include "common/stream/tls_session.h"
#include "tests/fuzz/fuzz.h"

#define STEPS_MAX 200 // more than any handshake has

static struct str read_file(const char *path, char room[8192])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, room, 8192) : -1;

    CHECK(n > 0);
    close(fd);
    return (struct str){ room, (size_t)n };
}

static struct tls_server *server_of_all(void)
{
    static struct tls_server *server;
    char chain[8192];
    char key[8192];
    struct tls_texts texts = { .of = { STR_EMPTY } };
    enum tls_part part;
    struct buf why;

    if (server != NULL)
        return server;
    texts.of[TLS_CERTIFICATE] =
        read_file("tests/fixtures/tls/chain.pem", chain);
    texts.of[TLS_KEY] = read_file("tests/fixtures/tls/key.pem", key);
    texts.of[TLS_CLIENT_CA] = texts.of[TLS_CERTIFICATE];
    buf_init(&why, 0);
    CHECK(tls_server_new(&texts, &server, &part, &why) == OK);
    buf_clear(&why);
    return server;
}

static void check_output(struct tls_session *t)
{
    struct buf out = tls_session_take_output(t);

    CHECK(out.n_bytes <= (size_t)64 * 1024);
    CHECK(out.n_bytes == 0 || (out.at[0] >= 20 && out.at[0] <= 23));
    tls_session_give_back(t, &out);
    buf_clear(&out);
}

void fuzz_one(struct str input)
{
    struct tls_session *t = tls_session_new(server_of_all());
    enum tls_step step = TLS_NEEDS_INPUT;
    int n_steps = 0;

    while (input.n_bytes > 0 &&
           (step == TLS_GOES_ON || step == TLS_NEEDS_INPUT)) {
        size_t n = (size_t)take_u8(&input) * 8 + 1;

        if (n > input.n_bytes)
            n = input.n_bytes;
        tls_session_feed(t, (struct str){ input.at, n });
        input.at += n;
        input.n_bytes -= n;
        do {
            step = tls_session_shake(t);
            CHECK(n_steps++ < STEPS_MAX + 4096);
        } while (step == TLS_GOES_ON);
        check_output(t);
    }
    CHECK(step != TLS_DONE); // no client is so lucky
    tls_session_free(t);
}

// Real hellos, each behind a byte that lets it come whole.
bool fuzz_seed(size_t i, struct buf *out)
{
    buf_putc(out, (char)0xff);
    return seed_file("tests/fixtures/tls/hellos", i, out);
}
