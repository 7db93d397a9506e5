/* Commits: preconditions, hidden keys, what is in the way, symlinks, races. */
#include <pthread.h>

#include "write_env.h"

static int put_if(struct env *e, struct lb_slice key, const char *text, struct lb_precond pre) {
    struct call c = call_for(e, key);
    c.op.precond = pre;
    c.op.etag = etag_of("ffffffffffffffffffffffffffffffff");
    return put_call(e, &c, text, strlen(text), 4096);
}

static void preconditions(void **state) {
    struct env *e = *state;
    struct lb_slice key = LB_S("a/key"), tag = LB_S("ffffffffffffffffffffffffffffffff");
    struct lb_slice other = LB_S("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    assert_int_equal(put_if(e, key, "no", (struct lb_precond){.if_match = LB_S("*")}),
                     LB_ERR_NO_SUCH_KEY);
    assert_int_equal(put_if(e, key, "no", (struct lb_precond){.if_match = tag}),
                     LB_ERR_NO_SUCH_KEY);
    /* On an error nothing has changed: not even a directory. */
    assert_false(exists(e, "box/a"));
    assert_int_equal(put_if(e, key, "one", (struct lb_precond){.if_none_match = LB_S("*")}), 0);
    assert_int_equal(put_if(e, key, "no", (struct lb_precond){.if_none_match = LB_S("*")}),
                     LB_ERR_PRECONDITION_FAILED);
    assert_int_equal(put_if(e, key, "no", (struct lb_precond){.if_match = other}),
                     LB_ERR_PRECONDITION_FAILED);
    check_text(e, key, "one");
    assert_int_equal(put_if(e, key, "two", (struct lb_precond){.if_match = tag}), 0);
    assert_int_equal(put_if(e, key, "three", (struct lb_precond){.if_match = LB_S("*")}), 0);
    check_text(e, key, "three");
    check_tmp_empty(e);
}

static void file_beside_directory(void **state) {
    struct env *e = *state;
    assert_int_equal(put(e, LB_S("a"), "file"), 0);
    assert_int_equal(put(e, LB_S("a/b"), "below"), 0);
    assert_int_equal(put(e, LB_S("c/d"), "below"), 0);
    assert_int_equal(put(e, LB_S("c"), "file"), 0);
    check_text(e, LB_S("a"), "file");
    check_text(e, LB_S("a/b"), "below");
    check_text(e, LB_S("c"), "file");
    check_text(e, LB_S("c/d"), "below");
    assert_int_equal(put(e, LB_S("a/b"), "below again"), 0);
    check_text(e, LB_S("a/b"), "below again");
    /* With the obstacle gone the next PUT gives a plain file, and the hidden one goes. */
    assert_int_equal(remove_key(e, LB_S("a")), 0);
    check_text(e, LB_S("a/b"), "below again");
    assert_int_equal(put(e, LB_S("a/b"), "plain now"), 0);
    check_text(e, LB_S("a/b"), "plain now");
    assert_true(exists(e, "box/a/b"));
    assert_int_equal(remove_key(e, LB_S("a/b")), 0);
    check_missing(e, LB_S("a/b"));
    assert_false(exists(e, "box/a"));
}

static void keys_no_path_can_carry(void **state) {
    struct env *e = *state;
    char wide[300];
    memset(wide, 'w', sizeof(wide));
    struct lb_slice keys[] = {
        LB_S("x//y"),
        LB_S("dir/"),
        LB_S("/lead"),
        LB_S("."),
        LB_S(".."),
        LB_S("a/../b"),
        LB_S("../../etc"),
        LB_S(".lobos/x"),
        LB_S("nul\0byte"),
        LB_S("/"),
        lb_slice(wide, sizeof(wide)),
    };
    char text[32];
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < CHECK_COUNT(keys); i++) {
            snprintf(text, sizeof(text), "%zu of %zu", i, round);
            assert_int_equal(put(e, keys[i], text), 0);
        }
        for (size_t i = 0; i < CHECK_COUNT(keys); i++) {
            snprintf(text, sizeof(text), "%zu of %zu", i, round);
            check_text(e, keys[i], text);
        }
        if (round == 0) {
            engine_close(e);
            engine_open(e, 0);
        }
    }
    for (size_t i = 0; i < CHECK_COUNT(keys); i++) {
        assert_int_equal(remove_key(e, keys[i]), 0);
        check_missing(e, keys[i]);
    }
    check_tmp_empty(e);
}

/* Nothing is ever written outside, whatever another program has put into the tree. */
static void symlinks_lead_nowhere(void **state) {
    struct env *e = *state;
    char outside[64] = "/tmp/lobos-out-XXXXXX", path[512];
    assert_non_null(mkdtemp(outside));
    snprintf(path, sizeof(path), "%s/box/out", e->dir);
    assert_int_equal(symlink(outside, path), 0);
    snprintf(path, sizeof(path), "%s/box/void", e->dir);
    assert_int_equal(symlink("nowhere", path), 0);
    assert_int_equal(put(e, LB_S("out/file"), "kept in"), 0);
    assert_int_equal(put(e, LB_S("out/deep/file"), "kept in, too"), 0);
    assert_int_equal(put(e, LB_S("void/file"), "found"), 0);
    check_text(e, LB_S("out/file"), "kept in");
    check_text(e, LB_S("out/deep/file"), "kept in, too");
    check_text(e, LB_S("void/file"), "found");
    snprintf(path, sizeof(path), "%s/precious", outside);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(remove_key(e, LB_S("out/precious")), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(outside), 0);
    assert_int_equal(put(e, LB_S("out"), "instead of the link"), 0);
    check_text(e, LB_S("out"), "instead of the link");
}

