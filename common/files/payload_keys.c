// SPDX-License-Identifier: MIT
// payload_keys.c — a key for each organization, which its payloads are sealed with.
//
// Sealed: version(1) locator(16) key_id(4) series(12) counter(6) ciphertext tag(16).
//   locator  names the file: the first half of SHA-256 of a label and the organization
//   key_id   of the key, so that a text of a destroyed key is not taken for a damaged one
//   series   random, drawn by each process for each organization: with the key it gives
//            the key of AES-GCM, whose nonce is the counter, which begins at 0
// So no nonce is used twice with a key, also after a backup was restored, and however
// many texts an organization has (random nonces would allow 2^32).
//
// What was read is kept in a table of sets: a set has few entries, of which the one that
// was not used for the longest time makes room. The file is looked at again once a second.

#include "common/files/payload_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/codec.h"
#include "common/base/mem.h"
#include "common/encoding/crypto.h"
#include "common/files/payload_key_file.h"
#include "common/log/log.h"

#define SEAL_VERSION  1
#define SERIES_BYTES  12
#define COUNTER_BYTES 6
#define HEAD_BYTES \
    (1 + KEY_LOCATOR_BYTES + KEY_ID_BYTES + SERIES_BYTES + COUNTER_BYTES)
#define COUNTER_MAX (UINT64_C(1) << 32) // then another series begins

#define SETS     128
#define SET_SIZE 4
#define CHECK_MS INT64_C(1000)

_Static_assert(HEAD_BYTES + AEAD_TAG_BYTES == PAYLOAD_SEAL_BYTES, "");

struct entry {
    bool is_used;
    bool is_own; // its series is this process's, to seal with
    uint8_t locator[KEY_LOCATOR_BYTES];
    uint8_t series[SERIES_BYTES];
    uint8_t key_id[KEY_ID_BYTES]; // of the key that is there now
    enum err err;                 // why there is no key
    struct aead *aead;            // NULL: there is none
    uint64_t counter;             // the next one
    struct key_file_mark file;    // as it was read
    int64_t checked_ms;           // monotonic
    uint64_t used;                // by the count of uses
};

struct payload_keys {
    int dir_fd;
    struct keyring *keyring; // borrowed
    bool is_writer;
    pthread_mutex_t mutex; // of all below
    uint64_t n_uses;
    struct entry sets[SETS][SET_SIZE];
};

enum err payload_keys_open(const char *dir, struct keyring *keyring,
                           bool is_writer, struct payload_keys **out,
                           struct buf *why)
{
    struct payload_keys *k;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        buf_printf(why, "%s cannot be opened: %s", dir, strerror(errno));
        return ERR_DENIED;
    }
    k = xcalloc(1, sizeof(*k));
    k->dir_fd = fd;
    k->keyring = keyring;
    k->is_writer = is_writer;
    pthread_mutex_init(&k->mutex, NULL);
    *out = k;
    return OK;
}

static void entry_clear(struct entry *e)
{
    aead_free(e->aead);
    *e = (struct entry){ .is_used = false };
}

void payload_keys_free(struct payload_keys *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < SETS; i++) {
        for (size_t j = 0; j < SET_SIZE; j++)
            entry_clear(&k->sets[i][j]);
    }
    close(k->dir_fd);
    pthread_mutex_destroy(&k->mutex);
    free(k);
}

// --- entries ---

// Reads the key, and makes the series' key of it.
static void entry_load(struct payload_keys *k, struct entry *e)
{
    uint8_t key[AEAD_KEY_BYTES];
    uint8_t derived[SHA256_BYTES];
    const struct str parts[] = { STR("payload series "),
                                 { (const char *)e->series, SERIES_BYTES } };

    e->err = key_file_read(k->dir_fd, k->keyring, e->locator, key, &e->file);
    if (e->err == OK) {
        key_file_id(key, e->key_id);
        crypto_hmac_sha256((struct str){ (const char *)key, sizeof(key) },
                           parts, 2, derived);
        e->aead = aead_new(derived);
        crypto_wipe(derived, sizeof(derived));
    }
    crypto_wipe(key, sizeof(key));
}

