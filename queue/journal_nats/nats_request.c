// SPDX-License-Identifier: MIT
// nats_request.c — time, and requests to the servers.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "queue/journal_nats/nats_private.h"

#define TRY_MS 2000 // then the same request is sent again

// --- time ---

int64_t end_in(int64_t wait_ms)
{
    // Longer than anybody waits, and no overflow.
    int64_t most_ms = INT64_C(86400000) * 365;

    return clock_mono_us() + (wait_ms < most_ms ? wait_ms : most_ms) * 1000;
}

int64_t asked_by(int64_t end_us)
{
    int64_t soon_us = end_in(1000);

    return end_us > soon_us ? end_us : soon_us;
}

int64_t left_ms(int64_t end_us)
{
    int64_t left_us = end_us - clock_mono_us();

    return left_us > 0 ? (left_us + 999) / 1000 : 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void back_off(int64_t end_us)
{
    uint16_t random;
    int64_t ms;
    struct timespec pause;

    crypto_random(&random, sizeof(random));
    ms = least(100 + random % 401, left_ms(end_us));
    pause = (struct timespec){ ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&pause, NULL);
}

// --- one try ---

static natsStatus put_headers(natsMsg *msg, const struct outgoing *out)
{
    char number[24];
    natsStatus s;

    snprintf(number, sizeof(number), "%" PRIu64, out->expected);
    s = natsMsgHeader_Set(msg, "Nats-Msg-Id", out->id);
    if (s == NATS_OK) {
        s = natsMsgHeader_Set(msg, "Nats-Expected-Last-Subject-Sequence",
                              number);
    }
    if (s == NATS_OK && out->is_deletion)
        s = natsMsgHeader_Set(msg, "KV-Operation", "DEL");
    return s;
}

natsMsg *ask_once(struct nats_journal *j, const struct outgoing *out,
                  int64_t try_ms, bool *is_silent)
{
    natsMsg *msg = NULL;
    natsMsg *answer = NULL;
    natsStatus s;

    *is_silent = false;
    // What is published without a connection would be sent whenever there is one again.
    if (try_ms <= 0 ||
        natsConnection_Status(j->nc) != NATS_CONN_STATUS_CONNECTED)
        return NULL;
    s = natsMsg_Create(&msg, out->subject, NULL,
                       out->body.n_bytes > 0 ? out->body.at : "",
                       (int)out->body.n_bytes);
    if (s == NATS_OK && out->id != NULL)
        s = put_headers(msg, out);
    if (s == NATS_OK)
        s = natsConnection_RequestMsg(&answer, j->nc, msg, try_ms);
    natsMsg_Destroy(msg);
    *is_silent = s == NATS_TIMEOUT;
    return s == NATS_OK ? answer : NULL;
}

// --- answers in JSON ---

void answer_free(struct answer *a)
{
    json_free(a->json);
    *a = (struct answer){ 0 };
}

enum err answer_read(const natsMsg *msg, struct answer *out)
{
    struct str text = { natsMsg_GetData(msg),
                        (size_t)natsMsg_GetDataLength(msg) };
    struct buf why;
    enum err err;

    *out = (struct answer){ 0 };
    buf_init(&why, 200);
    err = json_parse(text, &json_no_limits, &out->json, &why);
    buf_clear(&why);
    if (err != OK)
        return ERR_AGAIN;
    out->root = json_root(out->json);
    out->err_code =
        json_int_or_zero(json_get(json_get(out->root, "error"), "err_code"));
    if (out->err_code == 0 && json_get(out->root, "error") != NULL)
        out->err_code = -1;
    return OK;
}

// Errors of a moment: elections, a server that starts, one that is overloaded.
static bool is_passing(int64_t err_code)
{
    static const int64_t passing[] = {
        10008, 10009, 10010, 10118, 10128, 10167
    };

    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
        if (err_code == passing[i])
            return true;
    }
    return false;
}

enum err ask(struct nats_journal *j, const char *subject, struct str body,
             int64_t end_us, struct answer *out)
{
    struct outgoing message = { .subject = subject, .body = body };
    bool is_silent;

    *out = (struct answer){ 0 };
    while (left_ms(end_us) > 0) {
        natsMsg *msg =
            ask_once(j, &message, least(TRY_MS, left_ms(end_us)), &is_silent);

        if (msg != NULL) {
            enum err err = answer_read(msg, out);

            natsMsg_Destroy(msg);
            if (err == OK && !is_passing(out->err_code))
                return OK;
            answer_free(out);
        }
        if (!is_silent)
            back_off(end_us);
    }
    return ERR_AGAIN;
}
