/* Tells AddressSanitizer which parts of our own allocators' memory are not to be touched. Nothing
 * in other builds. */
#ifndef LB_BASE_ASAN_H
#define LB_BASE_ASAN_H

#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LB_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define LB_ASAN 1
#endif
#ifndef LB_ASAN
#define LB_ASAN 0
#endif

#if LB_ASAN
#include <sanitizer/asan_interface.h>
#endif

/* The bytes may not be touched until lb_asan_unpoison. */
static inline void lb_asan_poison(const void *p, size_t n) {
#if LB_ASAN
    __asan_poison_memory_region(p, n);
#else
    (void)p;
    (void)n;
#endif
}

static inline void lb_asan_unpoison(const void *p, size_t n) {
#if LB_ASAN
    __asan_unpoison_memory_region(p, n);
#else
    (void)p;
    (void)n;
#endif
}

#endif