// Whether the entry says what is on disk, as of the last second.
static bool is_current(const struct payload_keys *k, struct entry *e)
{
    int64_t now_ms = clock_mono_us() / 1000;
    struct key_file_mark file;

    if (now_ms - e->checked_ms < CHECK_MS)
        return true;
    e->checked_ms = now_ms;
    key_file_look(k->dir_fd, e->locator, &file);
    return key_file_is_same(&file, &e->file) && e->err == OK;
}

// The entry of a series; `series` is NULL for the process's own. It is never NULL; `err`
// tells whether it has a key.
static struct entry *entry_find(struct payload_keys *k, const uint8_t *locator,
                                const uint8_t *series)
{
    uint64_t seed =
        series != NULL
            ? hash_here((struct str){ (const char *)series, SERIES_BYTES }, 1)
            : 0;
    uint64_t hash = hash_here(
        (struct str){ (const char *)locator, KEY_LOCATOR_BYTES }, seed);
    struct entry *set = k->sets[hash % SETS];
    struct entry *oldest = &set[0];

    for (size_t i = 0; i < SET_SIZE; i++) {
        struct entry *e = &set[i];

        if (e->used < oldest->used)
            oldest = e;
        if (!e->is_used || e->is_own != (series == NULL) ||
            memcmp(e->locator, locator, KEY_LOCATOR_BYTES) != 0 ||
            (series != NULL && memcmp(e->series, series, SERIES_BYTES) != 0))
            continue;
        e->used = ++k->n_uses;
        if (is_current(k, e))
            return e;
        oldest = e;
        break;
    }
    entry_clear(oldest);
    oldest->is_used = true;
    oldest->is_own = series == NULL;
    oldest->used = ++k->n_uses;
    oldest->checked_ms = clock_mono_us() / 1000;
    memcpy(oldest->locator, locator, KEY_LOCATOR_BYTES);
    if (series != NULL) {
        memcpy(oldest->series, series, SERIES_BYTES);
    } else {
        crypto_random(oldest->series, SERIES_BYTES);
    }
    entry_load(k, oldest);
    return oldest;
}

// Forgets what is known of an organization.
static void forget(struct payload_keys *k, const uint8_t *locator)
{
    for (size_t i = 0; i < SETS; i++) {
        for (size_t j = 0; j < SET_SIZE; j++) {
            struct entry *e = &k->sets[i][j];

            if (e->is_used &&
                memcmp(e->locator, locator, KEY_LOCATOR_BYTES) == 0)
                entry_clear(e);
        }
    }
}

// --- the writer ---

enum err payload_keys_prepare(struct payload_keys *k, struct str org)
{
    uint8_t locator[KEY_LOCATOR_BYTES];
    struct entry *e;
    enum err err;

    key_file_locate(org, locator);
    pthread_mutex_lock(&k->mutex);
    e = entry_find(k, locator, NULL);
    err = e->err;
    if (err == ERR_NOTFOUND && k->is_writer) {
        err = key_file_make(k->dir_fd, k->keyring, org);
        forget(k, locator);
        if (err == OK)
            err = entry_find(k, locator, NULL)->err;
    }
    pthread_mutex_unlock(&k->mutex);
    return err;
}

enum err payload_keys_destroy(struct payload_keys *k, struct str org)
{
    uint8_t locator[KEY_LOCATOR_BYTES];
    enum err err;

    key_file_locate(org, locator);
    pthread_mutex_lock(&k->mutex);
    err = key_file_remove(k->dir_fd, locator);
    forget(k, locator);
    pthread_mutex_unlock(&k->mutex);
    return err;
}

enum err payload_keys_check(struct payload_keys *k, struct buf *why)
{
    return key_files_check(k->dir_fd, k->keyring, why);
}

