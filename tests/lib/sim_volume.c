/* See sim_volume.h. */
#include "sim_volume.h"

#include "engine/volume/volume_priv.h"

#define STAGED_MAX 32768 /* packs are written often */
#define CHECKPOINT_ONE_IN 100

static uint64_t volume_size;

/* The housekeeping of a volume, on the loop's own thread: what it must, and a checkpoint for no
 * reason now and then. */
static bool keep(void *ctx) {
    struct sim_store *s = ctx;
    struct vol_engine *v = LB_CONTAINER_OF(s->engine, struct vol_engine, engine);
    if (v->journal.running || v->journal.failed)
        return false;
    if (lb_prng_below(&s->keeper, CHECKPOINT_ONE_IN) == 0)
        vol_checkpoint(v, false);
    else
        vol_keep(v);
    return false;
}

static int open_volume(struct sim_store *s) {
    struct lb_volume_conf conf = {
        .path = SIM_VOLUME_PATH, .size = volume_size, .staged_max = STAGED_MAX, .no_keeper = true};
    struct lb_buf why;
    lb_buf_init(&why, 4096);
    int err = lb_volume_open(&conf, sim_fs_vfs(s->fs), &why, &s->engine);
    lb_buf_fini(&why);
    if (!err)
        lb_io_tick_add(s->io, keep, s);
    return err;
}

int sim_volume_open(struct sim_store *s, struct sim_fs *fs, uint64_t seed, uint64_t size) {
    volume_size = size;
    return sim_store_open_with(s, fs, seed, open_volume);
}

uint64_t sim_volume_free(struct sim_store *s) {
    struct vol_engine *v = LB_CONTAINER_OF(s->engine, struct vol_engine, engine);
    sim_run(s->sim, NULL, UINT64_MAX);
    while (vol_keep(v))
        ;
    vol_checkpoint(v, false);
    vol_checkpoint(v, false);
    return vol_alloc_free_units(v->alloc) * VOL_UNIT;
}
