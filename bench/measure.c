/* What is measured: time, latencies, CPU seconds. */
#include "bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 256

uint64_t bench_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t bucket_of(uint64_t ns) {
    if (ns < 32)
        return ns;
    unsigned shift = 63 - 5 - (unsigned)__builtin_clzll(ns);
    return (shift + 1) * 32 + (ns >> shift) - 32;
}

static double bucket_ns(size_t bucket) {
    if (bucket < 32)
        return (double)bucket;
    size_t shift = bucket / 32 - 1;
    return (double)((uint64_t)(bucket % 32 + 32) << shift) + (double)(1ull << shift) / 2;
}

void bench_histogram_add(struct bench_histogram *h, uint64_t ns) {
    h->counts[bucket_of(ns)]++;
    h->n++;
    if (ns > h->max_ns)
        h->max_ns = ns;
}

void bench_histogram_merge(struct bench_histogram *h, const struct bench_histogram *other) {
    for (size_t i = 0; i < BENCH_BUCKETS; i++)
        h->counts[i] += other->counts[i];
    h->n += other->n;
    if (other->max_ns > h->max_ns)
        h->max_ns = other->max_ns;
}

double bench_histogram_ms(const struct bench_histogram *h, double share) {
    uint64_t seen = 0;
    for (size_t i = 0; i < BENCH_BUCKETS; i++) {
        seen += h->counts[i];
        if (h->n && (double)seen >= share * (double)h->n) {
            double ns = bucket_ns(i);
            return (ns < (double)h->max_ns ? ns : (double)h->max_ns) / 1e6;
        }
    }
    return 0;
}

struct process {
    int pid;
    int parent;
    double cpu_s;
    bool counted;
};

/* Reads /proc/PID/stat: parent, and utime + stime of all threads. Children that have ended and
 * were waited for count as well. */
static bool process_read(int pid, struct process *ret) {
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    const char *rest = strrchr(text, ')'); /* the name may hold anything */
    unsigned long user, system, children_user, children_system;
    int parent;
    if (!rest || sscanf(rest, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
                        &parent, &user, &system, &children_user, &children_system) != 5)
        return false;
    double ticks = (double)(user + system + children_user + children_system);
    *ret = (struct process){pid, parent, ticks / (double)sysconf(_SC_CLK_TCK), false};
    return true;
}

static size_t processes_read(struct process *ret) {
    DIR *dir = opendir("/proc");
    size_t n = 0;
    if (!dir)
        return 0;
    for (struct dirent *entry; n < PROCESSES_MAX && (entry = readdir(dir));) {
        int pid = atoi(entry->d_name);
        if (pid > 0 && process_read(pid, &ret[n]))
            n++;
    }
    closedir(dir);
    return n;
}

double bench_cpu_s(int pid) {
    struct process root, processes[PROCESSES_MAX];
    if (!process_read(pid, &root))
        return -1;
    int family[PROCESSES_MAX] = {pid};
    size_t family_n = 1, n = processes_read(processes);
    double sum = root.cpu_s;
    for (size_t f = 0; f < family_n; f++) {
        for (size_t i = 0; i < n && family_n < PROCESSES_MAX; i++) {
            if (processes[i].parent != family[f] || processes[i].counted)
                continue;
            processes[i].counted = true;
            family[family_n++] = processes[i].pid;
            sum += processes[i].cpu_s;
        }
    }
    return sum;
}

double bench_own_cpu_s(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
