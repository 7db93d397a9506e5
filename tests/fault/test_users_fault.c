/* The users file under failures: every call of the file system fails once, in turn; the power
 * fails, or the process is killed, before every call that changes something. What was acknowledged
 * is there, what was not is there whole or not at all, and memory is what the file is. */
#include "unit/control/users_helper.h"

#define STEPS 7
#define ALL ((1u << SIM_CALLS) - 1)
#define IMAGES 4

enum { ALICE = 1, BOB = 2, CAROL = 4, ALICE_ADMIN = 8, BOB_GRANT = 16 };

/* Makes a step; returns what the call does. */
static int step(struct lb_users *u, unsigned i) {
    switch (i) {
    case 0:
        return users_add(u, "alice", "ALICE");
    case 1:
        return users_add(u, "bob", "BOB");
    case 2:
        return lb_users_set_admin(u, LB_S("alice"), true, NULL, NULL);
    case 3:
        return lb_users_set_grant(u, LB_S("bob"), LB_S("b-*"), 3, NULL, NULL);
    case 4:
        return lb_users_delete(u, LB_S("alice"), true, NULL);
    case 5:
        return users_add(u, "carol", "CAROL");
    default:
        return lb_users_key_delete(u, LB_S("bob"), LB_S("BOB"), NULL);
    }
}

/* What there is after a step that was made. The key of bob is what stands for him. */
static unsigned after(unsigned there, unsigned i) {
    static const struct {
        unsigned add, remove;
    } changes[STEPS] = {{ALICE, 0},
                        {BOB, 0},
                        {ALICE_ADMIN, 0},
                        {BOB_GRANT, 0},
                        {0, ALICE | ALICE_ADMIN},
                        {CAROL, 0},
                        {0, BOB | BOB_GRANT}};
    return (there | changes[i].add) & ~changes[i].remove;
}

static unsigned observe(struct lb_users *u) {
    const struct lb_cred *alice = users_cred(u, "ALICE"), *bob = users_cred(u, "BOB");
    unsigned there = (alice ? ALICE : 0) | (bob ? BOB : 0) | (users_cred(u, "CAROL") ? CAROL : 0);
    return there | (alice && alice->admin ? ALICE_ADMIN : 0) |
           (bob && bob->grants_n ? BOB_GRANT : 0);
}

static unsigned observe_image(struct sim_fs *image) {
    struct lb_users *u = users_open(image, NULL);
    unsigned there = observe(u);
    lb_users_free(u);
    sim_fs_free(image);
    return there;
}

static void check_images(struct sim_fs *fs, unsigned there, unsigned or_there) {
    for (uint64_t seed = 0; seed < IMAGES; seed++) {
        unsigned left = observe_image(sim_fs_crash(fs, seed));
        if (left != there && left != or_there)
            fail_msg("a power loss leaves %u, not %u or %u", left, there, or_there);
    }
    unsigned left = observe_image(sim_fs_kill(fs));
    if (left != there && left != or_there)
        fail_msg("a kill leaves %u, not %u or %u", left, there, or_there);
}

/* Runs the steps with the nth call failing. Returns whether it was met. */
static bool run(const struct sim_fs_conf *conf, uint64_t nth, int err) {
    struct sim_fs *fs = sim_fs_new(conf);
    struct lb_users *u = users_open(fs, NULL);
    unsigned there = 0, maybe = 0;
    sim_fs_fail(fs, ALL, nth, err, false);
    for (unsigned i = 0; i < STEPS; i++) {
        bool broken = u->store.broken;
        int result = step(u, i);
        if (broken)
            assert_true(result == -EROFS || result == -ENOENT);
        else if (result == 0)
            there = maybe = after(there, i);
        else if (u->store.broken) /* the new file is in place, but may not stay */
            maybe = after(there, i);
        assert_int_equal(observe(u), there);
        check_images(fs, there, maybe);
    }
    bool met = sim_fs_failed(fs) > 0;
    sim_fs_fail(fs, 0, 0, 0, false);
    lb_users_free(u);
    assert_int_equal(sim_fs_open_count(fs), 0);
    sim_fs_free(fs);
    return met;
}

static void fail_each(bool journaled, int err) {
    const struct sim_fs_conf conf = {.seed = 1, .journaled = journaled};
    uint64_t nth = 1;
    while (run(&conf, nth, err))
        nth++;
    assert_true(nth > STEPS * 5);
}

static void test_each_call_fails(void **state) {
    fail_each(false, 0);
    fail_each(true, 0);
    fail_each(true, ENOSPC);
}

/* ---- crashes in the middle ---- */

struct crash {
    struct sim_fs *fs;
    unsigned before, after;
    unsigned images;
};

static void take_image(void *ctx, enum sim_call call) {
    struct crash *c = ctx;
    sim_fs_hook(c->fs, 0, NULL, NULL);
    check_images(c->fs, c->before, c->after);
    sim_fs_hook(c->fs, SIM_CHANGES, take_image, c);
    c->images++;
}

static void crash_anywhere(bool journaled) {
    const struct sim_fs_conf conf = {.seed = 2, .journaled = journaled};
    struct sim_fs *fs = sim_fs_new(&conf);
    struct lb_users *u = users_open(fs, NULL);
    struct crash c = {.fs = fs};
    for (unsigned i = 0; i < STEPS; i++) {
        c.after = after(c.before, i);
        sim_fs_hook(fs, SIM_CHANGES, take_image, &c);
        assert_int_equal(step(u, i), 0);
        sim_fs_hook(fs, 0, NULL, NULL);
        c.before = c.after;
        check_images(fs, c.after, c.after);
    }
    assert_true(c.images >= STEPS * 4);
    lb_users_free(u);
    sim_fs_free(fs);
}

static void test_crash_anywhere(void **state) {
    crash_anywhere(false);
    crash_anywhere(true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_fails),
        cmocka_unit_test(test_crash_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
