// SPDX-License-Identifier: MIT
// test_queue_reshard.c — after a change of the number of dispatchers, and in a backup, each
// record of each kind is where it belongs, once, and unchanged.
//
// Every step runs in a process of its own: environments stay open until a process ends.

#include <sys/stat.h>
#include <sys/wait.h>

#include "queue/shard/inside.h"
#include "tests/support/shard_records.h"

#define ADMIN_TOKEN "pht_0123456789abcdef\n"

struct place {
    char dir[64];
    struct queue_config config;
    bool is_moved; // the number of shards was changed
};

static int make_place(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));

    snprintf(p->dir, sizeof(p->dir), "/tmp/posthorn-reshard-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    p->config = (struct queue_config){ .data_dir = xasprintf("%s/from", p->dir),
                                       .max_bytes = MAP_BYTES,
                                       .n_shards = 1 };
    assert_int_equal(mkdir(p->config.data_dir, 0700), 0);
    p->config.keys = new_keys(p->config.data_dir);
    *state = p;
    return 0;
}

static int remove_place(void **state)
{
    struct place *p = *state;
    char *command = xasprintf("rm -rf %s", p->dir);

    // A test's own directory. NOLINTNEXTLINE(cert-env33-c)
    assert_int_equal(system(command), 0);
    free(command);
    free(p);
    return 0;
}

// Runs `step` in a child, where a check that fails ends the test.
static void in_child(void (*step)(struct place *p), struct place *p)
{
    pid_t child = fork();
    int status = -1;

    assert_true(child >= 0);
    if (child == 0) {
        step(p);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

// cmocka's own asserts would go on with the next test in the child.
#define CHECK(condition)                                            \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
            _exit(1);                                               \
        }                                                           \
    } while (0)

// --- making them ---

static bool count_token(void *data, const struct token *token)
{
    *(size_t *)data += str_is(token->name, "for the shop") &&
                       str_is(token->org, "acme") &&
                       token->scopes == TOKEN_READ;
    return true;
}

static void put_catalog(struct fixture *f)
{
    const struct token token = { .hash = { 1, 2, 3 },
                                 .id = STR("tok-1"),
                                 .org = STR("acme"),
                                 .name = STR("for the shop"),
                                 .scopes = TOKEN_READ };
    const struct stack_name stack = { .org = STR("acme"),
                                      .project = STR("shop"),
                                      .stack = STR("prod") };
    struct hook hook = { .scope = { .dialect = DIALECT_PULUMI,
                                    .level = LEVEL_ORGANIZATION,
                                    .org = STR("acme") },
                         .name = STR("h9"),
                         .display_name = STR("d"),
                         .url = STR("http://x/"),
                         .format = FORMAT_RAW,
                         .active = true,
                         .secret = STR("s3cret") };
    struct written w;
    struct catalog_caller caller;

    CHECK(hook_store_open(&f->config, &f->loop, &f->hooks) == OK);
    for (uint64_t no = 1; no <= N_HOOKS; no++) {
        char name[] = { 'h', (char)('0' + no), '\0' };

        hook.name = str_of(name);
        CHECK(create_hook(f, &hook) == OK && hook.no == no);
    }
    CHECK(hook.org_id == ORG);
    caller = caller_of(&w);
    token_create(token_store_of(f->hooks), &token, &caller);
    CHECK(outcome(f, &w) == OK);
    caller = caller_of(&w);
    stack_create(f->hooks, &stack, false, &caller);
    CHECK(outcome(f, &w) == OK && w.share == SHARE_THERE);
}

static void put_admin_token(const struct place *p)
{
    char *path = xasprintf("%s/admin.token", p->config.data_dir);
    FILE *file = fopen(path, "we");

    CHECK(file != NULL && fputs(ADMIN_TOKEN, file) >= 0 && fclose(file) == 0);
    free(path);
}

