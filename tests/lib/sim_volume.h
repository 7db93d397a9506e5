/* The volume engine on the simulator: a file of the simulated file system. */
#ifndef LB_TESTS_SIM_VOLUME_H
#define LB_TESTS_SIM_VOLUME_H

#include "sim_store.h"

#define SIM_VOLUME_PATH "/volume"
#define SIM_VOLUME_SMALL (32u << 20) /* 14 MiB of them for objects */
#define SIM_VOLUME_LARGE (512u << 20)

/* As sim_store_open. A volume that is not there is made with `size` bytes; its housekeeping runs
 * between the turns of the loop. */
int sim_volume_open(struct sim_store *s, struct sim_fs *fs, uint64_t seed, uint64_t size);

/* Its bytes that are free when nothing waits for the journal: a checkpoint has been written. */
uint64_t sim_volume_free(struct sim_store *s);

#endif
