/* The index's memory comes by mprotect alone: a test makes it fail. */
#ifndef LB_TESTS_NO_MEMORY_H
#define LB_TESTS_NO_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool no_memory;

int mprotect(void *addr, size_t len, int prot) {
    if (no_memory) {
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_mprotect, addr, len, prot);
}

#endif