bool payload_keys_are_there(struct payload_keys *k)
{
    return faccessat(k->dir_fd, PAYLOAD_KEYS_NONE, F_OK, 0) == 0 ||
           key_files_are_there(k->dir_fd);
}

enum err payload_keys_reseal(struct payload_keys *k, size_t *n_sealed,
                             size_t *n_left, struct buf *why)
{
    return key_files_reseal(k->dir_fd, k->keyring, n_sealed, n_left, why);
}

// --- sealing ---

static void put_counter(uint64_t counter, uint8_t nonce[AEAD_NONCE_BYTES])
{
    memset(nonce, 0, AEAD_NONCE_BYTES);
    put_be64(nonce + AEAD_NONCE_BYTES - 8, counter);
}

static void seal(struct entry *e, struct str context, struct str plain,
                 struct buf *out)
{
    uint8_t nonce[AEAD_NONCE_BYTES];

    put_counter(e->counter++, nonce);
    buf_putc(out, SEAL_VERSION);
    buf_put(out, e->locator, KEY_LOCATOR_BYTES);
    buf_put(out, e->key_id, KEY_ID_BYTES);
    buf_put(out, e->series, SERIES_BYTES);
    buf_put(out, nonce + AEAD_NONCE_BYTES - COUNTER_BYTES, COUNTER_BYTES);
    aead_seal(e->aead, nonce, context, plain, out);
    if (e->counter >= COUNTER_MAX)
        entry_clear(e);
}

enum err payload_seal(struct payload_keys *k, struct str org,
                      struct str context, struct str plain, struct buf *out)
{
    uint8_t locator[KEY_LOCATOR_BYTES];
    struct entry *e;
    enum err err;

    key_file_locate(org, locator);
    pthread_mutex_lock(&k->mutex);
    e = entry_find(k, locator, NULL);
    err = e->err;
    if (err == OK)
        seal(e, context, plain, out);
    pthread_mutex_unlock(&k->mutex);
    return err;
}

// The entry of a sealed text; ERR_NOTFOUND also if the key that is there is another one.
static enum err entry_of(struct payload_keys *k, struct str sealed,
                         struct entry **out)
{
    const uint8_t *at;
    const uint8_t *key_id;

    if (sealed.n_bytes < PAYLOAD_SEAL_BYTES || sealed.at[0] != SEAL_VERSION)
        return ERR_CORRUPT;
    at = (const uint8_t *)sealed.at + 1;
    key_id = at + KEY_LOCATOR_BYTES;
    *out = entry_find(k, at, key_id + KEY_ID_BYTES);
    if ((*out)->err != OK)
        return (*out)->err;
    return memcmp(key_id, (*out)->key_id, KEY_ID_BYTES) == 0 ? OK
                                                             : ERR_NOTFOUND;
}

enum err payload_open(struct payload_keys *k, struct str context,
                      struct str sealed, struct buf *out)
{
    uint8_t nonce[AEAD_NONCE_BYTES] = { 0 };
    struct entry *e;
    enum err err;

    pthread_mutex_lock(&k->mutex);
    err = entry_of(k, sealed, &e);
    if (err == OK) {
        memcpy(nonce + AEAD_NONCE_BYTES - COUNTER_BYTES,
               sealed.at + HEAD_BYTES - COUNTER_BYTES, COUNTER_BYTES);
        err = aead_open(
            e->aead, nonce, context,
            (struct str){ sealed.at + HEAD_BYTES, sealed.n_bytes - HEAD_BYTES },
            out);
    }
    pthread_mutex_unlock(&k->mutex);
    return err;
}

enum err payload_has_key(struct payload_keys *k, struct str sealed)
{
    struct entry *e;
    enum err err;

    pthread_mutex_lock(&k->mutex);
    err = entry_of(k, sealed, &e);
    pthread_mutex_unlock(&k->mutex);
    return err;
}
