// SPDX-License-Identifier: MIT
// nats_stored.c — what a stream stores: reading it from the stream's leader, and adding to
// it until the outcome is known.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "queue/journal_nats/nats_private.h"

#define TRY_MS 2000

// JetStream's numbers of errors.
enum {
    NO_RESOURCES_OF_ACCOUNT = 10002,
    NO_RESOURCES = 10023,
    NO_MEMORY = 10028,
    NO_MESSAGE = 10037,
    NO_STORAGE = 10047,
    WRONG_LAST_SEQUENCE = 10071,
    NOT_STORED = 10077,
    WRONG_LAST_SEQUENCE_UNNAMED = 10164
};

// --- reading ---

void stored_free(struct stored *s)
{
    buf_clear(&s->bytes);
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool base64_read(struct str text, struct buf *out)
{
    uint32_t bits = 0;
    int n_bits = 0;

    if (text.n_bytes % 4 != 0)
        return false;
    while (text.n_bytes > 0 && text.at[text.n_bytes - 1] == '=')
        text.n_bytes--;
    for (size_t i = 0; i < text.n_bytes; i++) {
        int value = base64_value(text.at[i]);

        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            buf_putc(out, (char)(bits >> n_bits & 0xff));
        }
    }
    return true;
}

static void put_text(char *to, size_t room_bytes, struct str text)
{
    snprintf(to, room_bytes, "%.*s", STR_ARG(text));
}

// "NATS/1.0\r\nName: value\r\n…"
static void read_headers(struct str text, struct stored *out)
{
    while (text.n_bytes > 0) {
        const char *end = memchr(text.at, '\n', text.n_bytes);
        size_t n = end != NULL ? (size_t)(end - text.at) : text.n_bytes;
        struct str line = str_trim((struct str){ text.at, n }, STR_SPACES);
        struct str id = STR("Nats-Msg-Id:");

        if (str_starts(line, id)) {
            line.at += id.n_bytes;
            line.n_bytes -= id.n_bytes;
            put_text(out->id, sizeof(out->id), str_trim(line, STR_SPACES));
        } else if (str_is(line, "KV-Operation: DEL")) {
            out->is_deletion = true;
        }
        n += end != NULL;
        text.at += n;
        text.n_bytes -= n;
    }
}

static enum err read_message(const struct answer *a, struct stored *out)
{
    const struct json_value *m = json_get(a->root, "message");
    struct buf headers;
    bool is_good;

    if (a->err_code == NO_MESSAGE)
        return ERR_NOTFOUND;
    if (a->err_code != 0 || !json_is(m, JSON_OBJECT))
        return ERR_AGAIN;
    out->seq = (uint64_t)json_int_or_zero(json_get(m, "seq"));
    put_text(out->subject, sizeof(out->subject),
             json_str(json_get(m, "subject")));
    buf_init(&headers, 0);
    is_good = base64_read(json_str(json_get(m, "data")), &out->bytes) &&
              base64_read(json_str(json_get(m, "hdrs")), &headers);
    read_headers(buf_str(&headers), out);
    buf_clear(&headers);
    return is_good && out->seq > 0 ? OK : ERR_AGAIN;
}

static enum err get(struct nats_journal *j, enum stream s, const char *body,
                    int64_t end_us, struct stored *out)
{
    char subject[SUBJECT_BYTES];
    struct answer answer;
    enum err err;

    *out = (struct stored){ 0 };
    buf_init(&out->bytes, 0);
    err = stream_ready(j, s, end_us);
    if (err != OK)
        return err;
    snprintf(subject, sizeof(subject), "$JS.API.STREAM.MSG.GET.%s",
             stream_name(s));
    err = ask(j, subject, str_of(body), end_us, &answer);
    if (err == OK)
        err = read_message(&answer, out);
    answer_free(&answer);
    if (err != OK)
        stored_free(out);
    return err;
}

enum err stored_last(struct nats_journal *j, enum stream s, const char *subject,
                     int64_t end_us, struct stored *out)
{
    char body[SUBJECT_BYTES + 40];

    snprintf(body, sizeof(body), "{\"last_by_subj\":\"%s\"}", subject);
    return get(j, s, body, end_us, out);
}

enum err stored_next(struct nats_journal *j, enum stream s, uint64_t seq,
                     const char *subject, int64_t end_us, struct stored *out)
{
    char body[SUBJECT_BYTES + 80];

    snprintf(body, sizeof(body), "{\"seq\":%llu,\"next_by_subj\":\"%s\"}",
             (unsigned long long)seq, subject);
    return get(j, s, body, end_us, out);
}

// --- adding ---

// KNOWN_ID: the server has seen a message of this id, and says no sequence: that one is on its
// way, or was refused (2.10 then takes none of this id for two minutes).
enum outcome { STORED, REFUSED, KNOWN_ID, FULL, UNKNOWN, UNKNOWN_AT_ONCE };

static enum outcome outcome_of(const natsMsg *msg, enum stream s, uint64_t *seq,
                               bool *was_there)
{
    struct answer a;
    enum outcome outcome = UNKNOWN_AT_ONCE;
    enum err err = answer_read(msg, &a);

    if (err != OK)
        return outcome;
    switch (a.err_code) {
    case 0:
        *seq = (uint64_t)json_int_or_zero(json_get(a.root, "seq"));
        *was_there = json_bool(json_get(a.root, "duplicate"));
        // Another stream that takes the subject would answer, too.
        if (str_is(json_str(json_get(a.root, "stream")), stream_name(s)))
            outcome = *seq > 0 ? STORED : *was_there ? KNOWN_ID : outcome;
        break;
    case WRONG_LAST_SEQUENCE:
    case WRONG_LAST_SEQUENCE_UNNAMED:
        outcome = REFUSED;
        break;
    case NO_RESOURCES_OF_ACCOUNT:
    case NO_RESOURCES:
    case NO_MEMORY:
    case NO_STORAGE:
    case NOT_STORED:
        outcome = FULL;
        break;
    default:
        break;
    }
    answer_free(&a);
    return outcome;
}