// Fills a shard with records of all kinds of the hooks that it owns.
static void fill_shard(struct fixture *f, unsigned k)
{
    struct shard_batch *c = shard_batch_new();

    CHECK(shard_open(&f->config, k, &f->loop, &f->shard) == OK);
    for (uint64_t hook_id = 1; hook_id <= N_HOOKS; hook_id++) {
        if (queue_shard_of(hook_id, f->config.n_shards) == k)
            put_hook(c, hook_id);
    }
    put_list(c, k, f->config.n_shards);
    batch_stats_noted(c);
    batch_clock(c, 123456, 654321);
    batch_cursor(c, nth(N_EVENTS));
    commit(f, c);
    shard_batch_free(c);
}

// Makes the directory: events, hooks, and shards.
static void fill(struct place *p)
{
    struct fixture f = { .config = p->config };
    struct buf why;

    buf_init(&why, 0);
    uv_loop_init(&f.loop);
    CHECK(queue_prepare(&f.config, &why) == OK);
    CHECK(event_log_open(&f.config, &f.loop, &f.log) == OK);
    for (uint64_t n = 1; n <= N_EVENTS; n++) {
        struct new_event event = event_of("a.b", "{\"x\":1}");
        struct append a;

        event.event.id = id_of(7, n);
        event.has_id = true;
        CHECK(append(&f, &event, 1, &a) == OK);
    }
    for (unsigned k = 0; k < f.config.n_shards; k++)
        fill_shard(&f, k);
    put_catalog(&f);
    put_admin_token(p);
}

// --- where they are ---

struct found {
    unsigned shard, n_shards;
    size_t health[N_HOOKS + 1], own[N_HOOKS + 1];
    size_t replays[N_HOOKS + 1][REPLAYS];
    size_t attempts[N_HOOKS + 1][N_EVENTS + 1];
    int64_t last_us; // when the last attempt began
    bool is_moved;   // the number of shards was changed
};

static bool is_here(const struct found *f, uint64_t hook_id)
{
    return queue_shard_of(hook_id, f->n_shards) == f->shard;
}

static void on_health(void *data, uint64_t hook_id, const struct hook_health *h)
{
    struct found *f = data;
    struct unreported_dead dead;
    struct hook_health wanted = health_of(hook_id, &dead);
    struct buf a, b;

    CHECK(is_here(f, hook_id) && hook_id <= N_HOOKS);
    buf_init(&a, 0);
    buf_init(&b, 0);
    health_encode(h, &a);
    health_encode(&wanted, &b);
    CHECK(str_eq(buf_str(&a), buf_str(&b)));
    buf_clear(&a);
    buf_clear(&b);
    f->health[hook_id]++;
}

static bool on_own(void *data, const struct event *event)
{
    struct found *f = data;
    uint64_t hook_id = event->id.bytes[0];
    uint64_t no = 0;

    for (size_t i = 0; i < 8; i++)
        no = no << 8 | event->id.bytes[i];
    // An event of the engine's own may begin in any shard.
    CHECK((is_here(f, no) || !f->is_moved) && hook_id <= N_HOOKS);
    CHECK(str_is(event->payload, "{\"own\":1}") && str_is(event->org, "acme"));
    f->own[hook_id]++;
    return true;
}

static bool on_replay(void *data, const struct replay *r)
{
    struct found *f = data;
    uint8_t kind = r->id.bytes[0];
    struct replay wanted = replay_of(r->hook_id, kind);
    struct buf a, b;

    CHECK(kind < REPLAYS && is_here(f, r->hook_id));
    // Rows of the history have new numbers: all that were there are looked at again.
    if (kind == BY_FILTER && f->is_moved) {
        wanted.next = 0;
        wanted.end = UINT64_MAX;
        wanted.filter.until_us = MADE_MS * 1000;
    }
    buf_init(&a, 0);
    buf_init(&b, 0);
    replay_encode(r, &a);
    replay_encode(&wanted, &b);
    CHECK(str_eq(buf_str(&a), buf_str(&b)));
    buf_clear(&a);
    buf_clear(&b);
    f->replays[r->hook_id][kind]++;
    return true;
}

