/* What the machine offers: kernel, io_uring, limits, memory, clock. */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ctl/doctor.h"

#define FILES_WANTED 16384
#define FILES_NEEDED 1024

/* The first line of a file of /proc or /sys, or false. */
static bool first_line(const char *path, char *ret, size_t size) {
    FILE *file = fopen(path, "re");
    bool read = file && fgets(ret, (int)size, file);
    if (file)
        fclose(file);
    if (read)
        ret[strcspn(ret, "\n")] = '\0';
    return read;
}

static void check_kernel(const struct lb_doctor *d, struct lb_finding *f) {
    struct utsname name;
    int major = 0, minor = 0;
    uname(&name);
    sscanf(name.release, "%d.%d", &major, &minor);
    int version = major * 1000 + minor;
    if (version < 5006)
        lb_finding_set(f, LB_FINDING_FAIL, "lobos needs Linux 5.6, for openat2", "Linux %s",
                       name.release);
    else if (version < 6005)
        lb_finding_set(f, LB_FINDING_OK, "", "Linux %s (6.5 has cachestat, which helps reads)",
                       name.release);
    else
        lb_finding_set(f, LB_FINDING_OK, "", "Linux %s", name.release);
}

static void check_io_uring(const struct lb_doctor *d, struct lb_finding *f) {
    struct io_uring_params params = {0};
    char line[32] = "";
    long fd = syscall(SYS_io_uring_setup, 4, &params);
    if (fd >= 0) {
        close((int)fd);
        lb_finding_set(f, LB_FINDING_OK, "", "available");
        return;
    }
    int err = errno;
    if (first_line("/proc/sys/kernel/io_uring_disabled", line, sizeof(line)) && line[0] != '0')
        lb_finding_set(f, LB_FINDING_WARN,
                       "sysctl kernel.io_uring_disabled=0 allows it; until then lobos uses epoll",
                       "switched off: kernel.io_uring_disabled is %s", line);
    else
        lb_finding_set(f, LB_FINDING_WARN,
                       err == ENOSYS
                           ? "lobos uses epoll; a newer kernel has io_uring"
                           : "a container's seccomp profile may forbid it; lobos uses epoll",
                       "not available: %s", strerror(err));
}

static void check_files(const struct lb_doctor *d, struct lb_finding *f) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    unsigned long long hard = files.rlim_max;
    enum lb_finding_state state = hard < FILES_NEEDED   ? LB_FINDING_FAIL
                                  : hard < FILES_WANTED ? LB_FINDING_WARN
                                                        : LB_FINDING_OK;
    const char *advice = "each connection and open file takes a descriptor: raise it by ulimit -n, "
                         "LimitNOFILE= in the systemd unit, or --ulimit nofile= of the container";
    if (files.rlim_max == RLIM_INFINITY)
        lb_finding_set(f, LB_FINDING_OK, "", "unlimited");
    else
        lb_finding_set(f, state, advice, "%llu descriptors at most", hard);
}

static void check_hugepages(const struct lb_doctor *d, struct lb_finding *f) {
    char line[256], pages[32] = "0";
    first_line("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", pages, sizeof(pages));
    if (!first_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof(line))) {
        lb_finding_set(f, LB_FINDING_OK, "", "the kernel has no transparent ones, %s reserved",
                       pages);
        return;
    }
    if (strstr(line, "[never]"))
        lb_finding_set(f, LB_FINDING_WARN,
                       "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled makes buffers "
                       "cheaper",
                       "transparent ones are switched off, %s reserved", pages);
    else
        lb_finding_set(f, LB_FINDING_OK, "", "transparent ones %s, %s reserved",
                       strstr(line, "[always]") ? "always" : "when asked for", pages);
}

static void check_clock(const struct lb_doctor *d, struct lb_finding *f) {
    struct timex t = {0};
    int state = adjtimex(&t);
    if (state < 0)
        lb_finding_set(f, LB_FINDING_WARN,
                       "make sure that it is: signatures are refused 15 minutes off",
                       "can't tell whether it is synchronised: %s", strerror(errno));
    else if (state == TIME_ERROR || (t.status & STA_UNSYNC))
        lb_finding_set(f, LB_FINDING_WARN,
                       "run chrony or systemd-timesyncd (in a container: on its host): signatures "
                       "are refused 15 minutes off",
                       "not synchronised");
    else
        lb_finding_set(f, LB_FINDING_OK, "", "synchronised, at most %ld ms off", t.maxerror / 1000);
}

const struct lb_doctor_check lb_doctor_system[] = {
    {"kernel", check_kernel},       {"io_uring", check_io_uring}, {"descriptors", check_files},
    {"hugepages", check_hugepages}, {"clock", check_clock},       {0},
};
