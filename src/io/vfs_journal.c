/* Whether a filesystem keeps its metadata in one ordered journal, so that committing a directory's
 * last change commits all that was done before it. */
#include "io/vfs_priv.h"

#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* ext2, ext3 and ext4 have one magic number. The driver tells the process id of a filesystem's
 * journal, under the name of its block device. */
static bool ext4_has_journal(int fd) {
    struct stat st;
    char path[PATH_MAX], target[PATH_MAX];
    if (fstat(fd, &st) < 0)
        return false;
    snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(st.st_dev), minor(st.st_dev));
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    if (n <= 0)
        return false;
    target[n] = '\0';
    const char *slash = strrchr(target, '/');
    const char *device = slash ? slash + 1 : target;
    n = snprintf(path, sizeof(path), "/sys/fs/ext4/%s/journal_task", device);
    FILE *f = n < (ssize_t)sizeof(path) ? fopen(path, "re") : NULL;
    int first = f ? fgetc(f) : EOF;
    if (f)
        fclose(f);
    return first >= '0' && first <= '9'; /* "<none>" without a journal */
}

bool lb_vfs_posix_journaled(struct lb_vfs *v, int fd) {
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return false;
    return fs.f_type == XFS_SUPER_MAGIC || (fs.f_type == EXT4_SUPER_MAGIC && ext4_has_journal(fd));
}