static void replaces_foreign_files(void **state) {
    struct env *e = *state;
    make_file(e, "box/theirs", "their text");
    check_text(e, LB_S("theirs"), "their text");
    assert_int_equal(
        put_if(e, LB_S("theirs"), "no", (struct lb_precond){.if_none_match = LB_S("*")}),
        LB_ERR_PRECONDITION_FAILED);
    assert_int_equal(put(e, LB_S("theirs"), "ours"), 0);
    check_text(e, LB_S("theirs"), "ours");
}

/* ---- races ---- */

#define RACERS 4
#define ROUNDS 60

struct racer {
    pthread_t thread;
    struct env *env;
    struct env own; /* its loop and port on the same engine */
    unsigned id;
    int (*run)(struct racer *r, unsigned round);
    pthread_barrier_t *barrier;
    int results[ROUNDS];
};

static void *race(void *arg) {
    struct racer *r = arg;
    struct env *e = &r->own;
    struct lb_io_conf conf = {
        .backend = LB_IO_POSIX, .workers = r->env->workers, .vfs = lb_vfs_posix()};
    *e = *r->env;
    assert_int_equal(lb_io_new(&conf, &e->io), 0);
    e->pool = lb_pool_new(16u << 20);
    lb_arena_init(&e->arena, 16u << 20);
    assert_int_equal(e->engine->ops->attach(e->engine, e->io, e->pool, &e->port), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(r->barrier);
        r->results[i] = r->run(r, i);
    }
    e->port->ops->detach(e->port);
    lb_arena_fini(&e->arena);
    lb_pool_free(e->pool);
    lb_io_free(e->io);
    return NULL;
}

static void race_all(struct env *e, struct racer racers[RACERS],
                     int (*round_of)(struct racer *r, unsigned round)) {
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, RACERS);
    for (unsigned i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.env = e, .id = i, .run = round_of, .barrier = &barrier};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (unsigned i = 0; i < RACERS; i++)
        pthread_join(racers[i].thread, NULL);
    pthread_barrier_destroy(&barrier);
}

static int create_once(struct racer *r, unsigned round) {
    char key[32], text[32];
    int n = snprintf(key, sizeof(key), "dir%u/once", round);
    snprintf(text, sizeof(text), "by %u", r->id);
    return put_if(&r->own, lb_slice(key, (size_t)n), text,
                  (struct lb_precond){.if_none_match = LB_S("*")});
}

static void one_creator_wins(void **state) {
    struct env *e = *state;
    static struct racer racers[RACERS];
    race_all(e, racers, create_once);
    for (unsigned round = 0; round < ROUNDS; round++) {
        char key[32], text[32];
        int wins = 0;
        for (unsigned i = 0; i < RACERS; i++) {
            if (racers[i].results[round] == 0) {
                snprintf(text, sizeof(text), "by %u", i);
                wins++;
            } else {
                assert_int_equal(racers[i].results[round], LB_ERR_PRECONDITION_FAILED);
            }
        }
        assert_int_equal(wins, 1);
        int n = snprintf(key, sizeof(key), "dir%u/once", round);
        check_text(e, lb_slice(key, (size_t)n), text);
    }
    check_tmp_empty(e);
}

/* Half of them put into a directory that the others' removes prune. */
static int put_or_prune(struct racer *r, unsigned round) {
    char key[32];
    int n = snprintf(key, sizeof(key), "p/q/r/%u", r->id / 2);
    struct lb_slice k = lb_slice(key, (size_t)n);
    return r->id % 2 ? put(&r->own, k, "there") : remove_key(&r->own, k);
}

static void puts_survive_pruning(void **state) {
    struct env *e = *state;
    static struct racer racers[RACERS];
    race_all(e, racers, put_or_prune);
    for (unsigned i = 0; i < RACERS; i++) {
        for (unsigned round = 0; round < ROUNDS; round++)
            assert_int_equal(racers[i].results[round], 0);
    }
    for (unsigned i = 0; i < RACERS / 2; i++) {
        char key[32];
        int n = snprintf(key, sizeof(key), "p/q/r/%u", i);
        assert_int_equal(remove_key(e, lb_slice(key, (size_t)n)), 0);
        check_missing(e, lb_slice(key, (size_t)n));
    }
    assert_false(exists(e, "box/p"));
    check_tmp_empty(e);
}

/* A reader sees one version whole: text and ETag belong together. */
static int put_or_get(struct racer *r, unsigned round) {
    struct env *e = &r->own;
    struct call c = call_for(e, LB_S("shared"));
    char text[32];
    if (r->id) {
        snprintf(text, sizeof(text), "text-%u", r->id);
        c.op.etag = etag_of(text);
        c.op.relaxed = r->id % 2;
        return put_call(e, &c, text, strlen(text), 4096);
    }
    int64_t n = get(e, &c, text, sizeof(text));
    if (n == LB_ERR_NO_SUCH_KEY && round == 0)
        return 0;
    return n == 6 && lb_slice_eq(lb_slice(text, 6), lb_etag_slice(&c.op.info.etag)) ? 0 : -EIO;
}

static void readers_see_whole_objects(void **state) {
    struct env *e = *state;
    static struct racer racers[RACERS];
    race_all(e, racers, put_or_get);
    for (unsigned i = 0; i < RACERS; i++) {
        for (unsigned round = 0; round < ROUNDS; round++)
            assert_int_equal(racers[i].results[round], 0);
    }
}

int main(void) {
    static const struct named_test tests[] = {
        TEST(preconditions),         TEST(file_beside_directory),     TEST(keys_no_path_can_carry),
        TEST(symlinks_lead_nowhere), TEST(replaces_foreign_files),    TEST(one_creator_wins),
        TEST(puts_survive_pruning),  TEST(readers_see_whole_objects),
    };
    return run_on_both(tests, CHECK_COUNT(tests));
}
