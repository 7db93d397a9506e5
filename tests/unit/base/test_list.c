#include "lib/check.h"

#include "base/list.h"

struct item {
    int n;
    struct lb_list link;
};

static struct item *item_of(struct lb_list *link) {
    return LB_CONTAINER_OF(link, struct item, link);
}

static void test_order(void **state) {
    struct lb_list head;
    struct item items[4] = {{.n = 0}, {.n = 1}, {.n = 2}, {.n = 3}};
    lb_list_init(&head);
    assert_true(lb_list_empty(&head));
    assert_null(lb_list_pop(&head));
    lb_list_append(&head, &items[1].link);
    lb_list_append(&head, &items[2].link);
    lb_list_append(&head, &items[3].link);
    lb_list_prepend(&head, &items[0].link);
    int n = 0;
    LB_LIST_FOR_EACH(it, &head)
    assert_int_equal(item_of(it)->n, n++);
    assert_int_equal(n, 4);
    lb_list_remove(&items[2].link);
    lb_list_remove(&items[2].link);
    assert_int_equal(item_of(lb_list_pop(&head))->n, 0);
    assert_int_equal(item_of(lb_list_pop(&head))->n, 1);
    assert_int_equal(item_of(lb_list_pop(&head))->n, 3);
    assert_true(lb_list_empty(&head));
}

static void test_remove_while_iterating(void **state) {
    struct lb_list head;
    struct item items[6];
    lb_list_init(&head);
    for (int i = 0; i < 6; i++) {
        items[i].n = i;
        lb_list_append(&head, &items[i].link);
    }
    LB_LIST_FOR_EACH_SAFE(it, &head) {
        if (item_of(it)->n % 2 == 0)
            lb_list_remove(it);
    }
    int expected = 1;
    LB_LIST_FOR_EACH(it, &head) {
        assert_int_equal(item_of(it)->n, expected);
        expected += 2;
    }
    assert_int_equal(expected, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_remove_while_iterating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