static bool on_attempt(void *data, uint64_t no, const struct attempt *a)
{
    struct found *f = data;
    uint64_t event = a->event_id.bytes[7];
    struct attempt wanted = attempt_of(a->hook_id, event);

    (void)no;
    CHECK(a->state == wanted.state && a->error == wanted.error &&
          a->started_at_us == wanted.started_at_us &&
          position_cmp(a->position, wanted.position) == 0 &&
          str_eq(a->response_body, wanted.response_body));
    CHECK(a->started_at_us >= f->last_us); // in the order of time
    f->last_us = a->started_at_us;
    f->attempts[a->hook_id][event]++;
    return true;
}

static void check_rows(struct shard *s, uint64_t hook_id, size_t n_wanted)
{
    const struct due_query query = { .hook_id = hook_id,
                                     .until_ms = INT64_MAX };
    struct due_row rows[N_EVENTS];
    struct dead_row dead;
    size_t n = 99;

    CHECK(shard_due_read(s, &query, rows, N_EVENTS, &n) == OK);
    CHECK(n == 2 * n_wanted);
    for (size_t i = 0; i < n; i++) {
        struct due_row wanted = due_of(hook_id, DUE_1 + i);

        CHECK(
            position_cmp(rows[i].position, wanted.position) == 0 &&
            rows[i].due_at_ms == wanted.due_at_ms && rows[i].n_attempts == 2 &&
            rows[i].queue_us == 55 && rows[i].n_crashes == 1 &&
            rows[i].not_before_ms == 88 && rows[i].replay == wanted.replay &&
            rows[i].n_before == wanted.n_before &&
            rows[i].ordering_key == hook_id * 3 && rows[i].payload_bytes == 7);
    }
    if (n_wanted == 0) {
        CHECK(shard_dead_get(s, hook_id, nth(DEAD), &dead) == ERR_NOTFOUND);
        return;
    }
    CHECK(shard_dead_get(s, hook_id, nth(DEAD), &dead) == OK);
    CHECK(dead.dead_at_ms == 99 && dead.n_attempts == 4 && dead.queue_us == 44);
}

static bool count_row(void *data, uint64_t no, const struct attempt *a)
{
    (void)no;
    (void)a;
    (*(size_t *)data)++;
    return true;
}

static size_t count_history(struct shard_view *view, uint64_t owner_no)
{
    struct history_query query = { .owner_no = owner_no, .max_rows = 10000 };
    size_t n = 0;

    CHECK(history_scan(view, &query, count_row, &n) == OK);
    return n;
}

static void read_stats(struct shard_view *view, uint64_t owner_no,
                       struct stats *into)
{
    int64_t from_s;

    CHECK(stats_read(view, owner_no, NOTED_S + 10, 600, into, &from_s) == OK);
}

static void check_hook(struct shard *s, struct shard_view *view,
                       struct found *f, uint64_t hook_id)
{
    const size_t n = is_here(f, hook_id);
    struct stats stats;

    check_rows(s, hook_id, n);
    CHECK(f->health[hook_id] == n);
    CHECK(count_history(view, hook_id) == N_EVENTS * n);
    for (uint64_t event = 1; event <= N_EVENTS; event++)
        CHECK(f->attempts[hook_id][event] == n);
    for (size_t kind = 0; kind < REPLAYS; kind++)
        CHECK(f->replays[hook_id][kind] == n);
    stats_init(&stats);
    read_stats(view, hook_id, &stats);
    CHECK(stats.states[DELIVERY_DELIVERED] == 2 * n &&
          stats.states[DELIVERY_DEAD] == n &&
          stats.phases[PHASE_TOTAL].n == N_EVENTS * n);
    stats_clear(&stats);
}

// What the shards hold together.
struct sum {
    size_t own[N_HOOKS + 1];
    size_t n_of_org;
    struct stats of_org;
    uint32_t n_matched[N_EVENTS + 1]; // by the list of events
};

static void check_state(struct shard *s, struct shard_view *view)
{
    uint64_t next_no;

    CHECK(history_end(view, &next_no) == OK);
    CHECK(shard_stats_from(s) == next_no); // all attempts are in the statistics
    CHECK(position_cmp(shard_cursor(s), nth(N_EVENTS)) == 0);
    CHECK(shard_clock_ms(s) == 123456 && shard_ran_ms(s) == 654321);
}

