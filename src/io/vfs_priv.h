/* Parts of the operating system's vfs that have a file of their own. */
#ifndef LB_IO_VFS_PRIV_H
#define LB_IO_VFS_PRIV_H

#include "io/vfs.h"

bool lb_vfs_posix_journaled(struct lb_vfs *v, int fd);

#endif
