/* The conditions of a write, decided against what is there: the same for every engine. */
#include "base/err.h"
#include "engine/engine.h"

#define NS_PER_S 1000000000

static int64_t floor_s(int64_t ns) {
    return ns / NS_PER_S - (ns % NS_PER_S < 0);
}

/* Does a condition's tag, or "*", name this object? */
static bool names(struct lb_slice tag, const struct lb_object_info *found) {
    return lb_slice_eq(tag, LB_S("*")) || lb_slice_eq(tag, lb_etag_slice(&found->etag));
}

int lb_precond_check(const struct lb_precond *p, const struct lb_object_info *found) {
    if (!found)
        return p->if_match.len ? LB_ERR_NO_SUCH_KEY : 0;
    bool holds = !(p->if_match.len && !names(p->if_match, found)) &&
                 !(p->if_none_match.len && names(p->if_none_match, found)) &&
                 !(p->has_mtime && p->if_mtime_s != floor_s(found->mtime_ns)) &&
                 !(p->has_size && p->if_size != found->size);
    return holds ? 0 : LB_ERR_PRECONDITION_FAILED;
}