static void visit_all(struct shard *s, struct shard_view *view, struct found *f)
{
    uint64_t next_no;

    CHECK(shard_health_each(s, on_health, f) == OK);
    CHECK(shard_outbox_read(s, 1000, on_own, f) == OK);
    CHECK(replays_each(view, NULL, on_replay, f) == OK);
    CHECK(history_walk(view, 0, 10000, on_attempt, f, &next_no) == OK);
}

static void check_shard(struct place *p, unsigned k, struct sum *sum)
{
    struct found f = { .shard = k,
                       .n_shards = p->config.n_shards,
                       .is_moved = p->is_moved,
                       .last_us = INT64_MIN };
    struct shard_view *view;
    struct shard *s;
    uv_loop_t loop;

    uv_loop_init(&loop);
    CHECK(shard_open(&p->config, k, &loop, &s) == OK);
    CHECK(shard_view_open(&p->config, k, &view) == OK);
    // The last number that an attempt of any shard has.
    CHECK(s->state.last_org == ORG || !p->is_moved);
    check_state(s, view);
    visit_all(s, view, &f);
    for (uint64_t hook_id = 1; hook_id <= N_HOOKS; hook_id++) {
        check_hook(s, view, &f, hook_id);
        sum->own[hook_id] += f.own[hook_id];
    }
    CHECK(add_list(view, sum->n_matched));
    sum->n_of_org += count_history(view, ORG);
    read_stats(view, ORG, &sum->of_org);
}

static void check_shards(struct place *p)
{
    struct sum sum = { .n_of_org = 0 };

    stats_init(&sum.of_org);
    for (unsigned k = 0; k < p->config.n_shards; k++)
        check_shard(p, k, &sum);
    for (uint64_t hook_id = 1; hook_id <= N_HOOKS; hook_id++)
        CHECK(sum.own[hook_id] == 1);
    for (uint64_t n = 1; n <= N_EVENTS; n++)
        CHECK(sum.n_matched[n] == N_HOOKS);
    CHECK(sum.n_of_org == (size_t)N_HOOKS * N_EVENTS);
    CHECK(sum.of_org.states[DELIVERY_DELIVERED] == (uint64_t)2 * N_HOOKS);
    CHECK(sum.of_org.phases[PHASE_TOTAL].n == (uint64_t)N_HOOKS * N_EVENTS);
    stats_clear(&sum.of_org);
}

static void check_books(struct place *p)
{
    struct queue_report r;

    CHECK(queue_verify(&p->config, NULL, NULL, NULL, &r) == OK);
    CHECK(r.n_faults == 0 && r.n_missing == 0 && r.n_without == 0);
    CHECK(r.n_accepted == N_EVENTS && r.n_unmatched == 0);
    CHECK(r.matched == (int64_t)N_HOOKS * N_EVENTS);
    CHECK(r.pending == (int64_t)2 * N_HOOKS && r.dead == N_HOOKS);
    CHECK(r.delivered == (int64_t)2 * N_HOOKS && r.cancelled == N_HOOKS);
    CHECK(r.n_hooks == N_HOOKS && r.dead_expired == 0);
}

static bool count_hook(void *data, const struct hook *hook)
{
    *(size_t *)data +=
        str_is(hook->name, "h9") && str_is(hook->secret, "s3cret");
    return true;
}

static bool count_event(void *data, const struct event *event)
{
    *(size_t *)data +=
        str_is(event->payload, "{\"x\":1}") && str_is(event->org, "acme");
    return true;
}

static void check_events(const struct queue_config *config)
{
    struct event_scan scan = { .max = 100 };
    struct event_view *events;
    size_t n = 0;

    CHECK(event_view_open(config, &events) == OK);
    CHECK(event_view_scan(events, &scan, count_event, &n) == OK);
    CHECK(n == N_EVENTS && scan.n_damaged == 0);
}

