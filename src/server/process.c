#include "server/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* The first two numbers of statm: pages of virtual and of resident memory. */
static int read_memory(struct lb_process_stats *ret) {
    char text[128];
    unsigned long long pages, resident, page_size = (unsigned long long)sysconf(_SC_PAGESIZE);
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return -EIO;
    text[n] = '\0';
    if (sscanf(text, "%llu %llu", &pages, &resident) != 2)
        return -EIO;
    ret->virtual_bytes = pages * page_size;
    ret->resident_bytes = resident * page_size;
    return 0;
}

static int read_descriptors(struct lb_process_stats *ret) {
    struct rlimit limit;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return -errno;
    ret->fds = 0;
    for (struct dirent *e; (e = readdir(dir));)
        ret->fds += e->d_name[0] != '.';
    ret->fds--; /* the directory's own */
    closedir(dir);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    ret->fds_max = limit.rlim_cur;
    return 0;
}

int lb_process_read(struct lb_process_stats *ret) {
    struct lb_process_stats p;
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    p.cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
    int err = read_memory(&p);
    if (err == 0)
        err = read_descriptors(&p);
    if (err == 0)
        *ret = p;
    return err;
}
