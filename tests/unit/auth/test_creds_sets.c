/* Sets that share entries, and the box that loops take them from while they are replaced. */
#include "request.h"

#include <errno.h>
#include <pthread.h>

#define KEYS 2000
#define READERS 3
#define CHANGES 300

static struct lb_cred cred(const char *key, const char *secret) {
    struct lb_cred c = {0};
    snprintf(c.access_key, sizeof(c.access_key), "%s", key);
    snprintf(c.secret_key, sizeof(c.secret_key), "%s", secret);
    return c;
}

static void add(struct lb_creds *set, unsigned i) {
    char key[32];
    snprintf(key, sizeof(key), "key-%u", i);
    struct lb_cred c = cred(key, key + 4);
    assert_int_equal(lb_creds_add(set, &c), 0);
}

static bool has(const struct lb_creds *set, unsigned i) {
    char key[32];
    snprintf(key, sizeof(key), "key-%u", i);
    const struct lb_cred *found = lb_creds_find(set, lb_slice_cstr(key));
    return found && strcmp(found->secret_key, key + 4) == 0;
}

static void removes(void **state) {
    struct lb_creds *set = lb_creds_new();
    char key[32];
    for (unsigned i = 0; i < KEYS; i++)
        add(set, i);
    for (unsigned i = 0; i < KEYS; i += 3) {
        snprintf(key, sizeof(key), "key-%u", i);
        assert_int_equal(lb_creds_remove(set, lb_slice_cstr(key)), 0);
        assert_int_equal(lb_creds_remove(set, lb_slice_cstr(key)), -ENOENT);
    }
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(has(set, i), i % 3 != 0);
    for (unsigned i = 0; i < KEYS; i += 3)
        add(set, i);
    assert_int_equal(lb_creds_len(set), KEYS);
    for (unsigned i = 0; i < KEYS; i++)
        assert_true(has(set, i));
    lb_creds_unref(set);
}

static void copies_are_apart(void **state) {
    struct lb_creds *set = lb_creds_new();
    add(set, 1);
    add(set, 2);
    struct lb_creds *copy = lb_creds_dup(set);
    assert_int_equal(lb_creds_remove(copy, LB_S("key-1")), 0);
    add(copy, 3);
    assert_true(has(set, 1) && has(set, 2) && !has(set, 3));
    assert_true(!has(copy, 1) && has(copy, 2) && has(copy, 3));
    lb_creds_unref(set);
    assert_true(has(copy, 2));
    lb_creds_unref(copy);
}

static void rights_of_grants(void **state) {
    static const struct lb_grant grants[] = {
        {"a", LB_RIGHT_READ}, {"a*", LB_RIGHT_WRITE}, {"b-*", LB_RIGHT_LIST}};
    struct lb_cred c = cred("k", "s");
    struct lb_arena arena;
    c.grants = grants;
    c.grants_n = 3;
    assert_int_equal(lb_cred_rights(&c, LB_S("a")), LB_RIGHT_READ | LB_RIGHT_WRITE);
    assert_int_equal(lb_cred_rights(&c, LB_S("ab")), LB_RIGHT_WRITE);
    assert_int_equal(lb_cred_rights(&c, LB_S("b-")), LB_RIGHT_LIST);
    assert_int_equal(lb_cred_rights(&c, LB_S("b")), 0);
    assert_int_equal(lb_cred_rights(&c, LB_S("")), 0);
    lb_arena_init(&arena, 65536);
    const struct lb_cred *copy = lb_cred_copy(&c, &arena);
    assert_int_equal(lb_cred_rights(copy, LB_S("a")), LB_RIGHT_READ | LB_RIGHT_WRITE);
    assert_string_equal(copy->secret_key, "");
    lb_arena_fini(&arena);
    lb_arena_init(&arena, 16);
    assert_null(lb_cred_copy(&c, &arena));
    lb_arena_fini(&arena);
}

/* ---- the box ---- */

static struct lb_creds_box box;
static atomic_uint newest; /* number that every set from now on holds */
static atomic_bool ended;

static void *read_on(void *arg) {
    struct lb_creds_reader reader;
    intptr_t failures = 0;
    lb_creds_reader_init(&reader, &box);
    while (!atomic_load(&ended)) {
        unsigned i = atomic_load(&newest);
        const struct lb_creds *set = lb_creds_reader_get(&reader);
        failures += !has(set, i); /* sets keep what earlier ones had */
        failures += !has(set, KEYS);
    }
    lb_creds_reader_fini(&reader);
    return (void *)failures;
}

static void readers_see_changes(void **state) {
    pthread_t threads[READERS];
    struct lb_creds *set = lb_creds_new();
    add(set, KEYS);
    add(set, 0);
    lb_creds_box_init(&box, set);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, NULL), 0);
    for (unsigned i = 1; i < CHANGES; i++) {
        set = lb_creds_dup(set);
        add(set, i);
        lb_creds_box_put(&box, set);
        assert_true(box.retired_n <= READERS);
        atomic_store(&newest, i);
    }
    atomic_store(&ended, true);
    for (unsigned i = 0; i < READERS; i++) {
        void *failures;
        pthread_join(threads[i], &failures);
        assert_null(failures);
    }
    lb_creds_box_fini(&box);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removes),
        cmocka_unit_test(copies_are_apart),
        cmocka_unit_test(rights_of_grants),
        cmocka_unit_test(readers_see_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