static enum outcome publish_once(struct nats_journal *j, struct storing *x,
                                 const struct outgoing *out)
{
    int64_t left = left_ms(x->end_us);
    bool is_silent;
    natsMsg *msg = ask_once(j, out, left < TRY_MS ? left : TRY_MS, &is_silent);
    enum outcome outcome;

    if (msg == NULL)
        return is_silent ? UNKNOWN : UNKNOWN_AT_ONCE;
    outcome = outcome_of(msg, x->stream, &x->seq, &x->was_there);
    natsMsg_Destroy(msg);
    return outcome;
}

// Whether the stored id is this one, or one of its later tries.
static bool is_id(const char *stored, const char *id)
{
    size_t n = strlen(id);

    return strncmp(stored, id, n) == 0 &&
           (stored[n] == '\0' || stored[n] == '~');
}

// The server has refused because of the subject's last message: is that ours? OK: x->seq.
// ERR_CONFLICT: another one, x->last. ERR_NOTFOUND: the last one is still the expected one, so
// that what is expected behind it is on its way. ERR_GONE: it is an older one.
static enum err judge_refusal(struct nats_journal *j, struct storing *x)
{
    uint64_t expected = x->out.expected;
    enum err err =
        stored_last(j, x->stream, x->out.subject, x->end_us, &x->last);

    if (err == ERR_NOTFOUND) // also by its age
        return expected == 0 ? ERR_NOTFOUND : ERR_GONE;
    if (err != OK)
        return err;
    if (is_id(x->last.id, x->out.id)) {
        x->seq = x->last.seq;
        err = OK;
    } else if (x->last.seq == expected) {
        err = ERR_NOTFOUND;
    } else {
        err = x->last.seq > expected ? ERR_CONFLICT : ERR_GONE;
    }
    if (err != ERR_CONFLICT)
        stored_free(&x->last);
    return err;
}

// What store_after() knows between two tries.
struct tries {
    struct outgoing out;
    char id
        [ID_BYTES]; // of the next try: the message's own, or with "~n" behind it
    unsigned n_ids;   // that were used up
    unsigned n_known; // KNOWN_ID, with this id
    unsigned n_older; // answers of a leader that knows less than is expected
    enum outcome last_one; // outcome
};

// The server takes a refused id no more; the message says who it is by how its id begins.
static void take_next_id(struct tries *t, const char *id)
{
    snprintf(t->id, sizeof(t->id), "%.140s~%u", id, ++t->n_ids);
    t->n_known = 0;
}

// The server has not stored this try. OK: an earlier one is stored. ERR_CONFLICT. ERR_AGAIN:
// try again.
static enum err judge_try(struct nats_journal *j, struct storing *x,
                          struct tries *t)
{
    enum err err = judge_refusal(j, x);

    if (err == OK || err == ERR_CONFLICT)
        return err;
    // A new leader may not yet know all that its predecessor stored.
    if (err == ERR_GONE && ++t->n_older == 2) {
        x->last = (struct stored){ 0 };
        return ERR_CONFLICT;
    }
    if (t->last_one == REFUSED || ++t->n_known == 2)
        take_next_id(t, x->out.id);
    return ERR_AGAIN;
}

enum err store_after(struct nats_journal *j, struct storing *x)
{
    struct tries t = { .out = x->out };
    enum err err = stream_ready(j, x->stream, x->end_us);

    x->last = (struct stored){ 0 };
    x->was_there = false;
    snprintf(t.id, sizeof(t.id), "%s", x->out.id);
    t.out.id = t.id;
    while (err == OK && left_ms(x->end_us) > 0) {
        t.last_one = publish_once(j, x, &t.out);
        if (t.last_one == STORED || t.last_one == FULL)
            return t.last_one == STORED ? OK : ERR_FULL;
        if (t.last_one == REFUSED || t.last_one == KNOWN_ID) {
            enum err known = judge_try(j, x, &t);

            x->was_there = known == OK;
            if (known != ERR_AGAIN)
                return known;
        }
        if (t.last_one != UNKNOWN)
            back_off(x->end_us);
    }
    return ERR_AGAIN;
}

enum err stored_purge(struct nats_journal *j, enum stream s,
                      const char *subject, uint64_t below, int64_t end_us,
                      uint64_t *n)
{
    char at[SUBJECT_BYTES];
    char body[SUBJECT_BYTES + 80];
    struct answer answer;
    enum err err = stream_ready(j, s, end_us);

    if (err != OK)
        return err;
    snprintf(at, sizeof(at), "$JS.API.STREAM.PURGE.%s", stream_name(s));
    snprintf(body, sizeof(body), "{\"filter\":\"%s\",\"seq\":%llu}", subject,
             (unsigned long long)below);
    err = ask(j, at, str_of(body), end_us, &answer);
    if (err == OK && !json_bool(json_get(answer.root, "success")))
        err = ERR_AGAIN;
    if (err == OK)
        *n = (uint64_t)json_int_or_zero(json_get(answer.root, "purged"));
    answer_free(&answer);
    return err;
}