static void check_catalog(const struct queue_config *config)
{
    const struct hook_scope scope = { .dialect = DIALECT_PULUMI,
                                      .level = LEVEL_ORGANIZATION,
                                      .org = STR("acme") };
    const struct stack_name stack = { .org = STR("acme"),
                                      .project = STR("shop"),
                                      .stack = STR("prod") };
    struct hook_store *hooks;
    struct token_store *tokens;
    struct stack_view *stacks;
    size_t n = 0;

    CHECK(hook_store_view(config, &hooks) == OK);
    CHECK(token_store_view(config, &tokens) == OK);
    CHECK(stack_view_open(config, &stacks) == OK);
    CHECK(hook_get(hooks, &scope, STR("h9"), count_hook, &n) == OK);
    CHECK(token_list(tokens, STR("acme"), count_token, &n) == OK);
    CHECK(n == 2);
    CHECK(stack_find(stacks, &stack) == OK);
}

static void check_admin_token(const struct place *p)
{
    char *path = xasprintf("%s/admin.token", p->config.data_dir);
    FILE *file = fopen(path, "re");
    char text[64];

    CHECK(file != NULL && fgets(text, sizeof(text), file) != NULL);
    CHECK(strcmp(text, ADMIN_TOKEN) == 0);
    fclose(file);
    free(path);
}

static void check_rest(struct place *p)
{
    struct queue_config config = p->config;
    char *path = keyring_path("", config.data_dir);
    struct buf why;

    buf_init(&why, 0);
    CHECK(keyring_read(path, &config.keys, &why) == OK); // those of the copy
    free(path);
    check_events(&config);
    check_catalog(&config);
    check_admin_token(p);
}

// --- the changes ---

static void prepare(struct place *p)
{
    struct buf why;

    buf_init(&why, 0);
    if (queue_prepare(&p->config, &why) != OK) {
        fprintf(stderr, "%s\n", buf_cstr(&why));
        _exit(1);
    }
}

static void change_to(struct place *p, unsigned n_shards)
{
    p->config.n_shards = n_shards;
    p->is_moved = true;
    in_child(prepare, p);
}

static void check_all(struct place *p)
{
    in_child(check_shards, p);
    in_child(check_books, p);
    in_child(check_rest, p);
}

static void backup(struct place *p)
{
    struct queue_copy_to to = { .parent = p->dir,
                                .name = "to",
                                .with_keys = true };
    struct queue_copied copied = { 0 };

    CHECK(queue_copy_begin(&to, p->config.data_dir) == OK);
    CHECK(queue_copy(&p->config, &to, NULL, NULL, &copied) == OK);
    CHECK(queue_copy_finish(&to) == OK);
    CHECK(queue_copy_end(&to) == OK);
    CHECK(copied.n_damaged == 0 && copied.n_records > 0);
}

static void every_record_moves_to_the_shard_that_owns_it(void **state)
{
    static const unsigned changes[] = { 3, 2, 5, 1 };
    struct place *p = *state;

    in_child(fill, p);
    check_all(p);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        change_to(p, changes[i]);
        check_all(p);
    }
}

static void what_several_dispatchers_noted_is_added_up(void **state)
{
    static const unsigned changes[] = { 2, 1 };
    struct place *p = *state;

    p->config.n_shards = 3;
    in_child(fill, p);
    check_all(p);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        change_to(p, changes[i]);
        check_all(p);
    }
}

static void a_backup_has_every_record_of_every_shard(void **state)
{
    struct place *p = *state;

    in_child(fill, p);
    change_to(p, 3);
    in_child(backup, p);
    p->config.data_dir = xasprintf("%s/to", p->dir);
    check_all(p);
    // The copy is a directory that an engine works on.
    change_to(p, 2);
    check_all(p);
}

#define PLACE(name) \
    cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE(every_record_moves_to_the_shard_that_owns_it),
        PLACE(what_several_dispatchers_noted_is_added_up),
        PLACE(a_backup_has_every_record_of_every_shard),
    };

    return cmocka_run_group_tests_name("queue_reshard", tests, NULL, NULL);
}
