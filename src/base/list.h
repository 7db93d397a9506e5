/* Intrusive doubly linked list with a head node. An unlinked node points at itself. */
#ifndef LB_BASE_LIST_H
#define LB_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct lb_list {
    struct lb_list *next, *prev;
};

/* The structure that embeds the member at ptr. */
#define LB_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define LB_LIST_FOR_EACH(it, head) \
    for (struct lb_list *it = (head)->next; it != (head); it = it->next)

/* For loops whose body unlinks or frees the current node. */
#define LB_LIST_FOR_EACH_SAFE(it, head)                                          \
    for (struct lb_list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)

static inline void lb_list_init(struct lb_list *l) {
    l->next = l->prev = l;
}

static inline bool lb_list_empty(const struct lb_list *l) {
    return l->next == l;
}

static inline void lb_list_append(struct lb_list *head, struct lb_list *node) {
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void lb_list_prepend(struct lb_list *head, struct lb_list *node) {
    lb_list_append(head->next, node);
}

/* Unlinks node; harmless on a node that is not linked. */
static inline void lb_list_remove(struct lb_list *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    lb_list_init(node);
}

/* Unlinks and returns the first node, or NULL. */
static inline struct lb_list *lb_list_pop(struct lb_list *head) {
    struct lb_list *first = head->next;
    if (first == head)
        return NULL;
    lb_list_remove(first);
    return first;
}

#endif
